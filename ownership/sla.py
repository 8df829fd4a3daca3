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

    Counted in real elapsed time inside working hours, also across a clock change. A deadline that falls exactly on
    closing time stays there. Without any working day in the horizon the answer is `received_at + lasts`.
    """
    zone, left = ZoneInfo(person.zone), lasts
    day = received_at.astimezone(zone).date()
    for _ in range(HORIZON_DAYS):
        if works_on(person, day):
            opens, closes = (datetime.combine(day, at, zone) for at in person.hours)
            start = max(opens, received_at, key=datetime.timestamp)
            room = timedelta(seconds=closes.timestamp() - start.timestamp())
            if room > timedelta() and left <= room:
                return datetime.fromtimestamp((start.timestamp() + left.total_seconds()), received_at.tzinfo)
            left -= max(room, timedelta())
        day += timedelta(days=1)
    return received_at + lasts


def works_on(person: PersonSettings, day: date) -> bool:
    """Return whether a person works on a local day: a working weekday, no public holiday, not absent."""
    if day.weekday() not in person.days or is_public_holiday(person.country, day):
        return False
    return not any(absence.first <= day <= absence.last for absence in person.absences)


def is_public_holiday(country: str, day: date) -> bool:
    """Return whether a day is a public holiday of a country; an unknown country has none."""
    return bool(country) and day in _holidays(country.upper(), day.year)


@lru_cache(maxsize=512)
def _holidays(country: str, year: int) -> frozenset[date]:
    try:
        return frozenset(holidays.country_holidays(country, years=year))
    except NotImplementedError:
        return frozenset()


def response_time(label: Label, sla: SlaSettings) -> timedelta:
    """Return the working time within which a reply with this label wants its first answer."""
    return sla.interested if label == Label.INTERESTED else sla.otherwise
