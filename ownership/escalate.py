"""Which rung of the escalation ladder has a waiting thread reached?

The ladder: a warning before the deadline (to who acts), the breach (owner and acting), the backup, the manager; the
last two in working time after the deadline. Each rung fires once and in order, also after any downtime: the number of
fired rungs is stored with the thread. A reply marked for review climbs the same ladder.
"""

from dataclasses import dataclass
from datetime import datetime

from ownership.absence import acting_for, is_member
from ownership.settings import SlaSettings, TeamSettings
from ownership.sla import deadline
from store.records import Thread
from store.vocabulary import EventName, ThreadState

WAITING = (ThreadState.OPEN, ThreadState.REVIEW)
RUNGS = 4


@dataclass(frozen=True, slots=True)
class Rung:
    """One step of the ladder that must fire now."""

    number: int  #: from 1
    event: EventName
    tell: tuple[str, ...]
    sentence: str
    acting: str = ""  #: who acts from now on, when the breach hands the task to the backup


def due_rungs(thread: Thread, sla: SlaSettings, team: TeamSettings, now: datetime) -> tuple[Rung, ...]:
    """Return the rungs that are due and have not fired, lowest first; none when nothing waits."""
    times = _times(thread, sla, team)
    backup, manager = _backup(team, thread.owner, now), acting_for(team, team.escalation, now)
    breached = EventName.SLA_BREACHED
    ladder = (
        (EventName.SLA_WARNING, (thread.acting,), "An answer is due soon."),
        (breached, (thread.acting, thread.owner), "The answer is overdue."),
        (breached, (backup,), "The answer is still overdue: please step in."),
        (breached, (manager,), "Nobody has answered: please decide."),
    )
    rungs = []
    for number, (at, (event, tell, sentence)) in enumerate(zip(times, ladder, strict=False), 1):
        if number > thread.escalation and now >= at:
            people = tuple(dict.fromkeys(person for person in tell if person))
            rungs.append(Rung(number, event, people, sentence, backup if sla.reassign and number == 3 else ""))
    return tuple(rungs)


def next_rung_at(thread: Thread, sla: SlaSettings, team: TeamSettings) -> datetime | None:
    """Return when the next rung falls due, or None when the ladder is used up or nothing waits."""
    times = _times(thread, sla, team)
    return times[thread.escalation] if thread.escalation < len(times) else None


def _times(thread: Thread, sla: SlaSettings, team: TeamSettings) -> tuple[datetime, ...]:
    if thread.state not in WAITING or thread.sla_due_at is None:
        return ()
    due, person = thread.sla_due_at, team.find(thread.acting)
    if person is None:
        return due - sla.warn_before, due, due + sla.to_backup, due + sla.to_manager
    return due - sla.warn_before, due, deadline(due, sla.to_backup, person), deadline(due, sla.to_manager, person)


def _backup(team: TeamSettings, owner: str, now: datetime) -> str:
    person = team.find(owner)
    backup = person.backup if person else ""
    return acting_for(team, backup if backup and is_member(team, backup, now) else team.escalation, now)
