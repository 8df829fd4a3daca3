"""What became of the letters that we send from one of our mailboxes to another, to see how mail arrives?

A probe counts against every limit like a letter, from the instant of its claim; it belongs to no sequence.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from store import audit, suppression
from store.claim_limits import ClaimLimits, forbidding_limits, lock_counts
from store.errors import StoreOnHold
from store.mailboxes import may_take
from store.schema import hold_reason
from store.tables import Domain, Mailbox, Message, Probe, RawMessage, core
from store.vocabulary import MailboxState, ProbeState, VerdictLevel

_PROBE, _DOMAIN, _MAILBOX = core(Probe), core(Domain), core(Mailbox)
_MESSAGE, _RAW = core(Message), core(RawMessage)
SKEW = timedelta(minutes=1)
HEAD_BYTES = 65_536  # where a message's private header must stand


@dataclass(frozen=True, slots=True)
class NewProbe:
    """One letter from a mailbox of ours to another."""

    mailbox: str
    recipient: str
    message_id: str
    account_id: None = None  #: limits of an account do not concern it, nor those of a sequence
    sequence: str = ""

    @property
    def sending_domain(self) -> str:
        """The domain it leaves from."""
        return self.mailbox.rpartition("@")[2]

    @property
    def recipient_domain(self) -> str:
        """The domain it goes to."""
        return self.recipient.rpartition("@")[2]


def claim(
    connection: Connection, new: NewProbe, *, node: str, secret: bytes, limits: ClaimLimits, now: datetime
) -> str:
    """Claim a probe between RCPT and DATA; returns "" when it may go, else the slug of what forbids it.

    Raises StoreOnHold on a database that may not send.
    """
    if reason := hold_reason(connection):
        raise StoreOnHold(f"this database is on hold ({reason}): `postroom hold release` lets it send")
    hashes = suppression.covering_hashes(secret, new.recipient, None)
    suppression.lock_hashes(connection, hashes, exclusive=False)
    lock_counts(connection, new, limits)
    state = connection.execute(select(_MAILBOX.c.state).where(_MAILBOX.c.address == new.mailbox)).scalar()
    verdict = connection.execute(select(_DOMAIN.c.verdict).where(_DOMAIN.c.name == new.sending_domain)).scalar()
    verdict = verdict or VerdictLevel.UNKNOWN
    checks = (
        (may_take(connection, new.mailbox, node, now), "lease-lost"),
        (state in (None, MailboxState.ACTIVE), "mailbox-held"),
        (verdict not in (VerdictLevel.BLOCKED, VerdictLevel.UNKNOWN), f"domain-{verdict}"),
        (suppression.find_covering(connection, hashes, now) is None, "suppressed"),
    )
    slug = next((slug for holds, slug in checks if not holds), "")
    slug = slug or next(forbidding_limits(connection, new, limits, now), "")
    if not slug:
        connection.execute(
            insert(_PROBE).values(
                mailbox=new.mailbox, recipient=new.recipient, message_id=new.message_id, claimed_at=now,
                sending_domain=new.sending_domain, recipient_domain=new.recipient_domain, state=ProbeState.CLAIMED,
                answer="", folder="", facts={}, faults=[],
            )
        )  # fmt: skip
    return slug


def settle(
    connection: Connection,
    probe_id: int,
    state: ProbeState,
    *,
    faults: Sequence[str] = (),
    new_faults: Sequence[str] = (),
    facts: Mapping[str, str] | None = None,
    folder: str = "",
    seconds: float | None = None,
    arrived_at: datetime | None = None,
    answer: str = "",
    now: datetime,
) -> None:
    """Write down what became of a probe, once; `new_faults` are worth an alert."""
    open_one = (_PROBE.c.id == probe_id, _PROBE.c.state == ProbeState.CLAIMED)
    values: dict[str, Any] = {"state": state, "faults": list(faults), "facts": dict(facts or {}), "folder": folder,
                              "seconds": seconds, "arrived_at": arrived_at, "answer": answer}  # fmt: skip
    if connection.execute(update(_PROBE).where(*open_one).values(**values)).rowcount and new_faults:
        row = connection.execute(select(_PROBE).where(_PROBE.c.id == probe_id)).one()
        detail = {"to": row.recipient, "new": list(new_faults), "folder": folder}
        audit.append(connection, now, "postroom", "probe.drift", f"mailbox:{row.mailbox}", detail)


def waiting(connection: Connection) -> list[dict[str, Any]]:
    """Return the probes whose copy has not been seen yet."""
    query = select(_PROBE).where(_PROBE.c.state == ProbeState.CLAIMED).order_by(_PROBE.c.id)
    return [dict(row._mapping) for row in connection.execute(query)]


def by_message_id(connection: Connection, message_id: str) -> dict[str, Any] | None:
    """Return one probe."""
    row = connection.execute(select(_PROBE).where(_PROBE.c.message_id == message_id)).one_or_none()
    return dict(row._mapping) if row is not None else None


def copies(connection: Connection, recipient: str, since: datetime, sent_folder: str | None) -> list[dict[str, Any]]:
    """Return the beginnings of what was stored of a mailbox since a probe left, its Sent folder apart."""
    head = func.substr(_RAW.c.body, 1, HEAD_BYTES).label("head")
    columns = (_MESSAGE.c.folder, _MESSAGE.c.internal_at, _MESSAGE.c.stored_at, _MESSAGE.c.sha256, head)
    query = (
        select(*columns)
        .join(_RAW, _RAW.c.sha256 == _MESSAGE.c.sha256)
        .where(_MESSAGE.c.mailbox == recipient, _MESSAGE.c.stored_at >= since - SKEW)
    )
    rows = connection.execute(query.order_by(_MESSAGE.c.id))
    return [dict(row._mapping) for row in rows if row.folder != sent_folder]


def history(connection: Connection, mailbox: str = "", limit: int = 1000) -> list[dict[str, Any]]:
    """Return settled probes, newest first, of one mailbox or all."""
    query = select(_PROBE).where(_PROBE.c.state != ProbeState.CLAIMED)
    query = query.where(_PROBE.c.mailbox == mailbox) if mailbox else query
    return [dict(row._mapping) for row in connection.execute(query.order_by(_PROBE.c.id.desc()).limit(limit))]


def last_claims(connection: Connection) -> dict[tuple[str, str], datetime]:
    """Return when each pair of mailboxes was probed last."""
    query = select(_PROBE.c.mailbox, _PROBE.c.recipient, _PROBE.c.claimed_at).order_by(_PROBE.c.id)
    return {(row.mailbox, row.recipient): row.claimed_at for row in connection.execute(query)}


def selectors(connection: Connection) -> dict[str, tuple[str, ...]]:
    """Return the DKIM selector with which each domain's last delivered copy was signed."""
    found: dict[str, tuple[str, ...]] = {}
    for row in history(connection):
        signer, selector = row["facts"].get("signer", ""), row["facts"].get("selector", "")
        if signer and selector:
            found.setdefault(signer, (selector,))
    return found


def newest_copies(connection: Connection) -> dict[str, dict[str, str]]:
    """Return what each sending domain's newest delivered copy said."""
    found: dict[str, dict[str, str]] = {}
    for row in history(connection):
        if row["state"] == ProbeState.DELIVERED:
            found.setdefault(row["sending_domain"], row["facts"])
    return found


def trend(connection: Connection, mailbox: str, last: int = 20) -> dict[str, Any]:
    """Return how a mailbox's last probes fared: how many, how many without fault, median seconds on the way."""
    rows = history(connection, mailbox, last)
    seconds = [row["seconds"] for row in rows if row["seconds"] is not None]
    return {"probes": len(rows), "clean": sum(not row["faults"] for row in rows),
            "seconds": round(median(seconds), 1) if seconds else None}  # fmt: skip
