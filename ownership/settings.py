"""Who is in the team, which rules give replies an owner, and how fast must somebody answer?"""

from datetime import date, timedelta
from typing import Literal

from pydantic import Field, field_validator, model_validator

from store.settings import Days, Duration, Hours, MailAddress, SecretRef, Settings, Zone, read_days, read_hours
from store.vocabulary import AccountStage, Label, RoleName, Tag

FIELDS = ("account.opportunity_owner", "account.owner", "account.parent.owner", "contact.owner",
          "contact.earlier_owner", "sequence.owner", "team.territory", "team.language")  # fmt: skip
QUEUES = ("triage", "compliance", "escalation", "operations")


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
    hours: Hours = Field(read_hours("09:00-17:30"), description="working hours, local time")
    days: Days = Field(read_days("mon-fri"), description="working days")
    country: str = Field("", description="ISO country whose public holidays are free")
    backup: MailAddress | Literal[""] = Field("", description="acts while the person is away")
    absences: tuple[AbsenceSettings, ...] = Field((), description="days away")
    left_on: date | None = Field(None, description="last day in the team was the day before; owns nothing from then on")
    countries: tuple[str, ...] = Field((), description="territory: ISO countries this person covers")
    segments: tuple[str, ...] = Field((), description="segments this person covers; empty: all")
    languages: tuple[str, ...] = Field((), description="ISO languages this person answers in")

    @property
    def title(self) -> str:
        """The name colleagues read."""
        return self.name or self.email


class PodSettings(Settings):
    """People who share work by turns."""

    name: str = Field(description='name used in `to = "pod:NAME"`')
    members: tuple[MailAddress, ...] = Field(min_length=1, description="who takes turns, in order")
    by: Literal["round-robin", "least-open"] = Field("round-robin", description="how the next one is chosen")
    weights: dict[MailAddress, int] = Field(default_factory=dict, description="turns a round; default 1 each")


class TeamSettings(Settings):
    """The people and the four desks that always have somebody."""

    person: tuple[PersonSettings, ...] = Field(min_length=1, description="the members, present and former")
    pod: tuple[PodSettings, ...] = Field((), description="groups that share work by turns")
    triage: MailAddress = Field(description="keeper of the triage queue: gets what no rule places")
    compliance: MailAddress = Field(description="owns every wish to stop")
    escalation: MailAddress = Field(description="owns legal threats, acts when nobody else can")
    operations: MailAddress | Literal[""] = Field("", description="owns brand abuse; empty: the escalation owner")

    @model_validator(mode="after")
    def _known_people(self) -> "TeamSettings":
        emails = [person.email for person in self.person]
        if doubled := {email for email in emails if emails.count(email) > 1}:
            raise ValueError(f"person listed twice: {', '.join(sorted(doubled))}")
        known = set(emails)
        named = {"triage": self.triage, "compliance": self.compliance, "escalation": self.escalation}
        named |= {"operations": self.operations} if self.operations else {}
        named |= {f"person {one.email}, backup": one.backup for one in self.person if one.backup}
        for pod in self.pod:
            named |= {f"pod {pod.name}, member {number}": one for number, one in enumerate(pod.members, 1)}
        if wrong := [
            f"{where}: {email} is no member of the team" for where, email in named.items() if email not in known
        ]:
            raise ValueError("; ".join(wrong))
        return self

    def find(self, email: str) -> PersonSettings | None:
        """Return the person with this address or alias, or None."""
        wanted = email.lower()
        return next((one for one in self.person if wanted == one.email or wanted in one.aliases), None)

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
    has_parent: bool | None = Field(None, description="the account has a parent account")
    segment: tuple[str, ...] = Field((), description="segments of the account or of the sequence")
    country: tuple[str, ...] = Field((), description="ISO countries of the contact, else of the account")
    state: tuple[str, ...] = Field((), description="states or provinces of the contact")
    city: tuple[str, ...] = Field((), description="cities of the contact")
    source: tuple[str, ...] = Field((), description="lead sources")
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
    override: bool = Field(False, description="acts even on a thread that has an owner")
    pin: bool = Field(False, description="the owner stays fixed until a manager moves the thread")

    @field_validator("to")
    @classmethod
    def _target(cls, value: str) -> str:
        kind, _, name = value.partition(":")
        fine = value in FIELDS or (kind == "queue" and name in QUEUES) or (kind == "pod" and name) or "@" in value
        if not fine:
            allowed = ", ".join(FIELDS)
            raise ValueError(
                f'"{value}" is no target: a person\'s address, pod:NAME, queue:{"|".join(QUEUES)} or {allowed}'
            )
        return value


class SlaSettings(Settings):
    """How fast somebody must answer, in working time."""

    interested: Duration = Field(timedelta(minutes=15), description="first response to an interested reply")
    otherwise: Duration = Field(timedelta(hours=4), description="first response to every other reply with a task")
    warn_before: Duration = Field(timedelta(minutes=5), description="reminder this long before the deadline")
    to_backup: Duration = Field(timedelta(minutes=30), description="escalates to the backup this long after a breach")
    to_manager: Duration = Field(timedelta(hours=2), description="escalates to the escalation owner after a breach")
    reassign: bool = Field(False, description="the backup acts from the second rung on")


class WebhookSettings(Settings):
    """One receiver of events."""

    url: str = Field(description="https URL; plain http only to loopback")
    kind: Literal["slack", "standard"] = Field(
        "standard", description="Slack-compatible text or Standard Webhooks JSON"
    )
    secret: SecretRef | None = Field(None, description="signing secret, whsec_...; required for kind standard")
    events: tuple[str, ...] = Field((), description="event names; empty: all")

    @model_validator(mode="after")
    def _safe(self) -> "WebhookSettings":
        loopback = self.url.startswith(("http://127.0.0.1", "http://localhost", "http://[::1]"))
        if not self.url.startswith("https://") and not loopback:
            raise ValueError("a webhook needs https (plain http only to loopback)")
        if self.kind == "standard" and self.secret is None:
            raise ValueError("a standard webhook needs a signing secret")
        return self


class OwnershipSettings(Settings):
    """Rules and service levels."""

    rule: tuple[RuleSettings, ...] = Field((), description="ordered rules, first match wins; none: the default order")
    named_accounts: dict[str, MailAddress] = Field(default_factory=dict, description="company domain -> owner")
    vip_words: tuple[str, ...] = Field((), description="words that send a reply to `vip_to` before everything else")
    vip_to: str = Field("", description="target of VIP words")
    sources: dict[str, MailAddress] = Field(
        default_factory=dict, description="lead source -> owner, default order only"
    )
    sla: SlaSettings = Field(default_factory=SlaSettings, description="service levels")
    webhook: tuple[WebhookSettings, ...] = Field((), description="receivers of events")
    notify_from: MailAddress | Literal[""] = Field("", description="mailbox that sends notifications; empty: the first")

    @model_validator(mode="after")
    def _vip(self) -> "OwnershipSettings":
        if bool(self.vip_words) != bool(self.vip_to):
            raise ValueError("vip_words and vip_to belong together")
        return self
