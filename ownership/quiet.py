"""When may a notification mail go out: at once, after the quiet hours, or with the next digest?"""

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from ownership.settings import NotifySettings, TeamSettings


def deliver_at(person: str, settings: NotifySettings, team: TeamSettings, now: datetime) -> datetime:
    """Return when a mail to a person may go out: now, or when their quiet hours end."""
    member = team.find(person)
    quiet = (member.quiet if member else None) or settings.quiet
    if quiet is None:
        return now
    zone = ZoneInfo(member.zone if member else "UTC")
    local, (starts, ends) = now.astimezone(zone), quiet
    inside = starts <= local.time() < ends if starts < ends else not ends <= local.time() < starts
    if not inside:
        return now
    last = local.date() if local.time() < ends else local.date() + timedelta(days=1)
    return datetime.combine(last, ends, zone).astimezone(now.tzinfo)


def next_digest(person: str, times: Sequence[time], team: TeamSettings, now: datetime) -> datetime:
    """Return the next of some local times; now, when there are none."""
    member = team.find(person)
    zone = ZoneInfo(member.zone if member else "UTC")
    today = now.astimezone(zone).date()
    moments = [datetime.combine(today + timedelta(days=day), at, zone) for day in (0, 1) for at in sorted(times)]
    return next((one.astimezone(now.tzinfo) for one in moments if one > now), now)
