"""What does an event do to an enrollment? The one table of ends and pauses.

Theory: an ended enrollment never becomes active or paused again by itself; only a person starts a new one. Stronger
ends replace weaker ones (a reply may still turn out to be a wish to stop). Soft bounces and ticket numbers change
nothing. A pause without a date waits for a person.
"""

from dataclasses import dataclass
from datetime import datetime

from store.vocabulary import EnrollmentState as S
from store.vocabulary import StopEvent as E

LIVE = (S.ACTIVE, S.PAUSED)
_ENDS: dict[E, S] = {
    E.INTERESTED: S.REPLIED,
    E.NOT_INTERESTED: S.REPLIED,
    E.LEFT_COMPANY: S.STOPPED,
    E.BOUNCE_HARD: S.BOUNCED,
    E.UNSUBSCRIBE: S.OPTED_OUT,
    E.COMPLAINT: S.OPTED_OUT,
    E.MEETING_BOOKED: S.REPLIED,
    E.MANUAL_STOP: S.STOPPED,
    E.ACCOUNT_STOP: S.STOPPED,
    E.SUPPRESSED: S.OPTED_OUT,
    E.OWNER_REJECTED: S.STOPPED,
    E.HANDED_OVER: S.REPLIED,
}
_PAUSES = (E.OUT_OF_OFFICE, E.OTHER, E.HOLD, E.MANUAL_PAUSE)
_NOTHING = (E.BOUNCE_SOFT, E.TICKET_ACK, E.CONTACT_EDITED)
# A wish to stop, or an invalid address, is also written over an earlier, weaker end.
_STRONGER = {E.UNSUBSCRIBE: S.OPTED_OUT, E.COMPLAINT: S.OPTED_OUT, E.SUPPRESSED: S.OPTED_OUT}


@dataclass(frozen=True, slots=True)
class Transition:
    """Where an enrollment goes; unchanged when `state` is the old one and there is no date."""

    state: S
    paused_until: datetime | None = None


def apply_event(state: S, event: E, *, paused_until: datetime | None, was_until: datetime | None = None) -> Transition:
    """Return the new state; `was_until` is the end of the pause it is in, None for one that waits for a person."""
    if state not in LIVE:
        return Transition(_STRONGER.get(event, state))
    if event in _ENDS:
        return Transition(_ENDS[event])
    if event == E.MANUAL_RESUME:
        return Transition(S.ACTIVE)
    if event in _PAUSES:
        waits_for_person = state == S.PAUSED and was_until is None
        if event == E.OUT_OF_OFFICE and waits_for_person:
            return Transition(S.PAUSED)  # an absence note must not put a date on a person's decision
        return Transition(S.PAUSED, paused_until if event in (E.OUT_OF_OFFICE, E.MANUAL_PAUSE) else None)
    return Transition(state, was_until)
