"""How fast is the suppression ledger when it is large, and does a list of millions come in with little memory?

    python benchmarks/suppression.py [--entries 10000000] [--folder DIR] [--only-lookups]

The list is read, staged and merged as `postroom import suppression` does it, while a neighbour writes all the time.
Then addresses are looked up in batches of 500, half of them in the ledger; a lookup asks for the address, its domain
and the parents of the domain. Printed: rows a second, how long the neighbour's writes took, the peak of memory,
microseconds a lookup (median of the batches, on the clock and of the processor), and the ratio to a plain `sqlite3`
that is given the hashes. `--only-lookups` fills the ledger in a shorter way: most entries have random hashes, which lie
in the index as the keyed ones do. Timings are of this machine.
"""

import argparse
import multiprocessing
import random
import resource
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from outbound.columns import Columns, ListKind
from outbound.contacts import RowError
from outbound.listed import ListDefaults, read_listed
from postroom.import_run import batches
from postroom.import_suppression import bring_in
from postroom.list_file import ListFile
from store import audit, schema, suppression
from store.database import Store
from store.suppression_import import Stage
from store.vocabulary import SuppressionKind, SuppressionReason

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
SECRET = b"a secret of a benchmark, long enough for it"
LOOKUP = 500
ROUNDS = 200
KNOWN = 200_000  # addresses whose entries are asked for when the ledger is filled the shorter way


def address(number: int) -> str:
    """Return one of millions of different addresses."""
    return f"first.last{number}@company{number % 900_001}.example"


def write_list(path: Path, number: int) -> None:
    """Write the list as a tool exports it."""
    with path.open("w", encoding="utf-8") as file:
        file.write("email,reason,date\n")
        for index in range(number):
            file.write(f"{address(index)},unsubscribed,2026-01-05\n")


def read(path: Path) -> Iterator[Any]:
    """Yield the entries of the list."""
    columns, records = ListFile(path).records(ListKind.SUPPRESSION)
    defaults = ListDefaults(SuppressionReason.MANUAL, "import:bench", NOW, suppression.EXPIRING)
    if not isinstance(columns, Columns):
        raise SystemExit("no header found")
    for line, cells in records:
        row = read_listed(line, columns.read(cells)[0], defaults) if isinstance(cells, list) else cells
        if isinstance(row, (RowError, str)):
            raise SystemExit(f"line {line}: {row}")
        yield row


def fill(path: Path, number: int) -> None:
    """Fill the ledger without an import: KNOWN addresses, everybody else by a random hash, sorted by hash."""
    kind, known = SuppressionKind.ADDRESS, min(KNOWN, number)
    hashes = [suppression.hash_value(SECRET, kind, address(index)) for index in range(known)]
    noise = random.Random(9).randbytes(16 * (number - known))
    hashes += [noise[start : start + 16] for start in range(0, len(noise), 16)]
    hashes.sort()
    plain = sqlite3.connect(path)
    columns = "kind, value_hash, value, reason, source, evidence, created_at"
    rest = "'somebody.known@company.example', 'unsubscribe', 'import', 'line 2', '2026-01-05T00:00:00.000000Z'"
    with plain:
        query = f"INSERT INTO suppression ({columns}) VALUES ('address', ?, {rest})"
        plain.executemany(query, ((digest,) for digest in hashes))
    plain.close()


class Watch:
    """Measure one batch after another: time on the clock and time of the processor, which others do not take away."""

    def __init__(self) -> None:
        self.clock: list[float] = []
        self.cpu: list[float] = []

    def __enter__(self) -> None:
        self._start = time.perf_counter(), time.process_time()

    def __exit__(self, *_: object) -> None:
        self.clock.append((time.perf_counter() - self._start[0]) / LOOKUP * 1e6)
        self.cpu.append((time.process_time() - self._start[1]) / LOOKUP * 1e6)


def look_up(store: Store, number: int) -> Watch:
    """Ask for batches of addresses."""
    chance, watch = random.Random(7), Watch()
    for _ in range(ROUNDS):
        asked: list[tuple[str, int | None]] = [(address(chance.randrange(number * 2)), None) for _ in range(LOOKUP)]
        with watch:
            store.read_now(suppression.find_covering_many, SECRET, asked, NOW)
    return watch


def look_up_plainly(path: Path, number: int) -> Watch:
    """Ask sqlite3 alone, which is given the hashes."""
    chance, watch = random.Random(8), Watch()
    plain = sqlite3.connect(path)
    for _ in range(ROUNDS):
        asked = [address(chance.randrange(number * 2)) for _ in range(LOOKUP)]
        hashes = [digest for one in asked for digest in suppression.covering_hashes(SECRET, one, None)]
        with watch:
            for digest in hashes:
                plain.execute("SELECT reason FROM suppression WHERE value_hash = ?", (digest,)).fetchone()
    plain.close()
    return watch


class Neighbour:
    """Another process that writes all the time, as a daemon does: how long does each of its units take?"""

    def __init__(self, url: str) -> None:
        self._over = multiprocessing.Event()
        self._told: multiprocessing.SimpleQueue[list[float]] = multiprocessing.SimpleQueue()
        self._process = multiprocessing.Process(target=_write_on, args=(url, self._over, self._told))
        self.waits: list[float] = []  #: milliseconds

    def __enter__(self) -> Self:
        self._process.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.waits = self._told.get()
        self._process.join()


def _write_on(url: str, over: Any, told: Any) -> None:
    store = Store(url, inline=True)
    waits: list[float] = []
    while not over.wait(0.02) or not waits:
        start = time.perf_counter()
        store.write_now(audit.append, NOW, "neighbour", "note", "bench", {})
        waits.append((time.perf_counter() - start) * 1e3)
    store.close()
    told.put(waits)


def peak_mib() -> float:
    """Return the largest resident memory so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def import_list(store: Store, listed: Path, number: int) -> None:
    """Bring the list in, and print how fast and with how much memory."""
    write_list(listed, number)
    before, start, cpu = peak_mib(), time.perf_counter(), time.process_time()
    with Stage(SECRET) as stage:
        for page in batches(read(listed), 1_000):
            stage.add(page)
        staged = time.perf_counter()
        print(f"read and staged: {number / (staged - start):8.0f} rows/s", flush=True)
        with Neighbour(store.url) as neighbour:
            counts = bring_in(store, stage, actor="bench", now=NOW)
        merged = time.perf_counter()
    print(f"merged:          {number / (merged - staged):8.0f} rows/s   {dict(counts)}")
    cpu = (time.process_time() - cpu) / number * 1e6
    rate = number / (merged - start)
    print(f"import:          {rate:8.0f} rows/s   {merged - start:.0f} s, {cpu:.0f} us of processor time a row")
    waits = sorted(neighbour.waits)
    told = f"{len(waits)} of a neighbour waited {statistics.median(waits):.0f} ms, 99 % less than "
    print(f"writes:          {told}{waits[len(waits) * 99 // 100]:.0f}, the longest {waits[-1]:.0f}")
    print(f"memory:          {before:8.0f} MiB before, {peak_mib():.0f} MiB at its peak")


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--entries", type=int, default=200_000)
    parser.add_argument("--folder", default=None, help="where the list and the database lie for a while")
    parser.add_argument("--only-lookups", action="store_true", help="fill the ledger without an import")
    said = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=said.folder) as folder:
        listed, database = Path(folder) / "list.csv", Path(folder) / "postroom.db"
        store = Store(f"sqlite:///{database}", inline=True)
        schema.upgrade(store)
        if said.only_lookups:
            fill(database, said.entries)
        else:
            import_list(store, listed, said.entries)
        asked = min(KNOWN, said.entries) if said.only_lookups else said.entries
        print(f"database:        {database.stat().st_size / 1e6:8.0f} MB")
        ours, plain = look_up(store, asked), look_up_plainly(database, asked)
        for name, watch in (("lookup", ours), ("sqlite3 alone", plain)):
            clock, cpu = statistics.median(watch.clock), statistics.median(watch.cpu)
            print(f"{name + ':':16} {clock:8.1f} us an address in batches of {LOOKUP}, {cpu:.1f} us of processor time")
        ratio = statistics.median(ours.cpu) / statistics.median(plain.cpu)
        print(f"                 {ratio:8.2f} x sqlite3 alone, of processor time")
        store.close()


if __name__ == "__main__":
    main()
