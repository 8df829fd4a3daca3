"""Can a DATA begin after the suppression has committed? Claims and suppressions race on both databases."""

import asyncio
import itertools
from datetime import timedelta
from typing import Any

from store import claims, contacts, domains, enrollments, mailboxes, schema, sends, suppression
from store.database import Store
from store.vocabulary import SuppressionKind, SuppressionReason, VerdictLevel
from tests.store.test_sends import MAILBOX, NOW, SECRET

ROUNDS = 60  # the long form is benchmarks/stop_race.py


def prepare(store: Store, number: int) -> list[int]:
    def unit(connection: Any) -> list[int]:
        schema.claim_instance(connection, "here", NOW)
        enrollments.activate_sequence(connection, "demo", actor="maya", now=NOW)
        domains.save_verdict(connection, "out.example", VerdictLevel.READY, [], {}, NOW)
        mailboxes.acquire_lease(connection, MAILBOX, "node-1", NOW, timedelta(hours=1))
        return [plan_one(connection, index) for index in range(number)]

    return store.write_now(unit)


def plan_one(connection: Any, index: int) -> int:
    email = f"p{index}@acme.example"
    contact = contacts.save_contact(connection, {"email": email}, NOW)
    key = enrollments.enroll(connection, contact, "demo", NOW, now=NOW)
    new = sends.NewSend(
        enrollment_id=key, contact_id=contact, account_id=None, sequence="demo", step=0, variant="", mailbox=MAILBOX,
        recipient=email, message_id=f"<{key}@out.example>", subject="Hi", text="Hi", raw=b"x", sha256="0", token=f"t{key}",
        not_before=NOW, not_after=NOW + timedelta(hours=8),
    )  # fmt: skip
    return sends.plan(connection, new, NOW) or 0


async def race(senders: Store, stoppers: Store, planned: list[int], first: int = 0) -> list[tuple[str, bool]]:
    """Claim and suppress each address at once from two stores; returns (slug, suppression was committed before)."""
    committed: set[int] = set()
    limits = claims.ClaimLimits(mailbox=10**6)

    async def claim(index: int, send: int) -> tuple[str, bool]:
        stopped_before = index in committed
        slug = await senders.write(claims.claim, send, epoch=1, secret=SECRET, limits=limits, now=NOW)
        return slug, stopped_before

    async def stop(index: int) -> None:
        kind, reason = SuppressionKind.ADDRESS, SuppressionReason.UNSUBSCRIBE
        await stoppers.write(
            suppression.add,
            SECRET,
            kind,
            f"p{index}@acme.example",
            reason,
            source="one-click",
            evidence="",
            actor="x",
            now=NOW,
        )
        committed.add(index)

    async def round_of(index: int, send: int) -> tuple[str, bool]:
        if index % 3 == 0:
            await stop(index)
            return await claim(index, send)
        result, _ = await asyncio.gather(claim(index, send), stop(index))
        return result

    return list(
        itertools.chain(await asyncio.gather(*(round_of(index, send) for index, send in enumerate(planned, first))))
    )


def test_no_claim_after_a_committed_stop(store: Store) -> None:
    planned = prepare(store, ROUNDS)
    other = Store(store.url)
    try:
        results = asyncio.run(race(store, other, planned))
    finally:
        other.close()
    assert [slug for slug, stopped_before in results if stopped_before and slug == ""] == []
    assert sum(stopped_before for _, stopped_before in results) >= ROUNDS // 3
    assert {slug for slug, _ in results} <= {"", "suppressed-unsubscribe"}
