"""Does the reader keep its contract with Dovecot: TLS, CONDSTORE, QRESYNC, a real UIDVALIDITY, a move, a forced resync?"""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from inbox.reader import Cursor
from inbox.settings import ImapSettings, InboxSettings
from inbox.worker import MailboxWorker
from postroom.clock import SystemClock
from postroom.supervisor import Station, Supervisor
from store import messages, schema
from store.database import Store
from tests.acceptance.servers import MailSite, dovecot_site
from tests.doors.reader_contract import CONTRACT, Rig, ServerRig, Story, fetch

pytestmark = pytest.mark.acceptance
PASSWORD = "for-loopback-only"


@pytest.fixture(scope="module")
def site() -> Iterator[MailSite]:
    with dovecot_site(PASSWORD) as running:
        yield running


def tell(story: Story, site: MailSite, user: str) -> None:
    settings = ImapSettings.model_validate({"host": "localhost", "port": site.imaps, "ca_file": site.ca_file})

    async def run() -> None:
        rig = ServerRig(settings, f"{user}@out.test", PASSWORD)
        try:
            async with asyncio.timeout(60):
                await story(rig)
        finally:
            await rig.close()

    asyncio.run(run())


@pytest.mark.parametrize("story", CONTRACT, ids=lambda story: story.__name__)
def test_dovecot(story: Story, site: MailSite) -> None:
    tell(story, site, story.__name__)


def test_where_nothing_changed_nothing_is_searched(site: MailSite) -> None:
    async def story(rig: Rig) -> None:
        reader = rig.reader()
        await rig.deliver("INBOX", b"Subject: x\r\n\r\n")
        first = await fetch(reader, Cursor("m", "INBOX"))
        end = Cursor("m", "INBOX", first.uidvalidity, first.reached)
        known = {mail.uid for mail in first.mails}
        assert not (await fetch(reader, end, known_uids=known)).mails
        assert reader._quiet["INBOX"][0] == end  # type: ignore[attr-defined]
        assert reader._quiet["INBOX"][1].modseq > 0  # type: ignore[attr-defined]
        assert not (await fetch(reader, end, known_uids=known)).mails
        await rig.deliver("INBOX", b"Subject: y\r\n\r\n")
        assert [mail.raw for mail in (await fetch(reader, end, known_uids=known)).mails] == [b"Subject: y\r\n\r\n"]
        await reader.close()

    tell(story, site, "quiet")


def test_a_message_moved_by_somebody_else_is_seen_in_its_new_folder(site: MailSite) -> None:
    async def story(rig: Rig) -> None:
        assert isinstance(rig, ServerRig)
        reader = rig.reader()
        await rig.deliver("INBOX", b"Subject: x\r\n\r\n")
        before = await fetch(reader, Cursor("m", "INBOX"))
        other = await rig.other()
        await other.select('"INBOX"')
        await rig.run("MOVE", "1", "Junk", prefix="UID")
        listed = await reader.list_uids("INBOX")
        assert listed == (before.uidvalidity, frozenset())
        assert [mail.raw for mail in (await fetch(reader, Cursor("m", "Junk"))).mails] == [b"Subject: x\r\n\r\n"]
        await reader.close()

    tell(story, site, "moved")


def test_a_message_of_seventeen_megabytes_arrives_whole(site: MailSite) -> None:
    async def story(rig: Rig) -> None:
        raw = b"Subject: large\r\n\r\n" + b"0123456789abcde\r\n" * 1_000_000
        await rig.deliver("INBOX", raw)
        reader = rig.reader()
        (mail,) = (await fetch(reader, Cursor("m", "INBOX"))).mails
        assert mail.raw == raw
        await reader.close()

    tell(story, site, "large")


def test_under_the_supervisor_idle_brings_mail_long_before_the_next_poll(site: MailSite, tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'postroom.db'}")
    schema.upgrade(store)

    async def story(rig: Rig) -> None:
        assert isinstance(rig, ServerRig)
        inbox = InboxSettings.model_validate({"poll_every": "10h"})
        reader = rig.reader()
        worker = MailboxWorker(store, rig.user, rig.settings, inbox, reader, "node")
        station = Station("poll", worker, inbox.poll_every, news=worker.wait_for_news)
        supervisor = Supervisor(SystemClock(), [station])
        running = asyncio.create_task(supervisor.run())
        await station.well.wait()
        for number in range(1, 4):
            await rig.deliver("INBOX", b"Subject: news\r\n\r\n", datetime.now(UTC))
            while len(await store.read(messages.waiting)) < number:
                await asyncio.sleep(0.01)
        supervisor.stop()
        await running
        await reader.close()

    tell(story, site, "supervised")
    store.close()
