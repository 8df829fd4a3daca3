"""Are the rules and the team sane? Every rule that cannot work as written, with its TOML path."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from ownership.absence import is_member
from ownership.rules import fold
from ownership.settings import QUEUES, ConditionSettings, OwnershipSettings, RuleSettings, TeamSettings

Finding = tuple[bool, str]  #: (is an error, sentence)


def check_rules(
    settings: OwnershipSettings, team: TeamSettings, sequences: Sequence[str], now: datetime
) -> Iterator[Finding]:
    """Yield (is an error, sentence with its TOML path) for everything that cannot work as written."""
    yield from _check_team(team, now)
    yield from _check_territories(team, now)
    for name in ("named_accounts", "sources"):
        for key, owner in getattr(settings, name).items():
            yield from _check_target(f'ownership.{name}."{key}"', owner, team, now)
    if settings.vip_to:
        yield from _check_target("ownership.vip_to", settings.vip_to, team, now)
    names = [rule.name for rule in settings.rule]
    for number, rule in enumerate(settings.rule):
        path = f"ownership.rule[{number}] ({rule.name})"
        if rule.name in names[:number]:
            yield True, f"{path}.name: another rule is called the same; the audit log could not tell them apart"
        yield from _check_target(f"{path}.to", rule.to, team, now)
        for sequence in sorted(set(rule.when.sequence) - set(sequences)):
            yield True, f'{path}.when.sequence: no sequence is called "{sequence}"'
        for field in ("contact_owner", "earlier_owner"):
            for person in getattr(rule.when, field):
                if team.find(person) is None:
                    yield True, f"{path}.when.{field}: {person} is no member of the team"
        for earlier in range(number):
            if _shadows(settings.rule[earlier], rule, team, now):
                above = f"ownership.rule[{earlier}] ({settings.rule[earlier].name})"
                yield False, f"{path}: can never match, {above} matches everything before it"
                break
    yield from _check_rule_territories(settings.rule, team, now)
    if settings.rule and not any(_always(rule, team, now) for rule in settings.rule):
        yield False, f"ownership.rule: no rule without conditions at the end; {team.triage} gets the rest (team.triage)"


def _check_team(team: TeamSettings, now: datetime) -> Iterator[Finding]:
    for name in QUEUES:
        if (keeper := getattr(team, name)) and not is_member(team, keeper, now):
            yield True, f"team.{name}: {keeper} has left: name a present member"
    addresses: dict[str, str] = {}
    for number, person in enumerate(team.person):
        for address in (person.email, *person.aliases):
            if addresses.setdefault(address, person.email) != person.email:
                yield True, f"team.person[{number}]: {address} also belongs to {addresses[address]}"
        if person.backup and is_member(team, person.email, now) and not is_member(team, person.backup, now):
            yield False, f"team.person[{number}].backup: {person.backup} has left; nobody stands in for {person.email}"


def _check_territories(team: TeamSettings, now: datetime) -> Iterator[Finding]:
    """Yield countries that two people cover for the same segment, and segments that nobody covers there."""
    present = [person for person in team.person if is_member(team, person.email, now)]
    segments = sorted({fold(one) for person in present for one in person.segments})
    for country in sorted({one.upper() for person in present for one in person.countries}):
        covering = [person for person in present if country in {one.upper() for one in person.countries}]
        for segment in segments or [""]:
            there = [one.email for one in covering if not one.segments or segment in map(fold, one.segments)]
            name = f"{country}{f' for {segment}' if segment else ''}"
            if len(there) > 1:
                yield False, f"team.person: territories overlap, {' and '.join(there)} cover {name} and take turns"
            if not there:
                yield False, f"team.person: gap in the territories, nobody covers {name}"


def _check_rule_territories(rules: Sequence[RuleSettings], team: TeamSettings, now: datetime) -> Iterator[Finding]:
    """Yield countries that two rules give to different people, and segments that no rule covers in a country.

    Only rules that name territories and nothing else are compared; the order still decides, so these are warnings.
    """
    plain = [
        (number, rule) for number, rule in enumerate(rules)
        if rule.when.country and rule.when.model_fields_set <= {"country", "segment"} and not rule.override
    ]  # fmt: skip
    for place, (number, rule) in enumerate(plain):
        for above, earlier in plain[:place]:
            both = sorted({fold(one) for one in rule.when.country} & {fold(one) for one in earlier.when.country})
            meet = both and _meets(rule.when.segment, earlier.when.segment) and rule.to != earlier.to
            if meet and _comes_to_somebody(earlier, team, now) and not _shadows(earlier, rule, team, now):
                path, before = f"ownership.rule[{number}] ({rule.name})", f"ownership.rule[{above}] ({earlier.name})"
                yield False, f"{path}.when.country: territories overlap, {before} gets {', '.join(both).upper()} first"
    segments = sorted({fold(one) for _, rule in plain for one in rule.when.segment})
    for country in sorted({fold(one) for _, rule in plain for one in rule.when.country}):
        there = [rule.when.segment for _, rule in plain if country in {fold(one) for one in rule.when.country}]
        for segment in segments if all(there) else ():
            if not any(segment in map(fold, named) for named in there):
                yield False, f"ownership.rule: gap in the territories, no rule covers {country.upper()} for {segment}"


def _meets(one: Sequence[str], other: Sequence[str]) -> bool:
    return not one or not other or bool({fold(name) for name in one} & {fold(name) for name in other})


def _check_target(path: str, to: str, team: TeamSettings, now: datetime) -> Iterator[Finding]:
    kind, _, name = to.partition(":")
    pod = next((pod for pod in team.pod if pod.name == name), None)
    if kind == "pod" and pod is None:
        yield True, f'{path}: no pod is called "{name}"'
    elif kind == "pod" and pod is not None:
        gone = [one for one in pod.members if not is_member(team, one, now)]
        if len(gone) == len(pod.members):
            yield False, f"{path}: every member of pod {name} has left"
        elif gone:
            yield False, f"{path}: pod {name} names {', '.join(gone)}, who left"
    elif "@" in to and team.find(to) is None:
        yield True, f"{path}: {to} is no member of the team"
    elif "@" in to and not is_member(team, to, now):
        yield False, f"{path}: {to} has left; the backup or the next rule gets these replies"


def _shadows(above: RuleSettings, below: RuleSettings, team: TeamSettings, now: datetime) -> bool:
    """Tell whether the rule above takes every reply that the one below could take."""
    if not _comes_to_somebody(above, team, now) or (below.override and not above.override):
        return False
    return all(
        _covers(name, getattr(above.when, name), getattr(below.when, name))
        for name in ConditionSettings.model_fields
        if getattr(above.when, name) not in ((), None)
    )


def _covers(name: str, wide: object, narrow: object) -> bool:
    if isinstance(wide, bool) or isinstance(narrow, bool):
        return wide is narrow
    if not isinstance(wide, tuple) or not isinstance(narrow, tuple) or not narrow:
        return False
    outer = {fold(str(one)) for one in wide}
    if name == "account_domain":
        return all(any(fold(one) == top or fold(one).endswith(f".{top}") for top in outer) for one in narrow)
    return {fold(str(one)) for one in narrow} <= outer


def _always(rule: RuleSettings, team: TeamSettings, now: datetime) -> bool:
    return not rule.when.model_fields_set and _comes_to_somebody(rule, team, now)


def _comes_to_somebody(rule: RuleSettings, team: TeamSettings, now: datetime) -> bool:
    """Tell whether a target is a present member whatever the reply; a field of a record may be empty."""
    kind, _, name = rule.to.partition(":")
    if kind == "pod":
        return any(is_member(team, one, now) for pod in team.pod if pod.name == name for one in pod.members)
    return kind == "queue" or ("@" in rule.to and is_member(team, rule.to, now))
