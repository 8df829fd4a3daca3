"""How does a colleague say why somebody owns a reply? One English sentence that names the deciding fact."""

from datetime import datetime
from zoneinfo import ZoneInfo

from ownership.absence import back_on
from ownership.settings import TeamSettings
from store.records import Thread


def title(team: TeamSettings, email: str) -> str:
    """Return a person as colleagues call them."""
    person = team.find(email) if email else None
    return person.title if person else email


def gives(team: TeamSettings, owner: str, who: str, because: str) -> str:
    """Return "This goes to Maya Stone, who owns the Acme account, because ..."; either part may be empty."""
    clause = f", who {who}" if who else ""
    if not because:
        return f"This goes to {title(team, owner)}{clause}."
    return f"This goes to {title(team, owner)}{clause}{',' if clause else ''} because {because}."


def stays(team: TeamSettings, owner: str, since: str) -> str:
    """Return the sentence of a thread that keeps its owner."""
    return f"This stays with {title(team, owner)}, who {since}."


def conversation_since(thread: Thread) -> str:
    """Return since when a thread has its owner, continuing "who"."""
    how = f" (rule: {thread.rule})" if thread.rule else ""
    if thread.assigned_at is None:
        return f"owns this conversation{how}"
    day = thread.assigned_at
    return f"has owned this conversation since {day.day} {day:%B %Y}{how}"


def covered(team: TeamSettings, reason: str, owner: str, acting: str, at: datetime) -> str:
    """Return the reason with who acts meanwhile, when the owner is away."""
    if acting == owner:
        return reason
    back = back_on(team, owner, at)
    until = f"until {title(team, owner)} is back on {back:%A}, {back.day} {back:%B}" if back else "for now"
    return f"{reason[:-1]}; {title(team, acting)} acts {until}."


def local_time(team: TeamSettings, email: str, at: datetime) -> datetime:
    """Return an instant in a person's own zone."""
    person = team.find(email)
    return at.astimezone(ZoneInfo(person.zone if person else "UTC"))
