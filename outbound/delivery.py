"""SHELL: what happens to one planned letter? Facts, guardrails, exact bytes, dial, claim, result.

`prepare` fixes the bytes in the ledger before anything is dialled, `deliver` sends them. Every instant comes from the
clock at its moment: a pass may last minutes, and a window may close meanwhile.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from hashlib import sha256
from itertools import chain
from typing import Protocol

from sqlalchemy import Connection

from outbound.calendar import local_date
from outbound.guardrails import Allowance, may_write, recycle_times
from outbound.letter import Letter, LetterFacts, LetterWriter
from outbound.mail_settings import GuardrailSettings
from outbound.plan import PlannedSend
from outbound.results import Results, Step, Taken, end, fail
from outbound.sent_folder import FindInSent, marker_of
from outbound.settings import HealthSettings, LimitSettings, SendingDomainSettings, SequenceSettings
from outbound.transport import Envelope, SendResult, Transport
from store import audit, claims, contacts, enrollments, history, sends
from store.database import Store
from store.errors import PermanentError, UnsafeMessage
from store.records import Account, Contact, ContactHistory, SentMessage
from store.vocabulary import SendState, StopEvent

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
    planned: PlannedSend
    facts: LetterFacts  #: as they were when it was written


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

    async def prepare(self, batch: Sequence[PlannedSend]) -> list[Ready]:
        """Compose letters and fix them in the ledger; those that are not to be sent are left out."""
        known = await self.store.read_each(self._read_facts, [planned.enrollment_id for planned in batch])
        written: list[tuple[PlannedSend, LetterFacts, Letter, str]] = []
        asked = [(planned, facts) for planned in batch
                 if (facts := known.get(planned.enrollment_id)) is not None and facts.step == planned.step]  # fmt: skip
        for (planned, facts), letter in zip(asked, await self._write_all(asked), strict=True):
            if isinstance(letter, Letter):
                written.append((planned, facts, letter, sha256(letter.raw).hexdigest()))
            elif letter:
                await self.store.write(refuse_unsent, facts, letter, self.clock())
            else:
                await self.store.write(
                    enrollments.postpone, {facts.enrollment_id: self.clock() + QUIET_PAUSE}, self.clock()
                )
        now = self.clock()
        ids = await asyncio.gather(*(
            self.store.write_each(sends.plan_all, (_new_send(facts, planned, letter, digest), now))
            for planned, facts, letter, digest in written
        ))  # fmt: skip
        return [
            Ready(key, _step(facts, planned.mailbox), letter, digest, planned, facts)
            for key, (planned, facts, letter, digest) in zip(ids, written, strict=True)
            if key is not None
        ]

    async def _write_all(self, asked: Sequence[tuple[PlannedSend, LetterFacts]]) -> list[Letter | str]:
        """Write letters; in a thread where they are signed: RSA takes longer than all the rest and needs no GIL."""
        if not self.writer.signers:
            return [self._write(*one) for one in asked]
        return await asyncio.to_thread(lambda: [self._write(*one) for one in asked])

    def _write(self, planned: PlannedSend, facts: LetterFacts) -> Letter | str:
        """Ask the guardrails and write one letter, or say why there is to be none; "" where that passes by itself."""
        now = self.clock()
        allowed = self._ask_guardrails(facts.contact, facts.account, facts.history, facts.sequence, now)
        if allowed.refused:
            return next(reason.slug for reason in allowed.reasons if not reason.passing)
        if not allowed.allowed:
            return ""
        try:
            return self.writer.write(facts, self.policy.sequences[facts.sequence], planned.mailbox, now)
        except PermanentError as problem:
            return str(problem) or "cannot be written"

    async def deliver(
        self, ready: Ready, epoch: int, restored_at: datetime | None, may_go_on: Callable[[], bool]
    ) -> tuple["Awaitable[object] | None", str]:
        """Dial, claim, hand over, record; returns (sent: what is done once that is durable, why it must rest or stop).

        Whoever is told "sent" may go on to the next letter meanwhile: the claim is durable, and stays open until then.
        """
        if restored_at is not None and await self._left_before_restore(ready, restored_at):
            return None, ""
        withdrawn = ""

        async def claim() -> bool:
            nonlocal withdrawn
            if not may_go_on():
                withdrawn = "stopping"
                return False
            if self.stops is not None:
                await self.stops.drain()
            withdrawn = await self.store.write_each(self._claim_all, (ready, epoch, self.clock()))
            return not withdrawn

        envelope = Envelope(ready.step.mailbox, ready.step.recipient, ready.letter.raw)
        try:
            result = await self.transports[ready.step.mailbox].send(envelope, claim)
        except UnsafeMessage as problem:
            result = SendResult("refused", "mail", 554, "5.6.0", str(problem))
        now = self.clock()
        if result.outcome == "withdrawn":
            await self.store.write(self.results.withdrawn, ready.send_id, ready.step, withdrawn, now)
            return None, ""
        if result.outcome == "sent":
            taken = Taken(ready.send_id, ready.step, ready.facts.contact, result, now)
            return self.store.write_each(self.results.sent_all, taken), ""
        jitter = self.jitter(str(ready.send_id))
        return None, await self.store.write(self.results.record, ready.send_id, ready.step, result, jitter, now)

    def _claim_all(self, connection: Connection, asked: Sequence[tuple[Ready, int, datetime]]) -> list[str]:
        """Claim letters, with the guardrails asked again about contacts and accounts as they are now."""
        people = contacts.contacts_by_id(connection, [ready.step.contact_id for ready, _, _ in asked])
        companies = [contact.account_id for contact in people.values() if contact.account_id]
        accounts = contacts.accounts_by_id(connection, companies)
        asks = [
            claims.ClaimAsk(
                ready.send_id,
                epoch,
                self._claim_limits(ready),
                now,
                ready.sha256,
                self._forbid(ready, people, accounts, now),
            )
            for ready, epoch, now in asked
        ]
        stop_waits = self.stops.waiting if self.stops is not None else None
        return claims.claim_all(connection, asks, self.policy.secret, stop_waits)

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

    def _forbid(
        self, ready: Ready, people: Mapping[int, Contact], accounts: Mapping[int, Account], now: datetime
    ) -> str:
        contact = people.get(ready.step.contact_id)
        if contact is None:
            return "contact-changed"
        account = accounts.get(contact.account_id) if contact.account_id else None
        allowed = self._ask_guardrails(contact, account, ready.facts.history, ready.step.sequence, now)
        return "" if allowed.allowed else allowed.reasons[0].slug

    def _read_facts(self, connection: Connection, asked: Sequence[Sequence[int]]) -> list[dict[int, LetterFacts]]:
        known = read_facts(connection, list(chain.from_iterable(asked)), self.policy.secret, self.clock())
        return [known] * len(asked)

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
            mailbox=ready.planned.limit,
            sending_domain=cap.per_day if cap else None,
            recipient_domain=sequence.per_recipient_domain_per_day,
            account=sequence.per_account_per_day,
            pilot=ready.planned.pilot,
            gap=own.gap,
            lease=LEASE / 2,
        )


def read_facts(connection: Connection, ids: Sequence[int], secret: bytes, now: datetime) -> dict[int, LetterFacts]:
    """Read what the letters of these enrollments need, by enrollment; those no longer active are absent."""
    going = enrollments.active(connection, ids)
    people = contacts.contacts_by_id(connection, list({one.contact_id for one in going.values()}))
    accounts = contacts.accounts_by_id(connection, list({one.account_id for one in people.values() if one.account_id}))
    past = history.contact_histories(connection, people.values(), secret, now)
    earlier: defaultdict[int, list[SentMessage]] = defaultdict(list)
    if begun := [one.id for one in going.values() if one.step]:
        for letter in reversed(sends.find_sent(connection, enrollment_id=begun)):
            if letter.state == SendState.SENT:
                earlier[letter.enrollment_id].append(letter)
    return {
        one.id: LetterFacts(
            enrollment_id=one.id,
            sequence=one.sequence,
            step=one.step,
            mailbox=one.mailbox,
            contact=(contact := people[one.contact_id]),
            account=accounts.get(contact.account_id) if contact.account_id else None,
            history=past[contact.id],
            earlier=tuple(earlier[one.id]),
        )
        for one in going.values()
        if one.contact_id in people
    }


def _step(facts: LetterFacts, mailbox: str) -> Step:
    return Step(facts.enrollment_id, facts.contact.id, facts.sequence, facts.step, mailbox, facts.contact.email)


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
