"""Who is never mailed, and since when, and why?

Entries are found by a keyed hash, so that one survives the erasure of the address it blocks. A suppression and a
claim of a send take the same locks (`lock_hashes`), so no DATA begins after a suppression has committed. Entries of
one value are one row: the strongest reason, and the latest end that any of them asked for. Nothing but `remove`, by a
named person, takes an entry away. Whole lists come in by `suppression_import.py`.
"""

import hashlib
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from functools import lru_cache
from typing import Any

import idna
from sqlalchemy import Connection, bindparam, delete, func, insert, or_, select, text, update

from store import audit
from store.errors import PermanentError
from store.hot import Hot
from store.records import Suppression
from store.tables import Suppression as SuppressionTable
from store.tables import core
from store.vocabulary import SuppressionKind, SuppressionReason

_TABLE = core(SuppressionTable)
STRENGTH = {reason: strength for strength, reason in enumerate(reversed(SuppressionReason))}
EXPIRING = frozenset({SuppressionReason.MANUAL, SuppressionReason.CUSTOMER, SuppressionReason.COMPETITOR})
CHUNK = 500  # values asked for at once

_LOCK = text("SELECT pg_advisory_xact_lock(k) FROM unnest(CAST(:keys AS bigint[])) AS k")
_LOCK_SHARED = text("SELECT pg_advisory_xact_lock_shared(k) FROM unnest(CAST(:keys AS bigint[])) AS k")
_NAMES = ("kind", "value", "reason", "source", "evidence", "created_at", "expires_at")  # in the record's order
_ASKED = _TABLE.c.value_hash.in_(bindparam("hashes", expanding=True))
_BY_HASH = select(_TABLE).where(_ASKED)
_COVERING = Hot(
    select(_TABLE.c.value_hash, *(_TABLE.c[name] for name in _NAMES)).where(
        _ASKED, or_(_TABLE.c.expires_at.is_(None), _TABLE.c.expires_at > bindparam("now"))
    )
)


def canonical(kind: SuppressionKind, value: str) -> str:
    """Return a value as the ledger keeps it: lower case, its domain in ASCII (IDNA), so that one thing has one hash."""
    value = value.strip().lower()
    if kind == SuppressionKind.ACCOUNT:
        return value
    local, at, domain = value.rpartition("@")
    if kind == SuppressionKind.DOMAIN:
        local, at, domain = "", "", domain.removeprefix("*.")
    domain = domain.strip(".")
    if not value.isascii():
        local = unicodedata.normalize("NFC", local)
        with suppress(idna.IDNAError):  # not a name that mail can go to: kept as written
            domain = idna.encode(domain, uts46=True).decode()
    return f"{local}{at}{domain}"


def hash_value(secret: bytes, kind: SuppressionKind, value: str) -> bytes:
    """Return the 16-byte keyed hash under which an entry is kept."""
    return digest_of(secret, kind, canonical(kind, value))


def digest_of(secret: bytes, kind: SuppressionKind, known: str) -> bytes:
    """Return the keyed hash of a value that is canonical already."""
    hasher = _hasher(secret, kind).copy()
    hasher.update(known.encode())
    return hasher.digest()


@lru_cache(maxsize=16)
def _hasher(secret: bytes, kind: SuppressionKind) -> "hashlib.blake2b":
    """Return the hash as it stands before the value: the key is laid in once."""
    return hashlib.blake2b(f"{kind}:".encode(), digest_size=16, key=secret[:64])


def covering_hashes(secret: bytes, address: str, account_id: int | None) -> tuple[bytes, ...]:
    """Return the hashes of every entry that would cover an address: itself, its domain and parents, its account."""
    address = canonical(SuppressionKind.ADDRESS, address)
    found = (digest_of(secret, SuppressionKind.ADDRESS, address), *_domain_hashes(secret, address.rpartition("@")[2]))
    return found if account_id is None else (*found, digest_of(secret, SuppressionKind.ACCOUNT, str(account_id)))


@lru_cache(maxsize=10_000)  # many addresses, few domains
def _domain_hashes(secret: bytes, domain: str) -> tuple[bytes, ...]:
    """Return the hashes of a domain and its parents."""
    found = []
    while domain:
        found.append(digest_of(secret, SuppressionKind.DOMAIN, domain))
        parent = domain.partition(".")[2]
        domain = parent if "." in parent else ""
    return tuple(found)


def lock_hashes(connection: Connection, hashes: Collection[bytes], *, exclusive: bool) -> None:
    """Take the transaction's locks on these hashes; SQLite's single writer needs none."""
    if connection.dialect.name != "postgresql" or not hashes:
        return
    keys = sorted(int.from_bytes(value[:8], "big", signed=True) for value in hashes)  # one order: no deadlock
    connection.execute(_LOCK if exclusive else _LOCK_SHARED, {"keys": keys})


def find_covering(connection: Connection, hashes: Sequence[bytes], now: datetime) -> Suppression | None:
    """Return the strongest entry among these hashes that is in force, or None."""
    return find_covering_each(connection, [hashes], now)[0]


def find_covering_many(
    connection: Connection, secret: bytes, asked: Sequence[tuple[str, int | None]], now: datetime
) -> list[Suppression | None]:
    """Return for each (address, account) the strongest entry in force that covers it, or None."""
    return find_covering_each(connection, [covering_hashes(secret, *one) for one in asked], now)


def find_covering_each(
    connection: Connection, groups: Sequence[Collection[bytes]], now: datetime
) -> list[Suppression | None]:
    """Return for each group of hashes the strongest entry in force among them, or None."""
    wanted = sorted({value for group in groups for value in group})  # neighbours in the index, page after page
    found: dict[bytes, Suppression] = {}
    for start in range(0, len(wanted), CHUNK):
        rows = _COVERING.rows(connection, {"hashes": wanted[start : start + CHUNK], "now": now})
        found |= {digest: Suppression(*entry) for digest, *entry in rows}
    return [max([found[value] for value in group if value in found], key=_strength, default=None) for group in groups]


def by_hash(connection: Connection, hashes: Sequence[bytes]) -> dict[bytes, Any]:
    """Return the rows kept under these hashes, in force or not."""
    return {row.value_hash: row for row in connection.execute(_BY_HASH, {"hashes": hashes})}


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
    """Add an entry, or strengthen the one that is there; never weakens. Returns whether anything changed.

    Raises PermanentError for an end where the reason allows none.
    """
    if expires_at is not None and reason not in EXPIRING:
        raise PermanentError(f"{reason}: such an entry never ends; only {', '.join(sorted(EXPIRING))} may have an end")
    digest = hash_value(secret, kind, value)
    lock_hashes(connection, [digest], exclusive=True)
    new = Suppression(kind, canonical(kind, value), reason, source, evidence, now, expires_at)
    old = by_hash(connection, [digest]).get(digest)
    changes = strengthened(as_record(old) if old is not None else None, new, now)
    if not changes:
        return False
    if old is None:
        connection.execute(insert(_TABLE).values(kind=kind, value_hash=digest, **changes))
    else:
        connection.execute(update(_TABLE).where(_TABLE.c.id == old.id).values(**changes))
    detail = {"reason": changes.get("reason", new.reason), "source": source}
    if end := changes.get("expires_at"):
        detail["until"] = end.isoformat()
    private = {"value": new.value, "evidence": evidence}
    audit.append(connection, now, actor, "suppression.added", f"{kind}:{digest.hex()}", detail, private)
    return True


def strengthened(old: Suppression | None, new: Suppression, now: datetime) -> dict[str, Any]:
    """Return the columns that a new entry changes, none when the old one says as much already.

    Whatever either forbids stays forbidden: the stronger reason, the later end.
    """
    whole = {name: getattr(new, name) for name in _NAMES if name != "kind"}
    if old is None or (old.expires_at is not None and old.expires_at <= now):
        return whole
    ends = (old.expires_at, new.expires_at)
    expires_at = None if None in ends else max(end for end in ends if end)
    if STRENGTH[new.reason] > STRENGTH[old.reason]:
        return whole | {"expires_at": expires_at}
    return {"expires_at": expires_at} if expires_at != old.expires_at else {}


def remove(
    connection: Connection,
    secret: bytes,
    kind: SuppressionKind,
    value: str,
    *,
    actor: str,
    because: str,
    now: datetime,
) -> Suppression:
    """Take an entry away by the decision of a named person, and return it; whoever was stopped by it stays stopped.

    Raises PermanentError without a person or a reason, and where there is no such entry.
    """
    if not actor.strip() or not because.strip():
        raise PermanentError("an entry is removed only by a named person with a reason: say --as and --because")
    digest = hash_value(secret, kind, value)
    lock_hashes(connection, [digest], exclusive=True)
    row = by_hash(connection, [digest]).get(digest)
    if row is None:
        raise PermanentError(f"{kind} {value} is not in the ledger; `postroom suppression list` shows what is")
    old = as_record(row)
    connection.execute(delete(_TABLE).where(_TABLE.c.id == row.id))
    detail = {"reason": old.reason, "source": old.source, "since": old.created_at.isoformat()}
    private = {"value": canonical(kind, value), "because": because, "evidence": old.evidence}
    audit.append(connection, now, actor, "suppression.removed", f"{kind}:{digest.hex()}", detail, private)
    return old


def entries(connection: Connection) -> list[Suppression]:
    """Return the whole ledger, oldest first."""
    return [as_record(row) for row in connection.execute(select(_TABLE).order_by(_TABLE.c.id))]


def ledger(connection: Connection) -> Iterator[dict[str, Any]]:
    """Yield every entry with its keyed hash, oldest first, as people and scripts read it."""
    query = select(_TABLE).order_by(_TABLE.c.id).execution_options(yield_per=1_000)  # millions: never all at once
    for row in connection.execute(query):
        yield {name: getattr(row, name) for name in _NAMES} | {"hash": row.value_hash.hex()}


def counts_by_reason(connection: Connection, now: datetime) -> dict[SuppressionReason, int]:
    """Return how many entries are in force for each reason."""
    in_force = or_(_TABLE.c.expires_at.is_(None), _TABLE.c.expires_at > now)
    query = select(_TABLE.c.reason, func.count()).where(in_force).group_by(_TABLE.c.reason)
    return {SuppressionReason(reason): number for reason, number in connection.execute(query)}


def as_record(row: Any) -> Suppression:
    """Return a row of the ledger as decisions read it."""
    return Suppression(**{name: getattr(row, name) for name in _NAMES})


def _strength(entry: Suppression) -> int:
    return STRENGTH[entry.reason]
