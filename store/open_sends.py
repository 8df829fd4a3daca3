"""Which sends have no outcome yet, and what settles them?

A claim stays open after a crash or a silence. The Sent folder, a reply, a bounce or a person settles it; silence never
does. Copies that we owe the Sent folder are here too: they are made after the send, once.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, or_, select, update

from store import audit, sends
from store.tables import Enrollment, Send, core
from store.vocabulary import SendState

_SEND, _ENROLLMENT = core(Send), core(Enrollment)
_FIELDS = ("id", "enrollment_id", "contact_id", "mailbox", "message_id", "recipient", "sequence", "step", "state",
           "checks", "claimed_at")  # fmt: skip
_OPEN = select(*(_SEND.c[name] for name in _FIELDS))
AT_ONCE = 200


def open_claims(
    connection: Connection, now: datetime, grace: timedelta, mailboxes: Collection[str] | None = None
) -> list[Row[Any]]:
    """Return claims without an outcome that are older than the grace and due for a look into Sent.

    Only of these mailboxes, those whose lease we hold: the others' letters may be under way on another node.
    """
    due = or_(_SEND.c.next_check_at.is_(None), _SEND.c.next_check_at <= now)
    query = _OPEN.where(_SEND.c.state == SendState.CLAIMED, _SEND.c.claimed_at <= now - grace, due)
    if mailboxes is not None:
        query = query.where(_SEND.c.mailbox.in_(mailboxes))
    return list(connection.execute(query.order_by(_SEND.c.claimed_at).limit(AT_ONCE)))


def just_claimed(connection: Connection, enrollment_id: int, since: datetime) -> bool:
    """Tell whether a letter to the person of an enrollment was claimed since then and has no result yet."""
    query = (
        select(_SEND.c.id)
        .join(_ENROLLMENT, _ENROLLMENT.c.contact_id == _SEND.c.contact_id)
        .where(_ENROLLMENT.c.id == enrollment_id, _SEND.c.state == SendState.CLAIMED, _SEND.c.claimed_at >= since)
    )
    return connection.execute(query.limit(1)).one_or_none() is not None


def uncertain(connection: Connection) -> list[Row[Any]]:
    """Return the sends that nobody can tell about, oldest first, for a person."""
    return list(connection.execute(_OPEN.where(_SEND.c.state == SendState.UNCERTAIN).order_by(_SEND.c.id)))


def find_open(connection: Connection, send_id: int) -> Row[Any] | None:
    """Return a send if its outcome is open: claimed or uncertain."""
    unsettled = (SendState.CLAIMED, SendState.UNCERTAIN)
    return connection.execute(_OPEN.where(_SEND.c.id == send_id, _SEND.c.state.in_(unsettled))).one_or_none()


def next_check_at(connection: Connection, grace: timedelta) -> datetime | None:
    """Return when the next open claim is worth a look."""
    query = select(_SEND.c.claimed_at, _SEND.c.next_check_at).where(_SEND.c.state == SendState.CLAIMED)
    return min((row.next_check_at or row.claimed_at + grace for row in connection.execute(query)), default=None)


def witnesses(connection: Connection, mailbox: str, claimed_at: datetime, settled_by: datetime) -> list[Row[Any]]:
    """Return up to two confirmed sends that a Sent search must find before its "not there" proves anything.

    The last one confirmed before the claim shows that the folder reaches back so far, the first one after it (settled
    long enough to have arrived) that the folder still grows. Empty when nothing was confirmed before the claim.
    """
    confirmed = select(_SEND.c.message_id, _SEND.c.sent_at).where(
        _SEND.c.mailbox == mailbox, _SEND.c.state == SendState.SENT, _SEND.c.sent_at <= settled_by
    )
    before = confirmed.where(_SEND.c.sent_at <= claimed_at).order_by(_SEND.c.sent_at.desc()).limit(1)
    after = confirmed.where(_SEND.c.sent_at > claimed_at).order_by(_SEND.c.sent_at).limit(1)
    first = list(connection.execute(before))
    return first + list(connection.execute(after)) if first else []


def record_unknown(connection: Connection, send_id: int, *, next_check_at: datetime | None, checks: int) -> None:
    """Note when the Sent folder is searched (again) for a send whose outcome is open."""
    connection.execute(
        update(_SEND)
        .where(_SEND.c.id == send_id, _SEND.c.state == SendState.CLAIMED)
        .values(next_check_at=next_check_at, checks=checks)
    )


def record_uncertain(connection: Connection, send_id: int, now: datetime) -> None:
    """Give up asking: never sent again by itself, shown to the owner."""
    row = sends.settle(connection, send_id, SendState.UNCERTAIN, reason="no-answer")
    connection.execute(update(_ENROLLMENT).where(_ENROLLMENT.c.id == row.enrollment_id).values(due_at=None))
    audit.append(connection, now, "postroom", "send.uncertain", f"send:{send_id}", {"checks": row.checks})


def record_not_sent(connection: Connection, send_id: int, now: datetime) -> None:
    """Plan a claimed send again: the Sent folder, whose search has proved itself, does not hold it."""
    row = sends.settle(connection, send_id, SendState.PLANNED, next_check_at=None, claimed_at=None)
    sends.due_again(connection, row.enrollment_id, now)
    audit.append(connection, now, "postroom", "send.planned-again", f"send:{send_id}", {"checks": row.checks})


def copies_due(connection: Connection, now: datetime) -> list[Row[Any]]:
    """Return the sent letters whose copy the Sent folder still lacks."""
    query = select(_SEND.c.id, _SEND.c.mailbox, _SEND.c.message_id, _SEND.c.sent_at)
    return list(connection.execute(query.where(_SEND.c.copy_due_at <= now).order_by(_SEND.c.id).limit(AT_ONCE)))


def copied(connection: Connection, send_id: int, retry_at: datetime | None = None) -> None:
    """Note that the copy is in Sent, or when to try again."""
    connection.execute(update(_SEND).where(_SEND.c.id == send_id).values(copy_due_at=retry_at))
