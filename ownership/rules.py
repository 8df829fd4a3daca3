"""Does a rule match a reply, and whom does it name? And are the rules sane?"""

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache

from ownership.absence import is_member
from ownership.settings import ConditionSettings, OwnershipSettings, RuleSettings, TeamSettings
from store.records import Account, Contact, Reply, Thread
from store.vocabulary import AccountStage


@dataclass(frozen=True, slots=True)
class RoutingFacts:
    """Everything the routing of one reply reads."""

    thread: Thread
    reply: Reply
    contact: Contact | None
    account: Account | None  #: the one recognised account; None when unknown or in doubt
    parents: tuple[Account, ...] = ()  #: nearest first
    account_in_doubt: bool = False  #: two records with equal activity: only triage may decide
    sequence_owner: str = ""
    sequence_backup: str = ""
    sequence_segment: str = ""
    open_counts: Mapping[str, int] = field(default_factory=dict)
    rotations: Mapping[str, tuple[Mapping[str, int], str]] = field(default_factory=dict)


DEFAULT_RULES = (
    RuleSettings(name="open opportunity", when=ConditionSettings(account_stage=(AccountStage.OPPORTUNITY,)),
                 to="account.opportunity_owner"),
    RuleSettings(name="account owner", to="account.owner"),
    RuleSettings(name="parent account owner", to="account.parent.owner"),
    RuleSettings(name="contact owner", to="contact.owner"),
    RuleSettings(name="earlier owner", to="contact.earlier_owner"),
)  # fmt: skip


def ordered_rules(settings: OwnershipSettings, team: TeamSettings) -> tuple[RuleSettings, ...]:
    """Return the rules in force: the configured ones, else the default order of the documents."""
    if settings.rule:
        return settings.rule
    rules: list[RuleSettings] = []
    if settings.vip_words:
        rules.append(
            RuleSettings(name="VIP words", when=ConditionSettings(words=settings.vip_words), to=settings.vip_to)
        )
    for domain, owner in settings.named_accounts.items():
        when = ConditionSettings(account_domain=(domain,))
        rules.append(RuleSettings(name=f"named account {domain}", when=when, to=owner))
    rules.extend(DEFAULT_RULES)
    for source, owner in settings.sources.items():
        rules.append(RuleSettings(name=f"source {source}", when=ConditionSettings(source=(source,)), to=owner))
    rules.append(RuleSettings(name="sequence owner", to="sequence.owner"))
    rules.append(RuleSettings(name="segment and territory", to="team.territory"))
    rules.append(RuleSettings(name="language", to="team.language"))
    return tuple(rules)


def matches(when: ConditionSettings, facts: RoutingFacts) -> tuple[bool, str]:
    """Return whether every given condition holds, and the deciding detail for people."""
    details = []
    for name in when.model_fields_set:
        wanted = getattr(when, name)
        if wanted in ((), None):
            continue
        found = _CONDITIONS[name](wanted, facts)
        if not found:
            return False, f"{_phrase(name)} does not match"
        details.append(f"{_phrase(name)} {found}")
    return True, " and ".join(sorted(details)) or "always"


def _phrase(name: str) -> str:
    return name.replace("_", " ")


def _any_text(read: Callable[[RoutingFacts], Sequence[str]]) -> Callable[[Sequence[str], RoutingFacts], str]:
    def check(wanted: Sequence[str], facts: RoutingFacts) -> str:
        found = {_fold(value): value for value in read(facts) if value}
        return next((found[_fold(value)] for value in wanted if _fold(value) in found), "")

    return check


def _domains(wanted: Sequence[str], facts: RoutingFacts) -> str:
    own = [facts.account.domain] if facts.account else []
    own.append(facts.reply.from_address.rpartition("@")[2])
    for domain in wanted:
        name = domain.lower().strip(".")
        if any(one == name or one.endswith(f".{name}") for one in own if one):
            return name
    return ""


def _words(wanted: Sequence[str], facts: RoutingFacts) -> str:
    text = _fold(f"{facts.reply.subject}\n{facts.reply.text}")
    return next((f'"{phrase}"' for phrase in wanted if _word_pattern(phrase).search(text)), "")


@lru_cache(maxsize=4096)
def _word_pattern(phrase: str) -> re.Pattern[str]:
    words = r"[\s\-]*".join(map(re.escape, _fold(phrase).split()))
    return re.compile(rf"(?<!\w){words}(?!\w)")


def _fold(value: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", value).casefold().split())


def _parent(wanted: bool, facts: RoutingFacts) -> str:
    return ("yes" if facts.parents else "no") if bool(facts.parents) is wanted else ""


def _tags(wanted: Sequence[str], facts: RoutingFacts) -> str:
    return next((str(tag) for tag in wanted if tag in facts.reply.tags), "")


def _account(name: str) -> Callable[[RoutingFacts], Sequence[str]]:
    return lambda facts: [str(getattr(facts.account, name))] if facts.account else []


def _contact(name: str) -> Callable[[RoutingFacts], Sequence[str]]:
    return lambda facts: [getattr(facts.contact, name)] if facts.contact else []


def _first(*reads: Callable[[RoutingFacts], Sequence[str]]) -> Callable[[RoutingFacts], Sequence[str]]:
    return lambda facts: next((found for read in reads if any(found := read(facts))), ())


_CONDITIONS: dict[str, Callable[..., str]] = {
    "account_list": _any_text(lambda facts: facts.account.lists if facts.account else ()),
    "account_domain": _domains,
    "account_crm_id": _any_text(_account("crm_id")),
    "account_name": _any_text(_account("name")),
    "account_stage": _any_text(_account("stage")),
    "has_parent": _parent,
    "segment": _any_text(_first(_account("segment"), lambda facts: [facts.sequence_segment])),
    "country": _any_text(_first(_contact("country"), _account("country"))),
    "state": _any_text(_contact("state")),
    "city": _any_text(_contact("city")),
    "source": _any_text(_contact("source")),
    "language": _any_text(_first(_contact("language"), lambda facts: [facts.reply.language])),
    "sequence": _any_text(lambda facts: [facts.reply.sequence]),
    "mailbox": _any_text(lambda facts: [facts.reply.mailbox, *facts.reply.to_addresses]),
    "label": _any_text(lambda facts: [str(facts.reply.label)]),
    "tag": _tags,
    "words": _words,
}


def check_rules(settings: OwnershipSettings, team: TeamSettings, sequences: Sequence[str], now: datetime) -> Iterator[
    tuple[bool, str]
]:  # fmt: skip
    """Yield (is an error, sentence with its TOML path) for every rule that cannot work as written."""
    pods = {pod.name: pod for pod in team.pod}
    for name in ("triage", "compliance", "escalation"):
        if not is_member(team, getattr(team, name), now):
            yield True, f"team.{name}: {getattr(team, name)} has left: name a present member"
    everything = ""
    for number, rule in enumerate(settings.rule):
        path = f"ownership.rule[{number}] ({rule.name})"
        if everything:
            yield False, f"{path}: can never match, {everything} matches everything before it"
        for sequence in set(rule.when.sequence) - set(sequences):
            yield True, f'{path}.when.sequence: no sequence is called "{sequence}"'
        kind, _, name = rule.to.partition(":")
        if kind == "pod" and name not in pods:
            yield True, f'{path}.to: no pod is called "{name}"'
        elif kind == "pod" and not any(is_member(team, one, now) for one in pods[name].members):
            yield False, f"{path}.to: every member of pod {name} has left"
        elif "@" in rule.to and team.find(rule.to) is None:
            yield True, f"{path}.to: {rule.to} is no member of the team"
        elif "@" in rule.to and not is_member(team, rule.to, now):
            yield False, f"{path}.to: {rule.to} has left; the backup or the next rule gets these replies"
        if not rule.when.model_fields_set and ("@" in rule.to or kind in ("pod", "queue")):
            everything = path
