"""Which days of a person's calendar are days away?

A day is away when one event that blocks time covers all of the person's working hours on it: an all-day event, an
"out of office" of several days, a workshop from morning to evening. Free, tentative, cancelled and declined events
block nothing (RFC 5545 TRANSP and STATUS; Outlook's busy status, where given, counts before TRANSP).
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import recurring_ical_events
from icalendar import Calendar, Component

from ownership.absence import CalendarReading, Span
from ownership.settings import PersonSettings
from ownership.sla import shift_of
from store.errors import PermanentError

MOST_EVENTS = 5_000
FREQUENCIES = ("DAILY", "WEEKLY", "MONTHLY", "YEARLY")  # what repeats within a day is no day away
_BROKEN = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError, NotImplementedError)


def read_calendar(text: str, person: PersonSettings, first: date, last: date) -> CalendarReading:
    """Return the person's days away between two days; raises PermanentError when the text is no calendar."""
    if text.count("BEGIN:VEVENT") > MOST_EVENTS:
        raise PermanentError(f"it has more than {MOST_EVENTS} events")
    try:
        calendars = list(Calendar.from_ical(text.lstrip("\ufeff"), multiple=True))
    except _BROKEN as problem:
        raise PermanentError(f"it is no iCalendar file: {' '.join(str(problem).split())[:200]}") from problem
    if not calendars or any(one.name != "VCALENDAR" for one in calendars):
        raise PermanentError("it is no iCalendar file: it does not begin with BEGIN:VCALENDAR")
    days: set[date] = set()
    skipped: list[str] = []
    for calendar in calendars:
        for series in _series(calendar):
            try:
                days.update(_days_of(calendar, series, person, first, last))
            except _BROKEN as problem:
                name = " ".join(str(series[0].get("SUMMARY", "")).split())[:60] or "an event without a name"
                skipped.append(f"{name}: {' '.join(str(problem).split())[:120]}")
    return CalendarReading(_joined(days), tuple(skipped))


def _series(calendar: Component) -> list[list[Component]]:
    """Return the events by UID: an event and the changed occurrences of it belong together."""
    found: defaultdict[str, list[Component]] = defaultdict(list)
    for number, event in enumerate(calendar.walk("VEVENT")):
        found[str(event.get("UID", f"without uid {number}"))].append(event)
    return list(found.values())


def _days_of(
    calendar: Component, series: Sequence[Component], person: PersonSettings, first: date, last: date
) -> Iterator[date]:
    for event in series:
        if broken := [reason for _, reason in event.errors]:
            raise ValueError(broken[0])
        rules = event.get("RRULE", [])
        for rule in rules if isinstance(rules, list) else [rules]:
            if (often := [str(one) for one in rule.get("FREQ", ["none"])]) and often[0].upper() not in FREQUENCIES:
                raise ValueError(f"it repeats {often[0]}")
    alone = Calendar({name: calendar[name] for name in ("X-WR-TIMEZONE", "CALSCALE") if name in calendar})
    for part in (*calendar.walk("VTIMEZONE"), *series):
        alone.add_component(part)
    margin = timedelta(days=2)  # the window is in days of the person's zone, the library's in days of the event's
    for event in recurring_ical_events.of(alone).between(first - margin, last + margin):
        if _blocks(event, person):
            yield from (day for day in _covered(event, person, first, last) if first <= day <= last)


def _blocks(event: Component, person: PersonSettings) -> bool:
    """Tell whether an event takes the person's time."""
    if str(event.get("STATUS", "")).upper() in ("CANCELLED", "TENTATIVE") or _declined(event, person):
        return False
    if status := str(event.get("X-MICROSOFT-CDO-BUSYSTATUS", "")).upper():
        return status in ("BUSY", "OOF")
    return str(event.get("TRANSP", "OPAQUE")).upper() != "TRANSPARENT"


def _declined(event: Component, person: PersonSettings) -> bool:
    found = event.get("ATTENDEE", [])
    for attendee in found if isinstance(found, list) else [found]:
        address = str(attendee).lower().removeprefix("mailto:")
        if address in (person.email, *person.aliases):
            return str(getattr(attendee, "params", {}).get("PARTSTAT", "")).upper() == "DECLINED"
    return False


def _covered(event: Component, person: PersonSettings, first: date, last: date) -> Iterator[date]:
    """Yield the days on which an event covers all working hours; times without a zone are the person's."""
    start, end = event.start, event.end  # type: ignore[attr-defined]  # of an event
    if not isinstance(start, datetime) or not isinstance(end, datetime):
        day, stop = max(start, first), min(end, last + timedelta(days=1))
        if start == end:
            yield start
        while day < stop:
            yield day
            day += timedelta(days=1)
        return
    zone = ZoneInfo(person.zone)
    start, end = (one if one.tzinfo else one.replace(tzinfo=zone) for one in (start, end))
    day = max(start.astimezone(zone).date() - timedelta(days=1), first)
    while day <= min(end.astimezone(zone).date(), last):
        opens, closes = shift_of(person, day)
        if start <= opens and closes <= end:
            yield day
        day += timedelta(days=1)


def _joined(days: set[date]) -> tuple[Span, ...]:
    spans: list[Span] = []
    for day in sorted(days):
        if spans and spans[-1][1] + timedelta(days=1) == day:
            spans[-1] = (spans[-1][0], day)
        else:
            spans.append((day, day))
    return tuple(spans)
