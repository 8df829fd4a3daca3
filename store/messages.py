"""What arrived, and what was made of it?

The key is (mailbox, folder, UIDVALIDITY, UID). Raw bytes and the cursor move in one transaction; every later stage can
be repeated. After a UIDVALIDITY change the same content at the same internal date is the same message. The same mail
in two mailboxes, or moved to another folder, has a row for each place and acts once.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from store import audit
from store.desk_tables import Thread
from store.tables import Correction, Cursor, Message, RawMessage, core
from store.vocabulary import Label, MessageStage, Tag

_MESSAGE, _RAW, _CURSOR, _CORRECTION = core(Message), core(RawMessage), core(Cursor), core(Correction)
_THREAD = core(Thread)
HEAD_LOOKED_AT = 256 * 1024  # octets
_BLANK = re.compile(rb"\n\r?\n")
_NAMED = re.compile(rb"(?im)^(?:message-id|from|date|subject):.*(?:\n[ \t].*)*")


@dataclass(frozen=True, slots=True)
class Arrival:
    """One fetched message."""

    uid: int
    internal_at: datetime
    raw: bytes
    announce: bool = True  #: False for history found at the first connect: filed, nobody is notified


@dataclass(frozen=True, slots=True)
class FolderCursor:
    """How far a folder has been read."""

    mailbox: str
    folder: str
    uidvalidity: int | None = None
    last_uid: int = 0
    floor_uid: int = 0  #: what was there before the first connect is never fetched
    first_at: datetime | None = None  #: first connect, whether the folder existed or not
    compared_at: datetime | None = None


def cursor(connection: Connection, mailbox: str, folder: str) -> FolderCursor:
    """Return how far a folder has been read; a fresh one when it never was."""
    same = (_CURSOR.c.mailbox == mailbox, _CURSOR.c.folder == folder)
    row = connection.execute(select(_CURSOR).where(*same)).one_or_none()
    if row is None:
        return FolderCursor(mailbox, folder)
    return FolderCursor(mailbox, folder, row.uidvalidity, row.last_uid, row.floor_uid, row.first_at, row.compared_at)


def ingest(
    connection: Connection,
    mailbox: str,
    folder: str,
    uidvalidity: int | None,
    arrivals: Sequence[Arrival],
    now: datetime,
    *,
    last_uid: int,
    floor_uid: int = 0,
    compared: bool = False,
) -> list[int]:
    """Store what was fetched and move the cursor, in one transaction; returns the ids of new messages.

    `uidvalidity` None: there is no such folder yet; whatever appears in it later is new.
    """
    position = cursor(connection, mailbox, folder)
    fresh = [] if uidvalidity is None else _store(connection, (mailbox, folder, uidvalidity), arrivals, now)
    values: dict[str, Any] = {
        "uidvalidity": uidvalidity,
        "last_uid": last_uid,
        "floor_uid": floor_uid,
        "polled_at": now,
    }
    if compared or position.compared_at is None:
        values["compared_at"] = now
    if position.first_at is None:
        connection.execute(insert(_CURSOR).values(mailbox=mailbox, folder=folder, first_at=now, **values))
    else:
        same = (_CURSOR.c.mailbox == mailbox, _CURSOR.c.folder == folder)
        connection.execute(update(_CURSOR).where(*same).values(**values))
    return fresh


def content_key(raw: bytes) -> str:
    """Return what stays the same when one mail reaches two mailboxes: its id, writer, date, subject and body.

    Each mailbox's servers add trace fields of their own, so the bytes differ.
    """
    end = _BLANK.search(raw)
    head, body = (raw[: end.start() + 1], raw[end.end() :]) if end else (raw, raw)
    fields = sorted(b" ".join(found[0].lower().split()) for found in _NAMED.finditer(head[:HEAD_LOOKED_AT]))
    digest = hashlib.sha256(b"\n".join(fields) + b"\n\n")
    digest.update(body.replace(b"\r\n", b"\n").rstrip())
    return digest.hexdigest()


def _store(
    connection: Connection, place: tuple[str, str, int], arrivals: Sequence[Arrival], now: datetime
) -> list[int]:
    mailbox, folder, uidvalidity = place
    uids = [arrival.uid for arrival in arrivals]
    have = select(_MESSAGE.c.uid).where(*_generation(*place), _MESSAGE.c.uid.in_(uids))
    known = set(connection.execute(have).scalars()) if uids else set()
    renewed = len(known) < len(uids) and _has_older_generation(connection, place)
    bodies: dict[str, dict[str, Any]] = {}
    rows: dict[int, dict[str, Any]] = {}
    for arrival in arrivals:
        content = content_key(arrival.raw)
        if arrival.uid in known or (renewed and _moved(connection, place, arrival, content)):
            continue
        digest = hashlib.sha256(arrival.raw).hexdigest()
        bodies[digest] = {"sha256": digest, "body": arrival.raw, "stored_at": now}
        rows[arrival.uid] = {
            "mailbox": mailbox,
            "folder": folder,
            "uidvalidity": uidvalidity,
            "uid": arrival.uid,
            "sha256": digest,
            "content": content,
            "internal_at": arrival.internal_at,
            "stored_at": now,
            "announce": arrival.announce,
            "stage": MessageStage.STORED,
            "tags": [],
        }
    if not rows:
        return []
    into = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    connection.execute(into(_RAW).on_conflict_do_nothing(), list(bodies.values()))
    made = insert(_MESSAGE).returning(_MESSAGE.c.id, sort_by_parameter_order=True)
    return list(connection.execute(made, list(rows.values())).scalars())


def _moved(connection: Connection, place: tuple[str, str, int], arrival: Arrival, content: str) -> bool:
    """Give the row of an older generation its new key; tells whether there was one for this arrival."""
    mailbox, folder, uidvalidity = place
    twin = select(func.min(_MESSAGE.c.id)).where(
        _MESSAGE.c.mailbox == mailbox,
        _MESSAGE.c.folder == folder,
        _MESSAGE.c.uidvalidity != uidvalidity,
        _MESSAGE.c.content == content,
        _MESSAGE.c.internal_at == arrival.internal_at,
    )
    same = _MESSAGE.c.id == twin.scalar_subquery()
    return (
        connection.execute(update(_MESSAGE).where(same).values(uidvalidity=uidvalidity, uid=arrival.uid)).rowcount > 0
    )


def _generation(mailbox: str, folder: str, uidvalidity: int) -> tuple[ColumnElement[bool], ...]:
    return _MESSAGE.c.mailbox == mailbox, _MESSAGE.c.folder == folder, _MESSAGE.c.uidvalidity == uidvalidity


def _has_older_generation(connection: Connection, place: tuple[str, str, int]) -> bool:
    mailbox, folder, uidvalidity = place
    other = (_MESSAGE.c.mailbox == mailbox, _MESSAGE.c.folder == folder, _MESSAGE.c.uidvalidity != uidvalidity)
    return connection.execute(select(_MESSAGE.c.id).where(*other).limit(1)).one_or_none() is not None


def known_uids(connection: Connection, mailbox: str, folder: str, uidvalidity: int, above: int = 0) -> set[int]:
    """Return the UIDs of a folder's generation that are stored."""
    same = (_MESSAGE.c.mailbox == mailbox, _MESSAGE.c.folder == folder, _MESSAGE.c.uidvalidity == uidvalidity)
    return set(connection.execute(select(_MESSAGE.c.uid).where(*same, _MESSAGE.c.uid > above)).scalars())


def waiting(connection: Connection, limit: int = 100) -> list[dict[str, Any]]:
    """Return stored messages that were not judged yet, oldest first; their bytes are read one at a time by `raw`."""
    query = select(_MESSAGE).where(_MESSAGE.c.stage == MessageStage.STORED).order_by(_MESSAGE.c.id).limit(limit)
    return [dict(row._mapping) for row in connection.execute(query)]


def message(connection: Connection, message_id: int) -> dict[str, Any]:
    """Return one message's row."""
    return dict(connection.execute(select(_MESSAGE).where(_MESSAGE.c.id == message_id)).one()._mapping)


def messages_of_thread(connection: Connection, thread_id: int) -> list[dict[str, Any]]:
    """Return the messages of a thread, oldest first."""
    query = select(_MESSAGE).where(_MESSAGE.c.thread_id == thread_id).order_by(_MESSAGE.c.internal_at, _MESSAGE.c.id)
    return [dict(row._mapping) for row in connection.execute(query)]


def same_content(connection: Connection, row: Mapping[str, Any]) -> int | None:
    """Return an earlier judged arrival of the same mail (in two mailboxes, or moved between folders), or None."""
    own = select(_MESSAGE.c.content).where(_MESSAGE.c.id == row["id"]).scalar_subquery()
    query = select(func.min(_MESSAGE.c.id)).where(
        _MESSAGE.c.content == own, _MESSAGE.c.id != row["id"], _MESSAGE.c.stage == MessageStage.DONE
    )
    found = connection.execute(query).scalar()
    return int(found) if found is not None else None


def same_letter(connection: Connection, key: int, mail_id: str, from_address: str, text: str) -> int | None:
    """Return an earlier judged message with this Message-ID, sender and words (its headers may differ), or None."""
    query = select(func.min(_MESSAGE.c.id)).where(
        _MESSAGE.c.message_id == mail_id,
        _MESSAGE.c.from_address == from_address,
        _MESSAGE.c.body_text == text,
        _MESSAGE.c.id != key,
        _MESSAGE.c.stage == MessageStage.DONE,
    )
    found = connection.execute(query).scalar()
    return int(found) if found is not None else None


def count_death(connection: Connection, message_id: int) -> int:
    """Note, before parsing, that this message may kill the parser; returns how often it was tried."""
    tried = update(_MESSAGE).where(_MESSAGE.c.id == message_id).values(deaths=_MESSAGE.c.deaths + 1)
    return int(connection.execute(tried.returning(_MESSAGE.c.deaths)).scalar_one())


def count_no_death(connection: Connection, message_id: int) -> None:
    """Take one death back: it was not the message that made the attempt fail."""
    fewer = update(_MESSAGE).where(_MESSAGE.c.id == message_id).values(deaths=_MESSAGE.c.deaths - 1)
    connection.execute(fewer)


def quarantine(connection: Connection, message_id: int, reason: str, now: datetime) -> None:
    """Set a message aside for a person; the mailbox goes on."""
    values = {"stage": MessageStage.QUARANTINED, "reason": reason, "judged_at": now}
    connection.execute(update(_MESSAGE).where(_MESSAGE.c.id == message_id).values(**values))
    audit.append(connection, now, "postroom", "message.quarantined", f"message:{message_id}", {"reason": reason})


def judged(connection: Connection, key: int, now: datetime, /, **values: Any) -> bool:
    """Record what was made of a message; returns False when it was judged before (then change nothing else)."""
    changed = connection.execute(
        update(_MESSAGE)
        .where(_MESSAGE.c.id == key, _MESSAGE.c.stage == MessageStage.STORED)
        .values(stage=MessageStage.DONE, judged_at=now, **values)
    )
    return changed.rowcount == 1


def counts_by_stage(connection: Connection) -> dict[str, int]:
    """Return how many messages stand at each stage."""
    query = select(_MESSAGE.c.stage, func.count()).group_by(_MESSAGE.c.stage)
    return {str(stage): int(number) for stage, number in connection.execute(query)}


def correct(
    connection: Connection, message_id: int, label: Label, tags: Sequence[Tag], *, person: str, now: datetime
) -> None:
    """Keep a person's correction of a label as a training candidate; it never moves an owner."""
    values = {"message_id": message_id, "label": label, "tags": list(tags), "person": person, "at": now}
    connection.execute(insert(_CORRECTION).values(**values))
    audit.append(connection, now, person, "label.corrected", f"message:{message_id}", {"label": label})


def corrections(connection: Connection) -> list[dict[str, Any]]:
    """Return people's corrections, oldest first: text, label, tags, language, person, at."""
    query = (
        select(
            _MESSAGE.c.body_text.label("text"), _CORRECTION.c.label, _CORRECTION.c.tags, _MESSAGE.c.language,
            _CORRECTION.c.person, _CORRECTION.c.at,
        )
        .join(_MESSAGE, _MESSAGE.c.id == _CORRECTION.c.message_id)
        .order_by(_CORRECTION.c.id)
    )  # fmt: skip
    return [dict(row._mapping) for row in connection.execute(query)]


def raw(connection: Connection, sha256: str) -> bytes:
    """Return the bytes of a stored message."""
    return bytes(connection.execute(select(_RAW.c.body).where(_RAW.c.sha256 == sha256)).scalar_one())


def thread_of_mail_ids(connection: Connection, mail_ids: Sequence[str]) -> int | None:
    """Return the thread of the newest arrival with one of these Message-IDs, or None."""
    query = (
        select(_MESSAGE.c.thread_id)
        .where(_MESSAGE.c.message_id.in_([one for one in mail_ids if one]), _MESSAGE.c.thread_id.is_not(None))
        .order_by(_MESSAGE.c.id.desc())
        .limit(1)
    )
    found = connection.execute(query).scalar()
    return int(found) if found is not None else None


def labels_by_send(connection: Connection) -> dict[int, str]:
    """Return the label of the first labelled arrival to each send."""
    query = select(_MESSAGE.c.send_id, _MESSAGE.c.label).where(
        _MESSAGE.c.send_id.is_not(None), _MESSAGE.c.label.is_not(None)
    )
    return {row.send_id: row.label for row in connection.execute(query.order_by(_MESSAGE.c.id.desc()))}


def human_without_owner(connection: Connection) -> int:
    """Return how many announced human replies stand on no thread with an owner; there must be none."""
    human = (Label.INTERESTED, Label.NOT_INTERESTED, Label.OTHER, Label.UNSUBSCRIBE)
    owned = select(_THREAD.c.id).where(_THREAD.c.id == _MESSAGE.c.thread_id, _THREAD.c.owner != "").exists()
    query = select(func.count()).where(
        _MESSAGE.c.label.in_(human), _MESSAGE.c.announce, _MESSAGE.c.stage == MessageStage.DONE, ~owned
    )
    return int(connection.execute(query).scalar_one())


def labelled_since(connection: Connection, since: datetime) -> list[dict[str, Any]]:
    """Return label, tags, thread, send and times of every labelled arrival since an instant."""
    names = ("id", "label", "tags", "thread_id", "send_id", "internal_at", "judged_at", "confidence", "decided_by")
    query = select(*(_MESSAGE.c[name] for name in names)).where(
        _MESSAGE.c.label.is_not(None), _MESSAGE.c.internal_at >= since
    )
    return [dict(row._mapping) for row in connection.execute(query)]


def waiting_by_mailbox(connection: Connection) -> dict[str, int]:
    """Return how many messages of each mailbox wait to be judged."""
    query = select(_MESSAGE.c.mailbox, func.count()).where(_MESSAGE.c.stage == MessageStage.STORED)
    return {row[0]: row[1] for row in connection.execute(query.group_by(_MESSAGE.c.mailbox))}
