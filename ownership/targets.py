"""Whom does a rule's target name, and whose turn is it?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from ownership.absence import is_away, is_member, present_desk, successor_of
from ownership.facts import RoutingFacts
from ownership.settings import PodSettings, TeamSettings


@dataclass(frozen=True, slots=True)
class Target:
    """Who a rule's target comes to, and why; no owner when it comes to nobody."""

    owner: str
    why: str  #: continues "NAME, who ..."; empty when the rule itself names the person; without owner: what is missing
    pod: str = ""  #: the round-robin whose turn it is
    equals: tuple[str, ...] = ()  #: everybody the target could have come to


def resolve(to: str, facts: RoutingFacts, team: TeamSettings, now: datetime) -> Target:
    """Return the present member a target names; a former one is replaced by their backup, once."""
    kind, _, name = to.partition(":")
    if kind == "queue":
        owner = present_desk(team, name, now)
        return Target(owner, f"keeps the {name} queue", equals=(owner,))
    if kind == "pod":
        pod = next((pod for pod in team.pod if pod.name == name), None)
        return _turn(pod, facts, team, now) if pod else Target("", f"there is no pod {name}")
    if "@" in to:
        return _member(to, "", "should get this", team, now)
    return _FIELDS[to](facts, team, now)


def _member(email: str, why: str, was: str, team: TeamSettings, now: datetime, sequence_backup: str = "") -> Target:
    """Return the person or, once that one has left, the backup; `was` says what the former one was."""
    if not email:
        return Target("", "nobody is recorded")
    person = team.find(email)
    if person is not None and is_member(team, email, now):
        return Target(person.email, why, equals=(person.email,))
    title = person.title if person else email
    heir = successor_of(team, email, sequence_backup, now)
    if not heir:
        return Target("", f"{title} has left and there is no present backup" if person else f"{email} is no colleague")
    return Target(heir, f"stands in for {title}, who {was} and has left the team", equals=(heir,))


def _account_owner(facts: RoutingFacts, team: TeamSettings, now: datetime) -> Target:
    account = facts.account
    if account is None:
        return Target("", "no account is known")
    name = f"the {called(facts)} account"
    return _member(account.owner, f"owns {name}", f"owned {name}", team, now)


def _opportunity_owner(facts: RoutingFacts, team: TeamSettings, now: datetime) -> Target:
    account = facts.account
    if account is None:
        return Target("", "no account is known")
    name = f"the open opportunity at {called(facts)}"
    named = account.opportunity_owner or account.owner
    return _member(named, f"owns {name}", f"owned {name}", team, now)


def _parent_owner(facts: RoutingFacts, team: TeamSettings, now: datetime) -> Target:
    if not facts.parents:
        return Target("", "no parent company is known")
    for parent in facts.parents:
        name = f"{parent.name or parent.domain}, the parent company of {called(facts)}"
        found = _member(parent.owner, f"owns {name}", f"owned {name}", team, now)
        if found.owner:
            return found
    return Target("", "no parent company has a present owner")


def _contact_owner(facts: RoutingFacts, team: TeamSettings, now: datetime) -> Target:
    if facts.contact is None:
        return Target("", "the contact is not known")
    name = contact_name(facts)
    return _member(facts.contact.owner, f"owns the contact {name}", f"owned the contact {name}", team, now)


def _earlier_owner(facts: RoutingFacts, team: TeamSettings, now: datetime) -> Target:
    owner = facts.contact.earlier_owner if facts.contact else ""
    if not owner:
        return Target("", "nobody has dealt with this contact before")
    name = contact_name(facts)
    return _member(owner, f"has dealt with {name} before", f"had dealt with {name} before", team, now)


def _sequence_owner(facts: RoutingFacts, team: TeamSettings, now: datetime) -> Target:
    if not facts.reply.sequence:
        return Target("", "it answers no sequence of ours")
    name = f"the sequence {facts.reply.sequence}"
    return _member(facts.sequence_owner, f"owns {name}", f"owned {name}", team, now, facts.sequence_backup)


def _territory(facts: RoutingFacts, team: TeamSettings, now: datetime) -> Target:
    country = (facts.contact.country if facts.contact else "") or (facts.account.country if facts.account else "")
    segment = segment_of(facts)
    if not country:
        return Target("", "the country is not known")
    people = tuple(
        person.email
        for person in team.person
        if country.upper() in {one.upper() for one in person.countries}
        and (not person.segments or segment.casefold() in {one.casefold() for one in person.segments})
    )
    name = country.upper() + (f" for {segment}" if segment else "")
    return _among_equals(people, f"territory {name}", f"covers {name}", facts, team, now)


def _language(facts: RoutingFacts, team: TeamSettings, now: datetime) -> Target:
    language = ((facts.contact.language if facts.contact else "") or facts.reply.language).lower()
    if not language:
        return Target("", "the language is not known")
    people = tuple(one.email for one in team.person if language in {spoken.lower() for spoken in one.languages})
    return _among_equals(people, f"language {language}", f'answers in "{language}"', facts, team, now)


def _among_equals(
    people: Sequence[str], name: str, why: str, facts: RoutingFacts, team: TeamSettings, now: datetime
) -> Target:
    present = [email for email in people if is_member(team, email, now)]
    if len(present) <= 1:
        return Target(present[0], why, equals=tuple(present)) if present else Target("", f"nobody covers {name}")
    turn = _turn(PodSettings(name=name, members=tuple(present)), facts, team, now)
    return Target(turn.owner, f"{why} and is next in turn", turn.pod, tuple(present))


def _turn(pod: PodSettings, facts: RoutingFacts, team: TeamSettings, now: datetime) -> Target:
    members = [person.email for one in pod.members if (person := team.find(one)) and is_member(team, one, now)]
    present = [email for email in members if not is_away(team, email, now)] or members
    if not present:
        return Target("", f"everybody in the pod {pod.name} has left")
    if pod.by == "least-open":
        chosen = min(present, key=lambda email: (facts.open_counts.get(email, 0), members.index(email)))
        return Target(chosen, f"has the fewest open threads in the pod {pod.name}", equals=tuple(members))
    turns, last = facts.rotations.get(pod.name, ({}, ""))
    chosen = next_in_turn(pod, present, turns, last)
    return Target(chosen, f"is next in turn in the pod {pod.name}", pod.name, tuple(members))


def next_in_turn(pod: PodSettings, present: Sequence[str], turns: Mapping[str, int], last: str) -> str:
    """Return whose turn it is: the next present member in the pod's order.

    Without weights the position is the person who had the last turn, not an index, so a member who joins or leaves
    shifts nobody. With weights a round has as many turns as the weights' sum, spread evenly; the position is how many
    turns the pod has had. Whoever is absent loses the turn: nobody comes back to a pile.
    """
    if not pod.weights:
        order = list(pod.members)
        start = order.index(last) + 1 if last in order else 0
    else:
        order = _weighted_round(pod)
        start = sum(turns.values()) % len(order)
    return next(one for one in order[start:] + order[:start] if one in present)


def _weighted_round(pod: PodSettings) -> list[str]:
    """Return one round of turns in which each member appears as often as their weight, evenly spread."""
    weights = {one: pod.weights.get(one, 1) for one in pod.members}
    credit, order = dict.fromkeys(weights, 0), []
    for _ in range(sum(weights.values())):
        for one, weight in weights.items():
            credit[one] += weight
        chosen = max(pod.members, key=lambda one: (credit[one], -pod.members.index(one)))
        credit[chosen] -= sum(weights.values())
        order.append(chosen)
    return order


def called(facts: RoutingFacts) -> str:
    """Return the account as people call it."""
    return (facts.account.name or facts.account.domain) if facts.account else "the company"


def contact_name(facts: RoutingFacts) -> str:
    """Return the contact as people call them."""
    contact = facts.contact
    name = f"{contact.first_name} {contact.last_name}".strip() if contact else ""
    return name or (contact.email if contact else facts.reply.from_address)


def segment_of(facts: RoutingFacts) -> str:
    """Return the segment of the account, else of the sequence."""
    return (facts.account.segment if facts.account else "") or facts.sequence_segment


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
