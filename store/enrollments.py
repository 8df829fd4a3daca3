"""Who stands where in which sequence, and what is due?"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, bindparam, func, insert, select, update

from store import audit, records
from store.tables import Contact, Enrollment, Send, core
from store.tables import Sequence as SequenceTable
from store.vocabulary import EnrollmentState, SendState

_ENROLLMENT, _CONTACT, _SEND, _SEQUENCE = core(Enrollment), core(Contact), core(Send), core(SequenceTable)
LIVE = (EnrollmentState.ACTIVE, EnrollmentState.PAUSED)
_JOINED = (
    select(
        _ENROLLMENT.c.id,
        _ENROLLMENT.c.contact_id,
        _CONTACT.c.account_id,
        _ENROLLMENT.c.sequence,
        _ENROLLMENT.c.step,
        _ENROLLMENT.c.due_at,
        _ENROLLMENT.c.mailbox,
        _CONTACT.c.email,
        _CONTACT.c.zone,
        _CONTACT.c.country,
        _ENROLLMENT.c.resume_at,
    )
    .join(_CONTACT, _CONTACT.c.id == _ENROLLMENT.c.contact_id)
    .order_by(_ENROLLMENT.c.due_at, _ENROLLMENT.c.id)
)
_DUE = _JOINED.join(_SEQUENCE, _SEQUENCE.c.name == _ENROLLMENT.c.sequence).where(
    _ENROLLMENT.c.due_at.is_not(None), _SEQUENCE.c.active
)


_ACTIVE = select(_ENROLLMENT).where(
    _ENROLLMENT.c.id.in_(bindparam("ids", expanding=True)), _ENROLLMENT.c.state == EnrollmentState.ACTIVE
)
_OF_CONTACTS = (
    select(_ENROLLMENT).where(_ENROLLMENT.c.contact_id.in_(bindparam("ids", expanding=True))).order_by(_ENROLLMENT.c.id)
)
_POSTPONE = (
    update(_ENROLLMENT)
    .where(
        _ENROLLMENT.c.id == bindparam("enrollment"),
        _ENROLLMENT.c.state == EnrollmentState.ACTIVE,
        _ENROLLMENT.c.due_at <= bindparam("now"),
    )
    .values(due_at=bindparam("until"))
)


def enroll(connection: Connection, contact_id: int, sequence: str, due_at: datetime, *, now: datetime) -> int:
    """Enroll a contact and return the enrollment's id; the guardrails have been asked before."""
    result = connection.execute(
        insert(_ENROLLMENT).values(
            contact_id=contact_id,
            sequence=sequence,
            state=EnrollmentState.ACTIVE,
            step=0,
            due_at=due_at,
            started_at=now,
        )
    )
    key = int(result.inserted_primary_key[0])  # type: ignore[index]
    detail = {"enrollment": key, "sequence": sequence}
    audit.append(connection, now, "postroom", "enrollment.started", f"contact:{contact_id}", detail)
    return key


def due_steps(connection: Connection, now: datetime, limit: int = 100_000) -> list[records.DueStep]:
    """Return what is due now in running sequences, longest due first."""
    return [_due(row) for row in connection.execute(_DUE.where(_ENROLLMENT.c.due_at <= now).limit(limit))]


def _due(row: Any) -> records.DueStep:
    return records.DueStep(
        enrollment_id=row.id,
        contact_id=row.contact_id,
        account_id=row.account_id,
        sequence=row.sequence,
        step=row.step,
        due_at=max(row.due_at, row.resume_at or row.due_at),
        mailbox=row.mailbox,
        recipient_domain=row.email.rpartition("@")[2],
        zone=row.zone,
        country=row.country,
    )


def coming_steps(connection: Connection, sequences: Collection[str]) -> list[records.DueStep]:
    """Return the next step of everybody in these sequences who has one coming, whether the sequences run or not."""
    running = _JOINED.where(_ENROLLMENT.c.sequence.in_(sequences), _ENROLLMENT.c.due_at.is_not(None))
    return [_due(row) for row in connection.execute(running)]


def next_due_at(connection: Connection) -> datetime | None:
    """Return when the next step falls due, or None."""
    row = connection.execute(_DUE.limit(1)).one_or_none()
    return row.due_at if row is not None else None


def enrollment(connection: Connection, enrollment_id: int) -> records.Enrollment | None:
    """Return one enrollment."""
    row = connection.execute(select(_ENROLLMENT).where(_ENROLLMENT.c.id == enrollment_id)).one_or_none()
    return _record(row) if row is not None else None


def active(connection: Connection, ids: Sequence[int]) -> dict[int, records.Enrollment]:
    """Return those of these enrollments that are active, by id."""
    return {row.id: _record(row) for row in connection.execute(_ACTIVE, {"ids": ids})}


def enrollments_of(
    connection: Connection, contact_ids: Collection[int], *, live: bool = False
) -> list[records.Enrollment]:
    """Return the enrollments of these contacts, oldest first."""
    found = map(_record, connection.execute(_OF_CONTACTS, {"ids": list(contact_ids)}))
    return [one for one in found if not live or one.state in LIVE]


def set_state(
    connection: Connection,
    old: records.Enrollment,
    state: EnrollmentState,
    *,
    reason: str,
    actor: str,
    now: datetime,
    paused_until: datetime | None = None,
) -> bool:
    """Move an enrollment to another state; planned mail of an ended one is refused. Returns whether it moved.

    The caller decided from `old`; when somebody else moved it meanwhile, nothing is changed and False is returned.
    A pause with a date wakes by itself (`due_at`), one without waits for a person. `resume_at` keeps the wait between
    two steps through the pause, so that nothing leaves before it.
    """
    ended = state not in LIVE
    step_due = old.resume_at if old.state == EnrollmentState.PAUSED else old.due_at
    due_at = {EnrollmentState.PAUSED: paused_until, EnrollmentState.ACTIVE: max(step_due or now, now)}.get(state)
    result = connection.execute(
        update(_ENROLLMENT)
        .where(_ENROLLMENT.c.id == old.id, _ENROLLMENT.c.state == old.state, _ENROLLMENT.c.step == old.step)
        .values(
            state=state,
            due_at=due_at,
            paused_until=paused_until if state == EnrollmentState.PAUSED else None,
            resume_at=step_due if state == EnrollmentState.PAUSED else None,
            ended_at=now if ended else None,
            end_reason=reason if ended else "",
        )
    )
    if result.rowcount != 1:
        return False
    if ended:
        open_states = (SendState.PLANNED, SendState.DEFERRED)
        connection.execute(
            update(_SEND)
            .where(_SEND.c.enrollment_id == old.id, _SEND.c.state.in_(open_states))
            .values(state=SendState.REFUSED, reason=reason)
        )
    sentence = " " in reason  # may name the person: never in the public part
    detail = {"enrollment": old.id, "from": old.state, "to": state, "reason": "see-private" if sentence else reason}
    private = {"reason": reason} if sentence else None
    audit.append(connection, now, actor, "enrollment.state", f"contact:{old.contact_id}", detail, private)
    return True


def count_by_state(connection: Connection) -> dict[tuple[str, EnrollmentState], int]:
    """Return how many enrollments each sequence has in each state."""
    columns = (_ENROLLMENT.c.sequence, _ENROLLMENT.c.state)
    rows = connection.execute(select(*columns, func.count().label("number")).group_by(*columns))
    return {(row.sequence, row.state): row.number for row in rows}


def postpone(connection: Connection, until: Mapping[int, datetime], now: datetime) -> None:
    """Let steps whose window is closed rest until it opens, a day at most; keeps what is due short."""
    latest = now + timedelta(days=1)
    rows = [{"enrollment": key, "until": min(at, latest), "now": now} for key, at in until.items()]
    for start in range(0, len(rows), 5_000):
        connection.execute(_POSTPONE, rows[start : start + 5_000])


def wake_paused(connection: Connection, now: datetime) -> int:
    """Make the enrollments active whose pause has run out; returns how many."""
    due = (_ENROLLMENT.c.state == EnrollmentState.PAUSED, _ENROLLMENT.c.due_at <= now)
    woken = [_record(row) for row in connection.execute(select(_ENROLLMENT).where(*due))]
    for old in woken:
        set_state(connection, old, EnrollmentState.ACTIVE, reason="pause-over", actor="postroom", now=now)
    return len(woken)


NO_GO = "no-go"
"""Begins the reason of a pause by a sequence's own rules."""


def activate_sequence(connection: Connection, name: str, *, actor: str, now: datetime) -> None:
    """Let a sequence run; after a pause by its rules its figures start anew."""
    _set_sequence(connection, name, active=True, reason="", actor=actor, now=now)


def pause_sequence(connection: Connection, name: str, reason: str, *, actor: str, now: datetime) -> None:
    """Pause a whole sequence: nothing of it is planned or claimed until it is activated again."""
    _set_sequence(connection, name, active=False, reason=reason, actor=actor, now=now)


def sequence_states(connection: Connection) -> dict[str, tuple[bool, str]]:
    """Return (active, reason) of every sequence ever activated or paused."""
    return {row.name: (row.active, row.reason) for row in connection.execute(select(_SEQUENCE))}


def _set_sequence(connection: Connection, name: str, *, active: bool, reason: str, actor: str, now: datetime) -> None:
    values: dict[str, Any] = {"active": active, "reason": reason}
    old = connection.execute(select(_SEQUENCE).where(_SEQUENCE.c.name == name)).one_or_none()
    if active and (old is None or old.activated_at is None or old.reason.startswith(NO_GO)):
        values["activated_at"] = now
    changed = connection.execute(update(_SEQUENCE).where(_SEQUENCE.c.name == name).values(**values))
    if changed.rowcount == 0:
        connection.execute(insert(_SEQUENCE).values(name=name, **values))
    action = "sequence.activated" if active else "sequence.paused"
    audit.append(connection, now, actor, action, f"sequence:{name}", {"reason": reason})


def _record(row: Row[Any]) -> records.Enrollment:
    return records.Enrollment(
        id=row.id,
        contact_id=row.contact_id,
        sequence=row.sequence,
        state=row.state,
        step=row.step,
        due_at=row.due_at,
        paused_until=row.paused_until,
        resume_at=row.resume_at,
        mailbox=row.mailbox,
        started_at=row.started_at,
        ended_at=row.ended_at,
        end_reason=row.end_reason,
    )


def live_contacts(connection: Connection, contact_ids: Sequence[int]) -> set[int]:
    """Return which of these contacts are in a running or paused sequence."""
    query = select(_ENROLLMENT.c.contact_id).where(
        _ENROLLMENT.c.contact_id.in_(contact_ids), _ENROLLMENT.c.state.in_(LIVE)
    )
    return set(connection.execute(query).scalars())


def live_people(connection: Connection, after: int, limit: int) -> list[tuple[int, str, int | None]]:
    """Return (contact, address, account) of people in a running or paused sequence, in pages by contact."""
    query = (
        select(_CONTACT.c.id, _CONTACT.c.email, _CONTACT.c.account_id)
        .where(
            _CONTACT.c.id > after,
            select(_ENROLLMENT.c.id)
            .where(_ENROLLMENT.c.contact_id == _CONTACT.c.id, _ENROLLMENT.c.state.in_(LIVE))
            .exists(),
        )
        .order_by(_CONTACT.c.id)
        .limit(limit)
    )
    return [(row.id, row.email, row.account_id) for row in connection.execute(query)]


def people_in(connection: Connection, sequence: str) -> list[int]:
    """Return the contacts who are running or paused in a sequence, in the order of their start."""
    query = select(_ENROLLMENT.c.contact_id).where(_ENROLLMENT.c.sequence == sequence, _ENROLLMENT.c.state.in_(LIVE))
    return list(connection.execute(query.order_by(_ENROLLMENT.c.id)).scalars())
