"""What has a sequence brought, for the rules that decide whether it goes on?"""

from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, case, distinct, func, or_, select

from store.records import SequenceOutcome
from store.send_states import COUNTED
from store.tables import Enrollment, Message, Send, core
from store.tables import Sequence as SequenceTable
from store.vocabulary import EnrollmentState, Label, SendState, StopEvent

_SEND, _ENROLLMENT, _MESSAGE, _SEQUENCE = core(Send), core(Enrollment), core(Message), core(SequenceTable)


def sequence_outcome(connection: Connection, name: str, settled_before: datetime) -> SequenceOutcome | None:
    """Count what a running sequence has brought since its activation; None when it does not run."""
    started = connection.execute(select(_SEQUENCE).where(_SEQUENCE.c.name == name, _SEQUENCE.c.active)).one_or_none()
    if started is None or started.activated_at is None:
        return None
    own = (_SEND.c.sequence == name, _SEND.c.planned_at >= started.activated_at)
    left = _SEND.c.state.in_(COUNTED)
    settled = and_(left, _SEND.c.claimed_at <= settled_before)
    refused = and_(_SEND.c.state == SendState.REFUSED, _SEND.c.code >= 500)
    stopped = _ENROLLMENT.c.end_reason.in_((StopEvent.UNSUBSCRIBE, StopEvent.COMPLAINT))
    live = _ENROLLMENT.c.state.in_((EnrollmentState.ACTIVE, EnrollmentState.PAUSED))
    row = connection.execute(
        select(
            _people(and_(left, _SEND.c.step == 0)).label("contacts"),
            func.count(case((left, 1))).label("sends"),
            func.count(case((settled, 1))).label("settled"),
            _people(or_(refused, _ENROLLMENT.c.state == EnrollmentState.BOUNCED)).label("bounced"),
            _people(and_(left, stopped)).label("unsubscribed"),
            _people(and_(left, live)).label("running"),
        )
        .join(_ENROLLMENT, _ENROLLMENT.c.id == _SEND.c.enrollment_id)
        .where(*own)
    ).one()
    interested = connection.execute(
        select(func.count(distinct(_SEND.c.enrollment_id)))
        .join(_MESSAGE, _MESSAGE.c.send_id == _SEND.c.id)
        .where(*own, settled, _MESSAGE.c.label == Label.INTERESTED)
    ).scalar_one()
    return SequenceOutcome(**row._mapping, interested=interested)


def _people(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.count(distinct(case((condition, _SEND.c.enrollment_id))))
