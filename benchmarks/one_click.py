"""Does anything change when strangers, scanners and prefetchers ask for a million pages? Real HTTP.

    python benchmarks/one_click.py [--requests 1000000]

`postroom endpoint` runs as a process of its own on a database with enrollments. GET and HEAD with guessed tokens, and
now and then with real ones, come over a few kept connections. Afterwards every row of every table must be what it was,
the spool empty, and the process no larger than by a few megabytes. Exit status 1 otherwise.
"""

import argparse
import asyncio
import hashlib
import os
import random
import secrets
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from datetime import UTC, datetime

from sqlalchemy import select

from benchmarks.sending_site import SECRET, make_site
from benchmarks.stop_race_http import CONFIG, ROOT, free_port, listening
from outbound.unsubscribe import UNSUBSCRIBE, make_token
from store.columns import House
from store.database import Store

CONNECTIONS, AT_ONCE, ENROLLMENTS = 16, 50, 500
GROWTH = 20 * 1024  # kilobytes that the process may grow


def fingerprint(store: Store) -> str:
    """Return the hash of every row of every table."""
    digest = hashlib.sha256()
    for table in House.metadata.sorted_tables:
        rows = store.read_now(lambda c, one=table: sorted(map(repr, c.execute(select(one)))))  # type: ignore[misc]
        digest.update(repr((table.name, rows)).encode())
    return digest.hexdigest()


def request(chance: random.Random) -> bytes:
    """Return one request of somebody who only looks."""
    real = chance.random() < 0.05
    token = make_token([SECRET], UNSUBSCRIBE, chance.randint(1, ENROLLMENTS)) if real else secrets.token_urlsafe(24)
    path = chance.choice(["", "/de", "/en", "?choice=everything"])
    method = chance.choice(["GET", "GET", "GET", "HEAD"])
    return f"{method} /u/{token}{path} HTTP/1.1\r\nHost: u.out.example\r\n\r\n".encode()


async def look(port: int, number: int, seed: int) -> int:
    """Ask so often over one connection, some requests ahead of their answers; returns how many were answered 200."""
    chance, answered = random.Random(seed), 0
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for start in range(0, number, AT_ONCE):
        asked = [request(chance) for _ in range(min(AT_ONCE, number - start))]
        writer.write(b"".join(asked))
        for one in asked:
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            if one.startswith(b"GET"):
                await reader.readexactly(length)
            answered += head.startswith(b"HTTP/1.1 200")
    writer.close()
    return answered


def resident(pid: int) -> int:
    """Return the resident size of a process in kilobytes."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(status.partition("VmRSS:")[2].split()[0])


async def run(folder: Path, requests: int) -> int:
    """Ask and compare; returns the exit status."""
    (folder / "secret").write_bytes(SECRET)
    port, config, path = free_port(), folder / "config.toml", folder / "site.db"
    config.write_text(CONFIG.format(folder=folder, url=f"sqlite:///{path}", port=port), encoding="utf-8")
    make_site(path, 1, letters=ENROLLMENTS, mailboxes=1, at=datetime.now(UTC))
    store = Store(f"sqlite:///{path}", inline=True)
    before = fingerprint(store)
    command = [sys.executable, "-m", "postroom", "endpoint", "--config", str(config)]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    endpoint = subprocess.Popen(command, env=env, cwd=folder, stderr=subprocess.DEVNULL)
    try:
        await listening(port)
        await look(port, 2_000, 0)
        small, begin = resident(endpoint.pid), time.monotonic()
        each = requests // CONNECTIONS
        answered = sum(await asyncio.gather(*(look(port, each, seed + 1) for seed in range(CONNECTIONS))))
        seconds, grown = time.monotonic() - begin, resident(endpoint.pid) - small
    finally:
        endpoint.terminate()
        endpoint.wait(30)
    same = fingerprint(store) == before
    spooled = len(list((folder / "postroom.spool").glob("*")))
    print(
        f"{each * CONNECTIONS} requests in {seconds:.0f} s, {answered} answered 200; rows changed: {not same}, "
        f"spooled: {spooled}, the process grew by {grown / 1024:.1f} MB"
    )
    return 0 if same and not spooled and grown < GROWTH and answered == each * CONNECTIONS else 1


def main() -> int:
    """Run it on a fresh database."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=1_000_000)
    with tempfile.TemporaryDirectory(prefix="pr-") as folder:
        return asyncio.run(run(Path(folder), parser.parse_args().requests))


if __name__ == "__main__":
    sys.exit(main())
