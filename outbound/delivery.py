"""SHELL: what happens to one planned letter? Facts, guardrails, exact bytes, dial, claim, result.

`prepare` fixes the bytes in the ledger before anything is dialled, `deliver` sends them. Every instant comes from the
clock at its moment: a pass may last minutes, and a window may close meanwhile.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from hashlib import sha256
from typing import Protocol

from sqlalchemy import Connection

from outbound.calendar import local_date
from outbound.guardrails import Allowance, may_write, recycle_times
from outbound.letter import Letter, LetterFacts, LetterWriter
from outbound.mail_settings import GuardrailSettings
from outbound.plan import PlannedSend
from outbound.results import Results, Step, end, fail
from outbound.sent_folder import FindInSent, marker_of
from outbound.settings import HealthSettings, LimitSettings, SendingDomainSettings, SequenceSettings
from outbound.transport import Envelope, SendResult, Transport
from store import audit, claims, contacts, enrollments, history, sends
from store.database import Store
from store.errors import PermanentError, UnsafeMessage
from store.records import Account, Contact, ContactHistory
from store.vocabulary import EnrollmentState, SendState, StopEvent

LEASE = timedelta(minutes=45)  # longer than the slowest DATA: ten minutes and ten megabytes at 20 kB/s, twice
QUIET_PAUSE = timedelta(hours=6)  # after which a guardrail that passes by itself is asked again


@dataclass(frozen=True, slots=True)
class SendingPolicy:
    """What the send worker needs to know besides the store."""

    node: str
    secret: bytes
    sequences: Mapping[str, SequenceSettings]
    limits: Mapping[str, LimitSettings]  #: by mailbox
    health: HealthSettings
    domain_caps: Mapping[str, SendingDomainSettings]
    guardrails: GuardrailSettings


class WaitingStops(Protocol):
    """Wishes to stop that wait outside the store: no letter is claimed while one does."""

    async def drain(self) -> int:
        """Bring them into the store; returns how many."""
        ...

    def waiting(self) -> bool:
        """Tell whether one waits now; asked inside the claim."""
        ...


@dataclass(frozen=True, slots=True)
class Ready:
    """A letter whose bytes are in the ledger."""

    send_id: int
    step: Step
    letter: Letter
    sha256: str
    limit: int  #: of the mailbox in 24 h, as the ramp and its health allow today
    pilot: int | None  #: contacts that the sequence may open with, while it is in its pilot
    history: ContactHistory


@dataclass(frozen=True, slots=True)
class Delivery:
    """Takes planned letters out of the house, one at a time."""

    store: Store
    policy: SendingPolicy
    results: Results
    writer: LetterWriter
    transports: Mapping[str, Transport]
    jitter: Callable[[str], float]
    find_in_sent: FindInSent
    clock: Callable[[], datetime]
    stops: WaitingStops | None = None

    async def prepare(self, planned: PlannedSend) -> Ready | None:
        """Compose a letter and fix it in the ledger; None when it is not to be sent."""
        now = self.clock()
        facts = await self.store.read(read_facts, planned.enrollment_id, self.policy.secret, now)
        if facts is None or facts.step != planned.step:
            return None
        sequence = self.policy.sequences[facts.sequence]
        allowed = self._ask_guardrails(facts.contact, facts.account, facts.history, facts.sequence, now)
        if allowed.refused:
            slug = next(reason.slug for reason in allowed.reasons if not reason.passing)
            await self.store.write(refuse_unsent, facts, slug, now)
            return None
        if not allowed.allowed:
            await self.store.write(enrollments.postpone, {facts.enrollment_id: now + QUIET_PAUSE}, now)
            return None
        try:
            letter = self.writer.write(facts, sequence, planned.mailbox, now)
        except PermanentError as problem:
            await self.store.write(refuse_unsent, facts, str(problem), now)
            return None
        digest = sha256(letter.raw).hexdigest()
        send_id = await self.store.write(sends.plan, _new_send(facts, planned, letter, digest), now)
        if send_id is None:
            return None
        step = Step(facts.enrollment_id, facts.contact.id, facts.sequence, facts.step, planned.mailbox,
                    facts.contact.email)  # fmt: skip
        return Ready(send_id, step, letter, digest, planned.limit, planned.pilot, facts.history)

    async def deliver(
        self, ready: Ready, epoch: int, restored_at: datetime | None, may_go_on: Callable[[], bool]
    ) -> tuple[bool, str]:
        """Dial, claim, hand over, record; returns (sent?, a sentence when the mailbox must rest or stop)."""
        if restored_at is not None and await self._left_before_restore(ready, restored_at):
            return False, ""
        withdrawn = ""

        def forbid(connection: Connection) -> str:
            return self._forbid(connection, ready, self.clock())

        async def claim() -> bool:
            nonlocal withdrawn
            if not may_go_on():
                withdrawn = "stopping"
                return False
            if self.stops is not None:
                await self.stops.drain()
            limits = self._claim_limits(ready)
            withdrawn = await self.store.write(
                claims.claim, ready.send_id, epoch=epoch, secret=self.policy.secret, limits=limits, now=self.clock(),
                sha256=ready.sha256, forbid=forbid,
            )  # fmt: skip
            return not withdrawn

        envelope = Envelope(ready.step.mailbox, ready.step.recipient, ready.letter.raw)
        try:
            result = await self.transports[ready.step.mailbox].send(envelope, claim)
        except UnsafeMessage as problem:
            result = SendResult("refused", "mail", 554, "5.6.0", str(problem))
        now = self.clock()
        if result.outcome == "withdrawn":
            await self.store.write(self.results.withdrawn, ready.send_id, ready.step, withdrawn, now)
            return False, ""
        jitter = self.jitter(str(ready.send_id))
        said = await self.store.write(self.results.record, ready.send_id, ready.step, result, jitter, now)
        return result.outcome == "sent", said

    async def _left_before_restore(self, ready: Ready, restored_at: datetime) -> bool:
        """Look into Sent first: a restored database may have forgotten that this letter left."""
        enrollment = await self.store.read(enrollments.enrollment, ready.step.enrollment_id)
        if enrollment is None or (enrollment.started_at is not None and enrollment.started_at > restored_at):
            return False
        message_id = ready.letter.message_id
        if not await self.find_in_sent(ready.step.mailbox, message_id, marker_of(message_id)):
            return False
        told = "found in Sent after a restore"
        await self.store.write(self.results.sent, ready.send_id, ready.step, self.clock(), answer=told)
        return True

    def _forbid(self, connection: Connection, ready: Ready, now: datetime) -> str:
        """Ask the guardrails again about the contact and the account as they are now."""
        if self.stops is not None and self.stops.waiting():
            return "stop-waits"
        contact = contacts.contact(connection, ready.step.contact_id)
        if contact is None:
            return "contact-changed"
        account = contacts.account(connection, contact.account_id) if contact.account_id else None
        allowed = self._ask_guardrails(contact, account, ready.history, ready.step.sequence, now)
        return "" if allowed.allowed else allowed.reasons[0].slug

    def _ask_guardrails(
        self, contact: Contact, account: Account | None, past: ContactHistory, sequence: str, now: datetime
    ) -> Allowance:
        policy = self.policy
        settings = policy.sequences[sequence]
        today = local_date(now, settings.window, contact.zone, contact.country)
        recycle = recycle_times(policy.sequences.values())
        return may_write(
            contact,
            account,
            past,
            policy.guardrails,
            sequence,
            today,
            recycle=recycle,
            required=settings.required_fields,
        )

    def _claim_limits(self, ready: Ready) -> claims.ClaimLimits:
        step = ready.step
        cap = self.policy.domain_caps.get(step.mailbox.rpartition("@")[2])
        sequence, own = self.policy.sequences[step.sequence], self.policy.limits[step.mailbox]
        return claims.ClaimLimits(
            mailbox=ready.limit,
            sending_domain=cap.per_day if cap else None,
            recipient_domain=sequence.per_recipient_domain_per_day,
            account=sequence.per_account_per_day,
            pilot=ready.pilot,
            gap=own.gap,
            lease=LEASE / 2,
        )


def read_facts(connection: Connection, enrollment_id: int, secret: bytes, now: datetime) -> LetterFacts | None:
    """Read what a letter needs; None when the enrollment is no longer active."""
    enrollment = enrollments.enrollment(connection, enrollment_id)
    if enrollment is None or enrollment.state != EnrollmentState.ACTIVE:
        return None
    contact = contacts.contact(connection, enrollment.contact_id)
    if contact is None:
        return None
    earlier = (
        [one for one in sends.find_sent(connection, enrollment_id=[enrollment_id]) if one.state == SendState.SENT]
        if enrollment.step
        else []
    )
    return LetterFacts(
        enrollment_id=enrollment_id,
        sequence=enrollment.sequence,
        step=enrollment.step,
        mailbox=enrollment.mailbox,
        contact=contact,
        account=contacts.account(connection, contact.account_id) if contact.account_id else None,
        history=history.contact_history(connection, contact, secret, now, but_sequence=enrollment.sequence),
        earlier=tuple(reversed(earlier)),
    )


def refuse_unsent(connection: Connection, facts: LetterFacts, reason: str, now: datetime) -> None:
    """Record that a letter is not written at all, and what that means for the enrollment."""
    detail = {"step": facts.step, "reason": "cannot-be-written" if " " in reason else reason}
    audit.append(connection, now, "postroom", "send.refused", f"contact:{facts.contact.id}", detail, {"reason": reason})
    if reason == "quiet-day":  # nothing against the contact: it waits for the next day
        tomorrow = datetime.combine(now.date() + timedelta(days=1), time(), UTC)
        sends.due_again(connection, facts.enrollment_id, tomorrow)
    elif reason.startswith("suppressed"):
        end(connection, facts.enrollment_id, StopEvent.SUPPRESSED, reason, now)
    else:
        fail(connection, facts.enrollment_id, reason, now)


def _new_send(facts: LetterFacts, planned: PlannedSend, letter: Letter, digest: str) -> sends.NewSend:
    return sends.NewSend(
        enrollment_id=facts.enrollment_id,
        contact_id=facts.contact.id,
        account_id=facts.contact.account_id,
        sequence=facts.sequence,
        step=facts.step,
        variant=letter.variant,
        mailbox=planned.mailbox,
        recipient=facts.contact.email,
        message_id=letter.message_id,
        subject=letter.subject,
        text=letter.text,
        raw=letter.raw,
        sha256=digest,
        token=letter.token,
        not_before=planned.not_before,
        not_after=planned.not_after,
    )
