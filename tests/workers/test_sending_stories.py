"""The failure stories that must not be ours, as far as they concern sending: the real worker against a real socket."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from outbound.results import Desk, Results
from outbound.sent_folder import Marker, SentFolderWorker
from outbound.transport import SmtpTransport
from outbound.worker import SendWorker
from sandbox.relay import Fault, Relay
from store import claims, enrollments, mailboxes, notices, open_sends, schema, sends, suppression
from store.database import Store
from store.errors import ConnectionLost, StoreOnHold
from store.vocabulary import EnrollmentState, MailboxState, SendState, SuppressionKind, SuppressionReason
from tests.workers.sending import BOX, NOW, SECRET, Post, make_sequence

OPEN: dict[str, Any] = {"window": {"hours": "00:00-23:59", "days": "mon-sun", "holidays": False}}
ADDRESS = "chris@acme.example"


@dataclass
class Office:
    """A house with one mailbox, one contact, and a relay on a socket whose Sent folder can be searched."""

    store: Store
    relay: Relay
    post: Post
    now: datetime = NOW
    append: bool = False
    copies: list[bytes] = field(default_factory=list)
    search_fails: bool = False
    finds: bool | None = True  #: None: there is no Sent folder; False: a search that finds nothing at all
    sender: SendWorker = field(init=False)
    sent: SentFolderWorker = field(init=False)
    transport: SmtpTransport = field(init=False)

    def build(self, port: int) -> None:
        """Start the process anew: everything that lives in memory is lost."""
        from outbound.mail_settings import SmtpSettings

        async def secret() -> str:
            return ""

        smtp = SmtpSettings.model_validate({"host": "127.0.0.1", "port": port, "security": "none", "auth": "none",
                                            "data_timeout": "9s", "timeout": "9s"})  # fmt: skip
        self.transport = SmtpTransport(smtp, BOX, BOX, secret)
        results = Results(SECRET, self.post.sequences, Desk(("boss@team.example",)),
                          frozenset([BOX]) if self.append else frozenset())  # fmt: skip
        writer, policy = self.post.worker._delivery.writer, self.post.worker._policy
        self.sender = SendWorker(self.store, policy, writer, {BOX: self.transport}, lambda _key: 0.5, self.find,
                                 results=results, clock=lambda: self.now)  # fmt: skip
        self.sent = SentFolderWorker(self.store, results, "node-1", [BOX], self.find, self.put)

    async def find(self, _mailbox: str, message_id: str, _marker: Marker | None) -> bool | None:
        """Search Sent."""
        if self.search_fails:
            raise ConnectionLost("IMAP is down")
        if self.finds is None:
            return None
        self.relay.now = self.now
        return self.finds and (self.relay.shows(message_id) or any(message_id.encode() in raw for raw in self.copies))

    async def put(self, _mailbox: str, raw: bytes) -> bool:
        """Append to Sent."""
        self.copies.append(raw)
        return True

    async def passes(self, *after: timedelta) -> None:
        """Run a pass now and after each of these spans."""
        for span in (timedelta(), *after):
            self.now += span
            self.relay.now = self.now
            await self.sent.run_pass(self.now)
            await self.sender.run_pass(self.now)

    def states(self) -> list[str]:
        return [str(row["state"]) for row in self.store.read_now(sends.all_sends)]

    def ids(self) -> list[str]:
        return [one.message_id for one in self.relay.accepted]


@asynccontextmanager
async def office(store: Store, *faults: Fault, **changes: Any) -> AsyncIterator[Office]:
    left = list(faults)
    relay = Relay(lambda: left.pop(0) if left else Fault.NONE)
    post = Post(store, {"demo": make_sequence(**OPEN)})
    made = Office(store, relay, post, **changes)
    made.build(await relay.start())
    try:
        yield made
    finally:
        await made.transport.close()
        await relay.close()


def play(story: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(story())  # type: ignore[arg-type]


QUARTER, HOUR, SIX = timedelta(minutes=16), timedelta(hours=1), timedelta(hours=6)


def test_timeout_after_the_final_dot_is_not_sent_again(store: Store) -> None:
    async def story() -> None:
        async with office(store, Fault.LOSE_ANSWER) as one:
            one.post.add(ADDRESS)
            await one.passes(timedelta(minutes=1))
            assert one.states() == ["claimed"]
            await one.passes(QUARTER)
            assert one.states() == ["sent"]
            assert len(one.ids()) == 1

    play(story)


def test_a_letter_proved_missing_is_sent_after_all(store: Store) -> None:
    async def story() -> None:
        async with office(store, Fault.NONE, Fault.DROP_IN_BODY) as one:
            one.post.add("first@other.example")
            await one.passes()
            one.now += HOUR
            one.post.add(ADDRESS, due_at=one.now)
            await one.passes(QUARTER, HOUR)
            assert one.states()[1] == "claimed"  # the first looks only wait: Sent may lag
            await one.passes(SIX, timedelta(minutes=1))
            assert one.states()[1] == "sent"
            assert len(one.ids()) == len(set(one.ids())) == 2

    play(story)


@pytest.mark.parametrize("finds", [None, False])
def test_without_a_search_that_has_proved_itself_it_is_uncertain_for_ever(store: Store, finds: bool | None) -> None:
    async def story() -> None:
        async with office(store, Fault.NONE, Fault.DROP_IN_BODY, finds=finds) as one:
            one.post.add("first@other.example")
            await one.passes()
            one.post.add(ADDRESS)
            await one.passes(QUARTER, HOUR, SIX, SIX, SIX)
            assert one.states()[1] == "uncertain"
            assert len(one.ids()) == 1
            assert [row.recipient for row in store.read_now(open_sends.uncertain)] == [ADDRESS]

    play(story)


def test_where_we_make_the_copies_their_absence_proves_nothing(store: Store) -> None:
    async def story() -> None:
        async with office(store, Fault.NONE, Fault.LOSE_ANSWER, append=True) as one:
            one.post.add("first@other.example")
            await one.passes()
            one.finds = False
            one.post.add(ADDRESS)
            await one.passes(QUARTER, HOUR, SIX, SIX)
            assert one.states()[1] == "uncertain"
            assert len(one.ids()) == 2

    play(story)


def test_an_unreachable_sent_folder_is_asked_again_later(store: Store) -> None:
    async def story() -> None:
        async with office(store, Fault.LOSE_ANSWER, search_fails=True) as one:
            one.post.add(ADDRESS)
            await one.passes(QUARTER, HOUR, SIX, HOUR)
            assert one.states() == ["claimed"]
            one.search_fails = False
            await one.passes(QUARTER)
            assert one.states() == ["sent"]

    play(story)


def test_a_copy_goes_into_sent_once(store: Store) -> None:
    async def story() -> None:
        async with office(store, append=True) as one:
            one.relay.lag = lambda: timedelta(days=99)  # this provider keeps none
            one.post.add(ADDRESS)
            await one.passes(timedelta(minutes=1), timedelta(minutes=1))
            assert [one.relay.accepted[0].raw] == one.copies
            send = store.read_now(sends.all_sends)[0]["id"]
            store.write_now(open_sends.copied, send, one.now)  # as after a crash between APPEND and its note
            await one.passes()
            assert len(one.copies) == 1

    play(story)


def test_a_crash_after_append_makes_no_second_copy_though_sent_shows_it_late(store: Store) -> None:
    async def story() -> None:
        async with office(store, append=True) as one:
            one.relay.lag = lambda: timedelta(days=99)  # this provider keeps none
            one.post.add(ADDRESS)
            await one.sender.run_pass(one.now)
            put = one.sent._append

            async def put_and_die(mailbox: str, raw: bytes) -> bool:
                await put(mailbox, raw)
                raise RuntimeError("killed")

            one.sent._append = put_and_die
            with pytest.raises(RuntimeError, match="killed"):
                await one.sent.run_pass(one.now)
            one.build(one.transport._settings.port)
            one.finds = False  # nothing shows for a while
            await one.passes(timedelta(minutes=5), QUARTER, QUARTER)
            one.finds = True
            await one.passes(HOUR, HOUR)
            assert len(one.copies) == 1
            assert store.read_now(open_sends.copies_due, one.now + SIX) == []

    play(story)


def test_overlapping_runs_do_not_send_twice(store: Store) -> None:
    async def story() -> None:
        async with office(store) as one:
            for number in range(12):
                one.post.add(f"p{number}@acme{number}.example")
            first, transport = one.sender, one.transport
            one.build(one.transport._settings.port)
            await asyncio.gather(first.run_pass(NOW), one.sender.run_pass(NOW))
            await one.passes(timedelta(minutes=1))
            await transport.close()
            assert len(one.ids()) == len(set(one.ids())) == 12

    play(story)


def test_a_restart_goes_on_where_it_was(store: Store) -> None:
    async def story() -> None:
        async with office(store) as one:
            key = one.post.add(ADDRESS)
            await one.passes()
            await one.transport.close()
            one.build(one.transport._settings.port)
            await one.passes(timedelta(minutes=5))
            assert one.post.enrollment(key).step == 1
            assert len(one.ids()) == 1

    play(story)


def test_an_error_does_not_take_back_what_was_sent(store: Store) -> None:
    async def story() -> None:
        async with office(store, Fault.NONE, Fault.NEVER_AT_DOT, Fault.NONE) as one:
            for number in range(3):
                one.post.add(f"p{number}@acme{number}.example")
            await one.passes()
            assert sorted(one.states()) == ["refused", "sent", "sent"]

    play(story)


def test_a_restored_snapshot_mails_nobody(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'a.db'}")
    schema.upgrade(store)

    async def story() -> None:
        async with office(store) as one:
            one.post.add(ADDRESS)
            store.close()
            shutil.copy(tmp_path / "a.db", tmp_path / "snapshot.db")
            one.store = Store(f"sqlite:///{tmp_path / 'a.db'}")
            one.build(one.transport._settings.port)
            await one.passes()
            assert len(one.ids()) == 1
            one.store.close()
            one.store = Store(f"sqlite:///{tmp_path / 'snapshot.db'}")
            one.build(one.transport._settings.port)
            elsewhere = schema.fingerprint(one.store)
            assert one.store.write_now(schema.claim_instance, elsewhere, one.now) == "restored-or-cloned"
            await one.passes(HOUR)
            assert len(one.ids()) == 1
            # released by a person, it looks into Sent first and goes on with the next step
            one.store.write_now(schema.release, elsewhere, actor="ops", now=one.now)
            await one.passes(timedelta(minutes=1))
            assert one.states() == ["sent"]
            assert len(one.ids()) == 1
            one.store.close()

    play(story)


def test_do_not_contact_leaves_no_letter_in_the_queue(store: Store) -> None:
    async def story() -> None:
        async with office(store) as one:
            key = one.post.add(ADDRESS)
            store.write_now(
                suppression.add, SECRET, SuppressionKind.ADDRESS, ADDRESS, SuppressionReason.UNSUBSCRIBE,
                source="one-click", evidence="", actor="x", now=NOW,
            )  # fmt: skip
            await one.passes(HOUR)
            assert one.ids() == []
            assert one.post.enrollment(key).state == EnrollmentState.OPTED_OUT

    play(story)


def test_a_550_is_believed(store: Store) -> None:
    async def story() -> None:
        async with office(store) as one:
            one.relay.answers["RCPT"] = "550 5.1.1 no such user"
            key = one.post.add(ADDRESS)
            await one.passes()
            one.relay.answers.clear()
            await one.passes(HOUR, SIX)
            assert one.ids() == []
            assert one.post.enrollment(key).state == EnrollmentState.BOUNCED
            assert [entry.reason for entry in store.read_now(suppression.entries)] == ["hard_bounce"]

    play(story)


@pytest.mark.parametrize("answer", ["550 5.7.515 access denied", "530 5.7.57 not authenticated"])
def test_a_refusal_of_us_holds_the_mailbox_and_costs_no_contact(store: Store, answer: str) -> None:
    async def story() -> None:
        async with office(store) as one:
            one.relay.answers["MAIL"] = answer
            key = one.post.add(ADDRESS)
            one.post.add("second@other.example")
            report = await one.sender.run_pass(NOW)
            assert any("sends nothing any more" in note for note in report.notes)
            assert store.read_now(mailboxes.states)[BOX]["state"] == MailboxState.HELD
            told = store.read_now(notices.waiting, NOW)
            assert [(row["event"], row["recipient"]) for row in told] == [("mailbox.held", "boss@team.example")]
            one.relay.answers.clear()
            await one.passes(SIX)
            assert one.ids() == []
            store.write_now(mailboxes.release, BOX, actor="ops", now=one.now)
            await one.passes(timedelta(minutes=1))
            assert len(one.ids()) == 2
            assert one.post.enrollment(key).step == 1

    play(story)


def test_a_throttled_mailbox_rests_and_says_so(store: Store) -> None:
    async def story() -> None:
        async with office(store) as one:
            one.relay.answers["RCPT"] = "421 4.7.28 unusual rate"
            one.post.add(ADDRESS)
            report = await one.sender.run_pass(NOW)
            assert any("rests until" in note for note in report.notes)
            one.relay.answers.clear()
            await one.passes(HOUR, HOUR)
            assert one.ids() == []
            await one.passes(SIX)
            assert len(one.ids()) == 1

    play(story)


def test_an_uncertain_step_does_not_block_its_mailbox(store: Store) -> None:
    async def story() -> None:
        async with office(store, Fault.DROP_IN_BODY, finds=None) as one:
            key = one.post.add(ADDRESS)
            await one.passes(SIX + HOUR)
            old = one.post.enrollment(key)
            paused, active = EnrollmentState.PAUSED, EnrollmentState.ACTIVE
            store.write_now(enrollments.set_state, old, paused, reason="x", actor="x", now=one.now)
            old = one.post.enrollment(key)
            store.write_now(enrollments.set_state, old, active, reason="x", actor="x", now=one.now)
            one.post.add("second@other.example", due_at=one.now)
            await one.passes(timedelta(minutes=1), timedelta(minutes=1))
            assert len(one.ids()) == 1
            assert one.post.enrollment(key).due_at is None

    play(story)


def test_sigterm_lets_the_letter_in_hand_be_finished(store: Store) -> None:
    async def story() -> None:
        async with office(store, Fault.LATE_ANSWER) as one:
            for number in range(5):
                one.post.add(f"p{number}@acme{number}.example")
            running = asyncio.create_task(one.sender.run_pass(NOW))
            while not one.relay.accepted:
                await asyncio.sleep(0.001)
            await one.sender.close()
            await running
            assert one.states().count("sent") == len(one.ids()) == 1

    play(story)


def test_a_slow_server_does_not_keep_the_pass(store: Store) -> None:
    async def story() -> None:
        async with office(store, Fault.LATE_ANSWER) as one:
            one.relay.delay = 3.0
            one.post.add(ADDRESS)
            one.sender._patience = 0.05
            done = (await one.sender.run_pass(NOW)).done
            assert (done, "sent" in one.states()) == (0, False)
            while not one.relay.accepted:
                await asyncio.sleep(0.01)
            await one.sender.close()
            assert (await one.sender.run_pass(NOW)).done == 1

    play(story)


def test_the_lease_outlasts_the_data_and_a_late_yes_is_kept(store: Store) -> None:
    async def story() -> None:
        async with office(store) as one:
            one.post.add(ADDRESS)
            one.relay.answers["DATA"] = "421 closing"
            await one.passes()
            row = store.read_now(sends.all_sends)[0]
            late = NOW + timedelta(minutes=30)
            assert store.write_now(mailboxes.acquire_lease, BOX, "node-2", late, HOUR) is None
            epoch = store.write_now(mailboxes.acquire_lease, BOX, "node-2", NOW + HOUR, HOUR)
            assert epoch == 2
            limits = claims.ClaimLimits(mailbox=9)
            store.write_now(lambda c: sends.settle(c, row["id"], SendState.PLANNED, not_before=NOW))
            asked: dict[str, Any] = {"secret": SECRET, "limits": limits, "now": NOW + HOUR}
            assert store.write_now(claims.claim, row["id"], epoch=1, **asked) == "lease-lost"
            assert store.write_now(claims.claim, row["id"], epoch=2, **asked, sha256="other") == "composed-again"
            assert store.write_now(claims.claim, row["id"], epoch=2, **asked) == ""
            # node-1 wakes up with the server's yes: it is written down whatever the row says by now
            assert store.write_now(sends.record_sent, row["id"], NOW + HOUR, next_due_at=None)
            assert not store.write_now(sends.record_sent, row["id"], NOW + HOUR, next_due_at=None)

    play(story)


def test_a_clock_that_jumps_holds_the_database(store: Store) -> None:
    async def story() -> None:
        async with office(store) as one:
            one.post.add(ADDRESS)
            one.sender._alarm = lambda: "clock-jumped"
            report = await one.sender.run_pass(NOW)
            assert "on hold (clock-jumped)" in report.notes[0]
            assert one.ids() == []
            with pytest.raises(StoreOnHold):
                store.write_now(schema.require_release)

    play(story)
