"""Whom does a rule's target name, and whose turn is it?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from ownership.absence import is_away, is_member, successor_of
from ownership.rules import RoutingFacts
from ownership.settings import PodSettings, TeamSettings


@dataclass(frozen=True, slots=True)
class Target:
    """Who a rule's target comes to, and why; no owner when it comes to nobody."""

    owner: str
    why: str
    pod: str = ""  #: the round-robin that spent a turn


def resolve(to: str, facts: RoutingFacts, team: TeamSettings, now: datetime) -> Target:
    """Return the present member a target names; a former one is replaced by their backup, once."""
    kind, _, name = to.partition(":")
    if kind == "queue":
        return _member(team.desk(name), f"keeps the {name} queue", facts, team, now)
    if kind == "pod":
        pod = next((pod for pod in team.pod if pod.name == name), None)
        return _turn(pod, facts, team, now) if pod else Target("", f"there is no pod {name}")
    if "@" in to:
        return _member(to, "is named by the rule", facts, team, now)
    return _FIELDS[to](facts, team, now)


def _member(email: str, why: str, facts: RoutingFacts, team: TeamSettings, now: datetime) -> Target:
    if not email:
        return Target("", "nobody is recorded")
    person = team.find(email)
    if person is not None and is_member(team, email, now):
        return Target(person.email, why)
    backups = {facts.sequence_owner: facts.sequence_backup} if facts.sequence_owner else {}
    title = person.title if person else email
    heir = team.find(successor_of(team, email, backups, now))
    if heir is None:
        return Target("", f"{title} has left and has no present backup" if person else f"{email} is not in the team")
    return Target(heir.email, f"is the backup of {title}, who has left and {why}")


def _account_owner(facts: RoutingFacts, team: TeamSettings, now: datetime) -> Target:
    account = facts.account
    return _member(account.owner if account else "", f"owns the account {_called(facts)}", facts, team, now)


def _opportunity_owner(facts: RoutingFacts, team: TeamSettings, now: datetime) -> Target:
    account = facts.account
    owner = (account.opportunity_owner or account.owner) if account else ""
    return _member(owner, f"owns the open opportunity at {_called(facts)}", facts, team, now)


def _parent_owner(facts: RoutingFacts, team: TeamSettings, now: datetime) -> Target:
    for parent in facts.parents:
        found = _member(
            parent.owner,
            f"owns {parent.name or parent.domain}, the parent account of {_called(facts)}",
            facts,
            team,
            now,
        )
        if found.owner:
            return found
    return Target("", "no parent account has a present owner")


def _contact_owner(facts: RoutingFacts, team: TeamSettings, now: datetime) -> Target:
    return _member(facts.contact.owner if facts.contact else "", "owns the contact", facts, team, now)


def _earlier_owner(facts: RoutingFacts, team: TeamSettings, now: datetime) -> Target:
    owner = facts.contact.earlier_owner if facts.contact else ""
    return _member(owner, "has worked with this contact before", facts, team, now)


def _sequence_owner(facts: RoutingFacts, team: TeamSettings, now: datetime) -> Target:
    why = f"owns the sequence {facts.reply.sequence}"
    return _member(facts.sequence_owner, why, facts, team, now)


def _territory(facts: RoutingFacts, team: TeamSettings, now: datetime) -> Target:
    country = (facts.contact.country if facts.contact else "") or (facts.account.country if facts.account else "")
    segment = (facts.account.segment if facts.account else "") or facts.sequence_segment
    if not country:
        return Target("", "the country is not known")
    people = tuple(
        person.email
        for person in team.person
        if country.upper() in {one.upper() for one in person.countries}
        and (not person.segments or segment.casefold() in {one.casefold() for one in person.segments})
    )
    name = f"territory {country.upper()}" + (f" {segment}" if segment else "")
    return _equals(people, name, f"covers {country.upper()}" + (f" ({segment})" if segment else ""), facts, team, now)


def _language(facts: RoutingFacts, team: TeamSettings, now: datetime) -> Target:
    language = (facts.contact.language if facts.contact else "") or facts.reply.language
    people = tuple(person.email for person in team.person if language and language in person.languages)
    return _equals(people, f"language {language}", f"answers in {language}", facts, team, now)


def _equals(
    people: Sequence[str], name: str, why: str, facts: RoutingFacts, team: TeamSettings, now: datetime
) -> Target:
    present = [email for email in people if is_member(team, email, now)]
    if len(present) <= 1:
        return Target(present[0], why) if present else Target("", f"nobody covers {name}")
    turn = _turn(PodSettings(name=name, members=tuple(present)), facts, team, now)
    return Target(turn.owner, f"{why} and {turn.why}", turn.pod)


def _turn(pod: PodSettings, facts: RoutingFacts, team: TeamSettings, now: datetime) -> Target:
    members = [email for email in pod.members if is_member(team, email, now)]
    present = [email for email in members if not is_away(team, email, now)] or members
    if not present:
        return Target("", f"every member of pod {pod.name} has left")
    if pod.by == "least-open":
        chosen = min(present, key=lambda email: (facts.open_counts.get(email, 0), members.index(email)))
        return Target(chosen, f"has the fewest open threads in {pod.name}")
    turns, last = facts.rotations.get(pod.name, ({}, ""))
    return Target(next_in_turn(pod, present, turns, last), f"is next in turn in {pod.name}", pod.name)


def next_in_turn(pod: PodSettings, present: Sequence[str], turns: Mapping[str, int], last: str) -> str:
    """Return whose turn it is: the next present member after `last`, in the pod's order; weights repeat a name.

    The position is the person who had the last turn, not an index, so a member who joins or leaves shifts nobody.
    """
    if not pod.weights:
        order = list(pod.members)
        start = order.index(last) + 1 if last in order else 0
        return next(one for one in order[start:] + order[:start] if one in present)
    return min(present, key=lambda one: ((turns.get(one, 0) + 1) / pod.weights.get(one, 1), pod.members.index(one)))


def _called(facts: RoutingFacts) -> str:
    return (facts.account.name or facts.account.domain) if facts.account else "the company"


_FIELDS = {
    "account.owner": _account_owner,
    "account.opportunity_owner": _opportunity_owner,
    "account.parent.owner": _parent_owner,
    "contact.owner": _contact_owner,
    "contact.earlier_owner": _earlier_owner,
    "sequence.owner": _sequence_owner,
    "team.territory": _territory,
    "team.language": _language,
}
