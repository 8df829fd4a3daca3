"""Does the chain show every edit, deletion, insertion, reorder and truncation?"""

import json
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from benchmarks import audit_tamper
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
    shown = [{name: value for name, value in entry.items() if name != "private"} for entry in log]
    assert list(audit_verify.verify_entries(shown)) == []  # an export without personal data
    taken = [{**entry, "private": None} if entry["seq"] == 2 else entry for entry in log]
    assert list(audit_verify.verify_entries(taken)) == ["entry 2: its personal data is gone and no entry says why"]
    assert store.write_now(audit.forget, [1, 2, 4], actor="carl", subject="address:00", now=NOW) == 2
    after = store.read_now(lambda connection: list(audit.entries(connection)))
    assert [entry["private"] is None for entry in after] == [True, True, True, True, True, False, True]
    assert json.loads(after[-1]["detail"])["entries"] == [[2, 2], [4, 4]]
    assert list(audit_verify.verify_entries(after)) == []


def test_every_tampering_is_found() -> None:
    tried, missed, whole = audit_tamper.run(1_500, 16)  # 100,000 by hand: benchmarks/audit_tamper.py
    assert whole
    assert len(tried) >= 14
    assert +missed == Counter()


def test_a_key_that_stands_twice_in_a_line_is_refused(store: Store, tmp_path: Path) -> None:
    (entry,) = write_log(store, 1)
    line = json.dumps(entry)
    with pytest.raises(SystemExit):
        audit_verify.parse_line('{"actor": "nobody", ' + line[1:], "line 1")
    for wrong in ("[1]", "7", "{", "[" * 100_000):
        with pytest.raises(SystemExit):
            audit_verify.parse_line(wrong, "line 1")


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
