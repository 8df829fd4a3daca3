"""Does an absence from a calendar act exactly as one from the configuration, and does a bad fetch change nothing?"""

import asyncio
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ownership.absence import CalendarReading
from ownership.calendar_source import CalendarDoor
from ownership.calendar_worker import CalendarWorker
from ownership.settings import PersonSettings, TeamSettings
from postroom.commands_ask import status_row
from store import absences, calendars
from store.database import Store
from store.errors import TemporaryError
from tests.desks.desk import AWAY, DESKS, NOW, Desk, J, K, M

MAYAS = PersonSettings.model_validate({"email": M, "calendar": "maya.ics"})
TEAM = TeamSettings.model_validate({"person": [MAYAS, *({"email": one} for one in DESKS.values())]} | DESKS)
WEEK = (date(2026, 3, 1), date(2026, 3, 7))
TEXT = """BEGIN:VCALENDAR
VERSION:2.0
BEGIN:VEVENT
UID:1
DTSTART;VALUE=DATE:20260301
DTEND;VALUE=DATE:20260308
SUMMARY:Out of office
END:VEVENT
END:VCALENDAR
"""


class Source:
    """A calendar that says what it is told to."""

    def __init__(self) -> None:
        self.answer: CalendarReading | Exception = CalendarReading((WEEK,))
        self.asked = 0

    async def read(self, person: PersonSettings, first: date, last: date) -> CalendarReading:
        self.asked += 1
        assert first < NOW.date() < last
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def run(store: Store, source: Source, now: datetime, team: TeamSettings = TEAM) -> tuple[str, ...]:
    return asyncio.run(CalendarWorker(store, team, source.read).run_pass(now)).notes


def test_it_is_read_on_its_schedule_and_a_change_is_written(store: Store) -> None:
    source = Source()
    run(store, source, NOW)
    run(store, source, NOW + timedelta(minutes=29))
    assert source.asked == 1
    assert store.read_now(absences.all_spans) == {M: (WEEK,)}
    source.answer = CalendarReading(())
    run(store, source, NOW + timedelta(minutes=30))
    assert store.read_now(absences.all_spans) == {}


def test_the_last_good_copy_stays_when_the_fetch_fails_and_status_says_so(store: Store) -> None:
    source = Source()
    run(store, source, NOW)
    source.answer = TemporaryError("the calendar at x.example: it answered 500")
    later = NOW + timedelta(minutes=30)
    (said,) = run(store, source, later)
    assert (
        said
        == f"the calendar of {M} could not be read, its last good copy stays: the calendar at x.example: it answered 500"
    )
    assert store.read_now(absences.all_spans) == {M: (WEEK,)}
    state = store.read_now(calendars.states)[M]
    assert (state.read_at, state.failures, state.next_at) == (NOW, 1, later + timedelta(minutes=1))

    class Nothing:
        mailbox: tuple[Any, ...] = ()

    (row,) = store.read_now(status_row, Nothing(), later)["calendars"]
    assert row == {"person": M, "read_at": NOW, "failing": True, "error": "the calendar at x.example: it answered 500"}
    source.answer = CalendarReading((WEEK,))
    assert run(store, source, later + timedelta(minutes=1)) == ()
    assert store.read_now(calendars.states)[M].error == ""


def test_a_server_that_stays_away_is_asked_ever_more_seldom(store: Store) -> None:
    source, at = Source(), NOW
    source.answer = TemporaryError("down")
    for _ in range(24 * 60):
        run(store, source, at)
        at += timedelta(minutes=1)
    assert source.asked <= 12


def test_another_place_is_read_at_once_and_none_at_all_forgets_the_days(store: Store) -> None:
    source = Source()
    run(store, source, NOW)
    moved = TEAM.model_copy(update={"person": (MAYAS.model_copy(update={"calendar": "new.ics"}), *TEAM.person[1:])})
    run(store, source, NOW + timedelta(minutes=1), moved)
    assert source.asked == 2
    without = TEAM.model_copy(update={"person": (MAYAS.model_copy(update={"calendar": ""}), *TEAM.person[1:])})
    run(store, source, NOW + timedelta(minutes=2), without)
    assert store.read_now(absences.all_spans) == {}
    assert store.read_now(calendars.states) == {}


def test_days_of_a_command_stay_beside_those_of_the_calendar(store: Store) -> None:
    store.write_now(absences.add, M, date(2026, 4, 1), date(2026, 4, 2), actor=M, now=NOW)
    source = Source()
    run(store, source, NOW)
    source.answer = CalendarReading(())
    run(store, source, NOW + timedelta(hours=1))
    assert store.read_now(absences.all_spans) == {M: ((date(2026, 4, 1), date(2026, 4, 2)),)}


def test_an_unchanged_calendar_writes_nothing_into_the_audit_log(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    source = Source()
    for hour in range(48):
        run(desk.store, source, NOW + timedelta(hours=hour))
    assert len(desk.entries("person.absence")) == 1


RULES = {"rule": [{"name": "turns", "to": "pod:all", "when": {"language": ["nl"]}}, {"name": "rest", "to": M}],
         "sla": {"reassign": True}}  # fmt: skip


def story(folder: Path, people: dict[str, Any]) -> tuple[Any, ...]:
    """Play one week with Maya away: backup, turns, deadline, ladder, return; returns what came of it."""
    folder.mkdir()
    (folder / "maya.ics").write_text(TEXT, encoding="utf-8")
    desk = Desk(folder, people=people, team_more={"pod": [{"name": "all", "members": [M, J, K]}]}, rules=RULES)
    worker = CalendarWorker(desk.store, desk.policy.team, CalendarDoor(folder).read)
    asyncio.run(worker.run_pass(NOW))
    desk.reply("chris@acme.example", "interested")
    for number in range(3):
        desk.reply(f"x{number}@x{number}.example", "interested", language="nl")
    found: list[Any] = [(desk.desk(key), desk.thread(key).reason, desk.thread(key).sla_due_at) for key in range(1, 5)]
    for hours in (0.2, 1, 30, 120, 168):
        desk.now = NOW + timedelta(hours=hours)
        asyncio.run(desk.ladder())
        asyncio.run(desk.duties())
        found.append([(desk.desk(key), desk.thread(key).sla_due_at) for key in range(1, 5)])
    return *found, desk.told()


@pytest.mark.parametrize("more", [{}, {"zone": "America/New_York"}, {"hours": "22:00-06:00"}])
def test_an_absence_from_a_calendar_acts_exactly_as_one_from_the_configuration(
    tmp_path: Path, more: dict[str, Any]
) -> None:
    by_config = story(tmp_path / "config", {M: AWAY | more})
    by_calendar = story(tmp_path / "calendar", {M: {"calendar": "maya.ics"} | more})
    assert by_calendar == by_config
    assert by_config[0][0] == (M, J)
    assert "Jon Field acts until Maya Stone is back on Monday, 9 March" in by_config[0][1]
    assert [one[0][0] for one in by_config[1:4]] == [J, K, J]
    assert by_config != story(tmp_path / "here", {M: more})
