"""Who leaves the queue when somebody must not be written to any more?

The ledger and the claim already keep every letter back; this ends the enrollments at once, so that queue, preview and
report say so too.
"""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Connection

from outbound.stop import apply_event
from store import contacts, enrollments
from store.vocabulary import StopEvent, SuppressionKind


def stop_contacts(connection: Connection, ids: Collection[int], event: StopEvent, *, actor: str, now: datetime) -> int:
    """Apply an event to every running or paused enrollment of these contacts; returns how many moved."""
    moved = 0
    for old in enrollments.enrollments_of(connection, ids, live=True):
        to = apply_event(old.state, event, paused_until=None, was_until=old.paused_until)
        moved += enrollments.set_state(
            connection, old, to.state, reason=event, actor=actor, now=now, paused_until=to.paused_until
        )
    return moved


def stop_covered(connection: Connection, kind: SuppressionKind, value: str, *, actor: str, now: datetime) -> int:
    """End the enrollments that a new entry of the suppression ledger covers; returns how many."""
    value = value.strip().lower()
    if kind == SuppressionKind.ADDRESS:
        one = contacts.contact_by_address(connection, value)
        covered = [one.id] if one else []
    elif kind == SuppressionKind.DOMAIN:
        covered = [one.id for one in contacts.contacts_at(connection, value)]
    else:
        covered = [one.id for one in contacts.contacts_of_account(connection, int(value))] if value.isdigit() else []
    return stop_contacts(connection, covered, StopEvent.SUPPRESSED, actor=actor, now=now)
