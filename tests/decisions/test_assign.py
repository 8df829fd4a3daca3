"""Whose reply is it? The documents' rules as a table: every row one story, one owner, one reason."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ownership.assign import Assignment, assign_owner
from ownership.facts import RoutingFacts
from ownership.rule_check import check_rules
from ownership.settings import OwnershipSettings, TeamSettings
from store.records import Account, Contact, Reply, Thread
from store.vocabulary import AccountStage, Label, Tag, ThreadState

NOW = datetime(2026, 3, 2, 10, tzinfo=UTC)
M, J, A, T, C, G, O = (f"{name}@team.example" for name in ("maya", "jon", "ann", "tom", "carl", "gina", "olga"))
PEOPLE: list[dict[str, Any]] = [
    {"email": M, "name": "Maya", "backup": J, "countries": ["DE", "AT"], "languages": ["de"]},
    {"email": J, "name": "Jon", "backup": M, "countries": ["US", "CA"], "languages": ["en"]},
    {"email": A, "name": "Ann", "role": "ae", "backup": G},
    {"email": T, "name": "Tom", "role": "manager"},
    {"email": C, "name": "Carl", "role": "compliance", "backup": T},
    {"email": G, "name": "Gina", "role": "manager"},
    {"email": O, "name": "Olga", "role": "operations"},
]
AWAY = {"absences": [{"from": "2026-03-01", "to": "2026-03-07"}]}
LEFT = {"left_on": "2026-02-01"}


def team(pods: Any = (), **changes: dict[str, Any]) -> TeamSettings:
    people = [person | changes.get(person["name"].lower(), {}) for person in PEOPLE]
    return TeamSettings.model_validate(
        {"person": people, "pod": list(pods), "triage": T, "compliance": C, "escalation": G, "operations": O}
    )


def facts(label: Label = Label.INTERESTED, text: str = "yes", tags: Any = (), **changes: Any) -> RoutingFacts:
    thread = Thread(1, 1, None, "demo", "s@out.example", "Hello", ThreadState.CLOSED, owner=changes.pop("thread_owner", ""),
                    acting="", pinned=changes.pop("pinned", False))  # fmt: skip
    reply = Reply(1, "chris@acme.example", ("s@out.example",), "Re: Hello", text, label, frozenset(tags), 0.9, "model", NOW,
                  language=changes.pop("language", ""), mailbox=changes.pop("mailbox", "s@out.example"),
                  sequence=changes.pop("sequence", "demo"))  # fmt: skip
    contact = Contact(1, "chris@acme.example", **changes.pop("contact", {}))
    account = changes.pop("account", None)
    base = RoutingFacts(thread, reply, contact, Account(7, **account) if account is not None else None)
    return replace(base, **{"sequence_owner": J, "sequence_backup": M} | changes)


def decide(found: RoutingFacts, settings: Any = None, members: TeamSettings | None = None) -> Assignment:
    return assign_owner(found, OwnershipSettings.model_validate(settings or {}), members or team(), NOW)


ACME = {"name": "Acme", "domain": "acme.example", "owner": M}
OPPORTUNITY = ACME | {"stage": AccountStage.OPPORTUNITY, "opportunity_owner": A}
DEFAULT_ORDER: list[tuple[str, dict[str, Any], str, str]] = [
    ("the account's owner beats sequence and territory", {"account": ACME, "contact": {"country": "US"}}, M, "account owner"),
    ("an open opportunity beats the account's owner", {"account": OPPORTUNITY}, A, "open opportunity"),
    ("an opportunity without owner is the account owner's", {"account": OPPORTUNITY | {"opportunity_owner": ""}}, M,
     "open opportunity"),
    ("a customer is the account owner's", {"account": ACME | {"stage": AccountStage.CUSTOMER}}, M, "account owner"),
    ("the nearest parent's owner", {"account": ACME | {"owner": ""}, "parents": (Account(8, "Up", owner=A),)}, A,
     "parent account owner"),
    ("the second parent when the first has none",
     {"account": ACME | {"owner": ""}, "parents": (Account(8), Account(9, "Top", owner=A))}, A, "parent account owner"),
    ("the contact's owner without an account", {"contact": {"owner": A}}, A, "contact owner"),
    ("the account's owner beats the contact's", {"account": ACME, "contact": {"owner": A}}, M, "account owner"),
    ("the earlier owner beats the sequence's", {"contact": {"earlier_owner": A}}, A, "earlier owner"),
    ("the sequence's owner is the safe default", {}, J, "sequence owner"),
    ("territory when the sequence has no owner", {"sequence_owner": "", "contact": {"country": "AT"}}, M,
     "segment and territory"),
    ("the account's country when the contact has none",
     {"sequence_owner": "", "account": {"name": "A", "country": "CA"}}, J, "segment and territory"),
    ("language when no territory fits", {"sequence_owner": "", "language": "de"}, M, "language"),
    ("triage when nothing fits", {"sequence_owner": ""}, T, "triage queue"),
    ("two equally recent accounts are for a person", {"account_in_doubt": True}, T, "triage queue"),
    ("the owner of the thread stays whatever the account says", {"thread_owner": A, "account": ACME}, A,
     "owner of the thread"),
    ("a manager's decision stays", {"thread_owner": T, "pinned": True, "account": OPPORTUNITY}, T, "owner of the thread"),
    ("an alias is routed by the sender", {"mailbox": "sales@out.example", "account": ACME}, M, "account owner"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("story", "given_facts", "owner", "rule"), DEFAULT_ORDER, ids=[row[0] for row in DEFAULT_ORDER]
)
def test_default_order(story: str, given_facts: dict[str, Any], owner: str, rule: str) -> None:
    made = decide(facts(**given_facts))
    assert (made.owner, made.rule) == (owner, rule)
    assert made.reason.startswith("This ")
    assert made.reason.endswith(".")


@pytest.mark.parametrize("label", [Label.NOT_INTERESTED, Label.OTHER, Label.INTERESTED])
def test_every_human_label_gets_the_same_owner(label: Label) -> None:
    assert decide(facts(label, account=ACME)).owner == M


@pytest.mark.parametrize("label", [Label.OUT_OF_OFFICE, Label.BOUNCE])
@pytest.mark.parametrize("owner", ["", A])
def test_what_nobody_wrote_changes_no_owner(label: Label, owner: str) -> None:
    made = decide(facts(label, thread_owner=owner, account=ACME))
    assert (made.owner, made.moves_thread) == (owner, False)


BEFORE_SALES: list[tuple[str, dict[str, Any], str, bool]] = [
    ("a stop wish on a new thread", {"label": Label.UNSUBSCRIBE}, C, True),
    (
        "a stop wish on an owned thread is compliance's message",
        {"label": Label.UNSUBSCRIBE, "thread_owner": J},
        C,
        False,
    ),
    ("a legal threat takes the thread", {"label": Label.OTHER, "tags": [Tag.LEGAL_THREAT], "thread_owner": J}, G, True),
    ("a legal threat beats the stop wish in it", {"label": Label.UNSUBSCRIBE, "tags": [Tag.LEGAL_THREAT]}, G, True),
    ("brand abuse is for operations", {"label": Label.OTHER, "tags": [Tag.BRAND_ABUSE]}, O, True),
    ("an angry but willing person goes by the rules", {"tags": [Tag.ANGRY], "account": ACME}, M, True),
]


@pytest.mark.parametrize(("story", "given_facts", "owner", "moves"), BEFORE_SALES, ids=[row[0] for row in BEFORE_SALES])
def test_before_sales(story: str, given_facts: dict[str, Any], owner: str, moves: bool) -> None:
    made = decide(facts(**given_facts))
    assert (made.owner, made.moves_thread) == (owner, moves)


def test_a_legal_threat_tells_sales_and_compliance() -> None:
    told = decide(facts(Label.UNSUBSCRIBE, tags=[Tag.LEGAL_THREAT], thread_owner=J)).also_tell
    assert set(told) == {J, C}


ABSENCE: list[tuple[str, dict[str, Any], dict[str, dict[str, Any]], str, str]] = [
    ("the backup acts, the owner stays", {"account": ACME}, {"maya": AWAY}, M, J),
    ("a backup who is away hands on, a circle ends at the escalation owner", {"account": ACME}, {"maya": AWAY, "jon": AWAY},
     M, G),
    ("the chain goes on", {"account": OPPORTUNITY}, {"ann": AWAY | {"backup": M}, "maya": AWAY}, A, J),
    ("an absent thread owner keeps the thread", {"thread_owner": M}, {"maya": AWAY}, M, J),
    ("an absent compliance owner still owns the stop", {"label": Label.UNSUBSCRIBE}, {"carl": AWAY}, C, T),
    ("a former account owner: the person's backup owns", {"account": ACME | {"owner": A}}, {"ann": LEFT}, G, G),
    ("a former sequence owner: the sequence's backup owns", {"sequence_backup": A}, {"jon": LEFT}, A, A),
    ("a former thread owner: the thread moves to the backup", {"thread_owner": M}, {"maya": LEFT}, J, J),
    ("backup gone too: the next rule", {"account": ACME | {"owner": A}}, {"ann": LEFT, "gina": LEFT}, J, J),
    ("thread owner and backup gone: the rules decide", {"thread_owner": A, "account": ACME}, {"ann": LEFT, "gina": LEFT},
     M, M),
]  # fmt: skip


@pytest.mark.parametrize(
    ("story", "given_facts", "people", "owner", "acting"), ABSENCE, ids=[row[0] for row in ABSENCE]
)
def test_absence_and_leaving(
    story: str, given_facts: dict[str, Any], people: dict[str, dict[str, Any]], owner: str, acting: str
) -> None:
    made = decide(facts(**given_facts), members=team(**people))
    assert (made.owner, made.acting) == (owner, acting)


PODS = [{"name": "west", "members": [M, J, A]}, {"name": "calm", "members": [M, J], "by": "least-open"}]


def rule(when: dict[str, Any], to: str, **more: Any) -> dict[str, Any]:
    return {"rule": [{"name": "the rule", "when": when, "to": to} | more, {"name": "rest", "to": T}]}


CONDITIONS: list[tuple[dict[str, Any], dict[str, Any], bool]] = [
    ({"account_list": ["Top 50"]}, {"account": ACME | {"lists": ("top 50",)}}, True),
    ({"account_list": ["Top 50"]}, {"account": ACME}, False),
    ({"account_domain": ["acme.example"]}, {"account": ACME}, True),
    ({"account_domain": ["acme.example"]}, {"account": ACME | {"domain": "de.acme.example"}}, True),
    ({"account_domain": ["cme.example"]}, {"account": ACME}, False),
    ({"account_crm_id": ["0017"]}, {"account": ACME | {"crm_id": "0017"}}, True),
    ({"account_name": ["ACME"]}, {"account": ACME}, True),
    ({"account_stage": ["customer"]}, {"account": ACME | {"stage": AccountStage.CUSTOMER}}, True),
    ({"has_parent": True}, {"account": ACME, "parents": (Account(8),)}, True),
    ({"has_parent": False}, {"account": ACME}, True),
    ({"segment": ["enterprise"]}, {"account": ACME | {"segment": "Enterprise"}}, True),
    ({"segment": ["smb"]}, {"sequence_segment": "smb"}, True),
    ({"country": ["de", "at"]}, {"contact": {"country": "AT"}}, True),
    ({"state": ["Québec"]}, {"contact": {"state": "québec"}}, True),
    ({"city": ["Graz"]}, {"contact": {"city": "Linz"}}, False),
    ({"source": ["webinar"]}, {"contact": {"source": "webinar"}}, True),
    ({"language": ["fr"]}, {"language": "fr"}, True),
    ({"sequence": ["event"]}, {"sequence": "event"}, True),
    ({"sequence": ["event"]}, {"sequence": "demo"}, False),
    ({"mailbox": ["sales@out.example"]}, {"mailbox": "sales@out.example"}, True),
    ({"label": ["interested"]}, {}, True),
    ({"tag": ["security_review"]}, {"tags": [Tag.SECURITY_REVIEW]}, True),
    ({"words": ["SOC 2"]}, {"text": "please send your SOC2 report"}, True),
    ({"words": ["demo"]}, {"text": "what a democracy"}, False),
    ({"words": ["price"], "country": ["DE"]}, {"text": "price?", "contact": {"country": "DE"}}, True),
    ({"words": ["price"], "country": ["DE"]}, {"text": "price?", "contact": {"country": "FR"}}, False),
]


@pytest.mark.parametrize(("when", "given_facts", "matched"), CONDITIONS)
def test_conditions(when: dict[str, Any], given_facts: dict[str, Any], matched: bool) -> None:
    made = decide(facts(**given_facts), rule(when, A))
    assert (made.owner == A) is matched


def test_an_override_acts_on_an_owned_thread_and_pins() -> None:
    settings = rule({"words": ["SOC 2"]}, "pod:west", override=True, pin=True)
    made = decide(facts(text="SOC2?", thread_owner=T, account=ACME), settings, team(PODS))
    assert (made.owner, made.pinned) == (M, True)
    assert decide(facts(text="hello", thread_owner=A), settings, team(PODS)).owner == A


def test_round_robin_goes_on_from_the_last_one_and_skips_the_absent() -> None:
    settings = rule({}, "pod:west")
    for last, expected in (("", M), (M, J), (J, A), (A, M), ("gone@team.example", M)):
        made = decide(facts(rotations={"west": ({}, last)}), settings, team(PODS))
        assert (made.owner, made.pod) == (expected, "west")
    assert decide(facts(rotations={"west": ({}, M)}), settings, team(PODS, jon=AWAY)).owner == A
    assert decide(facts(rotations={"west": ({}, M)}), settings, team(PODS, jon=LEFT)).owner == A


def test_least_open_prefers_the_least_busy() -> None:
    made = decide(facts(open_counts={M: 3, J: 1}), rule({}, "pod:calm"), team(PODS))
    assert made.owner == J


def test_weights_share_the_turns() -> None:
    pods = [{"name": "west", "members": [M, J], "weights": {M: 2}}]
    turns: dict[str, int] = {}
    for _ in range(30):
        owner = decide(facts(rotations={"west": (turns, "")}), rule({}, "pod:west"), team(pods)).owner
        turns[owner] = turns.get(owner, 0) + 1
    assert turns == {M: 20, J: 10}


def test_every_rule_is_recorded_with_hit_or_miss() -> None:
    made = decide(facts(account=ACME, contact={"owner": A}))
    tried = {one.rule: one.matched for one in made.tried}
    assert tried["open opportunity"] is False
    assert tried["account owner"] is True
    assert tried["contact owner"] is True
    assert "Maya" in made.reason
    assert "Acme" in made.reason


def test_the_rules_are_checked_at_load() -> None:
    rules = [
        {"name": "nobody", "to": "who@else.example"},
        {"name": "no pod", "to": "pod:east"},
        {"name": "gone", "when": {"label": ["other"]}, "to": J},
        {"name": "old sequence", "when": {"sequence": ["spring"]}, "to": M},
        {"name": "all", "to": M},
        {"name": "never", "to": A},
    ]
    found = list(check_rules(OwnershipSettings.model_validate({"rule": rules}), team(jon=LEFT), ["demo"], NOW))
    errors = [sentence for is_error, sentence in found if is_error]
    warnings = [sentence for is_error, sentence in found if not is_error]
    assert any("rule[0]" in one and "no member" in one for one in errors)
    assert any("rule[1]" in one and "no pod" in one for one in errors)
    assert any("rule[3]" in one and "spring" in one for one in errors)
    assert any("rule[2]" in one and "has left" in one for one in warnings)
    assert any("rule[5]" in one and "can never match" in one for one in warnings)


@given(
    label=st.sampled_from(Label),
    tags=st.frozensets(st.sampled_from(Tag)),
    left=st.frozensets(st.sampled_from(["maya", "jon", "ann", "tom", "carl", "olga"])),
    away=st.frozensets(st.sampled_from(["maya", "jon", "ann", "tom", "carl", "gina", "olga"])),
    owner=st.sampled_from(["", M, J, A, "unknown@team.example"]),
    account=st.sampled_from([None, ACME, OPPORTUNITY]),
    doubt=st.booleans(),
    rules=st.sampled_from([None, rule({"words": ["x"]}, "pod:west", override=True), rule({}, "pod:calm")]),
)
def test_every_human_reply_has_exactly_one_present_owner(
    label: Label, tags: Any, left: Any, away: Any, owner: str, account: Any, doubt: bool, rules: Any
) -> None:
    changes = dict.fromkeys(left, LEFT) | dict.fromkeys(away - left, AWAY)
    members = team(PODS, **changes)
    found = facts(label, "x", tags, thread_owner=owner, account=account, account_in_doubt=doubt)
    made = decide(found, rules, members)
    again = decide(found, rules, members)
    assert made == again
    if label in (Label.OUT_OF_OFFICE, Label.BOUNCE):
        assert made.owner == owner
        return
    person = members.find(made.owner)
    assert person is not None
    assert person.left_on is None
    assert members.find(made.acting) is not None
    assert made.reason.endswith(".")
