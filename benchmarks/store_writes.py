"""How many durable sends a second does the store take? Claims and results, group commit against one commit each.

    python benchmarks/store_writes.py [--sends 3000]

Each send is two units: claim, then record with the next step. Printed: units a second with 1, 8, 64 and 256 waiting
senders, and the ratio to the same units committed one by one in the same run. Timings are of this machine.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from store import claims, contacts, domains, enrollments, mailboxes, schema, sends
from store.database import Store
from store.vocabulary import VerdictLevel

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
MAILBOXES = 100
LIMITS = claims.ClaimLimits(mailbox=10**9)


def prepare(store: Store, number: int, start: int = 0) -> list[int]:
    """Plan `number` sends over many mailboxes, everything in order; returns their ids."""

    def unit(connection: Any) -> list[int]:
        if start == 0:
            schema.claim_instance(connection, "here", NOW)
            enrollments.activate_sequence(connection, "demo", actor="bench", now=NOW)
            domains.save_verdict(connection, "out.example", VerdictLevel.READY, [], {}, NOW)
            for box in range(MAILBOXES):
                mailboxes.acquire_lease(connection, f"m{box}@out.example", "node-1", NOW, timedelta(hours=9))
        planned = []
        for index in range(start, start + number):
            email = f"p{index}@acme{index}.example"
            contact = contacts.save_contact(connection, {"email": email}, NOW)
            key = enrollments.enroll(connection, contact, "demo", NOW, now=NOW)
            new = sends.NewSend(
                enrollment_id=key, contact_id=contact, account_id=None, sequence="demo", step=0, variant="",
                mailbox=f"m{index % MAILBOXES}@out.example", recipient=email, message_id=f"<{key}@out.example>",
                subject="Hi", text="Hi", raw=b"x" * 2500, sha256="0", token=f"t{key}", not_before=NOW,
                not_after=NOW + timedelta(hours=8),
            )  # fmt: skip
            planned.append(sends.plan(connection, new, NOW) or 0)
        return planned

    return store.write_now(unit)


async def one_send(store: Store, send: int) -> None:
    """Claim and record one send: two durable units."""
    slug = await store.write(claims.claim, send, epoch=1, secret=b"s" * 32, limits=LIMITS, now=NOW)
    if slug:
        raise SystemExit(f"claim refused: {slug}")
    await store.write(sends.record_sent, send, NOW, next_due_at=NOW + timedelta(days=3))


async def many(store: Store, planned: list[int], senders: int) -> float:
    """Return units a second with this many senders waiting at once."""
    waiting = iter(planned)

    async def sender() -> None:
        for send in waiting:
            await one_send(store, send)

    start = time.perf_counter()
    await asyncio.gather(*(sender() for _ in range(senders)))
    return 2 * len(planned) / (time.perf_counter() - start)


def main() -> None:
    """Print one line a number of senders."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--sends", type=int, default=2000)
    number = parser.parse_args().sends
    with tempfile.TemporaryDirectory() as folder:
        alone = Store(f"sqlite:///{Path(folder) / 'alone.db'}", inline=True)
        schema.upgrade(alone)
        rates = [asyncio.run(many(alone, prepare(alone, 100, start), 1)) for start in (0, 100, 200)]
        single = statistics.median(rates)
        print(f"one commit each: {single:8.0f} units/s")
        alone.close()
        for senders in (1, 8, 64, 256):
            store = Store(f"sqlite:///{Path(folder) / f'{senders}.db'}")
            schema.upgrade(store)
            count = number if senders > 8 else number // 4
            rate = asyncio.run(many(store, prepare(store, count), senders))
            print(f"{senders:3d} waiting:     {rate:8.0f} units/s   {rate / single:5.1f} x")
            store.close()


if __name__ == "__main__":
    main()
