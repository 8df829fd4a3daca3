"""Does the checklist of a start find what is missing, and let a start go when everything is there?"""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from outbound.account_rows import AccountList
from postroom.import_accounts import each_account
from postroom.import_contacts import each_contact
from postroom.import_suppression import import_suppression
from postroom.intake import enroll_contacts
from postroom.launch import check_launch
from store import domains, mailboxes
from store.database import Store
from store.vocabulary import VerdictLevel
from tests.workers.importing import NOW, Desk, settings

PEOPLE = "email,first_name,last_name,company,role,country,employees\n" + "".join(
    f"p{number}@acme{number}.example,P{number},Day,Acme {number},Head,GB,120\n" for number in range(12)
)
ORDER = [
    "segment",
    "list",
    "letters",
    "suppression",
    "routing",
    "authentication",
    "warm-up",
    "limits",
    "sla",
    "dashboard",
    "go/no-go",
]
Change = Callable[[dict[str, Any]], Any]


def config() -> dict[str, Any]:
    made = settings()
    made["segment"] = [{"name": "midmarket", "definition": "B2B, 50 to 300 people, in Britain", "excluded": ["agencies"],
                        "required_fields": ["role", "country", "employees", "domain"]}]  # fmt: skip
    made["mailbox"][0]["imap"] = {"host": "127.0.0.1"}
    made["sequence"][0]["go_no_go"] = {"min_interested": 0.02}
    return made


def prepared(
    store: Store,
    folder: Path,
    made: dict[str, Any],
    people: str = PEOPLE,
    *,
    lists: bool = True,
    verdict: VerdictLevel = VerdictLevel.READY,
    checked_days_ago: int = 1,
) -> Desk:
    desk = Desk(store, folder, made)
    list(each_contact(desk.job(people)))
    enroll_contacts(desk.opened, "demo", [], NOW)
    at = NOW - timedelta(days=checked_days_ago)
    store.write_now(domains.save_verdict, "out.example", verdict, [], {}, at)
    if lists:
        list(import_suppression(desk.job("stop@elsewhere.example\n")))
        list(each_account(desk.job("domain\ncust.example\n"), AccountList.CUSTOMERS))
        list(each_account(desk.job("domain,stage\n"), AccountList.OPPORTUNITIES))
    return desk


def missing(desk: Desk) -> dict[str, str]:
    rows = check_launch(desk.opened, "demo", NOW)
    assert [row["check"] for row in rows] == ORDER
    assert all(row["evidence"] for row in rows)
    return {row["check"]: row["missing"] for row in rows if not row["ok"]}


def test_a_start_with_everything_there_may_go(store: Store, tmp_path: Path) -> None:
    desk = prepared(store, tmp_path, config())
    assert missing(desk) == {}
    routing = next(row for row in check_launch(desk.opened, "demo", NOW) if row["check"] == "routing")
    assert "12 replies tried: 12 sequence owner -> maya@team.example" in routing["evidence"]


def test_an_empty_house_is_told_what_to_do_first(store: Store, tmp_path: Path) -> None:
    found = missing(Desk(store, tmp_path))
    assert set(found) >= {
        "segment",
        "list",
        "letters",
        "suppression",
        "routing",
        "authentication",
        "dashboard",
        "go/no-go",
    }
    assert "postroom import customers FILE" in found["suppression"]


def _without_ramp(made: dict[str, Any]) -> None:
    del made["mailbox"][0]["limit"]["ramp"]


CASES: list[tuple[str, Change, str]] = [
    ("segment", lambda c: c["segment"][0].update(excluded=[]), "segment.excluded"),
    ("warm-up", _without_ramp, "limit.ramp"),
    ("limits", lambda c: c["mailbox"][0]["limit"].update(per_day="80/day"), "80 a day"),
    ("limits", lambda c: c["sequence"][0].update(per_account_per_day=None), "per_account_per_day"),
    ("sla", lambda c: c["sequence"][0].update(backup=""), "backup"),
    ("dashboard", lambda c: c["mailbox"][0].pop("imap"), "maya@out.example"),
    ("go/no-go", lambda c: c["sequence"][0].pop("go_no_go"), "before the first letter"),
    ("go/no-go", lambda c: c["sequence"][0].pop("pilot"), "sequence.pilot"),
    ("letters", lambda c: c["sequence"][0]["step"][0].update(body="{{ghost}}"), "ghost"),
]


@pytest.mark.parametrize(("check", "change", "told"), CASES, ids=[f"{case[0]}: {case[2]}" for case in CASES])
def test_what_the_configuration_lacks_is_named(
    tmp_path: Path, check: str, change: Change, told: str, lean: Store
) -> None:
    made = config()
    change(made)
    found = missing(prepared(lean, tmp_path, made))
    assert list(found) == [check]
    assert told in found[check]


@pytest.fixture
def lean(tmp_path: Path) -> Any:
    from store import schema

    opened = Store(f"sqlite:///{tmp_path / 'lean.db'}", inline=True)
    schema.upgrade(opened)
    yield opened
    opened.close()


def test_a_list_with_doubles_and_desks_is_not_clean(lean: Store, tmp_path: Path) -> None:
    desks = "".join(f"info@desk{number}.example,I{number},Desk,D,Head,GB,10\n" for number in range(4))
    found = missing(prepared(lean, tmp_path, config(), PEOPLE + desks))
    assert list(found) == ["list"]
    assert "4 risky addresses" in found["list"]


def test_a_contact_without_a_required_field_is_not_enrolled(lean: Store, tmp_path: Path) -> None:
    desk = Desk(lean, tmp_path, config())
    list(
        each_contact(
            desk.job(
                "email,first_name,role,country,employees\na@x.example,A,Head,GB,\nb@x.example,B,Head,GB,9\nc@gmail.com,C,Head,GB,9\n"
            )
        )
    )
    told = {row["email"]: row["reason"] for row in enroll_contacts(desk.opened, "demo", [], NOW)}
    assert told == {
        "a@x.example": "The required field employees is empty.",
        "b@x.example": "",
        "c@gmail.com": "The required field domain is empty.",
    }


@pytest.mark.parametrize(
    ("verdict", "days", "told"),
    [(VerdictLevel.DEGRADED, 1, "is degraded"), (VerdictLevel.READY, 8, "not checked this week")],
)
def test_a_domain_must_be_ready_and_known_to_be(
    lean: Store, tmp_path: Path, verdict: VerdictLevel, days: int, told: str
) -> None:
    found = missing(prepared(lean, tmp_path, config(), verdict=verdict, checked_days_ago=days))
    assert told in found["authentication"]


def test_a_held_mailbox_and_missing_lists_are_named(lean: Store, tmp_path: Path) -> None:
    desk = prepared(lean, tmp_path, config(), lists=False)
    lean.write_now(mailboxes.hold, "maya@out.example", "password refused", actor="x", now=NOW)
    found = missing(desk)
    assert "password refused" in found["warm-up"]
    assert found["suppression"].count("postroom import") == 3


def test_a_reply_that_nobody_would_own_is_found_before_the_start(lean: Store, tmp_path: Path) -> None:
    made = config()
    made["ownership"] = {"rule": [{"name": "Germans", "when": {"country": ["DE"]}, "to": "jon@team.example"}]}
    found = missing(prepared(lean, tmp_path, made))
    assert "12 would end in triage" in found["routing"]
