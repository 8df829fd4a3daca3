"""Whose is this reply? Exactly one person, with one sentence saying why.

The order of decision: no owner for what nobody wrote; stop wishes and legal threats before sales; rules that override;
a manager's word and the owner the thread has; the configured rules, first match wins; the triage queue.
"""

from dataclasses import dataclass
from datetime import datetime

from ownership.absence import acting_for, is_member, successor_of
from ownership.rules import RoutingFacts, matches, ordered_rules
from ownership.settings import OwnershipSettings, RuleSettings, TeamSettings
from ownership.targets import Target, resolve
from store.vocabulary import Label, Tag

UNOWNED = (Label.OUT_OF_OFFICE, Label.BOUNCE)


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


def assign_owner(facts: RoutingFacts, settings: OwnershipSettings, team: TeamSettings, now: datetime) -> Assignment:
    """Decide the one owner of a reply; total and deterministic, the same facts give the same answer."""
    if facts.reply.label in UNOWNED:
        label = facts.reply.label.replace("_", " ")
        reason = f"This is a {label} message that needs nobody; the thread stays with whoever has it."
        return Assignment(facts.thread.owner, facts.thread.acting, "no owner needed", reason, moves_thread=False)
    tried: list[RuleTried] = []
    found = _before_sales(facts, team, now, tried)
    found = found or _by_rules(facts, settings, team, now, tried, overriding=True)
    found = found or _kept(facts, team, now, tried)
    found = found or _by_rules(facts, settings, team, now, tried, overriding=False)
    return found or _triage(facts, team, now, tried)


def _before_sales(facts: RoutingFacts, team: TeamSettings, now: datetime, tried: list[RuleTried]) -> Assignment | None:
    tags, thread = facts.reply.tags, facts.thread
    sales = tuple({person for person in (thread.owner, thread.acting) if person and is_member(team, person, now)})
    stops = facts.reply.label == Label.UNSUBSCRIBE
    threat = Tag.LEGAL_THREAT in tags
    tried.append(RuleTried("legal threat", threat, "tag legal_threat" if threat else "no legal threat"))
    if threat:
        tell = (*sales, team.compliance) if stops else sales
        return _desk(facts, team, now, tried, "escalation", "legal threat", "it threatens legal steps", tell=tell)
    tried.append(RuleTried("wish to stop", stops, "label unsubscribe" if stops else "no wish to stop"))
    if stops:
        return _desk(facts, team, now, tried, "compliance", "wish to stop", "it asks us to stop", keeps_thread=True)
    abuse = Tag.BRAND_ABUSE in tags
    tried.append(RuleTried("brand abuse", abuse, "tag brand_abuse" if abuse else "no brand abuse"))
    if abuse:
        return _desk(facts, team, now, tried, "operations", "brand abuse", "it reports brand abuse", tell=sales)
    return None


def _desk(
    facts: RoutingFacts,
    team: TeamSettings,
    now: datetime,
    tried: list[RuleTried],
    queue: str,
    rule: str,
    because: str,
    *,
    tell: tuple[str, ...] = (),
    keeps_thread: bool = False,
) -> Assignment:
    owner = _present_desk(team, queue, now)
    reason = f"{_title(team, owner)} owns this because {because}, which comes before anything about sales."
    owned = bool(facts.thread.owner)
    moves = not (keeps_thread and owned)
    told = tuple(one for one in dict.fromkeys(tell) if one != owner)
    return _assignment(team, now, owner, rule, reason, tried, moves_thread=moves, also_tell=told)


def _kept(facts: RoutingFacts, team: TeamSettings, now: datetime, tried: list[RuleTried]) -> Assignment | None:
    owner = facts.thread.owner
    if not owner:
        tried.append(RuleTried("owner of the thread", False, "the thread has no owner yet"))
        return None
    if is_member(team, owner, now):
        how = "by a fixed decision" if facts.thread.pinned else "since the first human reply"
        tried.append(RuleTried("owner of the thread", True, f"{_title(team, owner)} owns the thread {how}"))
        reason = f"{_title(team, owner)} owns this because the thread has been theirs {how}."
        return _assignment(team, now, owner, "owner of the thread", reason, tried, pinned=facts.thread.pinned)
    backups = {facts.sequence_owner: facts.sequence_backup} if facts.sequence_owner else {}
    heir = successor_of(team, owner, backups, now)
    gone = f"{_title(team, owner)}, who owned the thread, has left"
    tried.append(RuleTried("owner of the thread", bool(heir), gone + ("" if heir else " and so has the backup")))
    if not heir:
        return None
    reason = f"{_title(team, heir)} owns this as the backup because {gone}."
    return _assignment(team, now, heir, "backup of a former member", reason, tried)


def _by_rules(
    facts: RoutingFacts,
    settings: OwnershipSettings,
    team: TeamSettings,
    now: datetime,
    tried: list[RuleTried],
    *,
    overriding: bool,
) -> Assignment | None:
    winner: tuple[RuleSettings, Target, str] | None = None
    for rule in ordered_rules(settings, team):
        if rule.override is not overriding:
            continue
        matched, detail = matches(rule.when, facts)
        in_doubt = facts.account_in_doubt and _reads_account(rule)
        target = resolve(rule.to, facts, team, now) if matched and not in_doubt else Target("", detail)
        if in_doubt:
            target = Target("", "two account records are equally recent: a person decides")
        named = f"{_title(team, target.owner)} {target.why}" if target.owner else target.why
        tried.append(RuleTried(rule.name, bool(target.owner), named))
        if target.owner and winner is None:
            winner = rule, target, detail
        if facts.account_in_doubt and in_doubt and winner is None:
            return None  # the doubt must not be settled by a lower rule
    if winner is None:
        return None
    rule, target, detail = winner
    because = f"{target.why}" if detail == "always" else f"{target.why} ({detail})"
    reason = f"{_title(team, target.owner)} owns this because {_pronoun(because)}."
    return _assignment(team, now, target.owner, rule.name, reason, tried, pinned=rule.pin, pod=target.pod)


def _reads_account(rule: RuleSettings) -> bool:
    return rule.to.startswith("account.") or any(name.startswith("account_") for name in rule.when.model_fields_set)


def _triage(facts: RoutingFacts, team: TeamSettings, now: datetime, tried: list[RuleTried]) -> Assignment:
    owner = _present_desk(team, "triage", now)
    why = "two account records are equally recent" if facts.account_in_doubt else "no rule names a present member"
    tried.append(RuleTried("triage queue", True, f"{_title(team, owner)} keeps the triage queue"))
    reason = f"{_title(team, owner)} owns this as keeper of the triage queue because {why}."
    return _assignment(team, now, owner, "triage queue", reason, tried)


def _present_desk(team: TeamSettings, queue: str, now: datetime) -> str:
    keeper = team.desk(queue)
    if is_member(team, keeper, now):
        return keeper
    return successor_of(team, keeper, {}, now) or acting_for(team, team.escalation, now)


def _assignment(
    team: TeamSettings,
    now: datetime,
    owner: str,
    rule: str,
    reason: str,
    tried: list[RuleTried],
    *,
    moves_thread: bool = True,
    pinned: bool = False,
    pod: str = "",
    also_tell: tuple[str, ...] = (),
) -> Assignment:
    acting = acting_for(team, owner, now)
    if acting != owner:
        reason = f"{reason[:-1]}; {_title(team, acting)} acts while {_title(team, owner)} is away."
    return Assignment(owner, acting, rule, reason, tuple(tried), moves_thread, pinned, pod, also_tell)


def _title(team: TeamSettings, email: str) -> str:
    person = team.find(email) if email else None
    return person.title if person else email


def _pronoun(because: str) -> str:
    return because if because.split(" ", 1)[0] in ("no", "the") else f"this person {because}"
