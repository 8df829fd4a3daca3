"""What must every reader do, whatever server is behind it? Stories told to an empty account by way of a rig."""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from aioimaplib.aioimaplib import Command

from inbox.imap_connection import open_connection
from inbox.imap_protocol import ImapProtocol
from inbox.imap_syntax import encode_folder, quote
from inbox.reader import Cursor, FetchBatch, ImapReader, Reader
from inbox.settings import ImapSettings
from sandbox.memory import MemoryMailbox, MemoryReader

AT = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
NON_ASCII = 'Entwürfe & "mehr" 台北'


class Rig(Protocol):
    """An account and the other people who use it."""

    async def deliver(self, folder: str, raw: bytes, at: datetime = AT) -> None: ...
    async def create(self, folder: str) -> None: ...
    async def expunge(self, folder: str, uid: int) -> None: ...
    async def renew(self, folder: str) -> None: ...
    def reader(self, **settings: Any) -> Reader: ...


class MemoryRig:
    """The twin in memory."""

    def __init__(self) -> None:
        self.mailbox = MemoryMailbox()

    async def deliver(self, folder: str, raw: bytes, at: datetime = AT) -> None:
        self.mailbox.deliver(folder, raw, at)

    async def create(self, folder: str) -> None:
        self.mailbox.folders[folder] = type(self.mailbox.folders["INBOX"])()

    async def expunge(self, folder: str, uid: int) -> None:
        self.mailbox.expunge(folder, uid)

    async def renew(self, folder: str) -> None:
        self.mailbox.renew(folder)

    def reader(self, **settings: Any) -> Reader:
        kept = {name: settings[name] for name in ("window", "sent", "largest") if name in settings}
        return MemoryReader(self.mailbox, **kept)


class ServerRig:
    """A server, used by somebody else over a connection of their own."""

    def __init__(self, settings: ImapSettings, user: str, password: str) -> None:
        self.settings, self.user, self._password = settings, user, password
        self._other: ImapProtocol | None = None

    async def secret(self) -> str:
        return self._password

    async def other(self) -> ImapProtocol:
        if self._other is None:
            self._other = await open_connection(self.settings, self.user, self.secret, "password")
        return self._other

    async def run(self, name: str, *words: str, prefix: str = "") -> None:
        other = await self.other()
        response = await other.execute(Command(name, other.new_tag(), *words, prefix=prefix))
        assert response.result == "OK", (name, words, response)

    async def deliver(self, folder: str, raw: bytes, at: datetime = AT) -> None:
        response = await (await self.other()).append(raw, quote(encode_folder(folder)), date=at)
        assert response.result == "OK", response

    async def create(self, folder: str) -> None:
        await self.run("CREATE", quote(encode_folder(folder)))

    async def expunge(self, folder: str, uid: int) -> None:
        other = await self.other()
        await other.select(quote(encode_folder(folder)))
        await self.run("STORE", str(uid), "+FLAGS", "(\\Deleted)", prefix="UID")
        await self.run("EXPUNGE")
        await other.close()

    async def renew(self, folder: str) -> None:
        name = quote(encode_folder(folder))
        other = await self.other()
        await self.run("CREATE", "Aside")
        await other.select(name)
        await self.run("COPY", "1:*", "Aside")
        await other.close()
        await self.run("DELETE", name)
        await self.run("RENAME", "Aside", name)

    def reader(self, **settings: Any) -> ImapReader:
        largest = settings.pop("largest", 30_000_000)
        chosen = self.settings.model_copy(update=settings)
        return ImapReader(chosen, self.user, self.secret, largest=largest)

    async def close(self) -> None:
        if self._other is not None:
            await self._other.hang_up()


async def fetch(reader: Reader, cursor: Cursor, **more: Any) -> FetchBatch:
    batch = await reader.fetch_since(cursor, **more)
    assert batch is not None
    return batch


def after(batch: FetchBatch) -> Cursor:
    return Cursor("m", batch.folder, batch.uidvalidity, batch.reached, batch.floor_uid)


async def new_mail_comes_once(rig: Rig) -> None:
    reader = rig.reader(window=0)
    for number in range(3):
        await rig.deliver("INBOX", b"Subject: %d\r\n\r\n" % number)
    first = await fetch(reader, Cursor("m", "INBOX"))
    assert [mail.raw for mail in first.mails] == [b"Subject: %d\r\n\r\n" % number for number in range(3)]
    assert not (await fetch(reader, after(first))).mails
    await rig.deliver("INBOX", b"Subject: late\r\n\r\n", AT + timedelta(hours=1))
    second = await fetch(reader, after(first))
    assert [(mail.raw, mail.internal_at) for mail in second.mails] == [
        (b"Subject: late\r\n\r\n", AT + timedelta(hours=1))
    ]
    assert second.uidnext == second.reached + 1 == second.mails[0].uid + 1
    await reader.close()


async def many_come_in_batches(rig: Rig) -> None:
    reader, cursor, known, seen = rig.reader(), Cursor("m", "Junk"), set[int](), list[int]()
    for number in range(7):
        await rig.deliver("Junk", b"Subject: %d\r\n\r\n" % number)
    more = True
    while more:
        batch = await fetch(reader, cursor, known_uids=known, limit=3)
        seen += [int(mail.raw.split()[1]) for mail in batch.mails]
        known |= {mail.uid for mail in batch.mails}
        cursor, more = after(batch), batch.more
        assert len(batch.mails) <= 3
    assert seen == list(range(7))
    await reader.close()


async def bytes_are_exact(rig: Rig) -> None:
    raws = [
        b"Subject: odd\r\n\r\n* 1 EXISTS\r\n)\r\n{5}\r\nA1 OK\r\n+ go\r\n.\r\n",
        b"Subject: long\r\n\r\n" + b"x" * 100_000 + b"\r\n",
        b"Subject: caf\xc3\xa9 \xff\r\n\r\n\xfe\r\n",
    ]
    reader = rig.reader()
    for raw in raws:
        await rig.deliver("INBOX", raw)
    batch = await fetch(reader, Cursor("m", "INBOX"))
    assert [mail.raw for mail in batch.mails] == raws
    assert [mail.size for mail in batch.mails] == [len(raw) for raw in raws]
    await reader.close()


async def reading_marks_nothing(rig: Rig) -> None:
    reader = rig.reader()
    await rig.deliver("INBOX", b"Subject: new\r\n\r\n")
    for _ in range(2):
        batch = await fetch(reader, Cursor("m", "INBOX"))
        assert "\\Seen" not in batch.mails[0].flags
    await reader.close()


async def the_window_shows_what_is_not_known(rig: Rig) -> None:
    for number in range(6):
        await rig.deliver("INBOX", b"Subject: %d\r\n\r\n" % number)
    wide, narrow = rig.reader(window=4), rig.reader(window=1)
    everything = await fetch(wide, Cursor("m", "INBOX"))
    uids = [mail.uid for mail in everything.mails]
    end = after(everything)
    missed = await fetch(wide, end, known_uids={uids[1], uids[2], uids[4], uids[5]})
    assert [mail.uid for mail in missed.mails] == [uids[3]]
    assert not (await fetch(narrow, end, known_uids={uids[5]})).mails
    floored = Cursor("m", "INBOX", end.uidvalidity, end.last_uid, floor_uid=uids[3])
    assert [mail.uid for mail in (await fetch(wide, floored)).mails] == uids[4:]
    await wide.close()
    await narrow.close()


async def another_uidvalidity_brings_everything(rig: Rig) -> None:
    reader = rig.reader()
    for number in range(3):
        await rig.deliver("Junk", b"Subject: %d\r\n\r\n" % number, AT + timedelta(minutes=number))
    before = await fetch(reader, Cursor("m", "Junk"))
    await rig.renew("Junk")
    batch = await fetch(reader, after(before), known_uids={mail.uid for mail in before.mails})
    assert batch.validity_changed
    assert batch.uidvalidity != before.uidvalidity
    assert [(mail.raw, mail.internal_at) for mail in batch.mails] == [
        (mail.raw, mail.internal_at) for mail in before.mails
    ]
    again = await fetch(reader, after(batch), known_uids={mail.uid for mail in batch.mails})
    assert not again.validity_changed
    assert not again.mails
    await reader.close()


async def a_missing_folder_is_a_value(rig: Rig) -> None:
    reader = rig.reader(sent="Gone")
    assert await reader.fetch_since(Cursor("m", "Nowhere")) is None
    assert await reader.list_uids("Nowhere") is None
    await rig.deliver("INBOX", b"Subject: x\r\n\r\n")
    assert len((await fetch(reader, Cursor("m", "INBOX"))).mails) == 1
    await reader.close()


async def expunged_mail_is_gone(rig: Rig) -> None:
    reader = rig.reader()
    for number in range(3):
        await rig.deliver("INBOX", b"Subject: %d\r\n\r\n" % number)
    listed = await reader.list_uids("INBOX")
    assert listed is not None
    first, second, third = sorted(listed[1])
    await rig.expunge("INBOX", second)
    assert await reader.list_uids("INBOX") == (listed[0], frozenset({first, third}))
    assert [mail.uid for mail in (await fetch(reader, Cursor("m", "INBOX"))).mails] == [first, third]
    await rig.expunge("INBOX", first)
    await rig.expunge("INBOX", third)
    empty = await fetch(reader, Cursor("m", "INBOX", listed[0], third))
    assert (empty.mails, empty.reached, empty.more) == ((), third, False)
    await reader.close()


async def any_folder_name_will_do(rig: Rig) -> None:
    await rig.create(NON_ASCII)
    await rig.deliver(NON_ASCII, b"Subject: x\r\n\r\n")
    reader = rig.reader(folders=(NON_ASCII,))
    batch = await fetch(reader, Cursor("m", NON_ASCII))
    assert (batch.folder, len(batch.mails)) == (NON_ASCII, 1)
    await reader.close()


async def our_letter_is_found_in_sent(rig: Rig) -> None:
    reader = rig.reader()
    assert await reader.find_in_sent("<one@example.com>") is False
    assert await reader.append_sent(b"Message-ID: <one@example.com>\r\nX-Postroom: token-1\r\n\r\nHi\r\n")
    assert await reader.find_in_sent("<one@example.com>") is True
    assert await reader.find_in_sent("<rewritten@example.com>") is False
    assert await reader.find_in_sent("<rewritten@example.com>", ("X-Postroom", "token-1")) is True
    assert await reader.find_in_sent("<rewritten@example.com>", ("X-Postroom", "token-2")) is False
    assert await reader.find_in_sent('<"(quoted\\ )"@example.com>') is False
    listed = await reader.list_uids("Sent")
    assert listed is not None
    assert len(listed[1]) == 1
    without = rig.reader(sent=None)
    assert await without.find_in_sent("<one@example.com>") is None
    assert await without.append_sent(b"Subject: x\r\n\r\n") is False
    await reader.close()
    await without.close()


async def a_first_look_can_leave_out_the_past(rig: Rig) -> None:
    for days in (400, 90, 1, 0):
        await rig.deliver("INBOX", b"Subject: %d\r\n\r\n" % days, AT - timedelta(days=days))
    reader = rig.reader()
    batch = await fetch(reader, Cursor("m", "INBOX"), since=AT - timedelta(days=7))
    assert [mail.raw.split()[1] for mail in batch.mails] == [b"1", b"0"]
    known = {mail.uid for mail in batch.mails}
    assert not (await fetch(reader, after(batch), known_uids=known)).mails  # the window does not dig either
    nothing = await fetch(reader, Cursor("m", "INBOX"), since=AT + timedelta(days=30))
    assert not nothing.mails
    assert not (await fetch(reader, after(nothing))).mails
    await rig.deliver("INBOX", b"Subject: new\r\n\r\n")
    assert [mail.raw for mail in (await fetch(reader, after(nothing))).mails] == [b"Subject: new\r\n\r\n"]
    await reader.close()


async def of_a_large_message_the_beginning_comes(rig: Rig) -> None:
    raw = b"Subject: big\r\nFrom: a@example.com\r\n\r\n" + b"x" * 30_000 + b"\r\n"
    await rig.deliver("INBOX", raw)
    await rig.deliver("INBOX", b"Subject: small\r\n\r\nx\r\n")
    reader = rig.reader(largest=10_000)
    big, small = (await fetch(reader, Cursor("m", "INBOX"))).mails
    assert (big.raw, big.truncated, big.size) == (raw[:10_000], True, len(raw))
    assert (small.truncated, small.raw) == (False, b"Subject: small\r\n\r\nx\r\n")
    await reader.close()


async def news_wakes(rig: Rig) -> None:
    reader = rig.reader()
    await fetch(reader, Cursor("m", "INBOX"))
    assert not await reader.wait_for_news("INBOX", 0.01)
    waiting = asyncio.create_task(reader.wait_for_news("INBOX", 60))
    await rig.deliver("INBOX", b"Subject: x\r\n\r\n")
    assert await waiting
    await reader.close()


Story = Callable[[Rig], Coroutine[Any, Any, None]]
CONTRACT: tuple[Story, ...] = (
    new_mail_comes_once,
    many_come_in_batches,
    bytes_are_exact,
    reading_marks_nothing,
    the_window_shows_what_is_not_known,
    another_uidvalidity_brings_everything,
    a_missing_folder_is_a_value,
    expunged_mail_is_gone,
    any_folder_name_will_do,
    our_letter_is_found_in_sent,
    a_first_look_can_leave_out_the_past,
    of_a_large_message_the_beginning_comes,
    news_wakes,
)
