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
from ownership import outbox
from ownership.absence import acting_for, present_desk
from ownership.assign import ABUSE, LEGAL, STOP, TRIAGE, Assignment, assign_owner
from ownership.facts import RoutingFacts
from ownership.handover import Handover, next_step, render_payload
from ownership.settings import PersonSettings
from ownership.sla import deadline, response_time
from store import absences, contacts, messages, sends, suppression, threads
from store.records import Account, Contact, Reply, Thread
from store.vocabulary import EventName, Label, StopEvent, ThreadState


def give_owner(
    connection: Connection,
    found: Judgement,
    match: ThreadMatch,
    thread: Thread,
    actions: Actions,
    policy: FilingPolicy,
    now: datetime,
) -> Assignment:
    """Decide, record and tell whose reply this is."""
    contact = contacts.contact(connection, thread.contact_id) if thread.contact_id else None
    reply = _reply(found, match, thread, doubtful=actions.event == StopEvent.HOLD)
    facts = gather_facts(connection, reply, contact, thread, policy)
    made = assign_owner(facts, policy.ownership, policy.team, now)
    outbox.record_decision(connection, thread, made, facts, policy.ownership, policy.team, now)
    if made.moves_thread and made.pod and not thread.owner:
        threads.take_turn(connection, made.pod, made.owner)
    person = policy.team.with_absences(facts.absences).find(made.acting)
    due_at = _write_thread(connection, found, thread, actions, made, policy, person)
    if found.announce:
        _announce(connection, found, thread, reply, facts, made, due_at, actions, policy, now)
    return made


def _reply(found: Judgement, match: ThreadMatch, thread: Thread, *, doubtful: bool) -> Reply:
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
        held=doubtful,
    )


def gather_facts(
    connection: Connection, reply: Reply, contact: Contact | None, thread: Thread, policy: FilingPolicy
) -> RoutingFacts:
    """Read everything that the routing of a reply asks."""
    contact = _with_earlier_owner(connection, contact, thread)
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
        absences=absences.all_spans(connection),
    )


def _with_earlier_owner(connection: Connection, contact: Contact | None, thread: Thread) -> Contact | None:
    """Fill in who had the newest earlier thread; one that only said stop, or threatened, tells nothing about sales."""
    if contact is None or contact.earlier_owner:
        return contact
    others = [one for one in threads.find(connection, contact_id=contact.id) if one.id != thread.id and one.owner]
    earlier = [one.owner for one in others if one.rule not in (STOP, LEGAL)]
    return replace(contact, earlier_owner=earlier[0]) if earlier else contact


def recognise_account(
    connection: Connection, reply: Reply, contact: Contact | None, shared_domains: frozenset[str]
) -> tuple[Account | None, bool]:
    """Return (account, in doubt): by the contact's link, then company domain, then company name.

    Of several records the one with an open opportunity counts, then the one whose owner was active more recently.
    """
    if contact is not None and contact.account_id is not None:
        linked = contacts.account(connection, contact.account_id)
        if linked is not None:
            return linked, False
    found: list[Account] = []
    for address in (contact.email if contact else "", reply.from_address):
        domain = address.rpartition("@")[2]
        if not found and domain and domain not in shared_domains:
            found = contacts.accounts_by_domain(connection, domain)
    found = [one for one in found if len(one.domain) == len(found[0].domain)]
    company = contact.fields.get("company", "") if contact else ""
    if not found and company:
        found = contacts.accounts_where(connection, name=company)
    if len(found) < 2:
        return (found[0] if found else None), False
    ranked = sorted(found, key=_recency, reverse=True)
    first, second = ranked[:2]
    tie = _recency(first) == _recency(second) and _owner_of(first) != _owner_of(second)
    return (None, True) if tie else (first, False)


def _owner_of(account: Account) -> str:
    return (account.opportunity_owner if account.stage == "opportunity" else "") or account.owner


def _recency(account: Account) -> tuple[bool, bool, float]:
    active = account.active_at.timestamp() if account.active_at else 0.0
    return bool(_owner_of(account)), account.stage == "opportunity", active


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
    person: PersonSettings | None,
) -> datetime | None:
    """Open, close or mark the thread's one task; returns the deadline of what waits now."""
    values: dict[str, Any] = {"label": found.label, "tags": found.tags, "last_reply_at": found.received_at}
    values["first_reply_at"] = thread.first_reply_at or found.received_at
    task = actions.task or made.rule == LEGAL
    due_at = None
    if task or actions.review or made.rule == ABUSE:
        level = response_time(found.label, policy.ownership.sla, made.respond_in)
        due_at = deadline(found.received_at, level, person) if person else found.received_at + level
        waits = thread.state in (ThreadState.OPEN, ThreadState.REVIEW) and thread.sla_due_at is not None
        if waits and thread.sla_due_at is not None:
            due_at = min(thread.sla_due_at, due_at)
        open_task = task or thread.task_open
        values |= {"state": ThreadState.OPEN if open_task else ThreadState.REVIEW, "task_open": open_task,
                   "sla_due_at": due_at, "escalation": thread.escalation if waits else 0}  # fmt: skip
    elif found.label in (Label.UNSUBSCRIBE, Label.NOT_INTERESTED):
        values |= {"state": ThreadState.CLOSED, "task_open": False, "sla_due_at": None}
    threads.change(connection, thread.id, **values)
    return due_at


def _announce(
    connection: Connection,
    found: Judgement,
    thread: Thread,
    reply: Reply,
    facts: RoutingFacts,
    made: Assignment,
    due_at: datetime | None,
    actions: Actions,
    policy: FilingPolicy,
    now: datetime,
) -> None:
    contact = facts.contact
    sent = tuple(reversed(sends.find_sent(connection, contact_id=[contact.id]))) if contact else ()
    hashes = suppression.covering_hashes(policy.secret, reply.from_address, contact.account_id if contact else None)
    entry = suppression.find_covering(connection, hashes, now)
    step = next_step(reply, task=actions.task, suppressed=entry is not None)
    said = [row for row in messages.messages_of_thread(connection, thread.id) if row["id"] != found.id and row["label"]]
    earlier = tuple((row["internal_at"], row["from_address"], row["body_text"]) for row in said)
    package = Handover(thread.id, contact, facts.account, reply, sent, made, found.why, step, due_at, earlier)
    people = [made.acting, *made.also_tell]
    if actions.alert:
        people.append(_acting_desk(policy, facts, "escalation", now))
    moved = made.moves_thread and thread.owner and made.owner != thread.owner
    event = EventName.THREAD_REASSIGNED if moved else EventName.THREAD_ASSIGNED
    calm = made.rule == TRIAGE and not actions.task and not actions.alert
    payload = render_payload(package, policy.team)
    key, link_for = f"{event}:{found.id}", made.acting if made.moves_thread else ""
    outbox.tell(
        connection, policy.ownership, policy.team, event, key, people, payload, now, digest=calm, link_for=link_for
    )


def _acting_desk(policy: FilingPolicy, facts: RoutingFacts, queue: str, now: datetime) -> str:
    team = policy.team.with_absences(facts.absences)
    return acting_for(team, present_desk(team, queue, now), now)


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
    outbox.tell(connection, policy.ownership, policy.team, event, key, people, payload, now)
