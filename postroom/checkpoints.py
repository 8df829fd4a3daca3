"""How do signed heads of the audit log leave this machine? Into a file, to syslog, by mail; each catches up alone.

What has reached a place is a bookmark in the store, moved after it was taken there: a place may get a head twice, never
not at all (syslog over UDP promises nothing; whoever needs a promise takes the file or the mail).
"""

import logging
import os
import socket
from collections.abc import Callable, Sequence
from datetime import datetime
from logging.handlers import SysLogHandler
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection

from postroom.settings import AuditSettings
from store import audit, decisions, notices
from store.audit_verify import canonical
from store.database import Store
from store.vocabulary import EventName

log = logging.getLogger("postroom.audit")
Heads = Sequence[dict[str, Any]]


async def sign_and_publish(
    store: Store, key: Ed25519PrivateKey, settings: AuditSettings, folder: Path, now: datetime
) -> None:
    """Sign the head when there is anything new, and take every head to the places that do not have it yet."""
    await store.write(_sign, key, settings, now)
    if settings.file is not None:
        await _bring(
            store, f"checkpoints:{settings.file}", lambda heads: append_file(folder / str(settings.file), heads)
        )
    if settings.syslog:
        await _bring(store, f"checkpoints:{settings.syslog}", lambda heads: send_syslog(settings.syslog, heads))


def _sign(connection: Connection, key: Ed25519PrivateKey, settings: AuditSettings, now: datetime) -> None:
    """Sign, and queue the auditor's mail of this period in the same transaction."""
    head = audit.checkpoint(connection, key, now)
    if head is None or not settings.mail:
        return
    period = int(now.timestamp() // settings.mail_every.total_seconds())
    text = (
        "The head of the audit log, signed. Keep this mail: a log that was cut or written anew before it no longer "
        f"fits.\n\n{canonical(head)}\n"
    )
    payload = {"subject": f"Audit log: checkpoint {head['seq']}", "text": text}
    event, told = EventName.AUDIT_CHECKPOINT, f"checkpoint:{period}"
    notices.enqueue(connection, event, told, "mail", settings.mail, payload, now)


async def _bring(store: Store, place: str, take: Callable[[Heads], None]) -> None:
    heads = await store.read(lambda connection: audit.checkpoints(connection, decisions.bookmark(connection, place)))
    if not heads:
        return
    try:
        take(heads)
    except OSError as problem:
        log.warning("%s not taken: %s; the next minute tries again", place, problem)
        return
    await store.write(decisions.set_bookmark, place, int(heads[-1]["seq"]))


def append_file(path: Path, heads: Heads) -> None:
    """Append heads to a file, one JSON line each, durably."""
    with path.open("a", encoding="utf-8") as file:
        file.writelines(f"{canonical(head)}\n" for head in heads)
        file.flush()
        os.fsync(file.fileno())


def send_syslog(address: str, heads: Heads) -> None:
    """Send heads to syslog as facility auth, severity info."""
    host, _, port = address.rpartition(":")
    place: Any = address if address.startswith("/") else (host, int(port))
    kind = None if address.startswith("/") else socket.SOCK_DGRAM
    sender = _Loud(place, SysLogHandler.LOG_AUTH, kind)
    try:
        for head in heads:
            record = logging.LogRecord(
                "postroom", logging.INFO, "", 0, f"postroom-audit: {canonical(head)}", None, None
            )
            sender.emit(record)
    finally:
        sender.close()


class _Loud(SysLogHandler):
    """Raises what went wrong instead of printing it."""

    def handleError(self, record: logging.LogRecord) -> None:
        """Raise: this runs inside the handler's own `except`."""
        raise
