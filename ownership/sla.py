"""Until when must somebody answer, in the working time of the person who acts?"""

from datetime import date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import holidays

from ownership.settings import PersonSettings, SlaSettings
from store.vocabulary import Label

HORIZON_DAYS = 400  # a person without a working day in a year has a wrong calendar


def deadline(received_at: datetime, lasts: timedelta, person: PersonSettings) -> datetime:
    """Return the instant at which `lasts` of the person's working time has passed since receipt.

    Counted in real elapsed time inside working hours, also across a clock change; a shift may end on the next day.
    A deadline that falls exactly on closing time stays there. Without any working day in the horizon the answer is
    `received_at + lasts`.
    """
    zone, left = ZoneInfo(person.zone), lasts
    day = received_at.astimezone(zone).date() - timedelta(days=1)  # yesterday's shift may still be on
    for _ in range(HORIZON_DAYS):
        if works_on(person, day):
            opens, closes = shift_of(person, day)
            start = max(opens.timestamp(), received_at.timestamp())
            room = timedelta(seconds=closes.timestamp() - start)
            if room > timedelta() and left <= room:
                return datetime.fromtimestamp(start + left.total_seconds(), received_at.tzinfo)
            left -= max(room, timedelta())
        day += timedelta(days=1)
    return received_at + lasts


def shift_of(person: PersonSettings, day: date) -> tuple[datetime, datetime]:
    """Return the opening and closing instants of the shift that begins on a local day."""
    opens, closes = person.hours
    last = day if closes > opens else day + timedelta(days=1)
    zone = ZoneInfo(person.zone)
    return datetime.combine(day, opens, zone), datetime.combine(last, closes, zone)


def works_on(person: PersonSettings, day: date) -> bool:
    """Return whether a person works on a local day: a working weekday, no public holiday, not absent."""
    if day.weekday() not in person.days or is_public_holiday(person.country, day, person.region):
        return False
    return not any(absence.first <= day <= absence.last for absence in person.absences)


def is_public_holiday(country: str, day: date, region: str = "") -> bool:
    """Return whether a day is a public holiday of a country or region; an unknown one has none of its own."""
    return bool(country) and day in _holidays(country.upper(), region.upper(), day.year)


@lru_cache(maxsize=512)
def _holidays(country: str, region: str, year: int) -> frozenset[date]:
    for subdivision in (region or None, None):
        try:
            return frozenset(holidays.country_holidays(country, subdiv=subdivision, years=year))
        except NotImplementedError:
            continue
    return frozenset()


def response_time(label: Label, sla: SlaSettings, by_rule: timedelta | None = None) -> timedelta:
    """Return the working time within which a reply wants its first answer; the rule's own level comes first."""
    if by_rule is not None:
        return by_rule
    return sla.interested if label == Label.INTERESTED else sla.otherwise
