"""Do reports that others mail to us become figures of `postroom report`: over IMAP, through the parsing process, counted once?"""

import asyncio
import gzip
import io
import json
import os
import subprocess
import sys
import zipfile
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from postroom.clock import SystemClock
from postroom.keys import write_private
from postroom.opened import open_all
from postroom.wiring import build_house
from sandbox.imap import ImapServer
from tests.decisions.test_reports import xml
from tests.workers.test_domain_reports import Nobody

pytestmark = pytest.mark.acceptance
DOMAIN, PASSWORD = "us.example", "for-loopback-only"
BOX = f"dmarc@{DOMAIN}"
CONFIG = """
[postroom]
secret = {{ file = "{folder}/secret" }}
[store]
url = "sqlite:///{folder}/postroom.db"
[company]
name = "Us"
postal_address = "1 Road"
unsubscribe_url = "https://unsubscribe.us.example/u"
[deliverability]
resolver = "127.0.0.1:9"
relays = ["192.0.2.25"]
report_mailboxes = ["dmarc@us.example"]
[[mailbox]]
address = "maya@us.example"
smtp = {{ host = "127.0.0.1", port = 9, security = "none", auth = "none" }}
[[mailbox]]
address = "dmarc@us.example"
password = {{ file = "{folder}/password" }}
imap = {{ host = "127.0.0.1", port = {port}, security = "none", folders = ["INBOX"] }}
[team]
triage = "jon@us.example"
compliance = "jon@us.example"
escalation = "jon@us.example"
[[team.person]]
email = "jon@us.example"
"""
TLS = {
    "organization-name": "r.example", "report-id": "tls-1", "contact-info": "x@r.example",
    "date-range": {"start-datetime": "2023-11-14T00:00:00Z", "end-datetime": "2023-11-14T23:59:59Z"},
    "policies": [{"policy": {"policy-type": "sts", "policy-domain": DOMAIN},
                  "summary": {"total-successful-session-count": 9, "total-failure-session-count": 1}}],
}  # fmt: skip


def mail(number: int, kind: str, name: str, packed: bytes) -> bytes:
    """Return a report as large receivers send it: a subject, some words, one packed attachment."""
    message = EmailMessage()
    message["From"], message["To"], message["Message-ID"] = "noreply@r.example", BOX, f"<{number}@r.example>"
    message["Subject"] = f"Report domain: {DOMAIN} Submitter: r.example Report-ID: {number}"
    message.set_content("This is an aggregate report.")
    message.add_attachment(packed, maintype="application", subtype=kind, filename=name)
    return message.as_bytes()


def zipped(name: str, plain: bytes) -> bytes:
    with zipfile.ZipFile(made := io.BytesIO(), "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, plain)
    return made.getvalue()


def reports() -> list[bytes]:
    stem = f"r.example!{DOMAIN}!1700000000!1700086399"
    one = xml(("192.0.2.25", 7, "pass"), ("203.0.113.9", 3, "fail"))
    other = xml(("192.0.2.25", 10, "pass")).replace(b"<report_id>1", b"<report_id>2")
    return [
        mail(1, "gzip", f"{stem}.xml.gz", gzip.compress(one)),
        mail(2, "gzip", f"{stem}.xml.gz", gzip.compress(one)),  # the same again, in another mail
        mail(3, "zip", f"{stem}.zip", zipped(f"{stem}.xml", other)),
        mail(4, "tlsrpt+gzip", f"{stem}.json.gz", gzip.compress(json.dumps(TLS).encode())),
        mail(5, "gzip", f"{stem}.xml.gz", gzip.compress(one)[:40]),  # cut on the way
    ]


async def poll(folder: Path) -> None:
    """Let reports arrive at a real IMAP server and be read from it."""
    server = ImapServer()
    _, port = await server.start()
    server.add_user(BOX, PASSWORD)
    (folder / "config.toml").write_text(CONFIG.format(folder=folder, port=port), encoding="utf-8")
    house = build_house(open_all(folder / "config.toml"), SystemClock(), classifier=Nobody())
    try:
        for raw in (b"", *reports()):
            if raw:
                await server.deliver(BOX, "INBOX", raw, datetime.now(UTC))
            await house.pollers[BOX].run_pass(datetime.now(UTC))
            await house.judge.run_pass(datetime.now(UTC))
    finally:
        await house.close()
        await server.close()


def postroom(folder: Path, *words: str) -> str:
    command = [sys.executable, "-m", "postroom", *words, "--config", str(folder / "config.toml")]
    env = {**os.environ, "PYTHONPATH": str(Path.cwd()), "COLUMNS": "160"}
    run = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    assert run.returncode == 0, run.stderr
    return run.stdout


def figures(folder: Path, by: str) -> dict[tuple[str, str], Any]:
    rows = map(json.loads, postroom(folder, "report", "--by", by, "--json").splitlines())
    return {(row["group"], row["figure"]): row["value"] for row in rows if row["by"] == by}


def test_reports_in_a_polled_mailbox_become_figures(tmp_path: Path) -> None:
    write_private(tmp_path / "secret", b"0123456789abcdef0123456789abcdef")
    write_private(tmp_path / "password", PASSWORD.encode())
    asyncio.run(poll(tmp_path))
    domain = figures(tmp_path, "domain")
    assert domain[DOMAIN, "reported"] == 20, "each report counts once"
    assert (domain[DOMAIN, "reported_pass"], domain[DOMAIN, "never_passing"]) == (0.85, 1)
    assert (domain[DOMAIN, "tls_sessions"], domain[DOMAIN, "tls_failed"]) == (10, 0.1)
    assert domain["noreply@r.example", "refused_report"] == "gzip-cut-off"
    source = figures(tmp_path, "source")
    assert source[f"{DOMAIN} 192.0.2.25", "reported"] == 17 and source[f"{DOMAIN} 203.0.113.9", "reported_pass"] == 0
    assert "203.0.113.9" in postroom(tmp_path, "report", "--by", "source")
    assert postroom(tmp_path, "threads", "--json") == "", "a report is never a reply"
