"""The send ledger: what was planned, claimed and sent, so that nothing leaves twice and nothing is lost?

A send is claimed (`claims.py`) between RCPT and DATA. While a claim is open the enrollment has no due date, so nothing
plans it a second time. `send_states.py` holds the transitions, `open_sends.py` settles what stayed without an answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, bindparam, case, func, insert, literal, null, or_, select, update

from store import audit, records
from store.hot import Hot
from store.send_states import COUNTED, sources_of
from store.tables import Enrollment, Send, core
from store.vocabulary import EnrollmentState, SendState

_SEND, _ENROLLMENT = core(Send), core(Enrollment)


@dataclass(frozen=True, slots=True)
class NewSend:
    """A composed message, before anything is dialled."""

    enrollment_id: int
    contact_id: int
    account_id: int | None
    sequence: str
    step: int
    variant: str
    mailbox: str
    recipient: str
    message_id: str
    subject: str
    text: str
    raw: bytes
    sha256: str
    token: str
    not_before: datetime
    not_after: datetime


_FRESH = ("variant", "mailbox", "recipient", "subject", "raw", "sha256", "token", "not_before", "not_after")
_FIXED = ("enrollment_id", "contact_id", "account_id", "sequence", "step", "message_id")
_KNOWN = Hot(
    select(_SEND.c.id, _SEND.c.enrollment_id, _SEND.c.step, _SEND.c.state)
    .where(_SEND.c.enrollment_id.in_(bindparam("enrollments", expanding=True)))
    .order_by(_SEND.c.id)
    .with_for_update()  # a send that another node claims at this moment is composed no more
)
_INSERT = Hot(
    insert(_SEND).values({
        **{name: bindparam(name) for name in (*_FRESH, *_FIXED, "sending_domain", "recipient_domain", "body_text",
                                              "planned_at", "state")},
        "learnt_id": "", "attempts": 0, "enhanced": "", "answer": "", "reason": "", "checks": 0,
    })
)  # fmt: skip
_COMPOSED_AGAIN = Hot(
    update(_SEND)
    .where(_SEND.c.id == bindparam("send"))
    .values({name: bindparam(name) for name in (*_FRESH, "sending_domain", "recipient_domain", "body_text",
                                                "planned_at", "state")})
)  # fmt: skip
_NOT_DUE = Hot(
    update(_ENROLLMENT)
    .where(_ENROLLMENT.c.id == bindparam("enrollment"), _ENROLLMENT.c.step == bindparam("of_step"))
    .values(due_at=None)
)


def plan(connection: Connection, new: NewSend, now: datetime) -> int | None:
    """Fix one send's bytes and Message-ID; see `plan_all`."""
    return plan_all(connection, [(new, now)])[0]


def plan_all(connection: Connection, planned: Sequence[tuple[NewSend, datetime]]) -> list[int | None]:
    """Fix the bytes and Message-IDs of sends; returns their ids, None for a step that can no longer be planned.

    A step whose outcome is open or settled is due no more: it would use up the mailbox's turn at every pass.
    """
    enrollments = {"enrollments": list({new.enrollment_id for new, _ in planned})}
    known = {(row.enrollment_id, row.step): row for row in _KNOWN.rows(connection, enrollments)}
    fresh: list[dict[str, Any]] = []
    again: list[dict[str, Any]] = []
    done: list[dict[str, Any]] = []
    for new, now in planned:
        old = known.get((new.enrollment_id, new.step))
        if old is None:
            fresh.append(_values(new, now) | {name: getattr(new, name) for name in _FIXED})
        elif old.state in (SendState.PLANNED, SendState.DEFERRED):
            again.append(_values(new, now) | {"send": old.id})
        else:
            done.append({"enrollment": new.enrollment_id, "of_step": new.step})
    for query, rows in ((_INSERT, fresh), (_COMPOSED_AGAIN, again), (_NOT_DUE, done)):
        if rows:
            query.run(connection, rows)
    if fresh:
        known = {(row.enrollment_id, row.step): row for row in _KNOWN.rows(connection, enrollments)}
    over = {(row["enrollment"], row["of_step"]) for row in done}
    return [None if (key := (new.enrollment_id, new.step)) in over else known[key].id for new, _ in planned]


def _values(new: NewSend, now: datetime) -> dict[str, Any]:
    return {name: getattr(new, name) for name in _FRESH} | {
        "sending_domain": new.mailbox.rpartition("@")[2],
        "recipient_domain": new.recipient.rpartition("@")[2],
        "body_text": new.text,
        "planned_at": now,
        "state": SendState.PLANNED,
    }


_OPEN = Hot(
    select(_SEND.c.id, _SEND.c.enrollment_id, _SEND.c.step, _SEND.c.mailbox)
    .where(
        _SEND.c.id.in_(bindparam("ids", expanding=True)),
        or_(*(_SEND.c.state == state for state in sources_of(SendState.SENT))),
    )
    .order_by(_SEND.c.id)
    .with_for_update()
)
_SENT_NOW = Hot(
    update(_SEND)
    .where(_SEND.c.id == bindparam("send"))
    .values(
        state=SendState.SENT,
        sent_at=bindparam("at"),
        answer=bindparam("said"),
        learnt_id=bindparam("learnt"),
        copy_due_at=bindparam("copy_at"),
        claimed_at=func.coalesce(_SEND.c.claimed_at, bindparam("at", type_=_SEND.c.claimed_at.type)),
    )
)
_ACTIVE = _ENROLLMENT.c.state == EnrollmentState.ACTIVE
_STEPPED = (
    update(_ENROLLMENT)
    .where(_ENROLLMENT.c.id == bindparam("enrollment"), _ENROLLMENT.c.step == bindparam("sent_step"))
    .values(step=bindparam("next_step"), mailbox=bindparam("from_mailbox"))
)
_NEXT_STEP = Hot(
    _STEPPED.values(
        due_at=case((_ACTIVE, bindparam("due", type_=_ENROLLMENT.c.due_at.type)), else_=_ENROLLMENT.c.due_at),
        resume_at=case((_ACTIVE, null()), else_=bindparam("due", type_=_ENROLLMENT.c.due_at.type)),
    )
)
_FINISH = Hot(
    _STEPPED.values(
        due_at=case((_ACTIVE, null()), else_=_ENROLLMENT.c.due_at),
        ended_at=case((_ACTIVE, bindparam("at", type_=_ENROLLMENT.c.ended_at.type)), else_=_ENROLLMENT.c.ended_at),
        end_reason=case((_ACTIVE, "all-steps-sent"), else_=_ENROLLMENT.c.end_reason),
        state=case((_ACTIVE, literal(EnrollmentState.FINISHED, _ENROLLMENT.c.state.type)), else_=_ENROLLMENT.c.state),
    )
)


@dataclass(frozen=True, slots=True)
class Sent:
    """A letter that a server has taken, and when the enrollment's next step falls due, None when there is none.

    `copy_due_at` is when a copy goes into the Sent folder, None where the provider keeps one.
    """

    send_id: int
    at: datetime
    next_due_at: datetime | None
    answer: str = ""
    learnt_id: str = ""
    copy_due_at: datetime | None = None
    actor: str = "postroom"


def record_sent(
    connection: Connection, /, send_id: int, now: datetime, *, next_due_at: datetime | None, **more: Any
) -> bool:
    """Settle one send as sent; see `Sent` and `record_sent_all`."""
    return record_sent_all(connection, [Sent(send_id, now, next_due_at, **more)])[0]


def record_sent_all(connection: Connection, letters: Sequence[Sent]) -> list[bool]:
    """Settle sends as sent and move their enrollments on: to the next step, or to `finished` when there is none.

    False, with an audit entry, stands for a send that was settled meanwhile: the answer came later than a reply, or
    than a person's decision.
    """
    rows = {row.id: row for row in _OPEN.rows(connection, {"ids": [letter.send_id for letter in letters]})}
    fine = [letter for letter in letters if letter.send_id in rows]
    moved: dict[bool, list[dict[str, Any]]] = {True: [], False: []}
    for letter in fine:
        row = rows[letter.send_id]
        moved[letter.next_due_at is not None].append(
            {"enrollment": row.enrollment_id, "sent_step": row.step, "next_step": row.step + 1,
             "from_mailbox": row.mailbox, "at": letter.at, "due": letter.next_due_at}
        )  # fmt: skip
    if fine:
        _SENT_NOW.run(connection, [
            {"send": letter.send_id, "at": letter.at, "said": letter.answer, "learnt": letter.learnt_id,
             "copy_at": letter.copy_due_at} for letter in fine
        ])  # fmt: skip
    for query, ways in ((_NEXT_STEP, moved[True]), (_FINISH, moved[False])):
        if ways:
            query.run(connection, ways)
    audit.append_all(connection, [
        audit.Entry(letter.at, letter.actor, "send.sent", f"send:{letter.send_id}", {"step": rows[letter.send_id].step})
        if letter.send_id in rows
        else audit.Entry(letter.at, letter.actor, "send.late-answer", f"send:{letter.send_id}", {"answer": "sent"})
        for letter in letters
    ])  # fmt: skip
    return [letter.send_id in rows for letter in letters]


def record_deferred(
    connection: Connection,
    send_id: int,
    now: datetime,
    *,
    retry_at: datetime,
    code: int | None,
    enhanced: str,
    answer: str,
) -> None:
    """Record a definite "not yet"; the step falls due again at `retry_at`."""
    dialled = case((_SEND.c.state == SendState.PLANNED, 1), else_=0)  # a claim has counted itself already
    row = settle(
        connection, send_id, SendState.DEFERRED, code=code, enhanced=enhanced, answer=answer, not_before=retry_at,
        attempts=_SEND.c.attempts + dialled,
    )  # fmt: skip
    due_again(connection, row.enrollment_id, retry_at)
    detail = {"code": code, "enhanced": enhanced}
    audit.append(connection, now, "postroom", "send.deferred", f"send:{send_id}", detail, {"answer": answer})


def record_refused(
    connection: Connection, send_id: int, now: datetime, *, reason: str, code: int | None = None, enhanced: str = "",
    answer: str = ""
) -> None:  # fmt: skip
    """Record a definite "no"; what becomes of the enrollment is the caller's decision (outbound.stop)."""
    settle(connection, send_id, SendState.REFUSED, reason=reason, code=code, enhanced=enhanced, answer=answer)
    detail = {"reason": reason, "code": code, "enhanced": enhanced}
    audit.append(connection, now, "postroom", "send.refused", f"send:{send_id}", detail, {"answer": answer})


def settle(connection: Connection, send_id: int, state: SendState, **values: Any) -> Row[Any]:
    """Move a send to another state by the transition table; anything else is a fault of ours."""
    changed = connection.execute(
        update(_SEND)
        .where(_SEND.c.id == send_id, _SEND.c.state.in_(sources_of(state)))
        .values(state=state, **values)
        .returning(_SEND.c.enrollment_id, _SEND.c.step, _SEND.c.checks)
    ).one_or_none()
    if changed is None:
        raise AssertionError(f"send {send_id} cannot become {state}: it is already settled")
    return changed


def due_again(connection: Connection, enrollment_id: int, at: datetime) -> None:
    """Let the current step of an enrollment fall due, if it is still active."""
    same = (_ENROLLMENT.c.id == enrollment_id, _ENROLLMENT.c.state == EnrollmentState.ACTIVE)
    connection.execute(update(_ENROLLMENT).where(*same).values(due_at=at))


def raw_of(connection: Connection, send_id: int) -> bytes:
    """Return the exact bytes of a send."""
    return bytes(connection.execute(select(_SEND.c.raw).where(_SEND.c.id == send_id)).scalar_one())


_SENT_FIELDS = ("enrollment_id", "contact_id", "account_id", "sequence", "step", "variant", "mailbox", "recipient",
                "subject", "message_id", "learnt_id", "token", "state", "sent_at")  # fmt: skip
_SENT = select(_SEND.c.id.label("send_id"), _SEND.c.body_text.label("text"), *(_SEND.c[name] for name in _SENT_FIELDS))


def find_sent(connection: Connection, /, **lists: Sequence[Any]) -> list[records.SentMessage]:
    """Return sends that may have left, newest first, by one column: `find_sent(c, recipient=[...])`.

    `message_id=` also finds ids that a provider rewrote.
    """
    ((name, values),) = lists.items()
    same: ColumnElement[bool] = _SEND.c[name].in_(values)
    if name == "message_id":
        same = or_(same, _SEND.c.learnt_id.in_([value for value in values if value]))
    query = _SENT.where(same, _SEND.c.state.in_(COUNTED)).order_by(_SEND.c.claimed_at.desc(), _SEND.c.id.desc())
    return [records.SentMessage(**row._mapping) for row in connection.execute(query)]


def learn_id(connection: Connection, message_id: str, seen_as: str) -> bool:
    """Note under which Message-ID a send of ours really left; tells whether that was news."""
    same = (_SEND.c.message_id == message_id, _SEND.c.message_id != seen_as, _SEND.c.learnt_id == "")
    return connection.execute(update(_SEND).where(*same).values(learnt_id=seen_as)).rowcount > 0


def all_sends(connection: Connection) -> list[dict[str, Any]]:
    """Return every row of the ledger for people to read, in order of planning."""
    names = ("id", "message_id", "mailbox", "contact_id", "recipient", "sequence", "step", "variant", "state",
             "sent_at", "claimed_at", "planned_at", "reason")  # fmt: skip
    return [dict(row._mapping) for row in connection.execute(select(*(_SEND.c[n] for n in names)).order_by(_SEND.c.id))]
