"""What does one judged arrival change, all of it in one transaction?

SHELL: the unit of work between a judgement (made outside the database) and everything that follows from it: the
thread, its owner, the enrollments, suppressions, notices and audit entries. Filing the same message again changes
nothing. Owner and turns are decided inside the transaction, so two arrivals at once cannot both be the first.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection

from inbox.desk import give_owner, tell
from inbox.judgement import FilingPolicy, Judgement
from inbox.threads import NO_MATCH, ThreadMatch, match_reply
from inbox.triage import Actions, decide_actions
from outbound.stop import LIVE, TABLE, apply_event
from ownership.assign import Assignment
from store import audit, contacts, enrollments, messages, sends, suppression, threads
from store.records import Enrollment, SentMessage, Thread
from store.vocabulary import EventName, Label, StopEvent, SuppressionKind, SuppressionReason, ThreadState

MACHINE = "postroom"


@dataclass(frozen=True, slots=True)
class Filed:
    """What filing made of a message, for the log and the demo."""

    thread_id: int | None = None
    assignment: Assignment | None = None
    match: ThreadMatch = NO_MATCH
    actions: Actions | None = None


def find_match(connection: Connection, found: Judgement, policy: FilingPolicy) -> ThreadMatch:
    """Look up the sends a message may answer and choose one."""
    domain = found.from_address.rpartition("@")[2]
    by_address = sends.find_sent(connection, recipient=[found.from_address, *found.failed_recipients])
    company = () if domain in policy.shared_domains else sends.find_sent(connection, recipient_domain=[domain])
    return match_reply(
        ids=found.ids,
        from_address=found.from_address,
        subject=found.subject,
        by_id=sends.find_sent(connection, message_id=found.ids) if found.ids else (),
        by_token=sends.find_sent(connection, token=found.tokens) if found.tokens else (),
        by_address=by_address,
        by_company=company,
    )


def file_message(connection: Connection, found: Judgement, policy: FilingPolicy, now: datetime) -> Filed | None:
    """Apply everything that follows from a judgement; returns None when the message was filed before."""
    match = find_match(connection, found, policy)
    if found.ours:
        return _file_our_answer(connection, found, match, now)
    actions = decide_actions(
        found.label,
        found.tags,
        match,
        bounce=found.bounce,
        held=found.held,
        return_on=found.return_on,
        received_at=found.received_at,
        trusted_stop=found.trusted_stop,
    )
    if match.sent is not None:
        found = replace(found, announce=True)  # whatever its date: it answers a letter of ours
    elif not found.announce:
        actions = replace(actions, owned=False, alert=False)  # history of the mailbox: only a wish to stop counts
    if actions.quarantine:
        messages.quarantine(connection, found.id, actions.quarantine, now)
        return Filed(match=match, actions=actions)
    thread = _thread_for(connection, found, match, actions, now)
    twin = messages.same_content(
        connection, {"id": found.id, "sha256": messages.message(connection, found.id)["sha256"]}
    )
    if not _record(connection, found, match, thread, now):
        return None
    if twin is not None:
        return Filed(thread.id if thread else None, match=match)  # one mail to two mailboxes acts once
    people = _people(connection, found, match)
    _stop_sequences(connection, people, match, actions, policy, now)
    if actions.suppress is not None:
        _suppress(connection, found, match, actions.suppress, policy, now)
    made = give_owner(connection, found, match, thread, actions, policy, now) if thread and actions.owned else None
    if thread and not actions.owned:
        threads.change(connection, thread.id, last_reply_at=found.received_at)
    return Filed(thread.id if thread else None, made, match, actions)


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


def _people(connection: Connection, found: Judgement, match: ThreadMatch) -> tuple[int, ...]:
    """Return the contacts whose sequences this concerns: the person of the thread and the writer."""
    writer = contacts.contact_by_address(connection, found.from_address)
    ids = [match.sent.contact_id] if match.sent else []
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
    reason: SuppressionReason,
    policy: FilingPolicy,
    now: datetime,
) -> None:
    """Suppress the address we wrote to and, for a wish to stop, the one it came from."""
    addresses = [match.sent.recipient] if match.sent else []
    if reason != SuppressionReason.HARD_BOUNCE and found.from_address not in policy.mailboxes:
        addresses.append(found.from_address)
    for address in dict.fromkeys(addresses):
        added = suppression.add(
            connection,
            policy.secret,
            SuppressionKind.ADDRESS,
            address,
            reason,
            source="reply" if reason != SuppressionReason.HARD_BOUNCE else "bounce",
            evidence=f"message:{found.id}",
            actor=MACHINE,
            now=now,
        )
        if added and reason != SuppressionReason.HARD_BOUNCE and found.announce:
            payload = {"subject": f"Suppressed: {address}", "text": f"{address} asked us to stop ({reason}).\n"}
            keeper = policy.team.desk("compliance")
            key = f"suppression:{address}"
            tell(connection, policy, EventName.SUPPRESSION_ADDED, key, [keeper], payload, now)


def _file_our_answer(connection: Connection, found: Judgement, match: ThreadMatch, now: datetime) -> Filed | None:
    """File mail of our own people: on a thread it is our answer and ends the clock."""
    sent: SentMessage | None = match.sent
    existing = threads.find(connection, enrollment_id=sent.enrollment_id) if sent and match.same_thread else []
    if not existing and (mail := _thread_of_replied(connection, found)):
        existing = threads.find(connection, id=mail)
    thread = existing[0] if existing else None
    if not _record(connection, found, match, thread, now):
        return None
    if thread is not None and thread.last_reply_at is not None and found.received_at >= thread.last_reply_at:
        values = {"state": ThreadState.ANSWERED, "task_open": False, "answered_at": found.received_at}
        threads.change(connection, thread.id, **values)
        audit.append(
            connection, now, found.from_address, "thread.answered", f"thread:{thread.id}", {"message": found.id}
        )
    return Filed(thread.id if thread else None, match=match)


def _thread_of_replied(connection: Connection, found: Judgement) -> int | None:
    """Return the thread of the prospect's message that ours answers."""
    return messages.thread_of_mail_ids(connection, found.ids)
