"""Why did each reply go where it went? The facts, the rules in force and every rule tried, so that it can be replayed.

The facts hold no text of the reply (that is in the message); `forget` takes the rest away with the contact.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from store import audit
from store.desk_tables import Bookmark, Decision, RuleBook, Thread
from store.tables import core

_DECISION, _BOOK, _THREAD, _BOOKMARK = core(Decision), core(RuleBook), core(Thread), core(Bookmark)


@dataclass(frozen=True, slots=True)
class NewDecision:
    """One decision about a thread or, with `moves_thread` False, about one message on it."""

    thread_id: int
    owner: str
    acting: str
    rule: str
    reason: str
    tried: Sequence[Mapping[str, Any]]
    facts: Mapping[str, Any]
    message_id: int | None = None
    rulebook: str = ""
    moves_thread: bool = True


def record(connection: Connection, made: NewDecision, now: datetime) -> None:
    """Store a decision."""
    values = asdict(made) | {"tried": [dict(step) for step in made.tried], "facts": dict(made.facts)}
    connection.execute(insert(_DECISION).values(**values, at=now, decided_at=now))


def decisions(connection: Connection, thread_id: int) -> list[dict[str, Any]]:
    """Return every decision about a thread and its messages, oldest first."""
    query = select(_DECISION).where(_DECISION.c.thread_id == thread_id).order_by(_DECISION.c.id)
    return [dict(row._mapping) for row in connection.execute(query)]


def of_thread(connection: Connection, thread_id: int) -> list[dict[str, Any]]:
    """Return the decisions about whose a thread is, without those about one message on it."""
    return [row for row in decisions(connection, thread_id) if row["moves_thread"]]


def save_rulebook(connection: Connection, sha256: str, body: Mapping[str, Any], now: datetime) -> None:
    """Keep the rules and the team in force, once a version."""
    if connection.execute(select(_BOOK.c.sha256).where(_BOOK.c.sha256 == sha256)).one_or_none() is None:
        connection.execute(insert(_BOOK).values(sha256=sha256, body=dict(body), since=now))
        audit.append(connection, now, "postroom", "rules.changed", "rules", {"sha256": sha256})


def rulebook(connection: Connection, sha256: str) -> dict[str, Any] | None:
    """Return the rules and the team of a version."""
    found = connection.execute(select(_BOOK.c.body).where(_BOOK.c.sha256 == sha256)).scalar()
    return dict(found) if found is not None else None


def hash_rulebook(body: Mapping[str, Any]) -> str:
    """Return the version of a rule book: the hash of its canonical text."""
    return hashlib.sha256(json.dumps(body, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def forget(connection: Connection, contact_id: int) -> int:
    """Take the personal data out of every decision about a contact's threads (erasure); returns how many."""
    threads = select(_THREAD.c.id).where(_THREAD.c.contact_id == contact_id)
    blank = {"facts": {}, "tried": [], "reason": "erased"}
    return connection.execute(update(_DECISION).where(_DECISION.c.thread_id.in_(threads)).values(**blank)).rowcount


def bookmark(connection: Connection, name: str) -> int:
    """Return up to which audit entry a reader has come."""
    return connection.execute(select(_BOOKMARK.c.seq).where(_BOOKMARK.c.name == name)).scalar() or 0


def set_bookmark(connection: Connection, name: str, seq: int) -> None:
    """Note up to which audit entry a reader has come."""
    connection.execute(delete(_BOOKMARK).where(_BOOKMARK.c.name == name))
    connection.execute(insert(_BOOKMARK).values(name=name, seq=seq))
