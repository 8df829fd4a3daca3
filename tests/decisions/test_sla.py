"""Until when must somebody answer, and who is told when nobody does?"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ownership.escalate import due_rungs, next_rung_at
from ownership.settings import PersonSettings, SlaSettings, TeamSettings
from ownership.sla import deadline, response_time, works_on
from store.records import Thread
from store.vocabulary import EventName, Label, ThreadState

BERLIN = ZoneInfo("Europe/Berlin")


def person(**changes: Any) -> PersonSettings:
    base = {"email": "maya@team.example", "zone": "Europe/Berlin", "hours": "09:00-17:00"}
    return PersonSettings.model_validate(base | changes)


def berlin(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN).astimezone(UTC)


CASES = [
    ("inside the day", "2026-03-02T10:00", 15, "2026-03-02T10:15"),
    ("before opening", "2026-03-02T06:30", 15, "2026-03-02T09:15"),
    ("after closing", "2026-03-02T17:30", 15, "2026-03-03T09:15"),
    ("over the night", "2026-03-02T16:00", 240, "2026-03-03T12:00"),
    ("exactly at closing stays there", "2026-03-02T16:45", 15, "2026-03-02T17:00"),
    ("at closing time the next day begins", "2026-03-02T17:00", 15, "2026-03-03T09:15"),
    ("Friday evening", "2026-03-06T16:55", 15, "2026-03-09T09:10"),
    ("over the weekend", "2026-03-07T12:00", 240, "2026-03-09T13:00"),
    ("the clock change is on a Sunday", "2026-03-27T15:00", 240, "2026-03-30T11:00"),
]


@pytest.mark.parametrize(("story", "received", "minutes", "due"), CASES, ids=[row[0] for row in CASES])
def test_working_time(story: str, received: str, minutes: int, due: str) -> None:
    assert deadline(berlin(received), timedelta(minutes=minutes), person()) == berlin(due)


def test_holidays_and_absences_do_not_count() -> None:
    free = person(country="DE", absences=[{"from": "2026-04-07", "to": "2026-04-07"}])
    # Good Friday, Easter Monday, then a day away
    assert deadline(berlin("2026-04-02T16:50"), timedelta(minutes=15), free) == berlin("2026-04-08T09:05")


def test_the_night_shift_across_the_clock_change_counts_real_time() -> None:
    night = person(hours="00:00-08:00", days="sun")
    # 29 March 2026: 02:00 becomes 03:00, so four working hours from midnight end at 05:00 local time
    assert deadline(berlin("2026-03-29T00:00"), timedelta(hours=4), night) == berlin("2026-03-29T05:00")


@given(
    received=st.datetimes(datetime(2025, 1, 1), datetime(2027, 1, 1)),
    minutes=st.integers(1, 3000),
    zone=st.sampled_from(["Europe/Berlin", "America/St_Johns", "Asia/Kolkata", "Pacific/Chatham", "UTC"]),
)
def test_a_deadline_lies_in_working_time_and_after_receipt(received: datetime, minutes: int, zone: str) -> None:
    someone, at = person(zone=zone), received.replace(tzinfo=UTC)
    due = deadline(at, timedelta(minutes=minutes), someone)
    local = due.astimezone(ZoneInfo(zone))
    assert due >= at + timedelta(minutes=minutes)
    assert works_on(someone, local.date())
    assert someone.hours[0] < local.time() <= someone.hours[1]


def test_response_times_by_label() -> None:
    assert response_time(Label.INTERESTED, SlaSettings()) == timedelta(minutes=15)
    assert response_time(Label.OTHER, SlaSettings()) == timedelta(hours=4)


TEAM = TeamSettings.model_validate(
    {"person": [{"email": f"{name}@team.example"} | more for name, more in (
        ("maya", {"backup": "jon@team.example"}), ("jon", {}), ("gina", {}))],
     "triage": "gina@team.example", "compliance": "gina@team.example", "escalation": "gina@team.example"}
)  # fmt: skip
DUE = datetime(2026, 3, 2, 10, tzinfo=UTC)
WAITING = Thread(1, 1, None, "demo", "", "", ThreadState.OPEN, owner="maya@team.example", acting="maya@team.example",
                 task_open=True, sla_due_at=DUE)  # fmt: skip


def test_the_ladder_fires_each_rung_once_and_in_order() -> None:
    sla, fired = SlaSettings(), []
    thread = WAITING
    at = next_rung_at(thread, sla, TEAM)
    while at is not None:
        (rung,) = due_rungs(thread, sla, TEAM, at)
        assert due_rungs(thread, sla, TEAM, at - timedelta(seconds=1)) == ()
        fired.append((rung.event, rung.tell))
        thread = replace(thread, escalation=rung.number)
        assert due_rungs(thread, sla, TEAM, at) == ()
        at = next_rung_at(thread, sla, TEAM)
    assert fired == [
        (EventName.SLA_WARNING, ("maya@team.example",)),
        (EventName.SLA_BREACHED, ("maya@team.example",)),
        (EventName.SLA_BREACHED, ("jon@team.example",)),
        (EventName.SLA_BREACHED, ("gina@team.example",)),
    ]


def test_after_a_long_downtime_every_missed_rung_fires_in_order() -> None:
    rungs = due_rungs(WAITING, SlaSettings(), TEAM, DUE + timedelta(days=2))
    assert [rung.number for rung in rungs] == [1, 2, 3, 4]


def test_nothing_fires_once_it_is_answered() -> None:
    assert due_rungs(replace(WAITING, state=ThreadState.ANSWERED), SlaSettings(), TEAM, DUE + timedelta(days=2)) == ()


def test_the_backup_takes_over_where_the_team_wants_that() -> None:
    sla = SlaSettings(reassign=True)
    rungs = due_rungs(replace(WAITING, escalation=2), sla, TEAM, DUE + sla.to_backup)
    assert [rung.acting for rung in rungs] == ["jon@team.example"]
