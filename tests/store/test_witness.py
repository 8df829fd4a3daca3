"""Is a copy of the database that was written back over the same file noticed?"""

import json
import shutil
from pathlib import Path

import pytest

from postroom.clock import ClockWatch
from postroom.opened import open_all
from postroom.witness import find_gap, remember
from store import contacts, enrollments, schema
from tests.workers.sending import NOW

CONFIG = """
[postroom]
secret = {{ file = "{folder}/secret" }}
[company]
name = "Out"
postal_address = "Out Ltd, 1 Road"
unsubscribe_url = "https://u.out.example/u"
[[mailbox]]
address = "maya@out.example"
password = {{ file = "{folder}/secret" }}
smtp = {{ host = "mx.out.example" }}
[team]
triage = "jon@team.example"
compliance = "jon@team.example"
escalation = "jon@team.example"
[[team.person]]
email = "jon@team.example"
name = "Jon"
"""


def enroll_somebody(folder: Path, number: int) -> str:
    """Open the database as a command does, write something, open it again; returns the hold reason."""
    opened = open_all(folder / "config.toml")
    contact = opened.store.write_now(contacts.save_contact, {"email": f"p{number}@acme.example"}, NOW)
    opened.store.write_now(enrollments.enroll, contact, "demo", NOW, now=NOW)
    opened.store.close()
    return hold(folder)


def hold(folder: Path) -> str:
    opened = open_all(folder / "config.toml")
    reason = opened.store.read_now(schema.hold_reason)
    opened.store.close()
    return reason


def test_a_copy_written_back_over_the_file_starts_on_hold(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("a secret that is long enough for keys", encoding="utf-8")
    (tmp_path / "config.toml").write_text(CONFIG.format(folder=tmp_path), encoding="utf-8")
    assert enroll_somebody(tmp_path, 1) == ""
    shutil.copy(tmp_path / "postroom.db", tmp_path / "backup.db")
    assert enroll_somebody(tmp_path, 2) == ""
    with (tmp_path / "postroom.db").open("r+b") as file:  # the same inode, as `cp backup.db postroom.db` does
        file.write((tmp_path / "backup.db").read_bytes())
        file.truncate()
    assert hold(tmp_path) == "restored-or-cloned"
    opened = open_all(tmp_path / "config.toml")
    opened.store.write_now(schema.release, schema.fingerprint(opened.store), actor="ops", now=NOW)
    remember(tmp_path / "postroom.witness", *opened.store.read_now(schema.progress))
    assert opened.store.read_now(schema.restored_at) == NOW
    opened.store.close()
    assert hold(tmp_path) == ""


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        ({"database": "a", "audit": 5}, ""),
        ({"database": "a", "audit": 4}, ""),
        ({"database": "a", "audit": 6}, "restored-or-cloned"),
        ({"database": "b", "audit": 1}, "another-database"),
        ({"wrong": 1}, ""),
        ([], ""),
    ],
)
def test_what_a_witness_says(tmp_path: Path, seen: object, reason: str) -> None:
    assert find_gap(tmp_path / "w", "a", 5) == ""
    (tmp_path / "w").write_text(json.dumps(seen), encoding="utf-8")
    assert find_gap(tmp_path / "w", "a", 5) == reason


def test_a_set_clock_is_noticed_and_sleep_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    watch, wall, boot = ClockWatch(), time.time, time.clock_gettime
    assert watch.reason() == ""
    monkeypatch.setattr(time, "time", lambda: wall() + 7200)
    assert watch.reason() == "clock-jumped"
    monkeypatch.setattr(time, "clock_gettime", lambda kind: boot(kind) + 7200)
    assert watch.reason() == ""  # both went on: the machine slept
    monkeypatch.setattr(time, "time", lambda: wall() - 7200)
    assert watch.reason() == "clock-jumped"
