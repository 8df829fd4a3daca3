"""How fares the reading of people's calendars? The days themselves are in `absences.py`."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from store.desk_tables import PersonCalendar
from store.tables import core

_CALENDAR = core(PersonCalendar)


@dataclass(frozen=True, slots=True)
class CalendarState:
    """When a calendar was read, and what was wrong."""

    person: str
    place: str  #: hash of where it is
    read_at: datetime | None  #: of the copy in use
    next_at: datetime
    failures: int  #: in a row
    error: str


def states(connection: Connection) -> dict[str, CalendarState]:
    """Return the state of every calendar by person."""
    rows = connection.execute(select(_CALENDAR).order_by(_CALENDAR.c.person))
    return {row.person: CalendarState(**dict(row._mapping)) for row in rows}


def next_at(connection: Connection) -> datetime | None:
    """Return when the next calendar is due."""
    found: datetime | None = connection.execute(select(func.min(_CALENDAR.c.next_at))).scalar()
    return found


def read(connection: Connection, person: str, place: str, error: str, *, at: datetime, next_at: datetime) -> None:
    """Note that a calendar was read; `error` names events that were skipped."""
    _save(connection, person, {"place": place, "read_at": at, "next_at": next_at, "failures": 0, "error": error})


def failed(connection: Connection, person: str, place: str, error: str, *, at: datetime, next_at: datetime) -> None:
    """Note that a calendar could not be read; its last good copy stays in use."""
    failures = connection.execute(select(_CALENDAR.c.failures).where(_CALENDAR.c.person == person)).scalar() or 0
    _save(connection, person, {"place": place, "next_at": next_at, "failures": failures + 1, "error": error})


def forget(connection: Connection, person: str) -> None:
    """Drop the state of a calendar that is configured no more."""
    connection.execute(delete(_CALENDAR).where(_CALENDAR.c.person == person))


def _save(connection: Connection, person: str, values: dict[str, Any]) -> None:
    changed = connection.execute(update(_CALENDAR).where(_CALENDAR.c.person == person).values(**values))
    if changed.rowcount == 0:
        connection.execute(insert(_CALENDAR).values(person=person, **values))
