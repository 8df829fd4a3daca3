"""May this contact be written to at all? One pure function, asked at import, enrolment, planning and claim.

Theory: whoever said stop, belongs to somebody else in the house, or was left alone too short a time is not written to;
where the country asks for a basis and none is recorded, neither. A quiet day only waits; every other reason refuses.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from outbound.mail_settings import GuardrailSettings
from outbound.risk import company_domain, risk_flags
from outbound.settings import SequenceSettings
from store.records import Account, Contact, ContactHistory
from store.vocabulary import AccountStage, EnrollmentState, Label, RejectionReason, RiskFlag, StopEvent

_STOP_WISH = StopEvent.UNSUBSCRIBE


@dataclass(frozen=True, slots=True)
class Refusal:
    """One reason not to write."""

    slug: str
    sentence: str
    passing: bool = False  #: over tomorrow: the letter waits and the contact keeps its place


@dataclass(frozen=True, slots=True)
class Allowance:
    """Whether we may write, with every reason against."""

    reasons: tuple[Refusal, ...]

    @property
    def allowed(self) -> bool:
        """Nothing speaks against it."""
        return not self.reasons

    @property
    def refused(self) -> bool:
        """Something speaks against it that does not pass by itself tomorrow."""
        return any(not reason.passing for reason in self.reasons)


def may_write(
    contact: Contact,
    account: Account | None,
    history: ContactHistory,
    policy: GuardrailSettings,
    sequence: str,
    today: date,
    *,
    recycle: Mapping[str, timedelta] | None = None,
    required: Collection[str] = (),
) -> Allowance:
    """Return every reason why this contact must not be written to today; none means yes.

    `today` is the recipient's day; `recycle` says after how long a sequence gives back whom it got no answer from;
    `required` are the fields that the sequence's segment asks for.
    """
    found = [*_stops(contact, account, history), *_timing(account, history, policy, today)]
    found += _rejected(history, policy, today)
    found += _before(history, policy, sequence, today, recycle or {})
    found += [*_region(contact, account, policy, today), *_elsewhere(history, sequence)]
    found += [*_readiness(contact, account, {*policy.required_fields, *required}), *_risks(contact, account, policy)]
    return Allowance(tuple(found))


def _stops(contact: Contact, account: Account | None, history: ContactHistory) -> Iterator[Refusal]:
    if history.suppressed is not None:
        entry = history.suppressed
        since = f"{entry.created_at:%d %b %Y}"
        yield Refusal(f"suppressed-{entry.reason}", f"Suppressed since {since} ({entry.kind}, {entry.reason}).")
    if contact.do_not_contact:
        yield Refusal("do-not-contact", "The contact is marked as do not contact.")
    stage = account.stage if account else AccountStage.PROSPECT
    if stage in (AccountStage.CUSTOMER, AccountStage.COMPETITOR, AccountStage.DO_NOT_CONTACT):
        yield Refusal(stage.replace("_", "-"), f"The account is marked as {stage.replace('_', ' ')}.")
    if stage == AccountStage.OPPORTUNITY:
        owner = account.opportunity_owner or account.owner if account else ""
        yield Refusal("open-opportunity", f"An opportunity is open; its owner {owner} controls the messaging.")


def _timing(
    account: Account | None, history: ContactHistory, policy: GuardrailSettings, today: date
) -> Iterator[Refusal]:
    if account and account.stage == AccountStage.LOST and account.lost_on:
        until = account.lost_on + timedelta(days=policy.loss_days)
        if today < until:
            yield Refusal("recent-loss", f"An opportunity was lost on {account.lost_on}; not before {until}.")
    if history.last_reply_label == Label.NOT_INTERESTED and history.last_reply_on:
        days = policy.timing_days if history.last_reply_timing else policy.recontact_days
        until = history.recycle_on or history.last_reply_on + timedelta(days=days)
        if today < until:
            yield Refusal("re-contact-window", f"Declined on {history.last_reply_on}; not before {until}.")
    elif history.last_reply_label in (Label.INTERESTED, Label.OTHER):
        yield Refusal("in-conversation", "The contact has answered; a person goes on with the conversation.")


def _before(
    history: ContactHistory, policy: GuardrailSettings, sequence: str, today: date, recycle: Mapping[str, timedelta]
) -> Iterator[Refusal]:
    """Ask what became of earlier enrollments."""
    for old in history.ended:
        on = old.ended_at.date() if old.ended_at else today
        if old.state == EnrollmentState.FINISHED:
            until = on + recycle.get(old.sequence, timedelta(days=policy.silence_days))
            if today < until:
                yield Refusal(
                    "recently-contacted", f"{old.sequence} ended without an answer on {on}; not before {until}."
                )
            elif old.sequence == sequence and sequence not in recycle:
                yield Refusal("sequence-done", f"Has been through {sequence}, which names no recycle_after.")
        elif old.end_reason == StopEvent.LEFT_COMPANY:
            yield Refusal("left-company", f"Has left the company, as we learnt on {on}.")
        elif old.end_reason in (StopEvent.MEETING_BOOKED, StopEvent.HANDED_OVER):
            yield Refusal("in-conversation", f"A person has gone on with this contact since {on}.")
        elif old.end_reason == StopEvent.OWNER_REJECTED:
            continue  # the colleague's reason decides: see `_rejected`
        elif old.state == EnrollmentState.OPTED_OUT and (old.sequence, old.end_reason) == (sequence, _STOP_WISH):
            yield Refusal("opted-out", f"Asked on {on} to end {sequence}.")
        elif old.state == EnrollmentState.STOPPED and today < (until := on + timedelta(days=policy.recontact_days)):
            yield Refusal("stopped", f"{old.sequence} was stopped on {on} ({old.end_reason}); not before {until}.")


def recycle_times(sequences: Iterable[SequenceSettings]) -> dict[str, timedelta]:
    """Return after how long each sequence gives a contact back that did not answer."""
    return {one.name: one.recycle_after for one in sequences if one.recycle_after is not None}


def _rejected(history: ContactHistory, policy: GuardrailSettings, today: date) -> Iterator[Refusal]:
    """Yield why a lead that a colleague did not take is not mailed; a senior's decision ends all of it."""
    match history.rejected:
        case RejectionReason.NO_FIT:
            yield Refusal("disqualified", "A colleague rejected the lead: no fit.")
        case RejectionReason.NO_NEED | RejectionReason.WRONG_PERSON:
            why = history.rejected.replace("_", " ")
            yield Refusal("awaits-decision", f"A colleague rejected the lead ({why}); somebody has to decide.")
        case RejectionReason.TIMING if history.rejected_on:
            until = history.rejected_on + timedelta(days=policy.timing_days)
            if today < until:
                yield Refusal("re-contact-window", f"Rejected for timing on {history.rejected_on}; not before {until}.")
        case RejectionReason.DUPLICATE:
            yield Refusal("duplicate", "The lead is a duplicate; its owner writes on the other thread.")


def _region(contact: Contact, account: Account | None, policy: GuardrailSettings, today: date) -> Iterator[Refusal]:
    country = (contact.country or (account.country if account else "")).upper() or _country_of(contact.email)
    basis = contact.legal_basis.strip()
    if not country:
        if policy.unknown_country == "need-basis" and not basis:
            yield Refusal("no-legal-basis", "The country is not known and no legal basis is recorded.")
        return
    region = policy.find_region(country)
    if region.needs_basis and not basis:
        yield Refusal("no-legal-basis", f"{country} wants a legal basis and none is recorded.")
    elif region.accepted and basis and not any(one.lower() in basis.lower() for one in region.accepted):
        yield Refusal("legal-basis-not-accepted", f'"{basis}" is no accepted basis for {country}.')
    if f"{today:%m-%d}" in region.quiet:
        yield Refusal("quiet-day", f"{today} is a quiet day in {country}.", passing=True)


def _country_of(address: str) -> str:
    ending = address.rpartition(".")[2].upper()
    return {"UK": "GB"}.get(ending, ending) if len(ending) == 2 else ""


def _elsewhere(history: ContactHistory, sequence: str) -> Iterator[Refusal]:
    others = [name for name in history.active_sequences if name != sequence]
    if others:
        yield Refusal("active-elsewhere", f"The contact is active in {others[0]}.")


def _readiness(contact: Contact, account: Account | None, required: Collection[str]) -> Iterator[Refusal]:
    for name in sorted(required):
        if not field_of(contact, account, name):
            yield Refusal("field-missing", f"The required field {name} is empty.")


def field_of(contact: Contact, account: Account | None, name: str) -> str:
    """Return a field of a contact, of its further columns, or of its account; empty when nobody knows it."""
    if name == "domain":
        return company_domain(contact.email) or (account.domain if account else "")
    places = (getattr(contact, name, ""), contact.fields.get(name, ""), getattr(account, name, "") if account else "")
    for value in places:
        if value and (found := str(value).strip()):
            return found
    return ""


def risks_of(contact: Contact, account: Account | None) -> tuple[RiskFlag, ...]:
    """Return what makes a contact risky to write to."""
    values = {name: field_of(contact, account, name) for name in ("role", "country", "bounced")}
    return risk_flags(contact.email, values, account.domain if account else "")


def _risks(contact: Contact, account: Account | None, policy: GuardrailSettings) -> Iterator[Refusal]:
    for flag in risks_of(contact, account) if policy.refused_risks else ():
        if flag in policy.refused_risks:
            yield Refusal(f"risk-{flag}", f"The contact is risky ({flag}), and guardrails.refused_risks names that.")
