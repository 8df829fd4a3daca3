"""Does a filed reply land on the desk that the documents name? One line a story, through store and filing."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from store.vocabulary import AccountStage, Tag
from tests.desks.desk import AWAY, BOX, LEFT, SALES, A, C, Desk, G, J, K, M, O, T

CHRIS, DANA = "chris@acme.example", "dana@acme.example"
OPEN = AccountStage.OPPORTUNITY
Story = tuple[str, dict[str, Any], Callable[[Desk], Any], str]  # what, desk, what happens, owner of thread 1


def acme(desk: Desk, **values: Any) -> int:
    return desk.account(**{"name": "Acme", "domain": "acme.example", "owner": M} | values)


def written(desk: Desk, label: str = "interested", *, contact: dict[str, Any] | None = None, **more: Any) -> Any:
    """Chris answers a letter of the sequence `demo`."""
    if contact is not None:
        desk.contact(CHRIS, **contact)
    return desk.reply(CHRIS, label, to=desk.letter(CHRIS), **more)


def both_sequences(desk: Desk) -> None:
    desk.sequences["event"] = {"owner": A}
    desk.configure()
    desk.letter(CHRIS, "demo", days_ago=1)
    desk.reply(CHRIS, to=desk.letter(CHRIS, "event", days_ago=5))


def last_sent(desk: Desk) -> None:
    desk.sequences["event"] = {"owner": A}
    desk.configure()
    desk.letter(CHRIS, "demo", days_ago=9)
    desk.letter(CHRIS, "event", days_ago=2)
    desk.reply(CHRIS, subject="About something else")


def two_records(desk: Desk, first: dict[str, Any], second: dict[str, Any]) -> None:
    acme(desk, **first)
    acme(desk, **{"name": "Acme Ltd", "owner": A} | second)
    written(desk)


def day(number: int) -> Any:
    from datetime import UTC, datetime

    return datetime(2026, 2, number, tzinfo=UTC)


def rule(to: str, when: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {"rules": {"rule": [{"name": "first", "to": to, "when": when or {}} | more, {"name": "rest", "to": O}]}}


WEST: dict[str, Any] = {"team_more": {"pod": [{"name": "west", "members": [M, J]}]}}
NOBODY: dict[str, Any] = {"sequences": {"demo": {}}}
STORIES: list[Story] = [
    # the default order, from strong to weak
    ("the sequence's owner is the safe default", {}, written, J),
    ("the account's owner beats the sequence's", {}, lambda d: (acme(d), written(d)), M),
    ("a lead of the conference list in another region still goes to the account's owner", {},
     lambda d: (acme(d), written(d, contact={"country": "US", "city": "Reno", "source": "event"})), M),
    ("an open opportunity beats the account's owner", {},
     lambda d: (acme(d, stage=OPEN, opportunity_owner=A), written(d)), A),
    ("an opportunity that names nobody is the account owner's", {}, lambda d: (acme(d, stage=OPEN), written(d)), M),
    ("a customer belongs to the account's owner", {},
     lambda d: (acme(d, stage=AccountStage.CUSTOMER, owner=K), written(d)), K),
    ("a daughter company falls to its parent's owner", {},
     lambda d: (acme(d, owner="", parent_id=d.account(name="Up", owner=A)), written(d)), A),
    ("the nearest parent with an owner decides", {},
     lambda d: (acme(d, owner="", parent_id=d.account(name="Mid", parent_id=d.account(name="Top", owner=K))), written(d)), K),
    ("the own owner beats the parent's", {}, lambda d: (acme(d, parent_id=d.account(name="Up", owner=A)), written(d)), M),
    ("the contact's owner when the account has none", {},
     lambda d: (acme(d, owner=""), written(d, contact={"owner": A})), A),
    ("the account beats the contact", {}, lambda d: (acme(d), written(d, contact={"owner": A})), M),
    ("whoever knew the contact beats the sequence", {}, lambda d: written(d, contact={"earlier_owner": A}), A),
    ("a referral goes to who has the relation", {"rules": {"sources": {"Referral": K}}},
     lambda d: written(d, contact={"source": "referral"}), K),
    ("a web form goes to the inbound colleague", {"rules": {"sources": {"inbound": K}}},
     lambda d: written(d, contact={"source": "contact form"}), K),
    ("an account beats a referral", {"rules": {"sources": {"referral": K}}},
     lambda d: (acme(d), written(d, contact={"source": "referral"})), M),
    ("territory when the sequence has no owner", NOBODY, lambda d: written(d, contact={"country": "AT"}), M),
    ("another territory", NOBODY, lambda d: written(d, contact={"country": "ca"}), J),
    ("the company's country when the contact's is not known", NOBODY,
     lambda d: (acme(d, owner="", country="DE"), written(d)), M),
    ("a segment narrows a territory", NOBODY | {"people": {J: {"segments": ["smb"]}, A: {"countries": ["US"], "segments": ["enterprise"]}}},
     lambda d: (acme(d, owner="", segment="Enterprise"), written(d, contact={"country": "US"})), A),
    ("language when no territory fits", NOBODY, lambda d: written(d, language="de"), M),
    ("the contact's language counts before the reply's", NOBODY, lambda d: written(d, contact={"language": "en"}, language="de"), J),
    ("triage when nothing is known", NOBODY, written, T),
    ("triage for a stranger who answers nothing", NOBODY, lambda d: d.reply("who@nowhere.example"), T),
    ("equals take turns when nothing else decides", NOBODY | WEST, written, M),
    ("VIP words come first", {"rules": {"vip_words": ["board"], "vip_to": G}}, lambda d: (acme(d), written(d, text="Ask the board.")), G),
    ("a named account comes before its open opportunity", {"rules": {"named_accounts": {"acme.example": K}}},
     lambda d: (acme(d, stage=OPEN, opportunity_owner=A), written(d)), K),
    # which account, which sequence
    ("a CRM link beats the domain", {},
     lambda d: (acme(d), written(d, contact={"account_id": d.account(name="Linked", owner=A)})), A),
    ("a subdomain is the company's", {}, lambda d: (acme(d), d.reply("eva@mail.acme.example", to=d.letter("eva@mail.acme.example"))), M),
    ("a look-alike ending is not", {}, lambda d: (acme(d), d.reply("eva@notacme.example", to=d.letter("eva@notacme.example"))), J),
    ("free mail identifies no company", {},
     lambda d: (d.account(name="Mail", domain="gmail.com", owner=M), d.reply("x@gmail.com", to=d.letter("x@gmail.com"))), J),
    ("the name when the domain says nothing", {},
     lambda d: (d.account(name="ACME", owner=M), d.contact("x@gmail.com", fields={"company": "Acme"}), d.reply("x@gmail.com", to=d.letter("x@gmail.com"))), M),
    ("a private address still belongs to the contact's company", {},
     lambda d: (acme(d), d.reply("chris@gmail.com", to=d.letter(CHRIS))), M),
    ("two records: the more recent activity", {}, lambda d: two_records(d, {"active_at": day(1)}, {"active_at": day(9)}), A),
    ("two records, the other way round", {}, lambda d: two_records(d, {"active_at": day(9)}, {"active_at": day(1)}), M),
    ("exactly equal: triage", {}, lambda d: two_records(d, {"active_at": day(1)}, {"active_at": day(1)}), T),
    ("equal but of one owner: no doubt", {}, lambda d: two_records(d, {}, {"owner": M}), M),
    ("equal, but only one has an owner", {}, lambda d: two_records(d, {"owner": ""}, {}), A),
    ("two sequences: the one answered decides", {}, both_sequences, A),
    ("answered without reference: the one last sent", {}, last_sent, A),
    ("an alias is routed by the original sender's sequence", {}, lambda d: written(d, mailbox=SALES, recipients=(SALES,)), J),
    ("a colleague's answer on the thread belongs to the thread", {}, lambda d: d.reply("lee@other.example", to=d.letter(CHRIS)), J),
    # stop, threat, abuse
    ("a wish to stop is compliance's", {}, lambda d: (acme(d), written(d, "unsubscribe")), C),
    ("a threat is the manager's", {}, lambda d: (acme(d), written(d, "other", tags=[Tag.LEGAL_THREAT])), G),
    ("a threat with a stop wish is the manager's", {}, lambda d: written(d, "unsubscribe", tags=[Tag.LEGAL_THREAT]), G),
    ("brand abuse is for operations", {}, lambda d: written(d, "other", tags=[Tag.BRAND_ABUSE]), O),
    ("angry but willing goes by the rules", {}, lambda d: (acme(d), written(d, tags=[Tag.ANGRY])), M),
    ("a doubtful wish goes by the rules", {}, lambda d: (acme(d), written(d, "other", held=True)), M),
    ("a stop wish that proves nothing goes by the rules", {}, lambda d: (d.letter(CHRIS), d.reply(CHRIS, "unsubscribe")), J),
    # absence and leaving
    ("who is away keeps what is theirs", {"people": {M: AWAY}}, lambda d: (acme(d), written(d)), M),
    ("a former account owner: the person's backup", {"people": {A: LEFT}}, lambda d: (acme(d, owner=A), written(d)), G),
    ("a former sequence owner: the sequence's backup", {"people": {J: LEFT}}, written, A),
    ("no backup of the sequence: the person's", {"people": {J: LEFT}, "sequences": {"demo": {"owner": J}}}, written, M),
    ("the backup has left too: the next rule", {"people": {A: LEFT, G: LEFT}, "team_more": {"escalation": T}},
     lambda d: (acme(d, owner=A), written(d)), J),
    ("everybody named has left: triage", {"people": {J: LEFT, A: LEFT}, "sequences": {"demo": {"owner": J, "backup": A}}}, written, T),
    ("somebody who was never in the team owns nothing", {}, lambda d: (acme(d, owner="ex@old.example"), written(d)), J),
    ("a manager by alias is a member", {"people": {M: {"aliases": ["m.stone@team.example"]}}},
     lambda d: (acme(d, owner="m.stone@team.example"), written(d)), M),
    # configured rules
    ("first match wins", {"rules": {"rule": [{"name": "a", "to": K}, {"name": "b", "to": A}]}}, written, K),
    ("a miss goes on to the next rule", rule(K, {"country": ["FR"]}), written, O),
    ("a rule's person has left: their backup", rule(A) | {"people": {A: LEFT}}, written, G),
    ("a rule's pod has nobody left: the next rule", rule("pod:west") | WEST | {"people": {M: LEFT, J: LEFT}}, written, O),
    ("a queue", rule("queue:compliance"), written, C),
    ("a list of accounts", rule(K, {"account_list": ["Top 50"]}), lambda d: (acme(d, lists=["top 50"]), written(d)), K),
    ("an account's CRM id", rule(K, {"account_crm_id": ["0017"]}), lambda d: (acme(d, crm_id="0017"), written(d)), K),
    ("a parent by name", rule(K, {"parent": ["Up Group"]}), lambda d: (acme(d, parent_id=d.account(name="Up Group")), written(d)), K),
    ("a stage", rule(K, {"account_stage": ["customer"]}), lambda d: (acme(d, stage=AccountStage.CUSTOMER), written(d)), K),
    ("a state", rule(K, {"state": ["Québec"]}), lambda d: written(d, contact={"state": "québec"}), K),
    ("a city", rule(K, {"city": ["Graz"]}), lambda d: written(d, contact={"city": "Linz"}), O),
    ("a source under another name", rule(K, {"source": ["APOLLO export"]}), lambda d: written(d, contact={"source": "apollo.io"}), K),
    ("an earlier owner", rule(K, {"earlier_owner": [A]}), lambda d: written(d, contact={"earlier_owner": A}), K),
    ("a sequence", rule(K, {"sequence": ["demo"]}), written, K),
    ("the alias it came to", rule(K, {"mailbox": [SALES]}), lambda d: written(d, recipients=(SALES,)), K),
    ("another mailbox", rule(K, {"mailbox": [SALES]}), lambda d: written(d, recipients=(BOX,)), O),
    ("a label", rule(K, {"label": ["other"]}), lambda d: written(d, "other"), K),
    ("a tag", rule(K, {"tag": ["pricing"]}), lambda d: written(d, tags=[Tag.PRICING]), K),
    ("words, however they are spaced", rule(K, {"words": ["SOC2"]}), lambda d: written(d, text="Your SOC 2 report?"), K),
    ("whole words only", rule(K, {"words": ["demo"]}), lambda d: written(d, text="what a democracy"), O),
    ("a rule needs all its conditions", rule(K, {"words": ["price"], "country": ["DE"]}), lambda d: written(d, text="price?"), O),
    ("stop wishes come before any rule", rule(K), lambda d: written(d, "unsubscribe"), C),
    ("a field that names nobody is a miss", rule("contact.owner"), written, O),
    ("the least busy", {"team_more": {"pod": [{"name": "calm", "members": [M, J], "by": "least-open"}]}} | rule("pod:calm"), written, M),
]  # fmt: skip


@pytest.mark.parametrize(("story", "desk", "happens", "owner"), STORIES, ids=[row[0] for row in STORIES])
def test_lands_on_the_right_desk(
    story: str, desk: dict[str, Any], happens: Callable[[Desk], Any], owner: str, tmp_path: Path
) -> None:
    house = Desk(tmp_path, **desk)
    happens(house)
    thread = house.thread()
    assert thread.owner == owner, thread.reason
    assert thread.reason.startswith("This goes to ")
    assert thread.reason.endswith(".")
    assert len(house.entries("thread.assigned")) == 1
