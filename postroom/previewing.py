"""What would a sequence send, when and from where, and who is refused?

Every active sequence is played forward with it, because they share mailboxes and caps.
"""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection

from outbound.letter import LetterFacts, LetterWriter
from outbound.preview import Foreseen, preview_sends
from outbound.settings import GoNoGoSettings, SequenceSettings
from postroom.intake import ask_guardrails
from postroom.opened import Opened
from store import contacts, enrollments, mailboxes, outcomes, sends
from store.errors import PermanentError
from store.records import Contact, ContactHistory, DueStep, Enrollment, SentMessage
from store.vocabulary import EnrollmentState, SendState

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Preview:
    """Planned sends in order, and everybody who gets none, with the reason."""

    rows: list[Row]
    refused: list[Row]


def preview_rows(opened: Opened, name: str, now: datetime) -> Preview:
    """Play a sequence forward under all limits, assuming that nobody answers."""
    sequence = opened.config.find_sequence(name)
    if sequence is None:
        raise PermanentError(f'no sequence is called "{name}" in the configuration')
    return opened.store.read_now(lambda connection: _play(connection, opened, sequence, now))


def _play(connection: Connection, opened: Opened, sequence: SequenceSettings, now: datetime) -> Preview:
    people = {contact.id: contact for contact in contacts.all_contacts(connection)}
    refused, own = _sort_people(connection, opened, sequence, people, now)
    foreseen, left = _foresee(connection, opened, sequence, own, now)
    for step in left:
        if step.enrollment_id in own:
            reason = "Nothing can leave under these limits: see limits, caps and held mailboxes."
            refused.append({"contact": people[step.contact_id].email, "reason": reason})
    config = opened.config
    writer = LetterWriter(
        opened.secret, config.company, {box.address: box.name for box in config.mailbox}, {}, opened.keys
    )
    written: dict[int, tuple[SentMessage, ...]] = {}
    rows, failed = [], set[int]()
    for send in foreseen:
        if send.enrollment_id not in own or send.enrollment_id in failed:
            continue
        contact = people[own[send.enrollment_id].contact_id]
        row = {"contact": contact.email, "step": send.step + 1, "mailbox": send.mailbox, "at": send.at}
        try:
            rows.append(row | _letter(connection, writer, sequence, contact, send, written))
        except PermanentError as problem:
            failed.add(send.enrollment_id)
            refused.append({"contact": contact.email, "reason": str(problem)})
    return Preview(rows, refused)


def _sort_people(
    connection: Connection, opened: Opened, sequence: SequenceSettings, people: dict[int, Contact], now: datetime
) -> tuple[list[Row], dict[int, Enrollment]]:
    """Return who is refused and why, and the enrollments of this sequence that may go on."""
    refused: list[Row] = []
    own: dict[int, Enrollment] = {}
    live: dict[int, Enrollment] = {}
    ids = list(people)
    for start in range(0, len(ids), 500):
        for one in enrollments.enrollments_of(connection, ids[start : start + 500], live=True):
            if one.sequence == sequence.name:
                live[one.contact_id] = one
    for contact in people.values():
        allowed = ask_guardrails(connection, opened, contact, sequence, now)
        enrolled = live.get(contact.id)
        if allowed.refused:
            why = next(reason for reason in allowed.reasons if not reason.passing)
            refused.append({"contact": contact.email, "reason": why.sentence})
        elif enrolled and enrolled.state == EnrollmentState.PAUSED and enrolled.paused_until is None:
            refused.append({"contact": contact.email, "reason": "Paused until a person decides."})
        elif enrolled:
            own[enrolled.id] = enrolled
    return refused, own


def _foresee(
    connection: Connection, opened: Opened, sequence: SequenceSettings, own: dict[int, Enrollment], now: datetime
) -> tuple[list[Foreseen], list[DueStep]]:
    config = opened.config
    states = enrollments.sequence_states(connection)
    running = {one.name: one for one in config.sequence if states.get(one.name, (False, ""))[0]}
    running[sequence.name] = sequence
    limits = {box.address: box.limit for box in config.mailbox if box.smtp}
    due = [step for step in enrollments.coming_steps(connection, list(running))
           if step.sequence != sequence.name or step.enrollment_id in own]  # fmt: skip
    known = {}
    for name, one in running.items():
        rules = one.go_no_go or GoNoGoSettings()
        if one.pilot and (counts := outcomes.sequence_outcome(connection, name, now - rules.wait)):
            known[name] = counts
    return preview_sends(
        due,
        mailboxes.loads(connection, list(limits), now),
        running,
        limits,
        now,
        _steady,
        caps=mailboxes.cap_counts(connection, now),
        domain_caps={cap.domain: cap for cap in config.sending_domain},
        outcomes=known,
    )


def _letter(
    connection: Connection,
    writer: LetterWriter,
    sequence: SequenceSettings,
    contact: Contact,
    send: Foreseen,
    written: dict[int, tuple[SentMessage, ...]],
) -> Row:
    """Return variant, subject and text of one letter; what it follows is what was sent or shown before."""
    key = send.enrollment_id
    if key not in written:
        before = sends.find_sent(connection, enrollment_id=[key]) if send.step else []
        written[key] = tuple(reversed([one for one in before if one.state == SendState.SENT]))
    account = contacts.account(connection, contact.account_id) if contact.account_id else None
    facts = LetterFacts(key, sequence.name, send.step, send.mailbox, contact, account, ContactHistory(), written[key])
    letter = writer.write(facts, sequence, send.mailbox, send.at)
    written[key] += (_as_sent(facts, letter.subject, letter.message_id),)
    return {"variant": letter.variant, "subject": letter.subject, "text": letter.text}


def _as_sent(facts: LetterFacts, subject: str, message_id: str) -> SentMessage:
    contact = facts.contact
    return SentMessage(0, facts.enrollment_id, contact.id, contact.account_id, facts.sequence, facts.step, "",
                       facts.mailbox, contact.email, subject, message_id, "", "", "", SendState.SENT,
                       datetime(1970, 1, 1, tzinfo=UTC))  # fmt: skip


def _steady(key: str) -> float:
    """Return a jitter that shows the same preview each time."""
    return hashlib.blake2b(key.encode(), digest_size=1).digest()[0] / 256
