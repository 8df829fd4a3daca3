"""Does a letter only ever leave inside the recipient's window, and does every window come?"""

import zoneinfo
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outbound.calendar import add_delay, is_open, next_open, window_end
from outbound.settings import Delay, WindowSettings

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
    ("the same local time across the clock change", Delay(business_days=1), "2026-03-27T10:00", "2026-03-30T10:00"),
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
