"""Who has to be told or to step in although no reply came? SHELL: absences, leavers, alerts, the weekly audit.

Everything is decided from the store, so a pass after any downtime does what was missed, once.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from ownership import outbox
from ownership.absence import acting_for, is_member, present_desk
from ownership.assign import assign_owner
from ownership.escalate import WAITING
from ownership.facts import RoutingFacts, facts_from_json
from ownership.passing_desk import tell_late
from ownership.reason import covered, title
from ownership.settings import OwnershipSettings, TeamSettings
from ownership.weekly import DeskFacts, render_weekly, weekly_audit
from store import absences, audit, contacts, decisions, messages, notices, threads
from store.database import Store
from store.records import PassReport, Reply, Thread
from store.vocabulary import EventName, Label

PAUSE = timedelta(minutes=15)
ALERT_WITHIN = timedelta(days=3)  # an older event is history when the log is read for the first time
BACKUP_RUNG = 3
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
SequencePeople = Mapping[str, tuple[str, str]]  #: sequence -> (owner, backup)


class DutyWorker:
    """Keeps desks staffed and people informed between replies."""

    def __init__(
        self, store: Store, team: TeamSettings, settings: OwnershipSettings, sequences: SequencePeople
    ) -> None:
        self._store = store
        self._team = team
        self._settings = settings
        self._sequences = sequences

    async def run_pass(self, now: datetime) -> PassReport:
        """Hand over the desks of leavers, follow absences, tell about alerts, write the weekly audit."""
        team = self._team.with_absences(await self._store.read(absences.all_spans))
        pairs = await self._store.read(threads.people)
        done = 0
        if any(not is_member(team, owner, now) or acting != acting_for(team, owner, now) for owner, acting in pairs):
            done += await self._store.write(self._staff, team, now)
        done += await self._store.write(tell_late, self._settings, team, now)
        done += await self._store.write(self._alert, team, now)
        done += await self._store.write(self._weekly, team, now)
        return PassReport(done, now + PAUSE)

    def _staff(self, connection: Connection, team: TeamSettings, now: datetime) -> int:
        threads.lock_desks(connection)
        changed = 0
        for thread in threads.owned(connection):
            if not is_member(team, thread.owner, now):
                changed += self._leaver(connection, thread, team, now)
            elif thread.state in WAITING and not self._escalated(thread):
                changed += self._follow(connection, thread, team, now)
        return changed

    def _escalated(self, thread: Thread) -> bool:
        return self._settings.sla.reassign and thread.escalation >= BACKUP_RUNG

    def _leaver(self, connection: Connection, thread: Thread, team: TeamSettings, now: datetime) -> bool:
        """Move what a former member owned: to the backup, else by the rules, else to triage."""
        facts = self._facts(connection, thread)
        made = assign_owner(facts, self._settings, self._team, now)
        if made.owner == thread.owner:
            return False  # nobody at all is left
        outbox.record_decision(connection, thread, made, facts, self._settings, self._team, now)
        outbox.count_again(connection, thread, made.acting, self._settings, team)
        self._tell_move(connection, thread, made.acting, made.reason, team, now)
        return True

    def _facts(self, connection: Connection, thread: Thread) -> RoutingFacts:
        """Return the facts of the last decision with what is true of the thread and the team now."""
        sequence = self._sequences.get(thread.sequence, ("", ""))
        contact = contacts.contact(connection, thread.contact_id) if thread.contact_id else None
        account = contacts.account(connection, thread.account_id) if thread.account_id else None
        reply = Reply(0, contact.email if contact else "", (), "", "", Label.OTHER, frozenset(), 1.0, "",
                      thread.last_reply_at or thread.assigned_at or datetime.min.replace(tzinfo=ZoneInfo("UTC")),
                      mailbox=thread.mailbox, sequence=thread.sequence)  # fmt: skip
        base = RoutingFacts(thread, reply, contact, account, sequence_owner=sequence[0], sequence_backup=sequence[1])
        known = [row for row in decisions.decisions(connection, thread.id) if row["facts"].get("reply")]
        if known:
            old = facts_from_json(known[-1]["facts"], "", "")
            base = replace(base, account=old.account, parents=old.parents, account_in_doubt=old.account_in_doubt,
                           contact=old.contact or contact, sequence_segment=old.sequence_segment,
                           reply=replace(reply, language=old.reply.language))  # fmt: skip
        return replace(base, open_counts=threads.open_counts(connection), rotations=threads.rotations(connection),
                       absences=absences.all_spans(connection))  # fmt: skip

    def _follow(self, connection: Connection, thread: Thread, team: TeamSettings, now: datetime) -> bool:
        """Let the backup act while the owner is away, and the owner again from the return on."""
        acting = acting_for(team, thread.owner, now)
        if acting == thread.acting:
            return False
        back = f"{title(team, acting)} is back and works on this again."
        said = f"This stays with {title(team, thread.owner)}."
        reason = back if acting == thread.owner else covered(team, said, thread.owner, acting, now)
        rule = "return" if acting == thread.owner else "absence"
        tried = [{"rule": rule, "matched": True, "detail": reason}]
        threads.assign(connection, thread.id, owner=thread.owner, acting=acting, rule=rule, reason=reason, tried=tried,
                       facts={}, actor="postroom", now=now)  # fmt: skip
        outbox.count_again(connection, thread, acting, self._settings, team)
        self._tell_move(connection, thread, acting, reason, team, now)
        return True

    def _tell_move(
        self, connection: Connection, thread: Thread, acting: str, reason: str, team: TeamSettings, now: datetime
    ) -> None:
        if thread.state not in WAITING:
            return
        about = thread.subject or "A reply"
        text = f"{reason}\n\n{about} waits for an answer.\nAll about it: postroom explain {thread.id}\n"
        payload = {"subject": f"[yours now] {thread.subject or f'thread {thread.id}'}", "text": text,
                   "thread": thread.id, "acting": acting, "reason": reason}  # fmt: skip
        event = EventName.THREAD_REASSIGNED
        key = f"{event}:{thread.id}:{acting}:{now.isoformat()}"
        outbox.tell(connection, self._settings, team, event, key, [acting], payload, now)

    def _alert(self, connection: Connection, team: TeamSettings, now: datetime) -> int:
        """Tell operations about held mailboxes, blocked domains and paused sequences, as the audit log has them."""
        threads.lock_desks(connection)
        after, told = decisions.bookmark(connection, "alerts"), 0
        seq = after
        for entry in audit.entries(connection, after=after):
            seq = entry["seq"]
            told += self._tell_suppression(connection, entry, team, now)
            found = _ALERTS.get(entry["action"])
            event = found(entry["detail"]) if found else None
            if event is None or now - datetime.fromisoformat(entry["at"]) > ALERT_WITHIN:
                continue
            name = entry["subject"].partition(":")[2]
            payload = {"subject": f"[{event}] {name}", "text": f"{name}: {event}. {entry['detail']}\n", "name": name}
            keeper = acting_for(team, present_desk(team, "operations", now), now)
            key = notices.alert_key(event, name, datetime.fromisoformat(entry["at"]))
            outbox.tell(connection, self._settings, team, event, key, [keeper], payload, now)
            told += 1
        if seq != after:
            decisions.set_bookmark(connection, "alerts", seq)
        return told

    def _tell_suppression(
        self, connection: Connection, entry: Mapping[str, Any], team: TeamSettings, now: datetime
    ) -> int:
        """Tell systems who will never be mailed again, whoever entered it; a whole imported list is not news."""
        source = json.loads(entry["detail"]).get("source", "") if entry["action"] == "suppression.added" else "import:"
        value = audit.private_body(entry).get("value", "")
        late = now - datetime.fromisoformat(entry["at"]) > ALERT_WITHIN
        if not self._settings.webhook or source.startswith("import:") or not value or late:
            return 0
        event = EventName.SUPPRESSION_ADDED
        said = {"reason": json.loads(entry["detail"]).get("reason", ""), "source": source, "value": value}
        payload = {"subject": f"Suppressed: {value}", "text": f"{value} is suppressed ({said['reason']}).\n", **said}
        outbox.tell(connection, self._settings, team, event, f"suppression:{value}", [], payload, now)
        return 1

    def _weekly(self, connection: Connection, team: TeamSettings, now: datetime) -> int:
        threads.lock_desks(connection)
        manager = present_desk(team, "escalation", now)
        due_at = self._last_weekly(team, manager, now)
        told = decisions.bookmark(connection, "weekly")
        if told >= due_at.toordinal():
            return 0
        decisions.set_bookmark(connection, "weekly", due_at.toordinal())
        if not told:
            return 0  # a new database has no week behind it
        figures = weekly_audit(read_desks(connection, now), self._settings, self._team, self._sequences, now)
        payload = {"subject": f"[weekly audit] the desks, {due_at:%d %b %Y}", "text": render_weekly(figures, team, now)}
        event, people = EventName.REPORT_WEEKLY, [acting_for(team, manager, now)]
        outbox.tell(connection, self._settings, team, event, f"{event}:{due_at:%Y-%m-%d}", people, payload, now)
        return 1

    def _last_weekly(self, team: TeamSettings, manager: str, now: datetime) -> datetime:
        notify, person = self._settings.notify, team.find(manager)
        zone = ZoneInfo(person.zone if person else "UTC")
        local = now.astimezone(zone)
        behind = (local.weekday() - _DAYS.index(notify.weekly_day)) % 7
        due_at = datetime.combine(local.date() - timedelta(days=behind), notify.weekly_at, zone)
        return due_at if due_at <= now else due_at - timedelta(days=7)


def read_desks(connection: Connection, now: datetime) -> DeskFacts:
    """Read what the weekly audit asks."""
    since = (now - timedelta(days=7)).isoformat(timespec="microseconds")
    moved = audit.subjects_since(connection, "thread.moved", since)
    ids = [int(subject.partition(":")[2]) for subject in moved]
    return DeskFacts(threads.owned(connection), messages.human_without_owner(connection), ids)


def _verdict_event(detail: str) -> EventName | None:
    """Return what a changed verdict tells; a domain that gets well again tells nothing."""
    found = json.loads(detail)
    if found["to"] == "blocked":
        return EventName.DOMAIN_BLOCKED
    return EventName.DOMAIN_DRIFT if (found["from"], found["to"]) == ("ready", "degraded") else None


_ALERTS: Mapping[str, Callable[[str], EventName | None]] = {
    "mailbox.held": lambda _: EventName.MAILBOX_HELD,
    "sequence.paused": lambda _: EventName.SEQUENCE_PAUSED,
    "domain.verdict": _verdict_event,
    "probe.drift": lambda _: EventName.DOMAIN_DRIFT,
}
