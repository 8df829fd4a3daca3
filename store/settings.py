"""How are humane configuration values read, and where is the database?

Every room composes its own frozen pydantic model from these types: `"40/day"`, `"45m"`, `"3 business days"`,
`"Europe/Berlin"`, secrets by reference only. Errors are pydantic's, so that `postroom.config` can name the TOML path.
"""

import os
import re
from datetime import time, timedelta
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from store.errors import PermanentError

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DURATION = re.compile(r"(\d+)\s*(s|m|h|d|w)(?:ec(?:onds?)?|in(?:utes?)?|ours?|ays?|eeks?)?", re.IGNORECASE)
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def read_duration(value: Any) -> Any:
    """Read `"45m"`, `"1h 30m"` or `"2 days"`; a bare number has no unit and is refused."""
    if not isinstance(value, str):
        if isinstance(value, timedelta):
            return value
        raise ValueError('write a duration with its unit, for example "45m", "2h" or "3d"')
    total, rest = timedelta(), value.strip()
    while rest:
        found = _DURATION.match(rest)
        if not found:
            raise ValueError(f'"{value}" is not a duration; write for example "45m", "1h 30m" or "3d"')
        total += timedelta(**{_UNITS[found[2].lower()]: int(found[1])})
        rest = rest[found.end() :].lstrip(" ,")
    return total


def read_per_day(value: Any) -> Any:
    """Read `"40/day"` or a plain count."""
    if isinstance(value, str):
        found = re.fullmatch(r"\s*(\d+)\s*(?:/|per)\s*day\s*", value)
        if not found:
            raise ValueError(f'"{value}" is not a daily count; write for example "40/day"')
        return int(found[1])
    return value


def read_days(value: Any) -> Any:
    """Read `"mon-fri"` or `"mon, wed, fri"` as weekday numbers, Monday 0."""
    if not isinstance(value, str):
        return value
    days: set[int] = set()
    for part in re.split(r"[,\s]+", value.strip().lower()):
        first, _, last = part.partition("-")
        if first[:3] not in _WEEKDAYS or (last and last[:3] not in _WEEKDAYS):
            raise ValueError(f'"{value}" names no weekdays; write for example "mon-fri" or "mon, wed"')
        start = _WEEKDAYS.index(first[:3])
        span = (_WEEKDAYS.index(last[:3]) - start) % 7 if last else 0
        days.update((start + offset) % 7 for offset in range(span + 1))
    return frozenset(days)


def read_hours(value: Any) -> Any:
    """Read `"09:00-17:30"` as two local times; the end is exclusive and after the start."""
    if not isinstance(value, str):
        return value
    found = re.fullmatch(r"\s*(\d{1,2}):(\d\d)\s*-\s*(\d{1,2}):(\d\d)\s*", value)
    if not found:
        raise ValueError(f'"{value}" is no span of hours; write for example "09:00-17:30"')
    try:
        start, end = time(int(found[1]), int(found[2])), time(int(found[3]), int(found[4]))
    except ValueError as problem:
        raise ValueError(f'"{value}" is no span of hours: {problem}') from problem
    if end <= start:
        raise ValueError(f'"{value}" ends before it starts')
    return start, end


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (OSError, ValueError, KeyError) as problem:
        raise ValueError(f'"{name}" is no IANA time zone; write for example "Europe/Berlin"') from problem
    return name


def _mail_address(value: str) -> str:
    address = value.strip().lower()
    if not re.fullmatch(r"[^@\s<>\"]+@[^@\s<>\"]+", address):
        raise ValueError(f'"{value}" is no mail address')
    return address


Duration = Annotated[timedelta, BeforeValidator(read_duration)]
PerDay = Annotated[int, BeforeValidator(read_per_day), Field(ge=0)]
Days = Annotated[frozenset[int], BeforeValidator(read_days)]
Hours = Annotated[tuple[time, time], BeforeValidator(read_hours)]
Zone = Annotated[str, AfterValidator(_known_zone)]
MailAddress = Annotated[str, AfterValidator(_mail_address)]


class Settings(BaseModel):
    """Base of every configuration model: frozen, unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class SecretRef(Settings):
    """A secret by reference: exactly one of a systemd credential, an environment variable, a file."""

    credential: str = Field("", description="name in the systemd credentials directory")
    env: str = Field("", description="name of an environment variable")
    file: Path | None = Field(None, description="path of a file that holds only the secret")

    @model_validator(mode="after")
    def _exactly_one(self) -> "SecretRef":
        if sum(map(bool, (self.credential, self.env, self.file))) != 1:
            raise ValueError('name exactly one source, for example { env = "SALES_PASSWORD" }')
        return self

    def read(self) -> str:
        """Read the secret now; raises PermanentError when its source is missing or empty."""
        if self.env:
            value = os.environ.get(self.env, "")
            where = f"environment variable {self.env}"
        else:
            folder = Path(os.environ.get("CREDENTIALS_DIRECTORY", "/run/credentials/postroom.service"))
            path = self.file if self.file is not None else folder / self.credential
            where = f"file {path}"
            try:
                value = path.read_text(encoding="utf-8")
            except OSError as problem:
                raise PermanentError(f"secret not readable: {where}: {problem.strerror}") from problem
        if not value.strip():
            raise PermanentError(f"secret is empty or not set: {where}")
        return value.strip()


class StoreSettings(Settings):
    """Where postroom keeps what it knows."""

    url: str = Field("sqlite:///postroom.db", description="SQLAlchemy URL: sqlite:///FILE or postgresql+psycopg://...")
    node: str = Field("node-1", description="name of this node; a mailbox belongs to one node at a time")
