#!/usr/bin/env python3
"""Has anybody changed, dropped, added or reordered an audit entry? Standard library only; run it anywhere.

    python audit_verify.py EXPORT.jsonl [--checkpoints CHECKPOINTS.jsonl] [--key PUBLIC_KEY_HEX]

EXPORT holds one entry a line (`postroom audit export --json`), CHECKPOINTS one signed head a line, kept elsewhere.
Signatures are checked when `cryptography` is installed and a key is given. Exit status 1 when anything is found.

It proves that the entries are those the checkpoints saw. It cannot prove what an operator with the database and the
signing key changed after the last checkpoint that left the machine.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

GENESIS = "0" * 64
HASHED = ("seq", "at", "actor", "action", "subject", "detail", "commitment", "previous")


def canonical(value: Any) -> str:
    """Return the one JSON text of a value: sorted keys, no spaces, UTF-8."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)


def entry_hash(entry: Mapping[str, Any]) -> str:
    """Return the SHA-256 of an entry's canonical JSON, the hash of the one before it included."""
    return hashlib.sha256(canonical({name: entry[name] for name in HASHED}).encode()).hexdigest()


def verify_entries(
    entries: Iterable[Mapping[str, Any]], checkpoints: Iterable[Mapping[str, Any]] = ()
) -> Iterator[str]:
    """Yield one sentence a problem; nothing when the chain is whole and every checkpoint is on it."""
    expected, previous = 1, GENESIS
    heads: dict[int, str] = {}
    wanted = {int(point["seq"]): str(point["hash"]) for point in checkpoints}
    for entry in entries:
        missing = [name for name in (*HASHED, "hash") if name not in entry]
        if missing:
            yield f"entry {entry.get('seq', '?')}: field {missing[0]} is missing"
            return
        seq = entry["seq"]
        if seq != expected:
            yield f"entry {expected} expected, {seq} found: an entry was deleted, inserted or moved"
        if entry["previous"] != previous:
            yield f"entry {seq}: does not follow the entry before it"
        if entry_hash(entry) != entry["hash"]:
            yield f"entry {seq}: was edited (its hash does not match)"
        yield from _check_commitment(entry)
        if seq in wanted:
            heads[seq] = str(entry["hash"])
        expected, previous = seq + 1, entry["hash"]
    for seq, head in sorted(wanted.items()):
        if seq not in heads:
            yield f"checkpoint {seq}: no such entry, the log was truncated"
        elif heads[seq] != head:
            yield f"checkpoint {seq}: the log was rewritten after it was signed"


def _check_commitment(entry: Mapping[str, Any]) -> Iterator[str]:
    private = entry.get("private")
    if not private:
        return  # erased, or never personal
    found = hashlib.sha256(f"{private['salt']}{private['body']}".encode()).hexdigest()
    if found != entry["commitment"]:
        yield f"entry {entry['seq']}: its personal data was edited"


def verify_signatures(checkpoints: Iterable[Mapping[str, Any]], public_key: str) -> Iterator[str]:
    """Yield one sentence for every checkpoint that this Ed25519 key (hex) did not sign."""
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    except ImportError:
        yield "signatures not checked: install the `cryptography` package"
        return
    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key))
    for point in checkpoints:
        body = canonical({name: point[name] for name in ("seq", "hash", "at")})
        try:
            key.verify(bytes.fromhex(point["signature"]), body.encode())
        except (InvalidSignature, ValueError):
            yield f"checkpoint {point['seq']}: not signed by this key"


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                yield json.loads(line)
            except ValueError:
                raise SystemExit(f"{path}, line {number}: not a JSON object") from None


def main() -> int:
    """Check the files named on the command line; print one line a problem."""
    parser = argparse.ArgumentParser(description="Verify a postroom audit log.")
    parser.add_argument("export", type=Path)
    parser.add_argument("--checkpoints", type=Path)
    parser.add_argument("--key", default="")
    chosen = parser.parse_args()
    points = list(_lines(chosen.checkpoints)) if chosen.checkpoints else []
    problems = list(verify_entries(_lines(chosen.export), points))
    if chosen.key:
        problems += verify_signatures(points, chosen.key)
    sys.stdout.writelines(f"{problem}\n" for problem in problems or ["no problem found"])
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
