"""Is the preview what really happens, and does it name everybody who gets nothing?"""

import asyncio
import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from outbound.preview import preview_sends
from outbound.settings import LimitSettings
from postroom import cli, commands_sequences
from postroom.import_contacts import import_contacts
from postroom.intake import enroll_contacts
from postroom.opened import Opened, open_all
from postroom.previewing import Preview, preview_rows
from postroom.stopping import stop_covered
from store import enrollments, mailboxes, sends, suppression
from store.database import Store
from store.vocabulary import EnrollmentState, SuppressionKind, SuppressionReason
from tests.workers.sending import BOX, NOW, Post, make_sequence

WARM = LimitSettings.model_validate({"per_day": "9/day", "gap": "20m", "jitter": "10m", "ramp": {"start": 3, "add": 2}})


def test_what_the_preview_shows_is_what_leaves_when_nobody_answers(store: Store) -> None:
    boxes = [BOX, "jon@out.example"]
    rules = {"after_sends": 8, "wait": "2d"}
    pilot = make_sequence("pilot", mailboxes=boxes, pilot=8, go_no_go=rules)
    sequences = {"pilot": pilot, "other": make_sequence("other", per_account_per_day=2)}
    post = Post(store, sequences, limit=WARM)
    places = [("Europe/Berlin", "DE"), ("America/New_York", "US"), ("", "JP"), ("", "")]
    basis = {"legal_basis": "consent"}
    for number in range(40):
        zone, country = places[number % 4]
        name = "pilot" if number % 3 else "other"
        post.add(f"c{number}@acme{number // 5}.example", name, NOW, zone=zone, country=country, **basis)
    due = store.read_now(enrollments.coming_steps, list(sequences))
    loads = store.read_now(mailboxes.loads, boxes, NOW)
    shown, left = preview_sends(due, loads, sequences, dict.fromkeys(boxes, WARM), NOW, lambda _key: 0.5)
    assert left == []
    assert len(shown) == 40 * 3

    async def live() -> None:
        while post.now <= shown[-1].at:
            report = await post.worker.run_pass(post.now)
            wake = report.next_wake or post.now + timedelta(minutes=15)
            post.now = min(wake, post.now + timedelta(minutes=15))

    asyncio.run(live())
    ledger = [(row["enrollment_id"], row["step"]) for row in ledger_of(store)]
    assert sorted(ledger) == sorted((one.enrollment_id, one.step) for one in shown)
    real = Counter(row["sent_at"].date() for row in ledger_of(store))
    foreseen = Counter(one.at.date() for one in shown)
    assert real == foreseen


def ledger_of(store: Store) -> list[dict[str, Any]]:
    found = store.read_now(sends.find_sent, sequence=["pilot", "other"])
    return [{"enrollment_id": one.enrollment_id, "step": one.step, "sent_at": one.sent_at} for one in found]


CONFIG = """
[postroom]
secret = {{ file = "{folder}/secret" }}
[store]
url = "sqlite:///{folder}/postroom.db"
[company]
name = "Out"
postal_address = "Out Ltd, 1 Road"
unsubscribe_url = "https://u.out.example/u"
[[mailbox]]
address = "maya@out.example"
name = "Maya"
password = {{ file = "{folder}/secret" }}
smtp = {{ host = "smtp.out.example" }}
limit = {{ per_day = "4/day", gap = "3m" }}
[[mailbox]]
address = "held@out.example"
password = {{ file = "{folder}/secret" }}
smtp = {{ host = "smtp.out.example" }}
[[guardrails.region]]
country = "GB"
needs_basis = false
quiet = ["03-03"]
[[sequence]]
name = "demo"
mailboxes = ["maya@out.example"]
[[sequence.step]]
subject = "For {{{{ first_name }}}}"
body = "Who answers at {{{{ company }}}}?"
[[sequence.step]]
delay = "1 business day"
body = "Again?"
[[sequence]]
name = "stuck"
mailboxes = ["held@out.example"]
[[sequence.step]]
subject = "Hi"
body = "x"
[team]
triage = "ines@team.example"
compliance = "ines@team.example"
escalation = "ines@team.example"
[[team.person]]
email = "ines@team.example"
name = "Ines"
"""
LIST = """email,first_name,company,country,legal_basis,do not contact
a@acme.example,Ann,Acme,GB,,
b@bolt.example,Bea,Bolt,GB,,no
c@corp.example,,Corp,GB,,
d@dent.de,Dan,Dent,DE,,
e@echo.example,Eve,Echo,GB,,yes
f@fold.example,Flo,Fold,GB,,
"""


@pytest.fixture
def opened(tmp_path: Path) -> Opened:
    (tmp_path / "secret").write_text("a secret of a test, long enough for every key", encoding="utf-8")
    (tmp_path / "config.toml").write_text(CONFIG.format(folder=tmp_path), encoding="utf-8")
    (tmp_path / "list.csv").write_text(LIST, encoding="utf-8")
    opened = open_all(tmp_path / "config.toml")
    import_contacts(opened, tmp_path / "list.csv", tmp_path / "errors.csv", NOW)
    return opened


def contacts_of(found: Preview) -> set[str]:
    return {row["contact"] for row in found.rows}


def test_the_preview_shows_texts_the_last_day_and_everybody_who_is_refused(opened: Opened) -> None:
    told = enroll_contacts(opened, "demo", [], NOW)
    assert {row["email"]: row["reason"] for row in told if row["outcome"] == "refused"} == {
        "d@dent.de": "DE wants a legal basis and none is recorded.",
        "e@echo.example": "The contact is marked as do not contact.",
    }
    found = preview_rows(opened, "demo", NOW)
    assert contacts_of(found) == {"a@acme.example", "b@bolt.example", "f@fold.example"}
    assert "Who answers at Acme?" in found.rows[0]["text"]
    assert [row["at"].day for row in found.rows] == [2, 2, 2, 4, 4, 4], "the quiet third of March is stepped over"
    reasons = {row["contact"]: row["reason"] for row in found.refused}
    assert set(reasons) == {"c@corp.example", "d@dent.de", "e@echo.example"}
    assert "first_name, which is missing" in reasons["c@corp.example"]


def test_who_waits_for_a_person_and_what_can_never_leave_is_named(opened: Opened) -> None:
    enroll_contacts(opened, "stuck", ["a@acme.example"], NOW)
    opened.store.write_now(mailboxes.hold, "held@out.example", "password", actor="x", now=NOW)
    found = preview_rows(opened, "stuck", NOW)
    assert found.rows == []
    assert {
        "contact": "a@acme.example",
        "reason": "Nothing can leave under these limits: see limits, caps and held mailboxes.",
    } in found.refused


def test_do_not_contact_leaves_the_queue(opened: Opened, tmp_path: Path) -> None:
    """A later list, or the ledger, says stop: nothing of these people is queued any more."""
    enroll_contacts(opened, "demo", [], NOW)
    (tmp_path / "later.csv").write_text("email,opted_out\na@acme.example,TRUE\n", encoding="utf-8")
    import_contacts(opened, tmp_path / "later.csv", tmp_path / "errors.csv", NOW)
    kind, reason = SuppressionKind.DOMAIN, SuppressionReason.COMPETITOR

    def unit(connection: Any) -> None:
        suppression.add(
            connection, opened.secret, kind, "bolt.example", reason, source="x", evidence="", actor="x", now=NOW
        )
        assert stop_covered(connection, kind, "bolt.example", actor="x", now=NOW) == 1

    opened.store.write_now(unit)
    assert contacts_of(preview_rows(opened, "demo", NOW)) == {"f@fold.example"}
    states = opened.store.read_now(enrollments.count_by_state)
    assert states["demo", EnrollmentState.OPTED_OUT] == 2
    (tmp_path / "again.csv").write_text("email,opted_out\na@acme.example,no\n", encoding="utf-8")
    import_contacts(opened, tmp_path / "again.csv", tmp_path / "errors.csv", NOW)
    assert enroll_contacts(opened, "demo", ["a@acme.example"], NOW)[0]["outcome"] == "refused", (
        "a list never lifts a stop"
    )


def test_a_suppressed_address_is_not_imported_again(opened: Opened, tmp_path: Path) -> None:
    kind, reason = SuppressionKind.ADDRESS, SuppressionReason.UNSUBSCRIBE
    opened.store.write_now(
        suppression.add, opened.secret, kind, "gone@acme.example", reason, source="x", evidence="", actor="x", now=NOW
    )
    (tmp_path / "again.csv").write_text("email\ngone@acme.example\n", encoding="utf-8")
    (row,) = import_contacts(opened, tmp_path / "again.csv", tmp_path / "errors.csv", NOW)
    assert (row["outcome"], row["reason"]) == ("refused", "suppressed-unsubscribe: this person is never mailed")


def test_the_command_prints_one_object_a_send(opened: Opened, capsys: pytest.CaptureFixture[str]) -> None:
    enroll_contacts(opened, "demo", ["a@acme.example"], datetime.now(UTC))
    commands_sequences.preview("demo", config=opened.folder / "config.toml", as_json=True)
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["step"] for row in rows] == [1, 2]
    assert {"contact", "step", "variant", "mailbox", "at", "subject"} <= set(rows[0])
    assert cli.app is not None
    commands_sequences.preview("demo", refused=True, config=opened.folder / "config.toml", as_json=True)
    assert "d@dent.de" in capsys.readouterr().out
