"""SHELL: sends what is due. Plan, compose, dial, claim between RCPT and DATA, record.

One pass: renew the leases, wake pauses that ran out, read what is due and what every mailbox has sent, plan (pure),
then one task a mailbox. Limits come from the ledger each time; nothing is remembered between passes except open
connections.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from outbound.calendar import add_delay
from outbound.guardrails import may_write
from outbound.letter import Letter, LetterFacts, LetterWriter
from outbound.mail_settings import GuardrailSettings
from outbound.pilot import judge_sequences
from outbound.plan import PlannedSend, SendPlan, plan_sends
from outbound.retry import next_attempt
from outbound.settings import HealthSettings, LimitSettings, SendingDomainSettings, SequenceSettings
from outbound.stop import apply_event
from outbound.transport import Envelope, SendResult, Transport
from store import audit, claims, contacts, domains, enrollments, history, mailboxes, schema, sends, suppression
from store.database import Store
from store.errors import AuthenticationFailed, PermanentError, PostroomError, TemporaryError, TlsFailed
from store.records import PassReport
from store.vocabulary import EnrollmentState, SendState, StopEvent, SuppressionKind, SuppressionReason

LEASE = timedelta(minutes=15)  # longer than the slowest DATA
GRACE = timedelta(minutes=10)  # a provider may take this long to accept
CHECKS = (timedelta(minutes=15), timedelta(hours=1), timedelta(hours=6))  # after the claim
DUE_AT_ONCE = 100_000
"""How many due steps one pass looks at: fewer, and those of a held mailbox would hide all others."""

FindInSent = Callable[[str, str], Awaitable[bool | None]]
"""(mailbox, Message-ID) -> found; None when this mailbox's Sent folder cannot be searched."""


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


class SendWorker:
    """Plans and sends for every mailbox that this node holds."""

    def __init__(
        self,
        store: Store,
        policy: SendingPolicy,
        writer: LetterWriter,
        transports: Mapping[str, Transport],
        jitter: Callable[[str], float],
        find_in_sent: FindInSent,
    ) -> None:
        self._store = store
        self._policy = policy
        self._writer = writer
        self._transports = transports
        self._jitter = jitter
        self._find_in_sent = find_in_sent
        self.stopping = False

    async def run_pass(self, now: datetime) -> PassReport:
        """Send what may leave now; returns when the next send may be worth while."""
        await self._settle_open_claims(now)
        if reason := await self._store.read(schema.hold_reason):
            return PassReport(0, None, (f"nothing is sent: the database is on hold ({reason})",))
        epochs = await self._lease(now)
        await self._store.write(enrollments.wake_paused, now)
        pilots = await judge_sequences(self._store, self._policy.sequences, now)
        plan = await self._store.read(self._plan, tuple(epochs), pilots, now)
        if plan.opens_at:
            await self._store.write(enrollments.postpone, plan.opens_at, now)
        by_mailbox: dict[str, list[PlannedSend]] = {}
        for planned in plan.sends:
            by_mailbox.setdefault(planned.mailbox, []).append(planned)
        work = (self._serve(mailbox, batch, epochs[mailbox], now) for mailbox, batch in by_mailbox.items())
        done = sum(await asyncio.gather(*work))
        next_due = await self._store.read(enrollments.next_due_at)
        wakes = [at for at in (plan.next_wake, next_due) if at is not None]
        return PassReport(done, min((at for at in wakes if at > now), default=None))

    async def _lease(self, now: datetime) -> dict[str, int]:
        epochs: dict[str, int] = {}
        for mailbox in self._transports:
            epoch = await self._store.write(mailboxes.acquire_lease, mailbox, self._policy.node, now, LEASE)
            if epoch is not None:
                epochs[mailbox] = epoch
        return epochs

    def _plan(self, connection: Connection, own: Sequence[str], pilots: Mapping[str, int], now: datetime) -> SendPlan:
        loads = mailboxes.loads(connection, own, now)
        due = enrollments.due_steps(connection, now, DUE_AT_ONCE)
        return plan_sends(
            [step for step in due if not step.mailbox or step.mailbox in loads],
            loads,
            mailboxes.cap_counts(connection, now),
            self._policy.sequences,
            self._policy.limits,
            domains.verdicts(connection),
            now,
            self._jitter,
            health=self._policy.health,
            domain_caps=self._policy.domain_caps,
            pilots=pilots,
        )

    async def _serve(self, mailbox: str, batch: Sequence[PlannedSend], epoch: int, now: datetime) -> int:
        done = 0
        for planned in batch:
            if self.stopping:
                break
            try:
                done += await self._send_one(planned, epoch, now)
            except (AuthenticationFailed, TlsFailed) as problem:
                await self._store.write(mailboxes.hold, mailbox, str(problem), actor="postroom", now=now)
                break
            except TemporaryError as problem:
                await self._back_off(mailbox, problem, now)
                break
        return done

    async def _back_off(self, mailbox: str, problem: PostroomError, now: datetime) -> None:
        state = (await self._store.read(mailboxes.states)).get(mailbox, {})
        pause = min(timedelta(seconds=30) * 2 ** min(state.get("failures", 0), 8), timedelta(hours=1))
        await self._store.write(mailboxes.back_off, mailbox, str(problem), send_not_before=now + pause)

    async def _send_one(self, planned: PlannedSend, epoch: int, now: datetime) -> int:
        facts = await self._store.read(read_facts, planned.enrollment_id, self._policy.secret, now)
        if facts is None:
            return 0
        sequence = self._policy.sequences[facts.sequence]
        allowed = may_write(
            facts.contact, facts.account, facts.history, self._policy.guardrails, facts.sequence, now.date()
        )
        if not allowed.allowed:
            slug = allowed.reasons[0].slug
            await self._store.write(self._refuse_unsent, facts, planned, slug, now)
            return 0
        try:
            letter = self._writer.write(facts, sequence, planned.mailbox, now)
        except PermanentError as problem:
            await self._store.write(self._refuse_unsent, facts, planned, str(problem), now)
            return 0
        send_id = await self._store.write(sends.plan, _new_send(facts, planned, letter), now)
        if send_id is None:
            return 0
        return await self._dial(send_id, facts, sequence, letter, planned, epoch, now)

    async def _dial(
        self,
        send_id: int,
        facts: LetterFacts,
        sequence: SequenceSettings,
        letter: Letter,
        planned: PlannedSend,
        epoch: int,
        now: datetime,
    ) -> int:
        withdrawn = ""

        def forbid(connection: Connection) -> str:
            """Ask the guardrails again about the contact and the account as they are now."""
            contact = contacts.contact(connection, facts.contact.id)
            if contact is None or contact.email != facts.contact.email:
                return "contact-edited"
            account = contacts.account(connection, contact.account_id) if contact.account_id else None
            policy = self._policy.guardrails
            allowed = may_write(contact, account, facts.history, policy, facts.sequence, now.date())
            return "" if allowed.allowed else allowed.reasons[0].slug

        async def claim() -> bool:
            nonlocal withdrawn
            if self.stopping:
                withdrawn = "stopping"
                return False
            limits = self._claim_limits(planned, sequence)
            secret = self._policy.secret
            withdrawn = await self._store.write(
                claims.claim, send_id, epoch=epoch, secret=secret, limits=limits, now=now, forbid=forbid
            )
            return not withdrawn

        envelope = Envelope(planned.mailbox, facts.contact.email, letter.raw)
        result = await self._transports[planned.mailbox].send(envelope, claim)
        await self._store.write(self._record, send_id, facts, sequence, result, withdrawn, now)
        if result.outcome == "sent":
            await self._store.write(mailboxes.recovered, planned.mailbox)
        return int(result.outcome == "sent")

    def _claim_limits(self, planned: PlannedSend, sequence: SequenceSettings) -> claims.ClaimLimits:
        mailbox = planned.mailbox
        cap = self._policy.domain_caps.get(mailbox.rpartition("@")[2])
        return claims.ClaimLimits(
            mailbox=planned.limit,
            sending_domain=cap.per_day if cap else None,
            recipient_domain=sequence.per_recipient_domain_per_day,
            account=sequence.per_account_per_day,
            gap=self._policy.limits[mailbox].gap,
        )

    def _record(
        self,
        connection: Connection,
        send_id: int,
        facts: LetterFacts,
        sequence: SequenceSettings,
        result: SendResult,
        withdrawn: str,
        now: datetime,
    ) -> None:
        match result.outcome:
            case "sent":
                due_at = self._next_due(facts, sequence, now)
                sends.record_sent(
                    connection, send_id, now, next_due_at=due_at, answer=result.text, learnt_id=result.message_id_learnt
                )
            case "deferred":
                self._record_deferred(connection, send_id, facts, result, now)
            case "refused":
                self._record_refused(connection, send_id, facts, result, now)
            case "withdrawn" if withdrawn.startswith("suppressed"):
                sends.record_refused(connection, send_id, now, reason=withdrawn)
                end(connection, facts.enrollment_id, StopEvent.SUPPRESSED, withdrawn, now)
            case "unknown":
                sends.record_unknown(connection, send_id, next_check_at=now + CHECKS[0], checks=0)

    def _next_due(self, facts: LetterFacts, sequence: SequenceSettings, now: datetime) -> datetime | None:
        following = facts.step + 1
        if following >= len(sequence.step):
            return None
        contact = facts.contact
        zone = contact.zone or sequence.window.zone
        return add_delay(now, sequence.step[following].delay, zone, contact.country, sequence.window)

    def _record_deferred(
        self, connection: Connection, send_id: int, facts: LetterFacts, result: SendResult, now: datetime
    ) -> None:
        attempts = history.attempts(connection, send_id)
        retry = next_attempt(attempts, result.code, result.enhanced, facts.provider, now, self._jitter(str(send_id)))
        if retry.hold:
            mailboxes.hold(connection, facts.mailbox, f"{result.code} {result.text}", actor="postroom", now=now)
        if retry.at is None:
            self._record_refused(connection, send_id, facts, result, now)
            return
        sends.record_deferred(
            connection, send_id, now, retry_at=retry.at, code=result.code, enhanced=result.enhanced, answer=result.text
        )

    def _record_refused(
        self, connection: Connection, send_id: int, facts: LetterFacts, result: SendResult, now: datetime
    ) -> None:
        sends.record_refused(
            connection, send_id, now, reason=f"smtp-{result.code}", code=result.code, enhanced=result.enhanced,
            answer=result.text,
        )  # fmt: skip
        if result.enhanced.startswith("5.1."):  # no such address (RFC 3463, 3.2)
            suppression.add(
                connection,
                self._policy.secret,
                SuppressionKind.ADDRESS,
                facts.contact.email,
                SuppressionReason.HARD_BOUNCE,
                source="smtp",
                evidence=f"send:{send_id} {result.text}",
                actor="postroom",
                now=now,
            )
            end(connection, facts.enrollment_id, StopEvent.BOUNCE_HARD, f"smtp-{result.code}", now)
        else:
            fail(connection, facts.enrollment_id, f"smtp-{result.code}", now)

    def _refuse_unsent(
        self, connection: Connection, facts: LetterFacts, planned: PlannedSend, reason: str, now: datetime
    ) -> None:
        detail = {"step": planned.step, "reason": reason.partition(":")[0]}
        audit.append(
            connection, now, "postroom", "send.refused", f"contact:{facts.contact.id}", detail, {"reason": reason}
        )
        suppressed = reason.startswith("suppressed")
        if suppressed:
            end(connection, facts.enrollment_id, StopEvent.SUPPRESSED, reason, now)
        else:
            fail(connection, facts.enrollment_id, reason, now)

    async def _settle_open_claims(self, now: datetime) -> None:
        """Look for claims without an outcome in the Sent folder: found, proved missing, or uncertain for good."""
        for row in await self._store.read(sends.open_claims, now, GRACE):
            found = await self._find_in_sent(row.mailbox, row.message_id)
            if found:
                await self._store.write(self._found_in_sent, row, now)
            elif found is False and await self._sent_search_works(row.mailbox):
                await self._store.write(sends.record_not_sent, row.id, now)
            elif row.checks + 1 < len(CHECKS):
                next_at = max(row.claimed_at + CHECKS[row.checks + 1], now)
                await self._store.write(sends.record_unknown, row.id, next_check_at=next_at, checks=row.checks + 1)
            else:
                await self._store.write(sends.record_uncertain, row.id, now)

    async def _sent_search_works(self, mailbox: str) -> bool:
        """Tell whether this Sent folder finds an earlier message that is known to be sent."""
        known = await self._store.read(history.last_confirmed, mailbox)
        return known is not None and bool(await self._find_in_sent(mailbox, known))

    def _found_in_sent(self, connection: Connection, row: Any, now: datetime) -> None:
        facts = read_facts(connection, row.enrollment_id, self._policy.secret, now)
        sequence = self._policy.sequences.get(row.sequence)
        due_at = self._next_due(facts, sequence, now) if facts and sequence else None
        sends.record_sent(connection, row.id, now, next_due_at=due_at, answer="found in Sent")


def read_facts(connection: Connection, enrollment_id: int, secret: bytes, now: datetime) -> LetterFacts | None:
    """Read what a letter needs; None when the enrollment is no longer active."""
    enrollment = enrollments.enrollment(connection, enrollment_id)
    if enrollment is None or enrollment.state != EnrollmentState.ACTIVE:
        return None
    contact = contacts.contact(connection, enrollment.contact_id)
    if contact is None:
        return None
    earlier = [one for one in sends.find_sent(connection, enrollment_id=[enrollment_id]) if one.state == SendState.SENT]
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


def _new_send(facts: LetterFacts, planned: PlannedSend, letter: Letter) -> sends.NewSend:
    return sends.NewSend(
        enrollment_id=facts.enrollment_id,
        contact_id=facts.contact.id,
        account_id=facts.contact.account_id,
        sequence=facts.sequence,
        step=planned.step,
        variant=letter.variant,
        mailbox=planned.mailbox,
        recipient=facts.contact.email,
        message_id=letter.message_id,
        subject=letter.subject,
        text=letter.text,
        raw=letter.raw,
        sha256=letter.sha256,
        token=letter.token,
        not_before=planned.not_before,
        not_after=planned.not_after,
    )


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
