"""What do DMARC and TLS reports say about our domains, as figures of `postroom report`?"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from postroom.report import DEFINITIONS
from store import domain_reports
from store.vocabulary import ReportKind


def rows(connection: Connection, by: str, since: datetime) -> list[dict[str, Any]]:
    """Return one row a figure and domain, or a domain and source, since an instant."""
    groups: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in domain_reports.by_source(connection, since.date()):
        groups[row["domain"] if by == "domain" else f"{row['domain']} {row['source']}"].append(row)
    figures = [(group, *figure) for group, found in sorted(groups.items()) for figure in _figures(found, by)]
    refused = domain_reports.refusals(connection, since)
    figures += [(row["reporter"], "refused_report", row["refused"]) for row in refused]
    return [
        {"by": by, "group": group, "figure": figure, "value": value, "definition": DEFINITIONS[figure]}
        for group, figure, value in figures
    ]


def table(connection: Connection, since: datetime) -> list[dict[str, Any]]:
    """Return one row a domain and source for people."""
    return [
        {**row, "share": _share([row], "passed"), "last": f"{row['last']:%d %b %Y}", "why": row["detail"]}
        for row in domain_reports.by_source(connection, since.date())
    ]


def _figures(found: list[dict[str, Any]], by: str) -> Iterator[tuple[str, Any]]:
    dmarc, failures, tls = ([row for row in found if row["kind"] == kind] for kind in ReportKind)
    if dmarc:
        yield "reported", _sum(dmarc, "messages")
        yield "reported_pass", _share(dmarc, "passed")
        yield "reported_stopped", _sum(dmarc, "stopped")
    strangers = {row["source"] for row in (*dmarc, *failures)}
    strangers -= {row["source"] for row in dmarc if row["passed"] or row["messages"] == row["excused"]}
    if dmarc or failures:
        yield "never_passing", len(strangers)
    if failures:
        yield "failure_reports", _sum(failures, "messages")
    if tls:
        yield "tls_sessions", _sum(tls, "messages")
        yield "tls_failed", round(1 - (_share(tls, "passed") or 0), 4)
    why = next((row["detail"] for row in (*dmarc, *failures, *tls) if row["detail"]), "")
    if by == "source" and why:
        yield "failed_because", why


def _sum(found: Sequence[Mapping[str, Any]], name: str) -> int:
    return sum(int(row[name]) for row in found)


def _share(found: Sequence[Mapping[str, Any]], name: str) -> float | None:
    whole = sum(int(row["messages"]) for row in found)
    return round(sum(int(row[name]) for row in found) / whole, 4) if whole else None
