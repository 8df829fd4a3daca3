"""What is a sequence, how much may a mailbox send, and when is it unwell?"""

import re
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StringConstraints, field_validator, model_validator

from outbound.stop import TABLE
from store.settings import (
    Days,
    Duration,
    Hours,
    MailAddress,
    PerDay,
    Settings,
    Zone,
    read_days,
    read_duration,
    read_hours,
)
from store.vocabulary import StopEvent

MAX_SPAN = timedelta(days=365)


class Delay(Settings):
    """A wait between two steps: real time, or business days of the recipient."""

    span: timedelta = timedelta()
    business_days: int = 0


def read_delay(value: Any) -> Any:
    """Read `"3 business days"`, `"2h"` or `"0m"`."""
    if not isinstance(value, str):
        return value
    found = re.fullmatch(r"\s*(\d{1,3})\s*business\s+days?\s*", value)
    if found:
        return Delay(business_days=int(found[1]))
    span = read_duration(value)
    if span > MAX_SPAN:
        raise ValueError(f'"{value}" is longer than a year')
    return Delay(span=span)


QuietDay = Annotated[str, StringConstraints(pattern=r"^([A-Z]{2} )?(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$")]
DelayField = Annotated[Delay, BeforeValidator(read_delay)]


class VariantSettings(Settings):
    """Another wording of a step: change one thing at a time."""

    name: str = Field(min_length=1, description="name in ledger and report")
    subject: str = Field("", description="instead of the step's subject")
    body: str = Field("", description="instead of the step's body")

    @model_validator(mode="after")
    def _changes_something(self) -> "VariantSettings":
        if not self.subject and not self.body:
            raise ValueError("a variant changes the subject or the body")
        return self


class StepSettings(Settings):
    """One letter of a sequence."""

    delay: DelayField = Field(Delay(), description='after the step before: "3 business days", "2h", "0m"')
    subject: str = Field("", description="empty: continues the thread of the step before")
    body: str = Field(min_length=1, description="plain text template; the HTML part is made from it")
    variant: tuple[VariantSettings, ...] = Field((), description="other wordings, assigned per contact")

    @field_validator("variant")
    @classmethod
    def _named_once(cls, variants: tuple[VariantSettings, ...]) -> tuple[VariantSettings, ...]:
        names = [one.name for one in variants]
        if doubled := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two variants are called {doubled[0]}: nobody could tell them apart")
        return variants


class WindowSettings(Settings):
    """When letters may arrive, in the recipient's local time."""

    hours: Hours = Field(read_hours("09:00-17:00"), description="local hours")
    days: Days = Field(read_days("mon-fri"), description="local weekdays")
    zone: Zone = Field("UTC", description="zone of recipients whose own is not known")
    holidays: bool = Field(True, description="public holidays of the recipient's country are free")
    quiet: frozenset[QuietDay] = Field(
        frozenset(), description='more days of every year without mail: "12-24", or "DE 12-24" for one country'
    )


class GoNoGoSettings(Settings):
    """Rules written before the start that pause a sequence by themselves."""

    after_sends: int = Field(50, ge=1, description="judge from this many sends on")
    wait: Duration = Field(timedelta(days=3), description="an answer may take so long: younger sends are not judged")
    min_interested: float = Field(0.0, ge=0, le=1, description="pause below this share of interested replies")
    max_bounce: float = Field(0.05, ge=0, le=1, description="pause above this share of bounces")
    max_unsubscribe: float = Field(0.03, ge=0, le=1, description="pause above this share of wishes to stop")


class SequenceSettings(Settings):
    """An ordered set of letters to one contact."""

    name: str = Field(min_length=1, description="name used everywhere")
    owner: MailAddress | Literal[""] = Field("", description="default owner of replies")
    backup: MailAddress | Literal[""] = Field("", description="owns when the owner has left")
    mailboxes: tuple[MailAddress, ...] = Field(min_length=1, description="mailboxes that send it")
    window: WindowSettings = Field(default_factory=WindowSettings, description="when letters may arrive")
    step: tuple[StepSettings, ...] = Field(min_length=1, description="the letters, in order")
    per_account_per_day: PerDay | None = Field(3, description="letters to one company in 24 h")
    per_recipient_domain_per_day: PerDay | None = Field(None, description="letters to one mail domain in 24 h")
    pilot: int | None = Field(None, ge=1, description="only so many contacts until the rules say go")
    go_no_go: GoNoGoSettings | None = Field(None, description="rules that pause the sequence")
    recycle_after: Duration | None = Field(None, description="without an answer: available again after this long")
    stop_account_on: frozenset[StopEvent] = Field(frozenset(), description="events that stop the whole account")
    purpose: str = Field("", description="for people")
    segment: str = Field("", description="segment, for routing")
    required_fields: frozenset[str] = Field(
        frozenset(), description="fields without which nobody is written to, besides those of the segment"
    )
    language: str = Field("", description="language of the letters, for routing")
    file: str = Field("", description="the file it was read from; filled in when it is")

    @field_validator("stop_account_on")
    @classmethod
    def _reaches_the_account(cls, events: frozenset[StopEvent]) -> frozenset[StopEvent]:
        if narrow := sorted(event for event in events if TABLE[event].account is None):
            wide = ", ".join(sorted(event for event, rule in TABLE.items() if rule.account))
            raise ValueError(f"{', '.join(narrow)} concerns one person only; an account stops on: {wide}")
        return events

    @model_validator(mode="after")
    def _opens_with_a_subject(self) -> "SequenceSettings":
        if not self.step[0].subject:
            raise ValueError("the first step needs a subject: there is no thread to continue yet")
        return self


class SegmentSettings(Settings):
    """Whom a team writes to, in words that two people would pull the same list from."""

    name: str = Field(min_length=1, description="name in sequences and rules")
    definition: str = Field("", description="who is in, in one sentence")
    excluded: tuple[str, ...] = Field((), description="who is out, one sentence each")
    required_fields: frozenset[str] = Field(
        frozenset(),
        description='a contact without them is not written to, for example ["role", "country", "employees", "domain"]',
    )


class RampSettings(Settings):
    """How a new mailbox warms up."""

    start: int = Field(5, ge=1, description="limit of the first day")
    add: int = Field(2, ge=0, description="more after each clean day with sends")


class LimitSettings(Settings):
    """How much a mailbox may send."""

    per_day: PerDay = Field(40, description="at most so many in any 24 hours")
    gap: Duration = Field(timedelta(minutes=3), description="least time between two letters")
    jitter: Duration = Field(timedelta(minutes=2), description="random time added to the gap")
    ramp: RampSettings | None = Field(None, description="warm-up; none: the full limit from the start")


class SendingDomainSettings(Settings):
    """A cap shared by all mailboxes of a domain."""

    domain: str = Field(min_length=3, description="sending domain")
    per_day: PerDay = Field(description="at most so many in any 24 hours")


class HealthSettings(Settings):
    """When a mailbox slows down or stops; shares of the sends of the last two weeks."""

    floor: int = Field(25, ge=1, description="fewer sends than this prove nothing, unless three events happened")
    watch_bounce: float = Field(0.02, gt=0, le=0.02, description="slow down from this share of bounces")
    stop_bounce: float = Field(0.05, gt=0, le=0.05, description="stop from this share of bounces")
    watch_complaint: float = Field(0.0008, gt=0, le=0.0008, description="slow down from this share of complaints")
    stop_complaint: float = Field(0.002, gt=0, le=0.002, description="stop from this share of complaints")
    watch_unsubscribe: float = Field(0.02, gt=0, le=1, description="slow down from this share of wishes to stop")
    stop_unsubscribe: float = Field(0.06, gt=0, le=1, description="no openers from this share of wishes to stop")
