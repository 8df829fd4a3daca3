"""How does a list of millions join the ledger, in bounded memory and without holding up a send?

`Stage` keeps the list in a private temporary database on disk and gives it back in the order of the hashes. So each
small unit of work meets neighbouring pages of the ledger's index, and the writer is free between two units.
"""

import hashlib
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, Self

from sqlalchemy import Connection, bindparam, insert, update

from store import audit
from store.records import Suppression
from store.suppression import CHUNK, STRENGTH, as_record, by_hash, canonical, hash_value, lock_hashes, strengthened
from store.tables import Suppression as SuppressionTable
from store.tables import core
from store.vocabulary import SuppressionKind

_TABLE = core(SuppressionTable)
_CACHE_KIB = 65_536  # of the stage; what is more goes to disk
UNIT = {"sqlite": 10_000, "postgresql": 1_000}  # entries in one unit; PostgreSQL holds one lock for each

_INSERT = insert(_TABLE)
_UPDATE = (
    update(_TABLE)
    .where(_TABLE.c.value_hash == bindparam("digest"))
    .values({name: bindparam(name) for name in ("value", "reason", "source", "evidence", "created_at", "expires_at")})
)
_COLUMNS = "digest, strength, kind, value, source, evidence, created_at, expires_at"
_REASONS = {strength: reason for reason, strength in STRENGTH.items()}

Listed = tuple[bytes, Suppression]


class Stage:
    """A list on its way into the ledger; leaves nothing behind when closed or killed."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._disk = sqlite3.connect("")  # a private file that SQLite itself has unlinked
        self._disk.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
        self._disk.execute("PRAGMA journal_mode=OFF")
        self._disk.execute("PRAGMA temp_store=FILE")
        self._disk.execute(f"CREATE TABLE listed ({_COLUMNS})")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._disk.close()

    def add(self, entries: Iterable[tuple[Suppression, bytes | None]]) -> None:
        """Keep entries; one that was erased comes with its hash instead of its value."""
        self._disk.executemany(f"INSERT INTO listed VALUES ({','.join('?' * 8)})", map(self._flat, entries))  # noqa: S608

    def batches(self, size: int) -> Iterator[list[Listed]]:
        """Yield everything in the order of the hashes, the strongest of equals first."""
        cursor = self._disk.execute(f"SELECT {_COLUMNS} FROM listed ORDER BY digest, strength DESC")  # noqa: S608
        while rows := cursor.fetchmany(size):
            yield [(row[0], _entry(*row[1:])) for row in rows]

    def _flat(self, listed: tuple[Suppression, bytes | None]) -> tuple[object, ...]:
        entry, digest = listed
        return (
            digest or hash_value(self._secret, entry.kind, entry.value), STRENGTH[entry.reason], entry.kind,
            canonical(entry.kind, entry.value), entry.source, entry.evidence, entry.created_at.isoformat(),
            entry.expires_at.isoformat() if entry.expires_at else None,
        )  # fmt: skip


def _entry(
    strength: int, kind: str, value: str, source: str, evidence: str, created_at: str, expires_at: str | None
) -> Suppression:
    ends = datetime.fromisoformat(expires_at) if expires_at else None
    return Suppression(SuppressionKind(kind), value, _REASONS[strength], source, evidence,
                       datetime.fromisoformat(created_at), ends)  # fmt: skip


def count_changes(connection: Connection, batch: Sequence[Listed], now: datetime) -> Counter[str]:
    """Return how many of these entries would be added, strengthened or left as they are."""
    return _plan(connection, batch, now)[0]


def merge(connection: Connection, batch: Sequence[Listed], *, actor: str, now: datetime) -> Counter[str]:
    """Add what is new and strengthen what is weaker; one audit entry commits to every hash that changed."""
    lock_hashes(connection, {digest for digest, _ in batch}, exclusive=True)
    counts, added, changed = _plan(connection, batch, now)
    if added:
        connection.execute(_INSERT, added)
    if changed:
        connection.execute(_UPDATE, changed)
    if added or changed:
        digests = sorted(bytes(row.get("value_hash") or row["digest"]) for row in (*added, *changed))
        detail = dict(counts) | {"sha256": hashlib.sha256(b"".join(digests)).hexdigest()}
        audit.append(connection, now, actor, "suppression.imported", "suppression", detail)
    return counts


def _plan(
    connection: Connection, batch: Sequence[Listed], now: datetime
) -> tuple[Counter[str], list[dict[str, Any]], list[dict[str, Any]]]:
    digests = list(dict.fromkeys(digest for digest, _ in batch))
    before: dict[bytes, Suppression] = {}
    for start in range(0, len(digests), CHUNK):
        found = by_hash(connection, digests[start : start + CHUNK])
        before |= {digest: as_record(row) for digest, row in found.items()}
    after = dict(before)
    counts: Counter[str] = Counter()
    for digest, entry in batch:
        old = after.get(digest)
        changes = strengthened(old, entry, now)
        counts["unchanged" if not changes else "added" if old is None else "strengthened"] += 1
        if changes:
            after[digest] = _with(old or entry, changes)
    added = [_row(entry) | {"value_hash": digest, "kind": entry.kind}
             for digest, entry in after.items() if digest not in before]  # fmt: skip
    changed = [_row(after[digest]) | {"digest": digest} for digest, old in before.items() if after[digest] != old]
    return counts, added, changed


def _with(entry: Suppression, changes: dict[str, object]) -> Suppression:
    return Suppression(**{"kind": entry.kind} | _row(entry) | changes)  # type: ignore[arg-type]


def _row(entry: Suppression) -> dict[str, object]:
    names = ("value", "reason", "source", "evidence", "created_at", "expires_at")
    return {name: getattr(entry, name) for name in names}
