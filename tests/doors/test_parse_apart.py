"""Can a message hurt more than the process that reads it?"""

import asyncio
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import inbox.parse_apart
from inbox.parse import parse_mail
from inbox.parse_apart import ParsingProcess
from store.errors import ParseRefused

SANE = b"From: a@example.com\r\nSubject: hello\r\nDate: Mon, 02 Mar 2026 10:00:00 +0000\r\n\r\nHi\r\n"


@pytest.fixture
def apart() -> Iterator[ParsingProcess]:
    process = ParsingProcess()
    yield process
    process.close()


def test_it_reads_as_the_parser_reads(apart: ParsingProcess, shared_data: Path) -> None:
    files = [path for path in sorted((shared_data / "mime").rglob("*")) if path.is_file()]
    files += [path for path in sorted((shared_data / "bounces").rglob("*")) if path.is_file()][::5]
    assert len(files) > 100
    for path in files:
        raw = path.read_bytes()
        try:
            expected = parse_mail(raw)
        except ParseRefused as problem:
            with pytest.raises(ParseRefused, match=f"^{problem}$"):
                apart.parse_now(raw)
            continue
        assert apart.parse_now(raw) == expected, path


def test_a_refusal_is_told_with_its_reason(apart: ParsingProcess) -> None:
    with pytest.raises(ParseRefused, match="headers-too-large"):
        apart.parse_now(b"X: y\r\n" * 100_000)
    assert asyncio.run(apart.parse(SANE)) == parse_mail(SANE)


@pytest.mark.parametrize("limit", ["MEMORY_MAX", "PATIENCE"])
def test_what_takes_too_much_ends_only_the_child(limit: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The child is given a message that never ends, or that takes all memory."""
    deed = "while True: pass" if limit == "PATIENCE" else "found = bytearray(10**12)"
    (tmp_path / "hostile.py").write_text(
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from inbox import parse_apart as apart\n"
        "plain = apart.parse_mail\n"
        f"def parse_mail(raw):\n    if b'poison' in raw:\n        {deed}\n    return plain(raw)\n"
        "apart.parse_mail = parse_mail\napart.main()\n"
    )
    started = subprocess.Popen

    def start(command: list[str], **options: Any) -> object:
        return started([command[0], str(tmp_path / "hostile.py"), inbox.parse_apart._ROOT], **options)

    monkeypatch.setattr("inbox.parse_apart.subprocess.Popen", start)
    apart = ParsingProcess()
    try:
        for _ in range(2):
            apart._patience = 1.0 if limit == "PATIENCE" else 60.0
            assert apart.parse_now(b"Subject: poison\r\n\r\n") is None
            apart._patience = 60.0  # a busy machine starts a child slowly
            assert apart.parse_now(SANE) == parse_mail(SANE)
    finally:
        apart.close()


def test_a_killed_child_is_replaced(apart: ParsingProcess) -> None:
    apart.parse_now(SANE)
    assert apart._child is not None
    os.kill(apart._child.pid, signal.SIGKILL)
    apart._child.wait()
    assert apart.parse_now(SANE) is None  # a death counts for the message in hand
    assert apart.parse_now(SANE) == parse_mail(SANE)


def test_the_child_has_no_secret_and_limits_itself(apart: ParsingProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSTROOM_CANARY", "secret")
    apart.parse_now(SANE)
    assert apart._child is not None
    place = Path("/proc") / str(apart._child.pid)
    assert b"CANARY" not in (place / "environ").read_bytes()
    limits = (place / "limits").read_text()
    assert str(inbox.parse_apart.MEMORY_MAX) in limits
    assert "Max cpu time              unlimited" not in limits
    kinds = [str(one.readlink()).partition(":")[0] for one in (place / "fd").iterdir() if one.is_symlink()]
    assert set(kinds) <= {"pipe", "/dev/null"}
