"""Five hundred kills in short: no letter twice, none lost. The long form is benchmarks/kill_sends.py."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "benchmarks/kill_sends.py"), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)


@pytest.mark.parametrize(("seed", "lag"), [("1", "10m"), ("2", "5h")])
def test_killed_at_any_moment_nothing_leaves_twice_or_is_lost(seed: str, lag: str) -> None:
    done = run("--kills", "250", "--seed", seed, "--lag", lag)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "250 kills" in done.stdout
    for what in ("twice", "lost", "unaccounted", "unknown to the ledger"):
        assert f"  {what}: 0\n" in done.stdout


def test_a_weaker_protocol_is_found_out() -> None:
    done = run("--kills", "150", "--seed", "3", "--lag", "5h", "--search", "1", "--weaken")
    assert done.returncode == 1, done.stdout
    assert "twice: 0" not in done.stdout
