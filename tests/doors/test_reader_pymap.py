"""Does the reader, and its twin in memory, keep the contract? Against pymap, a real server in the same loop."""

import asyncio
import logging

import pytest

from inbox.reader import Cursor
from inbox.settings import ImapSettings
from sandbox.imap import ImapServer
from sandbox.memory import MemoryMailbox, MemoryReader
from store.errors import AuthenticationFailed, ConnectionLost
from tests.doors.reader_contract import AT, CONTRACT, MemoryRig, Rig, ServerRig, Story

USER = "maya@example.com"


async def with_pymap(story: Story, password: str = "right") -> None:
    server = ImapServer()
    host, port = await server.start()
    server.add_user(USER, "right")
    rig = ServerRig(ImapSettings(host=host, port=port, security="none"), USER, password)
    try:
        async with asyncio.timeout(20):
            await story(rig)
    finally:
        await rig.close()
        await server.close()


@pytest.mark.parametrize("story", CONTRACT, ids=lambda story: story.__name__)
def test_pymap(story: Story, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    asyncio.run(with_pymap(story))
    loud = [record.name for record in caplog.records if record.levelno > logging.DEBUG or "pymap" in record.name]
    assert loud == []


@pytest.mark.parametrize("story", CONTRACT, ids=lambda story: story.__name__)
def test_memory(story: Story) -> None:
    asyncio.run(story(MemoryRig()))


def test_a_wrong_password_is_told() -> None:
    async def story(rig: Rig) -> None:
        with pytest.raises(AuthenticationFailed):
            await rig.reader().list_uids("INBOX")

    asyncio.run(with_pymap(story, password="wrong"))


def test_a_sandbox_mailbox_takes_mail_with_date_and_keywords() -> None:
    async def story() -> None:
        server = ImapServer()
        host, port = await server.start()
        server.add_user(USER, "right")
        await server.deliver(USER, "Junk", b"Subject: x\r\n\r\n", AT, ["$Forwarded", "\\Flagged"])
        rig = ServerRig(ImapSettings(host=host, port=port, security="none"), USER, "right")
        reader = rig.reader()
        batch = await reader.fetch_since(Cursor(USER, "Junk"))
        assert batch is not None
        assert (batch.mails[0].internal_at, set(batch.mails[0].flags)) == (AT, {"$Forwarded", "\\Flagged"})
        assert [await server.count(USER, folder) for folder in ("INBOX", "Junk", "Sent")] == [0, 1, 0]
        with pytest.raises(KeyError):
            await server.deliver("nobody@example.com", "INBOX", b"", AT)
        await server.close()
        with pytest.raises(ConnectionLost):
            await reader.list_uids("Junk")

    asyncio.run(story())


def test_the_twin_fails_as_told_and_shows_late_mail_late() -> None:
    async def story() -> None:
        mailbox = MemoryMailbox()
        reader = MemoryReader(mailbox, window=10)
        mailbox.faults += [None, ConnectionLost("cut"), None]
        late = mailbox.deliver("INBOX", b"late", AT, hidden=True)
        early = mailbox.deliver("INBOX", b"early", AT)
        first = await reader.fetch_since(Cursor(USER, "INBOX"))
        assert first is not None
        assert [mail.uid for mail in first.mails] == [early]
        cursor = Cursor(USER, "INBOX", first.uidvalidity, first.reached)
        with pytest.raises(ConnectionLost):
            await reader.fetch_since(cursor)
        mailbox.reveal("INBOX")
        second = await reader.fetch_since(cursor, known_uids={early})
        assert second is not None
        assert [mail.uid for mail in second.mails] == [late]
        moved = mailbox.move("INBOX", late, "Junk")
        assert (await reader.list_uids("INBOX"), await reader.list_uids("Junk")) == (
            (1, frozenset({early})),
            (1, frozenset({moved})),
        )

    asyncio.run(story())
