"""Whose is each conversation, since when, and why?

`assign` is the only way an owner is written; every change is an audit entry with who, why, from and to, and a stored
decision with every rule tried, so that `explain` can replay it.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from store import audit, records
from store.tables import Decision, Rotation, Thread, core
from store.vocabulary import Tag, ThreadState

_THREAD, _DECISION, _ROTATION = core(Thread), core(Decision), core(Rotation)


def create(
    connection: Connection,
    now: datetime,
    *,
    contact_id: int | None,
    account_id: int | None,
    enrollment_id: int | None,
    sequence: str,
    mailbox: str,
    subject: str,
) -> int:
    """Open a thread without an owner and return its id."""
    values = {"state": ThreadState.CLOSED, "tags": [], "created_at": now}
    result = connection.execute(
        insert(_THREAD).values(
            contact_id=contact_id,
            account_id=account_id,
            enrollment_id=enrollment_id,
            sequence=sequence,
            mailbox=mailbox,
            subject=subject,
            **values,
        )
    )
    return int(result.inserted_primary_key[0])  # type: ignore[index]


def thread(connection: Connection, thread_id: int) -> records.Thread | None:
    """Return one thread."""
    row = connection.execute(select(_THREAD).where(_THREAD.c.id == thread_id)).one_or_none()
    return _record(row) if row is not None else None


def find(connection: Connection, /, **equal: Any) -> list[records.Thread]:
    """Return the threads whose columns equal these values, newest first."""
    query = select(_THREAD).order_by(_THREAD.c.id.desc())
    for name, value in equal.items():
        query = query.where(
            _THREAD.c[name].in_(value) if isinstance(value, (list, tuple)) else _THREAD.c[name] == value
        )
    return [_record(row) for row in connection.execute(query)]


def due(connection: Connection, until: datetime) -> list[records.Thread]:
    """Return threads with an open task whose deadline is not after `until`, most urgent first."""
    query = select(_THREAD).where(_THREAD.c.task_open, _THREAD.c.sla_due_at <= until).order_by(_THREAD.c.sla_due_at)
    return [_record(row) for row in connection.execute(query)]


def next_deadline_after(connection: Connection, at: datetime) -> datetime | None:
    """Return the nearest deadline of an open task after an instant."""
    query = select(func.min(_THREAD.c.sla_due_at)).where(_THREAD.c.task_open, _THREAD.c.sla_due_at > at)
    found: datetime | None = connection.execute(query).scalar()
    return found


def assign(
    connection: Connection,
    thread_id: int,
    *,
    owner: str,
    acting: str,
    rule: str,
    reason: str,
    tried: Sequence[Mapping[str, Any]],
    facts: Mapping[str, Any],
    actor: str,
    now: datetime,
    message_id: int | None = None,
    pinned: bool | None = None,
) -> None:
    """Write owner and acting person with the reason; an audit entry when either changes."""
    old = connection.execute(select(_THREAD).where(_THREAD.c.id == thread_id)).one()
    values: dict[str, Any] = {"owner": owner, "acting": acting}
    if old.owner != owner:
        values |= {"rule": rule, "reason": reason, "assigned_at": old.assigned_at or now}
    if pinned is not None:
        values["pinned"] = pinned
    connection.execute(update(_THREAD).where(_THREAD.c.id == thread_id).values(**values))
    connection.execute(
        insert(_DECISION).values(
            thread_id=thread_id,
            message_id=message_id,
            at=now,
            owner=owner,
            acting=acting,
            rule=rule,
            reason=reason,
            tried=[dict(step) for step in tried],
            facts=dict(facts),
        )
    )
    if (old.owner, old.acting) != (owner, acting):
        matched = [str(step["rule"]) for step in tried if step.get("matched")]
        detail = {"rule": rule, "from": old.owner, "to": owner, "acting": acting, "matched": matched}
        action = "thread.assigned" if not old.owner else "thread.moved" if old.owner != owner else "thread.acting"
        audit.append(connection, now, actor, action, f"thread:{thread_id}", detail, {"reason": reason})


def change(connection: Connection, thread_id: int, **values: Any) -> None:
    """Write state, label, tags, task, deadline or times of a thread; never the owner."""
    if forbidden := {"owner", "acting"} & set(values):
        raise ValueError(f"{sorted(forbidden)} change only through assign")
    if "tags" in values:
        values["tags"] = sorted(values["tags"])
    connection.execute(update(_THREAD).where(_THREAD.c.id == thread_id).values(**values))


def decisions(connection: Connection, thread_id: int) -> list[dict[str, Any]]:
    """Return every decision about a thread, oldest first."""
    query = select(_DECISION).where(_DECISION.c.thread_id == thread_id).order_by(_DECISION.c.id)
    return [dict(row._mapping) for row in connection.execute(query)]


def rotation(connection: Connection, pod: str) -> tuple[dict[str, int], str]:
    """Return (turns taken by person, who had the last one) of a round-robin."""
    row = connection.execute(select(_ROTATION).where(_ROTATION.c.pod == pod)).one_or_none()
    return (dict(row.turns), row.last) if row is not None else ({}, "")


def rotations(connection: Connection) -> dict[str, tuple[dict[str, int], str]]:
    """Return the stored position of every round-robin."""
    return {row.pod: (dict(row.turns), row.last) for row in connection.execute(select(_ROTATION))}


def take_turn(connection: Connection, pod: str, person: str) -> None:
    """Count one turn of a round-robin, in the transaction of the assignment that uses it."""
    turns, _ = rotation(connection, pod)
    turns[person] = turns.get(person, 0) + 1
    changed = connection.execute(update(_ROTATION).where(_ROTATION.c.pod == pod).values(turns=turns, last=person))
    if changed.rowcount == 0:
        connection.execute(insert(_ROTATION).values(pod=pod, turns=turns, last=person))


def open_counts(connection: Connection) -> dict[str, int]:
    """Return how many open tasks each person has."""
    query = select(_THREAD.c.acting, func.count()).where(_THREAD.c.task_open).group_by(_THREAD.c.acting)
    return {row[0]: row[1] for row in connection.execute(query)}


def _record(row: Row[Any]) -> records.Thread:
    names = ("id", "contact_id", "account_id", "sequence", "mailbox", "subject", "state", "owner", "acting", "rule",
             "reason", "pinned", "label", "task_open", "sla_due_at", "escalation", "assigned_at", "answered_at",
             "last_reply_at")  # fmt: skip
    values = {name: getattr(row, name) for name in names}
    return records.Thread(**values, tags=frozenset(map(Tag, row.tags)))
