"""On which weekdays does the sender work? "I work Mon-Wed", "freitags bin ich nicht im Büro", in seven languages."""

import re
from dataclasses import dataclass
from datetime import date, timedelta

from inbox.date_words import DAY
from inbox.part_time_words import FIRST, NOT, ONCE, POSITIVE, SHORT, WORK

WEEK = frozenset(range(5))
_LONG = {name: day for name, day in DAY.items() if not name.endswith(("ochtend", "namiddag"))}
_LONG |= {f"{name}s": day for name, day in _LONG.items()} | {f"{name[:-1]}i": day for name, day in _LONG.items()}
_NAMES = "|".join(sorted(map(re.escape, _LONG), key=len, reverse=True))
_ANY = f"(?:{_NAMES}|{'|'.join(SHORT)})"
_RANGE = r"(?:-|–|to|until|through|thru|bis|au|à|a|ao|à|al|t/m|tot(?: en met)?|até(?: a)?)"
_LIST = r"(?:,|&|\+|/|and|or|und|sowie|oder|et|ou|y|e|o|en|of)"
_ARTICLE = r"(?:(?:on|am|le|el|los|il|al|op|à|às|na|a)\s)?"
_CHAIN = re.compile(
    rf"\b{_ANY}\b\.?(?:\s?(?:{_RANGE}|{_LIST}(?:\s?{_LIST})?)\s?{_ARTICLE}{_ANY}\b\.?)+|\b(?:{_NAMES})\b", re.IGNORECASE
)
_STEP = re.compile(rf"(?P<day>\b{_ANY}\b)|(?P<range>(?<=[\s.\w]){_RANGE}(?=\s|{_ANY}\b))", re.IGNORECASE)
_SENTENCE = re.compile(r"(?:[^.!?;\n]|[.](?!\s+[A-ZÀ-Þ¿¡]|\s*$|\s*\n))+")


@dataclass(frozen=True, slots=True)
class WorkingWeek:
    """The weekdays somebody works on (Monday is 0), and the text without the sentences that say so."""

    days: frozenset[int] | None
    rest: str


def working_week(text: str) -> WorkingWeek:
    """Find the sender's own weekdays; None when nothing tells them, or when they are all five."""
    days: frozenset[int] | None = None
    rest = text
    for sentence in _SENTENCE.finditer(text):
        said = sentence[0]
        if not (FIRST.search(said) and WORK.search(said)) or ONCE.search(said):
            continue
        chain = _CHAIN.search(said)
        named = _days(chain[0]) if chain else frozenset[int]()
        works = bool(POSITIVE.search(said)) or not NOT.search(said)
        if not named or (works and len(named) < 2):
            continue
        rest = rest[: sentence.start()] + " " * len(said) + rest[sentence.end() :]
        if days is None:
            days = named & WEEK if works else WEEK - named
    return WorkingWeek(days if days and days != WEEK else None, rest)


def next_working_day(after: date, days: frozenset[int]) -> date:
    """Return the first day after `after` that is one of the weekdays."""
    return next(day for day in (after + timedelta(days=ahead) for ahead in range(1, 8)) if day.weekday() in days)


def _days(chain: str) -> frozenset[int]:
    found: list[int] = []
    to = False
    for step in _STEP.finditer(chain):
        if step["day"] is None:
            to = True
            continue
        name = step["day"].lower()
        day = _LONG[name] if name in _LONG else SHORT[name]
        if to and found and found[-1] < day:
            found.extend(range(found[-1] + 1, day))
        found.append(day)
        to = False
    return frozenset(found)
