"""What has been sent lately, and does it keep the rules?"""

from collections import Counter
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, func, select

from store.tables import Account, Contact, Message, Send, Suppression, core
from store.vocabulary import SendState, SuppressionKind

_SEND, _CONTACT, _ACCOUNT = core(Send), core(Contact), core(Account)
_MESSAGE, _SUPPRESSION = core(Message), core(Suppression)


def sent_since(connection: Connection, since: datetime) -> tuple[int, dict[str, int]]:
    """Return how many letters were sent, and the most of one UTC day by sending domain."""
    query = select(_SEND.c.sending_domain, _SEND.c.sent_at).where(
        _SEND.c.state == SendState.SENT, _SEND.c.sent_at >= since
    )
    days = Counter((row.sending_domain, row.sent_at.date()) for row in connection.execute(query))
    most: dict[str, int] = {}
    for (domain, _), number in days.items():
        most[domain] = max(number, most.get(domain, 0))
    return sum(days.values()), most


def newest_letters(connection: Connection) -> dict[str, bytes]:
    """Return the bytes of the newest letter sent from each domain."""
    newest = select(func.max(_SEND.c.id)).where(_SEND.c.state == SendState.SENT).group_by(_SEND.c.sending_domain)
    query = select(_SEND.c.sending_domain, _SEND.c.raw).where(_SEND.c.id.in_(newest)).order_by(_SEND.c.sending_domain)
    return {row.sending_domain: bytes(row.raw) for row in connection.execute(query)}


def complaints_since(connection: Connection, since: datetime) -> int:
    """Return how many arrivals were complaints."""
    query = select(_MESSAGE.c.tags).where(_MESSAGE.c.label.is_not(None), _MESSAGE.c.internal_at >= since)
    return sum("complaint" in row.tags for row in connection.execute(query))


def stops(connection: Connection) -> tuple[int, int]:
    """Return the entries of the suppression ledger, and the letters begun after their address was in it."""
    whole = int(connection.execute(select(func.count()).select_from(_SUPPRESSION)).scalar() or 0)
    late = select(func.count()).select_from(
        _SEND.join(
            _SUPPRESSION,
            and_(
                _SUPPRESSION.c.kind == SuppressionKind.ADDRESS,
                _SUPPRESSION.c.value == _SEND.c.recipient,
                _SEND.c.claimed_at > _SUPPRESSION.c.created_at,
                _SEND.c.state.in_([SendState.CLAIMED, SendState.SENT, SendState.UNCERTAIN]),
            ),
        )
    )
    return whole, int(connection.execute(late).scalar() or 0)


def written_to(connection: Connection, since: datetime) -> list[dict[str, Any]]:
    """Return country and legal basis of the contacts that letters were sent to."""
    country = func.coalesce(func.nullif(_CONTACT.c.country, ""), _ACCOUNT.c.country, "")
    query = (
        select(_CONTACT.c.id, country.label("country"), _CONTACT.c.legal_basis)
        .select_from(_CONTACT.outerjoin(_ACCOUNT, _ACCOUNT.c.id == _CONTACT.c.account_id))
        .where(
            _CONTACT.c.id.in_(
                select(_SEND.c.contact_id).where(_SEND.c.state == SendState.SENT, _SEND.c.sent_at >= since)
            )
        )
    )
    return [dict(row._mapping) for row in connection.execute(query)]
