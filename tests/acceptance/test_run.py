"""The real process against real servers: send, reply, label, stop, owner, notification, SIGTERM, restart, nothing twice."""

import asyncio
import json
import os
import signal
import smtplib
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from pathlib import Path
from typing import Any

import pytest

from console.wishes import Wish, keep
from sandbox.dns import NameServer
from store.vocabulary import StopChoice
from tests.acceptance.servers import MailSite, mail_site, wait_until

pytestmark = pytest.mark.acceptance
PASSWORD = "for-loopback-only"
BOX, JON, CARL = "maya@out.test", "jon@team.test", "carl@team.test"
KEY = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="  # RFC 8463, appendix A.2
DNS = {
    "out.test": {"TXT": ["v=spf1 ip4:127.0.0.1 -all"], "MX": ["10 mx.out.test."], "A": ["127.0.0.1"]},
    "mx.out.test": {"A": ["127.0.0.1"]},
    "_dmarc.out.test": {"TXT": ["v=DMARC1; p=none; rua=mailto:d@out.test"]},
    "s1._domainkey.out.test": {"TXT": [f"v=DKIM1; k=ed25519; p={KEY}"]},
}
CONTACTS = "email,first_name,company,legal_basis\nchris@acme.test,Chris,Acme,consent\nstop@acme.test,Sam,Acme,consent\n"


@contextmanager
def name_server(zone: dict[str, dict[str, list[str]]] = DNS) -> Iterator[tuple[str, int]]:
    """Serve the DNS from a thread of this process."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    server = NameServer(zone)
    try:
        yield asyncio.run_coroutine_threadsafe(server.start(), loop).result(10)
    finally:
        asyncio.run_coroutine_threadsafe(server.close(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def write_config(folder: Path, site: MailSite, dns: tuple[str, int]) -> None:
    (folder / "postroom.secret").write_text("0123456789abcdef0123456789abcdef", encoding="utf-8")
    (folder / "mail.password").write_text(PASSWORD, encoding="utf-8")
    (folder / "contacts.csv").write_text(CONTACTS, encoding="utf-8")
    tls = f'ca_file = "{site.ca_file}"'
    (folder / "config.toml").write_text(f"""
[postroom]
secret = {{ file = "{folder}/postroom.secret" }}
[company]
name = "Out"
postal_address = "Out Ltd, 1 Road"
unsubscribe_url = "https://unsubscribe.out.test/u"
[endpoint]
listen = "127.0.0.1:0"
[deliverability]
resolver = "{dns[0]}:{dns[1]}"
selectors = ["s1"]
[inbox]
poll_every = "1s"
[[mailbox]]
address = "{BOX}"
name = "Maya Stone"
password = {{ file = "{folder}/mail.password" }}
smtp = {{ host = "localhost", port = {site.submission}, security = "starttls", {tls} }}
imap = {{ host = "localhost", port = {site.imaps}, {tls} }}
limit = {{ per_day = "40/day", gap = "0s", jitter = "0s" }}
[[sequence]]
name = "demo"
owner = "{JON}"
mailboxes = ["{BOX}"]
window = {{ hours = "00:00-23:59", days = "mon-sun", holidays = false }}
[[sequence.step]]
subject = "A question, {{{{ first_name }}}}"
body = "Who answers your replies at {{{{ company }}}}?"
[[sequence.step]]
delay = "3 business days"
body = "Did you see my note?"
[team]
triage = "{JON}"
compliance = "{CARL}"
escalation = "{CARL}"
[[team.person]]
email = "{JON}"
name = "Jon Field"
[[team.person]]
email = "{CARL}"
name = "Carl Roth"
""", encoding="utf-8")  # fmt: skip


def ask(folder: Path, *words: str) -> list[dict[str, Any]]:
    """Run a command of the program and return its JSON lines."""
    command = [sys.executable, "-m", "postroom", *words, "--config", str(folder / "config.toml")]
    run = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
    )
    assert run.returncode in (0, 1), run.stderr
    assert "Traceback" not in run.stderr, run.stderr
    return [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")]


@contextmanager
def daemon(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run the real process and end it with SIGTERM; it must leave cleanly."""
    command = [sys.executable, "-m", "postroom", "run", "--config", str(folder / "config.toml")]
    with (folder / "daemon.log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, "PYTHONPATH": str(Path.cwd())})
    try:
        yield process
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0, (folder / "daemon.log").read_text(encoding="utf-8")[-3000:]
    finally:
        if process.poll() is None:
            process.kill()
            process.wait(10)


def reply(site: MailSite, letter: bytes, sender: str, text: str) -> None:
    """Answer a letter from outside, through Postfix and LMTP."""
    original = BytesParser(policy=default).parsebytes(letter)
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = sender, BOX, f"Re: {original['Subject']}"
    message["Message-ID"] = f"<{abs(hash(text))}@acme.test>"
    message["In-Reply-To"] = message["References"] = original["Message-ID"]
    message.set_content(f"{text}\n\n> {original.get_body(('plain',)).get_content()}")  # type: ignore[union-attr]
    with smtplib.SMTP("127.0.0.1", site.incoming) as client:
        client.send_message(message, sender, [BOX])


def last_poll(folder: Path) -> str | None:
    found: str | None = ask(folder, "status", "--json")[0]["mailboxes"][0]["last_poll"]
    return found


def test_the_whole_job_on_real_servers(tmp_path: Path) -> None:
    with name_server() as dns, mail_site(("out.test", "acme.test", "team.test"), PASSWORD) as site:
        write_config(tmp_path, site, dns)
        assert [
            row["outcome"] for row in ask(tmp_path, "import", "contacts", str(tmp_path / "contacts.csv"), "--json")
        ] == ["added"] * 2
        assert {row["outcome"] for row in ask(tmp_path, "enroll", "demo", "--all", "--json")} == {"enrolled"}
        assert len(ask(tmp_path, "preview", "demo", "--json")) == 4
        ask(tmp_path, "activate", "demo")
        with daemon(tmp_path):
            letter, other = site.wait_for("chris@acme.test", 1)[0], site.wait_for("stop@acme.test", 1)[0]
            assert b"List-Unsubscribe-Post: List-Unsubscribe=One-Click" in letter
            wait_until(lambda: last_poll(tmp_path) is not None, "the first look into the mailbox")
            reply(
                site,
                letter,
                "chris@acme.test",
                "Yes, sounds interesting. How much is it, can we have a call on Thursday?",
            )
            reply(
                site, other, "stop@acme.test", "Please unsubscribe me and remove me from your list. Stop emailing me."
            )
            notes = site.wait_for(JON, 1)
            site.wait_for(CARL, 1)
            wait_until(lambda: len(ask(tmp_path, "threads", "--json")) == 2, "two threads")
        threads = {row["contact"]: row for row in ask(tmp_path, "threads", "--json")}
        assert threads["chris@acme.test"]["owner"] == JON
        assert threads["chris@acme.test"]["label"] == "interested"
        assert threads["stop@acme.test"]["owner"] == CARL
        assert [row["value"] for row in ask(tmp_path, "suppression", "list", "--json")] == ["stop@acme.test"]
        told = BytesParser(policy=default).parsebytes(notes[0])
        assert told["Subject"].startswith("[interested] Chris: Re: A question, Chris")
        body = told.get_body(("plain",)).get_content()  # type: ignore[union-attr]
        assert "chris@acme.test" in body
        assert "This goes to Jon Field" in body
        keep(
            tmp_path / "postroom.spool", Wish(1, StopChoice.EVERYTHING, datetime.now(UTC))
        )  # pressed while it was down
        with daemon(tmp_path):
            wait_until(
                lambda: (tmp_path / "daemon.log").read_text(encoding="utf-8") and last_poll(tmp_path) is not None,
                "a new poll",
            )
            before = last_poll(tmp_path)
            wait_until(lambda: last_poll(tmp_path) != before, "another poll")
        assert len(site.inbox("chris@acme.test")) == len(site.inbox("stop@acme.test")) == 1
        assert len(site.inbox(JON)) == len(notes)
        assert {row["state"] for row in ask(tmp_path, "sends", "--json")} == {"sent"}
        stopped = {row["value"] for row in ask(tmp_path, "suppression", "list", "--json")}
        assert stopped == {"chris@acme.test", "stop@acme.test"}
        assert list((tmp_path / "postroom.spool").iterdir()) == []
        assert ask(tmp_path, "audit", "verify", "--json") == []
