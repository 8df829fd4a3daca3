"""Can a DATA begin after the suppression has committed? Claims and suppressions race on both databases."""

from datetime import timedelta
from typing import Any

import pytest

from store import contacts, domains, enrollments, mailboxes, schema, sends
from store.database import Store
from store.vocabulary import VerdictLevel
from tests.store.test_sends import MAILBOX, NOW

ROUNDS = 300  # the long form is benchmarks/stop_race.py


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


def test_no_claim_after_a_committed_stop(store: Store) -> None:
    from benchmarks.stop_race import LATE, race

    found = race(store.url, ROUNDS)
    assert found[LATE] == found["refused before its stop"] == 0
    assert found["claimed"] + found["suppressed-unsubscribe"] == ROUNDS
    assert min(found["claimed"], found["suppressed-unsubscribe"], found["overlapping"]) > ROUNDS // 10


def test_without_its_locks_the_race_is_lost(store: Store) -> None:
    from benchmarks.stop_race import LATE, race

    if store.dialect != "postgresql":
        pytest.skip("SQLite has one writer")
    assert race(store.url, 1_000, weaken=True)[LATE] > 0
