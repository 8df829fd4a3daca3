"""A hundred kills in short: no notice twice, none lost. The long form is benchmarks/kill_notices.py."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def run(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "benchmarks/kill_notices.py"), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)


def test_killed_at_any_moment_no_notice_arrives_twice_or_is_lost() -> None:
    done = run("--kills", "100", "--seed", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "100 kills" in done.stdout
    for what in ("twice", "lost", "changed", "unaccounted", "unknown to the outbox"):
        assert f"  {what}: 0\n" in done.stdout


def test_without_a_claim_it_is_found_out() -> None:
    done = run("--kills", "40", "--seed", "3", "--weaken")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "twice: 0" not in done.stdout
