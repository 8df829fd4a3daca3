"""What would leave when, if nobody answered? The plan played forward over virtual time."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from outbound.calendar import add_delay
from outbound.plan import DAY, PlannedSend, plan_sends
from outbound.settings import LimitSettings, SequenceSettings
from store.records import CapCounts, DueStep, MailboxLoad
from store.vocabulary import VerdictLevel

HORIZON = timedelta(days=730)


@dataclass(frozen=True, slots=True)
class Foreseen:
    """One send of the preview."""

    at: datetime
    enrollment_id: int
    step: int
    mailbox: str


def preview_sends(
    due: Sequence[DueStep],
    loads: Mapping[str, MailboxLoad],
    sequences: Mapping[str, SequenceSettings],
    limits: Mapping[str, LimitSettings],
    now: datetime,
    jitter: Callable[[str], float],
) -> list[Foreseen]:
    """Return every send of these enrollments in order, under all limits, as if every domain were ready."""
    waiting = {step.enrollment_id: step for step in due}
    boxes = dict(loads)
    verdicts = {name.rpartition("@")[2]: VerdictLevel.READY for name in boxes}
    recent: list[tuple[datetime, DueStep, str]] = []
    found: list[Foreseen] = []
    end, at = now + HORIZON, now
    while waiting and at < end:
        recent = [one for one in recent if one[0] > at - DAY]
        ready = sorted((step for step in waiting.values() if step.due_at <= at), key=lambda step: step.due_at)
        current = {name: _freed(load, at) for name, load in boxes.items()}
        plan = plan_sends(ready, current, _caps(recent), sequences, limits, verdicts, at, jitter)
        boxes = current
        for send in plan.sends:
            step = waiting.pop(send.enrollment_id)
            found.append(Foreseen(at, send.enrollment_id, send.step, send.mailbox))
            recent.append((at, step, send.mailbox))
            boxes[send.mailbox] = _sent(boxes[send.mailbox], at)
            if following := _following(step, send, sequences[step.sequence], at):
                waiting[step.enrollment_id] = following
        later = [step.due_at for step in waiting.values() if step.due_at > at]
        wakes = [wake for wake in (plan.next_wake, min(later, default=None)) if wake is not None and wake > at]
        at = min(wakes, default=at + timedelta(minutes=15))
    return found


def _following(step: DueStep, send: PlannedSend, sequence: SequenceSettings, at: datetime) -> DueStep | None:
    number = step.step + 1
    if number >= len(sequence.step):
        return None
    due_at = add_delay(at, sequence.step[number].delay, step.zone, step.country, sequence.window)
    return replace(step, step=number, due_at=due_at, mailbox=send.mailbox)


def _freed(load: MailboxLoad, at: datetime) -> MailboxLoad:
    left = tuple(frees for frees in load.frees_at if frees > at)
    return replace(load, frees_at=left, sent_last_day=len(left)) if len(left) != load.sent_last_day else load


def _sent(load: MailboxLoad, at: datetime) -> MailboxLoad:
    history: dict[date, tuple[int, bool]] = {day: (number, bad) for day, number, bad in load.daily_history}
    number, bad = history.get(at.date(), (0, False))
    history[at.date()] = (number + 1, bad)
    days = tuple((day, *value) for day, value in sorted(history.items()))
    frees = (*load.frees_at, at + DAY)
    return replace(load, last_sent_at=at, frees_at=frees, sent_last_day=len(frees), daily_history=days)


def _caps(recent: Sequence[tuple[datetime, DueStep, str]]) -> CapCounts:
    accounts: defaultdict[int, int] = defaultdict(int)
    recipients: defaultdict[str, int] = defaultdict(int)
    sending: defaultdict[str, int] = defaultdict(int)
    for _, step, mailbox in recent:
        if step.account_id is not None:
            accounts[step.account_id] += 1
        recipients[step.recipient_domain] += 1
        sending[mailbox.rpartition("@")[2]] += 1
    return CapCounts(recipients, accounts, sending)
