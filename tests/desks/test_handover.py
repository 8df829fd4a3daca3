"""How does a lead pass from one role to the next, and what follows from each coded no?"""

import asyncio
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from outbound.guardrails import may_write
from outbound.mail_settings import GuardrailSettings
from ownership import passing_desk
from ownership.passing_desk import Wish
from store import contacts, handovers, history
from store.errors import PermanentError
from store.records import ContactHistory
from store.vocabulary import AccountStage, HandoverState, RejectionReason
from tests.desks.desk import AWAY, LEFT, NOW, SECRET, A, Desk, G, J, K, M, T

CHRIS = "chris@acme.example"
FULL: dict[str, Any] = {"notes": "budget is there", "next_step": "call on the offer", "next_on": date(2026, 3, 5)}


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    made = Desk(tmp_path)
    account = made.account(name="Acme", domain="acme.example", owner=M, stage=AccountStage.OPPORTUNITY)
    made.contact(CHRIS, first_name="Chris", source="event", account_id=account)
    made.sequences["event"] = {"owner": A}
    made.configure()
    made.reply(CHRIS, text="yes, call me", to=made.letter(CHRIS))
    made.letter(CHRIS, "event")
    return made


def offer(desk: Desk, to: str = A, by: str = M, **changes: Any) -> Any:
    wish = Wish(to, **FULL | changes)
    return desk.store.write_now(passing_desk.offer, 1, wish, desk.passing(), actor=by, now=desk.now)


def accept(desk: Desk, by: str = A) -> str:
    return desk.store.write_now(passing_desk.accept, 1, desk.passing(), actor=by, now=desk.now)


def reject(desk: Desk, reason: str, by: str = A, **more: Any) -> str:
    coded = RejectionReason(reason)
    return desk.store.write_now(passing_desk.reject, 1, coded, desk.passing(), actor=by, now=desk.now, **more)


def past(desk: Desk) -> ContactHistory:
    contact = desk.store.read_now(contacts.contact_by_address, CHRIS)
    assert contact is not None
    return desk.store.read_now(history.contact_history, contact, SECRET, NOW)


def slugs(desk: Desk, days: int) -> set[str]:
    """Return why Chris may not be enrolled so many days later, apart from the conversation that is going on."""
    contact = desk.store.read_now(contacts.contact_by_address, CHRIS)
    assert contact is not None
    made = may_write(contact, None, past(desk), GuardrailSettings(), "next", NOW.date() + timedelta(days=days))
    return {one.slug for one in made.reasons} - {"in-conversation"}


def test_an_offer_holds_the_whole_package_and_changes_no_owner(desk: Desk) -> None:
    made = offer(desk)
    assert set(made.package) == {"contact", "account", "source", "sent", "answered", "notes", "next_step", "next_on"}
    assert all(made.package.values())
    assert desk.owner() == M
    (person, subject) = desk.told("handover.offered")[0]
    assert (person, subject) == (A, f"[offer] Chris <{CHRIS}>")


@pytest.mark.parametrize("lacking", ["notes", "next_step", "next_on"])
def test_an_incomplete_offer_is_refused_and_says_what_is_missing(desk: Desk, lacking: str) -> None:
    with pytest.raises(PermanentError, match=f"lacks {lacking}"):
        changes: dict[str, Any] = {lacking: None if lacking == "next_on" else " "}
        offer(desk, **changes)
    assert desk.store.read_now(handovers.find) == []


def test_accepted_the_new_owner_owns_and_every_campaign_ends(desk: Desk) -> None:
    offer(desk)
    assert accept(desk) == A
    assert desk.desk() == (A, A)
    assert desk.states(CHRIS) == {"replied"}
    assert desk.thread().reason == "This goes to Ann Keller, who accepted the lead that Maya Stone offered."
    assert M in [who for who, _ in desk.told("handover.answered")]


def test_only_the_one_asked_may_answer_and_their_stand_in_while_away(desk: Desk) -> None:
    offer(desk)
    with pytest.raises(PermanentError, match="only"):
        accept(desk, by=J)
    desk.people = {A: AWAY}
    desk.configure()
    assert accept(desk, by=G) == A
    assert desk.desk() == (A, G)


def test_nobody_outside_the_team_and_no_second_open_offer(desk: Desk) -> None:
    for to, why in (("x@else.example", "no present member"), (M, "already")):
        with pytest.raises(PermanentError, match=why):
            offer(desk, to)
    offer(desk)
    with pytest.raises(PermanentError, match="open offer"):
        offer(desk, K)


@pytest.mark.parametrize(
    ("reason", "slug", "soon", "later"),
    [("no_fit", "disqualified", 1, 999), ("timing", "re-contact-window", 179, None), ("wrong_person", "awaits-decision", 1, 999),
     ("no_need", "awaits-decision", 1, 999)],
)  # fmt: skip
def test_a_coded_no_goes_back_and_decides_about_the_lead(
    desk: Desk, reason: str, slug: str, soon: int, later: int | None
) -> None:
    offer(desk)
    reject(desk, reason)
    assert desk.owner() == M
    assert desk.states(CHRIS) <= {"replied", "stopped"}
    assert slug in slugs(desk, soon)
    assert (slug in slugs(desk, later)) if later else slug not in slugs(desk, 180)


def test_a_duplicate_is_linked_and_one_owner_has_both(desk: Desk) -> None:
    desk.reply("other@x.example")
    offer(desk)
    with pytest.raises(PermanentError, match="which thread it duplicates"):
        reject(desk, "duplicate")
    reject(desk, "duplicate", duplicate_of=2)
    assert (desk.owner(1), desk.thread(1).linked_id) == (desk.owner(2), 2)


def test_no_answer_in_time_tells_the_manager_once(desk: Desk) -> None:
    made = offer(desk)
    for minutes in (-1, 1, 2):
        desk.now = made.answer_by + timedelta(minutes=minutes)
        asyncio.run(desk.duties())
        assert [who for who, _ in desk.told("handover.late")] == ([] if minutes < 0 else [G])
    assert desk.owner() == M


def test_a_second_no_goes_to_a_neutral_senior_who_decides(desk: Desk) -> None:
    offer(desk)
    reject(desk, "no_fit")
    offer(desk, G)  # the escalation owner is a party now
    reject(desk, "timing", by=G)
    assert desk.store.read_now(handovers.find)[-1].state == HandoverState.DISPUTED
    assert [who for who, _ in desk.told("handover.answered")][-1] == T
    assert desk.owner() == M
    why = {"because": "a good fit", "actor": T, "now": NOW}
    desk.store.write_now(passing_desk.decide, 1, K, desk.passing(), **why)  # type: ignore[arg-type]
    assert (desk.owner(), desk.thread().pinned, slugs(desk, 1)) == (K, True, set())


def test_a_won_deal_hands_over_again_with_the_package(desk: Desk) -> None:
    offer(desk, K, stage="customer")
    accept(desk, by=K)
    account = desk.store.read_now(contacts.account, 1)
    assert account is not None
    assert (account.stage, account.owner, desk.owner()) == (AccountStage.CUSTOMER, K, K)


def test_an_assigned_lead_may_be_rejected_too(desk: Desk) -> None:
    reject(desk, "timing", by=M, note="after the summer")
    assert (desk.owner(), desk.thread().task_open) == (M, False)
    assert "re-contact-window" in slugs(desk, 1)
    assert [row["action"] for row in desk.entries("handover.offered")] == []


def test_an_offer_to_somebody_who_left_is_refused(desk: Desk) -> None:
    desk.people = {A: LEFT}
    desk.configure()
    with pytest.raises(PermanentError, match="no present member"):
        offer(desk)
