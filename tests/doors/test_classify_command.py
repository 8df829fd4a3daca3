"""`postroom classify` as scripts use it: one JSON object a file, whatever the file holds."""

import json
import subprocess
import sys
from pathlib import Path

HUMAN = b"From: kim@fjordbyg.example\r\nSubject: Re: Orders\r\nDate: Mon, 20 Apr 2026 09:00:00 +0000\r\n\r\nPlease take me off your list.\r\n\r\nOn Mon, 20 Apr 2026 at 08:00, Maya <maya@out.example> wrote:\r\n> Do you plan by hand?\r\n"
BOUNCE = b"From: MAILER-DAEMON@mx.example\r\nSubject: failure notice\r\n\r\n<kim@fjordbyg.example>:\r\nSorry, no mailbox here by that name. (#5.1.1)\r\n"
KEYS = {"file", "label", "confidence", "tags", "decided_by", "text", "return_on", "hold", "why"}


def run(*files: str, stdin: bytes = b"") -> tuple[int, list[dict[str, object]], str]:
    done = subprocess.run([sys.executable, "-m", "postroom", "classify", *files, "--json"], input=stdin, capture_output=True, timeout=120, check=False)  # fmt: skip
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr.decode()


def test_every_file_gets_its_line(tmp_path: Path) -> None:
    names = {
        "human.eml": HUMAN,
        "bounce.eml": BOUNCE,
        "empty.eml": b"",
        "nul.eml": b"\0" * 5000,
        "bomb.eml": b"X-A: b\r\n" * 60_000 + b"\r\nstop",
    }
    for name, raw in names.items():
        (tmp_path / name).write_bytes(raw)
    status, rows, errors = run(*(str(tmp_path / name) for name in names), str(tmp_path / "missing.eml"))
    assert status == 1
    assert "Traceback" not in errors
    assert [Path(str(row["file"])).name for row in rows] == [*names, "missing.eml"]
    assert all(row.keys() >= KEYS for row in rows)
    human, bounce, _, _, bomb, missing = rows
    assert human["text"] == "Please take me off your list."
    assert human["decided_by"] == "model"
    assert (bounce["recipients"], bounce["code"], bounce["kind"]) == (["kim@fjordbyg.example"], "5.1.1", "hard")
    assert (bomb["label"], bomb["decided_by"], bomb["hold"]) == ("other", "evidence:unreadable", True)
    assert "cannot be opened" in str(missing["why"])


def test_stdin() -> None:
    status, rows, _ = run("-", stdin=BOUNCE)
    assert (status, rows[0]["label"], rows[0]["file"]) == (0, "bounce", "-")
