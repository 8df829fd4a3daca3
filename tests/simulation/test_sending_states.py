"""Whatever happens in whatever order, nobody gets a step twice, and nobody who stopped gets anything more.

Enroll, tick, reply, unsubscribe, edit, pause, resume, faults, crash, restart, clone: against a model of a few sets.
"""

import asyncio
import shutil
import tempfile
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from outbound.results import Results, end
from outbound.sent_folder import SentFolderWorker
from outbound.settings import LimitSettings
from sandbox.memory import MemoryMailbox, MemoryReader, MemoryTransport, RelayFault
from store import contacts, enrollments, schema, sends, suppression
from store.database import Store
from store.vocabulary import EnrollmentState, SendState, StopEvent, SuppressionKind, SuppressionReason
from tests.workers.sending import BOX, SECRET, Post, make_sequence

LIMIT = 6
NUMBERS = st.integers(0, 7)


class Sending(RuleBasedStateMachine):
    """One mailbox, a few contacts, a clock that only goes on."""

    @initialize()
    def start(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="pr-states-"))
        self.store = Store(f"sqlite:///{self.folder / 'a.db'}", inline=True)
        schema.upgrade(self.store)
        always = {"hours": "00:00-23:59", "days": "mon-sun", "holidays": False}
        limit = LimitSettings.model_validate({"per_day": LIMIT, "gap": "1m", "jitter": "0s"})
        self.post = Post(self.store, {"demo": make_sequence(window=always, per_account_per_day=None)}, limit=limit)
        self.box = MemoryMailbox()
        self.enrolled: dict[int, int] = {}
        self.stopped: dict[str, int] = {}  # address -> letters it had when it stopped
        self.process()

    def process(self) -> None:
        """Begin as a new process: memory is lost, leases and ledger stay."""
        post, worker = self.post, self.post.worker
        self.relay = MemoryTransport(post.world, self.box, lambda: post.now)
        reader = MemoryReader(self.box)

        async def find(_box: str, message_id: str, marker: Any) -> bool | None:
            return await reader.find_in_sent(message_id, marker)

        async def append(_box: str, _raw: bytes) -> bool:
            return False

        results = Results(SECRET, post.sequences)
        kind = type(worker)
        post.worker = kind(self.store, worker._policy, worker._delivery.writer, {BOX: self.relay}, lambda _: 0.5, find,
                           results=results)  # fmt: skip
        self.sent = SentFolderWorker(self.store, results, "node-1", [BOX], find, append)

    def address(self, number: int) -> str:
        return f"p{number}@acme{number}.example"

    def arrived(self) -> Counter[str]:
        return Counter(recipient for _, recipient in self.post.letters())

    @rule(number=NUMBERS)
    def enroll(self, number: int) -> None:
        if number not in self.enrolled:
            self.enrolled[number] = self.post.add(self.address(number), due_at=self.post.now)

    @rule(minutes=st.sampled_from([1, 20, 90, 500, 3000, 8000]))
    def tick(self, minutes: int) -> None:
        self.post.now += timedelta(minutes=minutes)
        asyncio.run(self.sent.run_pass(self.post.now))
        asyncio.run(self.post.worker.run_pass(self.post.now))

    @rule(fault=st.sampled_from(RelayFault))
    def break_something(self, fault: RelayFault) -> None:
        self.relay.faults.append(fault)

    @rule()
    def crash_and_restart(self) -> None:
        self.process()

    @precondition(lambda self: self.enrolled)
    @rule(
        number=NUMBERS, event=st.sampled_from([StopEvent.INTERESTED, StopEvent.NOT_INTERESTED, StopEvent.UNSUBSCRIBE])
    )
    def reply(self, number: int, event: StopEvent) -> None:
        if number in self.enrolled:
            self.store.write_now(end, self.enrolled[number], event, event, self.post.now)
            self.stopped.setdefault(self.address(number), self.arrived()[self.address(number)])

    @rule(number=NUMBERS)
    def unsubscribe(self, number: int) -> None:
        self.store.write_now(
            suppression.add, SECRET, SuppressionKind.ADDRESS, self.address(number), SuppressionReason.UNSUBSCRIBE,
            source="one-click", evidence="", actor="x", now=self.post.now,
        )  # fmt: skip
        self.stopped.setdefault(self.address(number), self.arrived()[self.address(number)])

    @rule(number=NUMBERS, to=st.sampled_from([EnrollmentState.PAUSED, EnrollmentState.ACTIVE]))
    def pause_or_resume(self, number: int, to: EnrollmentState) -> None:
        if number in self.enrolled:
            old = self.post.enrollment(self.enrolled[number])
            if old.state in enrollments.LIVE and old.state != to:
                self.store.write_now(enrollments.set_state, old, to, reason="person", actor="x", now=self.post.now)

    @rule(number=NUMBERS, name=st.sampled_from(["Ann", "Ben"]))
    def edit(self, number: int, name: str) -> None:
        if number in self.enrolled:
            values = {"id": self.post.enrollment(self.enrolled[number]).contact_id, "first_name": name}
            self.store.write_now(contacts.save_contact, values, self.post.now)

    @rule()
    def clone_and_run_the_clone(self) -> None:
        """A copy elsewhere must send nothing, whatever is due in it."""
        before = sum(self.arrived().values())
        self.store.close()
        shutil.copy(self.folder / "a.db", self.folder / "clone.db")
        clone = Store(f"sqlite:///{self.folder / 'clone.db'}", inline=True)
        clone.write_now(schema.claim_instance, "elsewhere", self.post.now)
        original, self.store = self.store, clone
        self.process()
        asyncio.run(self.post.worker.run_pass(self.post.now + timedelta(days=30)))
        clone.close()
        (self.folder / "clone.db").unlink()
        assert sum(self.arrived().values()) == before
        self.store = self.post.store = Store(original.url, inline=True)
        self.process()

    @invariant()
    def every_step_arrives_once_and_is_known(self) -> None:
        if not hasattr(self, "post"):
            return
        ids = Counter(
            raw.partition(b"Message-ID: ")[2].partition(b"\r\n")[0].decode() for *_, raw in self.post.world.accepted
        )
        assert max(ids.values(), default=1) == 1
        ledger = {row["message_id"]: row["state"] for row in self.store.read_now(sends.all_sends)}
        open_or_sent = (SendState.SENT, SendState.CLAIMED, SendState.UNCERTAIN)
        assert all(ledger[name] in open_or_sent for name in ids)
        assert all(name in ids for name, state in ledger.items() if state == SendState.SENT)

    @invariant()
    def nobody_who_stopped_gets_more(self) -> None:
        for address, number in getattr(self, "stopped", {}).items():
            assert self.arrived()[address] == number

    @invariant()
    def never_over_the_day(self) -> None:
        times = sorted(at for at, _ in self.post.letters()) if hasattr(self, "post") else []
        assert all(later - first >= timedelta(hours=24) for first, later in zip(times, times[LIMIT:], strict=False))

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()
            shutil.rmtree(self.folder, ignore_errors=True)


TestSending = Sending.TestCase
TestSending.settings = settings(
    max_examples=25, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
