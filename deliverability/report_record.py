"""What does a report about our domains say, whichever of the three kinds it is?"""

from dataclasses import dataclass
from datetime import date

from store.errors import PermanentError
from store.vocabulary import ReportKind

MOST_ROWS = 50_000  # records of one report
MOST_MESSAGES = 10**9  # of one record: more is a mistake or a lie


class ReportRefused(PermanentError):
    """A report that cannot be read; the message is a slug."""


@dataclass(frozen=True, slots=True)
class ReportRow:
    """What one source did in the name of one domain. For TLS the source is the reporter, messages are sessions."""

    source: str  #: IP address that sent; for TLS who reports
    domain: str  #: in From; for TLS whose policy it was
    messages: int
    passed: int = 0  #: an aligned identifier was authenticated; for TLS: encrypted as asked
    dkim: int = 0  #: passed with DKIM
    spf: int = 0  #: passed with SPF
    stopped: int = 0  #: quarantined or rejected
    excused: int = 0  #: failed, and the receiver knows why: forwarded, a mailing list
    detail: str = ""  #: why it failed, in words of the report


@dataclass(frozen=True, slots=True)
class DomainReport:
    """Hold one report; rows of the same source and domain are added up."""

    kind: ReportKind
    reporter: str
    report_id: str
    domain: str  #: whose policy was applied
    day: date  #: UTC, on which the reported time began
    rows: tuple[ReportRow, ...]
    skipped: int = 0  #: records without a valid address or count


@dataclass(frozen=True, slots=True)
class ReportMail:
    """What the reports in one message say, and why others in it were refused."""

    reports: tuple[DomainReport, ...] = ()
    refused: tuple[str, ...] = ()


def printable(text: str) -> str:
    """Return what a stranger wrote without signs that steer a terminal or that no database takes."""
    return "".join(sign if sign.isprintable() else " " for sign in text).strip()


def added_up(rows: list[ReportRow]) -> tuple[ReportRow, ...]:
    """Return one row for each source and domain."""
    sums: dict[tuple[str, str], ReportRow] = {}
    for row in rows:
        key = (row.source, row.domain)
        old = sums.get(key)
        sums[key] = row if old is None else _sum(old, row)
    return tuple(sums.values())


def _sum(one: ReportRow, other: ReportRow) -> ReportRow:
    details = dict.fromkeys(part for row in (one, other) for part in row.detail.split("; ") if part)
    return ReportRow(
        one.source,
        one.domain,
        one.messages + other.messages,
        one.passed + other.passed,
        one.dkim + other.dkim,
        one.spf + other.spf,
        one.stopped + other.stopped,
        one.excused + other.excused,
        "; ".join(list(details)[:5])[:500],
    )
