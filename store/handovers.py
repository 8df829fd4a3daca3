"""Which leads were offered from one colleague to another, and what came of it?"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, insert, select, update

from store import audit, records
from store.desk_tables import Handover
from store.tables import core
from store.vocabulary import HandoverState, RejectionReason

_HANDOVER = core(Handover)
_OF_CONTACTS = (
    select(_HANDOVER).where(_HANDOVER.c.contact_id.in_(bindparam("ids", expanding=True))).order_by(_HANDOVER.c.id)
)


def offer(
    connection: Connection,
    thread: records.Thread,
    taker: str,
    package: Mapping[str, str],
    *,
    stage: str,
    answer_by: datetime,
    actor: str,
    now: datetime,
) -> int:
    """Record an offer and return its id; the old owner owns until it is accepted."""
    values: dict[str, Any] = {"thread_id": thread.id, "contact_id": thread.contact_id, "giver": thread.owner}
    values |= {"taker": taker, "stage": stage, "package": dict(package), "state": HandoverState.OFFERED}
    result = connection.execute(insert(_HANDOVER).values(**values, offered_at=now, answer_by=answer_by))
    key = int(result.inserted_primary_key[0])  # type: ignore[index]
    if taker == thread.owner:
        return key  # nobody offered it: the owner is about to reject what was assigned
    detail = {"handover": key, "from": thread.owner, "to": taker, "stage": stage}
    audit.append(connection, now, actor, "handover.offered", f"thread:{thread.id}", detail, {"package": dict(package)})
    return key


def settle(
    connection: Connection,
    old: records.Handover,
    state: HandoverState,
    *,
    reason: RejectionReason | None = None,
    note: str = "",
    actor: str,
    now: datetime,
) -> bool:
    """Answer an offer once; returns False when somebody else did meanwhile."""
    changed = connection.execute(
        update(_HANDOVER)
        .where(_HANDOVER.c.id == old.id, _HANDOVER.c.state == old.state)
        .values(state=state, reason=reason or old.reason, note=note or old.note, answered_at=now, answered_by=actor)
    )
    if changed.rowcount != 1:
        return False
    detail = {"handover": old.id, "from": old.state, "to": state, "reason": reason}
    audit.append(connection, now, actor, "handover.answered", f"thread:{old.thread_id}", detail, {"note": note})
    return True


def mark_late(connection: Connection, key: int) -> None:
    """Note that the manager was told that nobody answered."""
    connection.execute(update(_HANDOVER).where(_HANDOVER.c.id == key).values(late=True))


def handover(connection: Connection, key: int) -> records.Handover | None:
    """Return one offer."""
    row = connection.execute(select(_HANDOVER).where(_HANDOVER.c.id == key)).one_or_none()
    return _record(row) if row is not None else None


def find(connection: Connection, /, **equal: Any) -> list[records.Handover]:
    """Return the offers whose columns equal these values, oldest first."""
    query = select(_HANDOVER).order_by(_HANDOVER.c.id)
    for name, value in equal.items():
        query = query.where(_HANDOVER.c[name] == value)
    return [_record(row) for row in connection.execute(query)]


def last_of_contact(connection: Connection, contact_id: int) -> records.Handover | None:
    """Return the newest offer of a contact's lead."""
    return last_of_contacts(connection, [contact_id]).get(contact_id)


def last_of_contacts(connection: Connection, contact_ids: Sequence[int]) -> dict[int, records.Handover]:
    """Return the newest offer of each contact's lead; those without one are absent."""
    return {row.contact_id: _record(row) for row in connection.execute(_OF_CONTACTS, {"ids": contact_ids})}


def _record(row: Row[Any]) -> records.Handover:
    return records.Handover(**dict(row._mapping))
