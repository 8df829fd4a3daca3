"""SHELL: what does the answer to a letter change? Each function is one unit of work, all of it in one transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Connection

from outbound.calendar import add_delay
from outbound.retry import Action, Retry, judge_answer
from outbound.settings import SequenceSettings
from outbound.stop import apply_event
from outbound.transport import SendResult
from store import audit, contacts, enrollments, history, mailboxes, notices, open_sends, sends, suppression
from store.records import Contact
from store.vocabulary import EnrollmentState, EventName, SendState, StopEvent, SuppressionKind, SuppressionReason

LAST_CHECK_FIRST = timedelta(minutes=15)  # after the claim: the first look into Sent


@dataclass(frozen=True, slots=True)
class Desk:
    """Who is told when a mailbox stops: people by mail, webhooks by (channel, address)."""

    people: tuple[str, ...] = ()
    hooks: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Results:
    """Writes results down; knows the sequences, the secret, and whom to tell."""

    secret: bytes
    sequences: Mapping[str, SequenceSettings]
    desk: Desk = Desk()
    copies: frozenset[str] = field(default_factory=frozenset)  #: mailboxes whose Sent folder gets a copy from us

    def record(
        self, connection: Connection, send_id: int, step: "Step", result: SendResult, jitter: float, now: datetime
    ) -> str:
        """Record what became of a letter that was not taken; returns a sentence when the mailbox must rest or stop."""
        match result.outcome:
            case "deferred" | "refused":
                return self._refused(connection, send_id, step, result, jitter, now)
            case "unknown":
                next_at = now + LAST_CHECK_FIRST
                open_sends.record_unknown(connection, send_id, next_check_at=next_at, checks=0)
        return ""

    def sent_all(self, connection: Connection, taken: Sequence["Taken"]) -> list[bool]:
        """Record letters as sent and let their next steps fall due; tells for each whether it was still open."""
        told = sends.record_sent_all(connection, [
            sends.Sent(
                one.send_id, one.at, self._following(one.step, one.contact, one.at), one.result.text[:500],
                one.result.message_id_learnt, one.at if one.step.mailbox in self.copies else None,
            ) for one in taken
        ])  # fmt: skip
        mailboxes.send_again(connection, {one.step.mailbox for one in taken})
        return told

    def sent(
        self, connection: Connection, send_id: int, step: "Step", now: datetime, *, answer: str = "",
        learnt_id: str = "", actor: str = "postroom", copied: bool = False,
    ) -> bool:  # fmt: skip
        """Record a letter as sent and let its next step fall due; returns whether it was still open."""
        return sends.record_sent(
            connection, send_id, now, next_due_at=self._next_due(connection, step, now), answer=answer[:500],
            learnt_id=learnt_id, copy_due_at=now if step.mailbox in self.copies and not copied else None,
            actor=actor,
        )  # fmt: skip

    def withdrawn(self, connection: Connection, send_id: int, step: "Step", slug: str, now: datetime) -> None:
        """Act on what the claim forbade: a suppression ends the enrollment, everything else waits for the next plan."""
        if slug.startswith("suppressed"):
            sends.record_refused(connection, send_id, now, reason=slug)
            end(connection, step.enrollment_id, StopEvent.SUPPRESSED, slug, now)
        elif slug == "do-not-contact":
            sends.record_refused(connection, send_id, now, reason=slug)
            fail(connection, step.enrollment_id, slug, now)

    def settled_by_mail(self, connection: Connection, send_id: int, now: datetime) -> bool:
        """Record an open send as sent because a reply or a bounce names it; returns whether it was open."""
        row = open_sends.find_open(connection, send_id)
        if row is None:
            return False
        step = Step(row.enrollment_id, row.contact_id, row.sequence, row.step, row.mailbox, row.recipient)
        return self.sent(connection, send_id, step, now, answer="named by a reply or a bounce")

    def hold(self, connection: Connection, mailbox: str, slug: str, sentence: str, now: datetime) -> str:
        """Hold a mailbox, audit it and tell the desk, once; returns the sentence for the log."""
        text = f"{mailbox} sends nothing any more: {sentence}"
        if mailboxes.hold(connection, mailbox, sentence, actor="postroom", now=now):
            how = f"\n\nWhen it is mended: postroom hold release {mailbox}\n"
            payload = {"subject": f"Mailbox held: {mailbox}", "text": text + how, "mailbox": mailbox, "reason": slug}
            key = notices.alert_key(EventName.MAILBOX_HELD, mailbox, now)
            for person in self.desk.people:
                notices.enqueue(connection, EventName.MAILBOX_HELD, key, "mail", person, payload, now)
            for channel, url in self.desk.hooks:
                notices.enqueue(connection, EventName.MAILBOX_HELD, key, channel, url, payload, now)
        return text

    def _refused(
        self, connection: Connection, send_id: int, step: "Step", result: SendResult, jitter: float, now: datetime
    ) -> str:
        code, text = result.code or 0, result.text
        attempts = history.attempts(connection, send_id) + (result.phase != "data")  # a claim has counted itself
        retry = judge_answer(code, result.enhanced, text, attempts, now, jitter)
        if retry.at is None:
            self._refused_for_good(connection, send_id, step, result, retry, now)
            return ""
        sends.record_deferred(
            connection, send_id, now, retry_at=retry.at, code=code, enhanced=result.enhanced, answer=text[:500]
        )
        said = f"{retry.slug}: {code} {text[:200]}"
        if retry.action == Action.HOLD:
            return self.hold(connection, step.mailbox, retry.slug, said, now)
        if retry.action == Action.REST:
            mailboxes.back_off(connection, step.mailbox, said, send_not_before=retry.at)
            detail = {"reason": retry.slug, "until": retry.at.isoformat()}
            audit.append(connection, now, "postroom", "mailbox.rests", f"mailbox:{step.mailbox}", detail)
            return f"{step.mailbox} rests until {retry.at:%d %b %H:%M} UTC: {said}"
        return ""

    def _refused_for_good(
        self, connection: Connection, send_id: int, step: "Step", result: SendResult, retry: Retry, now: datetime
    ) -> None:
        sends.record_refused(
            connection, send_id, now, reason=retry.slug, code=result.code, enhanced=result.enhanced,
            answer=result.text[:500],
        )  # fmt: skip
        if retry.action == Action.REFUSE:
            fail(connection, step.enrollment_id, retry.slug, now)
            return
        suppression.add(
            connection, self.secret, SuppressionKind.ADDRESS, step.recipient, SuppressionReason.HARD_BOUNCE,
            source="smtp", evidence=f"send:{send_id} {result.text[:200]}", actor="postroom", now=now,
        )  # fmt: skip
        end(connection, step.enrollment_id, StopEvent.BOUNCE_HARD, retry.slug, now)

    def _next_due(self, connection: Connection, step: "Step", now: datetime) -> datetime | None:
        contact = contacts.contact(connection, step.contact_id)
        return self._following(step, contact, now) if contact is not None else None

    def _following(self, step: "Step", contact: Contact, now: datetime) -> datetime | None:
        sequence, following = self.sequences.get(step.sequence), step.step + 1
        if sequence is None or following >= len(sequence.step):
            return None
        return add_delay(now, sequence.step[following].delay, contact.zone, contact.country, sequence.window)


@dataclass(frozen=True, slots=True)
class Step:
    """Which step of which enrollment a send is."""

    enrollment_id: int
    contact_id: int
    sequence: str
    step: int
    mailbox: str
    recipient: str


@dataclass(frozen=True, slots=True)
class Taken:
    """A letter that a server has taken."""

    send_id: int
    step: Step
    contact: Contact
    result: SendResult
    at: datetime


def end(connection: Connection, enrollment_id: int, event: StopEvent, reason: str, now: datetime) -> None:
    """Apply an event to an enrollment by the stop table."""
    old = enrollments.enrollment(connection, enrollment_id)
    if old is not None:
        moved = apply_event(old.state, event, paused_until=None)
        if moved.state != old.state:
            enrollments.set_state(connection, old, moved.state, reason=reason, actor="postroom", now=now)


def fail(connection: Connection, enrollment_id: int, reason: str, now: datetime) -> None:
    """End an enrollment that can never be sent."""
    old = enrollments.enrollment(connection, enrollment_id)
    if old is not None and old.state in enrollments.LIVE:
        enrollments.set_state(connection, old, EnrollmentState.FAILED, reason=reason, actor="postroom", now=now)


def settle_by_person(
    connection: Connection, results: Results, send_id: int, *, was_sent: bool, actor: str, now: datetime
) -> bool:
    """Let a person say what became of an uncertain send; returns whether it was uncertain."""
    row = open_sends.find_open(connection, send_id)
    if row is None or row.state != SendState.UNCERTAIN:
        return False
    step = Step(row.enrollment_id, row.contact_id, row.sequence, row.step, row.mailbox, row.recipient)
    if was_sent:
        return results.sent(connection, send_id, step, now, answer=f"settled by {actor}", actor=actor)
    sends.record_refused(connection, send_id, now, reason="settled-not-sent")
    audit.append(connection, now, actor, "send.settled", f"send:{send_id}", {"sent": False})
    fail(connection, step.enrollment_id, "settled-not-sent", now)
    return True
