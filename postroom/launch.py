"""May a sequence start? What must be true before the first letter to a new segment leaves, each with its evidence.

Nothing here is a box that somebody ticks: every line is found from the configuration and the stored facts.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from inbox.desk import gather_facts
from outbound.guardrails import risks_of
from outbound.health import assess_health
from outbound.risk import company_domain
from outbound.settings import SequenceSettings
from outbound.warmup import daily_limit
from ownership.absence import is_member
from ownership.assign import TRIAGE, assign_owner
from postroom.intake import ask_guardrails
from postroom.opened import Opened, filing_policy
from postroom.previewing import preview_rows
from postroom.report import DEFINITIONS
from store import audit, contacts, domains, enrollments, mailboxes, suppression
from store.errors import PermanentError
from store.names import name_key
from store.records import Account, Contact, Reply, Thread
from store.vocabulary import HealthBand, Label, RiskFlag, ThreadState, VerdictLevel

CONSERVATIVE_PER_DAY = 50  # letters of one mailbox
VERDICT_AGE = timedelta(days=7)
MOST_RISKY = 0.1  # share of the list
RISKY = frozenset(RiskFlag) - {RiskFlag.NO_ROLE, RiskFlag.NO_COUNTRY}
LISTS = ("suppression", "customers", "opportunities")
EXAMPLES = 3  # named in a line


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the checklist; `missing` says what to do, empty when it is well."""

    check: str
    evidence: str
    missing: str = ""


@dataclass(frozen=True, slots=True)
class Listed:
    """Somebody on the list of a sequence."""

    contact: Contact
    account: Account | None
    against: str  #: slug of what the guardrails say, empty for nothing


def check_launch(opened: Opened, name: str, now: datetime) -> list[dict[str, Any]]:
    """Return the checklist of a sequence, one object a line."""
    sequence = opened.config.find_sequence(name)
    if sequence is None:
        raise PermanentError(f'no sequence is called "{name}" in the configuration')
    letters = check_letters(opened, sequence, now)
    found = opened.store.read_now(lambda connection: list(_lines(connection, opened, sequence, now)))
    found.insert(2, letters)
    return [{"check": one.check, "ok": not one.missing, **asdict(one)} for one in found]


def _lines(connection: Connection, opened: Opened, sequence: SequenceSettings, now: datetime) -> Iterator[Line]:
    people = read_list(connection, opened, sequence, now)
    yield check_segment(opened, sequence)
    yield check_list(people)
    yield check_suppression(connection, now)
    yield check_routing(connection, opened, sequence, people, now)
    yield check_authentication(connection, sequence, now)
    yield check_warmup(connection, opened, sequence, now)
    yield check_limits(opened, sequence)
    yield check_service(opened, sequence, now)
    yield check_dashboard(opened, sequence)
    yield check_rules(sequence)


def read_list(connection: Connection, opened: Opened, sequence: SequenceSettings, now: datetime) -> list[Listed]:
    """Return everybody who is in the sequence now."""
    people = contacts.contacts_by_id(connection, enrollments.people_in(connection, sequence.name)).values()
    known = contacts.accounts_by_id(connection, [one.account_id for one in people if one.account_id])
    found = []
    for one in people:
        reasons = ask_guardrails(connection, opened, one, sequence, now).reasons
        slug = next((reason.slug for reason in reasons if not reason.passing), "")
        found.append(Listed(one, known.get(one.account_id or 0), slug))
    return found


def check_segment(opened: Opened, sequence: SequenceSettings) -> Line:
    """Is it written down who is in and who is out?"""
    segment = opened.config.find_segment(sequence.segment) if sequence.segment else None
    if segment is None:
        return Line(
            "segment", sequence.segment or "none named", "write a [[segment]] table and name it in the sequence"
        )
    evidence = (
        f"{segment.name}: {segment.definition or 'no definition'}; out: {'; '.join(segment.excluded) or 'nobody'}"
    )
    lacking = [
        word for word, given in (("definition", segment.definition), ("excluded", segment.excluded)) if not given
    ]
    return Line("segment", evidence, f"write segment.{' and segment.'.join(lacking)}" if lacking else "")


def check_list(people: Sequence[Listed]) -> Line:
    """Is the list there, without doubles, holes and too many risky addresses?"""
    if not people:
        return Line("list", "nobody is enrolled", "import a list and enroll it")
    against = Counter(one.against for one in people if one.against)
    keys = Counter(key for one in people if (key := _name_of(one.contact)))
    doubled = sum(number - 1 for number in keys.values())
    loose = sum(bool(one.account is None and company_domain(one.contact.email)) for one in people)
    flags = Counter(flag for one in people for flag in risks_of(one.contact, one.account))
    risky = sum(bool(RISKY & set(risks_of(one.contact, one.account))) for one in people)
    accounts = len({one.account.id for one in people if one.account})
    evidence = f"{len(people)} contacts at {accounts} accounts; risks: {_counted(flags) or 'none'}"
    wrong = [f"{number} x {slug}" for slug, number in against.most_common()]
    wrong += [f"{doubled} doubled by name and domain"] if doubled else []
    wrong += [f"{loose} without an account that is certain"] if loose else []
    wrong += [f"{risky} risky addresses, more than {MOST_RISKY:.0%}"] if risky > MOST_RISKY * len(people) else []
    return Line("list", evidence, "; ".join(wrong))


def _name_of(contact: Contact) -> str:
    return name_key(contact.email, contact.first_name, contact.last_name) if company_domain(contact.email) else ""


def check_letters(opened: Opened, sequence: SequenceSettings, now: datetime) -> Line:
    """Can every letter be written and leave?"""
    found = preview_rows(opened, sequence.name, now)
    texts = [row for row in found.refused if "missing" in row["reason"] or "Nothing can leave" in row["reason"]]
    named = "; ".join(f"{row['contact']}: {row['reason']}" for row in texts[:EXAMPLES])
    evidence = f"{len(found.rows)} letters foreseen"
    return Line("letters", evidence, named or ("" if found.rows else "no letter would leave: see `postroom preview`"))


def check_suppression(connection: Connection, now: datetime) -> Line:
    """Do we know whom never to write to: opt-outs, customers, open deals?"""
    counts = suppression.counts_by_reason(connection, now)
    told = [entry for entry in audit.entries(connection, subject="import") if '"finished":true' in entry["detail"]]
    brought = {entry["action"].removeprefix("import."): entry["at"][:10] for entry in told}
    lacking = [f"postroom import {what} FILE" for what in LISTS if what not in brought]
    lists = ", ".join(f"{what} on {brought[what]}" for what in LISTS if what in brought)
    evidence = f"{_counted(Counter(counts)) or 'empty'}; lists brought in: {lists or 'none'}"
    return Line("suppression", evidence, "; ".join(lacking))


def check_routing(
    connection: Connection, opened: Opened, sequence: SequenceSettings, people: Sequence[Listed], now: datetime
) -> Line:
    """Whose would an interested reply of each of these very people be?"""
    policy = filing_policy(opened)
    rules: Counter[str] = Counter()
    lost: list[str] = []
    for one in people:
        box = sequence.mailboxes[0]
        thread = Thread(0, one.contact.id, one.contact.account_id, sequence.name, box, "", ThreadState.OPEN)
        reply = Reply(0, one.contact.email, (), "", "", Label.INTERESTED, frozenset(), 1.0, "launch check", now,
                      sequence=sequence.name)  # fmt: skip
        facts = gather_facts(connection, reply, one.contact, thread, policy)
        made = assign_owner(facts, policy.ownership, policy.team, now)
        rules[f"{made.rule} -> {made.owner}"] += 1
        if made.rule == TRIAGE or not made.owner:
            lost.append(one.contact.email)
    if not people:
        return Line("routing", "no record to try it with", "enroll the list first")
    evidence = f"{len(people)} replies tried: {_counted(rules)}"
    missing = f"{len(lost)} would end in triage, such as {', '.join(lost[:EXAMPLES])}" if lost else ""
    return Line("routing", evidence, missing)


def check_authentication(connection: Connection, sequence: SequenceSettings, now: datetime) -> Line:
    """May the domains send, and do we know it from this week?"""
    known = {row["name"]: row for row in domains.details(connection)}
    names = sorted({address.rpartition("@")[2] for address in sequence.mailboxes})
    evidence, wrong = [], []
    for name in names:
        row = known.get(name)
        verdict = row["verdict"] if row else VerdictLevel.UNKNOWN
        checked = row["decided_at"] if row else None
        evidence.append(f"{name} {verdict}{f', {checked:%d %b %Y}' if checked else ''}")
        if verdict != VerdictLevel.READY:
            wrong.append(f"{name} is {verdict}: `postroom check {name}` says what to publish")
        elif checked is None or now - checked > VERDICT_AGE:
            wrong.append(f"{name} was not checked this week: let `postroom run` check it")
    return Line("authentication", "; ".join(evidence), "; ".join(wrong))


def check_warmup(connection: Connection, opened: Opened, sequence: SequenceSettings, now: datetime) -> Line:
    """Do the mailboxes start slowly, or have they proved themselves?"""
    loads, states = mailboxes.loads(connection, sequence.mailboxes, now), mailboxes.states(connection)
    evidence, wrong = [], []
    for address in sequence.mailboxes:
        box, load = opened.config.find_mailbox(address), loads[address]
        if box is None:
            continue
        band = assess_health(load, opened.config.health)
        today = daily_limit(load, box.limit, now.date())
        evidence.append(f"{address} {today} of {box.limit.per_day} today, {band.band}")
        if states.get(address, {}).get("state") == "held":
            wrong.append(f"{address} is held: {states[address]['reason']}")
        elif band.band != HealthBand.HEALTHY:
            wrong.append(f"{address} is in {band.band} ({band.reason})")
        elif box.limit.ramp is None and not load.daily_history:
            wrong.append(f"{address} has sent nothing yet: give it limit.ramp")
    return Line("warm-up", "; ".join(evidence), "; ".join(wrong))


def check_limits(opened: Opened, sequence: SequenceSettings) -> Line:
    """Are the limits careful?"""
    boxes = [box for address in sequence.mailboxes if (box := opened.config.find_mailbox(address))]
    wrong = [f"{box.address}: {box.limit.per_day} a day is more than {CONSERVATIVE_PER_DAY}"
             for box in boxes if box.limit.per_day > CONSERVATIVE_PER_DAY]  # fmt: skip
    if sequence.per_account_per_day is None:
        wrong.append("set per_account_per_day: colleagues read each other's mail")
    evidence = ", ".join(f"{box.address} {box.limit.per_day}/day every {_spoken(box.limit.gap)}" for box in boxes)
    return Line(
        "limits", f"{evidence}; {sequence.per_account_per_day or 'any number'} a day to one account", "; ".join(wrong)
    )


def check_service(opened: Opened, sequence: SequenceSettings, now: datetime) -> Line:
    """Is it agreed who answers, how soon, and who stands in?"""
    team, sla = opened.config.team, opened.config.ownership.sla
    wrong = []
    for role in ("owner", "backup"):
        address = getattr(sequence, role)
        if not address:
            wrong.append(f"name the sequence's {role}")
        elif not is_member(team, address, now):
            wrong.append(f"the sequence's {role} {address} has left")
    if sequence.owner and sequence.owner == sequence.backup:
        wrong.append("the backup must be somebody else")
    evidence = f"interested within {_spoken(sla.interested)}, otherwise {_spoken(sla.otherwise)} of working time; "
    return Line("sla", f"{evidence}owner {sequence.owner or '-'}, backup {sequence.backup or '-'}", "; ".join(wrong))


def check_dashboard(opened: Opened, sequence: SequenceSettings) -> Line:
    """Will the figures be there: are answers and bounces of every mailbox read?"""
    blind = [
        address for address in sequence.mailboxes if (box := opened.config.find_mailbox(address)) and box.imap is None
    ]
    evidence = f"`postroom report --by sequence`: {len(DEFINITIONS)} figures, each with its definition"
    return Line("dashboard", evidence, f"no imap table, replies are not seen: {', '.join(blind)}" if blind else "")


def check_rules(sequence: SequenceSettings) -> Line:
    """Is it written before the start when to stop?"""
    rules = sequence.go_no_go
    if rules is None:
        return Line("go/no-go", "no rules", "write sequence.go_no_go before the first letter, and keep to it")
    evidence = (f"pilot of {sequence.pilot or 'everybody'}; after {rules.after_sends} sends at least "
                f"{rules.min_interested:.1%} interested; bounces up to {rules.max_bounce:.1%}, stops up to "
                f"{rules.max_unsubscribe:.1%}")  # fmt: skip
    lacking = [
        word
        for word, given in (("pilot", sequence.pilot), ("go_no_go.min_interested", rules.min_interested))
        if not given
    ]
    return Line("go/no-go", evidence, f"set sequence.{' and sequence.'.join(lacking)}" if lacking else "")


def _counted(counts: Counter[Any]) -> str:
    return ", ".join(f"{number} {name}" for name, number in counts.most_common())


def _spoken(span: timedelta) -> str:
    """Return a duration as the configuration writes it: "3m", "4h", "1h30m"."""
    minutes, seconds = divmod(int(span.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    return "".join(f"{count}{unit}" for count, unit in ((hours, "h"), (minutes, "m"), (seconds, "s")) if count) or "0s"
