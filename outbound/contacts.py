"""Which contact does a row describe? Only `email` is required; a broken row is reported and stops nobody else."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC as UTC_ZONE
from datetime import date, datetime, time
from zoneinfo import available_timezones

from email_validator import EmailNotValidError, validate_email

from outbound.places import country_code, language_code
from store.lead_sources import normalise_source

OWN_COLUMNS = ("first_name", "last_name", "country", "state", "city", "zone", "language", "role", "source",
               "legal_basis", "owner", "crm_id", "do_not_contact")  # fmt: skip
NO_WORDS = frozenset({"no", "false", "0", "n", "nein", "non", "-", "none", "never", "null", "subscribed"})
MOST_CHARACTERS = 2_000  # of one field: longer ones are no facts about a person
_ZONES = {name.lower(): name for name in available_timezones()}
_PLAIN = re.compile(
    r"[a-z0-9](?:[a-z0-9_+-]|\.(?=[a-z0-9_+-])){0,62}@(?:(?!..--)[a-z0-9](?:(?!--)[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,24}"
)
_SCHEME = re.compile(r"(?i)^\s*(mailto:|smtp:)")
_SPECIAL = frozenset({"arpa", "invalid", "local", "localhost", "onion", "test"})  # RFC 6761: the library judges
_ANY_ADDRESS = re.compile(r"[^\s<>;,\"']+@[^\s<>;,\"']+")


@dataclass(frozen=True, slots=True)
class ContactRow:
    """One readable row; `values` are contact fields, `extra` the other columns."""

    line: int
    email: str
    values: Mapping[str, str]
    extra: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()  #: what a person should know about the reading
    at: datetime | None = None  #: when the list's own program last changed the record


@dataclass(frozen=True, slots=True)
class RowError:
    """One row that cannot be imported."""

    line: int
    email: str
    reason: str


def read_contact(line: int, own: Mapping[str, str], extra: Mapping[str, str]) -> ContactRow | RowError:
    """Read one record of a list of contacts."""
    values = {name: value[:MOST_CHARACTERS] for name, value in own.items()}
    written = values.pop("email", "")
    if not written:
        return RowError(line, "", "no e-mail address")
    found = _ANY_ADDRESS.findall(written)
    try:
        email = normalise_address(found[0] if len(found) > 1 else written)
    except ValueError as problem:
        return RowError(line, written[:MOST_CHARACTERS], str(problem))
    notes = ["several-addresses"] if len(found) > 1 else []
    first, last = split_name(values.pop("name", ""))
    if first and not values.get("first_name") and not values.get("last_name"):
        values |= {"first_name": first, "last_name": last}
    if "source" in values:
        values["source"] = normalise_source(values["source"])
    for name in ("do_not_contact", "bounced"):
        if name in values and values.pop(name).lower() not in NO_WORDS:
            values[name] = "yes"
    for name, code in (("country", country_code), ("language", language_code), ("zone", _zone)):
        if name in values and not (known := code(values[name])):
            notes.append(f"unknown-{name}")
            extra = {f"{name}_as_written": values.pop(name), **extra}
        elif name in values:
            values[name] = known
    at = read_instant(values.pop("updated_at", ""))
    return ContactRow(
        line, email, values, {name: value[:MOST_CHARACTERS] for name, value in extra.items()}, tuple(notes), at
    )


def _zone(written: str) -> str:
    return _ZONES.get(written.strip().lower().replace(" ", "_"), "")


def split_name(full: str) -> tuple[str, str]:
    """Return first and last name of a full one: "Ann Lee", "Lee, Ann"; a single word is no full name."""
    last, comma, first = (part.strip() for part in full.partition(","))
    if comma:
        return first, last
    first, _, last = full.strip().partition(" ")
    return (first, last.strip()) if last else ("", "")


def normalise_address(written: str) -> str:
    """Return an address in lower case, its domain as ASCII; raises ValueError with the reason.

    Dots and tags of the local part stay: to most servers they are different people.
    """
    lower = written.strip().lower()
    if _is_plain(lower):
        return lower
    address = _SCHEME.sub("", written.strip()).strip(" \t\u00a0.,;'\"")
    if _is_plain(lower := address.lower()):
        return lower
    try:
        found = validate_email(
            address, check_deliverability=False, test_environment=True, allow_display_name=True, strict=True
        )
    except EmailNotValidError as problem:
        raise ValueError(str(problem)) from problem
    domain = found.ascii_domain or found.domain
    return f"{found.local_part.lower()}@{domain.lower()}"


def _is_plain(lower: str) -> bool:
    """Tell what the library would say too, in a hundredth of the time: an address of plain ASCII is right."""
    return bool(_PLAIN.fullmatch(lower)) and len(lower) <= 254 and lower.rpartition(".")[2] not in _SPECIAL


_DAYS = (
    (re.compile(r"(?P<y>\d{4})[-/.](?P<m>\d{1,2})[-/.](?P<d>\d{1,2})"), False),
    (re.compile(r"(?P<d>\d{1,2})\.\s?(?P<m>\d{1,2})\.\s?(?P<y>\d{4})"), False),
    (re.compile(r"(?P<d>\d{1,2})[/-](?P<m>\d{1,2})[/-](?P<y>\d{4})"), True),
)


def read_day(written: str) -> date | None:
    """Return the day of a date as programs write it; of two readings of 03/04/2026 the later one."""
    for pattern, either in _DAYS:
        if match := pattern.match(written.strip()):
            year, month, day = (int(match[name]) for name in "ymd")
            readings = [(year, month, day)] + [(year, day, month)] * either
            return max((found for reading in readings if (found := _day(*reading))), default=None)
    return None


def _day(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def read_instant(written: str) -> datetime | None:
    """Return an instant, UTC where no zone is said; a day counts from its start."""
    try:
        found = datetime.fromisoformat(written.strip())
    except ValueError:
        day = read_day(written)
        return datetime.combine(day, time(), UTC_ZONE) if day else None
    return found if found.tzinfo else found.replace(tzinfo=UTC_ZONE)
