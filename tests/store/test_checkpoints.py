"""Do signed heads reach a file, syslog and the auditor's mail, and does a place that was away catch up?"""

import asyncio
import json
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from postroom.checkpoints import sign_and_publish
from postroom.settings import AuditSettings
from store import audit, audit_verify, notices
from store.database import Store

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


def test_heads_leave_the_machine(store: Store, tmp_path: Path) -> None:
    key = Ed25519PrivateKey.generate()
    target = tmp_path / "elsewhere" / "heads.jsonl"
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as unix,
    ):
        udp.bind(("127.0.0.1", 0))
        unix.bind(str(tmp_path / "log"))
        for one in (udp, unix):
            one.settimeout(10)
        places = {"file": target, "mail": "auditor@firm.example"}
        by_udp = AuditSettings.model_validate(places | {"syslog": f"127.0.0.1:{udp.getsockname()[1]}"})
        by_unix = AuditSettings.model_validate(places | {"syslog": str(tmp_path / "log")})
        for minute in range(4):
            now = NOW + timedelta(minutes=minute)
            store.write_now(audit.append, now, "maya", "x", "y", {})
            if minute == 2:
                target.parent.mkdir()  # the disk was away until now
            asyncio.run(sign_and_publish(store, key, by_udp if minute < 2 else by_unix, tmp_path, now))
        asyncio.run(sign_and_publish(store, key, by_unix, tmp_path, NOW + timedelta(minutes=9)))  # nothing new
        told: list[dict[str, Any]] = []
        for one, number in ((udp, 2), (unix, 4)):
            for _ in range(number):
                text = one.recv(4000).decode().rstrip("\0")
                assert text.startswith("<38>postroom-audit: ")
                told.append(json.loads(text.partition(": ")[2]))
    heads = list(audit_verify.read_lines(target))
    assert [head["seq"] for head in heads] == [1, 2, 3, 4]
    assert heads == store.read_now(audit.checkpoints) == told[2:]
    assert list(audit_verify.verify_entries(store.read_now(lambda c: list(audit.entries(c))), heads)) == []
    assert list(audit_verify.verify_signatures(heads, heads[0]["public_key"])) == []
    (mail,) = store.read_now(notices.waiting, NOW + timedelta(days=1))
    assert (mail["event"], mail["recipient"]) == ("audit.checkpoint", "auditor@firm.example")
    assert audit_verify.canonical(heads[0]) in mail["payload"]["text"]
