"""What do others report about mail in our domains' name? Per source and day; a report that comes twice counts once."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, and_, case, func, insert, select, update

from store.desk_tables import Notice
from store.report_tables import DomainReport, ReportSource
from store.tables import core
from store.vocabulary import ReportKind

_REPORT, _SOURCE, _NOTICE = core(DomainReport), core(ReportSource), core(Notice)
COUNTS = ("messages", "passed", "dkim", "spf", "stopped", "excused")


def save(
    connection: Connection, head: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], message_id: int, now: datetime
) -> bool:
    """Store a report: `head` has kind, reporter, report_id, domain, day and skipped; returns False for a known one."""
    key = ("kind", "reporter", "report_id", "domain")
    known = select(_REPORT.c.id).where(*(_REPORT.c[name] == head[name] for name in key))
    if connection.execute(known).first() is not None:
        return False
    values = {**head, "message_id": message_id, "received_at": now, "refused": ""}
    report = connection.execute(insert(_REPORT).values(**values)).inserted_primary_key
    same = {"report": report[0] if report else 0, "kind": head["kind"], "day": head["day"], "told": False}
    if rows:
        connection.execute(insert(_SOURCE), [{**row, **same} for row in rows])
    return True


def save_refusal(connection: Connection, reason: str, reporter: str, message_id: int, now: datetime) -> None:
    """Note that a report could not be read."""
    values = {"reporter": reporter, "report_id": f"message:{message_id}", "message_id": message_id, "refused": reason}
    connection.execute(insert(_REPORT).values(**values, domain="", received_at=now, skipped=0))


def by_source(connection: Connection, since: date) -> list[dict[str, Any]]:
    """Return the counts of every domain and source since a day, with the last day and one reason of failure."""
    sums = [func.sum(_SOURCE.c[name]).label(name) for name in COUNTS]
    query = (
        select(
            _SOURCE.c.kind, _SOURCE.c.domain, _SOURCE.c.source, *sums, func.min(_SOURCE.c.day).label("first"),
            func.max(_SOURCE.c.day).label("last"), func.max(_SOURCE.c.detail).label("detail"),
        )
        .where(_SOURCE.c.day >= since)
        .group_by(_SOURCE.c.kind, _SOURCE.c.domain, _SOURCE.c.source)
        .order_by(_SOURCE.c.kind, _SOURCE.c.domain, func.sum(_SOURCE.c.messages).desc(), _SOURCE.c.source)
    )  # fmt: skip
    return [_plain(dict(row._mapping)) for row in connection.execute(query)]


def never_passing(connection: Connection, domain: str, *, told: bool | None = None) -> list[dict[str, Any]]:
    """Return the sources that never passed for a domain and were not always excused; `told` narrows them."""
    failing = func.sum(_SOURCE.c.messages - _SOURCE.c.excused)
    query = (
        select(
            _SOURCE.c.source, func.sum(_SOURCE.c.messages).label("messages"), func.max(_SOURCE.c.detail).label("detail")
        )
        .where(_SOURCE.c.domain == domain, _SOURCE.c.kind.in_([ReportKind.DMARC, ReportKind.FAILURE]))
        .group_by(_SOURCE.c.source)
        .having(and_(func.sum(_SOURCE.c.passed) == 0, failing > 0))
        .order_by(func.sum(_SOURCE.c.messages).desc(), _SOURCE.c.source)
    )
    if told is not None:
        query = query.having(func.max(case((_SOURCE.c.told, 1), else_=0)) == int(told))
    return [_plain(dict(row._mapping)) for row in connection.execute(query)]


def told_on(connection: Connection, event_key: str) -> bool:
    """Tell whether a notice with this key was queued already."""
    return connection.execute(select(_NOTICE.c.id).where(_NOTICE.c.event_key == event_key)).first() is not None


def mark_told(connection: Connection, domain: str, sources: Sequence[str]) -> None:
    """Remember that people know of these sources."""
    own = and_(_SOURCE.c.domain == domain, _SOURCE.c.source.in_(list(sources)))
    connection.execute(update(_SOURCE).where(own).values(told=True))


def refusals(connection: Connection, since: datetime) -> list[dict[str, Any]]:
    """Return the reports that could not be read, with their reason."""
    query = select(_REPORT.c.reporter, _REPORT.c.refused, _REPORT.c.received_at, _REPORT.c.message_id)
    wanted = query.where(_REPORT.c.refused != "", _REPORT.c.received_at >= since).order_by(_REPORT.c.id)
    return [dict(row._mapping) for row in connection.execute(wanted)]


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: int(value) if name in COUNTS else value for name, value in row.items()}
