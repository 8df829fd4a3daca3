"""Who is in the team today, who is away, and who acts for them?"""

from collections.abc import Mapping
from datetime import date, datetime
from zoneinfo import ZoneInfo

from ownership.settings import PersonSettings, TeamSettings


def local_day(person: PersonSettings, at: datetime) -> date:
    """Return the calendar day of an instant where the person works."""
    return at.astimezone(ZoneInfo(person.zone)).date()


def is_member(team: TeamSettings, email: str, at: datetime) -> bool:
    """Return whether this address is a present member of the team."""
    person = team.find(email) if email else None
    return person is not None and (person.left_on is None or local_day(person, at) < person.left_on)


def is_away(team: TeamSettings, email: str, at: datetime) -> bool:
    """Return whether a member is absent on their local day; working hours do not matter here."""
    person = team.find(email)
    if person is None:
        return True
    today = local_day(person, at)
    return any(absence.first <= today <= absence.last for absence in person.absences)


def acting_for(team: TeamSettings, owner: str, at: datetime) -> str:
    """Return who acts for an owner: the owner, else the first present one along the chain of backups.

    A backup who is away hands on to their own backup; a circle or a dead end leads to the escalation owner.
    """
    seen: set[str] = set()
    current = owner
    while current and current not in seen:
        seen.add(current)
        if is_member(team, current, at) and not is_away(team, current, at):
            return current
        person = team.find(current)
        current = person.backup if person else ""
    return team.escalation


def successor_of(team: TeamSettings, former: str, sequence_people: Mapping[str, str], at: datetime) -> str:
    """Return who takes over what a former member owned, or an empty text when that one has left too.

    `sequence_people` maps a sequence's owner to its backup: when the sequence named the person, its backup comes first.
    """
    person = team.find(former)
    backup = sequence_people.get(former) or (person.backup if person else "")
    return backup if backup and is_member(team, backup, at) else ""
