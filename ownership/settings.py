"""Who is in the team, which rules give replies an owner, and how fast must somebody answer?"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import date, time, timedelta
from functools import cached_property
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, field_validator, model_validator

from store.lead_sources import LeadSource
from store.settings import Days, Duration, MailAddress, SecretRef, Settings, Zone, read_days
from store.vocabulary import AccountStage, EventName, Label, RoleName, Tag

FIELDS = ("account.opportunity_owner", "account.owner", "account.parent.owner", "contact.owner",
          "contact.earlier_owner", "sequence.owner", "team.territory", "team.language")  # fmt: skip
QUEUES = ("triage", "compliance", "escalation", "operations")
LOOPBACK = ("localhost", "127.0.0.1", "::1")


def read_shift(value: Any) -> Any:
    """Read `"09:00-17:30"`, or `"22:00-06:00"` for a shift that ends on the next day; `"00:00-24:00"` is all day."""
    if not isinstance(value, str):
        return value
    found = re.fullmatch(r"\s*(\d{1,2}):(\d\d)\s*-\s*(\d{1,2}):(\d\d)\s*", value)
    if not found:
        raise ValueError(f'"{value}" is no span of hours; write for example "09:00-17:30"')
    try:
        return time(int(found[1]), int(found[2])), time(int(found[3]) % 24, int(found[4]))
    except ValueError as problem:
        raise ValueError(f'"{value}" is no span of hours: {problem}') from problem


Shift = Annotated[tuple[time, time], BeforeValidator(read_shift)]


def check_calendar(value: str) -> str:
    """Check where a calendar is: a file, an https address, or plain http on this machine; `webcal:` is https."""
    value = re.sub(r"^webcals?://", "https://", value.strip(), flags=re.IGNORECASE)
    if "://" not in value:
        return value
    parts = urlsplit(value)
    loopback = parts.scheme == "http" and parts.hostname in LOOPBACK
    if not parts.hostname or (parts.scheme != "https" and not loopback):
        raise ValueError("a calendar is a file or an https address (plain http only to loopback)")
    if parts.username or parts.password or parts.fragment:
        raise ValueError("a calendar's address carries no user name, password or fragment")
    return value


class AbsenceSettings(Settings):
    """Days on which a person does not work, both ends included."""

    first: date = Field(alias="from", description="first day away")
    last: date = Field(alias="to", description="last day away")

    @model_validator(mode="after")
    def _in_order(self) -> "AbsenceSettings":
        if self.last < self.first:
            raise ValueError("an absence ends before it starts")
        return self


class PersonSettings(Settings):
    """One member of the team, present or former."""

    email: MailAddress = Field(description="the person's own address; it names them everywhere")
    name: str = Field("", description="as colleagues read it; empty: the address")
    aliases: tuple[MailAddress, ...] = Field((), description="other addresses of this person")
    role: RoleName = Field(RoleName.SDR, description="what the person does")
    zone: Zone = Field("UTC", description="IANA time zone of the working hours")
    hours: Shift = Field(read_shift("09:00-17:30"), description="working hours, local; may end on the next day")
    days: Days = Field(read_days("mon-fri"), description="working days")
    country: str = Field("", description="ISO country whose public holidays are free")
    region: str = Field("", description='part of the country with holidays of its own, for example "BY"')
    calendar: str = Field("", description="iCalendar file or https URL; events that fill a working day are days away")
    calendar_secret: SecretRef | None = Field(None, description="a private calendar's address, by reference")
    quiet: Shift | None = Field(None, description="no notification mail in these local hours; none: the team's")
    backup: MailAddress | Literal[""] = Field("", description="acts while the person is away")
    absences: tuple[AbsenceSettings, ...] = Field((), description="days away")
    left_on: date | None = Field(None, description="last day in the team was the day before; owns nothing from then on")
    countries: tuple[str, ...] = Field((), description="territory: ISO countries this person covers")
    segments: tuple[str, ...] = Field((), description="segments this person covers; empty: all")
    languages: tuple[str, ...] = Field((), description="ISO languages this person answers in")

    @field_validator("calendar")
    @classmethod
    def _calendar(cls, value: str) -> str:
        return check_calendar(value)

    @model_validator(mode="after")
    def _one_calendar(self) -> "PersonSettings":
        if self.calendar and self.calendar_secret:
            raise ValueError("give calendar or calendar_secret, not both")
        return self

    @property
    def title(self) -> str:
        """The name colleagues read."""
        return self.name or self.email

    @property
    def has_calendar(self) -> bool:
        """Whether days away come from a calendar too."""
        return bool(self.calendar or self.calendar_secret)

    @property
    def calendar_mark(self) -> str:
        """A short hash of where the calendar is and of the hours it is read against: read anew when that changes."""
        read = (self.calendar, self.calendar_secret, self.zone, self.hours, self.aliases)
        return hashlib.sha256(repr(read).encode()).hexdigest()[:16]


class PodSettings(Settings):
    """People who share work by turns."""

    name: str = Field(description='name used in `to = "pod:NAME"`')
    members: tuple[MailAddress, ...] = Field(min_length=1, description="who takes turns, in order")
    by: Literal["round-robin", "least-open"] = Field("round-robin", description="how the next one is chosen")
    weights: dict[MailAddress, int] = Field(default_factory=dict, description="turns a round; default 1 each")

    @field_validator("weights")
    @classmethod
    def _positive(cls, value: dict[str, int]) -> dict[str, int]:
        if low := [name for name, turns in value.items() if turns < 1]:
            raise ValueError(f"{low[0]}: a weight is at least 1; leave the person out of the pod instead")
        return value


class TeamSettings(Settings):
    """The people and the four desks that always have somebody."""

    person: tuple[PersonSettings, ...] = Field(min_length=1, description="the members, present and former")
    pod: tuple[PodSettings, ...] = Field((), description="groups that share work by turns")
    triage: MailAddress = Field(description="keeper of the triage queue: gets what no rule places")
    compliance: MailAddress = Field(description="owns every wish to stop")
    escalation: MailAddress = Field(description="owns legal threats, acts when nobody else can")
    operations: MailAddress | Literal[""] = Field("", description="owns brand abuse; empty: the escalation owner")
    calendar_every: Duration = Field(timedelta(minutes=30), description="how often people's calendars are read")

    @model_validator(mode="after")
    def _known_people(self) -> "TeamSettings":
        emails = [person.email for person in self.person]
        if doubled := {email for email in emails if emails.count(email) > 1}:
            raise ValueError(f"person listed twice: {', '.join(sorted(doubled))}")
        known = set(emails) | {alias for person in self.person for alias in person.aliases}
        named = {"triage": self.triage, "compliance": self.compliance, "escalation": self.escalation}
        named |= {"operations": self.operations} if self.operations else {}
        named |= {f"person {one.email}, backup": one.backup for one in self.person if one.backup}
        if own := [one.email for one in self.person if one.backup in (one.email, *one.aliases)]:
            raise ValueError(f"{own[0]} is their own backup")
        for pod in self.pod:
            named |= {f"pod {pod.name}, member {number}": one for number, one in enumerate(pod.members, 1)}
            named |= {f"pod {pod.name}, weight of {one}": one for one in pod.weights}
        if wrong := [
            f"{where}: {email} is no member of the team" for where, email in named.items() if email not in known
        ]:
            raise ValueError("; ".join(wrong))
        return self

    @cached_property
    def by_address(self) -> dict[str, PersonSettings]:
        """Every person under each of their addresses."""
        aliases = {alias: one for one in self.person for alias in one.aliases}
        return aliases | {one.email: one for one in self.person}

    def find(self, email: str) -> PersonSettings | None:
        """Return the person with this address or alias, or None."""
        return self.by_address.get(email.lower())

    def with_absences(self, spans: Mapping[str, Sequence[tuple[date, date]]]) -> "TeamSettings":
        """Return the team with days away that stand outside the configuration; unknown people are ignored."""
        if not spans:
            return self
        people = []
        for one in self.person:
            more = tuple(AbsenceSettings.model_validate({"from": first, "to": last}) for first, last in
                         spans.get(one.email, ()))  # fmt: skip
            people.append(one.model_copy(update={"absences": (*one.absences, *more)}) if more else one)
        values = {name: getattr(self, name) for name in type(self).model_fields}
        return TeamSettings.model_construct(self.model_fields_set, **values | {"person": tuple(people)})

    def desk(self, queue: str) -> str:
        """Return the address of the one keeper of a queue."""
        return str(getattr(self, queue) or self.escalation)


class ConditionSettings(Settings):
    """What must hold for a rule; every key given must match, a list matches by any of its values."""

    account_list: tuple[str, ...] = Field((), description="named lists the account stands on")
    account_domain: tuple[str, ...] = Field((), description="company domains, subdomains included")
    account_crm_id: tuple[str, ...] = Field((), description="CRM ids of accounts")
    account_name: tuple[str, ...] = Field((), description="company names, compared without case")
    account_stage: tuple[AccountStage, ...] = Field((), description="stages of the account")
    parent: tuple[str, ...] = Field((), description="names, domains or CRM ids of a parent company")
    has_parent: bool | None = Field(None, description="the account has a parent account")
    segment: tuple[str, ...] = Field((), description="segments of the account or of the sequence")
    country: tuple[str, ...] = Field((), description="ISO countries of the contact, else of the account")
    state: tuple[str, ...] = Field((), description="states or provinces of the contact")
    city: tuple[str, ...] = Field((), description="cities of the contact")
    source: tuple[LeadSource, ...] = Field((), description='lead sources; "APOLLO export" and "apollo.io" are one')
    contact_owner: tuple[MailAddress, ...] = Field((), description="people whose contact it is")
    earlier_owner: tuple[MailAddress, ...] = Field((), description="people who had an earlier thread with the contact")
    language: tuple[str, ...] = Field((), description="languages of the contact, else of the reply")
    sequence: tuple[str, ...] = Field((), description="sequences")
    mailbox: tuple[MailAddress, ...] = Field((), description="mailbox or alias the reply came to")
    label: tuple[Label, ...] = Field((), description="labels of the reply")
    tag: tuple[Tag, ...] = Field((), description="tags of the reply")
    words: tuple[str, ...] = Field((), description="words or phrases in the reply's new text or subject")


class RuleSettings(Settings):
    """One rule: a condition and where its replies go."""

    name: str = Field(min_length=1, description="a name colleagues understand")
    when: ConditionSettings = Field(default_factory=lambda: ConditionSettings(), description="conditions; none: always")
    to: str = Field(description=f"a person's address, pod:NAME, queue:NAME or one of {', '.join(FIELDS)}")
    override: bool = Field(False, description="acts even on a thread that has an owner, unless that one is pinned")
    pin: bool = Field(False, description="the owner stays fixed until a manager moves the thread")
    respond_in: Duration | None = Field(None, description="first response in working time; none: as the label says")

    @field_validator("to")
    @classmethod
    def _target(cls, value: str) -> str:
        return read_target(value)


def read_target(value: str) -> str:
    """Check what a rule may name; an address is read in lower case."""
    kind, _, name = value.partition(":")
    fine = value in FIELDS or (kind == "queue" and name in QUEUES) or (kind == "pod" and name) or "@" in value
    if not fine:
        allowed = ", ".join(FIELDS)
        raise ValueError(
            f'"{value}" is no target: a person\'s address, pod:NAME, queue:{"|".join(QUEUES)} or {allowed}'
        )
    return value.strip().lower() if "@" in value else value


class SlaSettings(Settings):
    """How fast somebody must answer, in working time."""

    interested: Duration = Field(timedelta(minutes=15), description="first response to an interested reply")
    otherwise: Duration = Field(timedelta(hours=4), description="first response to every other reply with a task")
    warn_before: Duration = Field(timedelta(minutes=5), description="reminder this long before the deadline")
    to_backup: Duration = Field(
        timedelta(minutes=30), description="working time after the deadline until the backup is told"
    )
    to_manager: Duration = Field(
        timedelta(hours=2), description="working time after the deadline until the escalation owner is told"
    )
    reassign: bool = Field(False, description="the backup acts once it was told")

    @model_validator(mode="after")
    def _in_order(self) -> "SlaSettings":
        if self.to_manager < self.to_backup:
            raise ValueError("to_manager comes before to_backup: the ladder climbs from owner to backup to manager")
        return self


class WebhookSettings(Settings):
    """One receiver of events."""

    url: str = Field(description="https URL; plain http only to loopback")
    kind: Literal["slack", "standard"] = Field(
        "standard", description="Slack-compatible text or Standard Webhooks JSON"
    )
    secret: SecretRef | None = Field(None, description="signing secret, whsec_...; required for kind standard")
    old_secret: SecretRef | None = Field(None, description="the secret before, signed with as well while keys rotate")
    events: tuple[EventName, ...] = Field((), description="event names; empty: all")

    @model_validator(mode="after")
    def _safe(self) -> "WebhookSettings":
        parts = urlsplit(self.url)
        loopback = parts.scheme == "http" and parts.hostname in LOOPBACK
        if not parts.hostname or (parts.scheme != "https" and not loopback):
            raise ValueError("a webhook needs https (plain http only to loopback)")
        if parts.username or parts.password or parts.fragment:
            raise ValueError("a webhook URL carries no user name, password or fragment")
        if self.kind == "standard" and self.secret is None:
            raise ValueError("a standard webhook needs a signing secret")
        return self


class HandoverSettings(Settings):
    """How a lead passes from one role to the next."""

    required: tuple[str, ...] = Field(
        ("contact", "account", "source", "sent", "answered", "notes", "next_step", "next_on"),
        description="what an offer must hold; without it the offer is refused",
    )
    answer_in: Duration = Field(timedelta(hours=8), description="working time in which an offer is to be answered")
    links: str = Field(
        "",
        description="public https address of the endpoint for signed links to accept or reject, "
        'for example "https://mail.example.com/h"; empty: commands only',
    )

    @field_validator("links")
    @classmethod
    def _address(cls, value: str) -> str:
        parts = urlsplit(value)
        safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)
        if value and (not safe or not parts.hostname or parts.query or parts.fragment or parts.username):
            raise ValueError(f'"{value}" is no https address; write for example "https://mail.example.com/h"')
        return value.rstrip("/")


class NotifySettings(Settings):
    """When notifications go out."""

    quiet: Shift | None = Field(None, description='no mail in these local hours, for example "20:00-07:00"')
    digest: tuple[time, ...] = Field((), description="local times at which the triage queue's mail comes as one digest")
    weekly_day: Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"] = Field("mon", description="weekly audit: day")
    weekly_at: time = Field(time(8, 0), description="weekly audit: local time of the escalation owner")


class OwnershipSettings(Settings):
    """Rules and service levels."""

    rule: tuple[RuleSettings, ...] = Field((), description="ordered rules, first match wins; none: the default order")
    named_accounts: dict[str, MailAddress] = Field(default_factory=dict, description="company domain -> owner")
    vip_words: tuple[str, ...] = Field((), description="words that send a reply to `vip_to` before everything else")
    vip_to: str = Field("", description="target of VIP words")
    sources: dict[LeadSource, MailAddress] = Field(
        default_factory=dict, description="lead source -> owner, default order only"
    )
    sla: SlaSettings = Field(default_factory=SlaSettings, description="service levels")
    webhook: tuple[WebhookSettings, ...] = Field((), description="receivers of events")
    notify_from: MailAddress | Literal[""] = Field("", description="mailbox that sends notifications; empty: the first")
    notify: NotifySettings = Field(default_factory=NotifySettings, description="when notifications go out")
    handover: HandoverSettings = Field(default_factory=HandoverSettings, description="from one role to the next")

    @model_validator(mode="after")
    def _vip(self) -> "OwnershipSettings":
        if bool(self.vip_words) != bool(self.vip_to):
            raise ValueError("vip_words and vip_to belong together")
        if self.vip_to:
            read_target(self.vip_to)
        return self
