"""What does this installation know about the demands on a sender, and how does the answer look in a terminal?"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from sqlalchemy import Connection

from deliverability.demands import SOURCES
from deliverability.findings import Finding
from deliverability.rules import RuleRow, RuleStatus, SenderFacts, assess_rules
from postroom import output
from postroom.config import Config
from postroom.opened import Opened
from store import domain_reports, probes, sender_facts
from store.vocabulary import ReportKind, Severity

LOOK_BACK = timedelta(days=30)
_EXCHANGE = (".office365.com", ".outlook.com")  # hosts of Exchange Online's SMTP
_MARKS = {RuleStatus.MET: ("+", "green"), RuleStatus.NOT_MET: ("x", "red"), RuleStatus.NOT_MEASURABLE: ("?", "yellow")}


def show(checks: Sequence[Mapping[str, Any]], opened: Opened | None, *, as_json: bool) -> int:
    """Print the page and return the exit status: 1 when a demand is not met."""
    rows = [describe(row) for row in assess_rules(gather(checks, opened))]
    if as_json:
        output.print_rows(rows, as_json=True, columns=())
    else:
        output.console.print(render(rows))
    return int(any(row["status"] == RuleStatus.NOT_MET for row in rows))


def gather(checks: Sequence[Mapping[str, Any]], opened: Opened | None) -> SenderFacts:
    """Return what is known: described domain checks, and what the installation itself knows."""
    findings = {
        str(check["domain"]): [
            Finding(one["slug"], Severity(one["severity"]), one["found"], one["advice"]) for one in check["findings"]
        ]
        for check in checks
    }
    if opened is None:
        return SenderFacts(findings)
    since = datetime.now(UTC) - LOOK_BACK
    stored = opened.store.read_now(lambda connection: _stored(connection, opened.config, since))
    return SenderFacts(findings, configured=True, **_configured(opened.config), **stored)


def _configured(config: Config) -> dict[str, Any]:
    senders = [(one, one.smtp) for one in config.mailbox if one.smtp is not None]
    exchange = [one for one, smtp in senders if smtp.host.lower().endswith(_EXCHANGE)]
    return {
        "mailboxes": len(senders),
        "plaintext": tuple(one.address for one, smtp in senders if smtp.security == "none"),
        "exchange": tuple(one.address for one in exchange),
        "passwords": tuple(one.address for one in exchange if one.oauth is None),
    }


def _stored(connection: Connection, config: Config, since: datetime) -> dict[str, Any]:
    sent, busiest = sender_facts.sent_since(connection, since)
    stops, late = sender_facts.stops(connection)
    region_of = config.guardrails.find_region
    people = sender_facts.written_to(connection, since)
    needing = [row for row in people if region_of(row["country"]).needs_basis and not row["legal_basis"].strip()]
    reported: dict[str, tuple[int, int]] = {}
    for row in domain_reports.by_source(connection, since.date()):
        if row["kind"] == ReportKind.DMARC and (row["passed"] or row["source"] in config.deliverability.relays):
            whole, passed = reported.get(row["domain"], (0, 0))  # strangers do not count against us
            reported[row["domain"]] = whole + row["messages"], passed + row["passed"]
    return {
        "letters": sender_facts.newest_letters(connection),
        "busiest": busiest,
        "sent": sent,
        "complaints": sender_facts.complaints_since(connection, since),
        "stops": stops,
        "after_stop": late,
        "no_basis": len(needing),
        "reported": reported,
        "copies": probes.newest_copies(connection),
    }


def describe(row: RuleRow) -> dict[str, str]:
    """Return a row as the object that scripts read."""
    return {
        "slug": row.slug,
        "demand": row.demand,
        "source": row.source,
        "status": row.status,
        "evidence": row.evidence,
    }


def render(rows: Sequence[Mapping[str, str]]) -> RenderableType:
    """Return the page for people: what is not met first."""
    table = Table.grid(padding=(0, 1, 0, 0))
    table.add_column(width=2, justify="right")
    table.add_column(overflow="fold")
    for status in (RuleStatus.NOT_MET, RuleStatus.NOT_MEASURABLE, RuleStatus.MET):
        mark, colour = _MARKS[status]
        for row in rows:
            if row["status"] == status:
                who = ", ".join(one.partition(",")[0] if one in SOURCES else one for one in row["source"].split("; "))
                table.add_row(Text(mark, f"bold {colour}"), Text.assemble((row["demand"], "bold"), f"  {who}"))
                table.add_row("", Text.assemble((f"{status}: ", colour), row["evidence"]))
    counts = {status: sum(row["status"] == status for row in rows) for status in RuleStatus}
    head = ", ".join(f"{number} {status}" for status, number in counts.items())
    used = [source for source in SOURCES if any(source in row["source"] for row in rows)]
    return Group(Text(f"Demands on senders: {head}", "bold"), table, Text(""), *(Text(one, "dim") for one in used))
