"""Which letters may leave now, from which mailbox, and when is it worth asking again?

Pure: facts from the ledger in, a plan out. Follow-ups come before openers, a thread keeps its mailbox, openers go to
the mailbox with the most room and take turns among sequences, from a random first one, so that mailboxes that send one
letter a pass are fair too. A pass plans only what may leave at once; pacing is the gap between passes. Within one pass
counts only grow, so a step that meets a full cap is set aside for good and the whole pass stays linear in what is due.
"""

import heapq
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from outbound.calendar import next_open, window_end
from outbound.health import assess_health
from outbound.settings import HealthSettings, LimitSettings, SendingDomainSettings, SequenceSettings
from outbound.warmup import daily_limit
from store.records import CapCounts, DueStep, MailboxLoad
from store.vocabulary import HealthBand, VerdictLevel

DAY = timedelta(hours=24)
CAP_PAUSE = timedelta(minutes=15)  # when a shared cap frees is not known; asking again is cheap


@dataclass(frozen=True, slots=True)
class PlannedSend:
    """One letter that may leave now."""

    enrollment_id: int
    step: int
    mailbox: str
    not_before: datetime
    not_after: datetime  #: the recipient's window closes here
    sequence: str
    limit: int = 0  #: the mailbox's limit of the rolling 24 h, as warm-up and health have it now
    pilot: int | None = None  #: contacts that the sequence may open with, while it is in its pilot


@dataclass(frozen=True, slots=True)
class SendPlan:
    """What leaves now, what waits and why, and when something may change."""

    sends: tuple[PlannedSend, ...]
    waiting: Mapping[str, int]  #: reason slug -> steps
    next_wake: datetime | None
    opens_at: Mapping[int, datetime] = field(default_factory=dict)  #: enrollment -> when its closed window opens


@dataclass(slots=True)
class _Box:
    """What one mailbox may still do in this pass."""

    name: str
    room: int
    openers: bool
    limit: int = 0
    why: str = ""  #: why it sends nothing, or no more
    wake_at: datetime | None = None


@dataclass(slots=True)
class _Caps:
    """Counts of the rolling 24 h, growing with what is planned."""

    counts: CapCounts
    domains: Mapping[str, SendingDomainSettings]
    added: Counter[tuple[str, object]] = field(default_factory=Counter)

    def full(self, step: DueStep, sequence: SequenceSettings) -> str:
        """Return the slug of the first full cap of the recipient's side, or an empty text."""
        checks: tuple[tuple[int | None, str, Any, Mapping[Any, int], str], ...] = (
            (sequence.per_account_per_day, "account", step.account_id, self.counts.by_account, "account-cap"),
            (
                sequence.per_recipient_domain_per_day,
                "recipient",
                step.recipient_domain,
                self.counts.by_recipient_domain,
                "recipient-domain-cap",
            ),
        )
        for cap, kind, key, counted, slug in checks:
            if cap is not None and key is not None and counted.get(key, 0) + self.added[kind, key] >= cap:
                return slug
        return ""

    def spent(self, mailbox: str) -> bool:
        """Tell whether the domain that a mailbox sends from has used up its shared cap."""
        sending = mailbox.rpartition("@")[2]
        cap = self.domains.get(sending)
        used = self.counts.by_sending_domain.get(sending, 0) + self.added["sending", sending]
        return cap is not None and used >= cap.per_day

    def add(self, step: DueStep, mailbox: str) -> None:
        """Count one planned letter."""
        self.added["account", step.account_id] += 1
        self.added["recipient", step.recipient_domain] += 1
        self.added["sending", mailbox.rpartition("@")[2]] += 1


def plan_sends(
    due: Sequence[DueStep],
    loads: Mapping[str, MailboxLoad],
    caps: CapCounts,
    sequences: Mapping[str, SequenceSettings],
    limits: Mapping[str, LimitSettings],
    verdicts: Mapping[str, VerdictLevel],
    now: datetime,
    jitter: Callable[[str], float],
    *,
    health: HealthSettings | None = None,
    domain_caps: Mapping[str, SendingDomainSettings] | None = None,
    pilots: Mapping[str, int] | None = None,
) -> SendPlan:
    """Plan one pass; `jitter` maps a key to [0, 1) and must be stable for the same key.

    `pilots` holds how many more contacts a sequence in its pilot may open with; a sequence that it lacks has no bound.
    """
    health = health or HealthSettings()
    boxes = {name: _box(load, limits[name], verdicts, health, now, jitter) for name, load in loads.items()}
    waiting: Counter[str] = Counter()
    follow_ups, openers, opens_at = _sort_due(due, sequences, boxes, waiting, now)
    limit, left = _Caps(caps, domain_caps or {}), dict(pilots or {})
    planned: list[PlannedSend] = []
    by_room = sorted(boxes.values(), key=lambda one: (-one.room, one.name))
    for box in by_room:
        _serve(box, follow_ups[box.name], sequences, limit, planned, waiting, now)
    served_by: defaultdict[str, list[str]] = defaultdict(list)
    for name in sorted(openers):
        for mailbox in sequences[name].mailboxes:
            served_by[mailbox].append(name)
    _share_openers(by_room, openers, served_by, left, sequences, limit, planned, waiting, now, jitter, loads)
    _count_left(boxes, follow_ups, openers, sequences, left, waiting)
    busy = {name for name, steps in follow_ups.items() if steps}
    busy |= {box for name, steps in openers.items() if steps for box in sequences[name].mailboxes}
    wakes = [*set(opens_at.values()), *(at for name, box in boxes.items() if name in busy and (at := box.wake_at))]
    return SendPlan(tuple(planned), dict(waiting), min((at for at in wakes if at > now), default=None), opens_at)


def _share_openers(
    boxes: Sequence[_Box],
    openers: Mapping[str, deque[DueStep]],
    served_by: Mapping[str, list[str]],
    left: dict[str, int],
    sequences: Mapping[str, SequenceSettings],
    caps: _Caps,
    planned: list[PlannedSend],
    waiting: Counter[str],
    now: datetime,
    jitter: Callable[[str], float],
    loads: Mapping[str, MailboxLoad],
) -> None:
    """Give one opener after another to the mailbox that has the most room left; there sequences take turns."""
    line = [(-box.room, box.name, box) for box in boxes if box.room > 0 and box.openers]
    heapq.heapify(line)
    own = {box.name: list(served_by.get(box.name, ())) for _, _, box in line}
    turn = {name: int(jitter(f"{name}|{loads[name].last_sent_at}|turn") * len(names)) for name, names in own.items()}
    while line:
        _, _, box = heapq.heappop(line)
        names = own[box.name]
        while names and box.room > 0:
            name = names[turn[box.name] % len(names)]
            before = len(planned)
            if openers[name] and left.get(name, 1) > 0:
                _serve(box, openers[name], sequences, caps, planned, waiting, now, left, most=1)
                turn[box.name] += 1
            if len(planned) > before:
                left.update({name: left[name] - 1} if name in left else {})
                heapq.heappush(line, (-box.room, box.name, box))
                break
            if box.room > 0:
                names.remove(name)


def _box(
    load: MailboxLoad,
    limits: LimitSettings,
    verdicts: Mapping[str, VerdictLevel],
    health: HealthSettings,
    now: datetime,
    jitter: Callable[[str], float],
) -> _Box:
    verdict = verdicts.get(load.mailbox.rpartition("@")[2], VerdictLevel.UNKNOWN)
    band = assess_health(load, health).band
    limit = daily_limit(load, limits, now.date())
    if band == HealthBand.WATCH:
        limit = max(1, limit // 2)
    box = _Box(load.mailbox, 0, openers=verdict == VerdictLevel.READY and band != HealthBand.QUARANTINE, limit=limit)
    pause = limits.gap + limits.jitter * jitter(f"{load.mailbox}|{load.last_sent_at}")
    slot = load.last_sent_at + pause if load.last_sent_at is not None else now
    if load.held:
        box.why = "mailbox-held"
    elif verdict in (VerdictLevel.BLOCKED, VerdictLevel.UNKNOWN):
        box.why = f"domain-{verdict}"
    elif band == HealthBand.BLOCKED:
        box.why = "health-blocked"
    elif load.not_before is not None and load.not_before > now:
        box.why, box.wake_at = "back-off", load.not_before
    elif load.sent_last_day >= limit:
        box.why = "daily-limit"
        freed = load.sent_last_day - limit  # so many must leave the window before there is room
        box.wake_at = load.frees_at[freed] if freed < len(load.frees_at) else now + timedelta(hours=1)
    elif slot > now:
        box.why, box.wake_at = "gap", slot
    else:
        box.room = 1 if limits.gap else limit - load.sent_last_day
        box.why, box.wake_at = "gap", now + pause if limits.gap else None
    return box


def _sort_due(
    due: Sequence[DueStep],
    sequences: Mapping[str, SequenceSettings],
    boxes: Mapping[str, _Box],
    waiting: Counter[str],
    now: datetime,
) -> tuple[defaultdict[str, deque[DueStep]], defaultdict[str, deque[DueStep]], dict[int, datetime]]:
    """Split what is due into follow-ups by mailbox and openers by sequence; closed windows wait."""
    follow_ups: defaultdict[str, deque[DueStep]] = defaultdict(deque)
    openers: defaultdict[str, deque[DueStep]] = defaultdict(deque)
    closed: dict[tuple[str, str, str], datetime | None] = {}
    opens_at: dict[int, datetime] = {}
    for step in due:
        sequence = sequences.get(step.sequence)
        if sequence is None or step.step >= len(sequence.step):
            waiting["sequence-unknown"] += 1
            continue
        if step.due_at > now:  # never before the wait between two steps is over, whoever asks
            waiting["not-due"] += 1
            continue
        place = (step.sequence, step.zone, step.country)
        if place not in closed:
            opens = next_open(now, sequence.window, step.zone, step.country)
            closed[place] = opens if opens > now else None
        if (opening := closed[place]) is not None:
            waiting["window"] += 1
            opens_at[step.enrollment_id] = opening
        elif step.mailbox:
            if step.mailbox in boxes:
                follow_ups[step.mailbox].append(step)
            else:
                waiting["mailbox-elsewhere"] += 1
        else:
            openers[step.sequence].append(step)
    return follow_ups, openers, opens_at


def _serve(
    box: _Box,
    steps: deque[DueStep],
    sequences: Mapping[str, SequenceSettings],
    caps: _Caps,
    planned: list[PlannedSend],
    waiting: Counter[str],
    now: datetime,
    pilots: Container[str] = (),
    most: int = 10**9,
) -> None:
    """Plan steps from the head of a queue while the mailbox has room; capped ones are set aside."""
    if steps and box.room > 0 and caps.spent(box.name):
        box.room, box.why, box.wake_at = 0, "sending-domain-cap", now + CAP_PAUSE
    while steps and box.room > 0 and most > 0:
        step = steps.popleft()
        sequence = sequences[step.sequence]
        if slug := caps.full(step, sequence):
            waiting[slug] += 1
            continue
        closes = window_end(now, sequence.window, step.zone, step.country)
        pilot = sequence.pilot if step.sequence in pilots else None
        planned.append(
            PlannedSend(step.enrollment_id, step.step, box.name, now, closes, step.sequence, box.limit, pilot)
        )
        caps.add(step, box.name)
        box.room = 0 if caps.spent(box.name) else box.room - 1
        most -= 1


def _count_left(
    boxes: Mapping[str, _Box],
    follow_ups: Mapping[str, deque[DueStep]],
    openers: Mapping[str, deque[DueStep]],
    sequences: Mapping[str, SequenceSettings],
    pilots: Mapping[str, int],
    waiting: Counter[str],
) -> None:
    for name, left in follow_ups.items():
        if left:
            waiting[boxes[name].why] += len(left)
    for name, left in openers.items():
        if left and pilots.get(name, 1) <= 0:
            waiting["pilot"] += len(left)
        elif left:
            own = [boxes[box] for box in sequences[name].mailboxes if box in boxes]
            reasons = [box.why if box.openers or not box.room else "no-openers" for box in own] or ["mailbox-elsewhere"]
            waiting[reasons[0]] += len(left)
