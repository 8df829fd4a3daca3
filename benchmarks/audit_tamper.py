"""Does the verifier find every tampering with an audit log? Random ones, each on a fresh copy of a real log.

    python benchmarks/audit_tamper.py [--rounds 100000] [--entries 24]

A log with personal data, a lawful erasure and a signed checkpoint at its head is tampered with in one way each round: a
field or its type edited, an entry deleted, inserted, moved, a stretch reversed, the log truncated, personal data or its
salt edited or taken away, one bit of the file flipped, a checkpoint forged or a second one added; in a third of the
rounds the forger also computes every hash anew. (What is appended after the last checkpoint no verifier can judge.)
Exit status 1 when one was not found, or the log as it was written is not whole.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from store import audit, audit_verify, schema
from store.database import Store

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
Log = list[dict[str, Any]]
STRANGE: tuple[Any, ...] = ("", "x", "é", None, 0, -1, 1.5, True, [], {}, "0" * 64, "\ud800")


def write_log(store: Store, number: int, key: Ed25519PrivateKey) -> tuple[Log, list[dict[str, Any]]]:
    """Write a log, erase some of it lawfully, and return it with its checkpoints."""

    def unit(connection: Any) -> None:
        for index in range(number):
            private = {"address": f"p{index}@acme.example", "note": "Grüße"} if index % 2 else None
            audit.append(connection, NOW, "maya", "thread.assigned", f"thread:{index}", {"n": index}, private)
            if index == number // 2:
                audit.checkpoint(connection, key, NOW)
        audit.forget(connection, [2, 4, 5], actor="carl", subject="address:0", now=NOW)
        audit.checkpoint(connection, key, NOW)

    store.write_now(unit)
    return store.read_now(lambda c: list(audit.entries(c))), store.read_now(audit.checkpoints)


def edit(log: Log, chance: random.Random) -> None:
    """Change one field to something else of any type."""
    entry = chance.choice(log)
    name = chance.choice(sorted(entry.keys() - {"private"}))
    value = entry[name]
    options = [*STRANGE, str(value) + "x", str(value)[:-1], str(value).swapcase(), value + 1 if name == "seq" else "y"]
    entry[name] = chance.choice([one for one in options if (type(one), one) != (type(value), value)])


def rename(log: Log, chance: random.Random) -> None:
    """Take a field away, add one, or give it another name."""
    entry = chance.choice(log)
    name = chance.choice(sorted(entry))
    value = entry.pop(name)
    if chance.random() < 0.5:
        entry[name + "_"] = value


def delete(log: Log, chance: random.Random) -> None:
    """Drop a stretch of entries."""
    at = chance.randrange(len(log))
    del log[at : at + chance.choice([1, 1, 2, 5])]


def insert(log: Log, chance: random.Random) -> None:
    """Add a copy or a forged entry with a right hash of its own."""
    at = chance.randrange(len(log))
    made = deepcopy(chance.choice(log))
    if chance.random() < 0.7:
        made |= {"seq": at + 1, "previous": log[at - 1]["hash"] if at else audit_verify.GENESIS, "actor": "nobody"}
        made["hash"] = audit_verify.entry_hash(made)
    log.insert(at, made)


def move(log: Log, chance: random.Random) -> None:
    """Move one entry, swap two, or turn a stretch around."""
    first, second = sorted(chance.sample(range(len(log)), 2))
    match chance.randrange(3):
        case 0:
            log[first], log[second] = log[second], log[first]
        case 1:
            log.insert(second, log.pop(first))
        case _:
            log[first : second + 1] = reversed(log[first : second + 1])


def truncate(log: Log, chance: random.Random) -> None:
    """Drop the end."""
    del log[chance.randrange(len(log)) :]


def spoil_private(log: Log, chance: random.Random) -> None:
    """Edit personal data, shift text between it and its salt, swap it, or take it away without an erasure."""
    held = [entry for entry in log if entry["private"]]
    entry, other = chance.sample(held, 2)
    private = entry["private"]
    match chance.randrange(5):
        case 0:
            private["body"] = private["body"].replace("p", "q", 1)
        case 1:
            private["salt"], private["body"] = private["salt"][:-1], private["salt"][-1] + private["body"]
        case 2:
            entry["private"], other["private"] = other["private"], private
        case 3:
            entry["private"] = None
        case _:
            private["salt"] = "0" * 32


WAYS: tuple[Callable[[Log, random.Random], None], ...] = (edit, rename, delete, insert, move, truncate, spoil_private)


def chain_anew(log: Log) -> None:
    """Number and hash every entry anew, as a forger with the database would."""
    previous = audit_verify.GENESIS
    for seq, entry in enumerate(log, 1):
        entry |= {"seq": seq, "previous": previous}
        if entry.get("private"):
            entry["commitment"] = audit_verify.commit(entry["private"]["salt"], entry["private"]["body"])
        previous = entry["hash"] = audit_verify.entry_hash(entry)


def flip_byte(lines: list[bytes], chance: random.Random) -> list[bytes]:
    """Change one bit of the file so that it does not say the same any more."""
    text = bytearray(b"\n".join(lines))
    while True:
        at = chance.randrange(len(text))
        text[at] ^= 1 << chance.randrange(8)
        found = bytes(text).split(b"\n")
        if not same_meaning(found, lines):
            return found
        text = bytearray(b"\n".join(lines))


def same_meaning(one: list[bytes], two: list[bytes]) -> bool:
    """Tell whether two files hold the same objects."""
    try:
        return [json.loads(line) for line in one] == [json.loads(line) for line in two]
    except ValueError:
        return False


def forge_checkpoint(points: list[dict[str, Any]], chance: random.Random) -> list[dict[str, Any]]:
    """Edit a signed head, or add one of the forger's own."""
    forged = deepcopy(points)
    name = chance.choice(["seq", "hash", "at", "signature"])
    one = chance.choice(forged)
    value = one[name]
    one[name] = value + 1 if isinstance(value, int) else value[:-1] + ("0" if value[-1] != "0" else "1")
    return forged if chance.random() < 0.5 else [*points, one]


def tampered(log: Log, points: list[dict[str, Any]], public: str, chance: random.Random) -> tuple[str, bool]:
    """Tamper in one way; returns its name and whether it was found."""
    kind = chance.randrange(len(WAYS) + 2)
    broken, lines, signed = deepcopy(log), [], points
    if kind == len(WAYS):
        name, lines = "flip a bit", flip_byte([json.dumps(one, ensure_ascii=False).encode() for one in log], chance)
    elif kind > len(WAYS):
        name, signed = "forge a checkpoint", forge_checkpoint(points, chance)
    else:
        way = WAYS[kind]
        name = way.__name__.replace("_", " ")
        way(broken, chance)
        if broken == log:
            return tampered(log, points, public, chance)  # moved onto its own place
        anew = chance.random() < 1 / 3 and way is not rename and all(type(one["detail"]) is str for one in broken)
        if anew:
            chain_anew(broken)
            name += ", hashes computed anew"
            if broken[: len(log)] == log:
                return tampered(log, points, public, chance)  # undone by the new hashes, or appended at the end
    try:
        read = [audit_verify.parse_line(line.decode(), "a line") for line in lines] if lines else broken
        problems = list(audit_verify.verify_entries(read, signed))
        problems += audit_verify.verify_signatures(signed, public)
    except (SystemExit, UnicodeDecodeError):
        return name, True
    return name, bool(problems)


def run(rounds: int, entries: int, seed: int = 1) -> tuple[Counter[str], Counter[str], bool]:
    """Tamper so often; returns how often each way was tried and missed, and whether the log was whole before."""
    tried: Counter[str] = Counter()
    missed: Counter[str] = Counter()
    chance, key = random.Random(seed), Ed25519PrivateKey.generate()
    with tempfile.TemporaryDirectory() as folder:
        store = Store(f"sqlite:///{folder}/log.db", inline=True)
        schema.upgrade(store)
        log, points = write_log(store, entries, key)
        store.close()
    public = points[0]["public_key"]
    whole = not [*audit_verify.verify_entries(log, points), *audit_verify.verify_signatures(points, public)]
    for _ in range(rounds):
        name, found = tampered(log, points, public, chance)
        tried[name] += 1
        missed[name] += not found
    return tried, missed, whole


def main() -> int:
    """Print one line a way of tampering."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=100_000)
    parser.add_argument("--entries", type=int, default=24)
    options = parser.parse_args()
    start = time.monotonic()
    tried, missed, whole = run(options.rounds, options.entries)
    for name, number in sorted(tried.items()):
        print(f"{name:45} {number:7} tried {missed[name]:3} missed")
    seconds = time.monotonic() - start
    print(f"{tried.total()} tamperings in {seconds:.0f} s, missed: {missed.total()}; untouched log whole: {whole}")
    return 1 if missed.total() or not whole else 0


if __name__ == "__main__":
    sys.exit(main())
