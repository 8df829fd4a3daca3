"""What do sequences do over days: pilots, rules that pause, pauses that keep the wait, account-wide stops?"""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from inbox.filing import file_message
from inbox.judgement import FilingPolicy, Judgement
from outbound.settings import LimitSettings
from ownership.settings import OwnershipSettings, TeamSettings
from store import contacts, enrollments, messages, notices, sends
from store.database import Store
from store.vocabulary import AccountStage, EnrollmentState, Label, Tag
from tests.workers.sending import BOX, NOW, SECRET, Post, make_sequence

DAY = timedelta(days=1)
TEAM = TeamSettings.model_validate(
    {"triage": "ines@team.example", "compliance": "ines@team.example", "escalation": "ines@team.example",
     "person": [{"email": "ines@team.example", "name": "Ines"}]}
)  # fmt: skip


def reply(post: Post, email: str, label: Label, **changes: Any) -> None:
    """File a judged reply of a contact to the last letter it got."""
    policy = FilingPolicy(SECRET, TEAM, OwnershipSettings(), post.sequences, frozenset({BOX}), frozenset())

    def unit(connection: Any) -> None:
        sent = sends.find_sent(connection, recipient=[email])[0]
        uid = len(messages.known_uids(connection, BOX, "INBOX", 1)) + 1
        arrival = messages.Arrival(uid, post.now, f"From: {email}\r\n\r\n{uid}".encode())
        (key,) = messages.ingest(connection, BOX, "INBOX", 1, [arrival], post.now, last_uid=uid)
        judged = Judgement(
            id=key, mailbox=BOX, received_at=post.now, announce=True, mail_id=f"<{key}@theirs>", from_address=email,
            to_addresses=(BOX,), subject="Re: Hi", text="...", ids=(sent.message_id,), tokens=(), label=label,
        )  # fmt: skip
        file_message(connection, replace(judged, **changes), policy, post.now)

    post.store.write_now(unit)


def state(post: Post, key: int) -> EnrollmentState:
    return post.enrollment(key).state


RULES = {"after_sends": 10, "wait": "2d", "min_interested": 0.1, "max_bounce": 0.2, "max_unsubscribe": 0.2}


def test_a_pilot_opens_with_so_many_contacts_and_goes_on_when_the_rules_say_go(store: Store) -> None:
    sequence = make_sequence(pilot=10, go_no_go=RULES, owner="ines@team.example", step=[{"subject": "Hi", "body": "x"}])
    post = Post(store, {"demo": sequence})
    for number in range(25):
        post.add(f"c{number}@a{number}.example")
    asyncio.run(post.run(NOW + DAY))
    assert len(post.letters()) == 10
    reply(post, "c3@a3.example", Label.INTERESTED)
    asyncio.run(post.run(NOW + 4 * DAY))
    assert len(post.letters()) == 25
    assert min(at for at, _ in post.letters()[10:]) >= NOW + 2 * DAY


def test_too_little_interest_pauses_by_itself_and_tells_the_owner(store: Store) -> None:
    post = Post(store, {"demo": make_sequence(pilot=10, go_no_go=RULES, owner="ines@team.example")})
    for number in range(25):
        post.add(f"c{number}@a{number}.example")
    asyncio.run(post.run(NOW + 4 * DAY))
    active, reason = post.store.read_now(enrollments.sequence_states)["demo"]
    assert not active
    assert reason == "no-go: 0 of 10 sends brought interest (0.0%), less than 10.0% wanted."
    assert {recipient for _, recipient in post.letters()} == {f"c{n}@a{n}.example" for n in range(10)}
    told = post.store.read_now(notices.waiting, post.now)
    assert [(one["event"], one["recipient"]) for one in told] == [("sequence.paused", "ines@team.example")]
    post.store.write_now(enrollments.activate_sequence, "demo", actor="ines", now=post.now)
    before = len(post.letters())
    asyncio.run(post.run())
    opened = {recipient for _, recipient in post.letters()[before:]} - {f"c{n}@a{n}.example" for n in range(10)}
    assert len(opened) == 10, "somebody decided: the pilot is repeated with new contacts"


def test_harm_pauses_at_once_even_before_there_are_enough_sends(store: Store) -> None:
    post = Post(store, {"demo": make_sequence(go_no_go=RULES)})
    for number in range(4):
        post.add(f"c{number}@a{number}.example")
    asyncio.run(post.run())
    for number in range(3):
        reply(post, f"c{number}@a{number}.example", Label.UNSUBSCRIBE)
    post.add("new@new.example")
    asyncio.run(post.run())
    assert len(post.letters()) == 4
    assert "3 of 10 asked to stop" in post.store.read_now(enrollments.sequence_states)["demo"][1]


def test_a_pause_keeps_the_step_and_the_wait_between_two_steps(store: Store) -> None:
    """Resume must neither restart from the top nor send before the wait is over."""
    post = Post(store, {"demo": make_sequence()})
    key = post.add("chris@acme.example")
    asyncio.run(post.run())
    post.now += timedelta(hours=1)
    reply(post, "chris@acme.example", Label.OUT_OF_OFFICE, return_on=(NOW + DAY).date())
    assert state(post, key) == EnrollmentState.PAUSED
    asyncio.run(post.run(NOW + 2 * DAY))
    assert state(post, key) == EnrollmentState.ACTIVE
    assert len(post.letters()) == 1, "back on Tuesday, but the second letter is not due before Thursday"
    asyncio.run(post.run(NOW + 3 * DAY))
    assert [at for at, _ in post.letters()] == [NOW, NOW + 3 * DAY]
    assert post.enrollment(key).step == 2


def test_a_pause_for_a_person_is_not_ended_by_an_absence_note_nor_by_time(store: Store) -> None:
    post = Post(store, {"demo": make_sequence()})
    key = post.add("chris@acme.example")
    asyncio.run(post.run())
    reply(post, "chris@acme.example", Label.OUT_OF_OFFICE, return_on=(NOW + 2 * DAY).date())
    reply(post, "chris@acme.example", Label.OTHER)
    reply(post, "chris@acme.example", Label.OUT_OF_OFFICE, return_on=(NOW + 3 * DAY).date())
    asyncio.run(post.run(NOW + 10 * DAY, every=timedelta(hours=6)))
    assert state(post, key) == EnrollmentState.PAUSED
    assert post.enrollment(key).paused_until is None
    assert len(post.letters()) == 1


def test_machines_that_answer_each_other_make_no_loop(store: Store) -> None:
    post = Post(store, {"demo": make_sequence()})
    key = post.add("chris@acme.example")
    asyncio.run(post.run())
    for number in range(12):
        post.now += timedelta(minutes=5)
        tags = frozenset({Tag.TICKET_ACK} if number % 2 else ())
        reply(post, "chris@acme.example", Label.OUT_OF_OFFICE, tags=tags)
        asyncio.run(post.run())
    assert len(post.letters()) == 1
    assert post.store.read_now(notices.waiting, post.now) == []
    assert state(post, key) == EnrollmentState.PAUSED


def test_a_later_absence_note_moves_the_date(store: Store) -> None:
    post = Post(store, {"demo": make_sequence()})
    key = post.add("chris@acme.example")
    asyncio.run(post.run())
    for days in (2, 9):
        reply(post, "chris@acme.example", Label.OUT_OF_OFFICE, return_on=(NOW + days * DAY).date())
    assert post.enrollment(key).paused_until == NOW + 9 * DAY


@pytest.mark.parametrize(
    ("label", "colleague"),
    [
        (Label.INTERESTED, EnrollmentState.STOPPED),
        (Label.UNSUBSCRIBE, EnrollmentState.STOPPED),
        (Label.OTHER, EnrollmentState.PAUSED),
        (Label.NOT_INTERESTED, EnrollmentState.ACTIVE),
        (Label.OUT_OF_OFFICE, EnrollmentState.ACTIVE),
    ],
)
def test_where_the_sequence_says_so_the_whole_account_stops_or_pauses(
    store: Store, label: Label, colleague: EnrollmentState
) -> None:
    wide = make_sequence(stop_account_on=["interested", "unsubscribe", "other"], step=[{"subject": "Hi", "body": "x"}])
    post = Post(store, {"wide": wide, "narrow": make_sequence("narrow")})
    post.add("chris@acme.example", "wide")
    asyncio.run(post.run())  # the only letter of "wide": the enrollment has finished before the answer comes
    same = post.add("dana@acme.example", "narrow", NOW + DAY)
    other = post.add("erin@other.example", "narrow", NOW + DAY)
    reply(post, "chris@acme.example", label)
    assert (state(post, same), state(post, other)) == (colleague, EnrollmentState.ACTIVE)


def test_a_wish_to_stop_after_the_last_step_is_written_over_finished(store: Store) -> None:
    post = Post(store, {"demo": make_sequence(step=[{"subject": "Hi", "body": "x"}])})
    key = post.add("chris@acme.example")
    asyncio.run(post.run())
    assert state(post, key) == EnrollmentState.FINISHED
    reply(post, "chris@acme.example", Label.UNSUBSCRIBE)
    assert state(post, key) == EnrollmentState.OPTED_OUT


@pytest.mark.parametrize("change", ["do-not-contact", "customer", "address"])
def test_what_becomes_known_between_planning_and_data_stops_the_letter(store: Store, change: str) -> None:
    post = Post(store, {"demo": make_sequence()})
    post.add("chris@acme.example")

    async def edit() -> None:
        def unit(connection: Any) -> None:
            contact = contacts.contact_by_address(connection, "chris@acme.example")
            assert contact is not None
            if change == "customer":
                contacts.save_account(connection, {"id": contact.account_id, "stage": AccountStage.CUSTOMER})
                return
            edits: dict[str, dict[str, Any]] = {
                "do-not-contact": {"do_not_contact": True},
                "address": {"email": "chris.new@acme.example"},
            }
            contacts.save_contact(connection, {"id": contact.id, **edits[change]}, NOW)

        await post.store.write(unit)
        post.before_data = None

    post.before_data = edit
    asyncio.run(post.run())
    assert post.letters() == []
    asyncio.run(post.run())
    expected = [(NOW, "chris.new@acme.example")] if change == "address" else []
    assert post.letters() == expected


def test_a_closed_window_makes_room_for_those_whose_window_is_open(store: Store) -> None:
    post = Post(store, {"demo": make_sequence()}, limit=LimitSettings(gap=timedelta(), jitter=timedelta()))
    asleep = post.add("sam@acme.example", zone="America/Los_Angeles")
    post.add("chris@acme.example", zone="Europe/Berlin")
    asyncio.run(post.run())
    assert post.letters() == [(NOW, "chris@acme.example")]
    assert post.enrollment(asleep).due_at == NOW.replace(hour=17), "nine o'clock in Los Angeles"
