"""Does the chain show every edit, deletion, insertion, reorder and truncation?"""

import json
import random
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from store import audit, audit_verify
from store.database import Store

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


def write_log(store: Store, number: int) -> list[dict[str, Any]]:
    def unit(connection: Any) -> None:
        for index in range(number):
            private = {"address": f"p{index}@acme.example"} if index % 2 else None
            audit.append(connection, NOW, "maya", "thread.assigned", f"thread:{index}", {"n": index}, private)

    store.write_now(unit)
    return store.read_now(lambda connection: list(audit.entries(connection)))


def test_a_whole_chain_verifies_also_after_erasure(store: Store) -> None:
    log = write_log(store, 6)
    assert list(audit_verify.verify_entries(log)) == []
    assert audit.private_body(log[1]) == {"address": "p1@acme.example"}
    assert "p1@acme.example" not in json.dumps([{**entry, "private": None} for entry in log])
    assert list(audit_verify.verify_entries([{**entry, "private": None} for entry in log])) == []


def test_every_tampering_is_found(store: Store) -> None:
    log = write_log(store, 12)
    key = Ed25519PrivateKey.generate()
    point = store.write_now(audit.checkpoint, key, NOW)
    assert point is not None
    chance = random.Random(1)
    for _ in range(400):
        broken = [dict(entry) for entry in log]
        at = chance.randrange(len(broken))
        match chance.randrange(5):
            case 0:
                name = chance.choice([*audit_verify.HASHED[1:], "hash"])
                broken[at][name] = str(broken[at][name]) + "x"
            case 1:
                del broken[at]
            case 2:
                broken.insert(at, dict(broken[chance.randrange(len(broken))]))
            case 3:
                other = (at + 1 + chance.randrange(len(broken) - 1)) % len(broken)
                broken[at], broken[other] = broken[other], broken[at]
            case _:
                broken = broken[:at]
        assert list(audit_verify.verify_entries(broken, [point]))


def test_a_rewritten_chain_does_not_match_its_checkpoint(store: Store) -> None:
    log = write_log(store, 3)
    key = Ed25519PrivateKey.generate()
    point = store.write_now(audit.checkpoint, key, NOW)
    assert point is not None
    assert store.write_now(audit.checkpoint, key, NOW) is None
    log[0]["actor"] = "nobody"
    for before, entry in zip([None, *log], log, strict=False):
        entry["previous"] = before["hash"] if before else audit_verify.GENESIS
        entry["hash"] = audit_verify.entry_hash(entry)
    assert list(audit_verify.verify_entries(log)) == []
    assert list(audit_verify.verify_entries(log, [point])) == [
        "checkpoint 3: the log was rewritten after it was signed"
    ]
    assert list(audit_verify.verify_signatures([point], point["public_key"])) == []
    forged = {**point, "hash": log[-1]["hash"]}
    assert list(audit_verify.verify_signatures([forged], point["public_key"]))


@pytest.mark.parametrize(("spoil", "status"), [(False, 0), (True, 1)])
def test_the_verifier_stands_alone(store: Store, tmp_path: Path, spoil: bool, status: int) -> None:
    log = write_log(store, 4)
    if spoil:
        del log[1]
    export = tmp_path / "audit.jsonl"
    export.write_text("".join(json.dumps(entry) + "\n" for entry in log), encoding="utf-8")
    script = Path(audit_verify.__file__)
    run = subprocess.run([sys.executable, "-I", script, export], capture_output=True, text=True, check=False)
    assert run.returncode == status
    assert ("no problem found" in run.stdout) is not spoil
