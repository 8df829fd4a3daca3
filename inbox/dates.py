"""When is the absent sender back? A small grammar over seven languages, anchored on the message's Date header.

One convention for every language: "back on / again from X" is X. "Until X" alone is X, the day they are expected
again. "Until X inclusive", "through X", "t/m X" and the end of a range mean the day after X, be it a Saturday: nobody who
counts sending days is misled by it. A Dutch range with plain "tot X" ends before X.
What says "back" beats what says "until", and that beats a range.

A date counts only where the words of its sentence speak of the absence: dates of events, office hours, extensions and
ticket stamps do not. Dotted dates are day-first; a year-less date in the past is next year's.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from inbox.date_words import (
    ABSENT,
    BACK_AFTER,
    CONTEXT,
    DATE,
    DAY,
    FROM,
    GONE,
    INCLUSIVE,
    JOIN,
    MONTH,
    NOT_ABSENCE,
    NUMBER,
    RANGE_START,
    RELATIVE,
    TODAY_AND,
    WEEK,
)
from inbox.part_time import next_working_day, working_week

LONGEST = 4_000
FARTHEST = timedelta(days=500)
_BOUNDARY = re.compile(r"[!?;](?=\s|$)|(?<!\d)\.(?=\s|$)|(?<=\d)\.(?=\s+[A-ZÀ-Þ¿¡(])|\n\s*\n|\s[|/]\s|\n[-*•]\s")
_FROM_WEEK = re.compile(
    r"\b(?:erst|only|not before|pas avant|no antes de|non prima di|niet voor|só)\b[^,;0-9]{0,25}$", re.IGNORECASE
)
_MONTH_NEXT = re.compile(r"\.\s+(?:" + "|".join(map(re.escape, MONTH)) + r")\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ReturnDate:
    """The day somebody is back."""

    on: date | None
    ambiguous: bool = False  #: a slash date that reads in two ways, or a month without a day
    open_ended: bool = False  #: will not come back


@dataclass(frozen=True, slots=True)
class _Seen:
    start: int
    end: int
    on: date
    ambiguous: bool
    ranged: bool = False  #: the end of a range such as `3-7 May`
    whole_month: bool = False  #: `end of May`


def return_date(text: str, sent_on: date, language: str | None = None) -> ReturnDate:
    """Return the day the sender is back, by the convention of this module."""
    body = text[:LONGEST]
    if GONE.search(body):
        return ReturnDate(None, open_ended=True)
    usual = working_week(body)
    weeks, body = usual.rest, WEEK.sub(lambda found: " " * len(found[0]), usual.rest)
    dates = list(_dates(body, sent_on, language))
    best: tuple[int, _Seen, date] | None = None
    for index, seen in enumerate(dates):
        found = _judge(body, dates, index, sent_on)
        if found is None or not sent_on - timedelta(days=1) <= found[1] <= sent_on + FARTHEST:
            continue
        later_range = best is not None and found[0] == best[0] == 2 and found[1] > best[2]
        if best is None or found[0] > best[0] or later_range:
            best = (found[0], seen, found[1])
    relative = max((found for found in (_week(weeks, sent_on), _relative(body, sent_on)) if found), default=None)
    if best is not None and (relative is None or best[0] >= relative[0]):
        return ReturnDate(best[2], best[1].ambiguous)
    if relative is None and usual.days:
        return ReturnDate(next_working_day(sent_on, usual.days))
    return ReturnDate(relative[1] if relative else None)


def _sentence(body: str, start: int, end: int) -> tuple[str, str]:
    """Return what stands before and after a date in its own sentence."""
    begin = 0
    for found in _BOUNDARY.finditer(body, max(0, start - 160), start):
        if not (body[found.start()] == "." and _MONTH_NEXT.match(body, found.start())):
            begin = found.end()
    stop = _BOUNDARY.search(body, end, min(len(body), end + 120))
    return body[max(begin, start - 160) : start], body[end : stop.start() if stop else end + 120]


def _judge(body: str, dates: list[_Seen], index: int, sent_on: date) -> tuple[int, date] | None:
    """Return (how sure, day back) for a date, None when its words do not speak of an absence."""
    seen = dates[index]
    before, after = _sentence(body, seen.start, seen.end)
    earlier = [one for one in dates[:index] if one.start >= seen.start - len(before)]
    near = body[earlier[-1].end : seen.start] if earlier else before
    following = dates[index + 1] if index + 1 < len(dates) else None
    tail = after[: following.start - seen.end] if following else after
    joined = bool(earlier) and bool(JOIN.match(near))
    marks = list(CONTEXT.finditer(near))
    if following and JOIN.match(body[seen.end : following.start]) and not (marks and marks[-1]["back"]):
        return None  # the beginning of a range
    if NOT_ABSENCE.search(near) and not (marks and marks[-1].start() > len(near) - 40 and marks[-1]["back"]):
        return None
    inclusive = bool(INCLUSIVE.search(near[-35:]) or INCLUSIVE.search(after[:25]))
    after_end = seen.on if seen.whole_month else seen.on + timedelta(days=1)
    ranged = seen.ranged or joined
    if marks and marks[-1]["back"] and not ranged:
        return 5, seen.on
    if not ranged and seen.on > sent_on and FROM.search(near) and not ABSENT.search(near):
        return 4, seen.on
    if not ranged and not marks and BACK_AFTER.search(tail[:45]):
        return 4, seen.on
    if marks and not ranged:
        return 3, after_end if inclusive or seen.whole_month else seen.on
    if ranged:
        return 2, seen.on if re.search(r"\btot\s?(?:\w{5,9}\s)?$", near, re.IGNORECASE) else after_end
    return None


def _dates(body: str, sent_on: date, language: str | None) -> Iterator[_Seen]:
    anchor = sent_on  # a bare "the 20th" after "until 19 October" is of that month
    for found in DATE.finditer(body):
        got = found.groupdict()
        ambiguous = False
        year: str | None = None
        start, end = found.start(), found.end() - (found[0].endswith(".") and not got["dot"])
        if got["iso"]:
            day, month, year = got["id"], int(got["im"]), got["iy"]
        elif got["dot"]:
            day, month, year = got["dd"], int(got["dm"]), got["dy"]
        elif got["slash"]:
            (day, month), year = _slash(int(got["sa"]), int(got["sb"]), body, language), got["sy"]
            both = int(got["sa"]) <= 12 and int(got["sb"]) <= 12 and got["sa"].lstrip("0") != got["sb"].lstrip("0")
            ambiguous = both and language in ("en", None)
            if ambiguous:
                day, month = _nearest(day, month, year, sent_on)
        elif got["word"]:
            day, month, year = "1" if not got["wd"].isdigit() else got["wd"], MONTH[got["wm"].lower()], got["wy"]
        elif got["us"]:
            day, month, year = got["ud"], MONTH[got["um"].lower()], got["uy"]
        elif got["ends"]:
            month = MONTH[got["em"].lower()] % 12 + 1
            day, year = "1", str(int(got["ey"]) + (month == 1)) if got["ey"] else None
        elif got["my"]:
            day, month, year = "1", MONTH[got["mm"].lower()], got["mmy"]
        else:
            day = got["nd"] or got["bd"]
            start = found.start("nday") if got["named"] else found.start("bd")
            on = _next_with(int(day), got["nday"], max(sent_on, anchor - timedelta(days=3)))
            if on is not None:
                yield _Seen(start, end, on, False, _is_range(body, start))
            continue
        on = _make(int(day), month, year, sent_on)
        if on is not None:
            anchor = max(anchor, on) if on <= sent_on + FARTHEST else anchor
            vague = bool(got["ends"] or got["my"])
            yield _Seen(start, end, on, ambiguous or vague, _is_range(body, start), whole_month=bool(got["ends"]))


def _is_range(body: str, start: int) -> bool:
    """Tell whether a bare number and a joining word stand before a date: `3 to 7 May`, `vom 3. bis 7. Mai`."""
    found = RANGE_START.search(body[max(0, start - 35) : start])
    return found is not None and 1 <= int(found["day"]) <= 31


def _slash(first: int, second: int, body: str, language: str | None) -> tuple[str, int]:
    """Return (day, month): day-first unless the numbers or other slash dates of an English text say otherwise."""
    if language == "en" and first <= 12:
        others = re.findall(r"(?<![\d/])(\d{1,2})/(\d{1,2})(?![\d/])", body)
        if second > 12 or any(int(two) > 12 and int(one) <= 12 for one, two in others):
            return str(second), first
    return str(first), second


def _nearest(day: str, month: int, year: str | None, sent_on: date) -> tuple[str, int]:
    """Return the reading of an ambiguous slash date that comes first after the message."""
    readings = [
        (_make(int(day), month, year, sent_on), day, month),
        (_make(month, int(day), year, sent_on), str(month), int(day)),
    ]
    ahead = sorted((on, day, month) for on, day, month in readings if on is not None and on >= sent_on)
    return (ahead[0][1], ahead[0][2]) if ahead else (day, month)


def _next_with(day: int, weekday: str | None, sent_on: date) -> date | None:
    """Return the next date from `sent_on` with this day of the month; with a weekday, the next on which both agree (within a year)."""
    candidates = []
    for step in range(13):
        month = (sent_on.month - 1 + step) % 12 + 1
        try:
            on = date(sent_on.year + (sent_on.month - 1 + step) // 12, month, day)
        except ValueError:
            continue
        if on >= sent_on:
            candidates.append(on)
    if weekday:
        agreeing = [on for on in candidates[:3] if on.weekday() == DAY[weekday.lower()]]
        return agreeing[0] if agreeing else None
    return candidates[0] if candidates else None


def _make(day: int, month: int, year: str | None, sent_on: date) -> date | None:
    number = int(year) if year else 0
    years = (number if number > 99 else 2000 + number,) if year else (sent_on.year, sent_on.year + 1)
    for one in years:
        try:
            on = date(one, month, day)
        except ValueError:  # 29 February may be next year's
            continue
        if year or on >= sent_on - timedelta(days=1):
            return on
    return None


def _week(body: str, sent_on: date) -> tuple[int, date] | None:
    """Return (how sure, day back) from a numbered week (ISO 8601): back in it is its Monday, away in it the next."""
    best: tuple[int, date] | None = None
    for found in WEEK.finditer(body):
        first = int(found["week"] or found["ordinal"])
        last = int(found["last"] or 0)
        if not (1 <= first <= 53 and last <= 53):
            continue
        before, after = _sentence(body, found.start(), found.end())
        marks = list(CONTEXT.finditer(before))
        back = bool(marks and marks[-1]["back"]) or (not last and bool(BACK_AFTER.search(after[:45])))
        starts = not last and (back or FROM.search(before) or _FROM_WEEK.search(before))
        inclusive = INCLUSIVE.search(before[-35:]) or INCLUSIVE.search(after[:25])
        if starts and not ABSENT.search(before[-40:]):
            score, on = 5 if back else 4, _monday(first, sent_on)
        elif marks and not last:
            score, on = 3, _monday(first, sent_on) + timedelta(days=7 * bool(inclusive))
        elif ABSENT.search(f"{before} {after}"):
            score, on = 2, _monday(last or first, sent_on) + timedelta(days=7)
        else:
            continue
        if on > sent_on and (best is None or score > best[0]):
            best = (score, on)
    return best


def _monday(week: int, sent_on: date) -> date:
    """Return the Monday of the next such week that is not over."""
    for year in (sent_on.isocalendar().year, sent_on.isocalendar().year + 1):
        monday = date.fromisocalendar(year, 1, 1) + timedelta(weeks=week - 1)
        if monday + timedelta(days=7) > sent_on:
            return monday
    return monday


def _relative(body: str, sent_on: date) -> tuple[int, date] | None:
    """Return (how sure, day back) from words such as `next week`, `Monday`, `tomorrow`, `in two weeks`."""
    best: tuple[int, date] | None = None
    for found in RELATIVE.finditer(body):
        before, after = _sentence(body, found.start(), found.end())
        if re.match(r"(?:,? (?:the |dem |den |le |el |il |dia )?\d|s\b)", after):
            continue
        marks = list(CONTEXT.finditer(before))
        back = bool(marks and marks[-1]["back"]) or bool(BACK_AFTER.search(after[:40]))
        lasting = (
            found["inw"] and re.match(r"for|für|pendant|por|per", found[0], re.IGNORECASE) and ABSENT.search(before)
        )
        until = bool(marks or lasting) and not back
        bare = found["tomorrow"] or found["overmorrow"]
        if not (back or until) and not (FROM.search(before) or bare):
            continue
        if NOT_ABSENCE.search(before) and not back:
            continue
        on = _relative_day(found, sent_on) + timedelta(days=bool(TODAY_AND.search(before)))
        inclusive = INCLUSIVE.search(before[-30:]) or INCLUSIVE.search(after[:25])
        score = 4 if back else 3 if until else 1
        if best is None or score > best[0]:
            best = (score, on + timedelta(days=1) if until and inclusive else on)
    return best


def _relative_day(found: re.Match[str], sent_on: date) -> date:
    if found["inw"]:
        number = int(found["n"]) if found["n"].isdigit() else NUMBER[found["n"].lower()]
        week = re.match(r"w|semain|seman|settim", found["unit"], re.IGNORECASE)
        return sent_on + timedelta(days=number * (7 if week else 1))
    monday = sent_on + timedelta(days=7 - sent_on.weekday())
    if found["weekday"]:
        return monday + timedelta(days=DAY[found["nwd"].lower()])
    if found["nextw"]:
        return monday
    if found["tomorrow"] or found["overmorrow"]:
        return sent_on + timedelta(days=1 if found["tomorrow"] else 2)
    name = found["ed"] or found["fd"] or found["day"] or found[0].split()[0]
    ahead = (DAY[name.lower()] - sent_on.weekday()) % 7 or 7
    return sent_on + timedelta(days=ahead + (7 if found["eight"] else 0))
