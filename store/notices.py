"""Which notifications are still to be delivered, and of which can nobody tell whether they were?

An outbox: a notice is written in the transaction of the event it tells, once per event, channel and recipient. It is
claimed before anything leaves: `waiting -> claimed -> sent | waiting | failed | uncertain`.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from store.desk_tables import Notice
from store.tables import core
from store.vocabulary import EventName

_NOTICE = core(Notice)
_OPEN = _NOTICE.c.state.in_(("waiting", "claimed"))


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
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    new = insert(_NOTICE).values(
        event=event,
        event_key=event_key,
        channel=channel,
        recipient=recipient,
        payload=dict(payload),
        state="waiting",
        created_at=now,
        not_before=not_before or now,
    )
    return connection.execute(new.on_conflict_do_nothing()).rowcount == 1


def alert_key(event: EventName, name: str, at: datetime) -> str:
    """Return the key of what happened to a mailbox, domain or sequence: whoever tells of it first, it is told once."""
    return f"{event}:{name}:{at.astimezone(UTC).isoformat(timespec='microseconds')}"


def notice(connection: Connection, notice_id: int) -> dict[str, Any] | None:
    """Return one notice."""
    row = connection.execute(select(_NOTICE).where(_NOTICE.c.id == notice_id)).one_or_none()
    return dict(row._mapping) if row is not None else None


def of_thread(connection: Connection, thread_id: int, events: Sequence[EventName]) -> list[dict[str, Any]]:
    """Return the mails about a thread for these events, newest first."""
    mails = (_NOTICE.c.channel.in_(("mail", "digest")), _NOTICE.c.event.in_(events))
    same = _NOTICE.c.payload["thread"].as_integer() == thread_id
    return [
        dict(row._mapping)
        for row in connection.execute(select(_NOTICE).where(*mails, same).order_by(_NOTICE.c.id.desc()))
    ]


def waiting(connection: Connection, now: datetime, limit: int = 100) -> list[dict[str, Any]]:
    """Return notices that may be delivered now, oldest first."""
    return _due(connection, "waiting", now, limit)


def in_doubt(connection: Connection, now: datetime, limit: int = 100) -> list[dict[str, Any]]:
    """Return claimed notices without an outcome that are due for a look, oldest first."""
    return _due(connection, "claimed", now, limit)


def _due(connection: Connection, state: str, now: datetime, limit: int) -> list[dict[str, Any]]:
    query = select(_NOTICE).where(_NOTICE.c.state == state, _NOTICE.c.not_before <= now).order_by(_NOTICE.c.id)
    return [dict(row._mapping) for row in connection.execute(query.limit(limit))]


def next_at(connection: Connection) -> datetime | None:
    """Return when the next notice may be delivered or looked for."""
    found: datetime | None = connection.execute(select(func.min(_NOTICE.c.not_before)).where(_OPEN)).scalar()
    return found


def claim(
    connection: Connection,
    notice_ids: Sequence[int],
    now: datetime,
    *,
    look_at: datetime,
    sent_from: str = "",
    mail_id: str = "",
    checks: int = 0,
) -> bool:
    """Claim notices that leave together, all or none; False when another node was faster.

    `look_at`: when to look for them unless their outcome is written before; `mail_id`: the Message-ID they leave under.
    """
    ours = _NOTICE.c.id.in_(notice_ids)
    values = {"state": "claimed", "claimed_at": now, "not_before": look_at, "sent_from": sent_from, "mail_id": mail_id,
              "checks": checks}  # fmt: skip
    taken = select(_NOTICE.c.id).where(ours, _NOTICE.c.state == "waiting").with_for_update()
    if len(connection.execute(taken).all()) != len(notice_ids):
        return False
    connection.execute(update(_NOTICE).where(ours).values(**values))
    return True


def delivered(connection: Connection, notice_ids: Sequence[int], now: datetime) -> None:
    """Mark notices that went out together as delivered."""
    _settle(connection, notice_ids, state="sent", sent_at=now, error="")


def released(connection: Connection, notice_ids: Sequence[int], now: datetime) -> None:
    """Let claimed notices of which it is certain that they did not leave be delivered again."""
    _settle(connection, notice_ids, state="waiting", not_before=now, checks=0)


def look_again(connection: Connection, notice_ids: Sequence[int], at: datetime, checks: int) -> None:
    """Note when claimed notices are looked for next."""
    _settle(connection, notice_ids, not_before=at, checks=checks)


def uncertain(connection: Connection, notice_ids: Sequence[int], error: str) -> None:
    """Give up asking: never delivered again by itself, shown by `status` and `notices`."""
    _settle(connection, notice_ids, state="uncertain", error=error)


def failed(connection: Connection, notice_id: int, error: str, retry_at: datetime | None) -> None:
    """Note that a notice was not delivered; without `retry_at` it is given up and stays visible."""
    values: dict[str, Any] = {"attempts": _NOTICE.c.attempts + 1, "error": error}
    values |= {"state": "waiting", "not_before": retry_at} if retry_at else {"state": "failed"}
    _settle(connection, [notice_id], **values)


def repeat(connection: Connection, notice_id: int, now: datetime) -> bool:
    """Deliver a failed or uncertain notice again because a person says so; False when it is neither, or erased."""
    stuck = (_NOTICE.c.id == notice_id, _NOTICE.c.state.in_(("failed", "uncertain")), _NOTICE.c.error != "erased")
    again = update(_NOTICE).where(*stuck).values(state="waiting", not_before=now, attempts=0, checks=0)
    return connection.execute(again).rowcount == 1


def witnesses(connection: Connection, sent_from: str, claimed_at: datetime, settled_by: datetime) -> list[str]:
    """Return the Message-IDs of notices known to have been sent around an instant: the last before, the first after.

    None when there is none before: then a search that finds nothing proves nothing.
    """
    known = select(_NOTICE.c.mail_id).where(
        _NOTICE.c.state == "sent", _NOTICE.c.sent_from == sent_from, _NOTICE.c.mail_id != "",
        _NOTICE.c.sent_at <= settled_by,
    )  # fmt: skip
    before = known.where(_NOTICE.c.sent_at <= claimed_at).order_by(_NOTICE.c.sent_at.desc()).limit(1)
    after = known.where(_NOTICE.c.sent_at > claimed_at).order_by(_NOTICE.c.sent_at).limit(1)
    first = [row.mail_id for row in connection.execute(before)]
    return first + [row.mail_id for row in connection.execute(after)] if first else []


def stuck(connection: Connection) -> list[dict[str, Any]]:
    """Return the notices that failed for good or of which nobody can tell, oldest first."""
    query = select(_NOTICE).where(_NOTICE.c.state.in_(("failed", "uncertain"))).order_by(_NOTICE.c.id)
    return [dict(row._mapping) for row in connection.execute(query)]


def counts(connection: Connection) -> dict[str, int]:
    """Return how many notices wait, were sent, failed or are uncertain."""
    query = select(_NOTICE.c.state, func.count()).group_by(_NOTICE.c.state)
    return {row[0]: row[1] for row in connection.execute(query)}


def _settle(connection: Connection, notice_ids: Sequence[int], **values: Any) -> None:
    connection.execute(update(_NOTICE).where(_NOTICE.c.id.in_(notice_ids), _OPEN).values(**values))
