"""What would a sequence send, when and from where, and who is refused?"""

import hashlib
from datetime import UTC, datetime
from typing import Any

from outbound.guardrails import may_write
from outbound.letter import LetterFacts, LetterWriter
from outbound.preview import preview_sends
from postroom.opened import Opened
from store import contacts, enrollments, history, mailboxes
from store.errors import PermanentError
from store.records import DueStep, SentMessage
from store.vocabulary import SendState


def preview_rows(opened: Opened, name: str, now: datetime) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return (planned sends in order, refused contacts) of a sequence under all limits, assuming silence."""
    config = opened.config
    sequence = config.find_sequence(name)
    if sequence is None:
        raise PermanentError(f'no sequence is called "{name}" in the configuration')

    def read(connection: Any) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        due, facts, refused = [], {}, []
        for contact in contacts.all_contacts(connection):
            live = [
                one for one in enrollments.enrollments_of(connection, [contact.id], live=True) if one.sequence == name
            ]
            account = contacts.account(connection, contact.account_id) if contact.account_id else None
            past = history.contact_history(connection, contact, opened.secret, now, but_sequence=name)
            allowed = may_write(contact, account, past, config.guardrails, name, now.date())
            if not allowed.allowed:
                refused.append({"contact": contact.email, "reason": allowed.reasons[0].sentence})
            for one in live if allowed.allowed else []:
                domain = contact.email.rpartition("@")[2]
                due.append(DueStep(one.id, contact.id, contact.account_id, name, one.step, max(one.due_at or now, now),
                                   one.mailbox, domain, contact.zone, contact.country))  # fmt: skip
                facts[one.id] = LetterFacts(one.id, name, one.step, one.mailbox, contact, account, past, ())
        loads = mailboxes.loads(connection, sequence.mailboxes, now)
        limits = {box.address: box.limit for box in config.mailbox}
        foreseen = preview_sends(due, loads, {name: sequence}, limits, now, _steady)
        writer = LetterWriter(opened.secret, config.company, {box.address: box.name for box in config.mailbox}, {})
        rows = []
        for send in foreseen:
            known = facts[send.enrollment_id]
            earlier = (_assumed(known),) if send.step else ()
            chosen = LetterFacts(known.enrollment_id, name, send.step, send.mailbox, known.contact, known.account,
                                 known.history, earlier)  # fmt: skip
            row = {"contact": known.contact.email, "step": send.step + 1, "mailbox": send.mailbox, "at": send.at}
            try:
                letter = writer.write(chosen, sequence, send.mailbox, send.at)
            except PermanentError as problem:
                refused.append({"contact": known.contact.email, "reason": str(problem)})
                continue
            rows.append({**row, "variant": letter.variant, "subject": letter.subject, "text": letter.text})
        return rows, refused

    return opened.store.read_now(read)


def _steady(key: str) -> float:
    """Return a jitter that shows the same preview each time."""
    return hashlib.blake2b(key.encode(), digest_size=1).digest()[0] / 256


def _assumed(facts: LetterFacts) -> SentMessage:
    """Return the opener as it will have been sent, for the subject of follow-ups."""
    return SentMessage(0, facts.enrollment_id, facts.contact.id, None, facts.sequence, 0, "", facts.mailbox,
                       facts.contact.email, "(the thread's subject)", "<earlier@preview>", "", "", "", SendState.SENT,
                       datetime(1970, 1, 1, tzinfo=UTC))  # fmt: skip
