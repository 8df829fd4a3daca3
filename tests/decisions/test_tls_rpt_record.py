"""Is a TLS reporting record judged by the grammar of RFC 8460, and is a wrong one put right?"""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deliverability.extras import assess_extras
from deliverability.resolver import DictResolver, DnsStatus
from deliverability.tls_rpt_record import correct, find_faults

GOOD = [
    "v=TLSRPTv1;rua=mailto:reports@example.com",  # RFC 8460, 3.1
    "v=TLSRPTv1; rua=https://reporting.example.com/v1/tlsrpt",
    "v=TLSRPTv1; rua=mailto:a@example.com,https://r.example.com/x , mailto:b@mail.example.com;",
    "v=TLSRPTv1 ; rua=mailto:a%21b@example.com ; ext.one=x:y",
    "v=TLSRPTv1; rua=https://r.xn--bcher-kva.example:8443/t?a=b",
]
A = "v=TLSRPTv1; rua=mailto:a@example.com"
BAD = [
    ("v=TLSRPTv1", ""), ("v=TLSRPTv1;", ""), ("v=TLSRPTv1; rua=", ""), ("v=TLSRPTv1; rua=mailto:", ""),
    ("v=tlsrptv1; rua=mailto:a@example.com", A), ("v=TLSRPTv1 rua=mailto:a@example.com", A),
    ("v=TLSRPTv1, rua=mailto:a@example.com", A), ("v=TLSRPT1; rua=mailto:a@example.com", A),
    ("v=TLSRPTv1; rua=a@example.com", A), ("v=TLSRPTv1; rua=mailto://a@example.com", A),
    ("v=TLSRPTv1; RUA=mailto:a@example.com", A), ("v=TLSRPTv1; rua:mailto:a@example.com", A),
    ("v=TLSRPTv1; rua=mailto:a@example.com; rua=mailto:b@example.com", f"{A},mailto:b@example.com"),
    ("v=TLSRPTv1; rua=mailto:a@example.com mailto:b@example.com", f"{A},mailto:b@example.com"),
    ("v=TLSRPTv1; rua=mailto:a@example.com;;", A), ("v=TLSRPTv1; rua=mailto:a@example.com,", A),
    ("v=TLSRPTv1; rua=mailto:a@localhost", ""), ("v=TLSRPTv1; rua=http://r.example.com/", ""),
    ("v=TLSRPTv1; rua=mailto:a@example.com!10m", A), ("v=TLSRPTv1; rua=mailto:a@example.com; p", A),
    ("v=TLSRPTv1; rua=mailto:a@192.0.2.1", ""),
]  # fmt: skip


def told(*records: str) -> dict[str, tuple[str, str]]:
    zone = {"_smtp._tls.a.example": {"TXT": records}} if records else {}
    found = asyncio.run(assess_extras(DictResolver(zone), "a.example"))
    return {one.slug: (one.found, one.publish) for one in found if one.slug.startswith("tls-rpt")}


@pytest.mark.parametrize("text", GOOD)
def test_right_records(text: str) -> None:
    assert find_faults(text) == [] and set(told(text)) == {"tls-rpt-ok"}


@pytest.mark.parametrize(("text", "meant"), BAD, ids=[row[0] for row in BAD])
def test_wrong_records_and_what_was_meant(text: str, meant: str) -> None:
    assert find_faults(text) != [] and correct(text) == meant
    assert told(text) == {"tls-rpt-broken": (text, f'_smtp._tls.a.example. TXT "{meant}"' if meant else "")}


def test_what_stands_beside_it() -> None:
    assert set(told(GOOD[0], GOOD[1])) == {"tls-rpt-two-records"}
    assert set(told(GOOD[0], "v=TLSRPT1; rua=x")) == {"tls-rpt-ok"}, "what has another version is discarded (3)"
    assert set(told("site=x")) == set(told()) == {"tls-rpt-absent"}
    silent = DictResolver({"_smtp._tls.a.example": {"TXT": DnsStatus.TEMPERROR}})
    assert not [one for one in asyncio.run(assess_extras(silent, "a.example")) if one.slug.startswith("tls-rpt")]


@given(st.text(alphabet=st.sampled_from('v=TLSRPTv1; rua=mailto:a@b.example,!https/%é\t"\\'), max_size=80) | st.text())
def test_whatever_stands_there_a_correction_is_right(text: str) -> None:
    assert correct(text) == "" or find_faults(correct(text)) == []
