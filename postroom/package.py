"""What does an auditor take home? A folder: ledger and log as CSV and JSON, signed heads, verifier, signed manifest.

Cells that a spreadsheet would take for a formula begin with an apostrophe; the JSON files hold the text as it is.
"""

import csv
import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import Connection

from postroom.opened import Opened
from postroom.output import harmless, to_json
from store import audit, audit_verify, schema, suppression
from store.errors import PermanentError

LEDGER = ("kind", "value", "reason", "source", "evidence", "created_at", "expires_at", "hash")
LOG = ("seq", "at", "actor", "action", "subject", "detail", "private", "commitment", "previous", "hash")


def write_csv(path: Path, columns: tuple[str, ...], rows: Iterable[Mapping[str, Any]]) -> int:
    """Write a table for spreadsheets (RFC 4180, with a byte order mark); returns how many rows."""
    number = 0
    with path.open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        for row in rows:
            writer.writerow([harmless(row.get(column)) for column in columns])
            number += 1
    return number


def write_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> int:
    """Write one JSON object a line; returns how many."""
    number = 0
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(to_json(row) + "\n")
            number += 1
    return number


def write_package(
    opened: Opened, key: Ed25519PrivateKey, folder: Path, now: datetime, *, private: bool
) -> dict[str, Any]:
    """Write the package into a new or empty folder and return its manifest; `private` adds personal data of the log.

    Everything is read on one snapshot; the head of the log is signed beforehand, so that a checkpoint covers all of it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise PermanentError(f"{folder} is not empty: an export never overwrites another")
    opened.store.write_now(audit.checkpoint, key, now)
    rows = opened.store.read_now(_write_files, folder, private)
    shutil.copy(audit_verify.__file__, folder / "audit_verify.py")
    database, number = opened.store.read_now(schema.progress)
    files = {}
    for path in sorted(folder.iterdir()):
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        files[path.name] = {"sha256": digest, "bytes": path.stat().st_size, "rows": rows.get(path.name)}
    manifest: dict[str, Any] = {"made_at": now.astimezone(UTC).isoformat(timespec="seconds"), "database": database,
                                "audit_entries": number, "personal_data": private, "files": files}  # fmt: skip
    signature = key.sign(audit_verify.canonical(manifest).encode()).hex()
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()
    signed = manifest | {"public_key": public, "signature": signature}
    (folder / "manifest.json").write_text(json.dumps(signed, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return signed


def _write_files(connection: Connection, folder: Path, private: bool) -> dict[str, int]:
    return {
        "suppression.csv": write_csv(folder / "suppression.csv", LEDGER, suppression.ledger(connection)),
        "suppression.jsonl": write_lines(folder / "suppression.jsonl", suppression.ledger(connection)),
        "audit.csv": write_csv(folder / "audit.csv", LOG, map(_flat, _log(connection, private))),
        "audit.jsonl": write_lines(folder / "audit.jsonl", _log(connection, private)),
        "checkpoints.jsonl": write_lines(folder / "checkpoints.jsonl", audit.checkpoints(connection)),
    }


def _log(connection: Connection, private: bool) -> Iterator[dict[str, Any]]:
    for entry in audit.entries(connection):
        yield entry if private else {name: value for name, value in entry.items() if name != "private"}


def _flat(entry: Mapping[str, Any]) -> dict[str, Any]:
    held = entry.get("private")
    return {**entry, "private": held["body"] if held else ""}
