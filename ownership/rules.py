"""Does a rule match a reply, and which facts decided?"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache

from ownership.facts import RoutingFacts
from ownership.settings import ConditionSettings, OwnershipSettings, RuleSettings, TeamSettings
from ownership.targets import called, segment_of
from store.lead_sources import normalise_source
from store.vocabulary import AccountStage

_JOINTS = re.compile(r"[\s-]+|(?<=[^\W\d])(?=\d)|(?<=\d)(?=[^\W\d])")  # spaces, hyphens, letter next to digit
DEFAULT_RULES = (
    RuleSettings(name="open opportunity", when=ConditionSettings(account_stage=(AccountStage.OPPORTUNITY,)),
                 to="account.opportunity_owner"),
    RuleSettings(name="account owner", to="account.owner"),
    RuleSettings(name="parent account owner", to="account.parent.owner"),
    RuleSettings(name="contact owner", to="contact.owner"),
    RuleSettings(name="earlier owner", to="contact.earlier_owner"),
)  # fmt: skip
_REST = (
    RuleSettings(name="sequence owner", to="sequence.owner"),
    RuleSettings(name="segment and territory", to="team.territory"),
    RuleSettings(name="language", to="team.language"),
)


def ordered_rules(settings: OwnershipSettings, team: TeamSettings) -> tuple[RuleSettings, ...]:
    """Return the rules in force: the configured ones, else the default order of the documents."""
    if settings.rule:
        return settings.rule
    rules: list[RuleSettings] = []
    if settings.vip_words:
        when = ConditionSettings(words=settings.vip_words)
        rules.append(RuleSettings(name="VIP words", when=when, to=settings.vip_to))
    for domain, owner in settings.named_accounts.items():
        when = ConditionSettings(account_domain=(domain,))
        rules.append(RuleSettings(name=f"named account {domain}", when=when, to=owner))
    rules.extend(DEFAULT_RULES)
    for source, owner in settings.sources.items():
        rules.append(RuleSettings(name=f"source {source}", when=ConditionSettings(source=(source,)), to=owner))
    rules.extend(_REST)
    if len(team.pod) == 1:  # one pod and no rules: its members are the equals among whom turns decide
        rules.append(RuleSettings(name="round-robin among equals", to=f"pod:{team.pod[0].name}"))
    return tuple(rules)


def rule_named(settings: OwnershipSettings, team: TeamSettings, name: str) -> RuleSettings | None:
    """Return the rule in force with this name."""
    return next((rule for rule in ordered_rules(settings, team) if rule.name == name), None)


def matches(when: ConditionSettings, facts: RoutingFacts) -> tuple[bool, str]:
    """Return (every given condition holds, the deciding facts as a clause for people; empty: no conditions)."""
    clauses = []
    names: Iterable[str] = when.model_fields_set
    if len(when.model_fields_set) > 1:
        names = sorted(names, key=_RANK.__getitem__)  # a set's own order differs from process to process
    for name in names:
        wanted = getattr(when, name)
        if wanted in ((), None):
            continue
        read, phrase = _CONDITIONS[name]
        found = read(wanted, facts)
        if not found:
            return False, f"{name.replace('_', ' ')} does not match"
        clauses.append(phrase.format(found=found, account=called(facts)))
    return True, " and ".join(sorted(clauses))


@lru_cache(maxsize=16_384)
def fold(value: str) -> str:
    """Return a short text as it is compared: without case, width or spacing."""
    return _fold_text(value)


@lru_cache(maxsize=16)  # every rule asks about the same reply
def _fold_text(value: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", value).casefold().split())


@lru_cache(maxsize=4096)
def word_pattern(phrase: str) -> re.Pattern[str]:
    """Return the pattern of a word or phrase: whole words; "SOC 2", "SOC2" and "SOC-2" are the same."""
    words = r"[\s-]*".join(map(re.escape, _parts(phrase)))
    return re.compile(rf"(?<!\w){words}(?!\w)")


@lru_cache(maxsize=4096)
def _parts(phrase: str) -> tuple[str, ...]:
    return tuple(part for part in _JOINTS.split(fold(phrase)) if part)


Read = Callable[[RoutingFacts], Sequence[str]]


def _any_text(read: Read) -> Callable[[Sequence[str], RoutingFacts], str]:
    def check(wanted: Sequence[str], facts: RoutingFacts) -> str:
        found = {fold(value): value for value in read(facts) if value}
        return next((found[fold(value)] for value in wanted if fold(value) in found), "") if found else ""

    return check


def _domains(wanted: Sequence[str], facts: RoutingFacts) -> str:
    own = [facts.account.domain] if facts.account else []
    own += [address.rpartition("@")[2] for address in (facts.reply.from_address, _contact_address(facts))]
    for domain in wanted:
        name = domain.lower().strip(".")
        if any(one == name or one.endswith(f".{name}") for one in map(str.lower, own) if one):
            return name
    return ""


def _contact_address(facts: RoutingFacts) -> str:
    return facts.contact.email if facts.contact else ""


def _words(wanted: Sequence[str], facts: RoutingFacts) -> str:
    text = _fold_text(f"{facts.reply.subject}\n{facts.reply.text}")
    likely = (phrase for phrase in wanted if all(part in text for part in _parts(phrase)))  # cheaper than the pattern
    return next((phrase for phrase in likely if word_pattern(phrase).search(text)), "")


def _has_parent(wanted: bool, facts: RoutingFacts) -> str:
    nearest = facts.parents[0].name or facts.parents[0].domain or "a parent company" if facts.parents else "no parent"
    return nearest if bool(facts.parents) is wanted else ""


def _parents(facts: RoutingFacts) -> Sequence[str]:
    return [value for one in facts.parents for value in (one.name, one.domain, one.crm_id)]


def _tags(wanted: Sequence[str], facts: RoutingFacts) -> str:
    return next((str(tag) for tag in wanted if tag in facts.reply.tags), "")


def _stage(wanted: Sequence[str], facts: RoutingFacts) -> str:
    account = facts.account
    return _STAGES[account.stage] if account is not None and account.stage in wanted else ""


def _source(wanted: Sequence[str], facts: RoutingFacts) -> str:
    source = normalise_source(facts.contact.source) if facts.contact and facts.contact.source else ""
    return source if source in wanted else ""


def _account(name: str) -> Read:
    return lambda facts: [str(getattr(facts.account, name))] if facts.account else []


def _contact(name: str) -> Read:
    return lambda facts: [getattr(facts.contact, name)] if facts.contact else []


def _first(*reads: Read) -> Read:
    return lambda facts: next((found for read in reads if any(found := read(facts))), ())


_STAGES = {
    AccountStage.PROSPECT: "a prospect",
    AccountStage.OPPORTUNITY: "in an open opportunity",
    AccountStage.CUSTOMER: "a customer",
    AccountStage.LOST: "a lost opportunity",
    AccountStage.COMPETITOR: "a competitor",
    AccountStage.DO_NOT_CONTACT: "not to be contacted",
}
_CONDITIONS: dict[str, tuple[Callable[..., str], str]] = {
    "account_list": (_any_text(lambda facts: facts.account.lists if facts.account else ()),
                     "{account} is on the list {found}"),
    "account_domain": (_domains, "the company is {found}"),
    "account_crm_id": (_any_text(_account("crm_id")), "{account} is the account {found}"),
    "account_name": (_any_text(_account("name")), "the company is {found}"),
    "account_stage": (_stage, "{account} is {found}"),
    "parent": (_any_text(_parents), "{account} belongs to {found}"),
    "has_parent": (_has_parent, "{account} has {found} above it"),
    "segment": (_any_text(lambda facts: [segment_of(facts)]), "the segment is {found}"),
    "country": (_any_text(_first(_contact("country"), _account("country"))), "the contact is in {found}"),
    "state": (_any_text(_contact("state")), "the contact is in {found}"),
    "city": (_any_text(_contact("city")), "the contact is in {found}"),
    "source": (_source, "the lead came from {found}"),
    "contact_owner": (_any_text(_contact("owner")), "the contact is {found}'s"),
    "earlier_owner": (_any_text(_contact("earlier_owner")), "{found} has dealt with the contact before"),
    "language": (_any_text(_first(_contact("language"), lambda facts: [facts.reply.language])),
                 'the language is "{found}"'),
    "sequence": (_any_text(lambda facts: [facts.reply.sequence]), "it answers the sequence {found}"),
    "mailbox": (_any_text(lambda facts: [facts.reply.mailbox, *facts.reply.to_addresses]), "it came to {found}"),
    "label": (_any_text(lambda facts: [str(facts.reply.label)]), "it is labelled {found}"),
    "tag": (_tags, "it is tagged {found}"),
    "words": (_words, 'it says "{found}"'),
}  # fmt: skip
_RANK = {name: number for number, name in enumerate(ConditionSettings.model_fields)}
