"""When may a letter arrive where the recipient lives?

Windows are local time of day on local working days. Everything is computed as UTC instants, so that a clock change
moves a window by its hour and never loses or doubles it.
"""

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import holidays

from outbound.settings import Delay, WindowSettings

HORIZON_DAYS = 400  # a window that never opens in a year is a wrong configuration


def next_open(at: datetime, window: WindowSettings, zone: str = "", country: str = "") -> datetime:
    """Return the first instant not before `at` that lies inside a window; `at` itself when it already does.

    Without any open day in the horizon the answer is `at` plus the horizon: the plan waits and nothing is lost.
    """
    name = zone or window.zone
    day = at.astimezone(_zone(name)).date() - timedelta(days=1)
    for _ in range(HORIZON_DAYS):
        opens, closes = _span(day, window, name, country)
        if at < closes:
            return max(at, opens)
        day += timedelta(days=1)
    return at + timedelta(days=HORIZON_DAYS)


def window_end(at: datetime, window: WindowSettings, zone: str = "", country: str = "") -> datetime:
    """Return when the window that holds `at` closes; `at` itself outside any window."""
    name = zone or window.zone
    day = at.astimezone(_zone(name)).date()
    opens, closes = _span(day, window, name, country)
    return closes if opens <= at < closes else at


def is_open(at: datetime, window: WindowSettings, zone: str = "", country: str = "") -> bool:
    """Tell whether a letter may leave at this instant."""
    return window_end(at, window, zone, country) > at


def add_delay(start: datetime, delay: Delay, zone: str, country: str, window: WindowSettings) -> datetime:
    """Return when the next step falls due: real time, or so many of the recipient's open days later, same local time.

    The instant is moved into the next open window.
    """
    name = zone or window.zone
    at = start + delay.span
    if delay.business_days:
        local = at.astimezone(_zone(name))
        day, left = local.date(), delay.business_days
        for _ in range(HORIZON_DAYS):
            day += timedelta(days=1)
            left -= _is_open_day(day, window, country)
            if left == 0:
                break
        at = datetime.combine(day, local.timetz()).astimezone(UTC)
    return next_open(at, window, zone, country)


def _span(day: date, window: WindowSettings, zone: str, country: str) -> tuple[datetime, datetime]:
    """Return a day's window as UTC instants; an empty one on closed days and where the clock jumps over it."""
    if not _is_open_day(day, window, country):
        nothing = datetime.combine(day, window.hours[0], _zone(zone)).astimezone(UTC)
        return nothing, datetime.min.replace(tzinfo=UTC)
    return _instants(day, window.hours, zone)


@lru_cache(maxsize=65536)
def _instants(day: date, hours: tuple[object, object], zone: str) -> tuple[datetime, datetime]:
    local = _zone(zone)
    opens, closes = (datetime.combine(day, hour, local).astimezone(UTC) for hour in hours)  # type: ignore[arg-type]
    return opens, closes


def _is_open_day(day: date, window: WindowSettings, country: str) -> bool:
    return day.weekday() in window.days and not (window.holidays and country and day in _holidays(country, day.year))


@lru_cache(maxsize=1024)
def _holidays(country: str, year: int) -> frozenset[date]:
    try:
        return frozenset(holidays.country_holidays(country.upper(), years=year))
    except NotImplementedError:
        return frozenset()


@lru_cache(maxsize=1024)
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError):
        return ZoneInfo("UTC")  # a contact's unreadable zone must not stop the others
