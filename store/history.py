"""What has happened between us and a contact, and what do we know of a mailbox's past?"""

from datetime import datetime

from sqlalchemy import Connection, select

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


def contact_history(
    connection: Connection, contact: records.Contact, secret: bytes, now: datetime, *, but_sequence: str = ""
) -> records.ContactHistory:
    """Return what the guardrails ask about a contact; `but_sequence` is the one that asks and does not count."""
    hashes = suppression.covering_hashes(secret, contact.email, contact.account_id)
    known = enrollments.enrollments_of(connection, [contact.id])
    ended = [one for one in known if one.ended_at is not None]
    reply = connection.execute(
        select(_MESSAGE.c.label, _MESSAGE.c.tags, _MESSAGE.c.internal_at, _MESSAGE.c.return_on)
        .join(_SEND, _SEND.c.id == _MESSAGE.c.send_id)
        .where(
            _SEND.c.contact_id == contact.id,
            _MESSAGE.c.label.in_((Label.INTERESTED, Label.NOT_INTERESTED, Label.OTHER)),
        )
        .order_by(_MESSAGE.c.internal_at.desc())
        .limit(1)
    ).one_or_none()
    offer = handovers.last_of_contact(connection, contact.id)
    rejected = offer if offer and offer.state in (HandoverState.REJECTED, HandoverState.DISPUTED) else None
    return records.ContactHistory(
        suppressed=suppression.find_covering(connection, hashes, now),
        active_sequences=tuple(
            one.sequence for one in known if one.state in enrollments.LIVE and one.sequence != but_sequence
        ),
        last_reply_label=reply.label if reply else None,
        last_reply_on=reply.internal_at.date() if reply else None,
        last_reply_timing=bool(reply and Tag.TIMING in reply.tags),
        recycle_on=reply.return_on if reply else None,
        ended=tuple(sorted(ended, key=lambda one: one.ended_at or now, reverse=True)),
        rejected=rejected.reason if rejected else None,
        rejected_on=rejected.answered_at.date() if rejected and rejected.answered_at else None,
    )
