"""SHELL: sends what is due. Lease, plan, and one task a mailbox that takes its letters out one after another.

One pass: renew the leases, wake pauses that ran out, read what is due and what every mailbox has sent, plan (pure),
then one task a mailbox (`delivery.py`). Limits come from the ledger each time; nothing is remembered between passes
except open connections and which mailboxes still work: one slow server must not keep the others waiting, so a pass
waits `patience` for its tasks and leaves the rest to the next one.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection

from outbound.delivery import LEASE, Delivery, WaitingStops
from outbound.delivery import SendingPolicy as SendingPolicy
from outbound.letter import LetterWriter
from outbound.pilot import judge_sequences
from outbound.plan import PlannedSend, SendPlan, plan_sends
from outbound.results import Results
from outbound.retry import pause_after
from outbound.sent_folder import FindInSent
from outbound.transport import Transport
from store import domains, enrollments, mailboxes, schema
from store.database import Store
from store.errors import AuthenticationFailed, PermanentError, TemporaryError, TlsFailed
from store.records import PassReport

DUE_AT_ONCE = 100_000
"""How many due steps one pass looks at: fewer, and those of a held mailbox would hide all others."""
AHEAD = 16
"""How many letters of a mailbox are composed and written down together, before the first of them is dialled."""


class SendWorker:
    """Plans and sends for every mailbox that this node holds.

    `clock` tells the present instant inside a pass, None: the pass's own; `alarm` gives a reason to put the database on
    hold, or an empty text; `patience` is how long a pass waits for its
    mailboxes in seconds, None: until all are done; `stops` are drained before every claim.
    """

    def __init__(
        self,
        store: Store,
        policy: SendingPolicy,
        writer: LetterWriter,
        transports: Mapping[str, Transport],
        jitter: Callable[[str], float],
        find_in_sent: FindInSent,
        *,
        results: Results | None = None,
        clock: Callable[[], datetime] | None = None,
        alarm: Callable[[], str] | None = None,
        patience: float | None = None,
        stops: WaitingStops | None = None,
    ) -> None:
        self._store = store
        self._policy = policy
        self._transports = transports
        self._jitter = jitter
        self._clock = clock
        self._alarm = alarm
        self._patience = patience
        self._now = datetime.min.replace(tzinfo=UTC)
        self._busy: dict[str, asyncio.Task[int]] = {}
        self._notes: list[str] = []
        self._delivery = Delivery(
            store, policy, results or Results(policy.secret, policy.sequences), writer, transports, jitter,
            find_in_sent, self._moment, stops,
        )  # fmt: skip
        self.stopping = False

    async def run_pass(self, now: datetime) -> PassReport:
        """Send what may leave now; returns when the next send may be worth while."""
        self._now = now
        done = self._collect()
        if self._alarm and (alarm := self._alarm()):
            await self._store.write(schema.put_on_hold, alarm, now)
        if reason := await self._store.read(schema.hold_reason):
            return PassReport(done, None, (f"nothing is sent: the database is on hold ({reason})",))
        epochs = await self._lease(now)
        await self._store.write(enrollments.wake_paused, now)
        pilots = await judge_sequences(self._store, self._policy.sequences, now)
        plan = await self._store.read(self._plan, tuple(epochs), pilots, now)
        if plan.opens_at:
            await self._store.write(enrollments.postpone, plan.opens_at, now)
        restored_at = await self._store.read(schema.restored_at)
        by_mailbox: dict[str, list[PlannedSend]] = {}
        for planned in plan.sends:
            by_mailbox.setdefault(planned.mailbox, []).append(planned)
        for mailbox, batch in by_mailbox.items():
            work = self._serve(mailbox, batch, epochs[mailbox], restored_at)
            self._busy[mailbox] = asyncio.create_task(work, name=f"send {mailbox}")
        if self._busy:
            await asyncio.wait(self._busy.values(), timeout=self._patience)
        done += self._collect()
        next_due = await self._store.read(enrollments.next_due_at)
        wakes = [at for at in (plan.next_wake, next_due) if at is not None]
        if self._busy:
            wakes.append(now + timedelta(seconds=1))
        notes, self._notes = tuple(self._notes), []
        return PassReport(done, min((at for at in wakes if at > now), default=None), notes)

    async def close(self) -> None:
        """Let the letters in hand be finished; no new one begins."""
        self.stopping = True
        if self._busy:
            await asyncio.wait(self._busy.values())

    def _moment(self) -> datetime:
        """Return the present instant, never before the pass's own."""
        return max(self._now, self._clock()) if self._clock else self._now

    def _collect(self) -> int:
        """Forget the mailboxes that are done; returns what they sent and raises what they raised."""
        finished = [name for name, task in self._busy.items() if task.done()]
        tasks = [self._busy.pop(name) for name in finished]
        return sum(task.result() for task in tasks)

    async def _lease(self, now: datetime) -> dict[str, int]:
        epochs: dict[str, int] = {}
        for mailbox in self._transports:
            epoch = await self._store.write(mailboxes.acquire_lease, mailbox, self._policy.node, now, LEASE)
            if epoch is not None and mailbox not in self._busy:
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

    async def _serve(self, mailbox: str, batch: Sequence[PlannedSend], epoch: int, restored_at: datetime | None) -> int:
        """Take a mailbox's letters out one after another, until it must rest or stop."""
        done, said = 0, ""
        for start in range(0, len(batch), AHEAD):
            if self.stopping or said:
                break
            written: list[Awaitable[object]] = []  # records of sent letters, on their way to the disk
            try:
                for ready in await self._delivery.prepare(batch[start : start + AHEAD]):
                    if self.stopping:
                        break
                    sent, said = await self._delivery.deliver(ready, epoch, restored_at, lambda: not self.stopping)
                    if sent is not None:
                        written.append(sent)
                    if said:
                        break
            except (AuthenticationFailed, TlsFailed) as problem:
                said = await self._hold(mailbox, problem)
            except TemporaryError as problem:
                said = await self._rest(mailbox, problem)
            finally:
                await asyncio.gather(*written)
            done += len(written)
        if said:
            self._notes.append(said)
        return done

    async def _hold(self, mailbox: str, problem: PermanentError) -> str:
        slug = "login-refused" if isinstance(problem, AuthenticationFailed) else "tls-failed"
        return await self._store.write(self._delivery.results.hold, mailbox, slug, str(problem), self._moment())

    async def _rest(self, mailbox: str, problem: TemporaryError) -> str:
        state = (await self._store.read(mailboxes.states)).get(mailbox, {})
        until = self._moment() + pause_after(state.get("failures", 0))
        await self._store.write(mailboxes.back_off, mailbox, str(problem), send_not_before=until)
        return f"{mailbox} rests until {until:%d %b %H:%M:%S} UTC: {problem}"
