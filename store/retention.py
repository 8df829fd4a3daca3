"""What is older than it may be kept? One rule a kind of data: what is due, and how it goes.

A rule never touches what still works: running enrollments, mail that waits to be judged, notices that wait. The keyed
hash of a suppression never goes; what it was readable as does.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Select, delete, exists, func, or_, select, update

from store import audit, erasure, person
from store.desk_tables import Decision, Notice, Thread
from store.report_tables import DomainReport, ReportSource
from store.tables import (
    AuditEntry,
    AuditPrivate,
    Contact,
    Enrollment,
    Message,
    RawMessage,
    Send,
    core,
)
from store.tables import Suppression as SuppressionTable
from store.vocabulary import EnrollmentState, MessageStage, SendState, SuppressionReason, ThreadState

_CONTACT, _ENROLLMENT, _SEND, _MESSAGE, _RAW = (
    core(Contact),
    core(Enrollment),
    core(Send),
    core(Message),
    core(RawMessage),
)
_DECISION, _NOTICE, _THREAD, _SUPPRESSION = core(Decision), core(Notice), core(Thread), core(SuppressionTable)
_AUDIT, _PRIVATE = core(AuditEntry), core(AuditPrivate)
_REPORT, _SOURCE = core(DomainReport), core(ReportSource)
LIVE = (EnrollmentState.ACTIVE, EnrollmentState.PAUSED)
AT_ONCE = 1_000  # rows of one unit of work
PEOPLE_AT_ONCE = 20  # the tables are searched for each of them


@dataclass(frozen=True, slots=True)
class Clean:
    """Who cleans up, and when."""

    secret: bytes
    actor: str
    now: datetime
    found: Mapping[Any, Any] = field(default_factory=dict)  #: what reading beforehand told about each key


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of data with a limit."""

    name: str
    why: str  #: for what it is kept at all
    due: Callable[[datetime], Select[Any]]  #: cut -> (key, since)
    go: Callable[[Connection, Sequence[Any], Clean], None]
    at_once: int = AT_ONCE
    search: Callable[[Connection, Sequence[Any], Clean], dict[Any, Any]] | None = None  #: what `go` finds in `found`


def _raw_due(cut: datetime) -> Select[Any]:
    waits = exists().where(_MESSAGE.c.sha256 == _RAW.c.sha256, _MESSAGE.c.stage == MessageStage.STORED)
    return select(_RAW.c.sha256, _RAW.c.stored_at).where(_RAW.c.stored_at < cut, ~waits)


def _raw_go(connection: Connection, keys: Sequence[Any], _clean: Clean) -> None:
    connection.execute(delete(_RAW).where(_RAW.c.sha256.in_(keys)))
    connection.execute(update(_MESSAGE).where(_MESSAGE.c.sha256.in_(keys)).values(sha256=""))


def _text_due(cut: datetime) -> Select[Any]:
    done = _MESSAGE.c.stage != MessageStage.STORED
    return select(_MESSAGE.c.id, _MESSAGE.c.stored_at).where(
        _MESSAGE.c.stored_at < cut, done, _MESSAGE.c.body_text != ""
    )


def _text_go(connection: Connection, keys: Sequence[Any], _clean: Clean) -> None:
    connection.execute(update(_MESSAGE).where(_MESSAGE.c.id.in_(keys)).values(body_text="", subject="", why=""))


def _letter_due(cut: datetime) -> Select[Any]:
    live = exists().where(_ENROLLMENT.c.id == _SEND.c.enrollment_id, _ENROLLMENT.c.state.in_(LIVE))
    settled = _SEND.c.state.in_((SendState.SENT, SendState.REFUSED, SendState.UNCERTAIN))
    return select(_SEND.c.id, _SEND.c.planned_at).where(
        _SEND.c.planned_at < cut, settled, ~live, _SEND.c.body_text != ""
    )


def _letter_go(connection: Connection, keys: Sequence[Any], _clean: Clean) -> None:
    connection.execute(update(_SEND).where(_SEND.c.id.in_(keys)).values(body_text="", raw=b"", copy_due_at=None))


def _contact_due(cut: datetime) -> Select[Any]:
    """Select people with whom nothing has happened since: no import, enrollment, letter or reply, no open thread."""
    own = _ENROLLMENT.c.contact_id == _CONTACT.c.id
    busy = exists().where(own, or_(_ENROLLMENT.c.state.in_(LIVE), _ENROLLMENT.c.ended_at >= cut))
    written = exists().where(_SEND.c.contact_id == _CONTACT.c.id, _SEND.c.planned_at >= cut)
    talks = exists().where(
        _THREAD.c.contact_id == _CONTACT.c.id,
        or_(_THREAD.c.last_reply_at >= cut, _THREAD.c.state.in_((ThreadState.OPEN, ThreadState.REVIEW))),
    )
    since = func.coalesce(_CONTACT.c.updated_at, _CONTACT.c.created_at)
    known = ~_CONTACT.c.email.like("%@erased.invalid")
    return select(_CONTACT.c.email, since).where(since < cut, known, ~busy, ~written, ~talks)


def _contact_search(connection: Connection, keys: Sequence[Any], clean: Clean) -> dict[Any, Any]:
    people = {address: person.find_person(connection, clean.secret, address) for address in keys}
    return {address: (one, erasure.search(connection, one)) for address, one in people.items()}


def _contact_go(connection: Connection, keys: Sequence[Any], clean: Clean) -> None:
    for address in keys:
        one, traces = clean.found[address]
        erasure.erase(connection, one, traces, actor=clean.actor, reason="retention", now=clean.now)


def _decision_due(cut: datetime) -> Select[Any]:
    return select(_DECISION.c.id, _DECISION.c.at).where(_DECISION.c.at < cut, _DECISION.c.reason != erasure.ERASED)


def _decision_go(connection: Connection, keys: Sequence[Any], _clean: Clean) -> None:
    blank: dict[str, Any] = {"facts": {}, "tried": [], "reason": erasure.ERASED}
    connection.execute(update(_DECISION).where(_DECISION.c.id.in_(keys)).values(**blank))


def _notice_due(cut: datetime) -> Select[Any]:
    return select(_NOTICE.c.id, _NOTICE.c.created_at).where(
        _NOTICE.c.created_at < cut, _NOTICE.c.state.not_in(("waiting", "claimed")), _NOTICE.c.error != erasure.ERASED
    )


def _notice_go(connection: Connection, keys: Sequence[Any], _clean: Clean) -> None:
    """Empty them; the row stays, or the event would be told again."""
    blank = {"payload": {"subject": erasure.ERASED, "text": erasure.ERASED}, "error": erasure.ERASED}
    connection.execute(update(_NOTICE).where(_NOTICE.c.id.in_(keys)).values(**blank))


def _private_due(cut: datetime) -> Select[Any]:
    query = select(_PRIVATE.c.seq, _AUDIT.c.at).join(_AUDIT, _AUDIT.c.seq == _PRIVATE.c.seq)
    return query.where(_AUDIT.c.at < cut.astimezone(UTC).isoformat(timespec="microseconds"))


def _private_go(connection: Connection, keys: Sequence[Any], clean: Clean) -> None:
    audit.forget(connection, keys, actor=clean.actor, subject="audit", now=clean.now, reason="retention")


def _report_due(cut: datetime) -> Select[Any]:
    query = select(_SOURCE.c.id, _REPORT.c.received_at).join(_REPORT, _REPORT.c.id == _SOURCE.c.report)
    return query.where(_REPORT.c.received_at < cut)


def _report_go(connection: Connection, keys: Sequence[Any], _clean: Clean) -> None:
    """Delete the sources; the report's own row stays, so that it does not count again."""
    connection.execute(delete(_SOURCE).where(_SOURCE.c.id.in_(keys)))


def _ledger_go(connection: Connection, keys: Sequence[Any], _clean: Clean) -> None:
    connection.execute(update(_SUPPRESSION).where(_SUPPRESSION.c.id.in_(keys)).values(value="", evidence=""))


def _ledger_rule(reason: SuppressionReason) -> Rule:
    def due(cut: datetime) -> Select[Any]:
        readable = _SUPPRESSION.c.value != ""
        same = (_SUPPRESSION.c.reason == reason, _SUPPRESSION.c.kind == "address")
        return select(_SUPPRESSION.c.id, _SUPPRESSION.c.created_at).where(
            _SUPPRESSION.c.created_at < cut, readable, *same
        )

    return Rule(
        f"suppression_{reason}", "evidence of the stop; afterwards its keyed hash alone blocks", due, _ledger_go
    )


RULES = (
    Rule(
        "contact",
        "people we may write to; afterwards nobody knows them",
        _contact_due,
        _contact_go,
        PEOPLE_AT_ONCE,
        _contact_search,
    ),
    Rule("raw_mail", "to judge a reply again and to prove what was written", _raw_due, _raw_go),
    Rule("reply_text", "the owner's conversation with the contact", _text_due, _text_go),
    Rule("letter_text", "to tell what we wrote from what was answered, and to prove it", _letter_due, _letter_go),
    Rule("decision_facts", "to explain why a reply went to its owner", _decision_due, _decision_go),
    Rule("notice_text", "until everybody has read them", _notice_due, _notice_go),
    Rule("report_sources", "to find who sends in our name", _report_due, _report_go),
    Rule("audit_private", "evidence in a dispute; the chain itself stays", _private_due, _private_go),
    *map(_ledger_rule, SuppressionReason),
)


def look(connection: Connection, rule: Rule, cut: datetime) -> tuple[int, Any]:
    """Return how many rows of a rule are older than the cut, and since when the oldest is there."""
    due = rule.due(cut).subquery()
    row = connection.execute(select(func.count(), func.min(list(due.columns)[1]))).one()
    return int(row[0]), row[1]


def find_due(connection: Connection, rule: Rule, cut: datetime, clean: Clean) -> Mapping[Any, Any]:
    """Return some of what is older than the cut, by key, with all that only a long search tells; changes nothing."""
    keys = [row[0] for row in connection.execute(rule.due(cut).limit(rule.at_once))]
    return rule.search(connection, keys, clean) if rule.search else dict.fromkeys(keys)


def carry_out(connection: Connection, rule: Rule, cut: datetime, found: Mapping[Any, Any], clean: Clean) -> int:
    """Let go what was found and is still due: another node may have been quicker, or the person come back."""
    query = rule.due(cut)
    keys = [row[0] for row in connection.execute(query.where(next(iter(query.selected_columns)).in_(list(found))))]
    if keys:
        rule.go(connection, keys, replace(clean, found=found))
        audit.append(connection, clean.now, clean.actor, "privacy.retention", rule.name, {"rows": len(keys)})
    return len(keys)
