"""The send ledger: what was planned, claimed and sent, so that nothing leaves twice and nothing is lost?

A send is claimed between RCPT and DATA, in one transaction that asks every question again. While a claim is open the
enrollment has no due date, so nothing plans it a second time. `send_states.py` holds the transitions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, func, insert, or_, select, update

from store import audit, records, schema, suppression
from store.send_states import COUNTED, sources_of
from store.tables import Domain, Enrollment, Lease, Mailbox, Send, core
from store.tables import Sequence as SequenceTable
from store.vocabulary import EnrollmentState, MailboxState, SendState, VerdictLevel

_SEND, _ENROLLMENT, _LEASE = core(Send), core(Enrollment), core(Lease)
_DOMAIN, _MAILBOX, _SEQUENCE = core(Domain), core(Mailbox), core(SequenceTable)
DAY = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class NewSend:
    """A composed message, before anything is dialled."""

    enrollment_id: int
    contact_id: int
    account_id: int | None
    sequence: str
    step: int
    variant: str
    mailbox: str
    recipient: str
    message_id: str
    subject: str
    text: str
    raw: bytes
    sha256: str
    token: str
    not_before: datetime
    not_after: datetime


@dataclass(frozen=True, slots=True)
class ClaimLimits:
    """Caps of the rolling 24 h that a claim counts again; None is no cap."""

    mailbox: int
    sending_domain: int | None = None
    recipient_domain: int | None = None
    account: int | None = None
    gap: timedelta = timedelta()


def plan(connection: Connection, new: NewSend, now: datetime) -> int | None:
    """Fix a send's bytes and Message-ID; returns its id, or None when this step can no longer be planned."""
    values = {
        "variant": new.variant,
        "mailbox": new.mailbox,
        "sending_domain": new.mailbox.rpartition("@")[2],
        "recipient": new.recipient,
        "recipient_domain": new.recipient.rpartition("@")[2],
        "subject": new.subject,
        "body_text": new.text,
        "raw": new.raw,
        "sha256": new.sha256,
        "token": new.token,
        "planned_at": now,
        "not_before": new.not_before,
        "not_after": new.not_after,
        "state": SendState.PLANNED,
    }
    key = (_SEND.c.enrollment_id == new.enrollment_id, _SEND.c.step == new.step)
    old = connection.execute(select(_SEND.c.id, _SEND.c.state).where(*key)).one_or_none()
    if old is not None:
        if old.state not in (SendState.PLANNED, SendState.DEFERRED):
            return None
        connection.execute(update(_SEND).where(_SEND.c.id == old.id).values(**values))
        return int(old.id)
    fixed = {name: getattr(new, name) for name in ("enrollment_id", "contact_id", "account_id", "sequence", "step")}
    result = connection.execute(insert(_SEND).values(**values, **fixed, message_id=new.message_id))
    return int(result.inserted_primary_key[0])  # type: ignore[index]


def claim(
    connection: Connection, send_id: int, *, epoch: int, secret: bytes, limits: ClaimLimits, now: datetime
) -> str:
    """Claim a send between RCPT and DATA; returns "" when it may go, else the slug of what forbids it.

    Raises StoreOnHold on a database that may not send.
    """
    schema.require_release(connection)
    row = connection.execute(_CLAIM_FACTS.where(_SEND.c.id == send_id)).one()
    hashes = suppression.covering_hashes(secret, row.recipient, row.account_id)
    suppression.lock_hashes(connection, hashes, exclusive=False)
    slug = _forbidding_state(row, epoch, now) or _forbidding_limit(connection, row, limits, now)
    if not slug and (entry := suppression.find_covering(connection, hashes, now)):
        slug = f"suppressed-{entry.reason}"
    if slug:
        return slug
    claimed = connection.execute(
        update(_SEND)
        .where(_SEND.c.id == send_id, _SEND.c.state == SendState.PLANNED)
        .values(state=SendState.CLAIMED, claimed_at=now, claim_epoch=epoch, attempts=_SEND.c.attempts + 1)
    )
    taken = connection.execute(
        update(_ENROLLMENT)
        .where(_ENROLLMENT.c.id == row.enrollment_id, _ENROLLMENT.c.state == EnrollmentState.ACTIVE)
        .values(due_at=None, mailbox=row.mailbox)
    )
    if claimed.rowcount != 1 or taken.rowcount != 1:
        raise AssertionError(f"send {send_id} changed inside its own claim")
    return ""


_CLAIM_FACTS = (
    select(
        _SEND.c.id,
        _SEND.c.state,
        _SEND.c.enrollment_id,
        _SEND.c.step,
        _SEND.c.mailbox,
        _SEND.c.sending_domain,
        _SEND.c.recipient,
        _SEND.c.recipient_domain,
        _SEND.c.account_id,
        _SEND.c.not_before,
        _SEND.c.not_after,
        _ENROLLMENT.c.state.label("enrollment_state"),
        _ENROLLMENT.c.step.label("enrollment_step"),
        _LEASE.c.epoch,
        _LEASE.c.expires_at.label("lease_expires_at"),
        _DOMAIN.c.verdict,
        _MAILBOX.c.state.label("mailbox_state"),
        _SEQUENCE.c.active.label("sequence_active"),
    )
    .join(_ENROLLMENT, _ENROLLMENT.c.id == _SEND.c.enrollment_id)
    .join(_LEASE, _LEASE.c.mailbox == _SEND.c.mailbox, isouter=True)
    .join(_DOMAIN, _DOMAIN.c.name == _SEND.c.sending_domain, isouter=True)
    .join(_MAILBOX, _MAILBOX.c.address == _SEND.c.mailbox, isouter=True)
    .join(_SEQUENCE, _SEQUENCE.c.name == _SEND.c.sequence, isouter=True)
    .with_for_update(of=_ENROLLMENT)
)


def _forbidding_state(row: Any, epoch: int, now: datetime) -> str:
    opener = row.step == 0
    verdict = row.verdict or VerdictLevel.UNKNOWN
    checks = (
        (row.state == SendState.PLANNED, f"send-{row.state}"),
        (row.epoch == epoch and row.lease_expires_at and row.lease_expires_at > now, "lease-lost"),
        (row.enrollment_state == EnrollmentState.ACTIVE, f"enrollment-{row.enrollment_state}"),
        (row.enrollment_step == row.step, "step-moved-on"),
        (bool(row.sequence_active), "sequence-paused"),
        (row.mailbox_state in (None, MailboxState.ACTIVE), "mailbox-held"),
        (verdict not in (VerdictLevel.BLOCKED, VerdictLevel.UNKNOWN), f"domain-{verdict}"),
        (not opener or verdict == VerdictLevel.READY, "domain-degraded"),
        (row.not_before <= now < row.not_after, "window"),
    )
    return next((slug for holds, slug in checks if not holds), "")


def _forbidding_limit(connection: Connection, row: Any, limits: ClaimLimits, now: datetime) -> str:
    caps = (
        (limits.mailbox, _SEND.c.mailbox == row.mailbox, "daily-limit"),
        (limits.sending_domain, _SEND.c.sending_domain == row.sending_domain, "sending-domain-cap"),
        (limits.recipient_domain, _SEND.c.recipient_domain == row.recipient_domain, "recipient-domain-cap"),
        (limits.account if row.account_id is not None else None, _SEND.c.account_id == row.account_id, "account-cap"),
    )
    recent = (_SEND.c.state.in_(COUNTED), _SEND.c.claimed_at > now - DAY)
    for cap, same, slug in caps:
        if cap is None:
            continue
        if connection.execute(select(func.count()).select_from(_SEND).where(same, *recent)).scalar_one() >= cap:
            return slug
    if limits.gap:
        close = (_SEND.c.mailbox == row.mailbox, _SEND.c.state.in_(COUNTED), _SEND.c.claimed_at > now - limits.gap)
        if connection.execute(select(_SEND.c.id).where(*close).limit(1)).one_or_none():
            return "gap"
    return ""


def record_sent(
    connection: Connection,
    send_id: int,
    now: datetime,
    *,
    next_due_at: datetime | None,
    answer: str = "",
    learnt_id: str = "",
) -> None:
    """Settle a claim as sent and move the enrollment on: to its next step, or to `finished` when there is none."""
    row = _settle(connection, send_id, SendState.SENT, answer=answer, learnt_id=learnt_id, sent_at=now)
    live = _ENROLLMENT.c.id == row.enrollment_id
    connection.execute(update(_ENROLLMENT).where(live).values(step=row.step + 1))
    active = (live, _ENROLLMENT.c.state == EnrollmentState.ACTIVE)
    if next_due_at is not None:
        connection.execute(update(_ENROLLMENT).where(*active).values(due_at=next_due_at))
    else:
        values = {"state": EnrollmentState.FINISHED, "due_at": None, "ended_at": now, "end_reason": "all-steps-sent"}
        connection.execute(update(_ENROLLMENT).where(*active).values(**values))
    audit.append(connection, now, "postroom", "send.sent", f"send:{send_id}", {"step": row.step})


def record_deferred(
    connection: Connection,
    send_id: int,
    now: datetime,
    *,
    retry_at: datetime,
    code: int | None,
    enhanced: str,
    answer: str,
) -> None:
    """Record a definite "not yet"; the step falls due again at `retry_at`."""
    row = _settle(
        connection, send_id, SendState.DEFERRED, code=code, enhanced=enhanced, answer=answer, not_before=retry_at
    )
    _due_again(connection, row.enrollment_id, retry_at)
    detail = {"code": code, "enhanced": enhanced}
    audit.append(connection, now, "postroom", "send.deferred", f"send:{send_id}", detail, {"answer": answer})


def record_refused(
    connection: Connection, send_id: int, now: datetime, *, reason: str, code: int | None = None, enhanced: str = "",
    answer: str = ""
) -> None:  # fmt: skip
    """Record a definite "no"; what becomes of the enrollment is the caller's decision (outbound.stop)."""
    _settle(connection, send_id, SendState.REFUSED, reason=reason, code=code, enhanced=enhanced, answer=answer)
    detail = {"reason": reason, "code": code, "enhanced": enhanced}
    audit.append(connection, now, "postroom", "send.refused", f"send:{send_id}", detail, {"answer": answer})


def record_unknown(connection: Connection, send_id: int, *, next_check_at: datetime | None, checks: int) -> None:
    """Note when the Sent folder is searched (again) for a send whose outcome is open."""
    connection.execute(
        update(_SEND)
        .where(_SEND.c.id == send_id, _SEND.c.state == SendState.CLAIMED)
        .values(next_check_at=next_check_at, checks=checks)
    )


def record_uncertain(connection: Connection, send_id: int, now: datetime) -> None:
    """Give up asking: never sent again by itself, shown to the owner."""
    row = _settle(connection, send_id, SendState.UNCERTAIN, reason="no-answer")
    connection.execute(update(_ENROLLMENT).where(_ENROLLMENT.c.id == row.enrollment_id).values(due_at=None))
    audit.append(connection, now, "postroom", "send.uncertain", f"send:{send_id}", {"checks": row.checks})


def record_not_sent(connection: Connection, send_id: int, now: datetime) -> None:
    """Plan a claimed send again: the Sent folder, whose search has proved itself, does not hold it."""
    row = _settle(connection, send_id, SendState.PLANNED, next_check_at=None, claimed_at=None)
    _due_again(connection, row.enrollment_id, now)
    audit.append(connection, now, "postroom", "send.planned-again", f"send:{send_id}", {"checks": row.checks})


def _settle(connection: Connection, send_id: int, state: SendState, **values: Any) -> Row[Any]:
    changed = connection.execute(
        update(_SEND)
        .where(_SEND.c.id == send_id, _SEND.c.state.in_(sources_of(state)))
        .values(state=state, **values)
        .returning(_SEND.c.enrollment_id, _SEND.c.step, _SEND.c.checks)
    ).one_or_none()
    if changed is None:
        raise AssertionError(f"send {send_id} cannot become {state}: it is already settled")
    return changed


def _due_again(connection: Connection, enrollment_id: int, at: datetime) -> None:
    same = (_ENROLLMENT.c.id == enrollment_id, _ENROLLMENT.c.state == EnrollmentState.ACTIVE)
    connection.execute(update(_ENROLLMENT).where(*same).values(due_at=at))


def open_claims(connection: Connection, now: datetime, grace: timedelta) -> list[Row[Any]]:
    """Return claims without an outcome that are older than the grace and due for a look into Sent."""
    due = or_(_SEND.c.next_check_at.is_(None), _SEND.c.next_check_at <= now)
    query = select(_SEND.c.id, _SEND.c.mailbox, _SEND.c.message_id, _SEND.c.checks, _SEND.c.claimed_at, _SEND.c.step,
                   _SEND.c.sequence, _SEND.c.contact_id)  # fmt: skip
    return list(
        connection.execute(
            query.where(_SEND.c.state == SendState.CLAIMED, _SEND.c.claimed_at <= now - grace, due).limit(200)
        )
    )


def raw_of(connection: Connection, send_id: int) -> bytes:
    """Return the exact bytes of a send."""
    return bytes(connection.execute(select(_SEND.c.raw).where(_SEND.c.id == send_id)).scalar_one())


_SENT_FIELDS = ("enrollment_id", "contact_id", "account_id", "sequence", "step", "variant", "mailbox", "recipient",
                "subject", "message_id", "learnt_id", "token", "state", "sent_at")  # fmt: skip
_SENT = select(_SEND.c.id.label("send_id"), _SEND.c.body_text.label("text"), *(_SEND.c[name] for name in _SENT_FIELDS))


def find_sent(connection: Connection, /, **lists: Sequence[Any]) -> list[records.SentMessage]:
    """Return sends that may have left, newest first, by one column: `find_sent(c, recipient=[...])`.

    `message_id=` also finds ids that a provider rewrote.
    """
    ((name, values),) = lists.items()
    same: ColumnElement[bool] = _SEND.c[name].in_(values)
    if name == "message_id":
        same = or_(same, _SEND.c.learnt_id.in_([value for value in values if value]))
    query = _SENT.where(same, _SEND.c.state.in_(COUNTED)).order_by(_SEND.c.claimed_at.desc(), _SEND.c.id.desc())
    return [records.SentMessage(**row._mapping) for row in connection.execute(query)]


def all_sends(connection: Connection) -> list[dict[str, Any]]:
    """Return every row of the ledger for people to read, in order of planning."""
    names = ("id", "message_id", "mailbox", "contact_id", "recipient", "sequence", "step", "variant", "state",
             "sent_at", "claimed_at", "planned_at", "reason")  # fmt: skip
    return [dict(row._mapping) for row in connection.execute(select(*(_SEND.c[n] for n in names)).order_by(_SEND.c.id))]
