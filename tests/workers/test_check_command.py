"""Does `postroom check` use what the database knows: the selector of a delivered copy, the last verdict with its age?"""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert
from typer.testing import CliRunner

from postroom import commands_check
from postroom.cli import app
from postroom.starter import CONFIG
from store import domains
from store.database import Store
from store.tables import Probe, core
from store.vocabulary import ProbeState, VerdictLevel
from tests.acceptance.test_run import KEY, name_server

assert commands_check  # it registers its commands
DOMAIN, DELIVERED = "outreach.example.com", "seen-in-a-copy"
NOBODY = "127.0.0.1:9"
ZONE = {
    DOMAIN: {"TXT": ["v=spf1 -all"], "MX": [f"10 mx.{DOMAIN}"]},
    f"{DELIVERED}._domainkey.{DOMAIN}": {"TXT": [f"v=DKIM1; k=ed25519; p={KEY}"]},
}


def check(folder: Path, url: str, *words: str) -> tuple[int, str]:
    text = CONFIG.replace('url = "sqlite:///postroom.db"', f'url = "{url}"')
    (folder / "config.toml").write_text(f"{text}\n[deliverability]\ntls = false\n", encoding="utf-8")
    done = CliRunner().invoke(app, ["check", *words, "--config", str(folder / "config.toml")])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stdout


def dkim(folder: Path, url: str) -> list[str]:
    with name_server(ZONE) as (host, port):
        _, said = check(folder, url, DOMAIN, "--resolver", f"{host}:{port}", "--json")
    return [one["found"] for one in json.loads(said)["findings"] if one["slug"] == "dkim-ok"]


def test_the_selector_of_the_last_delivered_copy_is_asked_for(store: Store, tmp_path: Path) -> None:
    assert dkim(tmp_path, store.url) == [], "no common name"
    now = datetime.now(UTC)
    probe: dict[str, Any] = {
        "mailbox": f"a@{DOMAIN}", "recipient": "b@two.example", "recipient_domain": "two.example", "message_id": "<1@x>", "sending_domain": DOMAIN,
        "state": ProbeState.DELIVERED, "claimed_at": now, "facts": {"signer": DOMAIN, "selector": DELIVERED},
        "faults": [], "folder": "INBOX", "answer": "",
    }  # fmt: skip
    store.write_now(lambda connection: connection.execute(insert(core(Probe)).values(**probe)))
    (found,) = dkim(tmp_path, store.url)
    assert DELIVERED in found


def test_without_an_answer_the_last_verdict_is_told_with_its_age(store: Store, tmp_path: Path) -> None:
    def silent(*words: str) -> tuple[int, str]:
        return check(tmp_path, store.url, DOMAIN, "--resolver", NOBODY, *words)

    status, said = silent("--json")
    assert (status, json.loads(said).get("last_verdict")) == (3, None), "nothing was ever decided"
    at = datetime.now(UTC) - timedelta(hours=3, minutes=5)
    store.write_now(domains.save_verdict, DOMAIN, VerdictLevel.DEGRADED, [], {}, at)
    store.write_now(domains.save_verdict, DOMAIN, VerdictLevel.UNKNOWN, [], {}, at + timedelta(hours=2))
    status, said = silent("--json")
    row = json.loads(said)
    assert (status, row["verdict"], row["last_verdict"]) == (3, "unknown", "degraded")
    assert row["last_decided_at"] == at.isoformat(timespec="seconds") and row["last_seconds"] // 3600 == 3
    status, said = silent()
    assert status == 3 and "last verdict DEGRADED, 3 hours old" in said


@pytest.mark.parametrize("url", ["sqlite:///not-there.db", "sqlite:///config.toml", "postgresql://127.0.0.1:9/none"])
def test_a_database_that_is_not_there_stops_no_check(tmp_path: Path, url: str) -> None:
    assert check(tmp_path, url, DOMAIN, "--resolver", NOBODY, "--json")[0] == 3
    assert not (tmp_path / "not-there.db").exists()
