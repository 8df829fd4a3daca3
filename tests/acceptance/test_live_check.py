"""`postroom check --live` against real servers: from each mailbox to another, through Postfix, read from Dovecot."""

import base64
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from tests.acceptance.servers import mail_site
from tests.acceptance.test_run import DNS, PASSWORD, name_server, write_config

pytestmark = pytest.mark.acceptance
TWO = "ben@two.test"


def postroom(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "postroom", *words, "--config", str(folder / "config.toml")]
    env = {**os.environ, "PYTHONPATH": str(Path.cwd()), "COLUMNS": "120"}
    run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, env=env)
    assert "Traceback" not in run.stderr, run.stderr
    return run


def test_a_live_probe_through_real_servers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = Ed25519PrivateKey.generate()
    public = base64.b64encode(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()
    for domain in ("out.test", "two.test"):
        zone = {name.replace("out.test", domain): kinds for name, kinds in DNS.items()}
        zone[f"s1._domainkey.{domain}"] = {"TXT": [f"v=DKIM1; k=ed25519; p={public}"]}
        for name, kinds in zone.items():
            monkeypatch.setitem(DNS, name, kinds)
    with mail_site(("out.test", "two.test", "team.test"), PASSWORD) as site, name_server() as dns:
        write_config(tmp_path, site, dns)
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (tmp_path / "dkim.pem").write_bytes(pem)
        text = (tmp_path / "config.toml").read_text(encoding="utf-8")
        start, end = text.index("[[mailbox]]"), text.index("[[sequence]]")
        second = text[start:end].replace("maya@out.test", TWO).replace("Maya Stone", "Ben Hill")
        signing = f'[[dkim]]\ndomain = "out.test"\nselector = "s1"\nkey = {{ file = "{tmp_path}/dkim.pem" }}\n'
        (tmp_path / "config.toml").write_text(text[:end] + second + signing + text[end:], encoding="utf-8")

        run = postroom(tmp_path, "check", "--live", "--json")
        found = {row["mailbox"]: row for row in map(json.loads, run.stdout.splitlines())}
        assert set(found) == {"maya@out.test", TWO}, run.stdout + run.stderr
        signed, unsigned = found["maya@out.test"], found[TWO]
        assert (signed["recipient"], signed["state"], signed["folder"]) == (TWO, "delivered", "INBOX")
        assert (signed["dkim"], signed["signer"], signed["selector"]) == ("pass", "out.test", "s1")
        assert (signed["one_click"], signed["faults"], signed["rewritten"]) == ("True", [], "")
        assert (unsigned["dkim"], unsigned["faults"]) == ("none", ["live-dkim-fail"])
        assert run.returncode == 1, "one mailbox has a fault"
        assert len(site.inbox(TWO)) == 1 and len(site.inbox("maya@out.test")) == 1

        (status,) = map(json.loads, postroom(tmp_path, "status", "--json").stdout.splitlines())
        assert [box["sent_today"] for box in status["mailboxes"]] == [1, 1], "a probe counts within the limits"
        again = postroom(tmp_path, "check", "--live")
        (tmp_path / "seen.txt").write_text(again.stdout, encoding="utf-8")
        assert "maya@out.test -> ben@two.test  INBOX after" in again.stdout
        assert "last 2: 2 without fault" in again.stdout
        assert postroom(tmp_path, "threads", "--json").stdout == "", "a probe is never a reply"
