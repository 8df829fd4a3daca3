"""Commands about whose a thread is: explain, done, move, handover, absence, audit weekly."""

from datetime import UTC, date, datetime
from typing import Annotated, Any

import typer

from inbox.campaigns import end_campaigns
from ownership import outbox, passing_desk
from ownership.absence import acting_for, is_member
from ownership.duties import read_desks
from ownership.passing_desk import PassingPolicy, Wish
from ownership.reason import title
from ownership.replay import replay
from ownership.weekly import weekly_audit
from postroom import output
from postroom.cli import ConfigOption, JsonOption, app
from postroom.commands_data import PersonOption, audit_app
from postroom.config import find_config
from postroom.opened import Opened, open_all
from postroom.wiring import sequence_people
from store import absences, decisions, handovers, messages, notices, threads
from store.errors import PermanentError
from store.records import Thread
from store.vocabulary import AccountStage, EventName, RejectionReason

handover_app = typer.Typer(no_args_is_help=True, help="Pass a lead to the next colleague.")
absence_app = typer.Typer(no_args_is_help=True, help="Who is away when.")
app.add_typer(handover_app, name="handover")
app.add_typer(absence_app, name="absence")
STEP_KEYS = ("rule", "matched", "detail")
DAY = "%Y-%m-%d"


def _now() -> datetime:
    return datetime.now(UTC)


@app.command()
def explain(
    thread: int,
    message: Annotated[
        int | None, typer.Option(help="the decision about this message; default: the one that gave the owner")
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Decide again from the stored facts: every rule tried, then the decision; exit 1 when it comes out otherwise."""
    opened = open_all(find_config(config))
    rows = opened.store.read_now(explain_rows, thread, message)
    output.print_rows(rows, as_json=as_json, columns=(*STEP_KEYS, "replay"))
    if rows[-1]["differs"]:
        raise typer.Exit(1)


def explain_rows(connection: Any, thread: int, message: int | None = None) -> list[dict[str, Any]]:
    """Return the rules tried for a decision, then the decision with the outcome of its replay."""
    found = decisions.decisions(connection, thread)
    if message is not None:
        found = [row for row in found if row["message_id"] == message]
    elif (now := threads.thread(connection, thread)) is not None:
        found = [row for row in found if row["moves_thread"] and row["reason"] == now.reason] or found
    if not found:
        raise PermanentError(f"thread {thread} does not exist or has no owner yet; `postroom threads` lists them")
    last = found[-1]
    book = decisions.rulebook(connection, last["rulebook"]) if last["rulebook"] else None
    differs: tuple[str, ...] = ()
    said = "a person or the calendar decided, no rule" if last["tried"] else "erased with the contact"
    if book is not None and last["facts"]:
        row = messages.message(connection, last["message_id"]) if last["message_id"] else {}
        again = replay(last, book, row.get("body_text", ""), row.get("subject", ""), last["decided_at"])
        differs = again.differences
        said = f"differs now in {', '.join(differs)}" if differs else "the same again from the stored facts"
    steps = [{key: step[key] for key in STEP_KEYS} for step in last["tried"]]
    decision = {"rule": last["rule"], "matched": True, "detail": last["reason"], "replay": said, "differs": differs}
    decision |= {"owner": last["owner"], "acting": last["acting"], "at": last["at"], "message": last["message_id"],
                 "of": "thread" if last["moves_thread"] else "message"}  # fmt: skip
    return [*steps, decision]


@app.command()
def done(thread: int, config: ConfigOption = None, person: PersonOption = "operator") -> None:
    """Mark a thread as answered: its clock ends."""
    opened, now = open_all(find_config(config)), _now()

    def unit(connection: Any) -> None:
        _thread(connection, thread)
        threads.answered(connection, thread, now, actor=person, detail={"by": "command"})

    opened.store.write_now(unit)


@app.command()
def move(
    thread: int,
    to: str,
    because: Annotated[str, typer.Option(help="why, for the audit log")],
    config: ConfigOption = None,
    person: PersonOption = "operator",
) -> None:
    """Give a thread another owner: a manager's decision, recorded and fixed."""
    opened, now = open_all(find_config(config)), _now()
    team = opened.config.team
    taker = team.find(to)
    if taker is None or not is_member(team, to, now):
        raise PermanentError(f"{to} is no present member of the team")

    def unit(connection: Any) -> None:
        threads.lock_desks(connection)
        old = _thread(connection, thread)
        away = team.with_absences(absences.all_spans(connection))
        acting = acting_for(away, taker.email, now)
        reason = f"This goes to {taker.title} because {title(team, person)} moved it: {because.rstrip('.')}."
        tried = [{"rule": "manager's decision", "matched": True, "detail": because}]
        threads.assign(connection, thread, owner=taker.email, acting=acting, rule="manager's decision", reason=reason,
                       tried=tried, facts={}, actor=person, now=now, pinned=True)  # fmt: skip
        if acting != old.acting:
            outbox.count_again(connection, old, acting, opened.config.ownership, away)
        payload = {
            "subject": f"[yours now] {old.subject or f'thread {thread}'}",
            "text": f"{reason}\n",
            "thread": thread,
        }
        event = EventName.THREAD_REASSIGNED
        key = f"{event}:{thread}:{now.isoformat()}"
        outbox.tell(connection, opened.config.ownership, away, event, key, [acting, old.owner], payload, now)

    opened.store.write_now(unit)


def _thread(connection: Any, thread: int) -> Thread:
    found = threads.thread(connection, thread)
    if found is None:
        raise PermanentError(f"thread {thread} does not exist; `postroom threads` lists threads")
    return found


def passing_policy(connection: Any, opened: Opened) -> PassingPolicy:
    """Return what passing a lead needs, with today's absences."""
    team = opened.config.team.with_absences(absences.all_spans(connection))
    return PassingPolicy(opened.config.ownership, team, end_campaigns)


@handover_app.command(name="offer")
def offer(
    thread: int,
    to: str,
    notes: Annotated[str, typer.Option(help="what a colleague must know")] = "",
    next_step: Annotated[str, typer.Option("--next", help="the next step")] = "",
    next_on: Annotated[datetime | None, typer.Option("--on", formats=[DAY], help="the day of the next step")] = None,
    stage: Annotated[AccountStage | None, typer.Option(help="stage of the account once accepted")] = None,
    config: ConfigOption = None,
    person: PersonOption = "operator",
) -> None:
    """Offer a lead to a colleague with the full package; you own it until they accept."""
    opened = open_all(find_config(config))
    wish = Wish(to, notes, next_step, next_on.date() if next_on else None, stage or "")

    def unit(connection: Any) -> Any:
        return passing_desk.offer(
            connection, thread, wish, passing_policy(connection, opened), actor=person, now=_now()
        )

    made = opened.store.write_now(unit)
    output.console.print(f"offered to {made.taker}; to be answered by {made.answer_by:%d %b %Y %H:%M} UTC")


@handover_app.command(name="accept")
def accept(thread: int, person: PersonOption, config: ConfigOption = None) -> None:
    """Accept an offered lead, or confirm that an assigned one is yours."""
    opened = open_all(find_config(config))

    def unit(connection: Any) -> str:
        return passing_desk.accept(connection, thread, passing_policy(connection, opened), actor=person, now=_now())

    output.console.print(f"{opened.store.write_now(unit)} owns thread {thread}")


@handover_app.command(name="reject")
def reject(
    thread: int,
    person: PersonOption,
    reason: Annotated[RejectionReason, typer.Option(help="why it is not taken")],
    note: Annotated[str, typer.Option(help="in your words")] = "",
    duplicate_of: Annotated[int | None, typer.Option("--of", help="the thread it duplicates")] = None,
    config: ConfigOption = None,
) -> None:
    """Do not take a lead, for a coded reason that decides what happens to it."""
    opened = open_all(find_config(config))

    def unit(connection: Any) -> str:
        policy = passing_policy(connection, opened)
        return passing_desk.reject(
            connection, thread, reason, policy, note=note, duplicate_of=duplicate_of, actor=person, now=_now()
        )

    output.console.print(opened.store.write_now(unit), markup=False)


@handover_app.command(name="decide")
def decide(
    thread: int,
    to: str,
    because: Annotated[str, typer.Option(help="why, for the audit log")],
    config: ConfigOption = None,
    person: PersonOption = "operator",
) -> None:
    """Decide a disputed or rejected lead: who owns it from now on."""
    opened = open_all(find_config(config))

    def unit(connection: Any) -> None:
        policy = passing_policy(connection, opened)
        passing_desk.decide(connection, thread, to, policy, because=because, actor=person, now=_now())

    opened.store.write_now(unit)


@handover_app.command(name="show")
def show_handover(thread: int, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show the newest handover of a thread, as its mail and its webhook say it."""
    opened = open_all(find_config(config))
    events = (EventName.THREAD_ASSIGNED, EventName.THREAD_REASSIGNED, EventName.HANDOVER_OFFERED)
    found = opened.store.read_now(notices.of_thread, thread, events)
    if not found:
        raise PermanentError(f"thread {thread} has no handover; `postroom threads` lists threads")
    said = {name: value for name, value in found[0]["payload"].items() if name not in ("html", "answer_as")}
    if as_json:
        output.print_rows([said], as_json=True, columns=())
    else:
        output.console.print(f"{said['subject']}\n\n{said['text']}", markup=False, highlight=False, soft_wrap=True)


@handover_app.command(name="list")
def list_handovers(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List every offer and what came of it."""
    opened = open_all(find_config(config))
    names = ("id", "thread_id", "giver", "taker", "state", "reason", "offered_at", "answer_by", "answered_at", "note")
    rows = [{name: getattr(one, name) for name in names} for one in opened.store.read_now(handovers.find)]
    output.print_rows(rows, as_json=as_json, columns=names)


@absence_app.command(name="add")
def absence_add(
    who: str,
    first: Annotated[datetime, typer.Argument(formats=[DAY])],
    last: Annotated[datetime, typer.Argument(formats=[DAY])],
    config: ConfigOption = None,
    person: PersonOption = "operator",
) -> None:
    """Note days on which somebody is away, both ends included: the backup acts meanwhile."""
    opened = open_all(find_config(config))
    member = opened.config.team.find(who)
    if member is None:
        raise PermanentError(f"{who} is no member of the team")
    if last < first:
        raise PermanentError("an absence ends before it starts")
    days = (first.date(), last.date())
    opened.store.write_now(absences.add, member.email, *days, actor=person, now=_now())


@absence_app.command(name="list")
def absence_list(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List days away from now on, from configuration, calendars and commands."""
    opened = open_all(find_config(config))
    team = opened.config.team.with_absences(opened.store.read_now(absences.all_spans))
    rows = [{"person": one.email, "first": span.first, "last": span.last, "backup": one.backup}
            for one in team.person for span in one.absences if span.last >= _today()]  # fmt: skip
    output.print_rows(rows, as_json=as_json, columns=("person", "first", "last", "backup"))


def _today() -> date:
    return _now().date()


@audit_app.command(name="weekly")
def audit_weekly(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show how the desks do: unassigned, overdue, reassigned, time to owner and touch, who left; exit 1 on any debt."""
    opened, now = open_all(find_config(config)), _now()
    config_now = opened.config
    facts = opened.store.read_now(read_desks, now)
    figures = weekly_audit(facts, config_now.ownership, config_now.team, sequence_people(config_now), now)
    names = ("figure", "by", "group", "value", "definition")
    output.print_rows([{name: getattr(one, name) for name in names} for one in figures], as_json=as_json, columns=names)
    debts = ("unassigned", "older_than_sla", "former_member")
    if any(one.value for one in figures if one.figure in debts and one.by in ("all", "place")):
        raise typer.Exit(1)
