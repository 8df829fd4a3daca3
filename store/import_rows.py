"""How do a thousand rows of a list meet what we know in a few statements?"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Column, Connection, bindparam, func, insert, select, update

from store import records
from store.contacts import as_account, as_contact
from store.names import name_key
from store.tables import Account, Contact, core
from store.vocabulary import AccountStage

_CONTACT, _ACCOUNT = core(Contact), core(Account)
_CONTACT_COLUMNS = tuple(
    column.name for column in _CONTACT.columns if column.name not in ("id", "created_at", "updated_at", "earlier_owner")
)
_ACCOUNT_COLUMNS = tuple(column.name for column in _ACCOUNT.columns if column.name != "id")
CHUNK = 500  # values of one IN


def contacts_by_address(connection: Connection, addresses: Collection[str]) -> dict[str, records.Contact]:
    """Return the contacts with these addresses."""
    return {row.email: as_contact(row) for row in _rows_in(connection, _CONTACT.c.email, addresses)}


def contacts_by_name(connection: Connection, keys: Collection[str]) -> dict[str, list[records.Contact]]:
    """Return the contacts with these name keys (`names.name_key`)."""
    found: dict[str, list[records.Contact]] = {}
    for row in _rows_in(connection, _CONTACT.c.name_key, keys):
        found.setdefault(row.name_key, []).append(as_contact(row))
    return found


def accounts_by(connection: Connection, column: str, values: Collection[str]) -> dict[str, list[records.Account]]:
    """Return the accounts with these values of `domain`, `crm_id` or `name` (in lower case)."""
    found: dict[str, list[records.Account]] = {}
    where = func.lower(_ACCOUNT.c.name) if column == "name" else _ACCOUNT.c[column]
    for row in _rows_in(connection, where, values):
        account = as_account(row)
        key = account.name.lower() if column == "name" else getattr(account, column)
        found.setdefault(key, []).append(account)
    return found


def _rows_in(connection: Connection, column: Column[Any] | Any, values: Collection[Any]) -> Iterable[Any]:
    wanted = sorted({value for value in values if value})
    query = select(column.table if isinstance(column, Column) else _ACCOUNT)
    for start in range(0, len(wanted), CHUNK):
        yield from connection.execute(query.where(column.in_(wanted[start : start + CHUNK])))


def insert_accounts(connection: Connection, accounts: Sequence[records.Account]) -> list[int]:
    """Insert accounts and return their ids, in the same order."""
    if not accounts:
        return []
    rows = [_account_row(one) for one in accounts]
    if connection.dialect.name == "sqlite":  # one writer, so the next ids are known; the library would ask row by row
        last = connection.execute(select(func.coalesce(func.max(_ACCOUNT.c.id), 0))).scalar_one()
        ids = list(range(last + 1, last + 1 + len(rows)))
        connection.execute(insert(_ACCOUNT), [row | {"id": key} for row, key in zip(rows, ids, strict=True)])
        return ids
    query = insert(_ACCOUNT).returning(_ACCOUNT.c.id, sort_by_parameter_order=True)
    return list(connection.execute(query, rows).scalars())


def update_accounts(connection: Connection, accounts: Iterable[records.Account]) -> None:
    """Write accounts as they stand now."""
    rows = [_account_row(one) | {"of_id": one.id} for one in accounts]
    if rows:
        connection.execute(_changed(_ACCOUNT, _ACCOUNT_COLUMNS), rows)


def insert_contacts(connection: Connection, people: Iterable[records.Contact], now: datetime) -> None:
    """Insert contacts."""
    rows = [
        _contact_row(one) | {"earlier_owner": one.earlier_owner, "created_at": now, "updated_at": now} for one in people
    ]
    if rows:
        connection.execute(insert(_CONTACT), rows)


def update_contacts(connection: Connection, people: Iterable[records.Contact], now: datetime) -> None:
    """Write contacts as they stand now; whose they were before is written with the change of owner."""
    rows = [_contact_row(one) | {"of_id": one.id, "updated_at": now} for one in people]
    if rows:
        connection.execute(_changed(_CONTACT, (*_CONTACT_COLUMNS, "updated_at")), rows)


def _changed(table: Any, columns: Sequence[str]) -> Any:
    return update(table).where(table.c.id == bindparam("of_id")).values({name: bindparam(name) for name in columns})


def _contact_row(one: records.Contact) -> dict[str, Any]:
    row: dict[str, Any] = {name: getattr(one, name) for name in _CONTACT_COLUMNS if name != "name_key"}
    return row | {
        "name_key": name_key(one.email, one.first_name, one.last_name),
        "fields": dict(one.fields),
        "origins": _plain(one.origins),
    }


def _account_row(one: records.Account) -> dict[str, Any]:
    row: dict[str, Any] = {name: getattr(one, name) for name in _ACCOUNT_COLUMNS}
    return row | {"lists": list(one.lists), "origins": _plain(one.origins), "stage": AccountStage(one.stage)}


def _plain(origins: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    return {key: list(names) for key, names in origins.items()}
