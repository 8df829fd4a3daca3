"""What does a busy daemon notice of `postroom privacy erase`, and does anything of the person remain?

    python benchmarks/erase.py [--contacts 200000] [--letters 20000] [--people 3] [--folder DIR]

One process sends letter after letter (the real sender into Postfix's smtp-sink) and now and then writes a small unit
beside them; meanwhile the command erases people who have just been written to or whose letter is on its way. Printed:
how long each erasure took, how long the sender's small units waited before and during the erasures, what the sender
could not write, and where traces are left: rows of every table and the bytes of the file. Exit status 1 when there are
any, or when a unit failed. Timings are of this machine.
"""

import argparse
import asyncio
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, select, update

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.send import sink
from benchmarks.sending_site import SECRET, Site, make_site
from benchmarks.stop_race_http import CONFIG
from store import audit, import_rows, records, schema
from store.columns import House
from store.database import Store
from store.errors import PostroomError
from store.tables import Instance, core

ROOT = Path(__file__).parents[1]
AT_ONCE = 5_000


def fill(site: Site, number: int, at: datetime) -> None:
    """Add contacts who get no letter, and let the database know this machine."""
    store = Store(site.url, inline=True)
    for start in range(0, number, AT_ONCE):
        people = [
            records.Contact(-1 - index, f"q{index}@firm{index % 9_000}.example", f"Kim{index}", f"Stone{index}",
                            fields={"phone": f"+49 30 {index}"})
            for index in range(start, min(start + AT_ONCE, number))
        ]  # fmt: skip
        store.write_now(import_rows.insert_contacts, people, at)
    store.write_now(lambda c: c.execute(update(core(Instance)).values(fingerprint=schema.fingerprint(store))))
    store.close()


def send_on(site: Site, over: Any, told: Any) -> None:
    """Send at full speed until told to stop; tells letters sent, failures, and (when, how long) of each small unit."""
    beats: list[tuple[float, float]] = []
    failures: list[str] = []
    sent = 0

    async def beat(store: Store) -> None:
        while not over.is_set():
            start = time.time()
            try:
                await store.write(audit.append, datetime.now(UTC), "bench", "note", "bench", {})
            except PostroomError as problem:
                failures.append(str(problem))
            beats.append((start, time.time() - start))
            await asyncio.sleep(0.02)

    async def run() -> None:
        nonlocal sent
        house = site.open(datetime.now(UTC), clock=lambda: datetime.now(UTC))
        beating = asyncio.create_task(beat(house.store))
        while not over.is_set():
            try:
                sent += (await house.sender.run_pass(datetime.now(UTC))).done
            except PostroomError as problem:
                failures.append(str(problem))
            await asyncio.sleep(0.01)
        await beating
        await house.close()

    asyncio.run(run())
    told.put((sent, failures, beats))


def erase(folder: Path, address: str) -> tuple[float, float]:
    """Erase somebody by the command; returns when it began and ended."""
    command = [sys.executable, "-m", "postroom", "privacy", "erase", address, "--as", "jon@team.example"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "POSTROOM_CONFIG": str(folder / "config.toml")}
    start = time.time()
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{address}: {done.stdout}{done.stderr}")
    return start, time.time()


def _rows(connection: Connection, table: Table) -> Sequence[Any]:
    return connection.execute(select(table)).all()


def traces_of(site: Site, people: Sequence[str]) -> list[str]:
    """Return where erased people are still named."""
    store = Store(site.url, inline=True)
    found = []
    names = [name.lower() for name in people]
    for table in House.metadata.sorted_tables:
        for row in store.read_now(_rows, table):
            said = repr(row).lower()
            found += [f"{table.name}: {name}" for name in names if name in said]
    store.close()
    for path in site.path.parent.glob(f"{site.path.name}*"):
        body = path.read_bytes().lower()
        found += [f"{path.name}: {name}" for name in names if name.encode() in body]
    return found


def main() -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--contacts", type=int, default=200_000)
    parser.add_argument("--letters", type=int, default=20_000)
    parser.add_argument("--people", type=int, default=3)
    parser.add_argument("--folder", default=None)
    said = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=said.folder) as name, sink() as port:
        folder, now = Path(name), datetime.now(UTC)
        site = make_site(folder / "postroom.db", port, letters=said.letters, mailboxes=8, at=now)
        fill(site, said.contacts - said.letters, now)
        (folder / "secret").write_bytes(SECRET)
        (folder / "config.toml").write_text(CONFIG.format(folder=folder, url=site.url, port=1), encoding="utf-8")
        over, told = multiprocessing.Event(), multiprocessing.SimpleQueue()  # type: ignore[var-annotated]
        sender = multiprocessing.Process(target=send_on, args=(site, over, told))
        sender.start()
        time.sleep(3)
        people = [f"p{number}@acme{number}.example" for number in range(5, said.letters, said.letters // said.people)]
        times = [erase(folder, address) for address in people]
        over.set()
        sent, failures, beats = told.get()
        sender.join()
        inside = [took for start, took in beats if any(a <= start <= b for a, b in times)]
        before = [took for start, took in beats if start < times[0][0]]
        size = site.path.stat().st_size / 1e6
        print(f"database:  {size:.0f} MB, {said.contacts} contacts; {sent} letters sent meanwhile")
        print(f"erasures:  {', '.join(f'{b - a:.1f} s' for a, b in times)}")
        for what, waits in (("before", before), ("meanwhile", inside)):
            waits = sorted(one * 1000 for one in waits)
            most = f"99 % under {waits[len(waits) * 99 // 100]:.0f}, the longest {waits[-1]:.0f}"
            print(f"units {what}: median {statistics.median(waits):.0f} ms, {most}")
        left = traces_of(site, people)
        print(f"failures:  {len(failures)} {failures[:3]}")
        print(f"traces:    {len(left)} {left[:5]}")
        return 1 if left or failures else 0


if __name__ == "__main__":
    sys.exit(main())
