"""What does every event do in every state? The whole table, cell by cell, written here a second time by hand."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from inbox.threads import ThreadMatch
from inbox.triage import decide_actions
from outbound.settings import SequenceSettings
from outbound.stop import LIVE, TABLE, Transition, apply_event
from store.suppression import STRENGTH
from store.vocabulary import BounceKind, EnrollmentState, Label, StopEvent, Tag

WAS, UNTIL = datetime(2026, 3, 9, tzinfo=UTC), datetime(2026, 3, 20, tzinfo=UTC)
# From: running, a pause with a date, a pause that waits for a person; then each end. To: "." as it was, "until" the
# new date, "was" the old date, "person" a pause without a date.
MATRIX = """
event           active     dated      person     replied    finished   bounced    opted_out  failed     stopped
interested      replied    replied    replied    .          .          .          .          .          .
not_interested  replied    replied    replied    .          .          .          .          .          .
other           person     person     person     .          .          .          .          .          .
out_of_office   until      until      person     .          .          .          .          .          .
left_company    stopped    stopped    stopped    .          .          .          .          .          .
ticket_ack      active     was        person     .          .          .          .          .          .
bounce_hard     bounced    bounced    bounced    .          .          .          .          .          .
bounce_soft     active     was        person     .          .          .          .          .          .
unsubscribe     opted_out  opted_out  opted_out  opted_out  opted_out  opted_out  opted_out  opted_out  opted_out
complaint       opted_out  opted_out  opted_out  opted_out  opted_out  opted_out  opted_out  opted_out  opted_out
hold            person     person     person     .          .          .          .          .          .
meeting_booked  replied    replied    replied    .          .          .          .          .          .
manual_stop     stopped    stopped    stopped    .          .          .          .          .          .
manual_pause    until      until      until      .          .          .          .          .          .
manual_resume   active     active     active     .          .          .          .          .          .
account_stop    stopped    stopped    stopped    .          .          .          .          .          .
suppressed      opted_out  opted_out  opted_out  .          .          .          .          .          .
owner_rejected  stopped    stopped    stopped    .          .          .          .          .          .
contact_edited  active     was        person     .          .          .          .          .          .
handed_over     replied    replied    replied    .          .          .          .          .          .
"""
HEAD, *ROWS = [line.split() for line in MATRIX.strip().splitlines()]
CELLS = [(row[0], start, cell) for row in ROWS for start, cell in zip(HEAD[1:], row[1:], strict=True)]


def test_the_matrix_names_every_event_and_every_state() -> None:
    assert {row[0] for row in ROWS} == set(StopEvent) == set(TABLE)
    assert {*HEAD[1:]} - {"dated", "person"} | {"paused"} == set(EnrollmentState)


@pytest.mark.parametrize(("event", "start", "cell"), CELLS, ids=[f"{a}-{b}" for a, b, _ in CELLS])
def test_every_cell(event: str, start: str, cell: str) -> None:
    state = EnrollmentState.PAUSED if start in ("dated", "person") else EnrollmentState(start)
    pauses = {"until": UNTIL, "was": WAS, "person": None}
    if cell in pauses:
        expected = Transition(EnrollmentState.PAUSED, pauses[cell])
    else:
        expected = Transition(state if cell == "." else EnrollmentState(cell))
    was_until = WAS if start == "dated" else None
    assert apply_event(state, StopEvent(event), paused_until=UNTIL, was_until=was_until) == expected


@given(st.lists(st.sampled_from(sorted(StopEvent)), max_size=8), st.sampled_from(sorted(EnrollmentState)))
def test_what_has_ended_never_runs_again(events: list[StopEvent], state: EnrollmentState) -> None:
    ended = False
    for event in events:
        ended = ended or state not in LIVE
        state = apply_event(state, event, paused_until=UNTIL).state
        assert not (ended and state in LIVE)


@given(st.lists(st.sampled_from(sorted(StopEvent)), max_size=8))
def test_after_a_wish_to_stop_the_answer_is_always_opted_out(later: list[StopEvent]) -> None:
    state = apply_event(EnrollmentState.ACTIVE, StopEvent.UNSUBSCRIBE, paused_until=None).state
    for event in later:
        state = apply_event(state, event, paused_until=None).state
    assert state == EnrollmentState.OPTED_OUT


@pytest.mark.parametrize("label", sorted(Label))
@pytest.mark.parametrize("tags", [frozenset(), frozenset({Tag.COMPLAINT}), frozenset({Tag.LEGAL_THREAT})])
def test_what_an_arrival_suppresses_is_never_weaker_than_the_table(label: Label, tags: frozenset[Tag]) -> None:
    proven = ThreadMatch(None, how="message-id", same_thread=True, proven=True, from_recipient=True)
    actions = decide_actions(label, tags, proven, bounce=BounceKind.HARD, received_at=WAS)
    wanted = TABLE[actions.event].suppress if actions.event else None
    assert (wanted is None) == (actions.suppress is None)
    assert wanted is None or actions.suppress is None or STRENGTH[actions.suppress] >= STRENGTH[wanted]


def sequence(**changes: Any) -> SequenceSettings:
    base = {"name": "demo", "mailboxes": ["maya@out.example"], "step": [{"subject": "Hi", "body": "x"}]}
    return SequenceSettings.model_validate(base | changes)


def test_an_account_stops_only_on_what_concerns_the_account() -> None:
    assert sequence(stop_account_on=["interested", "unsubscribe", "other"]).stop_account_on
    with pytest.raises(ValidationError, match="bounce_soft concerns one person only"):
        sequence(stop_account_on=["bounce_soft"])
