"""Which contacts and accounts do we know?"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields as record_fields
from datetime import datetime
from operator import attrgetter
from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, func, insert, or_, select, update

from store import audit, records
from store.hot import Hot
from store.names import name_key
from store.tables import Account, Contact, core
from store.vocabulary import AccountStage

_CONTACT, _ACCOUNT = core(Contact), core(Account)
_CONTACTS = Hot(select(_CONTACT).where(_CONTACT.c.id.in_(bindparam("ids", expanding=True))))
_ACCOUNTS = select(_ACCOUNT).where(_ACCOUNT.c.id.in_(bindparam("ids", expanding=True)))
_CONTACT_NAMES = tuple(field.name for field in record_fields(records.Contact))
_contact_fields = attrgetter(*_CONTACT_NAMES)
IDS_AT_ONCE = 10_000  # in one statement: a database takes only so many values
_ACCOUNT_NAMES = tuple(field.name for field in record_fields(records.Account))


def contact(connection: Connection, contact_id: int) -> records.Contact | None:
    """Return one contact."""
    return _contact(connection.execute(select(_CONTACT).where(_CONTACT.c.id == contact_id)).one_or_none())


def contact_by_address(connection: Connection, address: str) -> records.Contact | None:
    """Return the contact with this mail address, compared in lower case."""
    query = select(_CONTACT).where(_CONTACT.c.email == address.strip().lower())
    return _contact(connection.execute(query).one_or_none())


def contacts_by_id(connection: Connection, ids: Sequence[int]) -> dict[int, records.Contact]:
    """Return several contacts by id."""
    return {row.id: as_contact(row) for some in _pieces(ids) for row in _CONTACTS.rows(connection, {"ids": some})}


def accounts_by_id(connection: Connection, ids: Sequence[int]) -> dict[int, records.Account]:
    """Return several accounts by id."""
    return {row.id: as_account(row) for some in _pieces(ids) for row in connection.execute(_ACCOUNTS, {"ids": some})}


def _pieces(ids: Sequence[int]) -> Iterator[list[int]]:
    known = list(dict.fromkeys(ids))
    return (known[start : start + IDS_AT_ONCE] for start in range(0, len(known), IDS_AT_ONCE))


def contacts_called(connection: Connection, first: str, last: str) -> list[records.Contact]:
    """Return the contacts with this full name at whatever address, as names are usually written."""
    lasts = dict.fromkeys([last, last.lower(), last.upper(), last.title()])
    query = select(_CONTACT).where(_CONTACT.c.last_name.in_(lasts), func.lower(_CONTACT.c.first_name) == first.lower())
    return [as_contact(row) for row in connection.execute(query.limit(20))]


def contacts_at(connection: Connection, domain: str) -> list[records.Contact]:
    """Return the contacts of a mail domain and its subdomains."""
    ends = (f"@{domain}", f".{domain}")
    query = select(_CONTACT).where(or_(*(_CONTACT.c.email.endswith(end, autoescape=True) for end in ends)))
    return [as_contact(row) for row in connection.execute(query)]


def contacts_of_account(connection: Connection, account_id: int) -> list[records.Contact]:
    """Return every contact of an account."""
    return [as_contact(row) for row in connection.execute(select(_CONTACT).where(_CONTACT.c.account_id == account_id))]


def all_contacts(connection: Connection) -> list[records.Contact]:
    """Return every contact, in the order of import."""
    return [as_contact(row) for row in connection.execute(select(_CONTACT).order_by(_CONTACT.c.id))]


def save_contact(connection: Connection, values: Mapping[str, Any], now: datetime) -> int:
    """Insert a contact, or update the one with the same `id`; returns its id."""
    kept = {name: value for name, value in values.items() if name in _CONTACT_NAMES and name != "id"}
    if values.get("id"):
        if {"email", "first_name", "last_name"} & set(kept):
            kept["name_key"] = _name_key(connection, values)
        connection.execute(update(_CONTACT).where(_CONTACT.c.id == values["id"]).values(**kept, updated_at=now))
        return int(values["id"])
    kept["fields"] = dict(kept.get("fields", {}))
    kept["name_key"] = name_key(kept["email"], kept.get("first_name", ""), kept.get("last_name", ""))
    result = connection.execute(insert(_CONTACT).values(**kept, created_at=now, updated_at=now))
    return _new_id(result)


def _name_key(connection: Connection, values: Mapping[str, Any]) -> str:
    old = connection.execute(select(_CONTACT).where(_CONTACT.c.id == values["id"])).one()
    return name_key(*(values.get(name, getattr(old, name)) for name in ("email", "first_name", "last_name")))


def set_contact_owner(connection: Connection, contact_id: int, owner: str, *, actor: str, now: datetime) -> None:
    """Record whose contact this is from now on; the owner before becomes the earlier one."""
    old = connection.execute(select(_CONTACT.c.owner).where(_CONTACT.c.id == contact_id)).scalar_one()
    connection.execute(update(_CONTACT).where(_CONTACT.c.id == contact_id).values(owner=owner, earlier_owner=old))
    audit.append(connection, now, actor, "contact.owner", f"contact:{contact_id}", {"from": old, "to": owner})


def account(connection: Connection, account_id: int) -> records.Account | None:
    """Return one account."""
    return _account(connection.execute(select(_ACCOUNT).where(_ACCOUNT.c.id == account_id)).one_or_none())


def accounts_by_domain(connection: Connection, domain: str) -> list[records.Account]:
    """Return the accounts whose domain is this one or a parent of it, most specific first."""
    labels = domain.strip(".").lower().split(".")
    names = [".".join(labels[start:]) for start in range(max(1, len(labels) - 1))]
    rows = connection.execute(select(_ACCOUNT).where(_ACCOUNT.c.domain.in_(names)))
    return sorted(map(as_account, rows), key=lambda found: (-len(found.domain), found.id))


def accounts_where(connection: Connection, /, **equal: Any) -> list[records.Account]:
    """Return the accounts whose columns equal these values, names compared in lower case."""
    query: Select[Any] = select(_ACCOUNT).order_by(_ACCOUNT.c.id)
    for name, value in equal.items():
        column = func.lower(_ACCOUNT.c.name) if name == "name" else _ACCOUNT.c[name]
        query = query.where(column == (value.lower() if name == "name" else value))
    return [as_account(row) for row in connection.execute(query)]


def save_account(connection: Connection, values: Mapping[str, Any]) -> int:
    """Insert an account, or update the one with the same `id`; returns its id."""
    kept = {name: value for name, value in values.items() if name in _ACCOUNT_NAMES and name != "id"}
    if "lists" in kept:
        kept["lists"] = list(kept["lists"])
    if values.get("id"):
        connection.execute(update(_ACCOUNT).where(_ACCOUNT.c.id == values["id"]).values(**kept))
        return int(values["id"])
    kept.setdefault("stage", AccountStage.PROSPECT)
    return _new_id(connection.execute(insert(_ACCOUNT).values(**kept)))


def _new_id(result: Any) -> int:
    return int(result.inserted_primary_key[0])


def _contact(row: Row[Any] | None) -> records.Contact | None:
    return as_contact(row) if row is not None else None


def as_contact(row: Row[Any]) -> records.Contact:
    """Return a row as decisions read it."""
    return records.Contact(*_contact_fields(row))


def _account(row: Row[Any] | None) -> records.Account | None:
    return as_account(row) if row is not None else None


def as_account(row: Row[Any]) -> records.Account:
    """Return a row as decisions read it."""
    values = {name: getattr(row, name) for name in _ACCOUNT_NAMES}
    return records.Account(**values | {"lists": tuple(values["lists"])})
