"""Does the ledger keep every stop that anybody ever asked for, and give none up but to a named person?"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from store import audit, schema, suppression
from store.database import Store
from store.errors import PermanentError
from store.records import Suppression
from store.suppression_import import Stage, merge
from store.vocabulary import SuppressionKind, SuppressionReason

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
SECRET = b"a secret of a test, long enough for every key"
ADDRESS, DOMAIN, ACCOUNT = SuppressionKind.ADDRESS, SuppressionKind.DOMAIN, SuppressionKind.ACCOUNT
MANUAL, UNSUBSCRIBE = SuppressionReason.MANUAL, SuppressionReason.UNSUBSCRIBE
CHRIS = "chris@acme.example"


def add(store: Store, value: str = CHRIS, reason: SuppressionReason = UNSUBSCRIBE, kind: SuppressionKind = ADDRESS,
        now: datetime = NOW, **more: Any) -> bool:  # fmt: skip
    words = {"source": "test", "evidence": "", "actor": "carl@team.example"} | more
    return store.write_now(suppression.add, SECRET, kind, value, reason, now=now, **words)


def covering(store: Store, address: str = CHRIS, account: int | None = None, at: datetime = NOW) -> str:
    (found,) = store.read_now(suppression.find_covering_many, SECRET, [(address, account)], at)
    one = store.read_now(suppression.find_covering, suppression.covering_hashes(SECRET, address, account), at)
    assert found == one
    return found.reason if found else ""


def bring(
    store: Store, listed: Sequence[tuple[Suppression, bytes | None]], now: datetime = NOW, size: int = 3
) -> dict[str, int]:
    total: dict[str, int] = {}
    with Stage(SECRET) as stage:
        stage.add(listed)
        for batch in stage.batches(size):
            for name, number in store.write_now(merge, batch, actor="import", now=now).items():
                total[name] = total.get(name, 0) + number
    return total


def entry(
    value: str = CHRIS,
    reason: SuppressionReason = UNSUBSCRIBE,
    kind: SuppressionKind = ADDRESS,
    ends: datetime | None = None,
) -> Suppression:
    return Suppression(kind, value, reason, "list.csv", "line 2", NOW, ends)


@pytest.mark.parametrize(
    ("kind", "value", "asked", "account"),
    [
        (ADDRESS, "Chris@ACME.example ", "chris@acme.example", None),
        (ADDRESS, "jürgen@müller.example", "jürgen@xn--mller-kva.example", None),
        (ADDRESS, "jo\u0308rg@acme.example", "j\u00f6rg@acme.example", None),
        (DOMAIN, "@Acme.example.", "chris@mail.acme.example", None),
        (DOMAIN, "*.acme.example", "chris@acme.example", None),
        (DOMAIN, "müller.example", "a@xn--mller-kva.example", None),
        (ACCOUNT, "7", "a@other.example", 7),
    ],
)
def test_an_entry_covers_whoever_it_means(
    store: Store, kind: SuppressionKind, value: str, asked: str, account: int | None
) -> None:
    add(store, value, kind=kind)
    assert covering(store, asked, account) == "unsubscribe"
    assert covering(store, "a@elsewhere.example", 8) == ""


def test_different_people_are_not_taken_for_one(store: Store) -> None:
    add(store, "chris.stone@gmail.test")
    for other in ("chrisstone@gmail.test", "chris.stone+list@gmail.test", "chris.stone@googlemail.test"):
        assert covering(store, other) == ""


def test_many_are_asked_at_once(store: Store) -> None:
    asked: list[tuple[str, int | None]] = [(f"p{number}@acme{number}.example", number) for number in range(1300)]
    add(store, "p3@acme3.example", MANUAL)
    add(store, "acme3.example", SuppressionReason.COMPLAINT, DOMAIN)
    add(store, "1299", kind=ACCOUNT)
    found = store.read_now(suppression.find_covering_many, SECRET, asked, NOW)
    assert {number: one.reason for number, one in enumerate(found) if one} == {3: "complaint", 1299: "unsubscribe"}


MOMENTS = st.integers(0, 6)
REQUESTS = st.lists(
    st.tuples(st.sampled_from(list(SuppressionReason)), MOMENTS, st.one_of(st.none(), MOMENTS)), min_size=1, max_size=6
)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Store:
    store = Store(f"sqlite:///{tmp_path_factory.mktemp('ledger') / 'postroom.db'}")
    schema.upgrade(store)
    return store


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(requests=REQUESTS, listed=st.booleans(), key=st.uuids())
def test_whatever_was_asked_for_holds_as_long_as_it_was_asked_for(
    kept: Store, requests: list[Any], listed: bool, key: Any
) -> None:
    """At any moment somebody is covered, and by no weaker a reason, when any request in force says so."""
    address = f"{key}@acme.example"
    day = timedelta(days=1)
    asked = []
    for reason, at, end in sorted(requests, key=lambda one: one[1]):
        ends = NOW + day * end if end is not None and reason in suppression.EXPIRING else None
        if listed:
            bring(kept, [(entry(address, reason, ends=ends), None)], NOW + day * at)
        else:
            add(kept, address, reason, now=NOW + day * at, expires_at=ends)
        asked.append((reason, ends))
    latest = max(one[1] for one in requests)
    for moment in (NOW + day * number for number in range(latest, 9)):
        in_force = [reason for reason, ends in asked if ends is None or ends > moment]
        found = covering(kept, address, at=moment)
        if in_force:
            assert found
            assert suppression.STRENGTH[SuppressionReason(found)] >= max(
                map(suppression.STRENGTH.__getitem__, in_force)
            )


def test_a_list_adds_and_strengthens_and_never_weakens(store: Store) -> None:
    add(store, "legal@acme.example", SuppressionReason.LEGAL, evidence="a letter")
    add(store, "soft@acme.example", MANUAL)
    listed = [(entry(f"new{number}@acme.example"), None) for number in range(10)]
    listed += [(entry("legal@acme.example", MANUAL), None), (entry("soft@acme.example"), None)]
    listed += [(entry("twice@acme.example", MANUAL), None), (entry("twice@acme.example"), None)]
    assert bring(store, listed) == {"added": 11, "unchanged": 2, "strengthened": 1}
    assert bring(store, listed) == {"unchanged": 14}, "the same list again changes nothing"
    rows = {one.value: one for one in store.read_now(suppression.entries)}
    assert len(rows) == 13
    assert (rows["legal@acme.example"].reason, rows["legal@acme.example"].evidence) == ("legal", "a letter")
    assert rows["soft@acme.example"].reason == rows["twice@acme.example"].reason == "unsubscribe"
    assert rows["soft@acme.example"].evidence == "line 2"


def test_a_list_says_in_the_audit_log_what_it_changed(store: Store) -> None:
    bring(store, [(entry(f"new{number}@acme.example"), None) for number in range(5)])
    bring(store, [(entry("new1@acme.example"), None)])
    told = [one for one in store.read_now(lambda c: list(audit.entries(c))) if one["action"] == "suppression.imported"]
    assert len(told) == 2, "one entry a unit of work, none where nothing changed"
    assert all('"sha256"' in one["detail"] for one in told)


def test_an_erased_entry_comes_back_from_an_export_by_its_hash(store: Store) -> None:
    digest = suppression.hash_value(SECRET, ADDRESS, CHRIS)
    assert bring(store, [(entry(""), digest)]) == {"added": 1}
    assert covering(store) == "unsubscribe"


def test_only_reasons_that_allow_it_end(store: Store) -> None:
    soon = NOW + timedelta(days=90)
    for reason in SuppressionReason:
        if reason in suppression.EXPIRING:
            assert add(store, f"{reason}@acme.example", reason, expires_at=soon)
            assert covering(store, f"{reason}@acme.example", at=soon - timedelta(seconds=1)) == reason
            assert covering(store, f"{reason}@acme.example", at=soon) == ""
        else:
            with pytest.raises(PermanentError, match="never ends"):
                add(store, f"{reason}@acme.example", reason, expires_at=soon)


def test_only_a_named_person_with_a_reason_takes_an_entry_away(store: Store) -> None:
    add(store, reason=SuppressionReason.CUSTOMER)

    def remove(actor: str, because: str, value: str = CHRIS) -> Suppression:
        return store.write_now(suppression.remove, SECRET, ADDRESS, value, actor=actor, because=because, now=NOW)

    for actor, because in (("", "left us"), ("carl@team.example", " ")):
        with pytest.raises(PermanentError, match="named person"):
            remove(actor, because)
    assert covering(store) == "customer"
    assert remove("carl@team.example", "left us").reason == "customer"
    assert covering(store) == ""
    with pytest.raises(PermanentError, match="not in the ledger"):
        remove("carl@team.example", "again")
    last = list(store.read_now(lambda c: list(audit.entries(c))))[-1]
    assert (last["action"], last["actor"]) == ("suppression.removed", "carl@team.example")
    assert audit.private_body(last)["because"] == "left us"
    assert CHRIS not in last["detail"] + last["subject"]
