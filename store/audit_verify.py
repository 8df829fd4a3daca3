#!/usr/bin/env python3
"""Has anybody changed, dropped, added or reordered an audit entry? Standard library only; run it anywhere.

    python audit_verify.py EXPORT.jsonl [--checkpoints FILE.jsonl] [--key PUBLIC_KEY_HEX] [--manifest FILE.json]

EXPORT holds one entry a line (`postroom audit export --json`), the checkpoints one signed head a line, kept elsewhere.
A manifest (`postroom audit package`) names the files beside it with their hashes. Signatures are checked when a key
is given and `cryptography` is installed. Exit status 1 when anything is found.

It proves that the entries are those that the checkpoints saw, each as it was written, and that personal data is gone
only where an entry of the log says that it was erased. It cannot prove what happened after the last checkpoint that
left the machine: whoever holds the database and the signing key can write that part anew.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

GENESIS = "0" * 64
HASHED = ("seq", "at", "actor", "action", "subject", "detail", "commitment", "previous")
FIELDS = {*HASHED, "hash"}
ERASURE = "privacy.erased"  # its detail lists, as [first, last] pairs, the entries whose personal data it took away


def canonical(value: Any) -> str:
    """Return the one JSON text of a value: sorted keys, no spaces, UTF-8."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)


def digest(value: Any) -> str:
    """Return the SHA-256 of a value's canonical JSON, in hex."""
    return hashlib.sha256(canonical(value).encode("utf-8", "surrogatepass")).hexdigest()


def entry_hash(entry: Mapping[str, Any]) -> str:
    """Return the hash of an entry, the hash of the one before it included."""
    return digest({name: entry[name] for name in HASHED})


def commit(salt: str, body: str) -> str:
    """Return the commitment to personal data: without the salt nobody can find it out by trying."""
    return digest({"salt": salt, "body": body})


def verify_entries(
    entries: Iterable[Mapping[str, Any]], checkpoints: Iterable[Mapping[str, Any]] = ()
) -> Iterator[str]:
    """Yield one sentence a problem; nothing when the chain is whole and every checkpoint is on it."""
    expected, previous = 1, GENESIS
    wanted = list(checkpoints)
    heads = dict.fromkeys((str(point.get("seq")) for point in wanted), "")
    gone: list[int] = []
    erased: list[range] = []
    with_private: bool | None = None
    for entry in entries:
        if (problem := _malformed(entry)) is not None:
            yield f"entry {expected} expected: {problem}"
            return
        seq = entry["seq"]
        if seq != expected:
            yield f"entry {expected} expected, {seq} found: an entry was deleted, inserted or moved"
        if entry["previous"] != previous:
            yield f"entry {seq}: does not follow the entry before it"
        if entry_hash(entry) != entry["hash"]:
            yield f"entry {seq}: was edited (its hash does not match)"
        if with_private not in (None, "private" in entry):
            yield f"entry {seq}: personal data is shown for some entries and left out for others"
        with_private = "private" in entry
        private = entry.get("private")
        if with_private and private is None and entry["commitment"]:
            gone.append(seq)
        elif private is not None and commit(private["salt"], private["body"]) != entry["commitment"]:
            yield f"entry {seq}: its personal data was edited"
        if entry["action"] == ERASURE:
            erased += _erased(entry["detail"])
        if str(seq) in heads:
            heads[str(seq)] = entry["hash"]
        expected, previous = seq + 1, entry["hash"]
    for seq in gone:
        if not any(seq in one for one in erased):
            yield f"entry {seq}: its personal data is gone and no entry says why"
    for point in wanted:
        if not heads[seq := str(point.get("seq"))]:
            yield f"checkpoint {seq}: no such entry, the log was truncated"
        elif heads[seq] != point.get("hash"):
            yield f"checkpoint {seq}: the log was rewritten after it was signed"


def _malformed(entry: Any) -> str | None:
    if not isinstance(entry, Mapping):
        return "no object found"
    if missing := FIELDS - set(entry):
        return f"field {min(missing)} is missing"
    if unknown := set(entry) - FIELDS - {"private"}:
        return f"unknown field {min(unknown)}"
    if type(entry["seq"]) is not int or not all(isinstance(entry[name], str) for name in FIELDS - {"seq"}):
        return "a field has the wrong type"
    private = entry.get("private")
    if private is None:
        return None
    right = isinstance(private, Mapping) and set(private) == {"salt", "body"}
    return None if right and all(isinstance(one, str) for one in private.values()) else "private is malformed"


def _erased(detail: str) -> list[range]:
    try:
        return [range(first, last + 1) for first, last in json.loads(detail)["entries"]]
    except (ValueError, KeyError, TypeError):
        return []  # then nothing is excused


def verify_signatures(signed: Iterable[Mapping[str, Any]], public_key: str) -> Iterator[str]:
    """Yield one sentence for every checkpoint or manifest that this Ed25519 key (hex) did not sign."""
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    except ImportError:
        yield "signatures not checked: install the `cryptography` package"
        return
    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key))
    for one in signed:
        body = {name: value for name, value in one.items() if name not in ("public_key", "signature")}
        try:
            key.verify(bytes.fromhex(one["signature"]), canonical(body).encode("utf-8", "surrogatepass"))
        except (InvalidSignature, ValueError, KeyError, TypeError):
            yield f"{'checkpoint ' + str(one['seq']) if 'seq' in one else 'manifest'}: not signed by this key"


def verify_files(manifest: Mapping[str, Any], folder: Path) -> Iterator[str]:
    """Yield one sentence for every file of a manifest that is missing or was changed."""
    for name, told in manifest["files"].items():
        try:
            found = hashlib.sha256((folder / Path(name).name).read_bytes()).hexdigest()
        except OSError as problem:
            yield f"{name}: {problem.strerror}"
            continue
        if found != told["sha256"]:
            yield f"{name}: was changed after the manifest was signed"


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the objects of a file, one a line; ends the program at a line that is none."""
    with path.open(encoding="utf-8") as lines:
        try:
            for number, line in enumerate(lines, 1):
                yield parse_line(line, f"{path}, line {number}")
        except UnicodeDecodeError:
            raise SystemExit(f"{path}: is no UTF-8 text") from None


def parse_line(line: str, where: str) -> dict[str, Any]:
    """Return the object of a line; a key that stands in it twice is an error."""
    try:
        found = json.loads(line, object_pairs_hook=_without_doubles)
    except (ValueError, RecursionError) as problem:
        raise SystemExit(f"{where}: not a JSON object: {problem}") from None
    if not isinstance(found, dict):
        raise SystemExit(f"{where}: not a JSON object")
    return found


def _without_doubles(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands in it twice")
    return found


def main() -> int:
    """Check the files named on the command line; print one line a problem."""
    parser = argparse.ArgumentParser(description="Verify a postroom audit log.")
    parser.add_argument("export", type=Path)
    parser.add_argument("--checkpoints", type=Path)
    parser.add_argument("--key", default="")
    parser.add_argument("--manifest", type=Path)
    chosen = parser.parse_args()
    points = list(read_lines(chosen.checkpoints)) if chosen.checkpoints else []
    signed, problems = list(points), list(verify_entries(read_lines(chosen.export), points))
    if chosen.manifest:
        manifest = parse_line(chosen.manifest.read_text(encoding="utf-8"), str(chosen.manifest))
        problems += verify_files(manifest, chosen.manifest.parent)
        signed.append(manifest)
    if chosen.key:
        problems += verify_signatures(signed, chosen.key)
    if not points or not chosen.key:
        sys.stderr.write(
            f"not checked: {'signatures, no key given' if points else 'truncation, no checkpoints given'}\n"
        )
    sys.stdout.writelines(f"{problem}\n" for problem in problems or ["no problem found"])
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
