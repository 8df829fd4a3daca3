"""Does the daemon keep to `[retention]` by itself, once a day, and only where a limit is configured?"""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from postroom.retaining import ACTION, EVERY, LEASE, RetentionWorker
from postroom.settings import RetentionSettings
from store import audit, audit_verify, contacts, retention
from store.database import Store
from store.records import PassReport

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
SECRET = b"k" * 32
PEOPLE = retention.PEOPLE_AT_ONCE + 5


def fill(store: Store) -> None:
    def unit(connection: Any) -> None:
        for number in range(PEOPLE):
            contacts.save_contact(connection, {"email": f"p{number}@acme.example"}, NOW)
        contacts.save_contact(connection, {"email": "new@acme.example"}, NOW + timedelta(days=350))

    store.write_now(unit)


def run(worker: RetentionWorker, now: datetime) -> PassReport:
    return asyncio.run(worker.run_pass(now))


def known(store: Store) -> list[str]:
    return [one.email for one in store.read_now(contacts.all_contacts) if not one.email.endswith("@erased.invalid")]


def actions(store: Store) -> list[str]:
    return [entry["action"] for entry in store.read_now(lambda connection: list(audit.entries(connection)))]


def test_nothing_goes_without_a_limit(store: Store) -> None:
    fill(store)
    worker = RetentionWorker(store, RetentionSettings.model_validate({}), SECRET, "one")
    assert run(worker, NOW + timedelta(days=9_000)).done == 0
    assert len(known(store)) == PEOPLE + 1
    assert actions(store) == []


def test_what_is_due_goes_piece_by_piece_and_once_a_day(store: Store) -> None:
    fill(store)
    worker = RetentionWorker(store, RetentionSettings.model_validate({"contact": "365d"}), SECRET, "one")
    later = NOW + timedelta(days=366)
    first = run(worker, later)
    assert (first.done, first.next_wake) == (retention.PEOPLE_AT_ONCE, later)
    second = run(worker, later)
    assert (second.done, second.next_wake) == (5, later + timedelta(days=1))
    assert known(store) == ["new@acme.example"]
    before = actions(store)
    assert before.count("privacy.retention") == 2
    assert before[-1] == ACTION
    again = RetentionWorker(store, RetentionSettings.model_validate({"contact": "1d"}), SECRET, "one")  # a restart
    assert run(again, later + timedelta(hours=23)).next_wake == later + timedelta(days=1)
    assert actions(store) == before
    assert run(again, later + timedelta(days=1)).done == 1
    assert known(store) == []
    assert list(audit_verify.verify_entries(store.read_now(lambda c: list(audit.entries(c))))) == []


def test_of_several_nodes_one_does_it(store: Store) -> None:
    fill(store)
    settings = RetentionSettings.model_validate({"contact": "365d"})
    one, two = (RetentionWorker(store, settings, SECRET, name) for name in ("one", "two"))
    later = NOW + timedelta(days=366)
    assert run(one, later).done == retention.PEOPLE_AT_ONCE
    waits = run(two, later)
    assert (waits.done, waits.next_wake) == (0, later + LEASE)
    assert run(two, later + LEASE).done == 5  # the first one has died
    assert run(one, later + LEASE + timedelta(minutes=1)).next_wake == later + LEASE + EVERY
    assert actions(store).count(ACTION) == 1
    assert known(store) == ["new@acme.example"]


def test_two_who_found_the_same_do_no_harm(store: Store) -> None:
    """A lease may run out under a node that was asleep: what it found is asked for again before it goes."""
    fill(store)
    (rule,) = (one for one in retention.RULES if one.name == "contact")
    later = NOW + timedelta(days=366)
    clean, cut = retention.Clean(SECRET, "postroom", later), NOW + timedelta(days=1)
    mine, theirs = (store.read_now(retention.find_due, rule, cut, clean) for _ in range(2))
    back = next(iter(mine))
    number = contact_number(store, back)
    store.write_now(contacts.save_contact, {"id": number, "city": "Bonn"}, later)  # has come back meanwhile
    assert store.write_now(retention.carry_out, rule, cut, mine, clean) == len(mine) - 1
    before = actions(store)
    assert store.write_now(retention.carry_out, rule, cut, theirs, clean) == 0
    assert actions(store) == before
    assert back in known(store)


def contact_number(store: Store, address: str) -> int:
    found = store.read_now(contacts.contact_by_address, address)
    assert found is not None
    return found.id
