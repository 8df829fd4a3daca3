"""How does a list of millions join the ledger, in bounded memory and without holding up a send?

`Stage` keeps the list in a private temporary database on disk and gives it back in the order of the hashes. So each
small unit of work meets neighbouring pages of the ledger's index, and the writer is free between two units.
"""

import hashlib
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import Any, Self

from sqlalchemy import Connection, bindparam, select, update

from store import audit
from store.columns import Instant
from store.records import Suppression
from store.suppression import CHUNK, STRENGTH, as_record, by_hash, canonical, digest_of, lock_hashes, strengthened
from store.tables import Suppression as SuppressionTable
from store.tables import core
from store.vocabulary import SuppressionKind, SuppressionReason

_TABLE = core(SuppressionTable)
_CACHE_KIB = 65_536  # of the stage; what is more goes to disk
UNIT = {"sqlite": 10_000, "postgresql": 1_000}  # entries in one unit; PostgreSQL holds one lock for each

_COLUMNS = ("value_hash", "kind", "value", "reason", "source", "evidence", "created_at", "expires_at")
_UPDATE = (
    update(_TABLE)
    .where(_TABLE.c.value_hash == bindparam("digest"))
    .values({name: bindparam(name) for name in ("value", "reason", "source", "evidence", "created_at", "expires_at")})
)
_STANDING = select(_TABLE.c.value_hash, _TABLE.c.reason, _TABLE.c.expires_at).where(
    _TABLE.c.value_hash.in_(bindparam("hashes", expanding=True))
)

Listed = tuple[Any, ...]  #: _COLUMNS as the database holds them, then the strength of the reason


class Stage:
    """A list on its way into the ledger; leaves nothing behind when closed or killed."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._disk = sqlite3.connect("")  # a private file that SQLite itself has unlinked
        self._disk.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
        self._disk.execute("PRAGMA journal_mode=OFF")
        self._disk.execute("PRAGMA temp_store=FILE")
        self._disk.execute(f"CREATE TABLE listed ({', '.join(_COLUMNS)}, strength)")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._disk.close()

    def add(self, entries: Iterable[tuple[Suppression, bytes | None]]) -> None:
        """Keep entries; one that was erased comes with its hash instead of its value."""
        self._disk.executemany(
            "INSERT INTO listed VALUES (?,?,?,?,?,?,?,?,?)", (as_listed(self._secret, *one) for one in entries)
        )

    def batches(self, size: int) -> Iterator[list[Listed]]:
        """Yield everything in the order of the hashes, the strongest of equals first."""
        cursor = self._disk.execute("SELECT * FROM listed ORDER BY value_hash, strength DESC")
        while rows := cursor.fetchmany(size):
            yield rows


def as_listed(secret: bytes, entry: Suppression, digest: bytes | None = None) -> Listed:
    """Return an entry as it is merged, under its own hash or the one it was exported with."""
    value = canonical(entry.kind, entry.value)
    return _row(digest or digest_of(secret, entry.kind, value), value, entry)


_written = lru_cache(maxsize=1_000)(Instant.as_text)  # a list says the same few days; PostgreSQL reads them too


def _entry(row: Listed) -> Suppression:
    _, kind, value, reason, source, evidence, created_at, expires_at, _ = row
    ends = datetime.fromisoformat(expires_at) if expires_at else None
    return Suppression(SuppressionKind(kind), value, SuppressionReason(reason), source, evidence,
                       datetime.fromisoformat(created_at), ends)  # fmt: skip


def count_changes(connection: Connection, batch: Sequence[Listed], now: datetime) -> Counter[str]:
    """Return how many of these entries would be added, strengthened or left as they are."""
    return _plan(connection, batch, now)[0]


def merge(connection: Connection, batch: Sequence[Listed], *, actor: str, now: datetime) -> Counter[str]:
    """Add what is new and strengthen what is weaker; one audit entry commits to every hash that changed."""
    lock_hashes(connection, {row[0] for row in batch}, exclusive=True)
    counts, added, changed = _plan(connection, batch, now)
    if added:
        mark = "?" if connection.dialect.name == "sqlite" else "%s"
        query = f"INSERT INTO {_TABLE.name} ({', '.join(_COLUMNS)}) VALUES ({', '.join([mark] * len(_COLUMNS))})"  # noqa: S608
        connection.exec_driver_sql(query, [row[:-1] for row in added.values()])  # as staged: nothing is converted twice
    if changed:
        connection.execute(_UPDATE, [_values(entry) | {"digest": digest} for digest, entry in changed.items()])
    if added or changed:
        detail = dict(counts) | {"sha256": hashlib.sha256(b"".join(sorted((*added, *changed)))).hexdigest()}
        audit.append(connection, now, actor, "suppression.imported", "suppression", detail)
    return counts


def _plan(
    connection: Connection, batch: Sequence[Listed], now: datetime
) -> tuple[Counter[str], dict[bytes, Listed], dict[bytes, Suppression]]:
    """Return (how many of what, rows to add, entries to change), the latter two by hash."""
    settled, before = _known(connection, batch)
    added: dict[bytes, Listed] = {}
    changed: dict[bytes, Suppression] = {}
    counts: Counter[str] = Counter()
    for row in batch:
        digest = row[0]
        if digest in settled:
            counts["unchanged"] += 1
        elif digest not in before and digest not in added:
            added[digest] = row
            counts["added"] += 1
        else:
            old = changed.get(digest) or before.get(digest) or _entry(added[digest])
            changes = strengthened(old, _entry(row), now)
            counts["strengthened" if changes else "unchanged"] += 1
            if changes and digest in before:
                changed[digest] = replace(old, **changes)
            elif changes:
                added[digest] = _row(digest, old.value, replace(old, **changes))
    return counts, added, changed


def _known(connection: Connection, batch: Sequence[Listed]) -> tuple[set[bytes], dict[bytes, Suppression]]:
    """Return the hashes whose entry says for ever what the list says or more, and the other entries that there are."""
    strongest = dict(sorted((row[0], row[-1]) for row in batch))  # of equal hashes the last one, the strongest, stays
    digests, settled, doubtful = list(strongest), set(), []
    for start in range(0, len(digests), CHUNK):
        for digest, reason, ends in connection.execute(_STANDING, {"hashes": digests[start : start + CHUNK]}):
            if ends is None and STRENGTH[reason] >= strongest[digest]:
                settled.add(digest)
            else:
                doubtful.append(digest)
    before: dict[bytes, Suppression] = {}
    for start in range(0, len(doubtful), CHUNK):
        found = by_hash(connection, doubtful[start : start + CHUNK])
        before |= {digest: as_record(row) for digest, row in found.items()}
    return settled, before


def _row(digest: bytes, value: str, entry: Suppression) -> Listed:
    ends = _written(entry.expires_at) if entry.expires_at else None
    return (digest, entry.kind.value, value, entry.reason.value, entry.source, entry.evidence,
            _written(entry.created_at), ends, STRENGTH[entry.reason])  # fmt: skip


def _values(entry: Suppression) -> dict[str, object]:
    names = ("value", "reason", "source", "evidence", "created_at", "expires_at")
    return {name: getattr(entry, name) for name in names}
