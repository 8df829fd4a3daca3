"""Can an auditor check what the package holds, with nothing but the package, a key and Python?"""

import csv
import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from postroom.opened import open_unasked
from postroom.output import harmless
from postroom.package import write_package
from store import audit, contacts, suppression
from store.database import Store
from store.errors import PermanentError
from store.vocabulary import SuppressionKind, SuppressionReason
from tests.doors.public_site import write_config

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
SECRET = b"k" * 32


def check(folder: Path, key: str, *more: str) -> subprocess.CompletedProcess[str]:
    words = ["audit.jsonl", "--checkpoints", "checkpoints.jsonl", "--manifest", "manifest.json", "--key", key, *more]
    command = [sys.executable, "audit_verify.py", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_a_package_proves_itself(store: Store, tmp_path: Path) -> None:
    def unit(connection: Any) -> None:
        contacts.save_contact(connection, {"email": "chris@acme.example"}, NOW)
        for kind, value, note in (
            ("address", "chris@acme.example", '=HYPERLINK("http://x")'),
            ("domain", "acme.example", "-1+1"),
        ):
            suppression.add(connection, SECRET, SuppressionKind(kind), value, SuppressionReason.UNSUBSCRIBE,
                            source="one-click", evidence=note, actor="@maya", now=NOW)  # fmt: skip

    store.write_now(unit)
    opened = open_unasked(write_config(tmp_path, store.url), inline=True)
    key = Ed25519PrivateKey.generate()
    folder = tmp_path / "package"
    made = write_package(opened, key, folder, NOW, private=False)
    assert made["files"]["suppression.csv"]["rows"] == made["files"]["audit.jsonl"]["rows"] == 2
    done = check(folder, made["public_key"])
    assert (done.returncode, done.stdout) == (0, "no problem found\n"), done.stderr
    with (folder / "suppression.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["evidence"] for row in rows] == ['\'=HYPERLINK("http://x")', "'-1+1"]
    assert rows[0]["hash"] == suppression.hash_value(SECRET, SuppressionKind.ADDRESS, "chris@acme.example").hex()
    lines = [json.loads(line) for line in (folder / "suppression.jsonl").read_text(encoding="utf-8").splitlines()]
    assert lines[0]["evidence"] == '=HYPERLINK("http://x")'
    assert "chris@" not in (folder / "audit.jsonl").read_text() + (folder / "audit.csv").read_text()
    with pytest.raises(PermanentError):
        write_package(opened, key, folder, NOW, private=False)
    whole = write_package(opened, key, tmp_path / "whole", NOW, private=True)
    assert "chris@acme.example" in (tmp_path / "whole" / "audit.csv").read_text()
    assert check(tmp_path / "whole", whole["public_key"]).returncode == 0
    assert check(folder, "00" * 32).returncode == 1
    opened.store.close()


@pytest.mark.parametrize(
    "name", ["suppression.csv", "suppression.jsonl", "audit.csv", "audit.jsonl", "checkpoints.jsonl", "manifest.json"]
)
def test_a_changed_file_is_found(store: Store, tmp_path: Path, name: str) -> None:
    store.write_now(audit.append, NOW, "maya", "thread.assigned", "thread:1", {}, {"address": "chris@acme.example"})
    opened = open_unasked(write_config(tmp_path, store.url), inline=True)
    folder = tmp_path / "package"
    made = write_package(opened, Ed25519PrivateKey.generate(), folder, NOW, private=True)
    path = folder / name
    body = path.read_bytes()
    path.write_bytes(body.replace(b"2026", b"2027", 1) if b"2026" in body else body + b"\n")
    assert check(folder, made["public_key"]).returncode == 1
    path.unlink()
    assert check(folder, made["public_key"]).returncode == 1
    opened.store.close()


@pytest.mark.parametrize("cell", ["=1", "+1", "-1", "@x", "\tx", "\rx", "\n=1", " =1", " \u00a0=1"])
def test_no_cell_is_a_formula(cell: str) -> None:
    assert harmless(cell) == f"'{cell}"


@pytest.mark.parametrize(("cell", "shown"), [("a=1", "a=1"), (None, ""), (7, "7"), (NOW, "2026-03-02T09:00:00+00:00")])
def test_other_cells_stay_as_they_are(cell: Any, shown: str) -> None:
    assert harmless(cell) == shown
