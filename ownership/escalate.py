"""Which rung of the escalation ladder has a waiting thread reached?

The ladder: a warning before the deadline (to who acts), the breach (owner and acting), the backup, the manager. Each
rung fires once and in order, also after any downtime: the number of fired rungs is stored with the thread.
"""

from dataclasses import dataclass
from datetime import datetime

from ownership.absence import acting_for, is_member
from ownership.settings import SlaSettings, TeamSettings
from store.records import Thread
from store.vocabulary import EventName


@dataclass(frozen=True, slots=True)
class Rung:
    """One step of the ladder that must fire now."""

    number: int  #: from 1
    event: EventName
    tell: tuple[str, ...]
    sentence: str
    acting: str = ""  #: who acts from now on, when the breach hands the task to the backup


def due_rungs(thread: Thread, sla: SlaSettings, team: TeamSettings, now: datetime) -> tuple[Rung, ...]:
    """Return the rungs that are due and have not fired, lowest first; none without an open task."""
    if not thread.task_open or thread.sla_due_at is None:
        return ()
    backup = _backup(team, thread.owner, now)
    due = thread.sla_due_at
    ladder = (
        (due - sla.warn_before, EventName.SLA_WARNING, (thread.acting,), "An answer is due soon."),
        (due, EventName.SLA_BREACHED, (thread.acting, thread.owner), "The answer is overdue."),
        (due + sla.to_backup, EventName.SLA_BREACHED, (backup,), "The answer is still overdue: please step in."),
        (due + sla.to_manager, EventName.SLA_BREACHED, (team.escalation,), "Nobody has answered: please decide."),
    )
    rungs = []
    for number, (at, event, tell, sentence) in enumerate(ladder, 1):
        if number <= thread.escalation or now < at:
            continue
        acting = backup if sla.reassign and number == 3 else ""
        people = tuple(dict.fromkeys(person for person in tell if person))
        rungs.append(Rung(number, event, people, sentence, acting))
    return tuple(rungs)


def next_rung_at(thread: Thread, sla: SlaSettings) -> datetime | None:
    """Return when the next rung falls due, or None when the ladder is used up."""
    if not thread.task_open or thread.sla_due_at is None:
        return None
    offsets = (-sla.warn_before, sla.warn_before * 0, sla.to_backup, sla.to_manager)
    return thread.sla_due_at + offsets[thread.escalation] if thread.escalation < len(offsets) else None


def _backup(team: TeamSettings, owner: str, now: datetime) -> str:
    person = team.find(owner)
    backup = person.backup if person else ""
    return acting_for(team, backup, now) if backup and is_member(team, backup, now) else team.escalation
