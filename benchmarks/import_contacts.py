"""How fast does a large list of contacts come in, with how much memory, beside a bare csv and sqlite3?

    python benchmarks/import_contacts.py [--rows 20000] [--companies 60000] [--folder DIR]

The list has the columns and the flaws of an export: several spellings of a country and a source, a few broken
addresses, people listed twice. It is imported as `postroom import contacts` does it, in a process of its own; then the
same rows go through `csv.DictReader` and `executemany` into one bare table. Printed: rows a second of the first import
and of the same list again, the ratio to the bare way, and the peak of memory. Timings are of this machine.
"""

import argparse
import csv
import itertools
import os
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from postroom.starter import write_starter

FIRST = "Anna Bo Chiara Dmitri Elif Farid Grace Hana Ivo Jürgen Kofi Lea Mei Nuria Olu Petra Quentin Rosa Sven Tove"
LAST = "Ahmed Berg Costa Dubois Eriksen Fischer Garcia Hoang Ito Jensen Khan Lopez Moreau Novak Okafor Peters Rossi"
HEADER = ("Email", "First Name", "Last Name", "Company", "Title", "Country", "Lead Source", "Owner", "Phone")
ROLES = ("Head of Sales", "CEO", "VP Operations", "Buyer", "")
COUNTRIES = ("Germany", "DE", "France", "United States", "UK", "Netherlands", "")
SOURCES = ("Apollo", "apollo.io", "Trade fair", "Webinar", "")


def rows(number: int, companies: int) -> Iterator[tuple[str, ...]]:
    """Yield the rows of the list, the same ones in each run."""
    first, last = FIRST.split(), LAST.split()
    for index in range(number):
        company = index * 7919 % companies
        one, two = first[index % len(first)], last[index // len(first) % len(last)]
        email = f"{one}.{two}{index}@company{company}.{'example' if company % 3 else 'co.example'}".lower()
        if index % 1_000 == 7:
            email = email.replace("@", " at ")
        elif index % 500 == 9:
            email = f"{one}.{two}@freemail.example".lower()
        country, role = COUNTRIES[company % len(COUNTRIES)], ROLES[index % len(ROLES)]
        yield (email, one, two, f"Company {company} Ltd", role, country, SOURCES[index % len(SOURCES)], "",
               f"+49 30 {index:07}")  # fmt: skip


def write_list(path: Path, number: int, companies: int) -> None:
    """Write the list as a tool exports it."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        writer.writerows(rows(number, companies))


def bare(listed: Path, database: Path) -> float:
    """Bring the list into one table in the plainest way; returns the seconds."""
    start = time.perf_counter()
    plain = sqlite3.connect(database)
    plain.execute("PRAGMA journal_mode = WAL")
    plain.execute(f"CREATE TABLE contact ({', '.join(chr(34) + name + chr(34) for name in HEADER)})")
    marks = ", ".join("?" for _ in HEADER)
    with listed.open(encoding="utf-8", newline="") as file:
        records = csv.DictReader(file)
        while batch := list(itertools.islice(records, 1_000)):
            with plain:
                plain.executemany(f"INSERT INTO contact VALUES ({marks})", [tuple(row.values()) for row in batch])
    plain.close()
    return time.perf_counter() - start


def ours(listed: Path, folder: Path) -> tuple[float, float]:
    """Import the list by the command; returns the seconds and the largest memory of a child so far in MiB."""
    command = [sys.executable, "-m", "postroom", "import", "contacts", str(listed), "--config", "config.toml"]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parent.parent)}
    start = time.perf_counter()
    found = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    took = time.perf_counter() - start
    print(found.stdout.splitlines()[-1] if found.stdout else found.stderr, flush=True)
    return took, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--companies", type=int, default=60_000)
    parser.add_argument("--folder", default=None, help="where the list and the databases lie for a while")
    said = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=said.folder) as name:
        folder = Path(name)
        listed = folder / "contacts.csv"
        write_list(listed, said.rows, said.companies)
        list(write_starter(folder))
        plain = bare(listed, folder / "bare.db")
        print(f"bare csv and sqlite3: {said.rows / plain:8.0f} rows/s", flush=True)
        for what in ("first import", "same list again"):
            took, peak = ours(listed, folder)
            told = f"{took / plain:.1f} x the time of the bare way, {peak:.0f} MiB at its peak"
            print(f"{what + ':':21} {said.rows / took:8.0f} rows/s, {told}", flush=True)


if __name__ == "__main__":
    main()
