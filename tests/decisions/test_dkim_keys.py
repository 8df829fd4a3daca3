"""Is a published key one that receivers can use, and what does a guess prove?"""

import asyncio
import base64
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from deliverability.dkim_keys import COMMON, assess_selectors
from deliverability.dkim_record import KeyFault, parse_key
from deliverability.findings import Finding
from deliverability.resolver import DictResolver, DnsStatus


def public_key(bits: int) -> str:
    key = rsa.generate_private_key(65537, bits).public_key()
    return base64.b64encode(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


GOOD, SHORT = public_key(2048), public_key(1024)
#: A 512-bit key that nobody uses; no library makes one any more.
WEAK = ("MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBANbfIgMJhXiaT9fHsbqLyckfvSqi0+6ag8oe0LsErMYTq0E5TbLWzR8SWh"
        "mBf4yrakQnO4uQrq+jrZRI9Eo7KA0CAwEAAQ==")  # fmt: skip
ED25519 = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="

RECORDS = [
    (f"v=DKIM1; k=rsa; p={GOOD}", None),
    (f"p={GOOD}", None),
    (f"k=rsa; p={GOOD[:60]} {GOOD[60:]}", None),
    (f"v=DKIM1; k=ed25519; p={ED25519}", None),
    (f"v=DKIM1; h=sha1:sha256; s=email:*; p={GOOD}", None),
    ("v=DKIM1; k=rsa; p=", KeyFault.REVOKED),
    (f"v=DKIM1; k=rsa; p={WEAK}", KeyFault.WEAK),
    (f"v=DKIM1; h=sha1; p={GOOD}", KeyFault.HASH),
    (f"v=DKIM1; s=tlsrpt; p={GOOD}", KeyFault.SERVICE),
    (f"v=DKIM1: k=rsa; p={GOOD}", KeyFault.SYNTAX),
    (f"v=DKIM2; p={GOOD}", KeyFault.SYNTAX),
    (f"v=DKIM1; k=dsa; p={GOOD}", KeyFault.SYNTAX),
    (f"v=DKIM1; p={GOOD}; p={GOOD}", KeyFault.SYNTAX),
    (f"v=DKIM1; k=ed25519; p={GOOD}", KeyFault.SYNTAX),
    (f"v=DKIM1; p={GOOD[:-8]}!!", KeyFault.SYNTAX),
    ("v=DKIM1; k=rsa", KeyFault.SYNTAX),
    ("v=spf1 -all", KeyFault.NOT_A_KEY),
    ("", KeyFault.NOT_A_KEY),
]


@pytest.mark.parametrize(("text", "fault"), RECORDS, ids=[row[0][:40] for row in RECORDS])
def test_key_records(text: str, fault: KeyFault | None) -> None:
    assert parse_key(text).fault is fault


def test_a_mistyped_record_is_rewritten_with_its_own_key() -> None:
    for text in (f"v=DKIM1: k=rsa; p={GOOD}", f"v=DKIM1; t=y; p={GOOD}", f"v=DKIM1 k=rsa p={GOOD}"):
        assert parse_key(text).repaired == f"v=DKIM1; k=rsa; p={GOOD}"


SHARED_KEYS = [("test.txt", None, 1024), ("1024_testkey_wo_markers.pub.txt", None, 1024), ("test2.txt", None, 1024),
               ("2048_testkey_wo_markers.pub.txt", None, 2048), ("ed25519test.dns", None, 256), ("eximtest.dns", None, 256),
               ("test_tlsrpt.txt", KeyFault.SERVICE, 1024), ("badk.txt", KeyFault.SYNTAX, 0),
               ("badversion.txt", KeyFault.SYNTAX, 0), ("test_bad.txt", KeyFault.SYNTAX, 0)]  # fmt: skip


@pytest.mark.parametrize(("name", "fault", "bits"), SHARED_KEYS)
def test_shared_key_records(name: str, fault: KeyFault | None, bits: int, shared_data: Path) -> None:
    text = (shared_data / "dkim" / "tests" / "data" / name).read_text()
    key = parse_key(text if "p=" in text else f"v=DKIM1; p={''.join(text.split())}")
    assert (key.fault, key.bits if key.fault is not KeyFault.SYNTAX else 0) == (fault, bits)


@given(st.text(max_size=200) | st.text("v=DKIM1; kpthsrsaemail:*+/", max_size=80))
def test_no_text_breaks_the_parser(text: str) -> None:
    parse_key(text)


def assess(records: Mapping[str, Sequence[str] | DnsStatus], *selectors: str) -> list[Finding]:
    zone = {f"{name}._domainkey.a.example": {"TXT": values} for name, values in records.items()}
    return asyncio.run(assess_selectors(DictResolver(zone), "a.example", selectors))


KEY, OLD = [f"v=DKIM1; k=rsa; p={GOOD}"], ["v=DKIM1; p="]


@pytest.mark.parametrize(
    ("records", "selectors", "slugs"),
    [
        ({"x": KEY}, ["x"], ["dkim-ok"]),
        ({"x": KEY}, ["x", "y"], ["dkim-ok", "dkim-missing"]),
        ({"x": DnsStatus.TEMPERROR}, ["x"], ["dkim-temperror"]),
        ({"x": [*KEY, *OLD]}, ["x"], ["dkim-two-records"]),
        ({"x": [f"v=DKIM1; p={SHORT}"]}, ["x"], ["dkim-short"]),
        ({"x": [f"v=DKIM1; t=s:y; p={GOOD}"]}, ["x"], ["dkim-testing"]),
        ({"x": ["v=spf1 -all"]}, ["x"], ["dkim-invalid"]),
        ({"google": KEY}, [], ["dkim-ok"]),
        ({"google": KEY, "default": OLD}, [], ["dkim-ok"]),  # a key left behind after a change
        ({"google": OLD}, [], ["dkim-revoked"]),
        ({"google": ["v=spf1 -all"]}, [], ["dkim-not-found"]),
        ({"*": ["v=spf1 -all"]}, [], ["dkim-not-found"]),
        ({"*": KEY}, [], ["dkim-ok"]),
        ({"google": DnsStatus.TEMPERROR}, [], ["dkim-temperror"]),
        ({"google": DnsStatus.TEMPERROR, "s1": KEY}, [], ["dkim-ok"]),
        ({}, [], ["dkim-not-found"]),
    ],
)
def test_findings(records: Mapping[str, Sequence[str] | DnsStatus], selectors: list[str], slugs: list[str]) -> None:
    assert [one.slug for one in assess(records, *selectors)] == slugs


@given(st.sets(st.sampled_from(COMMON)), st.sets(st.sampled_from(COMMON)))
def test_a_temporary_failure_is_never_read_as_missing(present: set[str], failing: set[str]) -> None:
    zone: dict[str, Sequence[str] | DnsStatus] = dict.fromkeys(present, KEY)
    found = assess({**zone, **dict.fromkeys(failing, DnsStatus.TEMPERROR)})
    if failing:
        assert "dkim-not-found" not in [one.slug for one in found]
