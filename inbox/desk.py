"""Whose desk does a filed reply land on? SHELL: reads the facts, asks `ownership`, writes owner, task and notices.

Runs inside the transaction of filing, so two arrivals at once cannot both be the first of a thread.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from inbox.judgement import FilingPolicy, Judgement
from inbox.threads import ThreadMatch
from inbox.triage import Actions
from ownership.assign import Assignment, assign_owner
from ownership.handover import Handover, next_step, render_payload
from ownership.rules import RoutingFacts
from ownership.sla import deadline, response_time
from store import audit, contacts, notices, sends, threads
from store.records import Account, Contact, Reply, Thread
from store.vocabulary import EventName, Label, ThreadState


def give_owner(
    connection: Connection,
    found: Judgement,
    match: ThreadMatch,
    thread: Thread,
    actions: Actions,
    policy: FilingPolicy,
    now: datetime,
) -> Assignment:
    contact = contacts.contact(connection, thread.contact_id) if thread.contact_id else None
    contact = _with_earlier_owner(connection, contact, thread)
    reply = _reply(found, match, thread)
    facts = _facts(connection, reply, contact, thread, policy)
    made = assign_owner(facts, policy.ownership, policy.team, found.received_at)
    if made.moves_thread or not thread.owner:
        threads.assign(
            connection,
            thread.id,
            owner=made.owner,
            acting=made.acting,
            rule=made.rule,
            reason=made.reason,
            tried=[{"rule": one.rule, "matched": one.matched, "detail": one.detail} for one in made.tried],
            facts={"message": found.id, "account": facts.account.id if facts.account else None},
            actor="postroom",
            now=now,
            message_id=found.id,
            pinned=made.pinned or thread.pinned,
        )
        if made.pod and not thread.owner:
            threads.take_turn(connection, made.pod, made.owner)
    else:
        detail = {"owner": made.owner, "rule": made.rule, "message": found.id}
        audit.append(
            connection, now, "postroom", "message.owned", f"thread:{thread.id}", detail, {"reason": made.reason}
        )
    due_at = _write_thread(connection, found, thread, actions, made, policy)
    if found.announce:
        sent = tuple(reversed(sends.find_sent(connection, contact_id=[contact.id]))) if contact else ()
        step = next_step(reply, task=actions.task)
        package = Handover(thread.id, contact, facts.account, reply, sent, made, found.why, step, due_at)
        payload = render_payload(package, policy.team)
        people = [made.acting, *made.also_tell]
        if actions.alert:
            people.append(policy.team.desk("escalation"))
        event = EventName.THREAD_ASSIGNED
        tell(connection, policy, event, f"{event}:{found.id}", list(dict.fromkeys(people)), payload, now)
    return made


def _with_earlier_owner(connection: Connection, contact: Contact | None, thread: Thread) -> Contact | None:
    if contact is None or contact.earlier_owner:
        return contact
    earlier = [
        one.owner for one in threads.find(connection, contact_id=contact.id) if one.id != thread.id and one.owner
    ]
    return replace(contact, earlier_owner=earlier[0]) if earlier else contact


def _reply(found: Judgement, match: ThreadMatch, thread: Thread) -> Reply:
    return Reply(
        message_id=found.id,
        from_address=found.from_address,
        to_addresses=found.to_addresses,
        subject=found.subject,
        text=found.text,
        label=found.label,
        tags=found.tags,
        confidence=found.confidence,
        decided_by=found.decided_by,
        received_at=found.received_at,
        language=found.language,
        mailbox=found.mailbox,
        sequence=match.sent.sequence if match.sent else thread.sequence,
        held=found.held,
    )


def _facts(
    connection: Connection, reply: Reply, contact: Contact | None, thread: Thread, policy: FilingPolicy
) -> RoutingFacts:
    account, in_doubt = recognise_account(connection, reply, contact, policy.shared_domains)
    sequence = policy.sequences.get(reply.sequence)
    return RoutingFacts(
        thread=thread,
        reply=reply,
        contact=contact,
        account=account,
        parents=_parents(connection, account),
        account_in_doubt=in_doubt,
        sequence_owner=sequence.owner if sequence else "",
        sequence_backup=sequence.backup if sequence else "",
        sequence_segment=sequence.segment if sequence else "",
        open_counts=threads.open_counts(connection),
        rotations=threads.rotations(connection),
    )


def recognise_account(
    connection: Connection, reply: Reply, contact: Contact | None, shared_domains: frozenset[str]
) -> tuple[Account | None, bool]:
    """Return (account, in doubt): by the contact's link, then company domain, then company name."""
    if contact is not None and contact.account_id is not None:
        return contacts.account(connection, contact.account_id), False
    domain = reply.from_address.rpartition("@")[2]
    found = [] if domain in shared_domains else contacts.accounts_by_domain(connection, domain)
    found = [one for one in found if len(one.domain) == len(found[0].domain)]
    company = contact.fields.get("company", "") if contact else ""
    if not found and company:
        found = contacts.accounts_where(connection, name=company)
    if len(found) < 2:
        return (found[0] if found else None), False
    recent = sorted(found, key=lambda one: one.active_at.timestamp() if one.active_at else 0.0, reverse=True)
    if recent[0].active_at == recent[1].active_at and recent[0].owner != recent[1].owner:
        return None, True
    return recent[0], False


def _parents(connection: Connection, account: Account | None) -> tuple[Account, ...]:
    chain: list[Account] = []
    while account is not None and account.parent_id is not None and len(chain) < 10:
        account = contacts.account(connection, account.parent_id)
        if account is None or account in chain:
            break
        chain.append(account)
    return tuple(chain)


def _write_thread(
    connection: Connection,
    found: Judgement,
    thread: Thread,
    actions: Actions,
    made: Assignment,
    policy: FilingPolicy,
) -> datetime | None:
    values: dict[str, Any] = {"label": found.label, "tags": found.tags, "last_reply_at": found.received_at}
    legal = made.rule == "legal threat"
    due_at = None
    if actions.task or legal or (actions.review and not thread.task_open):
        person = policy.team.find(made.acting)
        if person is not None:
            due_at = deadline(found.received_at, response_time(found.label, policy.ownership.sla), person)
    if actions.task or legal:
        values |= {"state": ThreadState.OPEN, "task_open": True}
        values |= (
            {"sla_due_at": thread.sla_due_at or due_at} if thread.task_open else {"sla_due_at": due_at, "escalation": 0}
        )
    elif found.label in (Label.UNSUBSCRIBE, Label.NOT_INTERESTED) and not actions.review:
        values |= {"state": ThreadState.CLOSED, "task_open": False, "sla_due_at": None}
    elif actions.review and not thread.task_open:
        values |= {"state": ThreadState.REVIEW, "sla_due_at": due_at}
    threads.change(connection, thread.id, **values)
    return due_at


def tell(
    connection: Connection,
    policy: FilingPolicy,
    event: EventName,
    key: str,
    people: Sequence[str],
    payload: Mapping[str, Any],
    now: datetime,
) -> None:
    """Queue one notice a person by mail and one a webhook, each once for this event."""
    for person in people:
        notices.enqueue(connection, event, key, "mail", person, payload, now)
    for hook in policy.ownership.webhook:
        if not hook.events or event in hook.events:
            notices.enqueue(connection, event, key, f"webhook-{hook.kind}", hook.url, payload, now)
