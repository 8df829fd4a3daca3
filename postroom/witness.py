"""Is this the database that worked here last, and not an older copy of it?

A small file outside the database remembers how far it had come. A copy written back over the same file keeps path and
inode, so only a witness can tell; a clone elsewhere is told by its fingerprint (`store.schema`). A snapshot of the
whole machine takes the witness along: there a jump of the clock is the only sign (`postroom.clock.ClockWatch`).
"""

import json
import logging
import os
from pathlib import Path

log = logging.getLogger("postroom.witness")


def find_gap(path: Path, database: str, number: int) -> str:
    """Return a hold reason when the witness has seen more than this database knows, else an empty text."""
    try:
        seen = json.loads(path.read_text(encoding="utf-8"))
        known, reached = str(seen["database"]), int(seen["audit"])
    except FileNotFoundError:
        return ""
    except (OSError, ValueError, KeyError, TypeError) as problem:
        log.warning("%s cannot be read (%s): a restored database would not be noticed", path, type(problem).__name__)
        return ""
    if known != database:
        return "another-database"
    return "restored-or-cloned" if number < reached else ""


def remember(path: Path, database: str, number: int) -> None:
    """Write down how far the database has come, in one step and durably; a folder that forbids it is only logged."""
    text = json.dumps({"database": database, "audit": number})
    beside = path.with_name(f"{path.name}.new")
    try:
        if path.exists() and path.read_text(encoding="utf-8") == text:
            return
        with beside.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as problem:
        log.warning("%s cannot be written (%s): a restored database would not be noticed", path, problem.strerror)
