"""SHELL: fires the escalation ladder."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from ownership import outbox
from ownership.escalate import Rung, due_rungs, next_rung_at
from ownership.reason import local_time, title
from ownership.settings import OwnershipSettings, TeamSettings
from store import absences, audit, threads
from store.database import Store
from store.records import PassReport, Thread


class SlaWorker:
    """Warns, escalates, and hands the task to the backup where the team wants that."""

    def __init__(self, store: Store, team: TeamSettings, settings: OwnershipSettings) -> None:
        self._store = store
        self._team = team
        self._settings = settings

    async def run_pass(self, now: datetime) -> PassReport:
        """Fire every rung that is due, in order, once."""
        sla, horizon = self._settings.sla, now + self._settings.sla.warn_before
        team = self._team.with_absences(await self._store.read(absences.all_spans))
        fired = 0
        for thread in await self._store.read(threads.due, horizon):
            if due_rungs(thread, sla, team, now):
                fired += await self._store.write(self._fire, thread.id, team, now)
        upcoming = [next_rung_at(thread, sla, team) for thread in await self._store.read(threads.due, horizon)]
        later = await self._store.read(threads.next_deadline_after, horizon)
        wakes = [at for at in [*upcoming, later and later - sla.warn_before] if at and at > now]
        return PassReport(fired, min(wakes, default=None))

    def _fire(self, connection: Connection, thread_id: int, team: TeamSettings, now: datetime) -> int:
        threads.lock_desks(connection)
        thread = threads.thread(connection, thread_id)
        rungs = due_rungs(thread, self._settings.sla, team, now) if thread is not None else ()
        if thread is None or not rungs:
            return 0  # answered meanwhile
        for rung in rungs:
            self._tell(connection, thread, rung, team, now)
            if rung.acting and rung.acting != thread.acting:
                actor, owner = title(team, rung.acting), title(team, thread.owner)
                reason = f"The answer was overdue, so {actor} acts while {owner} stays the owner."
                tried = [{"rule": "escalation", "matched": True, "detail": rung.sentence}]
                threads.assign(
                    connection, thread_id, owner=thread.owner, acting=rung.acting, rule="escalation", reason=reason,
                    tried=tried, facts={"rung": rung.number}, actor="postroom", now=now,
                )  # fmt: skip
            detail = {"rung": rung.number, "event": rung.event}
            audit.append(connection, now, "postroom", "thread.escalated", f"thread:{thread_id}", detail)
        threads.change(connection, thread_id, escalation=rungs[-1].number)
        return len(rungs)

    def _tell(self, connection: Connection, thread: Thread, rung: Rung, team: TeamSettings, now: datetime) -> None:
        due = local_time(team, thread.acting, thread.sla_due_at) if thread.sla_due_at else None
        deadline = f"Due: {due:%a %d %b, %H:%M %Z}\n" if due else ""
        about = f"{thread.subject or 'A reply'}\n{thread.reason}\n{deadline}Acting: {title(team, thread.acting)}\n"
        text = f"{rung.sentence}\n\n{about}\nWhen it is answered elsewhere: postroom done {thread.id}\n"
        urgency = "due soon" if rung.number == 1 else "overdue"
        payload: dict[str, Any] = {"subject": f"[{urgency}] {thread.subject or f'thread {thread.id}'}", "text": text}
        payload |= {"thread": thread.id, "owner": thread.owner, "acting": thread.acting, "rung": rung.number}
        # The deadline is part of the key: a new task on the same thread climbs its own ladder.
        key = f"{rung.event}:{thread.id}:{rung.number}:{thread.sla_due_at and thread.sla_due_at.isoformat()}"
        outbox.tell(connection, self._settings, team, rung.event, key, rung.tell, payload, now)
