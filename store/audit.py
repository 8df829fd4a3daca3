"""Who did what, when and why, so that nobody can change it unseen?

Every entry's hash covers the entry before it. Personal data stands in the chain only as a salted commitment; salt and
text are in `audit_private`, so that erasure deletes them and the chain still verifies. What this cannot prove: an
operator who holds the database *and* the signing key can rewrite everything after the last checkpoint that left the
machine. `audit_verify.py` checks an export with the standard library alone.
"""

import json
import secrets
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import Connection, bindparam, delete, insert, select, text

from store.audit_verify import ERASURE, GENESIS, canonical, commit, entry_hash
from store.hot import Hot
from store.tables import AuditCheckpoint, AuditEntry, AuditPrivate, core

_ENTRY, _PRIVATE, _CHECKPOINT = core(AuditEntry), core(AuditPrivate), core(AuditCheckpoint)
_HEAD = Hot(select(_ENTRY.c.seq, _ENTRY.c.hash).order_by(_ENTRY.c.seq.desc()).limit(1))
_INSERT = Hot(insert(_ENTRY))
_CHAIN_LOCK = 0x706F7374  # one advisory lock for the chain's head on PostgreSQL


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened.

    `detail` is public for ever: ids, states, reason slugs. Addresses, names and quotes go into `private`.
    """

    at: datetime
    actor: str
    action: str
    subject: str
    detail: Mapping[str, Any] | None = None
    private: Mapping[str, Any] | None = None


def append(
    connection: Connection,
    now: datetime,
    actor: str,
    action: str,
    subject: str,
    detail: Mapping[str, Any] | None = None,
    private: Mapping[str, Any] | None = None,
) -> int:
    """Append an entry in the caller's transaction and return its number; see `Entry`."""
    return append_all(connection, [Entry(now, actor, action, subject, detail, private)])


def append_all(connection: Connection, happened: Sequence[Entry]) -> int:
    """Append entries, one at least, in the caller's transaction and in this order; returns the number of the last."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _CHAIN_LOCK})
    head = next(iter(_HEAD.rows(connection, {})), None)
    seq, previous = (head.seq, head.hash) if head else (0, GENESIS)
    rows: list[dict[str, Any]] = []
    for one in happened:
        seq += 1
        row = {
            "seq": seq,
            "at": one.at.astimezone(UTC).isoformat(timespec="microseconds"),
            "actor": one.actor,
            "action": one.action,
            "subject": one.subject,
            "detail": canonical(one.detail or {}),
            "commitment": _keep_apart(connection, seq, one.private) if one.private else "",
            "previous": previous,
        }
        previous = row["hash"] = entry_hash(row)
        rows.append(row)
    _INSERT.run(connection, rows)
    return int(seq)


def _keep_apart(connection: Connection, seq: int, private: Mapping[str, Any]) -> str:
    """Store salt and personal data beside the chain; returns the commitment to them."""
    salt, body = secrets.token_hex(16), canonical(private)
    connection.execute(insert(_PRIVATE).values(seq=seq, salt=salt, body=body))
    return commit(salt, body)


def forget(
    connection: Connection,
    numbers: Collection[int],
    *,
    actor: str,
    subject: str,
    now: datetime,
    reason: str = "erasure",
) -> int:
    """Take the personal data of these entries away, and say so in the log; returns how many had some.

    The chain still verifies: it holds commitments, and without the salt nobody can find out by trying what they hid.
    """
    query = select(_PRIVATE.c.seq).where(_PRIVATE.c.seq.in_(bindparam("seqs", expanding=True)))
    gone: list[int] = []
    for start in range(0, len(chosen := sorted(set(numbers))), 10_000):
        gone += sorted(connection.execute(query, {"seqs": chosen[start : start + 10_000]}).scalars())
    for start in range(0, len(gone), 10_000):
        rows = _PRIVATE.c.seq.in_(gone[start : start + 10_000])
        connection.execute(delete(_PRIVATE).where(rows))
    append(connection, now, actor, ERASURE, subject, {"entries": _ranges(gone), "reason": reason})
    return len(gone)


def _ranges(numbers: Sequence[int]) -> list[list[int]]:
    found: list[list[int]] = []
    for number in numbers:
        if found and found[-1][1] == number - 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return found


def last_number(connection: Connection) -> int:
    """Return the number of the newest entry, 0 for an empty log."""
    head = next(iter(_HEAD.rows(connection, {})), None)
    return int(head.seq) if head is not None else 0


def latest(connection: Connection, subject: str) -> dict[str, Any] | None:
    """Return the newest entry about a subject, without its personal data."""
    query = select(_ENTRY).where(_ENTRY.c.subject == subject).order_by(_ENTRY.c.seq.desc()).limit(1)
    row = connection.execute(query).one_or_none()
    return dict(row._mapping) if row is not None else None


def entries(connection: Connection, *, subject: str = "", after: int = 0) -> Iterator[dict[str, Any]]:
    """Yield entries in order as plain objects; private text stands under `private` unless it was erased."""
    query = (
        select(_ENTRY, _PRIVATE.c.salt, _PRIVATE.c.body)
        .join(_PRIVATE, _PRIVATE.c.seq == _ENTRY.c.seq, isouter=True)
        .where(_ENTRY.c.seq > after)
        .order_by(_ENTRY.c.seq)
    )
    if subject:
        query = query.where(_ENTRY.c.subject == subject)
    for row in connection.execute(query.execution_options(yield_per=1_000)):  # millions: never all at once
        entry = dict(row._mapping)
        salt, body = entry.pop("salt"), entry.pop("body")
        entry["private"] = {"salt": salt, "body": body} if salt else None
        yield entry


def subjects_since(connection: Connection, action: str, since: str) -> list[str]:
    """Return the subject of every entry with this action since an instant (ISO 8601, UTC), oldest first."""
    query = select(_ENTRY.c.subject).where(_ENTRY.c.action == action, _ENTRY.c.at >= since)
    return list(connection.execute(query.order_by(_ENTRY.c.seq)).scalars())


def checkpoint(connection: Connection, key: Ed25519PrivateKey, now: datetime) -> dict[str, Any] | None:
    """Sign the head of the chain; returns the checkpoint to store elsewhere, or None when nothing is new."""
    head = next(iter(_HEAD.rows(connection, {})), None)
    if head is None:
        return None
    if connection.execute(select(_CHECKPOINT.c.seq).where(_CHECKPOINT.c.seq == head.seq)).one_or_none():
        return None
    body = {"seq": head.seq, "hash": head.hash, "at": now.astimezone(UTC).isoformat(timespec="microseconds")}
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()
    signed = body | {"public_key": public, "signature": key.sign(canonical(body).encode()).hex()}
    connection.execute(insert(_CHECKPOINT).values(**signed))
    return signed


def checkpoints(connection: Connection, after: int = 0) -> list[dict[str, Any]]:
    """Return the signed heads above a number, oldest first."""
    query = select(_CHECKPOINT).where(_CHECKPOINT.c.seq > after).order_by(_CHECKPOINT.c.seq)
    return [dict(row._mapping) for row in connection.execute(query)]


def private_body(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return the personal data of an entry as written, empty once erased."""
    held = entry.get("private")
    body: dict[str, Any] = json.loads(held["body"]) if held else {}
    return body
