"""Does a person really leave? Everything is written about one, then erased; nothing of them may be found anywhere."""

import base64
import json
import logging
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from postroom import privacy
from postroom.import_contacts import import_contacts
from postroom.opened import Opened, open_unasked
from postroom.output import to_json
from postroom.person_page import render_html, render_text
from store import (
    audit,
    audit_verify,
    claims,
    contacts,
    enrollments,
    erasure,
    messages,
    notices,
    sends,
    suppression,
    threads,
)
from store.columns import House
from store.database import Store
from store.errors import PermanentError
from store.vocabulary import EnrollmentState, EventName, Label, SuppressionKind, SuppressionReason, ThreadState
from tests.desks.desk import BOX, NOW, SECRET, C, Desk, J
from tests.doors.public_site import write_config
from tests.store.test_sends import MAILBOX
from tests.store.test_sends import NOW as LETTERS_AT
from tests.store.test_stop_race import prepare

ADDRESS = "quirin.zebra@acme.example"
TRACES = ("quirin", "zebra", "5550199", "violet walrus", "turquoise")
COLLEAGUE, STRANGER = "paula@acme.example", "someone@other.example"
QUOTE = base64.encodebytes(f"Am Montag schrieb Quirin Zebra <{ADDRESS}>: nein".encode())
MAIL = b"From: paula@acme.example\r\nMessage-ID: <q@acme.example>\r\nContent-Transfer-Encoding: base64\r\n\r\n" + QUOTE


@pytest.fixture
def house(store: Store, tmp_path: Path) -> Iterator[tuple[Desk, Opened]]:
    """A desk on either database with a long history, and the same store as a command opens it."""
    desk = Desk(tmp_path)
    desk.store.close()
    (tmp_path / "desk.db").unlink()
    desk.store = store
    path = write_config(tmp_path, store.url)
    (tmp_path / "secret").write_bytes(SECRET)
    opened = open_unasked(path, inline=True)
    write_history(desk)
    yield desk, opened
    opened.store.close()


def write_history(desk: Desk) -> None:
    account = desk.account(name="Acme", domain="acme.example")
    more = {"phone": "+49 171 5550199", "note": "met at the fair"}
    desk.contact(ADDRESS, first_name="Quirin", last_name="Zebra", account_id=account, fields=more, source="Apollo",
                 legal_basis="consent", city="Turquoise City")  # fmt: skip
    desk.contact(COLLEAGUE, first_name="Paula", last_name="Roth", account_id=account)
    first, second = desk.letter(ADDRESS), desk.letter(COLLEAGUE, days_ago=2)
    desk.reply(ADDRESS, Label.INTERESTED, "Quirin here, call +49 171 5550199 about the violet walrus", to=first)
    desk.reply(COLLEAGUE, Label.OTHER, "Please ask QUIRIN ZEBRA instead, Quirin.Zebra@Acme.Example", to=second)
    desk.reply(STRANGER, Label.INTERESTED, "Something else entirely", to=desk.letter(STRANGER))

    def unit(connection: Any) -> None:
        arrival = messages.Arrival(99, NOW, MAIL)
        messages.ingest(connection, BOX, "INBOX", 1, [arrival], NOW, last_uid=99)
        messages.correct(connection, 1, Label.INTERESTED, [], person=J, now=NOW)
        audit.append(connection, NOW, J, "note", "thread:3", {"n": 1}, {"text": "knows Quirin Zebra well"})
        payload = {"subject": "x", "text": f"{ADDRESS} again"}
        notices.enqueue(connection, EventName.SUPPRESSION_ADDED, f"suppression:{ADDRESS}", "mail", C, payload, NOW)

    desk.store.write_now(unit)


def found_in(store: Store, folder: Path) -> list[str]:
    """Return where traces of the person are: rows of every table and, on SQLite, the files themselves."""
    tables = House.metadata.sorted_tables
    rows = store.read_now(lambda c: {one.name: repr(c.execute(select(one)).all()).lower() for one in tables})
    places = [f"{name}: {trace}" for name, said in rows.items() for trace in TRACES if trace in said]
    if store.dialect == "sqlite":
        for path in Path(store.url.removeprefix("sqlite:///")).parent.glob("postroom.db*"):
            body = path.read_bytes().lower()
            places += [
                f"{path.name}: {trace}" for trace in TRACES if trace.encode() in body or QUOTE.lower()[:40] in body
            ]
    return places


def test_nothing_of_an_erased_person_remains(
    house: tuple[Desk, Opened], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    desk, opened = house
    store = desk.store
    assert len(found_in(store, tmp_path)) > 10
    caplog.set_level(logging.DEBUG)
    done, elsewhere = privacy.erase(opened, ADDRESS.upper(), "letter of 2 March", actor=C, now=NOW + timedelta(days=1))
    assert found_in(store, tmp_path) == []
    assert {"contact", "send", "thread", "message", "raw_message", "decision", "notice", "audit_private"} <= set(done)
    assert elsewhere == [f"{BOX}, folder INBOX, UID 1", f"{BOX}, sent mail: 1 letters"]
    assert not any(trace in caplog.text.lower() for trace in TRACES)
    entries = store.read_now(lambda c: list(audit.entries(c)))
    assert list(audit_verify.verify_entries(entries)) == []
    assert [one["action"] for one in entries][-1] == audit_verify.ERASURE
    exported = json.dumps(entries) + "".join(
        map(to_json, store.read_now(lambda c: [{"v": repr(suppression.entries(c))}]))
    )
    assert not any(trace in exported.lower() for trace in TRACES)


def test_what_is_written_during_an_erasure_goes_too(
    house: tuple[Desk, Opened], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A daemon does not wait: after the tables were searched a colleague writes of them, and their own mail arrives."""
    desk, opened = house
    late = iter(("note", "mail"))
    search = erasure.search

    def interrupted(connection: Any, *more: Any) -> erasure.Traces:
        found = search(connection, *more)
        match next(late, ""):
            case "note":
                desk.store.write_now(audit.append, NOW, J, "note", "thread:3", {}, {"text": "Quirin Zebra called"})
            case "mail":
                desk.reply(ADDRESS, Label.OTHER, "the violet walrus once more")
        return found

    monkeypatch.setattr(erasure, "search", interrupted)
    privacy.erase(opened, ADDRESS, "", actor=C, now=NOW + timedelta(days=1))
    assert next(late, "") == ""
    assert found_in(desk.store, tmp_path) == []
    assert list(audit_verify.verify_entries(desk.store.read_now(lambda c: list(audit.entries(c))))) == []


@pytest.mark.parametrize("answered", [True, False])
def test_a_letter_on_its_way_is_waited_for(
    house: tuple[Desk, Opened], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answered: bool
) -> None:
    desk, opened = house
    first, second = prepare(desk.store, 2)
    claim = partial(claims.claim, epoch=1, secret=SECRET, limits=claims.ClaimLimits(mailbox=9), now=LETTERS_AT)
    assert desk.store.write_now(claim, first) == ""
    slept: list[float] = []

    def answer_comes(seconds: float) -> None:
        slept.append(seconds)
        if answered:
            desk.store.write_now(
                sends.record_sent, first, LETTERS_AT, next_due_at=None, answer="250 ok <p0@acme.example>"
            )

    monkeypatch.setattr(privacy, "sleep", answer_comes)
    _, elsewhere = privacy.erase(opened, "p0@acme.example", "", actor=C, now=LETTERS_AT)
    assert len(slept) == (1 if answered else privacy.LETTER_PATIENCE)
    assert (
        [place for place in elsewhere if "on its way" in place] == []
        if answered
        else [f"{MAILBOX}: a letter is on its way; repeat this command in a quarter of an hour"]
    )
    if not answered:  # the answer comes after all, and names them
        desk.store.write_now(sends.record_sent, first, LETTERS_AT, next_due_at=None, answer="250 ok <p0@acme.example>")
        privacy.erase(opened, "p0@acme.example", "", actor=C, now=LETTERS_AT)
    rows = desk.store.read_now(lambda c: repr([c.execute(select(one)).all() for one in House.metadata.sorted_tables]))
    assert "p0@acme.example" not in rows
    privacy.erase(opened, "p1@acme.example", "", actor=C, now=LETTERS_AT)  # planned, and not begun
    assert desk.store.write_now(claim, second) != ""


def test_an_erased_person_is_never_imported_again(house: tuple[Desk, Opened], tmp_path: Path) -> None:
    desk, opened = house
    privacy.erase(opened, ADDRESS, "", actor=C, now=NOW)
    (entry,) = desk.store.read_now(suppression.entries)
    assert (entry.value, entry.evidence, entry.reason) == ("", "", SuppressionReason.LEGAL)
    file = tmp_path / "again.csv"
    file.write_text(f"email,first_name\n{ADDRESS},Quirin\nnew@acme.example,Nora\n", encoding="utf-8")
    outcomes = {row["email"]: row["outcome"] for row in import_contacts(opened, file, tmp_path / "errors.csv", NOW)}
    assert outcomes == {ADDRESS: "refused", "new@acme.example": "added"}
    file.unlink()
    privacy.erase(opened, ADDRESS, "", actor=C, now=NOW)  # a second time changes nothing and fails at nothing
    assert found_in(desk.store, tmp_path) == []


def test_a_restored_backup_learns_who_was_erased(house: tuple[Desk, Opened], tmp_path: Path) -> None:
    desk, opened = house
    row = {
        "kind": "address",
        "value": "",
        "reason": "legal",
        "hash": suppression.hash_value(SECRET, SuppressionKind.ADDRESS, ADDRESS).hex(),
    }
    other = {**row, "value": COLLEAGUE}
    file = tmp_path / "suppression.jsonl"
    file.write_text("".join(json.dumps(one) + "\n" for one in (row, other)), encoding="utf-8")
    desk.letter(ADDRESS, "other")
    assert privacy.reblock(opened, file, actor=C, now=NOW) == (1, [ADDRESS])
    assert privacy.reblock(opened, file, actor=C, now=NOW) == (0, [ADDRESS])
    assert EnrollmentState.ACTIVE not in desk.states(ADDRESS)
    hashes = suppression.covering_hashes(SECRET, ADDRESS, None)
    assert desk.store.read_now(suppression.find_covering, hashes, NOW) is not None
    file.write_text('{"kind": "address", "value": "", "hash": "00"}\n', encoding="utf-8")
    with pytest.raises(PermanentError, match="line 1"):
        privacy.reblock(opened, file, actor=C, now=NOW)


def test_others_stay_as_they_are(house: tuple[Desk, Opened]) -> None:
    desk, opened = house
    privacy.erase(opened, ADDRESS, "", actor=C, now=NOW)

    def query(connection: Any) -> Any:
        return (
            contacts.contact_by_address(connection, COLLEAGUE),
            messages.messages_of_thread(connection, 2)[0]["body_text"],
            messages.messages_of_thread(connection, 3)[0]["body_text"],
            enrollments.count_by_state(connection),
        )

    colleague, told, stranger, counts = desk.store.read_now(query)
    assert colleague.first_name == "Paula"
    assert told.startswith("Please ask [erased ")
    assert stranger == "Something else entirely"
    assert sum(counts.values()) == 3
    arrival = messages.Arrival(
        7, NOW, f"1|{ADDRESS}|Quirin here, call +49 171 5550199 about the violet walrus".encode()
    )
    assert desk.store.write_now(messages.ingest, BOX, "INBOX", 2, [arrival], NOW, last_uid=7) == []  # not read in anew


def test_an_objection_stops_everything_and_keeps_the_record(house: tuple[Desk, Opened]) -> None:
    desk, opened = house
    desk.letter(ADDRESS, "other")
    assert privacy.object_to(opened, ADDRESS, "by phone", actor=C, now=NOW)
    assert not privacy.object_to(opened, ADDRESS, "by phone", actor=C, now=NOW)
    (entry,) = desk.store.read_now(suppression.entries)
    assert (entry.value, entry.reason, entry.source) == (ADDRESS, SuppressionReason.LEGAL, "objection")
    assert desk.states(ADDRESS) <= {EnrollmentState.OPTED_OUT, EnrollmentState.REPLIED}
    assert len(desk.entries("privacy.objected")) == 2


def test_one_page_shows_everything(house: tuple[Desk, Opened]) -> None:
    _, opened = house
    about = privacy.all_about(opened, ADDRESS)
    assert about["contact"][0]["source"] == "Apollo"
    assert about["contact"][0]["legal_basis"] == "consent"
    assert {name for name, rows in about.items() if rows} >= {
        "contact", "account", "enrollment", "send", "message", "raw_message", "correction", "thread", "decision",
        "notice", "audit", "audit_private",
    }  # fmt: skip
    assert [row["body_text"] for row in about["message"]] == [
        "Quirin here, call +49 171 5550199 about the violet walrus"
    ]
    for page in (render_html(about), render_text(about), to_json(about)):
        assert "violet walrus" in page
        assert "Something else entirely" not in page
    about["message"][0]["body_text"] = "<script>alert(1)</script>"
    assert "<script>" not in render_html(about)
    empty = privacy.all_about(opened, "nobody@nowhere.example")
    assert all(not rows for name, rows in empty.items() if name not in ("address", "hash"))


def test_retention_is_a_dry_run_until_told_otherwise(house: tuple[Desk, Opened], tmp_path: Path) -> None:
    desk, opened = house
    limits = {"raw_mail": "30d", "reply_text": "30d", "letter_text": "30d", "decision_facts": "30d", "notice_text": "30d",
              "audit_private": "60d", "contact": "400d", "suppression_legal": "90d"}  # fmt: skip
    keep = opened.config.retention.model_validate(limits)
    opened = Opened(opened.config.model_copy(update={"retention": keep}), opened.store, SECRET, tmp_path, (SECRET,))
    privacy.object_to(opened, ADDRESS, "by phone", actor=C, now=NOW)

    def due(days: int, *, apply: bool = False) -> dict[str, int]:
        rows = privacy.retain(opened, apply=apply, actor=C, now=NOW + timedelta(days=days))
        return {row["what"]: row["due"] for row in rows if row["due"]}

    assert due(10) == {}
    before = due(45)
    assert set(before) >= {"raw_mail", "reply_text", "decision_facts"}
    assert due(45, apply=True) == before
    assert due(45) == {}
    assert due(100, apply=True)["suppression_legal"] == 1
    assert "contact" not in due(500)  # threads are open

    def close_threads(connection: Any) -> None:
        for number in (1, 2, 3):
            threads.change(connection, number, state=ThreadState.CLOSED)

    desk.store.write_now(close_threads)
    assert due(500, apply=True)["contact"] == 2  # the third is still in a paused sequence
    assert due(500) == {}
    assert found_in(desk.store, tmp_path) == []
    entries = desk.store.read_now(lambda c: list(audit.entries(c)))
    assert list(audit_verify.verify_entries(entries)) == []
    (entry,) = desk.store.read_now(suppression.entries)
    assert desk.store.read_now(
        suppression.find_covering, suppression.covering_hashes(SECRET, ADDRESS, None), NOW + timedelta(days=501)
    ) == entry  # fmt: skip
    assert "raw_mail" in json.dumps(privacy.processing_records(opened))
