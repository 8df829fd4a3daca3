"""Do lists of companies, customers and deals say who is prospected, and never less carefully than before?"""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from outbound.account_rows import AccountList
from postroom.import_accounts import each_account
from postroom.import_contacts import ContactOptions, each_contact
from store import audit, contacts, enrollments, suppression
from store.database import Store
from store.records import Account
from store.vocabulary import AccountStage, EnrollmentState
from tests.workers.importing import JON, MAYA, NOW, Desk, told

ACCOUNTS, CUSTOMERS, DEALS = AccountList.ACCOUNTS, AccountList.CUSTOMERS, AccountList.OPPORTUNITIES
OPPORTUNITY, LOST, CUSTOMER = AccountStage.OPPORTUNITY, AccountStage.LOST, AccountStage.CUSTOMER


@pytest.fixture
def desk(store: Store, tmp_path: Path) -> Desk:
    return Desk(store, tmp_path)


def bring(
    desk: Desk, kind: AccountList, text: str, options: ContactOptions | None = None, **more: Any
) -> list[tuple[str, str]]:
    return told(list(each_account(desk.job(text, **more), kind, options)))


def account(desk: Desk, domain: str) -> Account:
    (found,) = desk.store.read_now(contacts.accounts_where, domain=domain)
    return found


def blocked(desk: Desk, address: str) -> str:
    found = desk.store.read_now(
        suppression.find_covering, suppression.covering_hashes(desk.opened.secret, address, None), NOW
    )
    return found.reason if found else ""


CRM = """Record ID,Company name,Company Domain Name,Company owner,Country/Region,Parent Record ID,Lists,Lifecycle Stage,Last Activity Date
g,Acme Group,https://www.acme-group.example/about,Jon Field,Germany,,strategic; EMEA,Lead,2026-02-01
n,Acme North GmbH,acme.example,maya@team.example,DE,g,,,
s,Acme South,acme.example,,DE,g,,Customer,
,Nobody at all,,,,,,,
"""


def test_what_the_crm_knows_comes_in_once(desk: Desk) -> None:
    first = bring(desk, ACCOUNTS, CRM)
    assert [one for one, _ in first] == ["added"] * 4
    bring(desk, ACCOUNTS, CRM)  # the parent is known by now
    assert [one for one, _ in bring(desk, ACCOUNTS, CRM)] == ["unchanged"] * 4
    group = account(desk, "acme-group.example")
    assert (group.name, group.owner, group.country, group.lists) == ("Acme Group", JON, "DE", ("strategic", "EMEA"))
    north, south = desk.store.read_now(contacts.accounts_by_domain, "acme.example")
    assert (north.owner, north.parent_id, south.stage, south.crm_id) == (MAYA, group.id, CUSTOMER, "s")


def test_an_owner_changes_only_when_told_and_is_written_down(desk: Desk) -> None:
    bring(desk, ACCOUNTS, "domain,owner\nacme.example,maya@team.example\n")
    assert bring(desk, ACCOUNTS, "domain,owner\nacme.example,Jon Field\n") == [("unchanged", "owner-kept")]
    bring(desk, ACCOUNTS, "domain,owner\nacme.example,Jon Field\n", ContactOptions(owner_wins=True))
    assert account(desk, "acme.example").owner == JON
    assert [one["action"] for one in desk.store.read_now(lambda c: list(audit.entries(c)))].count("account.owner") == 1


def test_what_is_in_doubt_is_refused(desk: Desk) -> None:
    for name, crm_id in (("Acme North", "n"), ("Acme South", "s")):
        desk.account(domain="acme.example", name=name, crm_id=crm_id)
    rows = bring(
        desk,
        DEALS,
        "account name,domain,stage,account id\nAcme,acme.example,Open,\nAcme South Ltd,acme.example,Open,\n,,Open,\n,,Open,n\n",
    )
    assert [one for one, _ in rows] == ["refused", "updated", "refused", "updated"]
    assert "2 accounts at acme.example" in rows[0][1]


def test_customers_are_prospected_nowhere(desk: Desk) -> None:
    list(each_contact(desk.job("email\na@cust.example\nb@other.example\n")))
    for email, one in desk.contacts().items():
        desk.store.write_now(enrollments.enroll, one.id, "demo", NOW, now=NOW)
        assert email
    rows = bring(
        desk,
        CUSTOMERS,
        "Customer,Website,Contact Email\nCust AG,cust.example,\nSolo,,solo@gmail.com\nNew,www.new.example,x@new.example\n",
    )
    assert [one for one, _ in rows] == ["updated", "added", "added"]
    assert account(desk, "cust.example").stage == CUSTOMER
    assert [blocked(desk, one) for one in ("x@mail.cust.example", "solo@gmail.com", "other@gmail.com", "y@new.example")] == [
        "customer", "customer", "", "customer",
    ]  # fmt: skip
    states = desk.store.read_now(enrollments.count_by_state)
    assert states == {("demo", EnrollmentState.STOPPED): 1, ("demo", EnrollmentState.ACTIVE): 1}
    assert [one for one, _ in bring(desk, CUSTOMERS, "domain\ncust.example\nnew.example\n")] == ["unchanged"] * 2


DEAL_LIST = """Deal Name,Associated Company,Company Domain Name,Deal Stage,Deal owner,Close Date
A,Acme,acme.example,Closed Lost,jon@team.example,2025-11-05
B,Bolt,bolt.example,Closed lost,jon@team.example,2026-02-20
C,Bolt,bolt.example,Negotiation,Jon Field,
D,Corp,corp.example,closed won,,2026-01-01
E,Dent,dent.example,,Jon Field,
F,Bolt,bolt.example,Verloren,,2026-02-27
"""


def test_an_open_deal_goes_before_a_lost_one_whatever_their_order(desk: Desk) -> None:
    for _ in range(2):
        bring(desk, DEALS, DEAL_LIST)
        stages = {name: account(desk, f"{name}.example") for name in ("acme", "bolt", "corp", "dent")}
        assert {name: one.stage for name, one in stages.items()} == {
            "acme": LOST,
            "bolt": OPPORTUNITY,
            "corp": CUSTOMER,
            "dent": OPPORTUNITY,
        }
    assert stages["bolt"].opportunity_owner == stages["dent"].opportunity_owner == JON
    assert stages["acme"].lost_on == date(2025, 11, 5)
    assert stages["bolt"].lost_on == date(2026, 2, 27), "the later loss counts once nothing is open"
    assert blocked(desk, "a@corp.example") == "customer"
    assert [one for one, _ in bring(desk, DEALS, DEAL_LIST)] == ["unchanged"] * 6


def test_no_list_makes_an_account_less_careful(desk: Desk) -> None:
    for stage in (CUSTOMER, AccountStage.COMPETITOR, AccountStage.DO_NOT_CONTACT):
        desk.account(domain=f"{stage}.test", stage=stage)
    for kind, word in ((DEALS, "lost"), (DEALS, "open"), (ACCOUNTS, "opportunity"), (ACCOUNTS, "prospect")):
        bring(
            desk,
            kind,
            "domain,stage\n"
            + "".join(f"{name}.test,{word}\n" for name in ("customer", "competitor", "do_not_contact")),
        )
    assert [account(desk, f"{one}.test").stage for one in ("customer", "competitor", "do_not_contact")] == [
        "customer",
        "competitor",
        "do_not_contact",
    ]


def test_a_deal_that_closes_moves_its_account_on(desk: Desk) -> None:
    bring(desk, DEALS, "domain,stage\nacme.example,open\n")
    bring(desk, DEALS, "domain,stage,close date\nacme.example,lost,2026-03-01\n")
    assert (account(desk, "acme.example").stage, account(desk, "acme.example").lost_on) == (LOST, date(2026, 3, 1))
    stages = [
        one["detail"]
        for one in desk.store.read_now(lambda c: list(audit.entries(c)))
        if one["action"] == "account.stage"
    ]
    assert stages == ['{"from":"","to":"opportunity"}', '{"from":"opportunity","to":"lost"}']


def test_a_dry_run_writes_nothing(desk: Desk) -> None:
    assert [one for one, _ in bring(desk, DEALS, DEAL_LIST, dry_run=True)].count("added") == 4
    assert desk.store.read_now(contacts.accounts_where) == []
    assert desk.store.read_now(audit.last_number) == 0
