"""How does each mailbox fare: who holds it, is it held, what has it sent?"""

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, String, bindparam, cast, func, insert, literal_column, or_, select, union_all, update
from sqlalchemy.exc import IntegrityError

from store import audit, records
from store.claim_limits import DAY
from store.database import shared_now
from store.errors import LeaseLost
from store.hot import Hot
from store.send_states import COUNTED
from store.tables import Enrollment, Lease, Mailbox, Message, OauthToken, Probe, Send, core
from store.vocabulary import BounceKind, Label, MailboxState, SendState, Tag

_LEASE, _MAILBOX, _SEND, _MESSAGE = core(Lease), core(Mailbox), core(Send), core(Message)
_TOKEN, _ENROLLMENT, _PROBE = core(OauthToken), core(Enrollment), core(Probe)
RAMP_DAYS = 60  # how far back the ramp looks
HEALTH_WINDOW = timedelta(days=14)
FREES = 50  # how many of the next freed slots a load names


def acquire_lease(connection: Connection, mailbox: str, node: str, now: datetime, lasts: timedelta) -> int | None:
    """Take or renew the lease of a mailbox; returns its epoch, or None while another node holds it.

    It expires by the clock that the nodes share (`store.database.shared_now`): a node whose own clock is wrong neither
    takes what another one holds nor loses what it holds.
    """
    now = shared_now(connection, now)
    row = connection.execute(select(_LEASE).where(_LEASE.c.mailbox == mailbox).with_for_update()).one_or_none()
    if row is None:
        try:
            with connection.begin_nested():
                connection.execute(insert(_LEASE).values(mailbox=mailbox, node=node, epoch=1, expires_at=now + lasts))
        except IntegrityError:
            return None  # another node was quicker at this very moment
        return 1
    if row.node != node and row.expires_at > now:
        return None
    epoch: int = row.epoch + (row.node != node)
    changed = (_LEASE.c.mailbox == mailbox, _LEASE.c.epoch == row.epoch)
    connection.execute(update(_LEASE).where(*changed).values(node=node, epoch=epoch, expires_at=now + lasts))
    return epoch


def require_lease(connection: Connection, mailbox: str, node: str, epoch: int) -> None:
    """Raise LeaseLost unless this node still holds the mailbox under this epoch."""
    mine = (_LEASE.c.mailbox == mailbox, _LEASE.c.node == node, _LEASE.c.epoch == epoch)
    if connection.execute(select(_LEASE.c.epoch).where(*mine).with_for_update()).one_or_none() is None:
        raise LeaseLost(f"{mailbox}: another node reads this mailbox now")


def may_take(connection: Connection, mailbox: str, node: str, now: datetime) -> bool:
    """Tell whether this node holds a mailbox, or nobody does."""
    now = shared_now(connection, now)
    row = connection.execute(select(_LEASE).where(_LEASE.c.mailbox == mailbox)).one_or_none()
    return row is None or row.node == node or row.expires_at <= now


def release_leases(connection: Connection, node: str, now: datetime) -> None:
    """Give every lease of this node back at a clean stop."""
    now = shared_now(connection, now)
    connection.execute(update(_LEASE).where(_LEASE.c.node == node).values(expires_at=now))


def hold(connection: Connection, mailbox: str, reason: str, *, actor: str, now: datetime) -> bool:
    """Stop using a mailbox until a person releases it; returns whether it was in use before."""
    _ensure(connection, mailbox)
    live = (_MAILBOX.c.address == mailbox, _MAILBOX.c.state == MailboxState.ACTIVE)
    held = (
        connection.execute(update(_MAILBOX).where(*live).values(state=MailboxState.HELD, reason=reason)).rowcount == 1
    )
    if held:
        audit.append(connection, now, actor, "mailbox.held", f"mailbox:{mailbox}", {"reason": reason})
    return held


def release(connection: Connection, mailbox: str, *, actor: str, now: datetime) -> None:
    """Use a held mailbox again."""
    values = {
        "state": MailboxState.ACTIVE,
        "reason": "",
        "failures": 0,
        "send_not_before": None,
        "poll_not_before": None,
    }
    _ensure(connection, mailbox)
    connection.execute(update(_MAILBOX).where(_MAILBOX.c.address == mailbox).values(**values))
    audit.append(connection, now, actor, "mailbox.released", f"mailbox:{mailbox}")


def back_off(
    connection: Connection,
    mailbox: str,
    reason: str,
    *,
    send_not_before: datetime | None = None,
    poll_not_before: datetime | None = None,
) -> None:
    """Note a temporary failure and when to try again; counts failures in a row."""
    _ensure(connection, mailbox)
    values: dict[str, Any] = {"reason": reason, "failures": _MAILBOX.c.failures + 1}
    if send_not_before is not None:
        values["send_not_before"] = send_not_before
    if poll_not_before is not None:
        values["poll_not_before"] = poll_not_before
    connection.execute(update(_MAILBOX).where(_MAILBOX.c.address == mailbox).values(**values))


def recovered(connection: Connection, mailbox: str, *, polled_at: datetime | None = None, remark: str = "") -> None:
    """Forget the failures of a mailbox that answered again; `remark` is what is still wrong with it."""
    _ensure(connection, mailbox)
    values: dict[str, Any] = {"failures": 0, "reason": remark, "polled_at": polled_at, "poll_not_before": None}
    live = (_MAILBOX.c.address == mailbox, _MAILBOX.c.state == MailboxState.ACTIVE)
    connection.execute(update(_MAILBOX).where(*live).values(**values))


def send_again(connection: Connection, mailboxes: Collection[str]) -> None:
    """Forget the failures of mailboxes whose letters were taken again."""
    _SENDS_AGAIN.run(connection, [{"box": mailbox} for mailbox in mailboxes])


_SENDS_AGAIN = Hot(
    update(_MAILBOX)
    .where(
        _MAILBOX.c.address == bindparam("box"),
        _MAILBOX.c.state == MailboxState.ACTIVE,
        or_(_MAILBOX.c.failures > 0, _MAILBOX.c.send_not_before.is_not(None)),
    )
    .values(failures=0, reason="", send_not_before=None)
)


def states(connection: Connection) -> dict[str, dict[str, Any]]:
    """Return every mailbox row by address."""
    return {row.address: dict(row._mapping) for row in connection.execute(select(_MAILBOX))}


def prove_sent_search(connection: Connection, mailbox: str, now: datetime) -> None:
    """Note that this mailbox's Sent search found a message known to be sent."""
    _ensure(connection, mailbox)
    connection.execute(update(_MAILBOX).where(_MAILBOX.c.address == mailbox).values(sent_search_proved_at=now))


def loads(connection: Connection, mailboxes: Sequence[str], now: datetime) -> dict[str, records.MailboxLoad]:
    """Return what each mailbox has sent, counted from the ledger."""
    rows = states(connection)
    recent, daily, trouble = _recent(connection, now), _daily(connection, now), _trouble(connection, now)
    found = {}
    for mailbox in mailboxes:
        claimed, row, events = recent[mailbox], rows.get(mailbox, {}), trouble[mailbox]
        days = daily[mailbox]
        start = (now - HEALTH_WINDOW).date()
        window = [event for on, _, event in events if on >= start]
        bad = {on for arrived, left, event in events if event != "unsubscribed" for on in (arrived, left)}
        found[mailbox] = records.MailboxLoad(
            mailbox=mailbox,
            sent_last_day=len(claimed),
            last_sent_at=claimed[-1] if claimed else None,
            daily_history=tuple((on, days.get(on, 0), on in bad) for on in sorted({*days, *bad})),
            delivered=sum(number for on, number in days.items() if on >= start),
            bounced=window.count("bounced"),
            complained=window.count("complained"),
            unsubscribed=window.count("unsubscribed"),
            not_before=row.get("send_not_before"),
            held=row.get("state", MailboxState.ACTIVE) != MailboxState.ACTIVE,
            frees_at=tuple(at + DAY for at in claimed[:FREES]),
        )
    return found


def cap_counts(connection: Connection, now: datetime) -> records.CapCounts:
    """Return the sends of the rolling 24 h by recipient domain, account and sending domain; probes count too."""

    def counted(column: Any, probed: Any = None) -> dict[Any, int]:
        query = select(column, func.count()).where(*_counted_since(now - DAY), column.is_not(None)).group_by(column)
        found = Counter({row[0]: row[1] for row in connection.execute(query)})
        if probed is not None:
            found.update(connection.execute(select(probed).where(_PROBE.c.claimed_at > now - DAY)).scalars())
        return dict(found)

    return records.CapCounts(
        by_recipient_domain=counted(_SEND.c.recipient_domain, _PROBE.c.recipient_domain),
        by_account=counted(_SEND.c.account_id),
        by_sending_domain=counted(_SEND.c.sending_domain, _PROBE.c.sending_domain),
    )


def _counted_since(since: datetime) -> tuple[Any, Any]:
    return _SEND.c.state.in_(COUNTED), _SEND.c.claimed_at > since


def _recent(connection: Connection, now: datetime) -> defaultdict[str, list[datetime]]:
    letters = select(_SEND.c.mailbox, _SEND.c.claimed_at).where(*_counted_since(now - DAY))
    probes = select(_PROBE.c.mailbox, _PROBE.c.claimed_at).where(_PROBE.c.claimed_at > now - DAY)
    found: defaultdict[str, list[datetime]] = defaultdict(list)
    for mailbox, at in connection.execute(union_all(letters, probes).order_by("claimed_at")):
        found[mailbox].append(at)
    return found


def _daily(connection: Connection, now: datetime) -> defaultdict[str, dict[date, int]]:
    at = _SEND.c.claimed_at
    if connection.dialect.name == "postgresql":
        day = func.to_char(func.timezone("UTC", at), "YYYY-MM-DD")
    else:
        day = func.substr(cast(at, String), 1, 10)
    since = now - timedelta(days=RAMP_DAYS)
    query = select(_SEND.c.mailbox, day, func.count()).where(*_counted_since(since)).group_by(_SEND.c.mailbox, day)
    found: defaultdict[str, dict[date, int]] = defaultdict(dict)
    for mailbox, text, number in connection.execute(query):
        found[mailbox][date.fromisoformat(text)] = number
    return found


def _trouble(connection: Connection, now: datetime) -> defaultdict[str, list[tuple[date, date, str]]]:
    """Return (UTC day it came, UTC day the letter left, what) of refusals, bounces, complaints and opt-outs."""
    since = now - timedelta(days=RAMP_DAYS)
    found: defaultdict[str, list[tuple[date, date, str]]] = defaultdict(list)
    refused = (_SEND.c.state == SendState.REFUSED, _SEND.c.code >= 500, _SEND.c.planned_at > since)
    for mailbox, at in connection.execute(select(_SEND.c.mailbox, _SEND.c.planned_at).where(*refused)):
        found[mailbox].append((at.date(), at.date(), "bounced"))
    opted_out = (_ENROLLMENT.c.end_reason == literal_column("'unsubscribe'"), _ENROLLMENT.c.ended_at > since)
    for mailbox, at in connection.execute(select(_ENROLLMENT.c.mailbox, _ENROLLMENT.c.ended_at).where(*opted_out)):
        found[mailbox].append((at.date(), at.date(), "unsubscribed"))  # by mail or by one click
    query = (
        select(_SEND.c.mailbox, _SEND.c.claimed_at, _MESSAGE.c.internal_at, _MESSAGE.c.label, _MESSAGE.c.tags)
        .join(_SEND, _SEND.c.id == _MESSAGE.c.send_id)
        .where(
            _MESSAGE.c.label.in_((Label.BOUNCE, Label.UNSUBSCRIBE)),
            _MESSAGE.c.reason.not_in((BounceKind.SOFT, BounceKind.DELAYED, BounceKind.FULL)),
            _MESSAGE.c.internal_at > since,
        )
    )
    for row in connection.execute(query):
        if row.label == Label.BOUNCE or Tag.COMPLAINT in row.tags:
            what = "bounced" if row.label == Label.BOUNCE else "complained"
            left = row.claimed_at or row.internal_at
            found[row.mailbox].append((row.internal_at.date(), left.date(), what))
    return found


def oauth_token(connection: Connection, mailbox: str) -> dict[str, Any] | None:
    """Return the stored OAuth tokens of a mailbox."""
    row = connection.execute(select(_TOKEN).where(_TOKEN.c.mailbox == mailbox)).one_or_none()
    return dict(row._mapping) if row is not None else None


def save_oauth_token(
    connection: Connection, mailbox: str, refresh_token: str, access_token: str, expires_at: datetime
) -> None:
    """Replace the OAuth tokens of a mailbox in one statement."""
    values = {"refresh_token": refresh_token, "access_token": access_token, "expires_at": expires_at}
    if connection.execute(update(_TOKEN).where(_TOKEN.c.mailbox == mailbox).values(**values)).rowcount == 0:
        connection.execute(insert(_TOKEN).values(mailbox=mailbox, **values))


def _ensure(connection: Connection, mailbox: str) -> None:
    known = connection.execute(select(_MAILBOX.c.address).where(_MAILBOX.c.address == mailbox)).one_or_none()
    if known is None:
        connection.execute(insert(_MAILBOX).values(address=mailbox, state=MailboxState.ACTIVE))
