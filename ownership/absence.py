"""Who is in the team today, who is away, and who acts for them?"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from ownership.settings import PersonSettings, TeamSettings
from store.vocabulary import RoleName

SENIOR = (RoleName.MANAGER, RoleName.OPERATIONS, RoleName.COMPLIANCE)
LONGEST_ABSENCE_DAYS = 400
CALENDAR_AHEAD = timedelta(days=400)
Span = tuple[date, date]


@dataclass(frozen=True, slots=True)
class CalendarReading:
    """What a calendar says about days away."""

    spans: tuple[Span, ...]  #: first and last day, ascending, apart from each other
    skipped: tuple[str, ...] = ()  #: events that could not be read, each with its reason


def calendar_window(today: date) -> Span:
    """Return the days that are read: from the month before on, so that what is read changes once a month."""
    return ((today.replace(day=1) - timedelta(days=1)).replace(day=1), today.replace(day=1) + CALENDAR_AHEAD)


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
    return person is None or _is_absent(person, local_day(person, at))


def back_on(team: TeamSettings, email: str, at: datetime) -> date | None:
    """Return the first working day on which an absent member is here again; None when they are not away."""
    person = team.find(email)
    if person is None:
        return None
    today = day = local_day(person, at)
    if not _is_absent(person, today):
        return None
    while (_is_absent(person, day) or day.weekday() not in person.days) and (day - today).days < LONGEST_ABSENCE_DAYS:
        day += timedelta(days=1)
    return day


def _is_absent(person: PersonSettings, day: date) -> bool:
    return any(absence.first <= day <= absence.last for absence in person.absences)


def acting_for(team: TeamSettings, owner: str, at: datetime) -> str:
    """Return who acts for an owner: the owner, else the first present one along the chain of backups.

    A backup who is away hands on to their own backup; a circle or a dead end leads to the escalation owner and along
    their backups. When everybody there is away too, the escalation owner acts all the same.
    """
    for start in (owner, team.escalation):
        seen: set[str] = set()
        current = start
        while current and current not in seen:
            seen.add(current)
            if is_member(team, current, at) and not is_away(team, current, at):
                return current
            person = team.find(current)
            current = person.backup if person else ""
    return present_desk(team, "escalation", at)


def successor_of(team: TeamSettings, former: str, sequence_backup: str, at: datetime) -> str:
    """Return who takes over what a former member owned, or an empty text when that one has left too.

    `sequence_backup`: the backup that the sequence names, when the sequence named the person; it comes first.
    """
    person = team.find(former)
    backup = sequence_backup or (person.backup if person else "")
    return _canonical(team, backup) if backup and is_member(team, backup, at) else ""


def present_desk(team: TeamSettings, queue: str, at: datetime) -> str:
    """Return the one keeper of a queue, or who has the desk once that one has left: somebody, always."""
    keeper = team.desk(queue)
    if is_member(team, keeper, at):
        return keeper
    heir = successor_of(team, keeper, "", at)
    members = [one.email for one in team.person if is_member(team, one.email, at)]
    seniors = [email for email in members if (person := team.find(email)) and person.role in SENIOR]
    return next((one for one in (heir, team.escalation, *seniors, *members) if one in members), keeper)


def _canonical(team: TeamSettings, email: str) -> str:
    person = team.find(email)
    return person.email if person else email
