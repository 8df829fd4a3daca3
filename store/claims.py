"""May this very message leave now? Asked between RCPT and DATA, in the one transaction that commits the claim.

Everything is asked again here, whatever the plan said: the hold of a restored database, the lease's epoch, the
enrollment, the contact, the exact bytes, the sequence, the mailbox, the domain's verdict, the window, every limit, and
the suppression ledger under its locks. The claim is the point of no return: its commit and a suppression's commit have
one order, and the lease is made to outlast the DATA that follows. This is a hot path: its statements are built once.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, select, update

from store import suppression
from store.claim_limits import ClaimAsk as ClaimAsk
from store.claim_limits import ClaimCounts, lock_all
from store.claim_limits import ClaimLimits as ClaimLimits
from store.claim_limits import forbidding_limits as forbidding_limits
from store.database import shared_now
from store.errors import StoreOnHold
from store.hot import Hot
from store.tables import Contact, Domain, Enrollment, Instance, Lease, Mailbox, Send, core
from store.tables import Sequence as SequenceTable
from store.vocabulary import EnrollmentState, MailboxState, SendState, VerdictLevel

_SEND, _ENROLLMENT, _LEASE, _INSTANCE = core(Send), core(Enrollment), core(Lease), core(Instance)
_DOMAIN, _MAILBOX, _SEQUENCE, _CONTACT = core(Domain), core(Mailbox), core(SequenceTable), core(Contact)


_FACTS = Hot(
    select(
        *(_SEND.c[name] for name in ("id", "state", "enrollment_id", "step", "sequence", "mailbox", "sending_domain",
                                     "recipient", "recipient_domain", "not_before", "not_after", "sha256")),
        _CONTACT.c.account_id,
        _CONTACT.c.email,
        _CONTACT.c.do_not_contact,
        _ENROLLMENT.c.state.label("enrollment_state"),
        _ENROLLMENT.c.step.label("enrollment_step"),
        _LEASE.c.epoch,
        _LEASE.c.expires_at.label("lease_expires_at"),
        _DOMAIN.c.verdict,
        _MAILBOX.c.state.label("mailbox_state"),
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
    .where(_SEND.c.id.in_(bindparam("ids", expanding=True)))
    .order_by(_SEND.c.id)
    .with_for_update(of=[_ENROLLMENT, _SEND])  # the send too: another node may be composing it again
)  # fmt: skip
_CLAIM = Hot(
    update(_SEND)
    .where(_SEND.c.id == bindparam("send"), _SEND.c.state == SendState.PLANNED)
    .values(
        state=SendState.CLAIMED,
        claimed_at=bindparam("at"),
        claim_epoch=bindparam("with_epoch"),
        attempts=_SEND.c.attempts + 1,
    )
)
_TAKE = Hot(
    update(_ENROLLMENT)
    .where(_ENROLLMENT.c.id == bindparam("enrollment"), _ENROLLMENT.c.state == EnrollmentState.ACTIVE)
    .values(due_at=None, mailbox=bindparam("from_mailbox"))
)


_EXTEND = Hot(
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
) -> str:
    """Claim one send; see `claim_all`."""
    return claim_all(connection, [ClaimAsk(send_id, epoch, limits, now, sha256)], secret)[0]


def claim_all(
    connection: Connection, asks: Sequence[ClaimAsk], secret: bytes, stop_waits: Callable[[], bool] | None = None
) -> list[str]:
    """Claim sends one after another in one transaction; returns for each "" when it may go, else what forbids it.

    Facts, counts and suppressions are read once for all of them, under the locks; what an earlier one claims counts
    against the later ones. `stop_waits`, asked last, tells whether a wish to stop has not reached the database yet:
    then nothing is claimed. Raises StoreOnHold on a database that may not send.
    """
    rows = {row.id: row for row in _FACTS.rows(connection, {"ids": [ask.send_id for ask in asks]})}
    for row in rows.values():
        if row.hold or row.hold is None:
            raise StoreOnHold(
                f"this database is on hold ({row.hold or 'no-instance'}): `postroom hold release` lets it send"
            )
    hashes = {key: suppression.covering_hashes(secret, row.recipient, row.account_id) for key, row in rows.items()}
    suppression.lock_hashes(connection, {one for group in hashes.values() for one in group}, exclusive=False)
    pairs = [(rows[ask.send_id], ask) for ask in asks]
    lock_all(connection, [(row, ask.limits) for row, ask in pairs])
    shared = shared_now(connection, asks[0].now)
    counts = ClaimCounts(connection, pairs)
    latest = max(ask.now for ask in asks)
    stopped = dict(zip(hashes, suppression.find_covering_each(connection, list(hashes.values()), latest), strict=True))
    told: list[str] = []
    granted: dict[int, tuple[Any, ClaimAsk]] = {}
    for row, ask in pairs:
        mine = row.epoch == ask.epoch and row.lease_expires_at is not None and row.lease_expires_at > shared
        slug = _forbidding_state(row, mine, ask) or next(counts.forbidding(row, ask), "")
        if not slug and (entry := stopped.get(row.id)):
            slug = f"suppressed-{entry.reason}"
        slug = slug or ask.forbidden or ("send-claimed" if row.id in granted else "")
        told.append(slug)
        if not slug:
            granted[row.id] = (row, ask)
            counts.add(row, ask)
    if granted and stop_waits is not None and stop_waits():
        return [slug or "stop-waits" for slug in told]
    if granted:
        _grant(connection, list(granted.values()), shared)
    return told


def _grant(connection: Connection, granted: Sequence[tuple[Any, ClaimAsk]], shared: datetime) -> None:
    claims = [{"send": row.id, "at": ask.now, "with_epoch": ask.epoch} for row, ask in granted]
    takes = [{"enrollment": row.enrollment_id, "from_mailbox": row.mailbox} for row, _ in granted]
    if _CLAIM.run(connection, claims) != len(granted) or _TAKE.run(connection, takes) != len(granted):
        raise AssertionError(f"sends {[row.id for row, _ in granted]} changed inside their own claim")
    short = {
        row.mailbox: {"box": row.mailbox, "with_epoch": ask.epoch, "until": shared + ask.limits.lease}
        for row, ask in granted
        if row.lease_expires_at < shared + ask.limits.lease
    }
    if short:
        _EXTEND.run(connection, list(short.values()))


def _forbidding_state(row: Any, mine: bool, ask: ClaimAsk) -> str:
    opener = row.step == 0
    verdict = row.verdict or VerdictLevel.UNKNOWN
    checks = (
        (row.state == SendState.PLANNED, f"send-{row.state}"),
        (mine, "lease-lost"),
        (row.enrollment_state == EnrollmentState.ACTIVE, f"enrollment-{row.enrollment_state}"),
        (row.enrollment_step == row.step, "step-moved-on"),
        (ask.sha256 is None or row.sha256 == ask.sha256, "composed-again"),
        (row.email == row.recipient, "contact-changed"),
        (not row.do_not_contact, "do-not-contact"),
        (bool(row.sequence_active), "sequence-paused"),
        (row.mailbox_state in (None, MailboxState.ACTIVE), "mailbox-held"),
        (verdict not in (VerdictLevel.BLOCKED, VerdictLevel.UNKNOWN), f"domain-{verdict}"),
        (not opener or verdict == VerdictLevel.READY, "domain-degraded"),
        (row.not_before <= ask.now < row.not_after, "window"),
    )
    return next((slug for holds, slug in checks if not holds), "")
