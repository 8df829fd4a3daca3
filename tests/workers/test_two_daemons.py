"""Two sending processes, or a busy neighbour, on one database: each letter once, limits held in sum, nothing is locked."""

import asyncio
import sys
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.sending_site import Site, make_site
from sandbox.relay import Relay
from store import mailboxes, sends
from store.database import Store
from tests.store.test_database import NEIGHBOUR
from tests.workers.sending import NOW

LETTERS, BOXES, PER_DAY = 60, 4, 5
DAEMON = """
import asyncio, sys
from pathlib import Path
from benchmarks.sending_site import Site
from tests.workers.sending import NOW

url, port, node, per_day, boxes = sys.argv[1:]
site = Site(Path(), int(port), tuple(boxes.split(",")), 1, database=url, node=node, per_day=int(per_day))

async def run():
    house = site.open(NOW)
    print("ready", flush=True)
    sys.stdin.readline()
    for _ in range(6):
        await house.sender.run_pass(NOW)
    await house.close()

asyncio.run(run())
"""


async def run_daemons(site: Site, nodes: tuple[str, ...]) -> None:
    """Start real processes, let them begin together, and wait for their ends."""
    words = (site.url, str(site.port))
    more = (str(site.per_day), ",".join(site.mailboxes))
    pipe = asyncio.subprocess.PIPE
    daemons = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", DAEMON, *words, node, *more, stdin=pipe, stdout=pipe, stderr=pipe
        )
        for node in nodes
    ]
    for one in daemons:
        assert one.stdout is not None
        assert await one.stdout.readline() == b"ready\n"
    for one, (_, problem) in zip(
        daemons, await asyncio.gather(*(one.communicate(b"\n") for one in daemons)), strict=True
    ):
        assert one.returncode == 0, problem.decode()


@pytest.mark.parametrize("nodes", [("node-1", "node-2"), ("node-1", "node-1")], ids=["two nodes", "one started twice"])
def test_two_daemons_send_each_letter_once_and_keep_the_limits_in_sum(
    store: Store, tmp_path: Path, nodes: tuple[str, ...]
) -> None:
    async def story() -> None:
        relay = Relay()
        port = await relay.start()
        made = make_site(tmp_path, port, letters=LETTERS, mailboxes=BOXES, at=NOW, database=store.url)
        site = Site(tmp_path, port, made.mailboxes, 1, database=store.url, per_day=PER_DAY)
        await run_daemons(site, nodes)
        await relay.close()
        assert len({one.message_id for one in relay.accepted}) == len(relay.accepted) == BOXES * PER_DAY
        assert Counter(one.mail_from for one in relay.accepted) == dict.fromkeys(site.mailboxes, PER_DAY)
        ledger = {row["message_id"] for row in store.read_now(sends.all_sends) if row["state"] == "sent"}
        assert ledger == {one.message_id for one in relay.accepted}

    asyncio.run(story())


def test_sending_goes_on_beside_a_long_import(store: Store, tmp_path: Path) -> None:
    """ "Database is locked" must neither rest a mailbox nor leave a letter open."""

    async def story() -> None:
        relay = Relay()
        port = await relay.start()
        site = make_site(tmp_path, port, letters=8, mailboxes=2, at=NOW, database=store.url)
        words = (sys.executable, "-c", NEIGHBOUR, store.url)
        neighbour = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE)
        assert neighbour.stdout is not None
        await neighbour.stdout.readline()
        house = site.open(NOW)
        report = await house.sender.run_pass(NOW)
        await house.close()
        assert neighbour.returncode is None, "it wrote all the time"
        neighbour.kill()
        await neighbour.communicate()
        await relay.close()
        assert (report.done, len(relay.accepted)) == (8, 8)
        assert [row["state"] for row in store.read_now(sends.all_sends)] == ["sent"] * 8
        assert not any(one["failures"] for one in store.read_now(mailboxes.states).values())

    asyncio.run(story())
