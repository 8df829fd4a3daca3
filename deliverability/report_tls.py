"""What does a TLS report say? (RFC 8460, 4.4) Sessions per policy domain, with the reasons of those that failed."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from typing import Any

from deliverability.report_record import (
    MOST_MESSAGES,
    MOST_ROWS,
    DomainReport,
    ReportRefused,
    ReportRow,
    added_up,
    printable,
)
from store.vocabulary import ReportKind

_MOST_KINDS = 5  # of failures that a row names


def is_tls_report(data: bytes) -> bool:
    """Tell whether a file is meant to be a TLS report."""
    return data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"{" and b'"policies"' in data


def parse_tls_report(data: bytes) -> DomainReport:
    """Read a report; raises ReportRefused with a slug."""
    try:
        found = json.loads(data.decode("utf-8-sig", "replace"))
    except (ValueError, RecursionError) as broken:
        raise ReportRefused("json-broken") from broken
    if not isinstance(found, dict) or not isinstance(found.get("policies"), list):
        raise ReportRefused("json-no-policies")
    reporter = _text(found, "organization-name") or _text(found, "contact-info").rpartition("@")[2] or "unknown"
    rows = list(_rows(found["policies"], reporter))
    if not rows:
        raise ReportRefused("no-records")
    begin = _day(_text(_inner(found, "date-range"), "start-datetime"))
    if begin is None:
        raise ReportRefused("no-date")
    return DomainReport(
        ReportKind.TLS, reporter, _text(found, "report-id"), rows[0].domain, begin, added_up(rows),
        len(found["policies"]) - len(rows),
    )  # fmt: skip


def _rows(policies: list[Any], reporter: str) -> Iterator[ReportRow]:
    if len(policies) > MOST_ROWS:
        raise ReportRefused("too-many-rows")
    for one in policies:
        entry = one if isinstance(one, dict) else {}
        domain = _text(_inner(entry, "policy"), "policy-domain").strip(".").lower()
        sums = _inner(entry, "summary")
        good, bad = (_count(sums.get(f"total-{kind}-session-count")) for kind in ("successful", "failure"))
        if domain and good is not None and bad is not None and good + bad:
            yield ReportRow(reporter, domain, good + bad, passed=good, detail=_why(entry.get("failure-details")))


def _why(failures: Any) -> str:
    kinds: Counter[str] = Counter()
    for one in failures[:MOST_ROWS] if isinstance(failures, list) else []:
        if isinstance(one, dict):
            code = _text(one, "failure-reason-code")
            kinds[_text(one, "result-type") + (f" ({code})" if code else "")] += (
                _count(one.get("failed-session-count")) or 0
            )
    return "; ".join(f"{kind} {count}" for kind, count in kinds.most_common(_MOST_KINDS))[:500]


def _inner(found: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = found.get(name)
    return value if isinstance(value, dict) else {}


def _text(found: Mapping[str, Any], name: str) -> str:
    value = found.get(name)
    return printable(value[:200]) if isinstance(value, str) else ""


def _count(value: Any) -> int | None:
    try:
        number = int(value or 0)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if 0 <= number <= MOST_MESSAGES else None


def _day(text: str) -> date | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (found.astimezone(UTC) if found.tzinfo else found).date()
