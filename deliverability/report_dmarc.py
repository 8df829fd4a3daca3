"""What does a DMARC aggregate report say? RFC 7489, appendix C, and RFC 9990, appendix A, read by expat's events.

Elements are known by their place, without prefix or namespace: reporters write both schemas, drafts and mixtures. A
document type is refused, so that no entity is ever expanded. Every count is per source address.
"""

import re
from collections import defaultdict
from datetime import UTC, datetime
from ipaddress import ip_address
from xml.parsers import expat

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

_DEEPEST = 20  # elements within elements
_LONGEST = 1_000  # characters of one value that are kept
_MOST_ELEMENTS = 3_000_000  # the largest real reports have half a million
_HEAD = ("org_name", "email", "report_id", "begin", "end", "domain")
_VALUES = frozenset(
    ("row/source_ip", "row/count", "row/policy_evaluated/disposition", "row/policy_evaluated/dkim",
     "row/policy_evaluated/spf", "row/policy_evaluated/reason/type", "identifiers/header_from",
     "identities/header_from", "auth_results/dkim/domain", "auth_results/dkim/result", "auth_results/spf/domain",
     "auth_results/spf/result")
)  # fmt: skip
_MOST_VALUES = 20  # of one kind in a record: each signature has a result
_CONTROL = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_RANGE = "report_metadata/date_range"
_EXCUSES = ("forwarded", "mailing_list", "trusted_forwarder")
_EARLIEST = datetime(1975, 1, 1, tzinfo=UTC)  # before it no reporter's clock was right


def is_aggregate(data: bytes) -> bool:
    """Tell whether a file is meant to be an aggregate report."""
    head = data[:20_000].replace(b"\0", b"")  # also UTF-16
    return re.search(rb"<(?:[\w.-]+:)?feedback[\s>]", head) is not None


def parse_aggregate(data: bytes) -> DomainReport:
    """Read a report; raises ReportRefused with a slug."""
    data = data.lstrip(b"\xef\xbb\xbf \t\r\n\0")
    try:
        found = _read(data)
    except expat.ExpatError:  # wrong bytes are replaced, wrong elements refused
        text = _CONTROL.sub("\ufffd", data.decode("utf-8", "replace"))
        try:
            found = _read(text.encode(), "utf-8")
        except expat.ExpatError as broken:
            raise ReportRefused("xml-broken") from broken
    return _report(found)


def _read(data: bytes, encoding: str | None = None) -> "_Elements":
    found = _Elements()
    parser = expat.ParserCreate(encoding)
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = _refuse_document_type
    parser.StartElementHandler, parser.EndElementHandler = found.start, found.end
    parser.CharacterDataHandler = found.text
    try:
        parser.Parse(data, True)
    except (ValueError, LookupError) as unknown:  # an encoding that Python does not know
        raise expat.ExpatError(str(unknown)) from unknown
    except expat.ExpatError:
        if not found.complete:  # what follows </feedback> does not matter
            raise
    return found


def _refuse_document_type(*_: object) -> None:
    raise ReportRefused("xml-document-type")


class _Elements:
    """Collects the values of the report and of each record, by their place below `feedback`."""

    def __init__(self) -> None:
        self.head: dict[str, str] = {}
        self.records: list[dict[str, list[str]]] = []
        self.complete = False
        self._path: list[str] = []
        self._record: defaultdict[str, list[str]] | None = None
        self._text: list[str] = []
        self._seen = 0

    def start(self, name: str, _attributes: object) -> None:
        local = name.rpartition(":")[2]
        if local == "feedback" and not self.complete:
            self._path = []  # whatever wraps it
        else:
            self._path.append(local)
        self._seen += 1
        if len(self._path) > _DEEPEST or self._seen > _MOST_ELEMENTS:
            raise ReportRefused("xml-too-deep" if len(self._path) > _DEEPEST else "xml-too-many-elements")
        if self._path == ["record"]:
            self._record = defaultdict(list)
        self._text = []

    def text(self, data: str) -> None:
        if len(self._text) < _LONGEST:
            self._text.append(data[:_LONGEST])

    def end(self, name: str) -> None:
        value, self._text = printable("".join(self._text)[:_LONGEST]), []
        place = "/".join(self._path)
        if name.rpartition(":")[2] == "feedback":
            self.complete = True
        elif place == "record" and self._record is not None:
            self.records.append(self._record)
            self._record = None
            if len(self.records) > MOST_ROWS:
                raise ReportRefused("too-many-rows")
        elif self._record is not None:
            below = place.removeprefix("record/")
            values = self._record[below] if below in _VALUES else []
            if len(values) < _MOST_VALUES:
                values.append(value)
        elif self._path and self._path[-1] in _HEAD:
            self.head.setdefault(place, value)
        if self._path:
            self._path.pop()


def _report(found: _Elements) -> DomainReport:
    if not found.complete:
        raise ReportRefused("no-feedback-element")
    head = found.head
    domain = head.get("policy_published/domain", "").strip(".").lower()
    if not domain:
        raise ReportRefused("no-domain")
    if not found.records:
        raise ReportRefused("no-records")
    rows = [row for record in found.records if (row := _row(record, domain)) is not None]
    reporter = (
        head.get("report_metadata/org_name") or head.get("report_metadata/email", "").rpartition("@")[2] or "unknown"
    )
    begin = _instant(head.get(f"{_RANGE}/begin", "")) or _instant(head.get(f"{_RANGE}/end", ""))
    if begin is None:
        raise ReportRefused("no-date")
    report_id = head.get("report_metadata/report_id", "")[:200]
    skipped = len(found.records) - len(rows)
    return DomainReport(
        ReportKind.DMARC, reporter[:200], report_id, domain[:253], begin.date(), added_up(rows), skipped
    )


def _row(record: dict[str, list[str]], published: str) -> ReportRow | None:
    def value(*places: str) -> str:
        return next((one for place in places for one in record.get(place, ()) if one), "").strip().lower()

    try:
        source = str(ip_address(value("row/source_ip").strip("[]")))
        count = int(value("row/count"))
    except ValueError:
        return None
    if not 0 < count <= MOST_MESSAGES:
        return None
    author = value("identifiers/header_from", "identities/header_from").strip(".")
    author = author if f".{author}".endswith(f".{published}") else published
    dkim = count * (value("row/policy_evaluated/dkim") == "pass")
    spf = count * (value("row/policy_evaluated/spf") == "pass")
    passed = max(dkim, spf)
    stopped = count * (value("row/policy_evaluated/disposition") in ("quarantine", "reject"))
    excused = any(one.lower() in _EXCUSES for one in record.get("row/policy_evaluated/reason/type", ()))
    return ReportRow(
        source, author[:253], count, passed, dkim, spf, stopped, count * (excused and not passed),
        "" if passed else _why(record),
    )  # fmt: skip


def _why(record: dict[str, list[str]]) -> str:
    """Name what was authenticated instead of the From domain."""
    said = []
    for method in ("dkim", "spf"):
        domains, results = (record.get(f"auth_results/{method}/{name}", []) for name in ("domain", "result"))
        said += [
            f"{method}={result.lower()} {domain}".strip() for domain, result in zip(domains, results, strict=False)
        ]
    return "; ".join(said)[:500]


def _instant(text: str) -> datetime | None:
    """Return an instant from seconds since 1970, as a number or in ISO 8601; None for what is neither."""
    try:
        found = datetime.fromtimestamp(float(text), UTC)
    except (ValueError, OverflowError, OSError):
        try:
            found = datetime.fromisoformat(text)
        except ValueError:
            return None
        found = found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    return found if found >= _EARLIEST else None
