"""Whose is this reply? Exactly one person, with one sentence saying why.

The order of decision: no owner for what nobody wrote; stop wishes and legal threats before sales; rules that override;
the owner the thread has; the configured rules, first match wins; the triage queue.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from ownership.absence import acting_for, is_member, present_desk, successor_of
from ownership.facts import RoutingFacts
from ownership.reason import conversation_since, covered, gives, stays, title
from ownership.rules import matches, ordered_rules, rule_named
from ownership.settings import OwnershipSettings, RuleSettings, TeamSettings
from ownership.targets import Target, called, resolve
from store.vocabulary import Label, Tag

UNOWNED = (Label.OUT_OF_OFFICE, Label.BOUNCE)
LEGAL, STOP, ABUSE, KEPT, TRIAGE = "legal threat", "wish to stop", "brand abuse", "owner of the thread", "triage queue"
FORMER = "backup of a former colleague"
DOUBT = "two account records are equally recent: a person decides"


@dataclass(frozen=True, slots=True)
class RuleTried:
    """One rule, whether it matched, and the detail that decided."""

    rule: str
    matched: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Assignment:
    """The owner of a reply, who acts now, and why."""

    owner: str  #: empty only for messages that nobody wrote
    acting: str
    rule: str
    reason: str
    tried: tuple[RuleTried, ...] = ()
    moves_thread: bool = True  #: False: the owner is of this message only, the thread keeps its own
    pinned: bool = False
    pod: str = ""  #: the round-robin whose turn this first assignment uses up
    also_tell: tuple[str, ...] = ()  #: people who must know besides the acting one
    respond_in: timedelta | None = None  #: the rule's own service level


@dataclass(frozen=True, slots=True)
class _Case:
    """What every step of the decision reads."""

    facts: RoutingFacts
    settings: OwnershipSettings
    team: TeamSettings
    now: datetime
    tried: list[RuleTried]

    def note(self, rule: str, detail: str, *, matched: bool) -> bool:
        self.tried.append(RuleTried(rule, matched, detail))
        return matched


def assign_owner(facts: RoutingFacts, settings: OwnershipSettings, team: TeamSettings, now: datetime) -> Assignment:
    """Decide the one owner of a reply; total and deterministic, the same facts give the same answer."""
    case = _Case(facts, settings, team.with_absences(facts.absences), now, [])
    if facts.reply.label in UNOWNED:
        note = "an absence note" if facts.reply.label == Label.OUT_OF_OFFICE else "a delivery failure"
        reason = f"Nobody needs to act on this because it is {note}."
        return Assignment(facts.thread.owner, facts.thread.acting, "no owner needed", reason, moves_thread=False)
    return (
        _before_sales(case)
        or _by_rules(case, overriding=True)
        or _kept(case)
        or _by_rules(case, overriding=False)
        or _triage(case)
    )


def _before_sales(case: _Case) -> Assignment | None:
    reply, thread = case.facts.reply, case.facts.thread
    stops = reply.label == Label.UNSUBSCRIBE and not reply.held
    threat, abuse = Tag.LEGAL_THREAT in reply.tags, Tag.BRAND_ABUSE in reply.tags
    sales = [one for one in (thread.owner, thread.acting) if is_member(case.team, one, case.now)]
    if case.note(LEGAL, "the sender threatens legal steps" if threat else "no legal threat", matched=threat):
        tell = [*sales, present_desk(case.team, "compliance", case.now)] if stops else sales
        return _desk(case, "escalation", LEGAL, "the sender threatens legal steps, which a manager answers", tell)
    if case.note(STOP, "the sender asks us to stop" if stops else "no wish to stop", matched=stops):
        why = "the sender asks us to stop, which compliance sees through"
        tell = [present_desk(case.team, "operations", case.now)] if abuse else []
        return _desk(case, "compliance", STOP, why, tell, moves_thread=not thread.owner)
    if case.note(ABUSE, "the sender reports misuse of a name" if abuse else "no brand abuse", matched=abuse):
        return _desk(case, "operations", ABUSE, "the sender reports misuse of a name, which is for operations", sales)
    return None


def _desk(
    case: _Case, queue: str, rule: str, because: str, tell: Iterable[str], *, moves_thread: bool = True
) -> Assignment:
    owner = present_desk(case.team, queue, case.now)
    for overriding in (True, False):  # for the record: which other rules would have matched
        _by_rules(case, overriding=overriding)
    told = tuple(one for one in dict.fromkeys(tell) if one and one != owner)
    return _assignment(case, owner, rule, gives(case.team, owner, "", because), moves_thread=moves_thread, tell=told)


def _kept(case: _Case) -> Assignment | None:
    thread, team, now = case.facts.thread, case.team, case.now
    owner = thread.owner
    if not owner:
        case.note(KEPT, "the thread has no owner yet", matched=False)
        return None
    name = title(team, owner)
    if is_member(team, owner, now):
        case.note(KEPT, f"{name} owns the thread{' by a fixed decision' if thread.pinned else ''}", matched=True)
        reason = stays(team, owner, conversation_since(thread))
        return _assignment(case, owner, KEPT, reason, pinned=thread.pinned, respond_in=_own_level(case, thread.rule))
    heir = successor_of(team, owner, _sequence_backup(case), now)
    left = f"{name}, who owned the thread, has left the team"
    if not case.note(KEPT, f"{left}{'' if heir else ', and there is no present backup'}", matched=bool(heir)):
        return None
    return _assignment(case, heir, FORMER, gives(team, heir, f"stands in for {left}", ""))


def _sequence_backup(case: _Case) -> str:
    """Return the sequence's backup when it was the sequence that named the thread's owner."""
    facts = case.facts
    if facts.sequence_owner != facts.thread.owner:
        return ""
    rule = rule_named(case.settings, case.team, facts.thread.rule)
    return facts.sequence_backup if rule is None or rule.to == "sequence.owner" else ""


def _by_rules(case: _Case, *, overriding: bool) -> Assignment | None:
    """Try every rule of a kind, record hits and misses, and return the first that comes to a present member."""
    facts, thread = case.facts, case.facts.thread
    winner: tuple[RuleSettings, Target, str] | None = None
    blocked = overriding and thread.pinned and is_member(case.team, thread.owner, case.now)
    for rule in ordered_rules(case.settings, case.team):
        if rule.override is not overriding:
            continue
        matched, clause = matches(rule.when, facts)
        doubt = facts.account_in_doubt and _reads_account(rule)
        target = resolve(rule.to, facts, case.team, case.now) if matched and not doubt else Target("", clause)
        if doubt:
            case.note(rule.name, DOUBT, matched=False)
            blocked = blocked or winner is None  # a lower rule must not settle the doubt
            continue
        detail = " because ".join(part for part in (target.why, clause if target.owner else "") if part)
        named = title(case.team, target.owner) if target.owner else ""
        case.note(rule.name, f"{named}: {detail or 'no conditions'}" if named else detail, matched=bool(named))
        if target.owner and winner is None and not blocked:
            winner = rule, target, clause
    return _won(case, *winner) if winner else None


def _won(case: _Case, rule: RuleSettings, target: Target, clause: str) -> Assignment:
    thread, owner = case.facts.thread, target.owner
    if rule.override and thread.owner in target.equals:
        owner = thread.owner  # the thread is with one of those already: it does not wander between them
    why = "" if owner != target.owner else target.why
    spoken = clause if not _says_the_same(rule) else ""
    if not why and not spoken:
        why, spoken = "takes what no earlier rule places", ""
    reason = gives(case.team, owner, why, spoken)
    return _assignment(case, owner, rule.name, reason, pinned=rule.pin, pod=target.pod, respond_in=rule.respond_in)


def _says_the_same(rule: RuleSettings) -> bool:
    """Tell whether the target's own words already hold the condition: the open opportunity's owner."""
    return rule.to == "account.opportunity_owner" and rule.when.model_fields_set == {"account_stage"}


def _reads_account(rule: RuleSettings) -> bool:
    read = {name for name in rule.when.model_fields_set if name.startswith("account_")} - {"account_domain"}
    return rule.to.startswith("account.") or bool(read | (rule.when.model_fields_set & {"parent", "has_parent"}))


def _triage(case: _Case) -> Assignment:
    owner = present_desk(case.team, "triage", case.now)
    case.note(TRIAGE, f"{title(case.team, owner)} keeps the triage queue", matched=True)
    facts = case.facts
    if facts.account_in_doubt:
        why = f"two records of {called(facts)} with different owners are equally recent"
    else:
        why = f"no rule knows a colleague for {facts.reply.from_address}"
    reason = gives(case.team, owner, "keeps the triage queue", why)
    return _assignment(case, owner, TRIAGE, reason)


def _own_level(case: _Case, rule_name: str) -> timedelta | None:
    rule = rule_named(case.settings, case.team, rule_name) if rule_name else None
    return rule.respond_in if rule else None


def _assignment(
    case: _Case,
    owner: str,
    rule: str,
    reason: str,
    *,
    moves_thread: bool = True,
    pinned: bool = False,
    pod: str = "",
    tell: tuple[str, ...] = (),
    respond_in: timedelta | None = None,
) -> Assignment:
    acting = acting_for(case.team, owner, case.now)
    said = covered(case.team, reason, owner, acting, case.now)
    return Assignment(owner, acting, rule, said, tuple(case.tried), moves_thread, pinned, pod, tell, respond_in)
