"""Who hears of what, what never moves an owner, and do two nodes decide as one?"""

import asyncio
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from inbox.filing import file_message
from inbox.judgement import Judgement
from outbound.results import Desk as SendingDesk
from outbound.results import Results
from outbound.risk import FREE_MAIL
from ownership import passing_desk
from ownership.outbox import tell
from ownership.passing_desk import Wish
from ownership.rule_check import check_rules
from ownership.settings import OwnershipSettings
from store import contacts, enrollments, messages, notices, suppression, threads
from store.database import Store
from store.vocabulary import BounceKind, EventName, Label, RejectionReason, SuppressionKind, SuppressionReason, Tag
from tests.desks.desk import BOX, LEFT, NOW, SECRET, A, C, Desk, G, J, K, M, O, make_team

CHRIS = "chris@acme.example"
HOOK = {"url": "http://127.0.0.1:9/x", "kind": "slack"}


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path, rules={"webhook": [HOOK]})


def heard(desk: Desk, event: str) -> list[dict[str, Any]]:
    """Return what systems hear of an event."""
    rows = desk.store.read_now(notices.waiting, NOW + timedelta(days=999), 9999)
    return [row["payload"] for row in rows if row["recipient"] == HOOK["url"] and row["event"] == event]


# misuse of a name


@pytest.mark.parametrize("label", ["not_interested", "other", "interested"])
def test_brand_abuse_waits_for_operations_whatever_the_label(desk: Desk, label: str) -> None:
    desk.reply(CHRIS, label, to=desk.letter(CHRIS), tags=[Tag.BRAND_ABUSE])
    assert desk.owner() == O
    assert desk.thread().state in ("open", "review")
    assert {who for who, _ in desk.told("thread.assigned")} >= {O, G}


def test_brand_abuse_with_a_stop_wish_is_compliances_and_operations_hear_of_it(desk: Desk) -> None:
    desk.reply(CHRIS, "unsubscribe", "stop; you misuse our name", to=desk.letter(CHRIS), tags=[Tag.BRAND_ABUSE])
    assert (desk.owner(), desk.suppressed()) == (C, {CHRIS})
    assert {who for who, _ in desk.told("thread.assigned")} >= {C, O}


# what systems hear


def offered(desk: Desk, to: str = A) -> None:
    desk.contact(CHRIS, first_name="Chris", source="event", account_id=desk.account(name="Acme", owner=M))
    desk.reply(CHRIS, text="yes", to=desk.letter(CHRIS))
    wish = Wish(to, "budget is there", "call", date(2026, 3, 5))
    desk.store.write_now(passing_desk.offer, 1, wish, desk.passing(), actor=M, now=desk.now)


def test_systems_hear_of_every_owner_that_changes_by_a_handover(desk: Desk) -> None:
    offered(desk)
    desk.store.write_now(passing_desk.accept, 1, desk.passing(), actor=A, now=desk.now)
    (moved,) = heard(desk, "thread.reassigned")
    assert (moved["thread"], moved["from"], moved["owner"]) == (1, M, A)
    desk.reply("dana@other.example", to=desk.letter("dana@other.example"))
    no = RejectionReason.DUPLICATE
    desk.store.write_now(passing_desk.reject, 1, no, desk.passing(), duplicate_of=2, actor=A, now=desk.now)
    assert [one["owner"] for one in heard(desk, "thread.reassigned")] == [A, J]
    assert J in [who for who, _ in desk.told("handover.answered")]  # who has both now


def test_systems_hear_of_every_suppression_once_but_not_of_a_whole_list(desk: Desk) -> None:
    desk.reply(CHRIS, "unsubscribe", "stop", to=desk.letter(CHRIS))
    desk.reply("mailer@gone.example", "bounce", "unknown", to=desk.letter("x@gone.example"), bounce=BounceKind.HARD)
    for value, source in (("by@hand.example", "manual"), ("from@list.example", "import:old.csv")):
        desk.store.write_now(
            suppression.add, SECRET, SuppressionKind.ADDRESS, value, SuppressionReason.MANUAL, source=source,
            evidence="", actor=C, now=desk.now,
        )  # fmt: skip
    for _ in range(2):
        asyncio.run(desk.duties())
    said = [one["subject"] for one in heard(desk, "suppression.added")]
    assert sorted(said) == ["Suppressed: by@hand.example", f"Suppressed: {CHRIS}", "Suppressed: x@gone.example"]
    assert [who for who, _ in desk.told("suppression.added") if "@team" in who] == [C]


def test_a_held_mailbox_and_a_paused_sequence_are_told_once_whoever_tells_first(desk: Desk) -> None:
    teller = Results(SECRET, {}, desk=SendingDesk((O,), (("webhook-slack", HOOK["url"]),)))
    desk.store.write_now(teller.hold, BOX, "bad-password", "535 no", NOW)
    desk.store.write_now(enrollments.pause_sequence, "demo", "no-go", actor="postroom", now=NOW)
    key = notices.alert_key(EventName.SEQUENCE_PAUSED, "demo", NOW)
    desk.store.write_now(notices.enqueue, EventName.SEQUENCE_PAUSED, key, "mail", O, {"subject": "s", "text": "t"}, NOW)
    for _ in range(2):
        asyncio.run(desk.duties())
    for event in ("mailbox.held", "sequence.paused"):
        assert sorted(who for who, _ in desk.told(event)) == [HOOK["url"], O]


def test_every_event_of_the_list_has_somebody_who_raises_it() -> None:
    root = Path(__file__).parents[2]
    rooms = ("inbox", "outbound", "ownership", "console", "deliverability", "postroom")
    source = "\n".join(path.read_text(encoding="utf-8") for room in rooms for path in (root / room).rglob("*.py"))
    assert [event for event in EventName if f"EventName.{event.name}" not in source] == []


# what never moves an owner


def test_neither_imports_nor_new_labels_nor_automatic_mail_move_an_owner(desk: Desk) -> None:
    letter = desk.letter(CHRIS)
    desk.reply(CHRIS, "other", "hm", to=letter)
    before = desk.owner(), desk.thread().reason

    def unit(connection: Any) -> None:
        contacts.save_contact(connection, {"id": 1, "owner": K, "country": "DE"}, NOW)
        contacts.save_account(connection, {"name": "Acme", "domain": "acme.example", "owner": A})
        (row, *_) = messages.messages_of_thread(connection, 1)
        messages.correct(connection, row["id"], Label.INTERESTED, [], person=J, now=NOW)

    desk.store.write_now(unit)
    desk.people = {M: {"countries": ["DE"], "languages": ["de"]}}
    desk.configure()
    asyncio.run(desk.duties())
    desk.reply(CHRIS, "out_of_office", "away", to=letter)
    desk.reply("mailer@acme.example", "bounce", "busy", to=letter, bounce=BounceKind.SOFT)
    assert (desk.owner(), desk.thread().reason) == before
    assert desk.entries("thread.moved") == []


def test_an_answer_to_our_notification_is_no_reply_and_ends_no_clock(desk: Desk) -> None:
    desk.reply(CHRIS, to=desk.letter(CHRIS))
    desk.reply(J, text="I do it today", to=["<notice@out.example>", "<conversation@out.example>"], recipients=(BOX,),
               subject="Re: [interested] Chris: Re: Hello", at=NOW + timedelta(minutes=5))  # fmt: skip
    desk.reply(
        J, "out_of_office", "I am away", to="<notice@out.example>", recipients=(BOX,), at=NOW + timedelta(minutes=6)
    )
    assert len(desk.store.read_now(threads.find)) == 1
    assert desk.thread().task_open


# deadlines after a change


def test_the_deadline_counts_anew_for_whom_the_lead_is_handed_to(desk: Desk) -> None:
    desk.people = {A: {"zone": "America/New_York"}}
    desk.configure()
    offered(desk)
    assert desk.thread().sla_due_at == NOW + timedelta(minutes=15)
    desk.store.write_now(passing_desk.accept, 1, desk.passing(), actor=A, now=desk.now)
    assert desk.thread().sla_due_at == datetime(2026, 3, 2, 14, 15, tzinfo=UTC)  # 09:15 in New York


# rules


def test_territories_of_rules_that_overlap_or_leave_gaps_are_named_with_their_path() -> None:
    rules = [
        {"name": "north", "to": M, "when": {"country": ["DE", "DK"], "segment": ["smb"]}},
        {"name": "south", "to": J, "when": {"country": ["AT", "de"], "segment": ["SMB"]}},
        {"name": "big", "to": A, "when": {"country": ["DE"], "segment": ["enterprise"]}},
        {"name": "field", "to": "account.owner", "when": {"country": ["FR"]}},
        {"name": "france", "to": K, "when": {"country": ["FR"]}},
        {"name": "rest", "to": G},
    ]
    found = [said for _, said in check_rules(OwnershipSettings.model_validate({"rule": rules}), make_team(), [], NOW)]
    assert [one for one in found if one.startswith("ownership")] == [
        "ownership.rule[1] (south).when.country: territories overlap, ownership.rule[0] (north) gets DE first",
        "ownership.rule: gap in the territories, no rule covers AT for enterprise",
        "ownership.rule: gap in the territories, no rule covers DK for enterprise",
    ]


def test_a_former_member_in_a_rule_is_a_warning_with_its_path() -> None:
    rules = OwnershipSettings.model_validate(
        {"rule": [{"name": "x", "to": J, "when": {"label": ["other"]}}, {"name": "y", "to": M}]}
    )
    (said,) = [one for _, one in check_rules(rules, make_team({J: LEFT}), [], NOW) if one.startswith("ownership")]
    assert said == "ownership.rule[0] (x).to: jon@team.example has left; the backup or the next rule gets these replies"


# two nodes


def test_two_nodes_take_turns_as_one(store: Store, tmp_path: Path) -> None:
    desk = Desk(tmp_path, team_more={"pod": [{"name": "west", "members": [M, J, A]}]},
                rules={"rule": [{"name": "turns", "to": "pod:west"}]})  # fmt: skip
    other = Store(store.url)
    assert desk.policy.shared_domains == FREE_MAIL

    def arrive(number: int) -> None:
        node = (store, other)[number % 2]
        arrival = messages.Arrival(number, NOW, f"{number}".encode())
        (key,) = node.write_now(messages.ingest, BOX, f"F{number}", 1, [arrival], NOW, last_uid=number)
        found = Judgement(
            id=key, mailbox=BOX, received_at=NOW, announce=True, mail_id=f"<{number}@x.example>",
            from_address=f"p{number}@x{number}.example", to_addresses=(BOX,), subject="Re: Hello", text=f"yes {number}",
            ids=(), tokens=(), label=Label.INTERESTED, tags=frozenset(), decided_by="model", confidence=0.9, why="words",
            ours=False,
        )  # fmt: skip
        node.write_now(file_message, found, desk.policy, NOW)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(arrive, range(1, 31)))
    other.close()
    assert Counter(one.owner for one in store.read_now(threads.find)) == {M: 10, J: 10, A: 10}


def test_the_same_event_queued_by_two_nodes_is_one_notice(store: Store) -> None:
    other, team = Store(store.url), make_team()

    def queue(number: int) -> None:
        event, payload = EventName.SLA_WARNING, {"subject": "s", "text": "t"}
        (store, other)[number % 2].write_now(tell, OwnershipSettings(), team, event, "one", [M], payload, NOW)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(queue, range(24)))
    other.close()
    assert store.read_now(notices.counts) == {"waiting": 1}
