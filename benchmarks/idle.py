"""What does a mailbox that waits for news cost, and how soon is a delivered message stored?

    python benchmarks/idle.py [MAILBOXES]      default 500

All mailboxes are read by one process under the production supervisor, each over a TLS connection of its own that is in
IDLE; the server is another process. Rounds: asyncio, then uvloop where it is installed.
"""

import asyncio
import gc
import json
import os
import random
import resource
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import trustme

from inbox.reader import ImapReader
from inbox.settings import ImapSettings, InboxSettings
from inbox.worker import MailboxWorker
from postroom.clock import SystemClock
from postroom.supervisor import Station, Supervisor
from store import schema
from store.database import Store

DELIVERIES = 50
RAW = b"Subject: news\r\n\r\nhello\r\n"


class IdleServer:
    """INBOX for every user; a line on standard input delivers a message to that user."""

    def __init__(self) -> None:
        self.boxes: dict[bytes, int] = {}
        self.idle: dict[bytes, asyncio.StreamWriter] = {}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"* OK idle\r\n")
        user = b""
        while line := await reader.readline():
            tag, _, rest = line.strip().partition(b" ")
            words = rest.split()
            name = b" ".join(words[:2]) if words[0] == b"UID" else words[0]
            count = self.boxes.get(user, 0)
            if name == b"LOGIN":  # two literals
                writer.write(b"+ go\r\n")
                user = (await reader.readline()).partition(b" ")[0]
                writer.write(b"+ go\r\n")
                await reader.readline()
                self.boxes.setdefault(user, 0)
            elif name == b"CAPABILITY":
                writer.write(b"* CAPABILITY IMAP4rev1 IDLE\r\n")
            elif name == b"EXAMINE":
                said = b"* %d EXISTS\r\n* OK [UIDVALIDITY 7] v\r\n* OK [UIDNEXT %d] n\r\n"
                writer.write(said % (count, count + 1))
            elif name == b"UID SEARCH":
                writer.write(b"* SEARCH " + b" ".join(b"%d" % uid for uid in range(1, count + 1)) + b"\r\n")
            elif name == b"UID FETCH":
                for uid in range(int(words[2].partition(b":")[0]), count + 1):
                    at = time.strftime("%d-%b-%Y %H:%M:%S +0000", time.gmtime()).encode()
                    facts = b'* %d FETCH (UID %d RFC822.SIZE %d INTERNALDATE "%s" BODY[] {%d}\r\n%s)\r\n'
                    writer.write(facts % (uid, uid, len(RAW), at, len(RAW), RAW))
            elif name == b"IDLE":
                self.idle[user] = writer
                writer.write(b"+ idling\r\n")
                await reader.readline()
                del self.idle[user]
            writer.write(tag + b" OK done\r\n")
        writer.close()

    def deliver(self, user: bytes) -> None:
        self.boxes[user] += 1
        if writer := self.idle.get(user):
            writer.write(b"* %d EXISTS\r\n" % self.boxes[user])


async def be_the_server(certificate: str) -> None:
    server, context = IdleServer(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=context, backlog=1000)
    print(listening.sockets[0].getsockname()[1], flush=True)
    orders = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    while line := await orders.readline():
        server.deliver(line.strip())


def resident() -> int:
    """Return this process's memory in KiB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


async def measure(size: int, folder: Path) -> dict[str, float]:
    """Read `size` mailboxes, deliver, and return memory a mailbox and latencies."""
    command = [sys.executable, __file__, "--serve", str(folder / "server.pem")]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdin and child.stdout
    port = int(child.stdout.readline())
    store = Store(f"sqlite:///{folder}/postroom.db")
    schema.upgrade(store)
    settings = ImapSettings.model_validate(
        {"host": "localhost", "port": port, "ca_file": folder / "ca.pem", "folders": ["INBOX"], "sent": None}
    )
    stored, stations, readers = dict[str, float](), list[Station](), list[ImapReader]()

    async def secret() -> str:
        return "x"

    for number in range(size):
        box = f"box{number}@out.example"
        reader = ImapReader(settings, box, secret)
        worker = MailboxWorker(store, box, settings, InboxSettings(), reader, "node", random.random)
        readers.append(reader)
        stations.append(Station(box, worker, InboxSettings().poll_every * 2, news=worker.wait_for_news))
        _note_commits(worker, box, stored)
    supervisor = Supervisor(SystemClock(), stations)
    gc.collect()
    before = resident()
    running = asyncio.create_task(supervisor.run())
    while not all(station.well.is_set() and reader._live for station, reader in zip(stations, readers, strict=True)):
        await asyncio.sleep(0.1)
    await asyncio.sleep(3)
    gc.collect()
    memory = (resident() - before) / size
    latencies = []
    for box in random.Random(1).choices([station.name for station in stations], k=DELIVERIES):
        stored.pop(box, None)
        began = time.perf_counter()
        child.stdin.write(box.encode() + b"\n")
        child.stdin.flush()
        while box not in stored:
            await asyncio.sleep(0.001)
        latencies.append(stored[box] - began)
        await asyncio.sleep(0.02)
    supervisor.stop()
    await running
    await asyncio.gather(*(reader.close() for reader in readers))
    store.close()
    child.stdin.close()
    child.wait()
    cuts = statistics.quantiles(latencies, n=20)
    return {"KiB a mailbox": memory, "median ms": cuts[9] * 1000, "95 % ms": cuts[18] * 1000,
            "longest ms": max(latencies) * 1000}  # fmt: skip


def _note_commits(worker: MailboxWorker, box: str, stored: dict[str, float]) -> None:
    write = worker._store.write

    class Noting:
        def __getattr__(self, name: str) -> Any:
            return getattr(worker_store, name)

        async def write(self, unit: Callable[..., Any], *args: Any, **more: Any) -> Any:
            result = await write(unit, *args, **more)
            if unit == worker._keep and result:
                stored[box] = time.perf_counter()
            return result

    worker_store = worker._store
    worker._store = Noting()  # type: ignore[assignment]


def run_apart(size: int, loop: str) -> dict[str, float] | None:
    """Measure in a fresh process, so that memory of one round does not help the next."""
    command = [sys.executable, __file__, "--round", loop, str(size)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"{loop}: {done.stderr.strip().splitlines()[-1]}")
        return None
    found: dict[str, float] = json.loads(done.stdout)
    return found


def run_round(size: int, loop: str) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (size + 1000, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    run: Callable[[Coroutine[Any, Any, Any]], Any] = asyncio.run
    if loop == "uvloop":
        import uvloop

        run = uvloop.run
    with tempfile.TemporaryDirectory(prefix="postroom-bench-") as name:
        folder, authority = Path(name), trustme.CA()
        authority.cert_pem.write_to_path(folder / "ca.pem")
        authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(folder / "server.pem")
        print(json.dumps(run(measure(size, folder))))


def main() -> None:
    if "--serve" in sys.argv:
        resource.setrlimit(resource.RLIMIT_NOFILE, (10_000, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
        asyncio.run(be_the_server(sys.argv[2]))
    elif "--round" in sys.argv:
        run_round(int(sys.argv[3]), sys.argv[2])
    else:
        size = int(sys.argv[1]) if len(sys.argv) > 1 else 500
        rounds = {loop: run_apart(size, loop) for loop in ("asyncio", "uvloop")}
        for loop, found in rounds.items():
            if found:
                said = ", ".join(f"{value:,.1f} {name}" for name, value in found.items())
                print(f"{loop:8} {size} mailboxes in IDLE: {said}")
        if rounds["asyncio"] and rounds["uvloop"]:
            ratio = rounds["asyncio"]["KiB a mailbox"] / rounds["uvloop"]["KiB a mailbox"]
            print(f"asyncio / uvloop: {ratio:.1f} x memory")


if __name__ == "__main__":
    main()
