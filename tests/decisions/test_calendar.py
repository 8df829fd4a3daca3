"""Does a letter only ever leave inside the recipient's window, and does every window come?"""

import zoneinfo
from collections import defaultdict
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from importlib import resources
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outbound.calendar import add_delay, is_open, next_open, window_end
from outbound.settings import Delay, WindowSettings
from outbound.zones import ZONE_OF_COUNTRY

WINDOW = WindowSettings.model_validate({"hours": "09:00-17:00", "zone": "Europe/Berlin"})
ZONES = sorted(zoneinfo.available_timezones() - {"Factory", "localtime"})


def local(text: str, zone: str = "Europe/Berlin") -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


OPENINGS = [
    ("inside stays", "2026-03-02T10:00", "2026-03-02T10:00"),
    ("before opening", "2026-03-02T07:00", "2026-03-02T09:00"),
    ("at closing it is closed", "2026-03-02T17:00", "2026-03-03T09:00"),
    ("over the weekend", "2026-03-06T18:00", "2026-03-09T09:00"),
    ("the clock goes forward", "2026-03-28T12:00", "2026-03-30T09:00"),
    ("the clock goes back", "2026-10-24T12:00", "2026-10-26T09:00"),
]


@pytest.mark.parametrize(("story", "at", "opens"), OPENINGS, ids=[row[0] for row in OPENINGS])
def test_next_open(story: str, at: str, opens: str) -> None:
    assert next_open(local(at), WINDOW) == local(opens)


def test_holidays_of_the_recipients_country_are_free() -> None:
    good_friday = local("2026-04-03T10:00")
    assert next_open(good_friday, WINDOW, country="DE") == local("2026-04-07T09:00")
    assert next_open(good_friday, WINDOW, country="US") == good_friday


def test_the_recipients_zone_counts() -> None:
    assert next_open(local("2026-03-02T10:00"), WINDOW, "America/New_York") == local(
        "2026-03-02T09:00", "America/New_York"
    )


def test_a_contact_with_an_unreadable_zone_stops_nobody() -> None:
    assert next_open(local("2026-03-02T10:00"), WINDOW, "Mars/Olympus") == local("2026-03-02T10:00")


DELAYS = [
    ("three business days over a weekend", Delay(business_days=3), "2026-03-05T11:00", "2026-03-10T11:00"),
    ("one business day on Friday", Delay(business_days=1), "2026-03-06T16:30", "2026-03-09T16:30"),
    ("two hours", Delay(span=timedelta(hours=2)), "2026-03-02T10:00", "2026-03-02T12:00"),
    ("two hours into the evening", Delay(span=timedelta(hours=2)), "2026-03-02T16:00", "2026-03-03T09:00"),
    ("the same local time when the clock goes forward", Delay(business_days=1), "2026-03-27T10:00", "2026-03-30T10:00"),
    ("the same local time when the clock goes back", Delay(business_days=1), "2026-10-23T10:00", "2026-10-26T10:00"),
]


@pytest.mark.parametrize(("story", "delay", "start", "due"), DELAYS, ids=[row[0] for row in DELAYS])
def test_add_delay(story: str, delay: Delay, start: str, due: str) -> None:
    assert add_delay(local(start), delay, "", "", WINDOW) == local(due)


@given(
    at=st.datetimes(datetime(2024, 1, 1), datetime(2030, 12, 31)),
    zone=st.sampled_from(ZONES),
    start=st.integers(0, 22),
    length=st.integers(1, 8),
    days=st.frozensets(st.integers(0, 6), min_size=1),
    country=st.sampled_from(["", "DE", "US", "FR", "JP", "BR"]),
)
def test_never_outside_a_window_and_never_skipped_for_ever(
    at: datetime, zone: str, start: int, length: int, days: frozenset[int], country: str
) -> None:
    hours = (time(start), time(min(23, start + length), 59))
    window = WindowSettings.model_validate({"hours": hours, "days": days, "zone": zone})
    moment = at.replace(tzinfo=UTC)
    opens = next_open(moment, window, zone, country)
    assert moment <= opens <= moment + timedelta(days=60)
    assert is_open(opens, window, zone, country)
    assert window_end(opens, window, zone, country) > opens
    assert opens.astimezone(ZoneInfo(zone)).weekday() in days
    if opens > moment:
        assert not is_open(opens - timedelta(seconds=1), window, zone, country)


FIRST, LAST = datetime(2024, 1, 1, tzinfo=UTC), datetime(2031, 1, 1, tzinfo=UTC)


@lru_cache
def zone_groups() -> dict[str, tuple[tuple[str, ...], tuple[datetime, ...]]]:
    """Return one zone of each kind that behaves alike from 2024 to 2030: (all of the kind, their clock changes)."""
    kinds: defaultdict[tuple[object, ...], list[str]] = defaultdict(list)
    for name in ZONES:
        kinds[(changes(name), FIRST.astimezone(ZoneInfo(name)).utcoffset())].append(name)
    return {names[0]: (tuple(names), kind[0]) for kind, names in kinds.items()}  # type: ignore[misc]


def changes(name: str) -> tuple[datetime, ...]:
    zone, found, at = ZoneInfo(name), [], FIRST
    while at < LAST:
        after = at + timedelta(days=1)
        if at.astimezone(zone).utcoffset() != after.astimezone(zone).utcoffset():
            low, high = at, after
            while high - low > timedelta(minutes=1):
                middle = low + (high - low) / 2
                same = middle.astimezone(zone).utcoffset() == at.astimezone(zone).utcoffset()
                low, high = (middle, high) if same else (low, middle)
            found.append(high.replace(second=0, microsecond=0))
        at = after
    return tuple(found)


def test_every_zone_is_looked_at() -> None:
    assert {name for names, _ in zone_groups().values() for name in names} == set(ZONES)
    assert len(ZONES) > 400


@pytest.mark.parametrize(
    "hours", ["09:00-17:00", "00:00-01:00", "02:15-02:45", "01:30-02:30", "02:30-03:30", "00:30-23:59", "23:00-23:59"]
)
def test_around_every_clock_change_of_every_zone_nothing_leaves_outside_the_local_hours(hours: str) -> None:
    for name, (_, moments) in zone_groups().items():
        window = WindowSettings.model_validate({"hours": hours, "days": "mon-sun", "zone": name})
        start, end = window.hours
        for moment in moments:
            for minutes in (*range(-26 * 60, 26 * 60, 190), *range(-180, 181, 15)):
                at = moment + timedelta(minutes=minutes)
                clock = at.astimezone(ZoneInfo(name)).time()
                open_now = is_open(at, window)
                assert not open_now or start <= clock < end, (name, at)
                if abs(minutes) > 25 * 60:
                    assert open_now == (start <= clock < end), (name, at)
                opens = next_open(at, window)
                assert at <= opens <= at + timedelta(hours=50), (name, at)
                assert is_open(opens, window), (name, at)


def test_in_every_zone_each_working_day_from_2024_to_2030_has_its_window_once() -> None:
    for name in zone_groups():
        window, zone = WindowSettings.model_validate({"hours": "09:00-17:00", "zone": name}), ZoneInfo(name)
        seen: list[date] = []
        at = next_open(datetime(2024, 1, 6, 12, tzinfo=UTC), window)  # a Saturday nearly everywhere
        while at < LAST:
            opens, closes = at.astimezone(zone), window_end(at, window).astimezone(zone)
            assert (opens.time(), closes.time(), opens.date()) == (time(9), time(17), closes.date()), name
            seen.append(opens.date())
            at = next_open(closes.astimezone(UTC), window)
        days = [seen[0] + timedelta(days=n) for n in range((seen[-1] - seen[0]).days + 1)]
        assert seen == [day for day in days if day.weekday() < 5], name
        assert len(seen) >= 1820


@given(
    start=st.datetimes(datetime(2024, 1, 1), datetime(2030, 11, 1)),
    zone=st.sampled_from(ZONES),
    days=st.integers(0, 15),
    country=st.sampled_from(["", "DE", "US", "SA", "IL"]),
)
def test_business_days_are_counted_on_the_recipients_calendar(
    start: datetime, zone: str, days: int, country: str
) -> None:
    began = next_open(start.replace(tzinfo=UTC), WINDOW, zone, country)
    due = add_delay(began, Delay(business_days=days), zone, country, WINDOW)
    assert due >= began
    assert is_open(due, WINDOW, zone, country)
    if days:
        place = ZoneInfo(zone)
        first, last = began.astimezone(place), due.astimezone(place)
        between = (datetime.combine(first.date() + timedelta(days=n), time(12), place).astimezone(UTC)
                   for n in range(1, (last.date() - first.date()).days + 1))  # fmt: skip
        assert sum(is_open(noon, WINDOW, zone, country) for noon in between) == days
        assert last.time() == first.time()


def test_quiet_days_are_free_for_everybody_or_for_one_country() -> None:
    window = WindowSettings.model_validate({"zone": "Europe/Berlin", "quiet": ["12-24", "DE 01-02"]})
    assert next_open(local("2026-12-24T10:00"), window) == local("2026-12-25T09:00")
    assert next_open(local("2026-01-02T10:00"), window, country="FR") == local("2026-01-02T10:00")
    assert next_open(local("2026-01-02T10:00"), window, country="DE") == local("2026-01-05T09:00")


def test_a_country_of_one_zone_tells_the_zone_where_the_contact_does_not() -> None:
    assert next_open(local("2026-03-02T10:00"), WINDOW, country="JP") == local("2026-03-03T09:00", "Asia/Tokyo")
    assert next_open(local("2026-03-02T10:00"), WINDOW, "Europe/Paris", "JP") == local("2026-03-02T10:00")
    assert next_open(local("2026-03-02T10:00"), WINDOW, country="US") == local("2026-03-02T10:00"), "four zones: ours"


def test_the_zones_of_countries_are_those_of_the_iana_table() -> None:
    table = (resources.files("tzdata") / "zoneinfo" / "zone.tab").read_text(encoding="utf-8")
    rows = [line.split("\t") for line in table.splitlines() if line and not line.startswith("#")]
    by_country: defaultdict[str, list[str]] = defaultdict(list)
    for country, _, name, *_ in rows:
        by_country[country].append(name)
    for country, names in by_country.items():
        if len(names) == 1:
            assert ZONE_OF_COUNTRY[country] == names[0]
        elif country in ZONE_OF_COUNTRY:
            alike = {(changes(name), FIRST.astimezone(ZoneInfo(name)).utcoffset()) for name in names}
            assert ZONE_OF_COUNTRY[country] in names
            assert len(alike) == 1 or country in {"ES", "PT", "CN", "NZ"}
