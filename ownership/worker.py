"""SHELL: delivers the outbox of notices, and fires the escalation ladder."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from ownership.escalate import Rung, due_rungs, next_rung_at
from ownership.notify import Notifier
from ownership.settings import OwnershipSettings, TeamSettings
from store import audit, notices, threads
from store.database import Store
from store.errors import PermanentError, TemporaryError
from store.records import PassReport, Thread

GIVE_UP_AFTER = timedelta(days=3)
FIRST_RETRY, LAST_RETRY = timedelta(seconds=30), timedelta(hours=4)


class NoticeWorker:
    """Delivers what waits in the outbox, each notice once, with back-off for three days."""

    def __init__(self, store: Store, notifier: Notifier) -> None:
        self._store = store
        self._notifier = notifier

    async def run_pass(self, now: datetime) -> PassReport:
        """Deliver every notice that is due."""
        waiting = await self._store.read(notices.waiting, now)
        for notice in waiting:
            await self._deliver(notice, now)
        next_at = await self._store.read(notices.next_at)
        return PassReport(len(waiting), next_at)

    async def _deliver(self, notice: Mapping[str, Any], now: datetime) -> None:
        try:
            await self._notifier.notify(notice, now)
        except TemporaryError as problem:
            pause = min(FIRST_RETRY * 2 ** min(notice["attempts"], 16), LAST_RETRY)
            late = now - notice["created_at"] > GIVE_UP_AFTER
            await self._store.write(notices.failed, notice["id"], str(problem), None if late else now + pause)
        except PermanentError as problem:
            await self._store.write(notices.failed, notice["id"], str(problem), None)
        else:
            await self._store.write(notices.delivered, notice["id"], now)


class SlaWorker:
    """Warns, escalates, and hands the task to the backup where the team wants that."""

    def __init__(self, store: Store, team: TeamSettings, settings: OwnershipSettings) -> None:
        self._store = store
        self._team = team
        self._settings = settings

    async def run_pass(self, now: datetime) -> PassReport:
        """Fire every rung that is due, in order, once."""
        horizon = now + self._settings.sla.warn_before
        due = await self._store.read(threads.due, horizon)
        fired = 0
        for thread in due:
            rungs = due_rungs(thread, self._settings.sla, self._team, now)
            if rungs:
                fired += await self._store.write(self._fire, thread.id, rungs, now)
        upcoming = [next_rung_at(thread, self._settings.sla) for thread in await self._store.read(threads.due, horizon)]
        later = await self._store.read(threads.next_deadline_after, horizon)
        wakes = [at for at in [*upcoming, later and later - self._settings.sla.warn_before] if at and at > now]
        return PassReport(fired, min(wakes, default=None))

    def _fire(self, connection: Connection, thread_id: int, rungs: tuple[Rung, ...], now: datetime) -> int:
        thread = threads.thread(connection, thread_id)
        if thread is None or not thread.task_open or thread.escalation >= rungs[-1].number:
            return 0
        for rung in rungs:
            self._tell(connection, thread, rung, now)
            if rung.acting and rung.acting != thread.acting:
                reason = f"The answer was overdue; {rung.acting} acts, {thread.owner} stays the owner."
                tried = [{"rule": "escalation", "matched": True, "detail": rung.sentence}]
                threads.assign(
                    connection, thread_id, owner=thread.owner, acting=rung.acting, rule="escalation", reason=reason,
                    tried=tried, facts={"rung": rung.number}, actor="postroom", now=now,
                )  # fmt: skip
            detail = {"rung": rung.number, "event": rung.event}
            audit.append(connection, now, "postroom", "thread.escalated", f"thread:{thread_id}", detail)
        threads.change(connection, thread_id, escalation=rungs[-1].number)
        return len(rungs)

    def _tell(self, connection: Connection, thread: Thread, rung: Rung, now: datetime) -> None:
        due = f"{thread.sla_due_at:%d %b %Y %H:%M} UTC" if thread.sla_due_at else ""
        about = f"Thread {thread.id}: {thread.subject}\nOwner: {thread.owner}, due {due}\n{thread.reason}\n"
        text = f"{rung.sentence}\n{about}"
        payload = {"subject": f"[{rung.event}] thread {thread.id}: {thread.subject}", "text": text, "thread": thread.id}
        # The deadline is part of the key: a new task on the same thread climbs its own ladder.
        key = f"{rung.event}:{thread.id}:{rung.number}:{thread.sla_due_at and thread.sla_due_at.isoformat()}"
        for person in rung.tell:
            notices.enqueue(connection, rung.event, key, "mail", person, payload, now)
        for hook in self._settings.webhook:
            if not hook.events or rung.event in hook.events:
                notices.enqueue(connection, rung.event, key, f"webhook-{hook.kind}", hook.url, payload, now)
