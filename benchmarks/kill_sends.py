"""Does a letter ever leave twice, or get lost, when the sending process is killed at any moment?

    python benchmarks/kill_sends.py [--kills 20000] [--seed 1] [--lag 40m] [--search 0.8] [--weaken]

The real send worker runs in a child process, forked from a warm parent, against a real socket: a server that drops,
delays and loses its answers, and a Sent folder that shows a letter only after minutes. Every child is killed by
SIGKILL, at a random instant or at one of the numbered crash points inside the protocol; then time moves on and the next
child goes on with the same database. After each wave of letters the ledger is compared with what the server accepted. A
share of the waves has no Sent folder to search (`--search`): their open claims must end as uncertain.

Exit status 1 when a letter left twice, was lost, or is not accounted for.
"""

import argparse
import asyncio
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.crash import Reaper, around, around_async, fork, smtp_points
from benchmarks.sending_site import MAILBOXES, Site, ask, make_site
from outbound import sent_folder
from outbound.sent_folder import CHECKS
from sandbox.relay import Fault, Relay
from store import contacts, enrollments, open_sends, sends
from store.database import Store
from store.settings import read_duration
from store.vocabulary import EnrollmentState, SendState

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
LETTERS = 16  # of one wave: enrollments with two steps each make twice as many
BETWEEN = timedelta(minutes=7)  # of the stepped clock, from one child to the next
ALWAYS = 15  # crash points, from the first, that every child passes that has letters to send
BAD = ("twice", "lost", "unaccounted", "unknown to the ledger")


def crash_points() -> dict[str, Callable[[int], None]]:
    """Return the numbered crash points: each installs a wrapper that kills this process at its n-th passage."""
    from outbound.delivery import Delivery
    from outbound.sent_folder import SentFolderWorker
    from store import claims, open_sends
    from store import sends as ledger

    return {
        "before the letter is composed": around_async(Delivery, "prepare", after=False),
        "plan written, before its commit": around(ledger, "plan_all", after=True),
        "plan committed, nothing dialled": around_async(Delivery, "prepare", after=True),
        "before the claim": around(claims, "claim_all", after=False),
        "claim written, before its commit": around(claims, "claim_all", after=True),
        **smtp_points(),
        "before sent is written": around(ledger, "record_sent_all", after=False),
        "sent written, before its commit": around(ledger, "record_sent_all", after=True),
        "not yet written, before its commit": around(ledger, "record_deferred", after=True),
        "before a look into Sent": around_async(SentFolderWorker, "_settle", after=False),
        "after a look into Sent": around_async(SentFolderWorker, "_settle", after=True),
        "planned again, before its commit": around(open_sends, "record_not_sent", after=True),
        "uncertain, before its commit": around(open_sends, "record_uncertain", after=True),
    }


def serve(seed: int, lag: timedelta, port_pipe: int) -> None:
    """Be the server process: accept, drop, delay, lose; write the port down and run until killed."""
    chance = random.Random(seed)
    kinds = [Fault.NONE] * 60 + [Fault.LOSE_ANSWER] * 6 + [Fault.LATE_ANSWER] * 12 + list(Fault)

    async def run() -> None:
        relay = Relay(lambda: chance.choice(kinds), lambda: lag * chance.random(), delay=0.01)
        if seed % 2:  # with odd seeds one command a round trip
            relay.extensions = tuple(one for one in relay.extensions if one != "PIPELINING")
        os.write(port_pipe, f"{await relay.start()}\n".encode())
        await asyncio.Event().wait()

    asyncio.run(run())


def child(site: Site, now: datetime, warm: Store | None) -> Store:
    """Be the sending process: passes until nothing moves."""

    async def run() -> Store:
        house = site.open(now, warm=warm)
        for _ in range(4):
            done = (await house.sent.run_pass(now)).done
            done += (await house.sender.run_pass(now)).done
            if not done:
                break
        await house.close()
        return house.store

    return asyncio.run(run())


class Killer(Reaper):
    """Kills sending processes, moves the clock, and keeps count."""

    def __init__(self, seed: int, port: int, warm: Store) -> None:
        points = crash_points()
        super().__init__(points, list(points)[:ALWAYS], random.Random(seed))
        self.port = port
        self.warm = warm
        self.found: Counter[str] = Counter()

    def wave(self, site: Site, most: int) -> None:
        """Send a wave of letters under kills, at most so many, then let it settle and compare."""
        now = START
        ask(self.port, f"XTIME {now.isoformat()}")
        self.rehearse(partial(child, site, now, self.warm))
        for _ in range(400):
            ask(self.port, f"XTIME {now.isoformat()}")
            kill = self.kills < most and self.chance.random() < 0.97
            alive = self.run_child(partial(child, site, now, self.warm), kill=kill, most_passages=5)
            wake = self._next_wake(site) if alive else now
            if wake is None:
                break
            now = max(now + BETWEEN * self.chance.random(), wake)
        self._compare(site)

    def _next_wake(self, site: Site) -> datetime | None:
        """Return when something of this wave is due again; None: everything is settled."""
        store = Store(site.url, inline=True)
        try:
            due = store.read_now(enrollments.next_due_at)
            check = store.read_now(open_sends.next_check_at, CHECKS[0])
        finally:
            store.close()
        return min((at for at in (due, check) if at is not None), default=None)

    def _compare(self, site: Site) -> None:
        """Compare the ledger of a wave with what the server took."""
        taken = Counter(message_id for message_id, _ in ask(self.port, "XTAKE"))
        store = Store(site.url, inline=True)
        try:
            rows = {row["message_id"]: row["state"] for row in store.read_now(sends.all_sends)}
            people = store.read_now(contacts.all_contacts)
            waiting = [
                one.id
                for one in store.read_now(enrollments.enrollments_of, [person.id for person in people])
                if one.state == EnrollmentState.ACTIVE and one.due_at is not None
            ]
        finally:
            store.close()
        self.found["letters"] += len(rows)
        self.found["twice"] += sum(number > 1 for number in taken.values())
        self.found["unknown to the ledger"] += len(set(taken) - set(rows))
        self.found["unaccounted"] += len(waiting)
        for message_id, state in rows.items():
            arrived = message_id in taken
            self.found[f"{state}, {'arrived' if arrived else 'not arrived'}"] += 1
            self.found["lost"] += state == SendState.SENT and not arrived
            settled = (SendState.SENT, SendState.UNCERTAIN, SendState.REFUSED)
            self.found["unaccounted"] += state not in settled or (state == SendState.REFUSED and arrived)

    def report(self, seconds: float) -> int:
        """Print the figures; returns the exit status."""
        bad = sum(self.found[name] for name in BAD)
        uncertain = self.found["uncertain, arrived"] + self.found["uncertain, not arrived"]
        print(f"{self.kills} kills, {self.found['letters']} letters, {seconds:.0f} s")
        for name in BAD:
            print(f"  {name}: {self.found[name]}")
        print(f"  uncertain: {uncertain} ({100 * uncertain / max(1, self.found['letters']):.2f} %)")
        for name, number in sorted(self.found.items()):
            if ", " in name:
                print(f"    {name}: {number}")
        print(self.told(), flush=True)
        return 1 if bad else 0


def main() -> int:
    """Run waves until there were enough kills."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--lag", type=read_duration, default=timedelta(minutes=40), help="most that Sent lags")
    parser.add_argument("--search", type=float, default=0.8, help="share of waves whose Sent folder can be searched")
    parser.add_argument("--weaken", action="store_true", help="believe the first look into Sent: must be found out")
    options = parser.parse_args()
    if options.weaken:
        sent_folder.CHECKS, sent_folder.LAG = (CHECKS[0],), timedelta()
    base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # a kill is no power cut: memory will do
    folder = Path(tempfile.mkdtemp(prefix="postroom-kill-", dir=base))
    reading, writing = os.pipe()
    server = fork(lambda: serve(options.seed, options.lag, writing))
    port = int(os.read(reading, 16))
    start = time.monotonic()
    try:
        template = make_site(folder / "template.db", port, letters=LETTERS, mailboxes=MAILBOXES, at=START, steps=2)
        path = folder / "wave.db"
        shutil.copy(template.path, path)
        warm = child(template.moved(path), START, None)
        ask(port, "XTAKE")
        killer = Killer(options.seed, port, warm)
        number = 0
        stopped: list[int] = []
        for name in (signal.SIGINT, signal.SIGTERM):  # the wave in hand is finished
            signal.signal(name, lambda number, _frame: stopped.append(number))
        while killer.kills < options.kills and not stopped:
            number += 1
            for left in folder.glob(f"{path.name}*"):
                left.unlink()
            shutil.copy(template.path, path)
            killer.wave(template.moved(path, search=killer.chance.random() < options.search), options.kills)
            if number % 20 == 0:
                bad = {name: killer.found[name] for name in BAD}
                print(f"{killer.kills} kills after {time.monotonic() - start:.0f} s: {bad}", flush=True)
        return killer.report(time.monotonic() - start)
    finally:
        os.kill(server, signal.SIGKILL)
        os.waitpid(server, 0)
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
