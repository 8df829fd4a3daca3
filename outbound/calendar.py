"""When may a letter arrive where the recipient lives?

Windows are local time of day on local working days. Everything is computed as UTC instants, so that a clock change
moves a window by its hour and never loses or doubles it. Where the clock jumps over an edge of the window the jump
itself is the edge; where an edge comes twice, the later opening and the earlier closing count. So nothing ever leaves
at a local time outside the window.
"""

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import holidays

from outbound.settings import Delay, WindowSettings
from outbound.zones import ZONE_OF_COUNTRY

HORIZON_DAYS = 400  # a window that never opens in a year is a wrong configuration


def next_open(at: datetime, window: WindowSettings, zone: str = "", country: str = "") -> datetime:
    """Return the first instant not before `at` that lies inside a window; `at` itself when it already does.

    `zone` is the recipient's own, empty when not known: then the country's only one, else the window's. Without any
    open day in the horizon the answer is `at` plus the horizon: the plan waits and nothing is lost.
    """
    local = _place(window, zone, country)
    day = at.astimezone(local).date() - timedelta(days=1)
    for _ in range(HORIZON_DAYS):
        opens, closes = _span(day, window, local.key, country)
        if at < closes and opens < closes:
            return max(at, opens)
        day += timedelta(days=1)
    return at + timedelta(days=HORIZON_DAYS)


def window_end(at: datetime, window: WindowSettings, zone: str = "", country: str = "") -> datetime:
    """Return when the window that holds `at` closes; `at` itself outside any window."""
    local = _place(window, zone, country)
    opens, closes = _span(at.astimezone(local).date(), window, local.key, country)
    return closes if opens <= at < closes else at


def is_open(at: datetime, window: WindowSettings, zone: str = "", country: str = "") -> bool:
    """Tell whether a letter may leave at this instant."""
    return window_end(at, window, zone, country) > at


def local_date(at: datetime, window: WindowSettings, zone: str = "", country: str = "") -> date:
    """Return the day it is where the recipient lives."""
    return at.astimezone(_place(window, zone, country)).date()


def add_delay(start: datetime, delay: Delay, zone: str, country: str, window: WindowSettings) -> datetime:
    """Return when the next step falls due: real time, or so many of the recipient's open days later, same local time.

    The instant is moved into the next open window.
    """
    at = start + delay.span
    if delay.business_days:
        local = at.astimezone(_place(window, zone, country))
        day, left = local.date(), delay.business_days
        for _ in range(HORIZON_DAYS + delay.business_days * 7):
            day += timedelta(days=1)
            left -= _is_open_day(day, window, country)
            if left == 0:
                break
        at = datetime.combine(day, local.timetz()).astimezone(UTC)
    return next_open(at, window, zone, country)


def _place(window: WindowSettings, zone: str, country: str) -> ZoneInfo:
    return _zone(zone or ZONE_OF_COUNTRY.get(country.upper(), "") or window.zone)


def _span(day: date, window: WindowSettings, zone: str, country: str) -> tuple[datetime, datetime]:
    """Return a day's window as UTC instants; an empty one on closed days and where the clock jumps over it."""
    opens, closes = _instants(day, window.hours, zone)
    return (opens, closes) if _is_open_day(day, window, country) else (opens, opens)


@lru_cache(maxsize=65536)
def _instants(day: date, hours: tuple[time, time], zone: str) -> tuple[datetime, datetime]:
    local = _zone(zone)
    (first_open, last_open), (first_close, last_close) = (_edges(datetime.combine(day, hour, local)) for hour in hours)
    if last_open < first_close:
        return last_open, first_close
    return first_open, min(first_close, last_close)  # the whole window comes twice: the first time counts


def _edges(local: datetime) -> tuple[datetime, datetime]:
    """Return the two instants at which clocks show this time, mostly the same; for a time jumped over, the jump."""
    first, second = (local.replace(fold=fold).astimezone(UTC) for fold in (0, 1))
    if first <= second:
        return first, second
    before, after = second, first  # a time that does not exist: find the jump between the two readings
    start = before.astimezone(local.tzinfo).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = before + (after - before) / 2
        if middle.astimezone(local.tzinfo).utcoffset() == start:
            before = middle
        else:
            after = middle
    jump = after.replace(microsecond=0)
    return jump, jump


def _is_open_day(day: date, window: WindowSettings, country: str) -> bool:
    if day.weekday() not in window.days or {f"{day:%m-%d}", f"{country.upper()} {day:%m-%d}"} & window.quiet:
        return False
    return not (window.holidays and country and day in _holidays(country, day.year))


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
