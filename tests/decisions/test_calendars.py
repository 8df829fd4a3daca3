"""Which events of a calendar are days away? Cases from RFC 5545 and from what Google, Outlook and Apple write."""

import random
from datetime import date

import pytest

from ownership.absence import calendar_window
from ownership.calendars import MOST_EVENTS, read_calendar
from ownership.settings import PersonSettings
from store.errors import PermanentError

MAYA = PersonSettings.model_validate(
    {"email": "maya@team.example", "aliases": ["m.stone@team.example"], "zone": "Europe/Berlin", "hours": "09:00-17:30"}
)
FIRST, LAST = date(2026, 2, 1), date(2026, 4, 30)
ALL_DAY = "DTSTART;VALUE=DATE:20260309\nDTEND;VALUE=DATE:20260314"
FULL = [("2026-03-09", "2026-03-13")]
OUTLOOK_ZONE = """BEGIN:VTIMEZONE
TZID:Customized Time Zone
BEGIN:STANDARD
DTSTART:16010101T030000
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
RRULE:FREQ=YEARLY;INTERVAL=1;BYDAY=-1SU;BYMONTH=10
END:STANDARD
BEGIN:DAYLIGHT
DTSTART:16010101T020000
TZOFFSETFROM:+0100
TZOFFSETTO:+0200
RRULE:FREQ=YEARLY;INTERVAL=1;BYDAY=-1SU;BYMONTH=3
END:DAYLIGHT
END:VTIMEZONE"""


def calendar(*events: str, head: str = "") -> str:
    body = "".join(
        f"BEGIN:VEVENT\n{'' if 'UID:' in one else f'UID:{number}@x{chr(10)}'}DTSTAMP:20260101T000000Z\n{one}\nEND:VEVENT\n"
        for number, one in enumerate(events)
    )
    text = f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//x//x//EN\n{head + chr(10) if head else ''}{body}END:VCALENDAR\n"
    return text.replace("\n", "\r\n")


CASES = {
    "an all-day event is away; its end is exclusive": (ALL_DAY, FULL),
    "without an end it is one day": ("DTSTART;VALUE=DATE:20260309", [("2026-03-09", "2026-03-09")]),
    "an end on the same day is one day": ("DTSTART;VALUE=DATE:20260309\nDTEND;VALUE=DATE:20260309", [("2026-03-09", "2026-03-09")]),
    "a duration in days": ("DTSTART;VALUE=DATE:20260309\nDURATION:P5D", FULL),
    "free is not away (a birthday)": (f"{ALL_DAY}\nTRANSP:TRANSPARENT", []),
    "opaque is away": (f"{ALL_DAY}\nTRANSP:OPAQUE", FULL),
    "cancelled is not": (f"{ALL_DAY}\nSTATUS:CANCELLED", []),
    "tentative is not": (f"{ALL_DAY}\nSTATUS:TENTATIVE", []),
    "confirmed is": (f"{ALL_DAY}\nSTATUS:CONFIRMED", FULL),
    "Outlook out of office": (f"{ALL_DAY}\nX-MICROSOFT-CDO-BUSYSTATUS:OOF\nTRANSP:OPAQUE", FULL),
    "Outlook busy": (f"{ALL_DAY}\nX-MICROSOFT-CDO-BUSYSTATUS:BUSY", FULL),
    "Outlook free": (f"{ALL_DAY}\nX-MICROSOFT-CDO-BUSYSTATUS:FREE", []),
    "Outlook tentative": (f"{ALL_DAY}\nX-MICROSOFT-CDO-BUSYSTATUS:TENTATIVE", []),
    "Outlook working elsewhere": (f"{ALL_DAY}\nX-MICROSOFT-CDO-BUSYSTATUS:WORKINGELSEWHERE", []),
    "Outlook's status counts before TRANSP": (f"{ALL_DAY}\nX-MICROSOFT-CDO-BUSYSTATUS:OOF\nTRANSP:TRANSPARENT", FULL),
    "she declined": (f"{ALL_DAY}\nATTENDEE;PARTSTAT=DECLINED:mailto:Maya@team.example", []),
    "she declined by her alias": (f"{ALL_DAY}\nATTENDEE;PARTSTAT=DECLINED:MAILTO:m.stone@team.example", []),
    "somebody else declined": (f"{ALL_DAY}\nATTENDEE;PARTSTAT=DECLINED:mailto:jon@team.example", FULL),
    "she accepted": (f"{ALL_DAY}\nATTENDEE;PARTSTAT=DECLINED:mailto:jon@team.example\nATTENDEE;PARTSTAT=ACCEPTED:mailto:maya@team.example", FULL),
    "a meeting of an hour is not": ("DTSTART:20260309T100000Z\nDTEND:20260309T110000Z", []),
    "midnight to midnight, as Google writes out of office": ("DTSTART;TZID=Europe/Berlin:20260309T000000\nDTEND;TZID=Europe/Berlin:20260314T000000\nSUMMARY:Out of office", FULL),
    "exactly the working hours": ("DTSTART;TZID=Europe/Berlin:20260309T090000\nDTEND;TZID=Europe/Berlin:20260309T173000", [("2026-03-09", "2026-03-09")]),
    "half an hour short": ("DTSTART;TZID=Europe/Berlin:20260309T090000\nDTEND;TZID=Europe/Berlin:20260309T170000", []),
    "from Monday afternoon to Friday morning: the days between": ("DTSTART;TZID=Europe/Berlin:20260309T140000\nDTEND;TZID=Europe/Berlin:20260313T100000", [("2026-03-10", "2026-03-12")]),
    "in UTC": ("DTSTART:20260308T230000Z\nDTEND:20260313T230000Z", FULL),
    "in another zone": ("DTSTART;TZID=America/New_York:20260308T190000\nDTEND;TZID=America/New_York:20260313T190000", FULL),
    "without a zone: hers": ("DTSTART:20260309T000000\nDTEND:20260314T000000", FULL),
    "a Windows zone name": ("DTSTART;TZID=W. Europe Standard Time:20260309T000000\nDTEND;TZID=W. Europe Standard Time:20260314T000000", FULL),
    "over the clock change": ("DTSTART;TZID=Europe/Berlin:20260327T000000\nDTEND;TZID=Europe/Berlin:20260401T000000", [("2026-03-27", "2026-03-31")]),
    "one that began long before and ends long after": ("DTSTART;VALUE=DATE:20250101\nDTEND;VALUE=DATE:20270101", [("2026-02-01", "2026-04-30")]),
    "before and after the window": ("DTSTART;VALUE=DATE:20250101", []),
    "every Friday": ("DTSTART;VALUE=DATE:20260306\nRRULE:FREQ=WEEKLY;COUNT=3", [("2026-03-06", "2026-03-06"), ("2026-03-13", "2026-03-13"), ("2026-03-20", "2026-03-20")]),
    "every Friday but one": ("DTSTART;VALUE=DATE:20260306\nRRULE:FREQ=WEEKLY;UNTIL=20260320\nEXDATE;VALUE=DATE:20260313", [("2026-03-06", "2026-03-06"), ("2026-03-20", "2026-03-20")]),
    "a day more by RDATE": ("DTSTART;VALUE=DATE:20260306\nRDATE;VALUE=DATE:20260310", [("2026-03-06", "2026-03-06"), ("2026-03-10", "2026-03-10")]),
    "every year since long ago": ("DTSTART;VALUE=DATE:19900309\nRRULE:FREQ=YEARLY", [("2026-03-09", "2026-03-09")]),
    "for ever": ("DTSTART;VALUE=DATE:20260424\nRRULE:FREQ=WEEKLY", [("2026-04-24", "2026-04-24")]),
}  # fmt: skip


def days(text: str, person: PersonSettings = MAYA) -> list[tuple[str, str]]:
    reading = read_calendar(text, person, FIRST, LAST)
    assert not reading.skipped
    return [(one.isoformat(), other.isoformat()) for one, other in reading.spans]


@pytest.mark.parametrize("name", CASES)
def test_what_is_a_day_away(name: str) -> None:
    event, expected = CASES[name]
    assert days(calendar(event)) == expected


def test_a_moved_occurrence_and_a_cancelled_one() -> None:
    series = "UID:s\nDTSTART;VALUE=DATE:20260306\nRRULE:FREQ=WEEKLY;COUNT=3"
    moved = "UID:s\nRECURRENCE-ID;VALUE=DATE:20260313\nDTSTART;VALUE=DATE:20260312"
    dropped = "UID:s\nRECURRENCE-ID;VALUE=DATE:20260320\nDTSTART;VALUE=DATE:20260320\nSTATUS:CANCELLED"
    assert days(calendar(series, moved, dropped)) == [("2026-03-06", "2026-03-06"), ("2026-03-12", "2026-03-12")]


def test_a_zone_that_the_file_defines_itself() -> None:
    event = "DTSTART;TZID=Customized Time Zone:20260309T000000\nDTEND;TZID=Customized Time Zone:20260314T000000"
    assert days(calendar(event, head=OUTLOOK_ZONE)) == FULL


def test_neighbouring_events_are_one_absence_and_doubles_count_once() -> None:
    week, next_week = ALL_DAY, "DTSTART;VALUE=DATE:20260314\nDTEND;VALUE=DATE:20260321"
    assert days(calendar(week, week, next_week)) == [("2026-03-09", "2026-03-20")]


def test_a_night_shift_is_covered_only_to_its_end_on_the_next_day() -> None:
    night = MAYA.model_copy(update={"hours": (MAYA.hours[1], MAYA.hours[0])})  # 17:30 to 09:00
    until = "DTSTART;TZID=Europe/Berlin:20260309T170000\nDTEND;TZID=Europe/Berlin:20260310T{}0000"
    assert days(calendar(until.format("09")), night) == [("2026-03-09", "2026-03-09")]
    assert days(calendar(until.format("08")), night) == []


def test_two_calendars_in_one_file_a_byte_order_mark_and_bare_line_ends() -> None:
    assert days("\ufeff" + (calendar(ALL_DAY) + calendar("DTSTART;VALUE=DATE:20260401")).replace("\r", "")) == [
        *FULL, ("2026-04-01", "2026-04-01"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text", ["", "hello", "<html><body>Log in</body></html>", "BEGIN:VCALENDAR\r\n", calendar(ALL_DAY)[:120], "\0" * 50,
             "BEGIN:VEVENT\r\nDTSTART;VALUE=DATE:20260309\r\nEND:VEVENT\r\n", "BEGIN:VCALENDAR\r\n" * 4000],
)  # fmt: skip
def test_what_is_no_calendar_is_refused(text: str) -> None:
    with pytest.raises(PermanentError, match="no iCalendar file"):
        read_calendar(text, MAYA, FIRST, LAST)


def test_too_many_events_are_refused() -> None:
    with pytest.raises(PermanentError, match=f"more than {MOST_EVENTS} events"):
        read_calendar("BEGIN:VCALENDAR\n" + "BEGIN:VEVENT\nEND:VEVENT\n" * (MOST_EVENTS + 1), MAYA, FIRST, LAST)


@pytest.mark.parametrize(
    "event", ["DTSTART:tomorrow", "DTSTART;VALUE=DATE:20260309\nRRULE:FREQ=SECONDLY", "SUMMARY:no start",
              "DTSTART;VALUE=DATE:20260309\nRRULE:FREQ=HOURLY", "DTSTART;VALUE=DATE:20260309\nRRULE:FREQ=NONSENSE"],
)  # fmt: skip
def test_one_bad_event_is_named_and_does_not_hide_the_others(event: str) -> None:
    reading = read_calendar(
        calendar(f"SUMMARY:Odd\n{event}" if "SUMMARY" not in event else event, ALL_DAY), MAYA, FIRST, LAST
    )
    assert reading.spans == ((date(2026, 3, 9), date(2026, 3, 13)),)
    assert len(reading.skipped) == 1


def test_damaged_calendars_are_read_or_refused_never_anything_else() -> None:
    chance = random.Random(1)
    whole = calendar(*(event for event, _ in CASES.values()), head=OUTLOOK_ZONE)
    for _ in range(150):
        text = list(whole)
        for _ in range(chance.randint(1, 30)):
            place = chance.randrange(len(text))
            text[place] = chance.choice([";", ":", "\n", "", "T", "9", "BEGIN:VEVENT\n", "\0", "=", "ü"])
        damaged = "".join(text).replace("FREQ=DAILY", "FREQ=WEEKLY")
        try:
            read_calendar(damaged, MAYA, FIRST, LAST)
        except PermanentError:
            continue


def test_the_window_moves_once_a_month() -> None:
    assert (
        calendar_window(date(2026, 3, 1)) == calendar_window(date(2026, 3, 31)) == (date(2026, 2, 1), date(2027, 4, 5))
    )
