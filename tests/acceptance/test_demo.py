"""The demo, played once and kept: what it shows, and what every command says about it afterwards."""

import asyncio
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from postroom import output
from postroom.demo import play

KEYS = {
    "threads": "thread contact account sequence label owner acting rule reason state sla_due_at",
    "sends": "message_id mailbox contact sequence step variant state at reply",
    "suppression list": "kind value reason source evidence created_at",
    "suppression export": "kind value reason source evidence created_at",
    "audit list": "seq at actor action subject detail hash",
    "audit export": "seq at actor action subject detail hash",
    "status": "mailboxes domains",
    "report": "by group figure value definition",
}


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo")
    with output.console.capture() as shown:
        problems = asyncio.run(play(seed=1, keep=folder))
    (folder / "screen.txt").write_text(shown.get(), encoding="utf-8")
    assert problems == 0
    return folder


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command as a person at a terminal would; a traceback is never an answer."""
    command = [sys.executable, "-m", "postroom", *words]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


def rows(folder: Path, *words: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in run(folder, *words, "--json").stdout.splitlines()]


@pytest.mark.parametrize("command", KEYS)
def test_commands_print_the_keys_that_scripts_read(kept: Path, command: str) -> None:
    found = rows(kept, *command.split())
    assert found
    assert all(set(KEYS[command].split()) <= set(row) for row in found)


def test_explain_ends_with_the_decision(kept: Path) -> None:
    for thread in rows(kept, "threads"):
        *tried, decision = rows(kept, "explain", str(thread["thread"]))
        assert all(set(row) == {"rule", "matched", "detail"} for row in tried)
        assert decision["owner"] == thread["owner"]
        assert decision["detail"] == thread["reason"]
        break


def test_every_kind_of_answer_has_its_consequence(kept: Path) -> None:
    labels = Counter(row["label"] for row in rows(kept, "threads"))
    assert {"interested", "not_interested", "unsubscribe", "other"} <= set(labels)
    reasons = {(row["reason"], row["source"]) for row in rows(kept, "suppression", "list")}
    assert {("unsubscribe", "reply"), ("unsubscribe", "one-click"), ("hard_bounce", "bounce")} <= reasons
    owners = {row["owner"].partition("@")[0] for row in rows(kept, "threads")}
    assert {"maya", "jon", "ann", "carl"} <= owners


def test_the_broken_domain_sends_nothing(kept: Path) -> None:
    status = rows(kept, "status")[0]
    assert {row["domain"]: row["verdict"] for row in status["domains"]} == {
        "outreach.test": "ready",
        "mailing.test": "blocked",
    }
    assert not [row for row in rows(kept, "sends") if row["mailbox"].endswith("@mailing.test")]


def test_the_end_of_the_demo_tells_the_whole_story(kept: Path) -> None:
    screen = (kept / "screen.txt").read_text(encoding="utf-8")
    for words in (
        "Who owns what, and why",
        "Never mailed again",
        "Refused or ended early",
        "mailing.test",
        "the log is whole",
    ):
        assert words in screen


def test_an_edit_of_the_log_is_found(kept: Path, tmp_path: Path) -> None:
    import shutil
    import sqlite3

    copy = tmp_path / "copy"
    shutil.copytree(kept, copy)
    text = (copy / "config.toml").read_text(encoding="utf-8").replace(str(kept), str(copy))
    (copy / "config.toml").write_text(text, encoding="utf-8")
    assert run(copy, "audit", "verify").returncode == 0
    with sqlite3.connect(copy / "postroom.db") as connection:
        connection.execute("UPDATE audit SET actor = 'somebody else' WHERE seq = 20")
    connection.close()
    found = run(copy, "audit", "verify")
    assert found.returncode == 1
    assert "20" in found.stdout


def test_check_without_a_domain_checks_the_configured_ones(kept: Path) -> None:
    asked = run(kept, "check", "--resolver", "127.0.0.1:9", "--json")  # nobody answers there: nothing is known
    found = [json.loads(line) for line in asked.stdout.splitlines()]
    assert [(row["domain"], row["verdict"]) for row in found] == [
        ("outreach.test", "unknown"),
        ("mailing.test", "unknown"),
    ]
    assert asked.returncode == 3, "neither yes nor no"


def test_people_commands_work_on_what_was_kept(kept: Path) -> None:
    assert run(kept, "config", "check").returncode == 0
    assert "ProtectSystem=strict" in run(kept, "unit").stdout
    assert run(kept, "preview", "demo-midmarket").returncode == 0
    assert run(kept, "report").returncode == 0
    assert run(kept, "explain", "9999").returncode == 1
    assert json.loads(run(kept, "audit", "checkpoint", "--json").stdout)["signature"]
