"""What would leave when, if nobody answered? The plan played forward over virtual time.

The same planner under the same limits, with every domain ready and nothing bouncing. A pilot is taken to be followed
by a go on the first day its rules can be judged. What is ready waits in one line a mailbox, sequence and place, and a
pass looks only at the head of each line, so that thousands of contacts take seconds.
"""

import heapq
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from itertools import islice
from typing import Any

from outbound.calendar import add_delay, next_open
from outbound.plan import DAY, PlannedSend, SendPlan, plan_sends
from outbound.settings import GoNoGoSettings, LimitSettings, SendingDomainSettings, SequenceSettings
from store.records import CapCounts, DueStep, MailboxLoad, SequenceOutcome
from store.vocabulary import VerdictLevel

HORIZON = timedelta(days=1100)
STALE = timedelta(days=60)  # so long without a send: the rest can never leave
HEAD = 4  # steps of a line that a pass looks at, besides one a mailbox; more where caps hold all of them

Line = tuple[str, str, str, str]  #: mailbox (empty for openers), sequence, zone, country


NOTHING = CapCounts()


def _tables(counts: CapCounts) -> tuple[Mapping[Any, int], ...]:
    return counts.by_recipient_domain, counts.by_account, counts.by_sending_domain


@dataclass(frozen=True, slots=True)
class Foreseen:
    """One send of the preview."""

    at: datetime
    enrollment_id: int
    step: int
    mailbox: str


@dataclass(slots=True)
class _World:
    """Everything that changes while virtual time passes."""

    sequences: Mapping[str, SequenceSettings]
    boxes: dict[str, MailboxLoad]
    before: CapCounts  #: of the real last 24 h: counts for one more day
    start: datetime
    counts: CapCounts = field(init=False)
    later: list[tuple[datetime, int, DueStep]] = field(default_factory=list)
    ready: dict[Line, dict[int, DueStep]] = field(
        default_factory=dict
    )  #: steps of a line by enrollment, first due first
    line_of: dict[int, Line] = field(default_factory=dict)
    recent: deque[tuple[datetime, DueStep, str]] = field(default_factory=deque)
    opened: Counter[str] = field(default_factory=Counter)
    running: Counter[str] = field(default_factory=Counter)
    sent: defaultdict[str, list[datetime]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        self.counts = CapCounts(*(Counter(table) for table in _tables(self.before)))

    def add(self, step: DueStep) -> None:
        """Let a step wait for its due date."""
        heapq.heappush(self.later, (step.due_at, step.enrollment_id, step))

    def move_to(self, at: datetime) -> None:
        """Let time pass: steps fall due, sends leave the rolling 24 h."""
        while self.later and self.later[0][0] <= at:
            step = heapq.heappop(self.later)[2]
            line = (step.mailbox, step.sequence, step.zone, step.country)
            self.ready.setdefault(line, {})[step.enrollment_id] = step
            self.line_of[step.enrollment_id] = line
        if at >= self.start + DAY and self.before is not NOTHING:
            for table, old in zip(_tables(self.counts), _tables(self.before), strict=True):
                table.subtract(old)  # type: ignore[attr-defined]
            self.before = NOTHING
        while self.recent and self.recent[0][0] <= at - DAY:
            _, step, mailbox = self.recent.popleft()
            self._count(step, mailbox, -1)
        for name, load in self.boxes.items():
            if load.frees_at and load.frees_at[0] <= at:
                left = tuple(frees for frees in load.frees_at if frees > at)
                self.boxes[name] = replace(load, frees_at=left, sent_last_day=len(left))

    def send(self, planned: PlannedSend, at: datetime) -> None:
        """Record one send and let the next step wait."""
        sequence, load = self.sequences[planned.sequence], self.boxes[planned.mailbox]
        line = self.line_of.pop(planned.enrollment_id)
        step = self.ready[line].pop(planned.enrollment_id)
        if not self.ready[line]:
            del self.ready[line]
        self.recent.append((at, step, planned.mailbox))
        self._count(step, planned.mailbox, 1)
        self.boxes[planned.mailbox] = _sent(load, at)
        self.sent[step.sequence].append(at)
        self.opened[step.sequence] += step.step == 0
        self.running[step.sequence] += step.step == 0
        if step.step + 1 < len(sequence.step):
            delay = sequence.step[step.step + 1].delay
            due_at = add_delay(at, delay, step.zone, step.country, sequence.window)
            self.add(replace(step, step=step.step + 1, due_at=due_at, mailbox=planned.mailbox))
        else:
            self.running[step.sequence] -= 1

    def heads(self, at: datetime, depth: int) -> tuple[list[DueStep], list[datetime]]:
        """Return the first steps of every line whose window is open, first due first, and when the others open."""
        steps: list[DueStep] = []
        opens: list[datetime] = []
        for (_, name, zone, country), line in self.ready.items():
            opening = next_open(at, self.sequences[name].window, zone, country)
            if opening > at:
                opens.append(opening)
            else:
                steps += islice(line.values(), depth)
        return sorted(steps, key=lambda step: (step.due_at, step.enrollment_id)), opens

    def pilots(self, outcomes: Mapping[str, SequenceOutcome], at: datetime) -> tuple[dict[str, int], list[datetime]]:
        """Return how many more contacts each pilot may open with now, and when one can be judged."""
        left: dict[str, int] = {}
        judged: list[datetime] = []
        for name, sequence in self.sequences.items():
            if sequence.pilot is None:
                continue
            rules, before = sequence.go_no_go or GoNoGoSettings(), outcomes.get(name, SequenceOutcome())
            missing, sent = max(0, rules.after_sends - before.sends), self.sent[name]
            over = bool(sent) and before.running + self.running[name] <= 0
            decides: datetime | None = self.start
            if missing:
                decides = sent[missing - 1] if len(sent) >= missing else sent[-1] if over else None
            if decides is None or decides + rules.wait > at:
                left[name] = max(0, sequence.pilot - before.contacts - self.opened[name])
                judged += [decides + rules.wait] if decides is not None else []
        return left, judged

    def _count(self, step: DueStep, mailbox: str, by: int) -> None:
        keys = (step.recipient_domain, step.account_id, mailbox.rpartition("@")[2])
        for table, key in zip(_tables(self.counts), keys, strict=True):
            if key is not None:
                table[key] += by  # type: ignore[index]


def preview_sends(
    due: Sequence[DueStep],
    loads: Mapping[str, MailboxLoad],
    sequences: Mapping[str, SequenceSettings],
    limits: Mapping[str, LimitSettings],
    now: datetime,
    jitter: Callable[[str], float],
    *,
    caps: CapCounts | None = None,
    domain_caps: Mapping[str, SendingDomainSettings] | None = None,
    outcomes: Mapping[str, SequenceOutcome] | None = None,
) -> tuple[list[Foreseen], list[DueStep]]:
    """Return every send of these enrollments in order, and the steps that can never leave under these limits.

    `outcomes` is what sequences in their pilot have brought so far.
    """
    before = caps or CapCounts()
    world = _World(sequences, {name: _untroubled(load, now) for name, load in loads.items()}, before, now)
    head = HEAD + len(loads) * (1 if all(limit.gap for limit in limits.values()) else 64)
    for step in due:
        world.add(step)
    verdicts = {name.rpartition("@")[2]: VerdictLevel.READY for name in loads}
    found: list[Foreseen] = []
    at, last, depth = now, now, head
    while (world.later or world.ready) and at < min(now + HORIZON, last + STALE):
        world.move_to(at)
        steps, opens = world.heads(at, depth)
        pilots, judged = world.pilots(outcomes or {}, at)
        plan = plan_sends(steps, world.boxes, world.counts, sequences, limits, verdicts, at, jitter,
                          domain_caps=domain_caps, pilots=pilots)  # fmt: skip
        for send in plan.sends:
            found.append(Foreseen(at, send.enrollment_id, send.step, send.mailbox))
            world.send(send, at)
        if not plan.sends and _capped(plan) and any(len(line) > depth for line in world.ready.values()):
            depth *= 4  # all heads are capped: look further down the lines
            continue
        depth, last = head, at if plan.sends or not steps else last
        wakes = [*opens, *judged, *([plan.next_wake] if plan.next_wake else []), *(one[0] for one in world.later[:1])]
        pause = timedelta(minutes=15) if _capped(plan) else timedelta(hours=4)
        at = min(wake for wake in (*wakes, at + pause) if wake > at)
    left = [step for line in world.ready.values() for step in line.values()]
    return found, left + [step for *_, step in world.later]


def _capped(plan: SendPlan) -> bool:
    return bool(plan.waiting.get("account-cap") or plan.waiting.get("recipient-domain-cap"))


def _untroubled(load: MailboxLoad, now: datetime) -> MailboxLoad:
    """Return a load as if nothing had bounced: the preview does not foretell trouble, nor its end."""
    days = tuple((day, number, False) for day, number, _ in load.daily_history)
    unnamed = (now + DAY,) * (load.sent_last_day - len(load.frees_at))  # a load names the next slots only
    frees = (*load.frees_at, *unnamed)
    return replace(load, bounced=0, complained=0, unsubscribed=0, daily_history=days, frees_at=frees)


def _sent(load: MailboxLoad, at: datetime) -> MailboxLoad:
    history: dict[date, tuple[int, bool]] = {day: (number, bad) for day, number, bad in load.daily_history}
    number, bad = history.get(at.date(), (0, False))
    history[at.date()] = (number + 1, bad)
    days = tuple((day, *value) for day, value in sorted(history.items()))
    frees = (*load.frees_at, at + DAY)
    return replace(load, last_sent_at=at, frees_at=frees, sent_last_day=len(frees), daily_history=days)
