"""Is everything stored once, whatever the server, the clock and the other people do?"""

import asyncio
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from inbox.catch_up import Cursor, FetchBatch
from inbox.settings import ImapSettings, InboxSettings
from inbox.worker import BATCH, BATCHES, MailboxWorker
from sandbox.memory import MemoryMailbox, MemoryReader
from store import mailboxes, messages
from store.database import Store
from store.errors import AuthenticationFailed, ConnectionLost, PermanentError
from store.records import PassReport

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
BOX, OTHER = "maya@out.example", "ben@out.example"
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


class Desk:
    """One mailbox with its worker, read at chosen times."""

    def __init__(self, store: Store, box: str = BOX, reader: Any = None, **settings: Any) -> None:
        self.store, self.box, self.mailbox = store, box, MemoryMailbox()
        chosen = ImapSettings.model_validate({"host": "localhost", **settings})
        reader = reader(self.mailbox) if reader else MemoryReader(self.mailbox, window=chosen.window)
        self.worker = MailboxWorker(store, box, chosen, InboxSettings(), reader, "node-1")

    def run(self, now: datetime) -> PassReport:
        return asyncio.run(self.worker.run_pass(now))

    def rows(self) -> list[dict[str, Any]]:
        return [row for row in self.store.read_now(messages.waiting, 100_000) if row["mailbox"] == self.box]

    def texts(self) -> list[bytes]:
        return [self.store.read_now(messages.raw, row["sha256"]) for row in self.rows()]

    def announced(self) -> list[bool]:
        return [row["announce"] for row in self.rows()]


def mail(number: int, **headers: str) -> bytes:
    lines = [f"Message-ID: <{number}@acme.example>", f"Subject: {number}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + f"\r\n\r\nbody {number}\r\n").encode()


def test_each_message_is_stored_once_and_the_cursor_goes_with_it(store: Store) -> None:
    desk = Desk(store)
    for number in range(5):
        desk.mailbox.deliver("INBOX", mail(number), NOW)
    assert [desk.run(NOW + n * MINUTE).done for n in range(3)] == [5, 0, 0]
    desk.mailbox.deliver("INBOX", mail(5), NOW + 4 * MINUTE)
    assert desk.run(NOW + 5 * MINUTE).done == 1
    assert desk.texts() == [mail(number) for number in range(6)]
    position = store.read_now(messages.cursor, BOX, "INBOX")
    assert (position.uidvalidity, position.last_uid) == (1, 6)


def test_numbers_of_32_bits_without_sign_fit(store: Store) -> None:
    desk = Desk(store)
    place = desk.mailbox.folders["INBOX"]
    place.uidvalidity, place.uidnext = 3_857_529_045, 4_294_967_290  # the first is the example of RFC 3501
    desk.mailbox.deliver("INBOX", mail(1), NOW)
    assert [desk.run(NOW).done, desk.run(NOW + MINUTE).done] == [1, 0]


def test_the_first_connect_to_an_old_mailbox_announces_nothing_ancient(store: Store) -> None:
    desk = Desk(store)
    for number in range(300):
        desk.mailbox.deliver("INBOX", mail(number), NOW - timedelta(days=300 - number))
    desk.mailbox.deliver("INBOX", mail(300), NOW + MINUTE)
    desk.run(NOW)
    assert desk.announced().count(True) == 1
    assert len(desk.texts()) <= 3  # yesterday's may answer a letter; older mail is not even fetched
    desk.mailbox.deliver("INBOX", mail(301), NOW + DAY)
    desk.run(NOW + DAY)
    assert desk.texts()[-1] == mail(301)
    assert desk.announced().count(True) == 2


def test_the_first_connect_reads_back_as_far_as_told(store: Store) -> None:
    desk = Desk(store, first_days=30)
    for days in (100, 40, 20, 5):
        desk.mailbox.deliver("INBOX", mail(days), NOW - timedelta(days=days))
    desk.run(NOW)
    assert desk.texts() == [mail(20), mail(5)]
    assert desk.announced() == [True, True]


def test_a_folder_that_was_empty_or_missing_at_the_first_connect_starts_with_what_comes(store: Store) -> None:
    desk = Desk(store, folders=("INBOX", "Customers"))
    assert "Customers" in " ".join(desk.run(NOW).notes)
    desk.mailbox.folders["Customers"] = type(desk.mailbox.folders["INBOX"])(uidvalidity=9)
    for folder in ("INBOX", "Customers"):
        desk.mailbox.deliver(folder, mail(1, Folder=folder), NOW + MINUTE)
    desk.run(NOW + 2 * MINUTE)
    assert sorted(row["folder"] for row in desk.rows()) == ["Customers", "INBOX"]
    assert desk.announced() == [True, True]


def test_a_server_whose_clock_is_behind_loses_nothing(store: Store) -> None:
    desk = Desk(store)
    desk.run(NOW)  # an empty folder: its first message is no history
    for hours in (40, 30):
        desk.mailbox.deliver("INBOX", mail(hours), NOW - timedelta(hours=hours))
        desk.run(NOW + hours * MINUTE)
    assert desk.texts() == [mail(40), mail(30)]
    assert desk.announced() == [True, True]


def test_ancient_mail_that_somebody_moves_in_is_stored_but_not_announced(store: Store) -> None:
    desk = Desk(store)
    desk.mailbox.deliver("INBOX", mail(1), NOW)
    desk.run(NOW)
    desk.mailbox.deliver("INBOX", mail(2), NOW - timedelta(days=400))
    desk.run(NOW + MINUTE)
    assert desk.announced() == [True, False]


def test_another_uidvalidity_brings_what_is_new_and_nothing_twice(store: Store) -> None:
    desk = Desk(store)
    for number in range(450):
        desk.mailbox.deliver("INBOX", mail(number), NOW + number * timedelta(seconds=1))
    desk.run(NOW)
    desk.mailbox.renew("INBOX")
    desk.mailbox.deliver("INBOX", mail(450), NOW + DAY)
    assert [desk.run(NOW + DAY).done, desk.run(NOW + DAY + MINUTE).done] == [1, 0]
    desk.mailbox.folders["INBOX"].uidvalidity = 1  # back again, with other UIDs than it had
    assert desk.run(NOW + DAY + 2 * MINUTE).done == 0
    assert sorted(desk.texts()) == sorted(mail(number) for number in range(451))


def test_the_same_mail_delivered_twice_is_two_messages_across_generations(store: Store) -> None:
    desk = Desk(store)
    for _ in range(2):
        desk.mailbox.deliver("INBOX", mail(1), NOW)
    assert desk.run(NOW).done == 2
    desk.mailbox.renew("INBOX")
    assert desk.run(NOW + MINUTE).done == 0


def test_reused_and_missing_message_ids_drop_nothing(store: Store) -> None:
    desk = Desk(store)
    raws = [b"Message-ID: <same@x>\r\n\r\n%d" % number for number in range(3)]
    raws += [b"Subject: none\r\n\r\n%d" % number for number in range(3)] + [b"", b"\r\n", b"no header at all"]
    for raw in raws:
        desk.mailbox.deliver("INBOX", raw, NOW)
    assert desk.run(NOW).done == len(raws)
    assert desk.texts() == raws


def test_what_shows_up_late_is_found_by_the_window_or_by_the_daily_comparison(store: Store) -> None:
    desk = Desk(store, window=10)
    for number in range(60):
        desk.mailbox.deliver("INBOX", mail(number), NOW, hidden=number in (3, 55))
    assert desk.run(NOW).done == 58
    desk.mailbox.reveal("INBOX")
    assert desk.run(NOW + MINUTE).done == 1  # within the last ten
    assert desk.run(NOW + 2 * MINUTE).done == 0
    assert desk.run(NOW + DAY).done == 1
    assert desk.run(NOW + 2 * DAY).done == 0
    assert sorted(desk.texts()) == sorted(mail(number) for number in range(60))


def test_expunged_and_moved_mail_stays_stored(store: Store) -> None:
    desk = Desk(store)
    uids = [desk.mailbox.deliver("INBOX", mail(number), NOW) for number in range(3)]
    desk.run(NOW)
    desk.mailbox.expunge("INBOX", uids[0])
    desk.mailbox.move("INBOX", uids[1], "Junk")
    desk.run(NOW + DAY + MINUTE)
    assert [(row["folder"], raw) for row, raw in zip(desk.rows(), desk.texts(), strict=True)] == [
        ("INBOX", mail(0)), ("INBOX", mail(1)), ("INBOX", mail(2)), ("Junk", mail(1)),
    ]  # fmt: skip


def test_a_long_backlog_takes_several_passes_and_loses_nothing(store: Store) -> None:
    desk, number = Desk(store), BATCH * BATCHES + 250
    for uid in range(number):
        desk.mailbox.deliver("INBOX", mail(uid), NOW)
    first = desk.run(NOW)
    assert (first.done, first.next_wake) == (BATCH * BATCHES, NOW)
    assert desk.run(NOW).done == 250
    assert len({row["uid"] for row in desk.rows()}) == number


def test_an_unknown_internal_date_is_news_except_at_the_first_look(store: Store) -> None:
    desk = Desk(store)
    nowhen = datetime(1970, 1, 1, tzinfo=UTC)
    desk.mailbox.deliver("INBOX", mail(1), NOW)
    desk.run(NOW)
    desk.mailbox.deliver("INBOX", mail(2), nowhen)
    desk.run(NOW + MINUTE)
    assert desk.announced() == [True, True]


def test_failures_back_off_with_jitter_and_are_forgotten(store: Store) -> None:
    desk = Desk(store)
    pauses, now = [], NOW
    desk.mailbox.faults += [ConnectionLost("cut")] * 9
    for chance in (0.0, 1.0, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5):
        desk.worker._jitter = lambda chance=chance: chance  # type: ignore[misc]
        report = desk.run(now)
        assert report.next_wake is not None
        assert not report.well
        pauses.append((report.next_wake - now).total_seconds())
        assert desk.run(report.next_wake - timedelta(seconds=1)).next_wake == report.next_wake  # not before
        now = report.next_wake
    assert pauses == [7.5, 45, 60, 120, 240, 480, 960, 1800, 1800]
    assert desk.run(now).well
    assert store.read_now(mailboxes.states)[BOX]["failures"] == 0


def test_a_wrong_password_holds_the_mailbox(store: Store) -> None:
    desk = Desk(store)
    desk.mailbox.faults.append(AuthenticationFailed("no"))
    with pytest.raises(AuthenticationFailed):
        desk.run(NOW)
    desk.mailbox.deliver("INBOX", mail(1), NOW)
    assert desk.run(NOW + MINUTE) == PassReport(0, None)
    store.write_now(mailboxes.release, BOX, actor="maya", now=NOW)
    assert desk.run(NOW + MINUTE).done == 1


def test_a_folder_that_cannot_be_opened_does_not_stop_the_others(store: Store) -> None:
    desk = Desk(store)
    desk.mailbox.deliver("Junk", mail(1), NOW)
    desk.mailbox.faults.append(PermanentError("folder INBOX: no rights"))
    report = desk.run(NOW)
    assert report.done == 1
    assert store.read_now(mailboxes.states)[BOX]["reason"] == "folder INBOX: no rights"


def test_who_lost_the_lease_stores_nothing_more(store: Store) -> None:
    class Slow(MemoryReader):
        """Another node takes the mailbox over while this one fetches."""

        async def fetch_since(
            self, cursor: Cursor, *, known_uids: Collection[int] = (), limit: int = 100, since: datetime | None = None
        ) -> FetchBatch | None:
            batch = await super().fetch_since(cursor, known_uids=known_uids, limit=limit, since=since)
            store.write_now(mailboxes.acquire_lease, BOX, "node-2", NOW + timedelta(hours=1), DAY)
            return batch

    desk = Desk(store, reader=Slow)
    desk.mailbox.deliver("INBOX", mail(1), NOW)
    report = desk.run(NOW)
    assert "another node" in report.notes[0]
    assert desk.rows() == []
    assert store.read_now(messages.cursor, BOX, "INBOX").last_uid == 0


def test_a_commit_that_fails_is_made_good(store: Store) -> None:
    desk = Desk(store)
    desk.mailbox.deliver("INBOX", mail(1), NOW)
    keep = desk.worker._keep

    def fail(connection: Any, *args: Any, **more: Any) -> int:
        keep(connection, *args, **more)
        raise ConnectionLost("power")  # after the rows were written, before the commit

    desk.worker._keep = fail  # type: ignore[method-assign]
    desk.run(NOW)
    assert desk.rows() == []
    desk.worker._keep = keep  # type: ignore[method-assign]
    assert desk.run(NOW + DAY).done == 1
