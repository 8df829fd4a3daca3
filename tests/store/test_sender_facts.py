"""Are letters, stops and bases counted as they happened, on both databases?"""

import json
import tomllib
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from postroom import sender_rules
from postroom.config import parse_config
from postroom.opened import Opened
from postroom.starter import CONFIG
from store import claims, contacts, domains, enrollments, mailboxes, schema, sender_facts, sends, suppression
from store.database import Store
from store.vocabulary import SuppressionKind, SuppressionReason, VerdictLevel
from tests.workers.test_domain_reports import NOW

BOX = "maya@out.example"
HOUR = timedelta(hours=1)


@pytest.fixture
def sent(store: Store) -> Store:
    store.write_now(_three_letters)
    return store


def _three_letters(connection: Any) -> None:
    schema.claim_instance(connection, "here", NOW)
    enrollments.activate_sequence(connection, "demo", actor="maya", now=NOW)
    domains.save_verdict(connection, "out.example", VerdictLevel.READY, [], {}, NOW)
    mailboxes.acquire_lease(connection, BOX, "node-1", NOW, HOUR)
    for number, country in enumerate(("DE", "US", "")):
        values = {"email": f"{number}@acme.example", "country": country, "legal_basis": "consent" if number else ""}
        contact = contacts.save_contact(connection, values, NOW)
        enrollment = enrollments.enroll(connection, contact, "demo", NOW, now=NOW)
        new = sends.NewSend(
            enrollment_id=enrollment, contact_id=contact, account_id=None, sequence="demo", step=0, variant="a",
            mailbox=BOX, recipient=f"{number}@acme.example", message_id=f"<{number}@out.example>", subject="Hello",
            text="Hi", raw=f"letter {number}".encode(), sha256="00", token=f"t{number}", not_before=NOW,
            not_after=NOW + HOUR,
        )  # fmt: skip
        send = sends.plan(connection, new, NOW)
        assert send is not None
        limits = claims.ClaimLimits(mailbox=9)
        assert claims.claim(connection, send, epoch=1, secret=b"s", limits=limits, now=NOW) == ""
        sends.record_sent(connection, send, NOW, next_due_at=None)


def test_what_was_sent(sent: Store) -> None:
    assert sent.read_now(sender_facts.sent_since, NOW - HOUR) == (3, {"out.example": 3})
    assert sent.read_now(sender_facts.sent_since, NOW + HOUR) == (0, {})
    assert sent.read_now(sender_facts.newest_letters) == {"out.example": b"letter 2"}
    found = sent.read_now(sender_facts.written_to, NOW - HOUR)
    assert sorted((row["country"], row["legal_basis"]) for row in found) == [
        ("", "consent"),
        ("DE", ""),
        ("US", "consent"),
    ]


@pytest.mark.parametrize(("at", "late"), [(NOW + HOUR, 0), (NOW - HOUR, 1)])
def test_a_letter_begun_after_the_stop_is_found(sent: Store, at: Any, late: int) -> None:
    def stop(connection: Any) -> None:
        suppression.add(
            connection, b"s", SuppressionKind.ADDRESS, "1@acme.example", SuppressionReason.UNSUBSCRIBE, source="test",
            evidence="", actor="test", now=at,
        )  # fmt: skip

    sent.write_now(stop)
    assert sent.read_now(sender_facts.stops) == (1, late)


def test_the_page_knows_the_configuration_and_the_ledger(sent: Store, capsys: pytest.CaptureFixture[str]) -> None:
    raw = tomllib.loads(CONFIG)
    raw["mailbox"][0]["smtp"]["host"] = "smtp.office365.com"
    opened = Opened(parse_config(raw), sent, b"s" * 32, Path(), ())
    checks = [
        {"domain": "out.example", "findings": [{"slug": "spf-missing", "severity": "error", "found": "", "advice": ""}]}
    ]
    assert sender_rules.show(checks, opened, as_json=True) == 1
    rows = {row["slug"]: row for row in map(json.loads, capsys.readouterr().out.splitlines())}
    assert len(rows) == 20 and set(rows["spf"]) == {"slug", "demand", "source", "status", "evidence"}
    told = {slug: rows[slug]["status"] for slug in ("spf", "tls", "modern-login", "honoured", "one-click", "mx")}
    assert told == {
        "spf": "not met", "tls": "met", "modern-login": "not met", "honoured": "met", "one-click": "not met",
        "mx": "not measurable",
    }  # fmt: skip
