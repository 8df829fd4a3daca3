"""What stays, what ends, who is told: the rest of the documents' sentences, through store and filing."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from outbound.guardrails import may_write
from outbound.mail_settings import GuardrailSettings
from store import contacts, history, threads
from store.vocabulary import AccountStage, BounceKind, SuppressionReason, Tag, ThreadState
from tests.desks.desk import AWAY, BOX, LEFT, NOW, SALES, SECRET, A, C, Desk, G, J, K, M, O, T

CHRIS, DANA = "chris@acme.example", "dana@acme.example"
LATER = timedelta(hours=1)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def started(desk: Desk, label: str = "interested", **more: Any) -> str:
    """Chris answers a letter; returns the letter's id."""
    letter = desk.letter(CHRIS)
    desk.reply(CHRIS, label, to=letter, mail_id="<first@acme.example>", **more)
    return letter


# seen before, automatic, ours


def test_a_message_seen_before_changes_nothing(desk: Desk) -> None:
    letter = started(desk)
    before = (desk.thread(), desk.told())
    desk.reply(CHRIS, to=letter, mail_id="<first@acme.example>", mailbox=SALES)
    assert (desk.thread(), desk.told()) == before


def test_one_mail_to_two_mailboxes_without_reference_opens_one_thread(desk: Desk) -> None:
    for box in (BOX, SALES):
        desk.reply("new@acme.example", mail_id="<n@acme.example>", mailbox=box)
    assert len(desk.store.read_now(threads.find)) == 1


def test_a_reused_message_id_with_other_words_is_another_message(desk: Desk) -> None:
    letter = started(desk)
    desk.reply(CHRIS, "not_interested", "no, sorry", to=letter, mail_id="<first@acme.example>")
    assert desk.thread().label == "not_interested"


@pytest.mark.parametrize("label", ["out_of_office", "bounce"])
def test_what_nobody_wrote_gets_no_owner(desk: Desk, label: str) -> None:
    more: dict[str, Any] = {"bounce": BounceKind.SOFT} if label == "bounce" else {}
    desk.reply(CHRIS, label, to=desk.letter(CHRIS), **more)
    assert desk.store.read_now(threads.find) == []
    assert desk.told("thread.assigned") == []


@pytest.mark.parametrize("label", ["out_of_office", "bounce"])
def test_what_nobody_wrote_changes_no_owner_and_no_task(desk: Desk, label: str) -> None:
    letter = started(desk)
    before = desk.thread()
    more: dict[str, Any] = {"bounce": BounceKind.HARD} if label == "bounce" else {}
    desk.reply(CHRIS, label, "away", to=letter, at=NOW + LATER, **more)
    assert desk.thread() == before


def test_an_absence_note_that_may_ask_us_to_stop_is_asked_about_and_owned_by_nobody(desk: Desk) -> None:
    desk.reply(CHRIS, "out_of_office", "away; no more mail", to=desk.letter(CHRIS), held=True)
    assert desk.store.read_now(threads.find) == []
    assert desk.states(CHRIS) == {"paused"}
    assert [who for who, subject in desk.told() if subject.startswith("[held]")] == [C]


def test_our_answer_on_the_thread_ends_the_clock(desk: Desk) -> None:
    letter = started(desk)
    desk.reply(J, text="Gladly.", to=("<first@acme.example>", letter), at=NOW + LATER, recipients=(CHRIS,))
    thread = desk.thread()
    assert (thread.state, thread.task_open, thread.touched_at) == (ThreadState.ANSWERED, False, NOW + LATER)
    assert desk.owner() == J


def test_an_answer_before_the_reply_ends_nothing(desk: Desk) -> None:
    letter = started(desk)
    desk.reply(J, to=letter, at=NOW - LATER, recipients=(CHRIS,))
    assert desk.thread().task_open


def test_a_note_among_colleagues_is_no_answer(desk: Desk) -> None:
    letter = started(desk)
    desk.reply(J, text="Maya, yours?", to=letter, at=NOW + LATER, recipients=(M,))
    desk.reply(J, text="FYI", to=letter, at=NOW + LATER, recipients=("friend@else.example",), passed_on=True)
    assert desk.thread().task_open


def test_a_sequences_own_letter_in_sent_is_no_answer(desk: Desk) -> None:
    letter = started(desk)
    follow_up = desk.letter(CHRIS, step=1, days_ago=0)
    desk.reply(BOX, to=letter, mail_id=follow_up, at=NOW + LATER, recipients=(CHRIS,))
    assert desk.thread().task_open


def test_our_own_mail_is_never_a_reply(desk: Desk) -> None:
    desk.reply(J, text="hello", recipients=(BOX,))
    assert desk.store.read_now(threads.find) == []


# threads


def test_a_follow_up_belongs_to_the_same_thread(desk: Desk) -> None:
    letter = started(desk)
    desk.reply(CHRIS, text="and the price?", to=letter, at=NOW + LATER)
    assert len(desk.store.read_now(threads.find)) == 1


def test_an_answer_to_our_persons_mail_belongs_to_the_thread(desk: Desk) -> None:
    desk.reply(CHRIS, mail_id="<own@acme.example>")
    desk.reply(J, to="<own@acme.example>", mail_id="<ours@out.example>", recipients=(CHRIS,), at=NOW + LATER)
    desk.reply(CHRIS, text="thanks", to="<ours@out.example>", at=NOW + 2 * LATER)
    assert len(desk.store.read_now(threads.find)) == 1


def test_the_subject_alone_joins_nothing(desk: Desk) -> None:
    started(desk)
    desk.reply(CHRIS, text="again", subject="Re: Hello", at=NOW + LATER)
    assert len(desk.store.read_now(threads.find)) == 2


def test_an_earlier_thread_names_the_earlier_owner(desk: Desk) -> None:
    started(desk)
    desk.store.write_now(
        lambda c: threads.assign(
            c, 1, owner=K, acting=K, rule="manager's decision", reason="r", tried=[], facts={}, actor=T, now=NOW
        )
    )
    desk.reply(CHRIS, text="another matter", subject="Else", at=NOW + LATER)
    assert (desk.owner(2), desk.thread(2).rule) == (K, "earlier owner")


def test_a_thread_that_only_said_stop_names_no_earlier_owner(desk: Desk) -> None:
    started(desk, "unsubscribe")
    desk.reply(CHRIS, text="sorry, I do want it", subject="Else", at=NOW + LATER)
    assert desk.owner(2) == J


# stability


@pytest.mark.parametrize("label", ["not_interested", "other", "interested", "unsubscribe"])
def test_the_first_human_reply_sets_the_owner_whatever_its_label(desk: Desk, label: str) -> None:
    started(desk, label)
    first = desk.owner()
    desk.account(name="Acme", domain="acme.example", owner=M)
    desk.rules = {"rule": [{"name": "new", "to": O}]}
    desk.people = {K: {"countries": ["DE"]}}
    desk.configure()
    desk.reply(CHRIS, text="more", to=desk.letter(CHRIS), at=NOW + LATER)
    assert desk.owner() == first == (C if label == "unsubscribe" else J)
    assert desk.entries("thread.moved") == []


def test_a_managers_move_stays_even_against_an_overriding_rule(desk: Desk) -> None:
    letter = started(desk)
    desk.store.write_now(
        lambda c: threads.assign(
            c,
            1,
            owner=A,
            acting=A,
            rule="manager's decision",
            reason="r",
            tried=[],
            facts={},
            actor=T,
            now=NOW,
            pinned=True,
        )
    )
    desk.rules = {"rule": [{"name": "security", "to": K, "when": {"words": ["SOC 2"]}, "override": True}]}
    desk.configure()
    desk.reply(CHRIS, text="SOC2?", to=letter, at=NOW + LATER)
    assert desk.owner() == A
    (entry,) = desk.entries("thread.moved")
    assert (entry["actor"], '"from":"jon@team.example"' in entry["detail"]) == (T, True)


def test_an_ordinary_rule_never_moves_an_owned_thread_but_one_that_overrides_does_and_pins(desk: Desk) -> None:
    letter = started(desk)
    rule: dict[str, Any] = {"name": "security", "to": "pod:sec", "when": {"words": ["SOC 2"]}}
    desk.team_more = {"pod": [{"name": "sec", "members": [K, A]}]}
    desk.rules = {"rule": [rule]}
    desk.configure()
    desk.reply(CHRIS, text="SOC2?", to=letter, at=NOW + LATER)
    assert desk.owner() == J
    desk.rules = {"rule": [rule | {"override": True, "pin": True}]}
    desk.configure()
    for hour in (2, 3, 4):
        desk.reply(CHRIS, text=f"SOC2? {hour}", to=letter, at=NOW + hour * LATER)
        assert (desk.owner(), desk.thread().pinned) == (K, True)
    assert desk.told("thread.reassigned")[0][0] == K


def test_a_former_owner_hands_over_to_the_backup_with_an_audit_entry(desk: Desk) -> None:
    letter = started(desk)
    desk.people = {J: LEFT}
    desk.configure()
    desk.reply(CHRIS, text="still there?", to=letter, at=NOW + LATER)
    assert desk.owner() == A
    (entry,) = desk.entries("thread.moved")
    assert '"rule":"backup of a former colleague"' in entry["detail"]


# absence


@pytest.mark.parametrize(
    ("away", "acting"), [((J,), M), ((J, M), G), ((J, M, G), T), ((J, M, G, T), G)], ids=["backup", "circle", "manager away", "all away"]
)  # fmt: skip
def test_the_backup_acts_and_ownership_stays(desk: Desk, away: tuple[str, ...], acting: str) -> None:
    desk.people = dict.fromkeys(away, AWAY) | {G: AWAY | {"backup": T} if G in away else {"backup": T}}
    desk.configure()
    started(desk)
    assert desk.desk() == (J, acting)
    assert desk.told("thread.assigned") == [(acting, f"[interested] {CHRIS}: Re: Hello")]


def test_the_reason_says_who_acts_until_when(desk: Desk) -> None:
    desk.people = {J: AWAY}
    desk.configure()
    started(desk)
    assert desk.thread().reason == (
        "This goes to Jon Field, who owns the sequence demo; Maya Stone acts until Jon Field is back on Monday, 9 March."
    )


def test_the_owner_acts_again_on_return_and_the_backup_while_away(desk: Desk) -> None:
    desk.people = {J: {"absences": [{"from": "2026-03-03", "to": "2026-03-04"}]}}
    desk.configure()
    started(desk)
    assert desk.desk() == (J, J)
    for day, acting in ((3, M), (4, M), (5, J)):
        desk.now = datetime(2026, 3, day, 8, tzinfo=UTC)
        asyncio.run(desk.duties())
        assert desk.desk() == (J, acting)
    assert desk.entries("thread.moved") == []
    assert len(desk.entries("thread.acting")) == 2


def test_a_leavers_threads_move_without_waiting_for_a_reply(desk: Desk) -> None:
    started(desk)
    desk.people = {J: {"left_on": "2026-03-05"}, A: LEFT}
    desk.configure()
    desk.account(name="Acme", domain="acme.example", owner=M)
    desk.now = datetime(2026, 3, 4, 12, tzinfo=UTC)
    asyncio.run(desk.duties())
    assert desk.owner() == J
    desk.now = datetime(2026, 3, 5, 12, tzinfo=UTC)
    for _ in range(2):
        asyncio.run(desk.duties())
    assert desk.owner() == T  # the sequence's backup has left too, the facts of the reply know nobody else
    assert len(desk.entries("thread.moved")) == 1


# tasks and deadlines


@pytest.mark.parametrize(
    ("label", "state", "task"),
    [("interested", "open", True), ("not_interested", "closed", False), ("other", "review", False), ("unsubscribe", "closed", False)],
)  # fmt: skip
def test_tasks_by_label(desk: Desk, label: str, state: str, task: bool) -> None:
    started(desk, label)
    assert (desk.thread().state, desk.thread().task_open) == (state, task)


def test_there_is_one_open_task_and_its_first_deadline_stays(desk: Desk) -> None:
    letter = started(desk)
    due = desk.thread().sla_due_at
    desk.reply(CHRIS, text="also", to=letter, at=NOW + timedelta(minutes=5))
    assert desk.thread().sla_due_at == due == NOW + timedelta(minutes=15)


def test_the_deadline_counts_for_who_acts_from_receipt(desk: Desk) -> None:
    desk.people = {J: AWAY | {"zone": "America/New_York"}, M: {"zone": "Asia/Kolkata", "hours": "09:00-17:30"}}
    desk.configure()
    started(desk, at=datetime(2026, 3, 2, 11, 55, tzinfo=UTC))  # 17:25 in Kolkata
    assert desk.thread().sla_due_at == datetime(2026, 3, 3, 3, 40, tzinfo=UTC)  # 09:10 the next morning


def test_a_rule_may_have_its_own_service_level(desk: Desk) -> None:
    desk.rules = {"rule": [{"name": "vip", "to": K, "respond_in": "5m"}]}
    desk.configure()
    started(desk)
    assert desk.thread().sla_due_at == NOW + timedelta(minutes=5)


def test_review_climbs_the_ladder_too_once_and_in_order(desk: Desk) -> None:
    started(desk, "other")
    desk.now = NOW + timedelta(days=3)
    for _ in range(3):
        asyncio.run(desk.ladder())
    assert [who for who, said in desk.told() if said.startswith(("[due soon]", "[overdue]"))] == [J, J, M, G]


# stops


def test_a_stop_wish_on_an_owned_thread_is_compliances_message_and_closes_the_task(desk: Desk) -> None:
    letter = started(desk)
    desk.reply(CHRIS, "unsubscribe", "stop", to=letter, at=NOW + LATER)
    assert (desk.owner(), desk.message_owner(), desk.thread().task_open) == (J, C, False)
    assert desk.suppressed() == {CHRIS}
    assert desk.told("thread.assigned")[-1][0] == C


def test_the_stand_in_acts_for_compliance_and_suppression_never_waits(desk: Desk) -> None:
    desk.people = {C: AWAY}
    desk.configure()
    started(desk, "unsubscribe")
    assert desk.desk() == (C, T)
    assert desk.suppressed() == {CHRIS}


def test_removal_asked_from_another_address_suppresses_both(desk: Desk) -> None:
    desk.reply("c@private.example", "unsubscribe", "remove me", to=desk.letter(CHRIS))
    assert desk.suppressed() == {CHRIS, "c@private.example"}


@pytest.mark.parametrize(
    ("text", "wide"),
    [
        ("Please remove me from your list.", False), ("Stop writing to our company.", True),
        ("Please do not contact anyone at our company again.", True), ("Löschen Sie alle Adressen unserer Firma.", True),
        ("Bitte niemanden bei uns mehr anschreiben.", True), ("Ne contactez plus aucun de nos salariés.", True),
        ("I left the company. Stop.", False), ("We are a small company. Please take me off.", False),
    ],
)  # fmt: skip
def test_one_person_speaks_for_themselves_unless_clearly_for_the_company(desk: Desk, text: str, wide: bool) -> None:
    account = desk.account(name="Acme", domain="acme.example")
    for person in (CHRIS, DANA):
        desk.contact(person, account_id=account)
    desk.letter(DANA)
    desk.reply(CHRIS, "unsubscribe", text, to=desk.letter(CHRIS))
    assert desk.suppressed() == {CHRIS} | ({str(account)} if wide else set())
    assert desk.states(DANA) == ({"opted_out"} if wide else {"active"})


def test_an_alias_that_may_answer_for_several_holds_them_all_and_asks(desk: Desk) -> None:
    for person in (CHRIS, DANA):
        desk.letter(person)
    desk.reply("info@acme.example", "not_interested", "no, thanks")
    assert (desk.states(CHRIS), desk.states(DANA), desk.suppressed()) == ({"paused"}, {"paused"}, set())
    assert (desk.owner(), desk.thread().state) == (J, ThreadState.REVIEW)


def test_somebody_is_recognised_at_another_address_by_name_and_subject(desk: Desk) -> None:
    for person in (CHRIS, DANA):
        desk.contact(person, first_name=person.partition("@")[0].title(), last_name="Field")
        desk.letter(person)
    desk.reply("field77@gmail.com", "interested", from_name="Field, Chris")
    assert (desk.states(CHRIS), desk.states(DANA)) == ({"replied"}, {"active"})
    desk.reply("other@gmail.com", "interested", from_name="Dana Field", subject="Something else")
    assert desk.states(DANA) == {"active"}


def test_a_plus_address_is_the_same_person(desk: Desk) -> None:
    desk.letter(CHRIS)
    desk.reply(CHRIS.replace("@", "+news@"), "interested", subject="About you")
    assert desk.states(CHRIS) == {"replied"}


def test_a_doubtful_wish_holds_everything_and_asks(desk: Desk) -> None:
    started(desk, "other", held=True)
    assert (desk.owner(), desk.states(CHRIS), desk.suppressed()) == (J, {"paused"}, set())
    assert desk.thread().state == ThreadState.REVIEW
    assert J in [who for who, _ in desk.told("thread.assigned")]


def test_a_threat_takes_the_thread_with_a_task_and_tells_sales_and_compliance(desk: Desk) -> None:
    letter = started(desk, "not_interested")
    desk.reply(CHRIS, "unsubscribe", "my lawyer; stop", to=letter, tags=[Tag.LEGAL_THREAT], at=NOW + LATER)
    assert (desk.owner(), desk.thread().task_open, desk.suppressed()) == (G, True, {CHRIS})
    assert {who for who, _ in desk.told("thread.reassigned")} == {G, J, C}


def test_an_angry_reply_alerts_the_manager(desk: Desk) -> None:
    started(desk, tags=[Tag.ANGRY])
    assert desk.owner() == J
    assert {who for who, _ in desk.told("thread.assigned")} == {J, G}


def test_somebody_suppressed_who_writes_may_be_answered_by_a_human_only(desk: Desk) -> None:
    letter = started(desk, "unsubscribe")
    desk.reply(CHRIS, "interested", "we need it after all", to=letter, at=NOW + LATER)
    assert (desk.thread().task_open, desk.states(CHRIS), desk.suppressed()) == (True, {"opted_out"}, {CHRIS})


# sequences


@pytest.mark.parametrize(
    ("label", "state"), [("interested", "replied"), ("not_interested", "replied"), ("other", "paused")]
)
def test_a_human_reply_stops_or_pauses_every_sequence_of_writer_and_thread(desk: Desk, label: str, state: str) -> None:
    desk.sequences["event"] = {"owner": A}
    desk.configure()
    for person in (CHRIS, DANA):
        desk.letter(person, "event")
    desk.reply(DANA, label, to=desk.letter(CHRIS))
    assert (desk.states(CHRIS), desk.states(DANA)) == ({state}, {state})


def test_a_late_absence_note_revives_nothing(desk: Desk) -> None:
    letter = started(desk, "not_interested")
    desk.reply(CHRIS, "out_of_office", "away", to=letter, return_on=date(2026, 3, 9), at=NOW + LATER)
    assert desk.states(CHRIS) == {"replied"}


def test_a_later_absence_note_moves_the_return_and_a_soft_bounce_nothing(desk: Desk) -> None:
    letter = desk.letter(CHRIS)
    for back in (date(2026, 3, 9), date(2026, 3, 20)):
        desk.reply(CHRIS, "out_of_office", f"away {back}", to=letter, return_on=back)
    desk.reply("mailer@acme.example", "bounce", "busy", to=letter, bounce=BounceKind.SOFT)
    entries = desk.entries("enrollment.state")
    assert len(entries) == 2
    assert desk.states(CHRIS) == {"paused"}


@pytest.mark.parametrize(("days", "allowed"), [(89, False), (90, True)])
def test_the_re_contact_window_ends_on_its_day(desk: Desk, days: int, allowed: bool) -> None:
    started(desk, "not_interested")
    contact = desk.store.read_now(contacts.contact_by_address, CHRIS)
    assert contact is not None
    past = desk.store.read_now(history.contact_history, contact, SECRET, NOW)
    today = NOW.date() + timedelta(days=days)
    assert may_write(contact, None, past, GuardrailSettings(), "next", today).allowed is allowed


# round-robin


def test_only_first_assignments_use_up_turns(desk: Desk) -> None:
    desk.team_more = {"pod": [{"name": "west", "members": [M, J, A]}]}
    desk.rules = {"rule": [{"name": "turns", "to": "pod:west"}]}
    desk.configure()
    letters = {name: desk.letter(f"{name}@x{name}.example") for name in "abcde"}
    desk.reply("a@xa.example", to=letters["a"], mail_id="<a@x>")
    desk.reply("a@xa.example", text="more", to=letters["a"])  # a follow-up
    desk.reply("a@xa.example", to=letters["a"], mail_id="<a@x>", mailbox=SALES)  # a duplicate
    desk.reply("b@xb.example", "out_of_office", to=letters["b"])
    desk.reply("m@xb.example", "bounce", to=letters["b"], bounce=BounceKind.SOFT)
    desk.reply("c@xc.example", "unsubscribe", to=letters["c"])
    desk.reply("d@xd.example", to=letters["d"])
    desk.configure()  # a restart
    desk.reply("e@xe.example", to=letters["e"])
    turns = [one.owner for one in reversed(desk.store.read_now(threads.find)) if one.rule == "turns"]
    assert turns == [M, J, A]


def test_the_account_stage_of_a_won_deal_routes_to_the_customer_team(desk: Desk) -> None:
    desk.account(name="Acme", domain="acme.example", owner=K, stage=AccountStage.CUSTOMER)
    started(desk)
    assert desk.owner() == K


def test_the_audit_entry_names_who_why_from_to_when_and_the_other_rules(desk: Desk) -> None:
    desk.account(name="Acme", domain="acme.example", owner=M)
    desk.contact(CHRIS, owner=A, country="US")
    started(desk)
    (entry,) = desk.entries("thread.assigned")
    for part in (
        '"from":""',
        f'"to":"{M}"',
        '"rule":"account owner"',
        "contact owner",
        "sequence owner",
        "segment and territory",
    ):
        assert part in entry["detail"]
    assert (entry["actor"], entry["at"][:10]) == ("postroom", "2026-03-02")
    assert SuppressionReason.MANUAL not in entry["detail"]
