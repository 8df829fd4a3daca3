"""May this very message leave now? Asked between RCPT and DATA, in the one transaction that commits the claim.

Everything is asked again here, whatever the plan said: the hold of a restored database, the lease's epoch, the
enrollment, the contact, the exact bytes, the sequence, the mailbox, the domain's verdict, the window, every limit, and
the suppression ledger under its locks. The claim is the point of no return: its commit and a suppression's commit have
one order, and the lease is made to outlast the DATA that follows. This is a hot path: its statements are built once.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Column, Connection, Select, bindparam, func, or_, select, text, update

from store import suppression
from store.database import shared_now
from store.errors import StoreOnHold
from store.send_states import COUNTED
from store.tables import Contact, Domain, Enrollment, Instance, Lease, Mailbox, Probe, Send, core
from store.tables import Sequence as SequenceTable
from store.vocabulary import EnrollmentState, MailboxState, SendState, VerdictLevel

_SEND, _ENROLLMENT, _LEASE, _INSTANCE = core(Send), core(Enrollment), core(Lease), core(Instance)
_DOMAIN, _MAILBOX, _SEQUENCE, _CONTACT = core(Domain), core(Mailbox), core(SequenceTable), core(Contact)
DAY = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class ClaimLimits:
    """Caps of the rolling 24 h that a claim counts again; None is no cap."""

    mailbox: int
    sending_domain: int | None = None
    recipient_domain: int | None = None
    account: int | None = None
    pilot: int | None = None  #: contacts that the sequence may open with until its rules say go
    gap: timedelta = timedelta()
    lease: timedelta = timedelta()  #: the lease must last at least so long, or is renewed to it: DATA takes its time


_FACTS = (
    select(
        *(_SEND.c[name] for name in ("id", "state", "enrollment_id", "step", "mailbox", "sending_domain", "recipient",
                                     "recipient_domain", "not_before", "not_after", "sha256")),
        _CONTACT.c.account_id,
        _CONTACT.c.email,
        _CONTACT.c.do_not_contact,
        _ENROLLMENT.c.state.label("enrollment_state"),
        _ENROLLMENT.c.step.label("enrollment_step"),
        _LEASE.c.epoch,
        _LEASE.c.expires_at.label("lease_expires_at"),
        _DOMAIN.c.verdict,
        _MAILBOX.c.state.label("mailbox_state"),
        _SEND.c.sequence,
        _SEQUENCE.c.active.label("sequence_active"),
        _SEQUENCE.c.activated_at,
        select(_INSTANCE.c.hold_reason).limit(1).scalar_subquery().label("hold"),
    )
    .join(_ENROLLMENT, _ENROLLMENT.c.id == _SEND.c.enrollment_id)
    .join(_CONTACT, _CONTACT.c.id == _SEND.c.contact_id)
    .join(_LEASE, _LEASE.c.mailbox == _SEND.c.mailbox, isouter=True)
    .join(_DOMAIN, _DOMAIN.c.name == _SEND.c.sending_domain, isouter=True)
    .join(_MAILBOX, _MAILBOX.c.address == _SEND.c.mailbox, isouter=True)
    .join(_SEQUENCE, _SEQUENCE.c.name == _SEND.c.sequence, isouter=True)
    .where(_SEND.c.id == bindparam("id"))
    .with_for_update(of=_ENROLLMENT)
)  # fmt: skip


def _count_by(column: Column[Any]) -> Select[int, Any]:
    counted = or_(*(_SEND.c.state == state for state in COUNTED))
    return select(func.count(), func.max(_SEND.c.claimed_at)).where(
        column == bindparam("key"), counted, _SEND.c.claimed_at > bindparam("since")
    )


_BY_MAILBOX = _count_by(_SEND.c.mailbox)
_BY_SENDING_DOMAIN = _count_by(_SEND.c.sending_domain)
_BY_RECIPIENT_DOMAIN = _count_by(_SEND.c.recipient_domain)
_BY_ACCOUNT = _count_by(_SEND.c.account_id)
_OPENED = select(func.count()).where(
    _SEND.c.sequence == bindparam("key"),
    _SEND.c.planned_at >= bindparam("since"),
    _SEND.c.step == 0,
    or_(*(_SEND.c.state == state for state in COUNTED)),
)
_PROBE = core(Probe)
_PROBES = select(_PROBE.c.mailbox, _PROBE.c.sending_domain, _PROBE.c.recipient_domain, _PROBE.c.claimed_at).where(
    _PROBE.c.claimed_at > bindparam("since")
)
_CLAIM = (
    update(_SEND)
    .where(_SEND.c.id == bindparam("send"), _SEND.c.state == SendState.PLANNED)
    .values(
        state=SendState.CLAIMED,
        claimed_at=bindparam("at"),
        claim_epoch=bindparam("with_epoch"),
        attempts=_SEND.c.attempts + 1,
    )
)
_TAKE = (
    update(_ENROLLMENT)
    .where(_ENROLLMENT.c.id == bindparam("enrollment"), _ENROLLMENT.c.state == EnrollmentState.ACTIVE)
    .values(due_at=None, mailbox=bindparam("from_mailbox"))
)


_EXTEND = (
    update(_LEASE)
    .where(_LEASE.c.mailbox == bindparam("box"), _LEASE.c.epoch == bindparam("with_epoch"))
    .values(expires_at=bindparam("until"))
)


def claim(
    connection: Connection,
    send_id: int,
    *,
    epoch: int,
    secret: bytes,
    limits: ClaimLimits,
    now: datetime,
    sha256: str | None = None,
    forbid: Callable[[Connection], str] | None = None,
) -> str:
    """Claim a send; returns "" when it may go, else the slug of what forbids it.

    `sha256` is of the bytes in the caller's hand: another node may have composed the step again meanwhile.
    `forbid` asks the guardrails once more inside this transaction: a slug, or "" when nothing speaks against it.
    Raises StoreOnHold on a database that may not send.
    """
    row = connection.execute(_FACTS, {"id": send_id}).one()
    shared = shared_now(connection, now)
    if row.hold or row.hold is None:
        raise StoreOnHold(
            f"this database is on hold ({row.hold or 'no-instance'}): `postroom hold release` lets it send"
        )
    hashes = suppression.covering_hashes(secret, row.recipient, row.account_id)
    suppression.lock_hashes(connection, hashes, exclusive=False)
    lock_counts(connection, row, limits)
    mine = row.epoch == epoch and row.lease_expires_at is not None and row.lease_expires_at > shared
    slug = _forbidding_state(row, mine, now, sha256) or next(forbidding_limits(connection, row, limits, now), "")
    if not slug and (entry := suppression.find_covering(connection, hashes, now)):
        slug = f"suppressed-{entry.reason}"
    if not slug and forbid is not None:
        slug = forbid(connection)
    if slug:
        return slug
    claimed = connection.execute(_CLAIM, {"send": send_id, "at": now, "with_epoch": epoch})
    taken = connection.execute(_TAKE, {"enrollment": row.enrollment_id, "from_mailbox": row.mailbox})
    if claimed.rowcount != 1 or taken.rowcount != 1:
        raise AssertionError(f"send {send_id} changed inside its own claim")
    if row.lease_expires_at < shared + limits.lease:
        connection.execute(_EXTEND, {"box": row.mailbox, "with_epoch": epoch, "until": shared + limits.lease})
    return ""


def lock_counts(connection: Connection, row: Any, limits: ClaimLimits) -> None:
    """Let no other node count the same limit at the same time (READ COMMITTED would let both see one place left)."""
    if connection.dialect.name != "postgresql":
        return
    keys = [f"mailbox:{row.mailbox}"]
    keys += [f"sending:{row.sending_domain}"] * (limits.sending_domain is not None)
    keys += [f"recipient:{row.recipient_domain}"] * (limits.recipient_domain is not None)
    keys += [f"pilot:{row.sequence}"] * (limits.pilot is not None and row.step == 0)
    keys += [f"account:{row.account_id}"] * (limits.account is not None and row.account_id is not None)
    for key in sorted(keys):
        number = int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), "big", signed=True)
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": number})


def _forbidding_state(row: Any, mine: bool, now: datetime, sha256: str | None) -> str:
    opener = row.step == 0
    verdict = row.verdict or VerdictLevel.UNKNOWN
    checks = (
        (row.state == SendState.PLANNED, f"send-{row.state}"),
        (mine, "lease-lost"),
        (row.enrollment_state == EnrollmentState.ACTIVE, f"enrollment-{row.enrollment_state}"),
        (row.enrollment_step == row.step, "step-moved-on"),
        (sha256 is None or row.sha256 == sha256, "composed-again"),
        (row.email == row.recipient, "contact-changed"),
        (not row.do_not_contact, "do-not-contact"),
        (bool(row.sequence_active), "sequence-paused"),
        (row.mailbox_state in (None, MailboxState.ACTIVE), "mailbox-held"),
        (verdict not in (VerdictLevel.BLOCKED, VerdictLevel.UNKNOWN), f"domain-{verdict}"),
        (not opener or verdict == VerdictLevel.READY, "domain-degraded"),
        (row.not_before <= now < row.not_after, "window"),
    )
    return next((slug for holds, slug in checks if not holds), "")


def forbidding_limits(connection: Connection, row: Any, limits: ClaimLimits, now: datetime) -> Iterator[str]:
    """Yield the limits that are reached, letters and probes counted together."""
    since = now - DAY
    probes = connection.execute(_PROBES, {"since": since}).all()
    number, last = connection.execute(_BY_MAILBOX, {"key": row.mailbox, "since": since}).one()
    own = [probe.claimed_at for probe in probes if probe.mailbox == row.mailbox]
    number, last = number + len(own), max((at for at in (last, *own) if at is not None), default=None)
    if number >= limits.mailbox:
        yield "daily-limit"
    if limits.gap and last is not None and last > now - limits.gap:
        yield "gap"
    shared = (
        (limits.sending_domain, _BY_SENDING_DOMAIN, row.sending_domain, "sending-domain-cap"),
        (limits.recipient_domain, _BY_RECIPIENT_DOMAIN, row.recipient_domain, "recipient-domain-cap"),
        (limits.account, _BY_ACCOUNT, row.account_id, "account-cap"),
    )
    for cap, query, key, slug in shared:
        if cap is not None and key is not None:
            number, _ = connection.execute(query, {"key": key, "since": since}).one()
            if number + sum(key in (probe.sending_domain, probe.recipient_domain) for probe in probes) >= cap:
                yield slug
    if limits.pilot is not None and row.step == 0:
        opened = {"key": row.sequence, "since": row.activated_at or now}
        if connection.execute(_OPENED, opened).scalar_one() >= limits.pilot:
            yield "pilot"
