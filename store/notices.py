"""Which notifications are still to be delivered?

An outbox: a notice is written in the transaction of the event it tells, once per event, channel and recipient.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from store.desk_tables import Notice
from store.tables import core
from store.vocabulary import EventName

_NOTICE = core(Notice)


def enqueue(
    connection: Connection,
    event: EventName,
    event_key: str,
    channel: str,
    recipient: str,
    payload: Mapping[str, Any],
    now: datetime,
    *,
    not_before: datetime | None = None,
) -> bool:
    """Queue a notice; returns False when this event was already told to this recipient on this channel."""
    same = (_NOTICE.c.event_key == event_key, _NOTICE.c.channel == channel, _NOTICE.c.recipient == recipient)
    if connection.execute(select(_NOTICE.c.id).where(*same)).one_or_none():
        return False
    connection.execute(
        insert(_NOTICE).values(
            event=event,
            event_key=event_key,
            channel=channel,
            recipient=recipient,
            payload=dict(payload),
            state="waiting",
            created_at=now,
            not_before=not_before or now,
        )
    )
    return True


def waiting(connection: Connection, now: datetime, limit: int = 100) -> list[dict[str, Any]]:
    """Return notices that may be delivered now, oldest first."""
    query = select(_NOTICE).where(_NOTICE.c.state == "waiting", _NOTICE.c.not_before <= now).order_by(_NOTICE.c.id)
    return [dict(row._mapping) for row in connection.execute(query.limit(limit))]


def next_at(connection: Connection) -> datetime | None:
    """Return when the next notice may be delivered."""
    found: datetime | None = connection.execute(
        select(func.min(_NOTICE.c.not_before)).where(_NOTICE.c.state == "waiting")
    ).scalar()
    return found


def delivered(connection: Connection, notice_id: int, now: datetime) -> None:
    """Mark a notice as delivered."""
    connection.execute(update(_NOTICE).where(_NOTICE.c.id == notice_id).values(state="sent", sent_at=now, error=""))


def all_delivered(connection: Connection, notice_ids: Sequence[int], now: datetime) -> None:
    """Mark notices that went out together as delivered."""
    for notice_id in notice_ids:
        delivered(connection, notice_id, now)


def failed(connection: Connection, notice_id: int, error: str, retry_at: datetime | None) -> None:
    """Note a failed delivery; without `retry_at` it is given up and stays visible in `status`."""
    values: dict[str, Any] = {"attempts": _NOTICE.c.attempts + 1, "error": error}
    values |= {"not_before": retry_at} if retry_at else {"state": "failed"}
    connection.execute(update(_NOTICE).where(_NOTICE.c.id == notice_id).values(**values))


def counts(connection: Connection) -> dict[str, int]:
    """Return how many notices wait, were sent, or failed."""
    query = select(_NOTICE.c.state, func.count()).group_by(_NOTICE.c.state)
    return {row[0]: row[1] for row in connection.execute(query)}
