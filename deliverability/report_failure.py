"""What does a DMARC failure report say? ARF with Feedback-Type auth-failure (RFC 6591, RFC 9991), or only its text.

Of the message that failed nothing is kept but the address that sent it and the reason: the rest is other people's mail.
"""

import re
from collections.abc import Sequence
from datetime import UTC, date
from email.utils import parsedate_to_datetime
from ipaddress import ip_address

from deliverability.report_record import MOST_MESSAGES, DomainReport, ReportRefused, ReportRow, printable
from store.vocabulary import ReportKind

SUBJECT = re.compile(r"\bDMARC (?:failure|forensic) report\b", re.IGNORECASE)
_LABELS = {
    "source-ip": r"(?:sender ip(?: address)?|source[- ]ip)\s*:\s*|received from ip\s+",
    "reported-domain": r"(?:sender|reported)[- ]domain\s*:\s*",
    "arrival-date": r"(?:received|arrival)[- ]date\s*:\s*",
}


def is_failure_report(fields: Sequence[tuple[str, str]], subject: str, content_type: str) -> bool:
    """Tell whether a message is one; a complaint of a reader is none, and neither is a person who speaks of one."""
    kind = dict(fields).get("feedback-type", "").lower()
    return kind == "auth-failure" if kind else content_type == "multipart/report" and bool(SUBJECT.search(subject))


def parse_failure(
    fields: Sequence[tuple[str, str]], text: str, *, reporter: str, message_id: str, sent_on: date | None
) -> DomainReport:
    """Read a report from its fields, or from the text where it has none; raises ReportRefused with a slug."""
    said = {name: printable(value) for name, value in (dict(fields) or _fields_of(text)).items()}
    try:
        source = str(ip_address(said.get("source-ip", "").partition(" ")[0].strip("[]").removeprefix("IPv6:")))
    except ValueError as broken:
        raise ReportRefused("no-source-address") from broken
    domain = said.get("reported-domain", "").strip(" .").lower()
    if not domain:
        raise ReportRefused("no-domain")
    day = day_of(said.get("arrival-date", "")) or sent_on
    if day is None:
        raise ReportRefused("no-date")
    incidents = said.get("incidents", "")
    count = int(incidents) if incidents.isdecimal() and 0 < int(incidents[:12]) <= MOST_MESSAGES else 1
    stopped = said.get("delivery-result", "").lower() in ("reject", "spam", "policy", "quarantine")
    why = said.get("auth-failure") or said.get("identity-alignment") or "dmarc"
    row = ReportRow(source, domain[:253], count, stopped=count * stopped, detail=f"failed: {why}"[:200])
    return DomainReport(
        ReportKind.FAILURE,
        printable(reporter)[:200] or "unknown",
        printable(message_id)[:200],
        domain[:253],
        day,
        (row,),
    )


def _fields_of(text: str) -> dict[str, str]:
    found = {}
    for name, label in _LABELS.items():
        line = re.search(rf"(?im)(?:^|\W)(?:{label})([^\r\n]+)", text[:20_000])
        if line:
            found[name] = line[1].strip() if name == "arrival-date" else line[1].split()[0].strip(",;")
    return found


def day_of(text: str) -> date | None:
    """Return the UTC day of a date as mail headers write it, None for what is none."""
    try:
        found = parsedate_to_datetime(text[:200])
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
    return (found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)).date()
