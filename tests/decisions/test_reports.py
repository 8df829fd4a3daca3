"""Is every DMARC and TLS report read or refused with a reason, within its caps, whatever it is packed in?"""

import base64
import gzip
import io
import zipfile
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deliverability import report_file
from deliverability.report_dmarc import parse_aggregate
from deliverability.report_file import unpack
from deliverability.report_record import DomainReport, ReportRefused, ReportRow
from deliverability.report_tls import parse_tls_report
from deliverability.reports import dump, load, read_file
from inbox.parse import parse_mail
from store.vocabulary import ReportKind

SHARED = Path("../shared/data/dmarc")
needs_data = pytest.mark.skipif(not SHARED.exists(), reason="no ../shared/data here")
#: What cannot be read, and why; everything else must give a report.
REFUSED = {"invalid_xml.xml": "xml-broken", "empty.xml": "empty"}
XML = """<?xml version="1.0"?><feedback><report_metadata><org_name>r.example</org_name><report_id>1</report_id>
<date_range><begin>1700000000</begin><end>1700086399</end></date_range></report_metadata>
<policy_published><domain>us.example</domain><p>none</p></policy_published>{}</feedback>"""
ROW = """<record><row><source_ip>{ip}</source_ip><count>{count}</count><policy_evaluated><disposition>none</disposition>
<dkim>{dkim}</dkim><spf>fail</spf></policy_evaluated></row><identifiers><header_from>us.example</header_from>
</identifiers><auth_results><spf><domain>x.example</domain><result>pass</result></spf></auth_results></record>"""


def xml(*rows: tuple[str, int, str]) -> bytes:
    return XML.format("".join(ROW.format(ip=ip, count=count, dkim=dkim) for ip, count, dkim in rows)).encode()


PLAIN = xml(("192.0.2.1", 3, "pass"))


def read_all(path: Path) -> list[DomainReport]:
    if path.suffix != ".eml":
        return read_file(path.read_bytes())
    found = load(parse_mail(path.read_bytes()).report)
    assert found is not None
    if found.refused:
        raise ReportRefused(found.refused[0])
    return list(found.reports)


@needs_data
def test_everything_in_the_reference_data_is_read_or_refused_with_a_reason() -> None:
    files = [path for path in SHARED.rglob("*") if path.is_file() and path.name != "LICENSE"]
    refused, rows = {}, 0
    for path in files:
        try:
            found = read_all(path)
        except ReportRefused as refusal:
            refused[path.name] = str(refusal)
            continue
        assert found and all(one.domain and one.rows and one.reporter != "unknown" for one in found), path.name
        rows += sum(len(one.rows) for one in found)
    assert len(files) == 34
    assert refused == REFUSED
    assert rows > 2_000


@needs_data
def test_figures_of_known_reports() -> None:
    (new,) = read_all(SHARED / "aggregate/rfc9990-example.net!example.com!1700000000!1700086399.xml")
    assert new.day == date(2023, 11, 14)
    assert [(row.source, row.messages, row.passed, row.stopped) for row in new.rows] == [
        ("198.51.100.1", 5, 5, 0), ("203.0.113.10", 2, 0, 2),
    ]  # fmt: skip
    (tls,) = read_all(SHARED / "smtp_tls/rfc8460.json")
    assert (tls.kind, tls.rows[0].messages, tls.rows[0].passed) == (ReportKind.TLS, 5629, 5326)
    (failure,) = read_all(SHARED / "failure/exim_plain_text_only_no_arf_part.eml")
    assert (failure.kind, failure.domain, failure.rows[0].source) == (ReportKind.FAILURE, "example.com", "203.0.113.68")


def zipped(**files: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in files.items():
            archive.writestr(name, body)
    return stream.getvalue()


@pytest.mark.parametrize(
    "packed",
    [
        PLAIN, gzip.compress(PLAIN), gzip.compress(PLAIN) + b"\0trailing", zipped(a=PLAIN), base64.b64encode(PLAIN),
        base64.encodebytes(gzip.compress(PLAIN)), zipped(a=gzip.compress(PLAIN)), gzip.compress(PLAIN[:50]) + gzip.compress(PLAIN[50:]),
        b"\xef\xbb\xbf" + PLAIN, PLAIN.decode().replace('version="1.0"', 'version="1.0" encoding="utf-16"').encode("utf-16"),
        PLAIN.replace(b"feedback", b"d:feedback").replace(b"<d:feedback>", b'<d:feedback xmlns:d="urn:x">'),
        PLAIN.replace(b"r.example", b"r\xe4r.example"), PLAIN.replace(b"r.example", b"r\x02.example"), PLAIN + b"<trailing",
    ],
)  # fmt: skip
def test_whatever_it_is_packed_in(packed: bytes) -> None:
    (found,) = read_file(packed)
    assert [(row.source, row.messages, row.passed) for row in found.rows] == [("192.0.2.1", 3, 3)]


@pytest.mark.parametrize(
    ("packed", "reason"),
    [
        (b"", "empty"),
        (b"<html>", "no-report-inside"),
        (gzip.compress(b" " * 30_000_000), "unpacked-too-large"),
        (gzip.compress(gzip.compress(b"<" * 30_000_000)), "unpacked-too-large"),
        (zipped(a=b" " * 15_000_000, b=b" " * 15_000_000), "unpacked-too-large"),
        (zipped(**{f"f{number}": PLAIN for number in range(21)}), "zip-too-many-files"),
        (b"PK\x03\x04 nothing", "zip-broken"),
        (b"\x1f\x8bnothing", "gzip-broken"),
        (gzip.compress(PLAIN)[:-30], "gzip-cut-off"),
        (b"x" * 10_000_001, "attachment-too-large"),
        (gzip.compress(gzip.compress(gzip.compress(gzip.compress(gzip.compress(PLAIN))))), "packed-too-often"),
        (PLAIN.replace(b"<feedback>", b'<!DOCTYPE f [<!ENTITY a "b">]><feedback>'), "xml-document-type"),
        (PLAIN.replace(b"<record>", b"<a>" * 30 + b"<record>"), "xml-too-deep"),
        (PLAIN[:-40], "xml-broken"),
        (PLAIN.replace(b"us.example", b""), "no-domain"),
        (PLAIN.replace(b"1700000000", b"x").replace(b"1700086399", b"-5"), "no-date"),
        (xml(), "no-records"),
        (b'{"policies": [' + b"[" * 100_000, "json-broken"),
        (b'{"policies": 5}', "json-no-policies"),
    ],
)
def test_refused_with_a_reason(packed: bytes, reason: str) -> None:
    with pytest.raises(ReportRefused, match=f"^{reason}$"):
        read_file(packed)


def test_too_many_rows_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deliverability.report_dmarc.MOST_ROWS", 3)
    with pytest.raises(ReportRefused, match="too-many-rows"):
        parse_aggregate(xml(*[("192.0.2.1", 1, "pass")] * 4))


def test_rows_of_a_source_are_added_up_and_nonsense_is_skipped_and_counted() -> None:
    found = parse_aggregate(
        xml(("192.0.2.1", 2, "pass"), ("192.0.2.1", 3, "fail"), ("nowhere", 1, "pass"), ("192.0.2.2", -1, "pass"))
    )
    why = "spf=pass x.example"
    assert found.rows == (ReportRow("192.0.2.1", "us.example", 5, passed=2, dkim=2, detail=why),)
    assert found.skipped == 2


def test_only_a_report_is_taken_for_one() -> None:
    head = b"From: a@x.example\r\nTo: b@us.example\r\nSubject: %s\r\n%sContent-Type: %s\r\n\r\n%s\r\n"
    report = head % (b"Report Domain: us.example Submitter: r.example Report-ID: 1", b"", b"text/xml", PLAIN)
    assert parse_mail(report).report
    assert not parse_mail(report.replace(b"Subject:", b"In-Reply-To: <1@us.example>\r\nSubject:")).report
    invoice = head % (b"Your invoice", b"", b"application/zip", zipped(invoice=b"pay"))
    assert not parse_mail(invoice).report
    broken = load(parse_mail(report.replace(b"</feedback>", b"")).report)
    assert broken is not None and broken.refused == ("xml-broken",)
    complaint = (
        b"From: fbl@r.example\r\nTo: b@us.example\r\nSubject: complaint\r\nContent-Type: multipart/report; "
        b'report-type=feedback-report; boundary="b"\r\n\r\n--b\r\nContent-Type: message/feedback-report\r\n\r\n'
        b"Feedback-Type: abuse\r\nSource-IP: 192.0.2.1\r\n\r\n--b--\r\n"
    )
    assert not parse_mail(complaint).report
    assert parse_mail(complaint.replace(b"abuse", b"auth-failure")).report
    for subject in (b"Fwd: Report Domain: us.example Submitter: r.example", b"DMARC failure report about your mail"):
        assert not parse_mail(head % (subject, b"", b"text/plain", b"your mail fails, please stop")).report
    assert not parse_mail(report.replace(b"Subject: ", b"Subject: Fwd: ")).report


@given(st.binary(max_size=400))
def test_no_bytes_bring_the_readers_down(data: bytes) -> None:
    for packed in (data, b"<feedback>" + data, b'{"policies":' + data, b"PK\x03\x04" + data, b"\x1f\x8b\x08" + data):
        for read in (read_file, parse_aggregate, parse_tls_report):
            try:
                read(packed)
            except ReportRefused as refusal:
                assert " " not in str(refusal)


@given(st.integers(1, report_file.MOST_FILES), st.binary(min_size=1, max_size=100))
def test_what_is_packed_comes_out(number: int, body: bytes) -> None:
    body = b"<" + body
    assert unpack(zipped(**{f"f{one}": body for one in range(number)})) == [body] * number


def test_nothing_that_steers_a_terminal_or_breaks_a_database_comes_through() -> None:
    hostile = b"r\\u0000\\u001b[2J\\ud800\\u202e"
    (found,) = read_file(
        b'{"organization-name": "%s", "report-id": "1", "date-range": {"start-datetime": "2026-03-01T00:00:00Z"}, "policies": '
        b'[{"policy": {"policy-domain": "us.example"}, "summary": {"total-successful-session-count": 3, '
        b'"total-failure-session-count": 1}, "failure-details": [{"result-type": "%s", "failed-session-count": 1}]}]}'
        % (hostile, hostile)
    )
    assert found.reporter.isprintable() and found.rows[0].source.isprintable() and found.rows[0].detail.isprintable()
    text = PLAIN.decode().replace("r.example", "r\u202e\x1b.example")
    assert read_file(text.encode())[0].reporter.isprintable()


def test_a_report_crosses_a_process_boundary() -> None:
    found = load(parse_mail(b"Content-Type: text/xml\r\nSubject: x\r\n\r\n" + PLAIN).report)
    assert load(dump(found)) == found and found is not None
