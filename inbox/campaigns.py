"""How do all sequences of a contact end when a person decides? One unit, by the same table as replies."""

from datetime import datetime

from sqlalchemy import Connection

from outbound.stop import apply_event
from store import enrollments
from store.vocabulary import StopEvent


def end_campaigns(connection: Connection, contact_id: int, event: StopEvent, actor: str, now: datetime) -> None:
    """Apply an event to every running or paused sequence of a contact."""
    for one in enrollments.enrollments_of(connection, [contact_id], live=True):
        moved = apply_event(one.state, event, paused_until=None, was_until=one.paused_until)
        if moved.state != one.state:
            enrollments.set_state(connection, one, moved.state, reason=event, actor=actor, now=now)
