"""What do we hold about one address? Every row of every table, by what it has to do with the person."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Text, cast, func, or_, select
from sqlalchemy.sql.expression import false

from store import suppression
from store.desk_tables import Decision, Handover, Notice, Thread
from store.tables import (
    Account,
    AuditEntry,
    AuditPrivate,
    Contact,
    Correction,
    Enrollment,
    Message,
    RawMessage,
    Send,
    core,
)
from store.tables import Suppression as SuppressionTable
from store.vocabulary import SendState, SuppressionKind

_CONTACT, _ACCOUNT, _ENROLLMENT, _SEND, _THREAD = (
    core(Contact),
    core(Account),
    core(Enrollment),
    core(Send),
    core(Thread),
)
_MESSAGE, _RAW, _CORRECTION, _DECISION = core(Message), core(RawMessage), core(Correction), core(Decision)
_HANDOVER, _NOTICE, _SUPPRESSION = core(Handover), core(Notice), core(SuppressionTable)
_AUDIT, _PRIVATE = core(AuditEntry), core(AuditPrivate)
Rows = list[dict[str, Any]]


@dataclass(slots=True)
class Person:
    """Where somebody stands in the tables."""

    address: str
    hash: bytes  #: of the address in the ledger
    contact: int | None = None
    names: tuple[str, ...] = ()  #: texts that name the person: address, full name
    enrollments: list[int] = field(default_factory=list)
    sends: list[int] = field(default_factory=list)
    threads: list[int] = field(default_factory=list)
    messages: list[int] = field(default_factory=list)


def find_person(connection: Connection, secret: bytes, address: str) -> Person:
    """Find an address in the tables; one that nobody knows gives an empty person."""
    address = address.strip().lower()
    person = Person(address, suppression.hash_value(secret, SuppressionKind.ADDRESS, address), names=(address,))
    row = connection.execute(select(_CONTACT).where(_CONTACT.c.email == address)).one_or_none()
    if row is not None:
        person.contact = row.id
        if row.first_name and row.last_name:
            person.names = (address, f"{row.first_name} {row.last_name}")
    look_up(connection, person)
    return person


def look_up(connection: Connection, person: Person) -> None:
    """Read anew which rows are a person's own, also of somebody whose contact was emptied meanwhile."""
    own = person.contact if person.contact is not None else -1
    address = person.address

    def ids(query: Any) -> list[int]:
        return sorted(connection.execute(query).scalars())

    person.enrollments = ids(select(_ENROLLMENT.c.id).where(_ENROLLMENT.c.contact_id == own))
    person.sends = ids(select(_SEND.c.id).where(or_(_SEND.c.contact_id == own, _SEND.c.recipient == address)))
    person.threads = ids(select(_THREAD.c.id).where(_THREAD.c.contact_id == own))
    told = (
        _MESSAGE.c.from_address == address,
        _MESSAGE.c.thread_id.in_(person.threads),
        _MESSAGE.c.send_id.in_(person.sends),
    )
    person.messages = ids(select(_MESSAGE.c.id).where(or_(*told)))


def everything(connection: Connection, secret: bytes, person: Person) -> dict[str, Rows]:
    """Return every row about a person, by subject, in the order in which one reads them."""

    def rows(table: Any, where: ColumnElement[bool]) -> Rows:
        found = connection.execute(select(table).where(where).order_by(*table.primary_key.columns))
        return [{name: _plain(value) for name, value in row._mapping.items()} for row in found]

    contact = rows(_CONTACT, _CONTACT.c.id == person.contact)
    messages = rows(_MESSAGE, _MESSAGE.c.id.in_(person.messages))
    account = contact[0]["account_id"] if contact else None
    numbers, covering = audit_numbers(connection, person), suppression.covering_hashes(secret, person.address, account)
    return {
        "contact": contact,
        "account": rows(_ACCOUNT, _ACCOUNT.c.id == account),
        "suppression": rows(_SUPPRESSION, _SUPPRESSION.c.value_hash.in_(covering)),
        "enrollment": rows(_ENROLLMENT, _ENROLLMENT.c.id.in_(person.enrollments)),
        "send": rows(_SEND, _SEND.c.id.in_(person.sends)),
        "message": messages,
        "raw_message": rows(_RAW, _RAW.c.sha256.in_({one["sha256"] for one in messages} - {""})),
        "correction": rows(_CORRECTION, _CORRECTION.c.message_id.in_(person.messages)),
        "thread": rows(_THREAD, _THREAD.c.id.in_(person.threads)),
        "decision": rows(_DECISION, _DECISION.c.thread_id.in_(person.threads)),
        "handover": rows(_HANDOVER, _HANDOVER.c.thread_id.in_(person.threads)),
        "notice": rows(_NOTICE, _NOTICE.c.id.in_(notice_numbers(connection, person))),
        "audit": rows(_AUDIT, _AUDIT.c.seq.in_(numbers)),
        "audit_private": rows(_PRIVATE, _PRIVATE.c.seq.in_(numbers)),
    }


def notice_numbers(connection: Connection, person: Person) -> list[int]:
    """Return the notices that name the person or tell of a thread of theirs."""
    text = cast(_NOTICE.c.payload, Text)
    threads = [text.contains(f'"thread": {number}') for number in person.threads]
    named = or_(mentions(_NOTICE.c.payload, person.names), mentions(_NOTICE.c.event_key, person.names))
    query = select(_NOTICE.c.id, _NOTICE.c.payload, named.label("named")).where(or_(named, *threads))
    own = set(person.threads)
    return [row.id for row in connection.execute(query) if row.named or row.payload.get("thread") in own]


def audit_numbers(connection: Connection, person: Person) -> list[int]:
    """Return the audit entries about a person: by subject, and those whose personal data names them."""
    subjects = [f"address:{person.hash.hex()}"]
    subjects += [f"contact:{person.contact}"] if person.contact is not None else []
    for kind, numbers in (("send", person.sends), ("thread", person.threads), ("message", person.messages)):
        subjects += [f"{kind}:{number}" for number in numbers]
    found = set(connection.execute(select(_AUDIT.c.seq).where(_AUDIT.c.subject.in_(subjects))).scalars())
    found |= set(connection.execute(select(_PRIVATE.c.seq).where(mentions(_PRIVATE.c.body, person.names))).scalars())
    return sorted(found)


def readable_numbers(connection: Connection, person: Person) -> list[int]:
    """Return those of the person's audit entries that still have personal data."""
    numbers = audit_numbers(connection, person)
    found: list[int] = []
    for start in range(0, len(numbers), 10_000):
        query = select(_PRIVATE.c.seq).where(_PRIVATE.c.seq.in_(numbers[start : start + 10_000]))
        found += connection.execute(query).scalars()
    return sorted(found)


def mentions(column: Any, names: Sequence[str]) -> ColumnElement[bool]:
    """Return the condition that a text or JSON column names somebody, in any case and as JSON escapes it."""
    text = cast(column, Text)
    forms: Collection[str] = {form for name in names for form in (name, json.dumps(name)[1:-1])}
    likes = [func.lower(text).contains(form.lower(), autoescape=True) for form in forms]
    return or_(false(), *likes, *(text.contains(form, autoescape=True) for form in forms))


def _plain(value: Any) -> Any:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value


def places(connection: Connection, person: Person) -> list[str]:
    """Return where copies lie that are not ours to delete: the mailboxes' own folders."""
    names = ("mailbox", "folder", "uidvalidity", "uid")
    query = select(*(_MESSAGE.c[name] for name in names)).where(_MESSAGE.c.id.in_(person.messages)).distinct()
    found = [f"{row.mailbox}, folder {row.folder}, UID {row.uid}" for row in connection.execute(query)]
    sent = select(_SEND.c.mailbox, func.count()).where(_SEND.c.id.in_(person.sends), _SEND.c.sent_at.is_not(None))
    rows = connection.execute(sent.group_by(_SEND.c.mailbox))
    return sorted(found) + sorted(f"{mailbox}, sent mail: {number} letters" for mailbox, number in rows)


def letters_on_their_way(connection: Connection, person: Person, since: datetime) -> list[str]:
    """Return the mailboxes from which a letter to the person was claimed since and has no answer yet."""
    query = select(_SEND.c.mailbox).where(
        _SEND.c.id.in_(person.sends), _SEND.c.state == SendState.CLAIMED, _SEND.c.claimed_at >= since
    )
    return sorted(set(connection.execute(query).scalars()))


def sources(connection: Connection) -> list[dict[str, Any]]:
    """Return how many contacts there are by source, legal basis and country."""
    columns = (_CONTACT.c.source, _CONTACT.c.legal_basis, _CONTACT.c.country)
    query = select(*columns, func.count().label("contacts")).where(~_CONTACT.c.email.like("%@erased.invalid"))
    return [dict(row._mapping) for row in connection.execute(query.group_by(*columns).order_by(*columns))]
