"""Who is never mailed, and since when, and why?

Entries are found by a keyed hash, so that one survives the erasure of the address it blocks. A suppression and a
claim of a send take the same locks (`lock_hashes`), so no DATA begins after a suppression has committed.
"""

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import Connection, bindparam, insert, or_, select, text, update

from store import audit
from store.records import Suppression
from store.tables import Suppression as SuppressionTable
from store.tables import core
from store.vocabulary import SuppressionKind, SuppressionReason

_TABLE = core(SuppressionTable)
_STRENGTH = {reason: strength for strength, reason in enumerate(reversed(SuppressionReason))}


_COVERING = select(_TABLE).where(
    _TABLE.c.value_hash.in_(bindparam("hashes", expanding=True)),
    or_(_TABLE.c.expires_at.is_(None), _TABLE.c.expires_at > bindparam("now")),
)


def hash_value(secret: bytes, kind: SuppressionKind, value: str) -> bytes:
    """Return the 16-byte keyed hash under which an entry is kept."""
    return hashlib.blake2b(f"{kind}:{value.strip().lower()}".encode(), digest_size=16, key=secret[:64]).digest()


def covering_hashes(secret: bytes, address: str, account_id: int | None) -> tuple[bytes, ...]:
    """Return the hashes of every entry that would cover an address: itself, its domain and parents, its account."""
    found = [hash_value(secret, SuppressionKind.ADDRESS, address)]
    labels = address.rpartition("@")[2].lower().split(".")
    for start in range(max(1, len(labels) - 1)):
        found.append(hash_value(secret, SuppressionKind.DOMAIN, ".".join(labels[start:])))
    if account_id is not None:
        found.append(hash_value(secret, SuppressionKind.ACCOUNT, str(account_id)))
    return tuple(found)


def lock_hashes(connection: Connection, hashes: Iterable[bytes], *, exclusive: bool) -> None:
    """Take the transaction's locks on these hashes; SQLite's single writer needs none."""
    if connection.dialect.name != "postgresql":
        return
    name = "pg_advisory_xact_lock" if exclusive else "pg_advisory_xact_lock_shared"
    for value in sorted(hashes):
        key = int.from_bytes(value[:8], "big", signed=True)
        connection.execute(text(f"SELECT {name}(:key)"), {"key": key})


def find_covering(connection: Connection, hashes: Sequence[bytes], now: datetime) -> Suppression | None:
    """Return the strongest entry among these hashes that is in force, or None."""
    rows = connection.execute(_COVERING, {"hashes": hashes, "now": now})
    return max(map(_record, rows), key=lambda entry: _STRENGTH[entry.reason], default=None)


def add(
    connection: Connection,
    secret: bytes,
    kind: SuppressionKind,
    value: str,
    reason: SuppressionReason,
    *,
    source: str,
    evidence: str,
    actor: str,
    now: datetime,
    expires_at: datetime | None = None,
) -> bool:
    """Add an entry, or strengthen the one that is there; never weakens. Returns whether anything changed."""
    digest = hash_value(secret, kind, value)
    lock_hashes(connection, [digest], exclusive=True)
    old = connection.execute(select(_TABLE).where(_TABLE.c.kind == kind, _TABLE.c.value_hash == digest)).one_or_none()
    if old is not None and not _stronger(reason, expires_at, _record(old)):
        return False
    if old is not None and old.expires_at is None:
        expires_at = None  # a stronger reason never shortens a stop
    values = {
        "value": value.strip().lower(),
        "reason": reason,
        "source": source,
        "evidence": evidence,
        "created_at": now,
        "expires_at": expires_at,
    }
    if old is None:
        connection.execute(insert(_TABLE).values(kind=kind, value_hash=digest, **values))
    else:
        connection.execute(update(_TABLE).where(_TABLE.c.id == old.id).values(**values))
    private = {"value": values["value"], "evidence": evidence}
    audit.append(
        connection,
        now,
        actor,
        "suppression.added",
        f"{kind}:{digest.hex()}",
        {"reason": reason, "source": source},
        private,
    )
    return True


def _stronger(reason: SuppressionReason, expires_at: datetime | None, old: Suppression) -> bool:
    if _STRENGTH[reason] != _STRENGTH[old.reason]:
        return _STRENGTH[reason] > _STRENGTH[old.reason]
    return old.expires_at is not None and (expires_at is None or expires_at > old.expires_at)


def entries(connection: Connection) -> list[Suppression]:
    """Return the whole ledger, oldest first."""
    return [_record(row) for row in connection.execute(select(_TABLE).order_by(_TABLE.c.id))]


def _record(row: object) -> Suppression:
    names = ("kind", "value", "reason", "source", "evidence", "created_at", "expires_at")
    return Suppression(**{name: getattr(row, name) for name in names})
