"""Does every list of who is never mailed get into the ledger, and stop whoever it covers, on both databases?"""

import json
from pathlib import Path
from typing import Any

import pytest

from postroom.import_run import Job
from postroom.import_suppression import import_suppression
from postroom.package import LEDGER, write_csv
from store import audit, contacts, enrollments, suppression
from store.database import Store
from store.records import Suppression
from store.vocabulary import EnrollmentState, SuppressionKind, SuppressionReason
from tests.workers.importing import CARL, NOW, Desk


@pytest.fixture
def desk(store: Store, tmp_path: Path) -> Desk:
    return Desk(store, tmp_path)


def bring(desk: Desk, text: str | bytes, **more: object) -> Job:
    job = desk.job(text, **more)
    list(import_suppression(job))
    return job


def ledger(desk: Desk) -> dict[str, Suppression]:
    return {one.value: one for one in desk.store.read_now(suppression.entries)}


LISTS = {
    "plain lines": ("Ann@Acme.example\n\n@rival.example\nbob@acme.example;\n*.wild.example\nno address at all\n", "manual"),
    "Windows lines": ("ann@acme.example\r\nrival.example\r\nbob@acme.example\r\nwild.example\r\nnone\r\n", "manual"),
    "a bounce list": ("Email Address,Reason,Date\nann@acme.example,Hard Bounce,2026-01-05\nrival.example,bounced,\nbob@acme.example,hard_bounce,\nwild.example,bounce,\nx,y,\n", "hard_bounce"),
    "an opt-out list": ("E-Mail;Status;UNSUB_TIME\nann@acme.example;Unsubscribed;2026-01-05 10:00\nrival.example;opted out;\nbob@acme.example;unsubscribed;\nhttps://www.wild.example/;Opt-out;\nx;;\n", "unsubscribe"),
    "words nobody knows": ("email,reason\nann@acme.example,Bob said so\nrival.example,x\nbob@acme.example,x\nwild.example,x\nco.uk,x\n", "manual"),
}  # fmt: skip


@pytest.mark.parametrize("form", LISTS)
def test_every_form_of_list_is_read(desk: Desk, form: str) -> None:
    text, reason = LISTS[form]
    job = bring(desk, text)
    assert job.counts == {"added": 4, "refused": 1}
    found = ledger(desk)
    assert set(found) == {"ann@acme.example", "bob@acme.example", "rival.example", "wild.example"}
    assert {one.reason for one in found.values()} == {reason}
    assert {value: one.kind for value, one in found.items() if "@" not in value} == dict.fromkeys(
        ["rival.example", "wild.example"], "domain"
    )
    assert "list.csv, line" in found["ann@acme.example"].evidence
    assert bring(desk, text).counts == {"unchanged": 4, "refused": 1}


def test_a_word_nobody_knows_is_kept_as_evidence(desk: Desk) -> None:
    bring(desk, LISTS["words nobody knows"][0])
    assert ledger(desk)["ann@acme.example"].evidence.endswith(": Bob said so")


def test_the_time_of_the_wish_is_kept_and_never_lies_ahead(desk: Desk) -> None:
    bring(desk, "email,unsubscribed at\na@x.example,2026-01-05\nb@x.example,2099-01-01\n")
    found = ledger(desk)
    assert (found["a@x.example"].created_at.month, found["b@x.example"].created_at) == (1, NOW)


def test_an_export_comes_back_whole_even_what_was_erased(desk: Desk) -> None:
    secret, kind = desk.opened.secret, SuppressionKind.ADDRESS
    for value, reason in (("a@x.example", SuppressionReason.LEGAL), ("b@x.example", SuppressionReason.CUSTOMER)):
        desk.store.write_now(
            suppression.add, secret, kind, value, reason, source="mail", evidence="letter", actor=CARL, now=NOW
        )
    rows = desk.store.read_now(lambda connection: list(suppression.ledger(connection)))
    rows[0]["value"] = ""  # as erasure leaves it
    exported = "".join(json.dumps(row, default=str) + "\n" for row in rows)
    for value in ("a@x.example", "b@x.example"):
        desk.store.write_now(suppression.remove, secret, kind, value, actor=CARL, because="test", now=NOW)
    job = bring(desk, exported)
    assert job.counts == {"added": 2}
    hashes = suppression.covering_hashes(secret, "a@x.example", None)
    found = desk.store.read_now(suppression.find_covering, hashes, NOW)
    assert found is not None
    assert (found.reason, found.source, found.evidence) == ("legal", "mail", "letter")


def test_the_csv_of_a_package_comes_back_by_hash_and_a_broken_hash_is_named(desk: Desk) -> None:
    digest = suppression.hash_value(desk.opened.secret, SuppressionKind.ADDRESS, "gone@x.example").hex()
    path = desk.folder / "suppression.csv"
    row = {"kind": "address", "value": "", "reason": "legal", "source": "mail", "evidence": "", "created_at": NOW}
    write_csv(path, LEDGER, [row | {"hash": digest}, row | {"hash": digest[:-1]}, row])
    job = bring(desk, path.read_bytes())
    assert job.counts == {"added": 1, "refused": 2}
    told = (desk.folder / "errors.csv").read_text(encoding="utf-8").splitlines()
    assert "an erased entry needs its hash" in told[1]
    assert digest[:-1] in told[1]
    assert "no address, domain or account" in told[2]
    hashes = suppression.covering_hashes(desk.opened.secret, "Gone@x.example", None)
    found = desk.store.read_now(suppression.find_covering, hashes, NOW)
    assert found is not None
    assert (found.value, found.reason) == ("", "legal")


def test_a_list_ends_the_sequences_of_everybody_it_covers(desk: Desk) -> None:
    account = desk.account(domain="acme.example")

    def fill(connection: Any) -> None:
        for number in range(1_203):
            email = f"p{number}@{'gone.example' if number % 2 else 'acme.example'}"
            key = contacts.save_contact(connection, {"email": email, "account_id": account}, NOW)
            if number > 1_195:
                enrollments.enroll(connection, key, "demo", NOW, now=NOW)

    desk.store.write_now(fill)
    bring(desk, "gone.example\n")
    states = desk.store.read_now(enrollments.count_by_state)
    assert states == {("demo", EnrollmentState.OPTED_OUT): 3, ("demo", EnrollmentState.ACTIVE): 4}
    bring(desk, f"kind,value\naccount,{account}\n")
    assert desk.store.read_now(enrollments.count_by_state) == {("demo", EnrollmentState.OPTED_OUT): 7}


def test_a_dry_run_counts_and_writes_nothing(desk: Desk) -> None:
    assert bring(desk, "a@x.example\nb@x.example\n", dry_run=True).counts == {"added": 2}
    assert ledger(desk) == {}
    assert desk.store.read_now(audit.last_number) == 0


def test_who_brought_which_list_is_in_the_audit_log(desk: Desk) -> None:
    bring(desk, "a@x.example\n")
    told = {one["action"]: one for one in desk.store.read_now(lambda c: list(audit.entries(c)))}
    assert told["import.suppression"]["actor"] == CARL
    assert '"sha256"' in told["import.suppression"]["detail"]
    assert set(told) == {"suppression.imported", "import.suppression"}
