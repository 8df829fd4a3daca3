"""Does a statement that is compiled once say the same as one that SQLAlchemy runs?"""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.exc import IntegrityError

from store import contacts
from store.database import Store
from store.hot import Hot
from store.tables import Suppression, core
from store.vocabulary import SuppressionKind, SuppressionReason

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
TABLE = core(Suppression)
QUERY = select(TABLE).where(
    TABLE.c.value_hash.in_(bindparam("hashes", expanding=True)), TABLE.c.created_at >= bindparam("since")
)
MOVE = Hot(
    update(TABLE).where(TABLE.c.value == bindparam("old"), TABLE.c.kind == SuppressionKind.ADDRESS)
    .values(value=bindparam("new"), reason=SuppressionReason.LEGAL)
)  # fmt: skip
ADD = Hot(insert(TABLE))


def row(number: int) -> dict[str, Any]:
    return {"id": number, "kind": SuppressionKind.ADDRESS, "value_hash": bytes([number]) * 16,
            "value": f"v{number}", "reason": SuppressionReason.COMPLAINT, "source": "test", "evidence": "",
            "created_at": NOW + timedelta(minutes=number), "expires_at": None if number % 2 else NOW}  # fmt: skip


@pytest.fixture
def filled(store: Store) -> Store:
    assert store.write_now(ADD.run, [row(number) for number in range(1, 8)]) == 7
    return store


@pytest.mark.parametrize("asked", [0, 1, 2, 3, 4, 5, 7])
def test_it_finds_the_same_rows_whatever_the_length_of_a_list(filled: Store, asked: int) -> None:
    values = {"hashes": [bytes([number]) * 16 for number in range(1, asked + 1)], "since": NOW + timedelta(minutes=2)}
    hot = Hot(QUERY)

    def both(connection: Any) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
        plain = connection.execute(QUERY, values).all()
        return sorted(map(tuple, plain)), sorted(map(tuple, hot.rows(connection, values)))

    plain, found = filled.read_now(both)
    assert found == plain
    assert len(found) == max(0, asked - 1)


def test_rows_have_names_and_types(filled: Store) -> None:
    values = {"hashes": [bytes([3]) * 16], "since": NOW}
    (found,) = filled.read_now(Hot(QUERY).rows, values)
    assert (found.kind, found.created_at, found.expires_at) == (SuppressionKind.ADDRESS, row(3)["created_at"], None)
    assert isinstance(found.kind, SuppressionKind)


def test_it_changes_each_and_counts(filled: Store) -> None:
    told = filled.write_now(
        MOVE.run, [{"old": "v1", "new": "w1"}, {"old": "v2", "new": "w2"}, {"old": "-", "new": "-"}]
    )
    assert told == 2
    found = filled.read_now(lambda connection: connection.execute(select(TABLE.c.value, TABLE.c.reason)).all())
    assert sorted(found)[-2:] == [("w1", SuppressionReason.LEGAL), ("w2", SuppressionReason.LEGAL)]


def test_an_error_is_one_of_sqlalchemy_without_values_and_nothing_is_kept(filled: Store) -> None:
    def unit(connection: Any) -> None:
        MOVE.run(connection, [{"old": "v1", "new": "w1"}])
        ADD.run(connection, [row(1) | {"value": "a secret"}])

    with pytest.raises(IntegrityError) as raised:
        filled.write_now(unit)
    assert "a secret" not in str(raised.value)
    assert filled.read_now(lambda c: c.execute(select(TABLE.c.value).where(TABLE.c.value == "v1")).all()) == [("v1",)]


def test_reading_is_one_snapshot(filled: Store) -> None:
    if filled.dialect != "sqlite":
        pytest.skip("PostgreSQL reads at READ COMMITTED")
    other = Store(filled.url, inline=True)

    def twice(connection: Any) -> tuple[int, int]:
        values, hot = {"hashes": [bytes([number]) * 16 for number in range(1, 9)], "since": NOW}, Hot(QUERY)
        before = len(hot.rows(connection, values))
        other.write_now(ADD.run, [row(8)])
        return before, len(hot.rows(connection, values))

    assert filled.read_now(twice) == (7, 7)
    other.close()


def test_accounts_are_found_among_more_ids_than_a_statement_takes(store: Store) -> None:
    account_id = store.write_now(contacts.save_account, {"name": "Acme", "domain": "acme.example"})
    asked = [*range(account_id + 1, account_id + 300_000), account_id]
    assert list(store.read_now(contacts.accounts_by_id, asked)) == [account_id]
    assert store.read_now(contacts.contacts_by_id, asked) == {}
