"""Do a salesperson's messy lists become the right contacts, on both databases, however often they come?"""

import csv
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from outbound.origins import origin_of
from postroom.import_contacts import ContactOptions, each_contact
from store import audit, enrollments, suppression
from store.database import Store
from store.errors import PermanentError
from store.vocabulary import AccountStage, EnrollmentState, SuppressionKind, SuppressionReason
from tests.workers.importing import CARL, JON, MAYA, NOW, Desk, told


@pytest.fixture
def desk(store: Store, tmp_path: Path) -> Desk:
    return Desk(store, tmp_path)


def bring(desk: Desk, text: str | bytes, options: ContactOptions | None = None, **more: Any) -> list[tuple[str, str]]:
    return told(list(each_contact(desk.job(text, **more), options)))


def suppress(
    desk: Desk, value: str, reason: SuppressionReason, kind: SuppressionKind = SuppressionKind.ADDRESS
) -> None:
    desk.store.write_now(
        suppression.add, desk.opened.secret, kind, value, reason, source="x", evidence="", actor=CARL, now=NOW
    )


LIST = """Email;Vorname;Nachname;Firma;Position;Land;Lead Source;# Employees
ann@acme.example;Ann;Lee;Acme GmbH;Head;UK;APOLLO export;120
info@acme.example;;;Acme GmbH;;UK;;
nobody;Bob;;;;;;
zo\u00eb@b\u00fccher.example;Zo\u00eb;Ash;B\u00fccher;CEO;Atlantis;;
"""


def test_a_list_in_any_encoding_comes_in_once(desk: Desk) -> None:
    expected = ["added", "added", "refused", "added"]
    assert [one for one, _ in bring(desk, LIST.encode("utf-16"))] == expected
    ann = desk.contacts()["ann@acme.example"]
    assert (ann.first_name, ann.country, ann.source, ann.role) == ("Ann", "GB", "apollo", "Head")
    assert dict(ann.fields) == {"company": "Acme GmbH", "employees": "120"}
    assert desk.contacts()["zo\u00eb@xn--bcher-kva.example"].fields["country_as_written"] == "Atlantis"
    for codec in ("utf-8-sig", "cp1252", "utf-16-le"):
        again = bring(desk, LIST.encode(codec))
        assert [one for one, _ in again] == ["unchanged", "unchanged", "refused", "unchanged"], codec
    assert len(desk.contacts()) == 3
    with (desk.folder / "errors.csv").open(encoding="utf-8") as file:
        assert [(row["line"], row["email"]) for row in csv.DictReader(file)] == [("4", "nobody")]


def test_risks_are_named_at_the_row(desk: Desk) -> None:
    rows = bring(desk, "email,role,country,company website\ninfo@acme.example,,GB,\na@gmail.com,CEO,GB,acme.example\n"
                       "a@mailinator.com,CEO,GB,\nb@acme.example,CEO,,\nc@elsewhere.example,CEO,GB,\n")  # fmt: skip
    found = [set(reason.split(", ")) - {""} for _, reason in rows]
    assert found == [
        {"role-address", "no-role"},
        {"free-mail"},
        {"disposable", "risk-disposable"},
        {"no-country"},
        set(),
    ]
    acme = desk.account_of("b@acme.example")
    assert desk.account_of("a@gmail.com") == acme, "free mail goes to the company that the list names"
    assert desk.account_of("a@mailinator.com") is None


def test_the_list_is_told_who_may_not_be_written_to(desk: Desk) -> None:
    desk.account(domain="cust.example", name="Cust", stage=AccountStage.CUSTOMER)
    suppress(desk, "rival.example", SuppressionReason.COMPETITOR, SuppressionKind.DOMAIN)
    rows = bring(
        desk,
        "email,role,country,dnc\na@cust.example,CEO,GB,\nb@rival.example,CEO,GB,\nc@x.example,CEO,DE,\nd@x.example,CEO,GB,yes\n",
    )
    assert rows == [
        ("added", "customer"),
        ("added", "suppressed-competitor"),
        ("added", "no-legal-basis"),
        ("added", "do-not-contact"),
    ]


def test_the_newer_filled_value_wins_and_its_origin_is_kept(desk: Desk) -> None:
    head = "email,role,city,Last Modified Date\n"
    bring(desk, head + "a@x.example,Head,Bonn,2026-02-10\n")
    assert bring(desk, head + "a@x.example,Intern,Kiel,2026-02-01\n")[0][0] == "unchanged", "an older export"
    assert bring(desk, head + "a@x.example,,Kiel,2026-02-20\n")[0][0] == "updated"
    ann = desk.contacts()["a@x.example"]
    assert (ann.role, ann.city) == ("Head", "Kiel")
    role, city = origin_of(ann.origins, "role"), origin_of(ann.origins, "city")
    assert role is not None
    assert city is not None
    assert (role.at.day, city.at.day, city.source) == (10, 20, "list.csv")
    old = ContactOptions(as_of=datetime(2026, 1, 1, tzinfo=UTC))
    assert bring(desk, "email,role,state\na@x.example,Boss,NRW\n", old)[0][0] == "updated", "what was empty is filled"
    assert (desk.contacts()["a@x.example"].role, desk.contacts()["a@x.example"].state) == ("Head", "NRW")


def test_a_value_confirmed_later_is_not_replaced_by_one_from_between(desk: Desk) -> None:
    head = "email,role,updated_at\n"
    for row in ("Head,2026-02-01", "Head,2026-02-20", "Intern,2026-02-10"):
        bring(desk, f"{head}a@x.example,{row}\n")
    assert desk.contacts()["a@x.example"].role == "Head"


def test_an_owner_changes_only_when_told(desk: Desk) -> None:
    bring(desk, "email,owner\na@x.example,Maya Stone\nb@x.example,A Stranger\n")
    assert desk.contacts()["a@x.example"].owner == MAYA
    assert desk.contacts()["b@x.example"].owner == ""
    told_of = bring(desk, "email,owner\na@x.example,jon@team.example\n")
    assert "owner-kept" in told_of[0][1]
    assert desk.contacts()["a@x.example"].owner == MAYA
    bring(desk, "email,owner\na@x.example,jon@team.example\n", ContactOptions(owner_wins=True))
    ann = desk.contacts()["a@x.example"]
    assert (ann.owner, ann.earlier_owner) == (JON, MAYA)
    assert any(one["action"] == "contact.owner" for one in desk.store.read_now(lambda c: list(audit.entries(c))))


def test_of_several_accounts_on_a_domain_the_name_decides_or_nobody(desk: Desk) -> None:
    north = desk.account(domain="acme.example", name="Acme North GmbH", crm_id="n1")
    south = desk.account(domain="acme.example", name="Acme South", crm_id="s1")
    rows = bring(desk, "email,company,account id\na@acme.example,ACME North,\nb@acme.example,Acme,\nc@acme.example,,\n"
                       "d@acme.example,Acme North,s1\ne@mail.acme.example,Acme South Ltd.,\n")  # fmt: skip
    linked = {email: one.account_id for email, one in desk.contacts().items()}
    assert linked == {"a@acme.example": north, "b@acme.example": None, "c@acme.example": None, "d@acme.example": south,
                      "e@mail.acme.example": south}  # fmt: skip
    assert ["ambiguous-account" in reason for _, reason in rows] == [False, True, True, False, False]


def test_an_account_is_opened_once_by_its_registrable_domain(desk: Desk) -> None:
    rows = "".join(f"p{number}@{'eu.' if number % 2 else ''}acme.co.uk,Acme\n" for number in range(6))
    bring(desk, f"email,company\n{rows}x@gmail.com,Acme\n")
    assert {one.account_id for email, one in desk.contacts().items() if email.endswith("acme.co.uk")} == {1}
    assert desk.account_of("x@gmail.com") is None, "a name alone proves no company"
    account = desk.account_of("p0@acme.co.uk")
    assert account is not None
    assert (account.domain, account.name) == ("acme.co.uk", "Acme")


def test_a_person_with_another_address_is_the_same_person(desk: Desk) -> None:
    bring(desk, "email,first_name,last_name,role\nann@acme.example,Ann,Lee,Head\n")
    rows = bring(desk, "email,first_name,last_name,role\na.lee@acme.example,ANN,Lee,Chief\n")
    assert rows[0][0] == "updated"
    assert "same-person: ann@acme.example" in rows[0][1]
    assert list(desk.contacts()) == ["ann@acme.example"]
    assert desk.contacts()["ann@acme.example"].fields["other_address"] == "a.lee@acme.example"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("ann@gmail.com,Ann,Lee,,", "ann.lee@gmail.com,Ann,Lee,,"), ("ann@acme.example,Ann,Lee,1,", "a2@acme.example,Ann,Lee,2,"),
        ("ann@acme.example,Ann,Lee,,in/a", "a2@acme.example,Ann,Lee,,in/b"), ("ann@acme.example,Ann,Lee,,", "ann@other.example,Ann,Lee,,"),
        ("ann@acme.example,Ann,,,", "a2@acme.example,Ann,,,"), ("a.nn@acme.example,,,,", "ann@acme.example,,,,"),
        ("ann+x@acme.example,,,,", "ann@acme.example,,,,"),
    ],
)  # fmt: skip
def test_different_people_stay_apart(desk: Desk, first: str, second: str) -> None:
    bring(desk, f"email,first_name,last_name,crm_id,linkedin_url\n{first}\n{second}\n")
    assert len(desk.contacts()) == 2


def test_a_new_address_is_no_way_around_a_stop(desk: Desk) -> None:
    bring(
        desk, "email,first_name,last_name\nann@acme.example,Ann,Lee\nbob@acme.example,Bob,Ray\ncy@acme.example,Cy,Day\n"
    )
    suppress(desk, "ann@acme.example", SuppressionReason.UNSUBSCRIBE)
    suppress(desk, "bob@acme.example", SuppressionReason.HARD_BOUNCE)
    suppress(desk, "gone@acme.example", SuppressionReason.COMPLAINT)
    rows = bring(
        desk, "email,first_name,last_name\nann2@acme.example,Ann,Lee\nbob2@acme.example,Bob,Ray\ngone@acme.example,,\n"
    )
    assert rows[0] == ("refused", "suppressed-unsubscribe: the same person as ann@acme.example, who is never mailed")
    assert rows[1][0] == "updated"
    assert rows[2] == ("refused", "suppressed-complaint: this person is never mailed")
    assert set(desk.contacts()) == {"ann@acme.example", "bob2@acme.example", "cy@acme.example"}, (
        "a dead mailbox is replaced"
    )


def test_a_list_that_says_stop_empties_the_queue(desk: Desk) -> None:
    bring(desk, "email\na@x.example\n")
    contact = desk.contacts()["a@x.example"]
    desk.store.write_now(enrollments.enroll, contact.id, "demo", NOW, now=NOW)
    bring(desk, "email,opted out\na@x.example,TRUE\n")
    assert desk.store.read_now(enrollments.count_by_state)["demo", EnrollmentState.OPTED_OUT] == 1
    bring(desk, "email,opted out\na@x.example,FALSE\n")
    assert desk.contacts()["a@x.example"].do_not_contact


def test_a_dry_run_tells_the_same_and_writes_nothing(desk: Desk) -> None:
    would = bring(desk, LIST, dry_run=True)
    assert desk.contacts() == {}
    assert desk.store.read_now(audit.last_number) == 0
    assert would == bring(desk, LIST)


def test_thousands_of_rows_cross_the_batches(desk: Desk) -> None:
    rows = "".join(
        f"p{number}@acme{number % 300}.example,P{number},Day,Acme {number % 300}\n" for number in range(1_250)
    )
    done: list[int] = []
    outcomes = bring(desk, f"email,first_name,last_name,company\n{rows}{rows}", watch=lambda at, size: done.append(at))
    assert [one for one, _ in outcomes] == ["added"] * 1_250 + ["unchanged"] * 1_250
    assert len({one.account_id for one in desk.contacts().values()}) == 300
    assert done == sorted(done)
    assert len(done) == 10
    (entry,) = [
        one for one in desk.store.read_now(lambda c: list(audit.entries(c))) if one["action"] == "import.contacts"
    ]
    assert '"added":1250' in entry["detail"]
    assert "list.csv" not in entry["detail"]


def test_two_rows_of_one_person_in_one_batch_are_one_contact(desk: Desk) -> None:
    rows = bring(
        desk, "email,first_name,last_name,city\na@x.example,Ann,Lee,\nA@X.example,Ann,Lee,Bonn\na2@x.example,Ann,Lee,\n"
    )
    assert [one for one, _ in rows] == ["added", "updated", "updated"]
    assert list(desk.contacts()) == ["a@x.example"]
    assert desk.contacts()["a@x.example"].city == "Bonn"


def test_a_title_above_the_header_and_a_footer_below_are_no_rows(desk: Desk) -> None:
    rows = bring(
        desk,
        'Notes:\n"When exporting, some addresses are missing."\n\nFirst Name,Last Name,URL,Email Address,Company\nAnn,Lee,u,a@x.example,X\n',
    )
    assert rows[0][0] == "added"


def test_a_mapping_says_what_headers_mean(desk: Desk) -> None:
    mapping = {"Kontakt": "email", "Zust\u00e4ndig": "owner", "Email": ""}
    bring(desk, "Kontakt,Zust\u00e4ndig,Email\na@x.example,Maya Stone,z@z.example\n", mapping=mapping)
    assert desk.contacts()["a@x.example"].owner == MAYA
    with pytest.raises(PermanentError, match="Absent"):
        bring(desk, "email\na@x.example\n", mapping={"Absent": "role"})


def test_cells_of_the_errors_are_no_formulas(desk: Desk) -> None:
    bring(desk, "email\n=cmd()\n")
    assert "'=cmd()" in (desk.folder / "errors.csv").read_text(encoding="utf-8")
    (desk.folder / "errors.csv").write_text("mine", encoding="utf-8")
    bring(desk, "email\na@x.example\n")
    assert (desk.folder / "errors.csv").read_text(encoding="utf-8") == "mine", "nothing that is not ours is removed"
