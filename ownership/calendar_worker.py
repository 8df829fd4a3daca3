"""SHELL: keeps the days away of everybody who has a calendar; the last good copy stays when a fetch fails."""

from collections.abc import Awaitable, Callable
from datetime import date, datetime, timedelta

from sqlalchemy import Connection

from ownership.absence import CalendarReading, calendar_window, is_member, local_day
from ownership.settings import PersonSettings, TeamSettings
from store import absences, calendars
from store.database import Store
from store.errors import PermanentError, TemporaryError
from store.records import PassReport

SOURCE = "calendar"
FIRST_RETRY, LAST_RETRY = timedelta(minutes=1), timedelta(hours=6)
ReadCalendar = Callable[[PersonSettings, date, date], Awaitable[CalendarReading]]


class CalendarWorker:
    """Reads every calendar on its schedule and writes down what changed."""

    def __init__(self, store: Store, team: TeamSettings, read: ReadCalendar) -> None:
        self._store = store
        self._team = team
        self._read = read

    async def run_pass(self, now: datetime) -> PassReport:
        """Read the calendars that are due; forget the days of people who have none any more."""
        known = await self._store.read(calendars.states)
        people = [one for one in self._team.person if one.has_calendar and is_member(self._team, one.email, now)]
        notes: list[str] = []
        done = 0
        for person in people:
            state = known.get(person.email)
            if state is None or state.next_at <= now or state.place != person.calendar_mark:
                done += 1
                notes += await self._refresh(person, state.failures if state else 0, now)
        for email in set(known) - {one.email for one in people}:
            await self._store.write(self._forget, email, now)
        return PassReport(done, await self._store.read(calendars.next_at), tuple(notes))

    async def _refresh(self, person: PersonSettings, failures: int, now: datetime) -> list[str]:
        try:
            reading = await self._read(person, *calendar_window(local_day(person, now)))
        except (TemporaryError, PermanentError) as problem:
            pause = min(FIRST_RETRY * 2 ** min(failures, 16), LAST_RETRY)
            mark, said = person.calendar_mark, str(problem)
            await self._store.write(calendars.failed, person.email, mark, said, at=now, next_at=now + pause)
            return [f"the calendar of {person.email} could not be read, its last good copy stays: {said}"]
        await self._store.write(self._keep, person, reading, now)
        return [f"in the calendar of {person.email} an event was skipped: {one}" for one in reading.skipped]

    def _keep(self, connection: Connection, person: PersonSettings, reading: CalendarReading, now: datetime) -> None:
        absences.replace(connection, person.email, SOURCE, reading.spans, actor="postroom", now=now)
        next_at = now + self._team.calendar_every
        calendars.read(connection, person.email, person.calendar_mark, "; ".join(reading.skipped), at=now,
                       next_at=next_at)  # fmt: skip

    def _forget(self, connection: Connection, email: str, now: datetime) -> None:
        absences.replace(connection, email, SOURCE, (), actor="postroom", now=now)
        calendars.forget(connection, email)
