"""Is every message of a large mailbox ingested exactly once, through faults and kills?

    python benchmarks/read_faults.py [MESSAGES]      default 20,000; by hand 1,000,000

A server that makes messages up stands behind a proxy that cuts, stalls, splits, doubles, says BYE, shortens literals
and renews UIDVALIDITY. The reading process is the production worker on SQLite; it kills itself (SIGKILL) between
fetch and commit now and then, and is started again. At the end the database is compared with the server's own list.
"""

import asyncio
import os
import random
import resource
import signal
import sys
import tempfile
import time
from datetime import datetime
from typing import Any

from inbox.reader import ImapReader
from inbox.settings import ImapSettings, InboxSettings
from inbox.worker import MailboxWorker
from sandbox.bulk_imap import FIRST_AT, BulkServer, bulk_mail
from sandbox.faults import FaultyProxy
from store import messages, schema
from store.database import Store
from store.tables import Message, RawMessage, core

BOX = "maya@out.example"
SMALL = 100_000  # messages; up to here there is more harm to each
RATES = (1 / 400, 1 / 4_000)  # faults an answer; a message has two answers
KILL_RATES = (1 / 15, 1 / 100)  # kills a batch


async def read(url: str, port: int, kill_rate: float, seed: str) -> None:
    """Be the reading process: passes without end, on a clock that jumps over every pause."""
    chance, store = random.Random(seed), Store(url)

    async def secret() -> str:
        return "x"

    settings = ImapSettings.model_validate(
        {"host": "127.0.0.1", "port": port, "security": "none", "folders": ["INBOX"], "sent": None, "timeout": "2s"}
    )
    worker = MailboxWorker(store, BOX, settings, InboxSettings(), ImapReader(settings, BOX, secret), "node")
    keep = worker._keep

    def keep_or_die(connection: Any, *args: Any, **more: Any) -> int:
        stored = keep(connection, *args, **more)
        if chance.random() < kill_rate:
            os.kill(os.getpid(), signal.SIGKILL)  # fetched, written, not committed
        return stored

    worker._keep = keep_or_die  # type: ignore[method-assign]
    now: datetime = FIRST_AT
    while True:
        report = await worker.run_pass(now)
        now = max(now, report.next_wake or now)
        if report.well and report.done == 0:
            print(now.isoformat(), flush=True)
            await asyncio.sleep(0.05)


async def measure(size: int, seed: int = 1, renewals: int = 2) -> dict[str, Any]:
    """Run server, proxy and reading processes until all is read; returns what was found."""
    chance, server = random.Random(seed), BulkServer(size)
    proxy = FaultyProxy(await server.start(), RATES[size > SMALL], chance, renew=server.renew, renewals=renewals)
    port, kills, began = await proxy.start(), 0, time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="postroom-bench-") as folder:
        url = f"sqlite:///{folder}/postroom.db"
        store = Store(url, inline=True)
        schema.upgrade(store)
        while not (ended := _is_read(store, server)):
            command = [
                sys.executable,
                __file__,
                "--read",
                url,
                str(port),
                str(KILL_RATES[size > SMALL]),
                str(chance.random()),
            ]
            child = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.DEVNULL)
            done = asyncio.create_task(child.wait())
            while not done.done() and not (ended := _is_read(store, server)):
                await asyncio.wait([done], timeout=2 if size <= SMALL else 20)
                if size > SMALL:
                    print(f"{time.perf_counter() - began:7.0f} s {_count(store):9,} stored, {kills} kills", flush=True)
            if ended:
                child.kill()
            await done
            kills += not ended
        found = {"seconds": time.perf_counter() - began, "kills": kills, "faults": dict(proxy.happened)}
        found |= _compare(store, server)
        store.close()
    await proxy.close()
    await server.close()
    return found


def _is_read(store: Store, server: BulkServer) -> bool:
    position = store.read_now(messages.cursor, BOX, "INBOX")
    return (position.uidvalidity, position.last_uid) == (server.uidvalidity, server.listed()[-1])


def _count(store: Store) -> int:
    return int(
        store.read_now(lambda connection: connection.exec_driver_sql("SELECT count(*) FROM message").scalar_one())
    )


def _compare(store: Store, server: BulkServer) -> dict[str, int]:
    """Return how many messages are missing, doubled, or differ from the server's."""
    table, raws = core(Message), core(RawMessage)

    def unit(connection: Any) -> dict[str, int]:
        query = table.select().with_only_columns(table.c.uidvalidity, table.c.uid, raws.c.body)
        rows = connection.execution_options(yield_per=10_000).execute(query.join(raws, raws.c.sha256 == table.c.sha256))
        seen, differ, strange = set[int](), 0, 0
        stored = 0
        for uidvalidity, uid, body in rows:
            stored += 1
            number = int(body.partition(b"Subject: ")[2].partition(b"\r\n")[0] or -1)
            seen.add(number)
            differ += body != bulk_mail(number)
            strange += (uidvalidity, uid) != (server.uidvalidity, server.uids[number])
        return {"stored": stored, "missing": server.size - len(seen), "doubled": stored - len(seen),
                "differing": differ, "at another UID": strange}  # fmt: skip

    return store.read_now(unit)


def main() -> int:
    if "--read" in sys.argv:
        url, port, kill_rate, seed = sys.argv[2:]
        asyncio.run(read(url, int(port), float(kill_rate), seed))
    size = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    found = asyncio.run(measure(size))
    for name, value in found.items():
        print(f"{name:15} {value if not isinstance(value, float) else f'{value:.1f}'}")
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"{size / found['seconds']:,.0f} messages a second; {used.ru_utime + used.ru_stime:.0f} s CPU in the reading "
          f"processes, largest {used.ru_maxrss // 1024} MiB")  # fmt: skip
    return 1 if found["missing"] or found["doubled"] or found["differing"] or found["at another UID"] else 0


if __name__ == "__main__":
    sys.exit(main())
