"""Whose is each conversation, since when, and why?

`assign` is the only way an owner is written; every change is an audit entry with who, why, from and to, and a stored
decision (`decisions.py`) with the facts and every rule tried, so that `explain` can replay it.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, text, update

from store import audit, decisions, records
from store.desk_tables import Rotation, Thread
from store.tables import core
from store.vocabulary import Tag, ThreadState

_THREAD, _ROTATION = core(Thread), core(Rotation)
_DESK_LOCK = 0x6465736B  # one advisory lock on PostgreSQL
_WAITING = (ThreadState.OPEN, ThreadState.REVIEW)


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


def lock_desks(connection: Connection) -> None:
    """Let one transaction at a time decide about owners, turns and rungs, on however many nodes.

    SQLite has one writer anyway; under READ COMMITTED two nodes would read the same turn and take it twice.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _DESK_LOCK})


def find(connection: Connection, /, **equal: Any) -> list[records.Thread]:
    """Return the threads whose columns equal these values, newest first."""
    query = select(_THREAD).order_by(_THREAD.c.id.desc())
    for name, value in equal.items():
        query = query.where(
            _THREAD.c[name].in_(value) if isinstance(value, (list, tuple)) else _THREAD.c[name] == value
        )
    return [_record(row) for row in connection.execute(query)]


def due(connection: Connection, until: datetime) -> list[records.Thread]:
    """Return threads that wait for a person and whose deadline is not after `until`, most urgent first."""
    waits = (_THREAD.c.state.in_(_WAITING), _THREAD.c.sla_due_at <= until)
    query = select(_THREAD).where(*waits).order_by(_THREAD.c.sla_due_at)
    return [_record(row) for row in connection.execute(query)]


def next_deadline_after(connection: Connection, at: datetime) -> datetime | None:
    """Return the nearest deadline of a waiting thread after an instant."""
    query = select(func.min(_THREAD.c.sla_due_at)).where(_THREAD.c.state.in_(_WAITING), _THREAD.c.sla_due_at > at)
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
    rulebook: str = "",
) -> None:
    """Write owner and acting person with the reason; an audit entry when either changes."""
    old = connection.execute(select(_THREAD).where(_THREAD.c.id == thread_id)).one()
    values: dict[str, Any] = {"owner": owner, "acting": acting}
    if old.owner != owner:
        values |= {"rule": rule, "reason": reason, "assigned_at": old.assigned_at or now}
    if pinned is not None:
        values["pinned"] = pinned
    connection.execute(update(_THREAD).where(_THREAD.c.id == thread_id).values(**values))
    made = decisions.NewDecision(thread_id, owner, acting, rule, reason, tried, facts, message_id, rulebook)
    decisions.record(connection, made, now)
    if (old.owner, old.acting) != (owner, acting):
        matched = [str(step["rule"]) for step in tried if step.get("matched")]
        detail = {"rule": rule, "from": old.owner, "to": owner, "acting": acting, "matched": matched}
        action = "thread.assigned" if not old.owner else "thread.moved" if old.owner != owner else "thread.acting"
        audit.append(connection, now, actor, action, f"thread:{thread_id}", detail, {"reason": reason})


def answered(connection: Connection, thread_id: int, at: datetime, *, actor: str, detail: Mapping[str, Any]) -> None:
    """Note that somebody of ours has answered: the clock ends and the task is closed."""
    first = connection.execute(select(_THREAD.c.touched_at).where(_THREAD.c.id == thread_id)).scalar_one() or at
    values = {"state": ThreadState.ANSWERED, "task_open": False, "answered_at": at, "touched_at": first}
    change(connection, thread_id, **values)
    audit.append(connection, at, actor, "thread.answered", f"thread:{thread_id}", detail)


def change(connection: Connection, thread_id: int, **values: Any) -> None:
    """Write state, label, tags, task, deadline or times of a thread; never the owner."""
    if forbidden := {"owner", "acting"} & set(values):
        raise ValueError(f"{sorted(forbidden)} change only through assign")
    if "tags" in values:
        values["tags"] = sorted(values["tags"])
    connection.execute(update(_THREAD).where(_THREAD.c.id == thread_id).values(**values))


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


def owned(connection: Connection) -> list[records.Thread]:
    """Return every thread that has an owner, oldest first."""
    query = select(_THREAD).where(_THREAD.c.owner != "").order_by(_THREAD.c.id)
    return [_record(row) for row in connection.execute(query)]


def people(connection: Connection) -> set[tuple[str, str]]:
    """Return every (owner, acting) pair that any thread has."""
    found = connection.execute(select(_THREAD.c.owner, _THREAD.c.acting).where(_THREAD.c.owner != "").distinct())
    return {(row.owner, row.acting) for row in found}


def _record(row: Row[Any]) -> records.Thread:
    names = ("id", "contact_id", "account_id", "sequence", "mailbox", "subject", "state", "owner", "acting", "rule",
             "reason", "pinned", "label", "task_open", "sla_due_at", "escalation", "assigned_at", "answered_at",
             "last_reply_at", "first_reply_at", "touched_at", "linked_id")  # fmt: skip
    values = {name: getattr(row, name) for name in names}
    return records.Thread(**values, tags=frozenset(map(Tag, row.tags)))
