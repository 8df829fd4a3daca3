"""What does one judged arrival change, all of it in one transaction?

SHELL: the unit of work between a judgement (made outside the database) and everything that follows from it: the
thread, its owner, the enrollments, suppressions, notices and audit entries. Filing the same message again changes
nothing. Owner and turns are decided inside the transaction, so two arrivals at once cannot both be the first.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from inbox.company_words import speaks_for_company
from inbox.desk import give_owner, tell
from inbox.domain_reports import file_report
from inbox.judgement import FilingPolicy, Judgement
from inbox.threads import NO_MATCH, ThreadMatch, bare_address, company_domains, full_name, match_reply
from inbox.triage import Actions, decide_actions
from outbound.results import Results
from outbound.stop import LIVE, TABLE, apply_event
from ownership.absence import acting_for, present_desk
from ownership.assign import Assignment
from store import absences, contacts, enrollments, messages, sends, suppression, threads
from store.records import Enrollment, SentMessage, Thread
from store.vocabulary import EventName, Label, StopEvent, SuppressionKind, SuppressionReason

MACHINE = "postroom"
NAMES_IT = ("message-id", "learnt-id", "token")  # such an answer proves that the letter left


@dataclass(frozen=True, slots=True)
class Filed:
    """What filing made of a message, for the log and the demo."""

    thread_id: int | None = None
    assignment: Assignment | None = None
    match: ThreadMatch = NO_MATCH
    actions: Actions | None = None


def find_match(connection: Connection, found: Judgement, policy: FilingPolicy) -> ThreadMatch:
    """Look up the sends a message may answer and choose one."""
    writer = found.from_address
    addresses = {writer, bare_address(writer), *found.failed_recipients} - {""}
    by_address = sends.find_sent(connection, recipient=sorted(addresses))
    company: Sequence[SentMessage] = ()
    person: Sequence[SentMessage] = ()
    if not by_address and found.label != Label.BOUNCE:
        domains = [one for one in company_domains(writer) if one not in policy.shared_domains]
        company = sends.find_sent(connection, recipient_domain=domains) if domains else ()
        first, last = full_name(found.from_name)
        named = contacts.contacts_called(connection, first, last) if last else []
        person = sends.find_sent(connection, contact_id=[one.id for one in named]) if named else ()
    return match_reply(
        ids=found.ids,
        from_address=found.from_address,
        subject=found.subject,
        by_id=sends.find_sent(connection, message_id=found.ids) if found.ids else (),
        by_token=sends.find_sent(connection, token=found.tokens) if found.tokens else (),
        by_address=by_address,
        by_person=person,
        by_company=company,
    )


def file_message(connection: Connection, found: Judgement, policy: FilingPolicy, now: datetime) -> Filed | None:
    """Apply everything that follows from a judgement; returns None when the message was filed before."""
    if found.report and not found.ours:
        return Filed() if file_report(connection, found, policy, now) else None
    threads.lock_desks(connection)
    match = find_match(connection, found, policy)
    if found.ours:
        return _file_our_answer(connection, found, match, policy, now)
    actions = decide_actions(
        found.label,
        found.tags,
        match,
        bounce=found.bounce,
        held=found.held,
        return_on=found.return_on,
        received_at=found.received_at,
        proven=found.proven,
        denied=found.denied,
        notice=found.notice,
    )
    if match.sent is not None:
        found = replace(found, announce=True)  # whatever its date: it answers a letter of ours
    elif not found.announce:
        actions = replace(actions, owned=False, alert=False)  # history of the mailbox: only a wish to stop counts
    if actions.quarantine:
        messages.quarantine(connection, found.id, actions.quarantine, now)
        return Filed(match=match, actions=actions)
    twin = _twin(connection, found)
    if twin is not None:
        thread = threads.thread(connection, twin["thread_id"]) if twin["thread_id"] else None
    else:
        thread = _thread_for(connection, found, match, actions, now)
    if not _record(connection, found, match, thread, now):
        return None
    if twin is not None:
        return Filed(thread.id if thread else None, match=match)  # one mail to two mailboxes acts once
    if found.announce:
        _tell_systems(connection, found, thread, policy, now)
    if match.sent is not None and match.how in NAMES_IT:
        Results(policy.secret, policy.sequences).settled_by_mail(connection, match.sent.send_id, now)
    people = _people(connection, found, match, thread)
    _stop_sequences(connection, people, match, actions, policy, now)
    if actions.suppress is not None:
        _suppress(connection, found, match, thread, actions.suppress, policy, now)
    made = give_owner(connection, found, match, thread, actions, policy, now) if thread and actions.owned else None
    if not actions.owned and actions.event == StopEvent.HOLD and found.announce:
        said = f"An automatic reply from {found.from_address} may ask us to stop"
        _ask_about_hold(connection, found, said, found.text, policy, now)
    return Filed(thread.id if thread else None, made, match, actions)


def set_aside(connection: Connection, found: Judgement, reason: str, policy: FilingPolicy, now: datetime) -> None:
    """Quarantine a message that cannot be read, hold everything to its writer, and ask a person."""
    messages.quarantine(connection, found.id, reason, now)
    match = find_match(connection, found, policy)
    people = _people(connection, found, match, None)
    if found.ours or found.from_address in policy.own_addresses() or not people:
        return
    _stop_sequences(connection, people, match, Actions(StopEvent.HOLD), policy, now)
    said = f"A message from {found.from_address} could not be read ({reason}); it may ask us to stop"
    _ask_about_hold(connection, found, said, f"postroom keeps it as message {found.id}.", policy, now)


def _twin(connection: Connection, found: Judgement) -> dict[str, Any] | None:
    """Return the same letter as filed before from another mailbox: same bytes, or same id, sender and words."""
    key = messages.same_content(
        connection, {"id": found.id, "sha256": messages.message(connection, found.id)["sha256"]}
    )
    if key is None and found.mail_id:
        key = messages.same_letter(connection, found.id, found.mail_id, found.from_address, found.text)
    return messages.message(connection, key) if key is not None else None


def _tell_systems(
    connection: Connection, found: Judgement, thread: Thread | None, policy: FilingPolicy, now: datetime
) -> None:
    """Queue the webhooks of a stored and judged reply; people are told once it has an owner."""
    data = {"message": found.id, "thread": thread.id if thread else None, "from": found.from_address}
    data |= {"mailbox": found.mailbox, "subject": found.subject, "text": f"A reply from {found.from_address} arrived."}
    tell(connection, policy, EventName.REPLY_RECEIVED, f"reply.received:{found.id}", [], data, now)
    judged = {"label": found.label, "confidence": round(found.confidence, 3), "tags": sorted(found.tags)}
    judged |= {"decided_by": found.decided_by, "text": f"The reply from {found.from_address} is {found.label}."}
    tell(connection, policy, EventName.REPLY_CLASSIFIED, f"reply.classified:{found.id}", [], data | judged, now)


def _ask_about_hold(
    connection: Connection, found: Judgement, said: str, more: str, policy: FilingPolicy, now: datetime
) -> None:
    """Ask compliance about a message that may ask us to stop: nobody owns it, everything is held."""
    subject = f"[held] {found.from_address}: does this ask us to stop?"
    text = (
        f"{said}; everything to the address is held until you decide.\n\n{more}\n\n"
        f"If it does: postroom suppression add {found.from_address}\n"
    )
    keeper = _compliance(connection, policy, now)
    payload = {"subject": subject, "text": text}
    tell(connection, policy, EventName.REPLY_CLASSIFIED, f"held:{found.id}", [keeper], payload, now)


def _record(connection: Connection, found: Judgement, match: ThreadMatch, thread: Thread | None, now: datetime) -> bool:
    return messages.judged(
        connection,
        found.id,
        now,
        message_id=found.mail_id,
        from_address=found.from_address,
        subject=found.subject,
        body_text=found.text,
        label=None if found.ours else found.label,
        confidence=found.confidence,
        decided_by="ours" if found.ours else found.decided_by,
        why=found.why,
        tags=sorted(found.tags),
        return_on=found.return_on,
        language=found.language,
        held=found.held,
        thread_id=thread.id if thread else None,
        send_id=match.sent.send_id if match.sent else None,
        matched_by=match.how,
        reason=found.bounce or "",
    )


def _thread_for(
    connection: Connection, found: Judgement, match: ThreadMatch, actions: Actions, now: datetime
) -> Thread | None:
    sent = match.sent
    if sent is not None and match.same_thread:
        existing = threads.find(connection, enrollment_id=sent.enrollment_id)
        if existing:
            return existing[0]
    elif (known := messages.thread_of_mail_ids(connection, found.ids)) is not None:
        return threads.thread(connection, known)  # answers our person's mail, or their own earlier one
    if not actions.owned:
        return None
    writer = contacts.contact_by_address(connection, found.from_address)
    if sent is not None and (match.same_thread or writer is None):
        contact_id: int | None = sent.contact_id
    else:
        contact_id = writer.id if writer else None
    key = threads.create(
        connection,
        now,
        contact_id=contact_id,
        account_id=sent.account_id if sent else writer.account_id if writer else None,
        enrollment_id=sent.enrollment_id if sent and match.same_thread else None,
        sequence=sent.sequence if sent else "",
        mailbox=found.mailbox,
        subject=found.subject,
    )
    return threads.thread(connection, key)


def _people(connection: Connection, found: Judgement, match: ThreadMatch, thread: Thread | None) -> tuple[int, ...]:
    """Return the contacts whose sequences this concerns: the person of the thread and the writer."""
    writer = contacts.contact_by_address(connection, found.from_address)
    ids = [match.sent.contact_id] if match.sent else []
    ids += [sent.contact_id for sent in match.rivals]
    if thread is not None and thread.contact_id is not None and found.label != Label.BOUNCE:
        ids.append(thread.contact_id)
    if writer is not None and found.label != Label.BOUNCE:
        ids.append(writer.id)
    return tuple(dict.fromkeys(ids))


def _stop_sequences(
    connection: Connection, people: Sequence[int], match: ThreadMatch, actions: Actions, policy: FilingPolicy,
    now: datetime
) -> None:  # fmt: skip
    if actions.event is None or not people:
        return
    heard = {match.sent.sequence} if match.sent else set()
    answered = match.sent.enrollment_id if match.sent else None
    for enrollment in enrollments.enrollments_of(connection, people):
        if enrollment.state not in LIVE and enrollment.id != answered:
            continue
        _apply(connection, enrollment, actions.event, actions.paused_until, now)
        if enrollment.state in LIVE:
            heard.add(enrollment.sequence)
    wide = TABLE[actions.event].account
    asked = [policy.sequences[name].stop_account_on for name in heard if name in policy.sequences]
    if wide is None or not any(actions.event in events for events in asked):
        return
    known = contacts.contacts_by_id(connection, people).values()
    for account_id in {one.account_id for one in known if one.account_id is not None}:
        colleagues = [one.id for one in contacts.contacts_of_account(connection, account_id)]
        for enrollment in enrollments.enrollments_of(connection, colleagues, live=True):
            if enrollment.contact_id not in people:
                _apply(connection, enrollment, wide, None, now)


def _apply(
    connection: Connection, enrollment: Enrollment, event: StopEvent, until: datetime | None, now: datetime
) -> None:
    old = (enrollment.state, enrollment.paused_until)
    moved = apply_event(enrollment.state, event, paused_until=until, was_until=enrollment.paused_until)
    if (moved.state, moved.paused_until) != old:
        enrollments.set_state(
            connection,
            enrollment,
            moved.state,
            reason=event,
            actor=MACHINE,
            now=now,
            paused_until=moved.paused_until,
        )


def _suppress(
    connection: Connection,
    found: Judgement,
    match: ThreadMatch,
    thread: Thread | None,
    reason: SuppressionReason,
    policy: FilingPolicy,
    now: datetime,
) -> None:
    """Suppress the address we wrote to and, for a wish to stop, the one it came from; the account, if they say so."""
    bounced = reason == SuppressionReason.HARD_BOUNCE
    contact = contacts.contact(connection, thread.contact_id) if thread and thread.contact_id else None
    addresses = [match.sent.recipient] if match.sent else [contact.email] if contact and not bounced else []
    if not bounced and found.from_address not in policy.mailboxes:
        addresses.append(found.from_address)
    wanted = [(SuppressionKind.ADDRESS, address) for address in dict.fromkeys(addresses)]
    account_id = match.sent.account_id if match.sent else contact.account_id if contact else None
    if account_id is not None and not bounced and speaks_for_company(found.text):
        wanted.append((SuppressionKind.ACCOUNT, str(account_id)))
        _stop_account(connection, account_id, now)
    source, evidence = "bounce" if bounced else "reply", f"message:{found.id}"
    for kind, value in wanted:
        added = suppression.add(connection, policy.secret, kind, value, reason, source=source, evidence=evidence,
                                actor=MACHINE, now=now)  # fmt: skip
        if added and not bounced and found.announce:
            who = f"everybody at account {value}" if kind == SuppressionKind.ACCOUNT else value
            payload = {"subject": f"Suppressed: {who}", "text": f"{found.from_address} asked us to stop ({reason}); "
                       f"suppressed: {who}.\n"}  # fmt: skip
            keeper = _compliance(connection, policy, now)
            tell(connection, policy, EventName.SUPPRESSION_ADDED, f"suppression:{value}", [keeper], payload, now)


def _compliance(connection: Connection, policy: FilingPolicy, now: datetime) -> str:
    team = policy.team.with_absences(absences.all_spans(connection))
    return acting_for(team, present_desk(team, "compliance", now), now)


def _stop_account(connection: Connection, account_id: int, now: datetime) -> None:
    """End every running sequence of everybody at an account."""
    people = [one.id for one in contacts.contacts_of_account(connection, account_id)]
    for enrollment in enrollments.enrollments_of(connection, people, live=True):
        _apply(connection, enrollment, StopEvent.SUPPRESSED, None, now)


def _file_our_answer(
    connection: Connection, found: Judgement, match: ThreadMatch, policy: FilingPolicy, now: datetime
) -> Filed | None:
    """File mail of our own people: on a thread it is our answer and ends the clock.

    No sequence's own letter does, and nothing that only says it is ours.
    """
    known = messages.thread_of_mail_ids(connection, found.ids)
    existing = threads.find(connection, id=known) if known is not None else []
    if not existing and match.sent and match.same_thread:
        existing = threads.find(connection, enrollment_id=match.sent.enrollment_id)
    thread = existing[0] if existing else None
    if not _record(connection, found, match, thread, now):
        return None
    machine = found.mail_id and sends.find_sent(connection, message_id=[found.mail_id])
    answers = thread is not None and found.proven and not machine and not _stays_inside(found, policy)
    if thread is not None and answers and thread.last_reply_at and found.received_at >= thread.last_reply_at:
        actor = found.from_address
        threads.answered(connection, thread.id, found.received_at, actor=actor, detail={"message": found.id})
    return Filed(thread.id if thread else None, match=match)


def _stays_inside(found: Judgement, policy: FilingPolicy) -> bool:
    """Tell whether a mail went to colleagues only, or passes the thread on: the prospect has no answer yet."""
    colleagues = [one for one in found.to_addresses if policy.team.find(one) and one not in policy.mailboxes]
    return found.passed_on or (bool(found.to_addresses) and len(colleagues) == len(found.to_addresses))
