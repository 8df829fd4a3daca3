"""What has happened between us and a contact, and what do we know of a mailbox's past?"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, or_, select

from store import enrollments, handovers, records, suppression
from store.tables import Message, Send, core
from store.vocabulary import HandoverState, Label, SendState, Tag

_SEND, _MESSAGE = core(Send), core(Message)


def attempts(connection: Connection, send_id: int) -> int:
    """Return how often a send was claimed or dialled."""
    return int(connection.execute(select(_SEND.c.attempts).where(_SEND.c.id == send_id)).scalar_one())


def last_confirmed(connection: Connection, mailbox: str) -> str | None:
    """Return the Message-ID of the newest message this mailbox is known to have sent."""
    query = (
        select(_SEND.c.message_id)
        .where(_SEND.c.mailbox == mailbox, _SEND.c.state == SendState.SENT)
        .order_by(_SEND.c.sent_at.desc())
        .limit(1)
    )
    found: str | None = connection.execute(query).scalar()
    return found


_REPLIES = (
    select(_SEND.c.contact_id, _MESSAGE.c.label, _MESSAGE.c.tags, _MESSAGE.c.internal_at, _MESSAGE.c.return_on)
    .join(_SEND, _SEND.c.id == _MESSAGE.c.send_id)
    .where(
        _SEND.c.contact_id.in_(bindparam("ids", expanding=True)),
        or_(*(_MESSAGE.c.label == label for label in (Label.INTERESTED, Label.NOT_INTERESTED, Label.OTHER))),
    )
    .order_by(_MESSAGE.c.internal_at, _MESSAGE.c.id)
)


def contact_history(
    connection: Connection, contact: records.Contact, secret: bytes, now: datetime, *, but_sequence: str = ""
) -> records.ContactHistory:
    """Return what the guardrails ask about a contact; `but_sequence` is the one that asks and does not count."""
    found = contact_histories(connection, [contact], secret, now)[contact.id]
    others = tuple(name for name in found.active_sequences if name != but_sequence)
    return replace(found, active_sequences=others)


def contact_histories(
    connection: Connection, people: Collection[records.Contact], secret: bytes, now: datetime
) -> dict[int, records.ContactHistory]:
    """Return what the guardrails ask about several contacts, by their ids."""
    ids = [contact.id for contact in people]
    asked = [(one.email, one.account_id) for one in people]
    suppressed = dict(zip(ids, suppression.find_covering_many(connection, secret, asked, now), strict=True))
    known: defaultdict[int, list[records.Enrollment]] = defaultdict(list)
    for enrolled in enrollments.enrollments_of(connection, ids):
        known[enrolled.contact_id].append(enrolled)
    replies = {row.contact_id: row for row in connection.execute(_REPLIES, {"ids": ids})}  # the newest comes last
    offers = handovers.last_of_contacts(connection, ids)
    return {key: _history(suppressed.get(key), known[key], replies.get(key), offers.get(key), now) for key in ids}


def _history(
    suppressed: records.Suppression | None,
    known: Sequence[records.Enrollment],
    reply: Any,
    offer: records.Handover | None,
    now: datetime,
) -> records.ContactHistory:
    ended = [one for one in known if one.ended_at is not None]
    rejected = offer if offer and offer.state in (HandoverState.REJECTED, HandoverState.DISPUTED) else None
    return records.ContactHistory(
        suppressed=suppressed,
        active_sequences=tuple(one.sequence for one in known if one.state in enrollments.LIVE),
        last_reply_label=reply.label if reply else None,
        last_reply_on=reply.internal_at.date() if reply else None,
        last_reply_timing=bool(reply and Tag.TIMING in reply.tags),
        recycle_on=reply.return_on if reply else None,
        ended=tuple(sorted(ended, key=lambda one: one.ended_at or now, reverse=True)),
        rejected=rejected.reason if rejected else None,
        rejected_on=rejected.answered_at.date() if rejected and rejected.answered_at else None,
    )
