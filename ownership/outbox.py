"""How are decisions recorded and people told? SHELL: writes decision, owner and outbox in the event's transaction."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from ownership.assign import Assignment
from ownership.escalate import WAITING
from ownership.facts import RoutingFacts, facts_to_json, rulebook_to_json
from ownership.quiet import deliver_at, next_digest
from ownership.rules import rule_named
from ownership.settings import OwnershipSettings, TeamSettings
from ownership.sla import deadline, response_time
from store import audit, decisions, notices, threads
from store.records import Thread
from store.vocabulary import EventName, Label

NOT_FOR_HOOKS = ("html", "answer_as")
_BOOKS: dict[tuple[int, int], tuple[OwnershipSettings, TeamSettings, str, dict[str, Any]]] = {}  # last version used


def record_decision(
    connection: Connection,
    thread: Thread,
    made: Assignment,
    facts: RoutingFacts,
    settings: OwnershipSettings,
    team: TeamSettings,
    now: datetime,
    actor: str = "postroom",
) -> None:
    """Store a decision with its facts and rules, and the thread's owner where it moves the thread."""
    tried = [{"rule": one.rule, "matched": one.matched, "detail": one.detail} for one in made.tried]
    book, kept = _rulebook(connection, settings, team, now), facts_to_json(facts)
    message_id = facts.reply.message_id or None
    if made.moves_thread:
        threads.assign(
            connection, thread.id, owner=made.owner, acting=made.acting, rule=made.rule, reason=made.reason,
            tried=tried, facts=kept, actor=actor, now=now, message_id=message_id,
            pinned=made.pinned or (thread.pinned and made.owner == thread.owner), rulebook=book,
        )  # fmt: skip
        return
    new = decisions.NewDecision(
        thread.id, made.owner, made.acting, made.rule, made.reason, tried, kept, message_id, book, moves_thread=False
    )
    decisions.record(connection, new, now)
    detail: dict[str, Any] = {"owner": made.owner, "acting": made.acting, "rule": made.rule, "message": message_id}
    detail["matched"] = [one.rule for one in made.tried if one.matched]
    audit.append(connection, now, actor, "message.owned", f"thread:{thread.id}", detail, {"reason": made.reason})


def _rulebook(connection: Connection, settings: OwnershipSettings, team: TeamSettings, now: datetime) -> str:
    key = (id(settings), id(team))
    if key not in _BOOKS:
        body = rulebook_to_json(settings, team)
        _BOOKS.clear()
        _BOOKS[key] = (settings, team, decisions.hash_rulebook(body), body)  # kept alive: ids stay their own
    _, _, sha256, body = _BOOKS[key]
    decisions.save_rulebook(connection, sha256, body, now)
    return sha256


def count_again(
    connection: Connection, thread: Thread, acting: str, settings: OwnershipSettings, team: TeamSettings
) -> None:
    """Count the deadline in the working time of who acts now, unless it was missed already."""
    person = team.find(acting)
    if thread.state not in WAITING or thread.sla_due_at is None or thread.escalation > 1 or person is None:
        return
    rule = rule_named(settings, team, thread.rule)
    level = response_time(thread.label or Label.OTHER, settings.sla, rule.respond_in if rule else None)
    if thread.last_reply_at is not None:
        threads.change(connection, thread.id, sla_due_at=deadline(thread.last_reply_at, level, person), escalation=0)


def tell(
    connection: Connection,
    settings: OwnershipSettings,
    team: TeamSettings,
    event: EventName,
    key: str,
    people: Sequence[str],
    payload: Mapping[str, Any],
    now: datetime,
    *,
    digest: bool = False,
    link_for: str = "",
) -> None:
    """Queue one notice a person by mail and one a webhook, each once for this event.

    `digest`: the mail may wait for the next digest, where the team wants digests. `link_for`: this person's mail gets a
    signed link to accept or reject; the mail's sender makes it, so that it stands in no table and no webhook.
    """
    for person in dict.fromkeys(one for one in people if one):
        payload = {**payload, "answer_as": person if person == link_for else ""}
        if digest and settings.notify.digest:
            at = next_digest(person, settings.notify.digest, team, now)
            notices.enqueue(connection, event, key, "digest", person, payload, now, not_before=at)
        else:
            at = deliver_at(person, settings.notify, team, now)
            notices.enqueue(connection, event, key, "mail", person, payload, now, not_before=at)
    public = {name: value for name, value in payload.items() if name not in NOT_FOR_HOOKS}
    for hook in settings.webhook:
        if not hook.events or event in hook.events:
            notices.enqueue(connection, event, key, f"webhook-{hook.kind}", hook.url, public, now)
