"""What does an event do to an enrollment? The one table of ends and pauses.

Theory: an ended enrollment never becomes active or paused again by itself; only a person starts a new one. A wish to
stop is also written over an earlier, weaker end. Whatever ends an enrollment voids its planned mail. Soft bounces and
ticket numbers change nothing. A pause without a date waits for a person, and no machine puts a date on it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from store.vocabulary import EnrollmentState as S
from store.vocabulary import StopEvent as E
from store.vocabulary import SuppressionReason as R

LIVE = (S.ACTIVE, S.PAUSED)


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of the table."""

    live: S | None = None  #: what a running or paused enrollment becomes; None: what it was
    ended: S | None = None  #: what an ended one becomes; None: what it was
    dated: bool = False  #: the pause may carry the day it ends
    suppress: R | None = None  #: the address goes to the ledger, with at least this reason
    account: E | None = None  #: what the colleagues' enrollments meet where the sequence says so


STOP, HOLD = E.ACCOUNT_STOP, E.HOLD
TABLE: Mapping[E, Rule] = {
    E.INTERESTED: Rule(S.REPLIED, account=STOP),
    E.NOT_INTERESTED: Rule(S.REPLIED, account=STOP),
    E.OTHER: Rule(S.PAUSED, account=HOLD),
    E.OUT_OF_OFFICE: Rule(S.PAUSED, dated=True),
    E.LEFT_COMPANY: Rule(S.STOPPED),
    E.TICKET_ACK: Rule(),
    E.BOUNCE_HARD: Rule(S.BOUNCED, suppress=R.HARD_BOUNCE),
    E.BOUNCE_SOFT: Rule(),
    E.UNSUBSCRIBE: Rule(S.OPTED_OUT, S.OPTED_OUT, suppress=R.UNSUBSCRIBE, account=STOP),
    E.COMPLAINT: Rule(S.OPTED_OUT, S.OPTED_OUT, suppress=R.COMPLAINT, account=STOP),
    E.HOLD: Rule(S.PAUSED, account=HOLD),
    E.MEETING_BOOKED: Rule(S.REPLIED, account=STOP),
    E.MANUAL_STOP: Rule(S.STOPPED, account=STOP),
    E.MANUAL_PAUSE: Rule(S.PAUSED, dated=True),
    E.MANUAL_RESUME: Rule(S.ACTIVE),
    E.ACCOUNT_STOP: Rule(S.STOPPED),
    E.SUPPRESSED: Rule(S.OPTED_OUT),
    E.OWNER_REJECTED: Rule(S.STOPPED),
    E.CONTACT_EDITED: Rule(),
    E.HANDED_OVER: Rule(S.REPLIED),
}


@dataclass(frozen=True, slots=True)
class Transition:
    """Where an enrollment goes."""

    state: S
    paused_until: datetime | None = None


def apply_event(state: S, event: E, *, paused_until: datetime | None, was_until: datetime | None = None) -> Transition:
    """Return the new state; `was_until` is the end of the pause it is in, None for one that waits for a person."""
    rule = TABLE[event]
    if state not in LIVE:
        return Transition(rule.ended or state)
    if rule.live is None:
        return Transition(state, was_until)
    if rule.live != S.PAUSED:
        return Transition(rule.live)
    waits_for_person = state == S.PAUSED and was_until is None
    if not rule.dated or (waits_for_person and event == E.OUT_OF_OFFICE):
        return Transition(S.PAUSED)
    return Transition(S.PAUSED, paused_until)
