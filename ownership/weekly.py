"""How do the desks do? The figures of the weekly audit, each with its one-sentence definition."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median

from ownership.absence import is_member
from ownership.assign import TRIAGE
from ownership.settings import OwnershipSettings, TeamSettings
from store.records import Thread
from store.vocabulary import ThreadState

WEEK = timedelta(days=7)
DEFINITIONS = {
    "unassigned": "human replies that have no owner; it must be 0",
    "in_triage": "threads that wait in the triage queue because no rule placed them",
    "older_than_sla": "threads that still wait for our answer after their deadline",
    "reassigned": "changes of owner after the first assignment, in the last seven days",
    "hours_to_owner": "median hours from the first reply to its first owner, threads of the last seven days",
    "hours_to_touch": "median hours from the first reply to our first answer, threads of the last seven days",
    "former_member": "places in rules, sequences and pods that still name somebody who left",
}


@dataclass(frozen=True, slots=True)
class DeskFacts:
    """What the audit reads from the store."""

    threads: Sequence[Thread]  #: all that have an owner
    unassigned: int  #: human replies without an owner
    moved: Sequence[int]  #: the thread of each change of owner after the first, in the last seven days


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of one group."""

    figure: str
    by: str  #: all, owner or sequence
    group: str
    value: float | str | None
    definition: str


def weekly_audit(
    facts: DeskFacts,
    settings: OwnershipSettings,
    team: TeamSettings,
    sequences: Mapping[str, tuple[str, str]],
    now: datetime,
) -> list[Figure]:
    """Return the figures for all, per owner and per sequence; `sequences` maps a name to (owner, backup)."""
    figures = [_figure("unassigned", "all", "", facts.unassigned)]
    groups: dict[tuple[str, str], list[Thread]] = defaultdict(list)
    for thread in facts.threads:
        for key in (("all", ""), ("owner", thread.owner), ("sequence", thread.sequence or "(none)")):
            groups[key].append(thread)
    for (by, group), threads in sorted(groups.items() or [(("all", ""), [])]):
        figures += [_figure(name, by, group, value) for name, value in _measures(threads, facts.moved, now)]
    for place, person in former_members(settings, team, sequences, now):
        figures.append(_figure("former_member", "place", place, person))
    return figures


def _figure(name: str, by: str, group: str, value: float | str | None) -> Figure:
    return Figure(name, by, group, value, DEFINITIONS[name])


def _measures(threads: Sequence[Thread], moved: Sequence[int], now: datetime) -> Iterator[tuple[str, float | None]]:
    waiting = [one for one in threads if one.state in (ThreadState.OPEN, ThreadState.REVIEW)]
    ids = {one.id for one in threads}
    recent = [one for one in threads if one.first_reply_at and now - one.first_reply_at <= WEEK]
    yield "in_triage", sum(one.rule == TRIAGE for one in waiting)
    yield "older_than_sla", sum(one.sla_due_at is not None and one.sla_due_at < now for one in waiting)
    yield "reassigned", sum(one in ids for one in moved)
    yield "hours_to_owner", _median([(one.first_reply_at, one.assigned_at) for one in recent])
    yield "hours_to_touch", _median([(one.first_reply_at, one.touched_at) for one in recent])


def _median(spans: Sequence[tuple[datetime | None, datetime | None]]) -> float | None:
    hours = [(end - start).total_seconds() / 3600 for start, end in spans if start and end]
    return round(median(hours), 2) if hours else None


def former_members(
    settings: OwnershipSettings, team: TeamSettings, sequences: Mapping[str, tuple[str, str]], now: datetime
) -> Iterator[tuple[str, str]]:
    """Yield (place in the configuration, address) for everything that still names somebody who left."""
    named: list[tuple[str, str]] = []
    for number, rule in enumerate(settings.rule):
        named.append((f"ownership.rule[{number}] ({rule.name})", rule.to))
    named += [(f'ownership.named_accounts."{key}"', one) for key, one in settings.named_accounts.items()]
    named += [(f'ownership.sources."{key}"', one) for key, one in settings.sources.items()]
    named += [(f"sequence {name}, owner", owner) for name, (owner, _) in sequences.items()]
    named += [(f"sequence {name}, backup", backup) for name, (_, backup) in sequences.items()]
    named += [(f"pod {pod.name}", one) for pod in team.pod for one in pod.members]
    named += [(f"backup of {one.email}", one.backup) for one in team.person if is_member(team, one.email, now)]
    yield from ((place, one) for place, one in named if "@" in one and not is_member(team, one, now))


def render_weekly(figures: Sequence[Figure], team: TeamSettings, now: datetime) -> str:
    """Return the audit as the plain text of a mail."""
    lines = [f"The desks in the week to {now:%d %b %Y}", ""]
    for by, head in (("all", "All"), ("owner", "By owner"), ("sequence", "By sequence")):
        groups = list(dict.fromkeys(one.group for one in figures if one.by == by))
        lines += [head] if groups else []
        for group in groups:
            person = team.find(group) if by == "owner" else None
            mine = [one for one in figures if (one.by, one.group) == (by, group)]
            said = ", ".join(
                f"{one.figure.replace('_', ' ')} {'-' if one.value is None else one.value}" for one in mine
            )
            lines.append(f"  {(person.title if person else group) + ': ' if group else ''}{said}")
        lines += [""] if groups else []
    former = [one for one in figures if one.figure == "former_member"]
    lines += ["Still naming somebody who left" if former else "No rule or sequence names anybody who left"]
    lines += [f"  {one.group}: {one.value}" for one in former]
    lines += ["", *(f"{name.replace('_', ' ')}: {text}." for name, text in DEFINITIONS.items())]
    return "\n".join(lines) + "\n"
