"""Is a message a report about our domains, and what does it say? DMARC aggregate and failure reports, TLS reports.

Reads an already parsed message, whose caps the caller has kept; what is attached has caps of its own. Every answer
can cross a process boundary as JSON.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import date
from email.message import Message
from typing import Any

from deliverability.report_dmarc import is_aggregate, parse_aggregate
from deliverability.report_failure import day_of, is_failure_report, parse_failure
from deliverability.report_file import unpack
from deliverability.report_record import DomainReport, ReportMail, ReportRefused, ReportRow
from deliverability.report_tls import is_tls_report, parse_tls_report
from store.vocabulary import ReportKind

_MOST_PARTS = 50  # of a message that are looked at
_LONGEST_NAME = 500  # characters of a file name
_TYPE = re.compile(
    r"application/(?:x-)?(?:gzip|zip|zip-compressed|gzip-compressed|xml|octet-stream|json|tlsrpt\+\w+)|text/xml", re.I
)
_NAME = re.compile(r"\.(?:xml|json)(?:\.gz|\.zip|\.gzip)?$|\.(?:gz|zip)$", re.IGNORECASE)
#: RFC 9990, 3.5.2 and 3.5.1; RFC 8460, 5.3: a subject and file names by which a broken report is known as one.
_SUBJECT = re.compile(r"(?:\[[^\]]{1,30}\]\s*)*report[ -]domain:.*\bsubmitter:", re.IGNORECASE)  # a gateway may tag it
_REPORT_NAME = re.compile(r"[^!\s]+![^!\s]+!\d{6,}!\d{6,}")


def read_report(
    message: Message, *, subject: str = "", text: str = "", feedback: Sequence[tuple[str, str]] = (), sender: str = ""
) -> ReportMail | None:
    """Return what the reports in a message say, None when it is no report; never raises for what it holds."""
    report_type = str(message.get_param("report-type", "") or "").lower()
    try:
        if is_failure_report(feedback, subject, message.get_content_type()):
            said = parse_failure(
                feedback, text, reporter=sender.rpartition("@")[2], message_id=str(message["Message-ID"] or "").strip(),
                sent_on=day_of(str(message["Date"] or "")),
            )  # fmt: skip
            return ReportMail((said,))
    except ReportRefused as refusal:
        return ReportMail(refused=(str(refusal),))
    meant = report_type == "tlsrpt" or _SUBJECT.match(" ".join(subject.split())) is not None
    reports: list[DomainReport] = []
    refused: list[str] = []
    for name, packed in _attachments(message):
        named = _REPORT_NAME.search(name) is not None
        try:
            reports += read_file(packed)
        except ReportRefused as refusal:
            refused += [str(refusal)] if meant or named else []
    if not reports and not refused:
        return ReportMail(refused=("no-report-attached",)) if meant else None
    return ReportMail(tuple(reports), tuple(refused))


def read_file(packed: bytes) -> list[DomainReport]:
    """Return the reports in a file, packed or not; raises ReportRefused with a slug, also when there is none."""
    found = []
    for plain in unpack(packed):
        if is_aggregate(plain):
            found.append(parse_aggregate(plain))
        elif is_tls_report(plain):
            found.append(parse_tls_report(plain))
    if not found:
        raise ReportRefused("no-report-inside")
    return found


def _attachments(message: Message) -> Iterator[tuple[str, bytes]]:
    for part, _ in zip(message.walk(), range(_MOST_PARTS), strict=False):
        name = str(part.get_filename() or "")[-_LONGEST_NAME:]
        if not part.is_multipart() and (_TYPE.fullmatch(part.get_content_type()) or _NAME.search(name)):
            payload = part.get_payload(decode=True)
            if isinstance(payload, bytes) and payload:
                yield name, payload


def dump(found: ReportMail | None) -> str:
    """Return a report mail as JSON, empty for none."""
    return json.dumps(asdict(found), default=date.isoformat) if found is not None else ""


def load(text: str) -> ReportMail | None:
    """Return what `dump` wrote."""
    if not text:
        return None
    found: dict[str, Any] = json.loads(text)
    return ReportMail(tuple(_loaded(one) for one in found["reports"]), tuple(found["refused"]))


def _loaded(one: dict[str, Any]) -> DomainReport:
    own = {"kind": ReportKind(one["kind"]), "day": date.fromisoformat(one["day"])}
    return DomainReport(**{**one, **own, "rows": tuple(ReportRow(**row) for row in one["rows"])})
