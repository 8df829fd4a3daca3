"""Who is enrolled in a sequence, and who may not be?"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from outbound.calendar import add_delay, local_date
from outbound.contacts import normalise_address
from outbound.guardrails import Allowance, may_write, recycle_times
from outbound.settings import SequenceSettings
from postroom.opened import Opened
from store import audit, contacts, enrollments, history
from store.errors import PermanentError
from store.records import Contact


def enroll_contacts(opened: Opened, name: str, addresses: Sequence[str], now: datetime) -> list[dict[str, Any]]:
    """Enroll contacts (none named: everybody) in a sequence; refusals are returned with their reason."""
    sequence = opened.config.find_sequence(name)
    if sequence is None:
        raise PermanentError(f'no sequence is called "{name}" in the configuration')

    def unit(connection: Connection) -> list[dict[str, Any]]:
        rows = []
        for email, contact in _chosen(connection, addresses):
            if contact is None:
                rows.append({"email": email, "outcome": "refused", "reason": "unknown address: import it first"})
                continue
            allowed = ask_guardrails(connection, opened, contact, sequence, now)
            live = enrollments.enrollments_of(connection, [contact.id], live=True)
            if name in {one.sequence for one in live}:
                rows.append({"email": email, "outcome": "unchanged", "reason": "is in this sequence already"})
            elif allowed.refused:
                why = next(reason for reason in allowed.reasons if not reason.passing)
                detail = {"sequence": name, "reason": why.slug}
                audit.append(connection, now, "postroom", "enrollment.refused", f"contact:{contact.id}", detail)
                rows.append({"email": email, "outcome": "refused", "reason": why.sentence})
            else:
                delay = sequence.step[0].delay
                due_at = add_delay(now, delay, contact.zone, contact.country, sequence.window)
                enrollments.enroll(connection, contact.id, name, due_at, now=now)
                rows.append({"email": email, "outcome": "enrolled", "reason": ""})
        return rows

    return opened.store.write_now(unit)


def ask_guardrails(
    connection: Connection, opened: Opened, contact: Contact, sequence: SequenceSettings, now: datetime
) -> Allowance:
    """Ask whether a contact may be written to by a sequence, as the worker will ask again."""
    name = sequence.name
    past = history.contact_history(connection, contact, opened.secret, now, but_sequence=name)
    account = contacts.account(connection, contact.account_id) if contact.account_id else None
    today = local_date(now, sequence.window, contact.zone, contact.country)
    recycle = recycle_times(opened.config.sequence)
    return may_write(
        contact,
        account,
        past,
        opened.config.guardrails,
        name,
        today,
        recycle=recycle,
        required=sequence.required_fields,
    )


def _chosen(connection: Connection, addresses: Sequence[str]) -> list[tuple[str, Contact | None]]:
    if not addresses:
        return [(contact.email, contact) for contact in contacts.all_contacts(connection)]
    found: list[tuple[str, Contact | None]] = []
    for written in addresses:
        try:
            email = normalise_address(written)
        except ValueError:
            email = written
        found.append((email, contacts.contact_by_address(connection, email)))
    return found
