"""How does a person leave the database? `search` finds them, every table forgets them in one transaction (`erase`).

The search reads whole tables and holds nobody up; what is written meanwhile is found by the next one, so whoever calls
repeats both until nothing is found. The keyed hash stays.

Rows that others count on stay, empty: the send ledger for limits, enrollments and threads for figures, a message's key
and content hash so that the mail that still lies in the mailbox is not read in anew. Personal data of the audit log
goes with its salts, and an entry says so. What other people wrote about the person is redacted. Afterwards `scrub`
rewrites the database file, because a database keeps deleted text in its free pages and its write-ahead log.
"""

import email
import re
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from email.errors import MessageError
from typing import Any

from sqlalchemy import JSON, Column, Connection, Enum, String, Table, delete, insert, or_, select, text, update
from sqlmodel.sql.sqltypes import AutoString

from store import audit, decisions, suppression
from store.columns import House
from store.database import Store, others_wait
from store.desk_tables import Handover, Notice, Thread
from store.errors import TemporaryError
from store.person import Person, look_up, mentions, notice_numbers, readable_numbers
from store.tables import Contact, Message, RawMessage, Send, core
from store.tables import Suppression as SuppressionTable
from store.vocabulary import MessageStage, SuppressionKind, SuppressionReason

_CONTACT, _SEND, _THREAD, _MESSAGE, _RAW = core(Contact), core(Send), core(Thread), core(Message), core(RawMessage)
_HANDOVER, _NOTICE, _SUPPRESSION = core(Handover), core(Notice), core(SuppressionTable)
_KEPT = {"audit", "audit_private", "audit_checkpoint", "raw_message"}  # not swept: the first are the chain
ERASED = "erased"
LARGEST_DECODED = 5_000_000  # bytes of a message whose encoded parts are looked into
SCRUB_PATIENCE = 60.0  # seconds that readers and the daemon may keep the file busy


@dataclass(slots=True)
class Traces:
    """What else names a person: found by reading whole tables, which takes long and must hold nobody up."""

    audit: list[int] = field(default_factory=list)  #: entries whose personal data names them or is about them
    notices: list[int] = field(default_factory=list)
    mail: set[str] = field(default_factory=set)  #: hashes of raw mail of theirs, or that names them
    rows: dict[str, list[tuple[Any, ...]]] = field(default_factory=dict)  #: keys of rows to redact, by table

    def __bool__(self) -> bool:
        return bool(self.audit or self.notices or self.mail or self.rows)


def search(connection: Connection, person: Person, since: datetime | None = None) -> Traces:
    """Find whatever names a person; of raw mail only what was stored `since`. Changes nothing."""
    look_up(connection, person)
    found = Traces(readable_numbers(connection, person), notice_numbers(connection, person))
    found.mail = _mail_about(connection, person, since)
    for table in House.metadata.sorted_tables:
        if keys := _naming_rows(connection, table, person):
            found.rows[table.name] = keys
    return found


def erase(
    connection: Connection, person: Person, traces: Traces, *, actor: str, reason: str, now: datetime
) -> dict[str, int]:
    """Take a person out of every table; returns how many rows of each were emptied.

    The caller has searched for traces, stopped their enrollments and, if they are to stay blocked, put them on the
    suppression ledger. What is written meanwhile is found by the next search.
    """
    done: dict[str, int] = {}
    look_up(connection, person)
    numbers, notices = traces.audit, traces.notices
    done["raw_message"] = _forget_mail(connection, person, traces.mail)
    done["send"] = _blank(connection, _SEND, _SEND.c.id.in_(person.sends), _SEND_BLANK)
    done["thread"] = _blank(connection, _THREAD, _THREAD.c.id.in_(person.threads), {"subject": "", "reason": ERASED})
    done["message"] = _blank(connection, _MESSAGE, _MESSAGE.c.id.in_(person.messages), _MESSAGE_BLANK)
    own = or_(_HANDOVER.c.thread_id.in_(person.threads), _HANDOVER.c.contact_id == person.contact)
    done["handover"] = _blank(connection, _HANDOVER, own, {"package": {}, "note": ""})
    waiting = _NOTICE.c.id.in_(notices) & _NOTICE.c.state.in_(("waiting", "claimed"))
    connection.execute(update(_NOTICE).where(waiting).values(state="failed"))
    done["notice"] = _blank(connection, _NOTICE, _NOTICE.c.id.in_(notices), _NOTICE_BLANK)
    ledger = _SUPPRESSION.c.value_hash == person.hash
    done["suppression"] = _blank(connection, _SUPPRESSION, ledger, {"value": "", "evidence": ""})
    if person.contact is not None:
        done["decision"] = decisions.forget(connection, person.contact)
        done["contact"] = _blank(connection, _CONTACT, _CONTACT.c.id == person.contact, _empty_contact(person.contact))
    done["mentioned"] = sum(
        _redact(connection, table, traces.rows.get(table.name, []), person) for table in House.metadata.sorted_tables
    )
    subject = f"address:{person.hash.hex()}"
    done["audit_private"] = audit.forget(connection, numbers, actor=actor, subject=subject, now=now, reason=reason)
    return {name: number for name, number in done.items() if number}


_SEND_BLANK = {"recipient": "", "recipient_domain": "", "subject": "", "body_text": "", "raw": b"", "answer": "",
               "copy_due_at": None}  # fmt: skip
_MESSAGE_BLANK = {"from_address": "", "subject": "", "body_text": "", "why": "", "message_id": "", "sha256": "",
                  "stage": MessageStage.DONE, "reason": ERASED}  # fmt: skip
_NOTICE_BLANK = {"payload": {"subject": ERASED, "text": ERASED}, "error": ERASED}


def _blank(connection: Connection, table: Table, where: Any, values: dict[str, Any]) -> int:
    return connection.execute(update(table).where(where).values(**values)).rowcount


def _empty_contact(number: int) -> dict[str, Any]:
    """Return a contact's row without anything in it; columns that come later are emptied too."""
    values: dict[str, Any] = {"account_id": None}
    for column in _CONTACT.columns:
        if _is_text(column):
            values[column.name] = {} if isinstance(column.type, JSON) else ""
    return values | {"email": f"erased-{number}@erased.invalid", "do_not_contact": True}


def _mail_about(connection: Connection, person: Person, since: datetime | None) -> set[str]:
    """Return the hashes of their mail, and of other people's mail that names them."""
    own = select(_MESSAGE.c.sha256).where(_MESSAGE.c.id.in_(person.messages), _MESSAGE.c.sha256 != "")
    told = select(_MESSAGE.c.sha256).where(
        or_(mentions(_MESSAGE.c.body_text, person.names), mentions(_MESSAGE.c.subject, person.names))
    )
    gone = {*connection.execute(own).scalars(), *connection.execute(told).scalars()} - {""}
    every = select(_RAW.c.sha256, _RAW.c.body).execution_options(yield_per=100)
    if since is not None:
        every = every.where(_RAW.c.stored_at >= since)
    return gone | {
        row.sha256 for row in connection.execute(every) if row.sha256 not in gone and _names(row.body, person.names)
    }


def _forget_mail(connection: Connection, person: Person, found: Collection[str]) -> int:
    """Delete the bytes of mail: bytes cannot be redacted."""
    own = select(_MESSAGE.c.sha256).where(_MESSAGE.c.id.in_(person.messages), _MESSAGE.c.sha256 != "")
    gone = {*connection.execute(own).scalars(), *found}
    for sha256 in gone:
        connection.execute(delete(_RAW).where(_RAW.c.sha256 == sha256))
        lost = {"sha256": "", "stage": MessageStage.DONE, "reason": ERASED}
        connection.execute(update(_MESSAGE).where(_MESSAGE.c.sha256 == sha256).values(**lost))
    return len(gone)


def _names(body: bytes, names: Sequence[str]) -> bool:
    wanted = [name.lower() for name in names]
    return any(name in piece.lower() for piece in _pieces(body) for name in wanted)


def _pieces(body: bytes) -> Iterator[str]:
    """Yield a message as it is and its encoded text parts."""
    yield body.decode("utf-8", "replace")
    if len(body) > LARGEST_DECODED or not re.search(rb"(?i)base64|quoted-printable", body):
        return
    try:
        for part in email.message_from_bytes(body).walk():
            decoded = part.get_payload(decode=True)
            if isinstance(decoded, bytes):
                yield decoded.decode(part.get_content_charset("utf-8"), "replace")
    except (MessageError, LookupError, ValueError, RecursionError):
        return  # what cannot be decoded was judged by its bytes


def _naming_rows(connection: Connection, table: Table, person: Person) -> list[tuple[Any, ...]]:
    """Return the keys of the rows of a table that name the person in any of their texts."""
    columns = _texts(table)
    if not columns:
        return []
    where = or_(*(mentions(column, person.names) for column in columns))
    return [tuple(row) for row in connection.execute(select(*table.primary_key.columns).where(where))]


def _redact(connection: Connection, table: Table, rows: Sequence[tuple[Any, ...]], person: Person) -> int:
    """Replace the person's names in these rows, as they are now, by a mark; returns how many there were."""
    pattern = re.compile("|".join(re.escape(name) for name in person.names), re.IGNORECASE)
    mark = f"[erased {person.hash.hex()[:8]}]"
    for key in rows:
        same = [column == value for column, value in zip(table.primary_key.columns, key, strict=True)]
        row = connection.execute(select(*_texts(table)).where(*same)).one_or_none()
        if row is not None:
            values = {name: _replace(value, pattern, mark) for name, value in row._mapping.items()}
            connection.execute(update(table).where(*same).values(**values))
    return len(rows)


def _texts(table: Table) -> list[Column[Any]]:
    """Return the columns of a table that may name somebody; a key cannot be redacted, the chain needs none."""
    return [] if table.name in _KEPT else [one for one in table.columns if not one.primary_key and _is_text(one)]


def _is_text(column: Column[Any]) -> bool:
    return isinstance(column.type, (String, AutoString, JSON)) and not isinstance(column.type, Enum)


def _replace(value: Any, pattern: re.Pattern[str], mark: str) -> Any:
    if isinstance(value, str):
        return pattern.sub(mark, value)
    if isinstance(value, dict):
        return {_replace(name, pattern, mark): _replace(one, pattern, mark) for name, one in value.items()}
    return [_replace(one, pattern, mark) for one in value] if isinstance(value, list) else value


def block_hash(
    connection: Connection, digest: bytes, reason: SuppressionReason, source: str, *, actor: str, now: datetime
) -> bool:
    """Put the keyed hash of an erased address on the ledger, as an export holds it; returns whether it was new."""
    suppression.lock_hashes(connection, [digest], exclusive=True)
    if connection.execute(select(_SUPPRESSION.c.id).where(_SUPPRESSION.c.value_hash == digest)).one_or_none():
        return False
    values = {"kind": SuppressionKind.ADDRESS, "value_hash": digest, "reason": reason, "source": source}
    connection.execute(insert(_SUPPRESSION).values(**values, value="", evidence="", created_at=now))
    detail = {"reason": reason, "source": source}
    audit.append(connection, now, actor, "suppression.added", f"address:{digest.hex()}", detail)
    return True


def scrub(store: Store) -> None:
    """Rewrite the database so that deleted text is gone from its file and its log; others wait meanwhile.

    SQLite: VACUUM and an emptied WAL; raises TemporaryError when a reader keeps the old log alive. PostgreSQL: VACUUM
    FULL of every table; its own write-ahead log, replicas and back-ups forget by age only.
    """
    if store.dialect == "postgresql":
        with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            for table in House.metadata.sorted_tables:
                connection.execute(text(f'VACUUM FULL "{table.name}"'))
        return
    raw = sqlite3.connect(store.url.removeprefix("sqlite:///"), timeout=SCRUB_PATIENCE, isolation_level=None)
    try:
        with others_wait(store.url):
            raw.execute("PRAGMA secure_delete=ON")
            raw.execute("VACUUM")
            busy, *_ = raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.OperationalError as problem:
        raise TemporaryError(
            f"the file could not be rewritten ({problem}): repeat `postroom privacy scrub`"
        ) from problem
    finally:
        raw.close()
    if busy:
        raise TemporaryError("a reader keeps the old log alive: repeat `postroom privacy scrub`")
