"""Who is away when, besides what the configuration says: from a command or a calendar?"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date, datetime

from sqlalchemy import Connection, delete, insert, select

from store import audit
from store.desk_tables import Absence
from store.tables import core

_ABSENCE = core(Absence)
Spans = dict[str, tuple[tuple[date, date], ...]]


def all_spans(connection: Connection) -> Spans:
    """Return each person's days away, both ends included."""
    found: defaultdict[str, list[tuple[date, date]]] = defaultdict(list)
    for row in connection.execute(select(_ABSENCE).order_by(_ABSENCE.c.person, _ABSENCE.c.first, _ABSENCE.c.id)):
        found[row.person].append((row.first, row.last))
    return {person: tuple(spans) for person, spans in found.items()}


def replace(
    connection: Connection,
    person: str,
    source: str,
    spans: Iterable[tuple[date, date]],
    *,
    actor: str,
    now: datetime,
) -> bool:
    """Make these the days away that a source knows of a person; returns whether anything changed."""
    here = (_ABSENCE.c.person == person, _ABSENCE.c.source == source)
    old = {(row.first, row.last) for row in connection.execute(select(_ABSENCE).where(*here))}
    new = set(spans)
    if old == new:
        return False
    connection.execute(delete(_ABSENCE).where(*here))
    for first, last in sorted(new):
        connection.execute(insert(_ABSENCE).values(person=person, first=first, last=last, source=source))
    days = [f"{first}..{last}" for first, last in sorted(new)]
    audit.append(connection, now, actor, "person.absence", f"person:{person}", {"source": source, "days": days})
    return True


def add(connection: Connection, person: str, first: date, last: date, *, actor: str, now: datetime) -> None:
    """Add one span that somebody entered."""
    here = (_ABSENCE.c.person == person, _ABSENCE.c.source == "command")
    spans = {(row.first, row.last) for row in connection.execute(select(_ABSENCE).where(*here))}
    replace(connection, person, "command", spans | {(first, last)}, actor=actor, now=now)
