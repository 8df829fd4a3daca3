"""Is a delivered message what it says: signatures, DMARC, and the one question about a stop's sender?"""

import asyncio
from pathlib import Path

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from deliverability.auth_results import parse_auth_results, trusted_results
from deliverability.dkim import DkimStatus, verify_message
from deliverability.message_check import check_message
from deliverability.resolver import DictResolver, DnsStatus
from deliverability.sender_proof import SenderProof, prove_sender

KEY = rsa.generate_private_key(65537, 1024)
PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
PUBLIC = "".join(
    KEY.public_key()
    .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    .decode()
    .splitlines()[1:-1]
)  # fmt: skip
PLAIN = b"From: Ann <ann@a.example>\r\nTo: sdr@b.example\r\nSubject: stop\r\n\r\nPlease stop.\r\n"
Zone = dict[str, dict[str, list[str] | DnsStatus]]
ZONE: Zone = {
    "s._domainkey.a.example": {"TXT": [f"v=DKIM1; k=rsa; p={PUBLIC}"]},
    "s._domainkey.mail.a.example": {"TXT": [f"v=DKIM1; k=rsa; p={PUBLIC}"]},
    "s._domainkey.other.example": {"TXT": [f"v=DKIM1; k=rsa; p={PUBLIC}"]},
    "_dmarc.a.example": {"TXT": ["v=DMARC1; p=reject"]},
    "a.example": {"TXT": ["v=spf1 ip4:192.0.2.1 -all"]},
    "other.example": {"TXT": ["v=spf1 ip4:192.0.2.9 -all"]},
}


def signed(domain: str = "a.example", *, raw: bytes = PLAIN, length: bool = False) -> bytes:
    head = dkim.sign(raw, b"s", domain.encode(), PEM, include_headers=[b"from", b"subject"], length=length)
    return bytes(head) + raw


def verify(raw: bytes, zone: Zone = ZONE) -> list[DkimStatus]:
    return [one.status for one in asyncio.run(verify_message(DictResolver(zone), raw))]


def without(name: str, *values: str) -> Zone:
    return {**ZONE, name: {"TXT": list(values)}}


KEY_NAME = "s._domainkey.a.example"


@pytest.mark.parametrize(
    ("story", "raw", "zone", "statuses"),
    [
        ("good", signed(), ZONE, ["pass"]),
        ("two signatures", signed("other.example", raw=signed()), ZONE, ["pass", "pass"]),
        ("no signature", PLAIN, ZONE, []),
        ("changed body", signed() + b"and more", ZONE, ["fail"]),
        ("changed subject", signed().replace(b"Subject: stop", b"Subject: go"), ZONE, ["fail"]),
        ("key cannot be asked for", signed(), {**ZONE, KEY_NAME: {"TXT": DnsStatus.TEMPERROR}}, ["temperror"]),
        ("key gone", signed(), without(KEY_NAME), ["permerror"]),
        ("key revoked", signed(), without(KEY_NAME, "v=DKIM1; p="), ["permerror"]),
        ("several keys", signed(), without(KEY_NAME, *ZONE[KEY_NAME]["TXT"], "v=DKIM1; p="), ["permerror"]),
        ("signature broken", b"DKIM-Signature: v=1; d=a.example\r\n" + PLAIN, ZONE, ["permerror"]),
        ("hostile signature", b"DKIM-Signature: ;;;=\xff\r\n" + PLAIN, ZONE, ["permerror"]),
    ],
)
def test_signatures(story: str, raw: bytes, zone: Zone, statuses: list[str]) -> None:
    assert verify(raw, zone) == statuses


SHARED = [
    ("rfc6376.signed.msg", {"brisbane._domainkey.football.example.com": "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
                            "test._domainkey.football.example.com": "test.txt"}, ["pass", "pass"]),
    ("rfc6376.signed.rsa.msg", {"newengland._domainkey.example.com": "test.txt", "test._domainkey.football.example.com": "test.txt"}, ["pass"]),
    ("ed25519test2.msg", {"sed._domainkey.test.ex": "eximtest.dns"}, ["pass"]),
    ("test.message.baddomain", {"test._domainkey.legitimate.com(.attacker.com": "test.txt"}, ["permerror"]),
    ("ed25519test.msg", {}, []),
]  # fmt: skip


@pytest.mark.parametrize(("name", "keys", "statuses"), SHARED, ids=[row[0] for row in SHARED])
def test_shared_messages(name: str, keys: dict[str, str], statuses: list[str], shared_data: Path) -> None:
    folder = shared_data / "dkim" / "tests" / "data"
    texts = {at: text if "p=" in text else (folder / text).read_text().strip() for at, text in keys.items()}
    assert verify((folder / name).read_bytes(), {at: {"TXT": [text]} for at, text in texts.items()}) == statuses


@given(st.binary(max_size=300), st.binary(max_size=80))
def test_no_message_breaks_the_verifier(raw: bytes, signature: bytes) -> None:
    asyncio.run(verify_message(DictResolver(ZONE), raw))
    asyncio.run(verify_message(DictResolver(ZONE), b"DKIM-Signature: " + signature + b"\r\n" + PLAIN))


@pytest.mark.parametrize(
    ("story", "raw", "client", "sender", "zone", "expected"),
    [
        ("aligned signature", signed(), "", "", ZONE, ("pass", "none", "dkim a.example")),
        ("subdomain, relaxed", signed("mail.a.example"), "", "", ZONE, ("pass", "none", "dkim mail.a.example")),
        ("subdomain, strict", signed("mail.a.example"), "", "", without("_dmarc.a.example", "v=DMARC1; p=reject; adkim=s"), ("fail", "reject", "")),
        ("somebody else's signature", signed("other.example"), "", "", ZONE, ("fail", "reject", "")),
        ("aligned SPF", PLAIN, "192.0.2.1", "x@a.example", ZONE, ("pass", "none", "spf a.example")),
        ("SPF of another domain", PLAIN, "192.0.2.9", "x@other.example", ZONE, ("fail", "reject", "")),
        ("test mode", PLAIN, "", "", without("_dmarc.a.example", "v=DMARC1; p=reject; t=y"), ("fail", "none", "")),
        ("no policy", PLAIN, "", "", without("_dmarc.a.example"), ("none", "none", "")),
        ("policy cannot be asked for", PLAIN, "", "", {**ZONE, "_dmarc.a.example": {"TXT": DnsStatus.TEMPERROR}}, ("temperror", "none", "")),
        ("key cannot be asked for", signed(), "", "", {**ZONE, KEY_NAME: {"TXT": DnsStatus.TEMPERROR}}, ("temperror", "none", "")),
    ],
)  # fmt: skip
def test_dmarc_of_a_message(
    story: str, raw: bytes, client: str, sender: str, zone: Zone, expected: tuple[str, str, str]
) -> None:
    asked = check_message(DictResolver(zone), raw, "a.example", client_ip=client, mail_from=sender)
    found = asyncio.run(asked)
    assert (found.status, found.disposition, found.by) == expected


WALKED = ["mail.a.b.example", "a.b.example", "b.example", "example"]
MAYBE = [None, "v=DMARC1; p=reject", "v=DMARC1; p=reject; aspf=s", "v=DMARC1; p=none; psd=y", "v=DMARC1; p=none; psd=n"]


@given(
    st.lists(st.sampled_from(MAYBE), min_size=4, max_size=4),
    st.sets(st.sampled_from(WALKED)),
    st.sampled_from(WALKED[:3]),
    st.sampled_from(WALKED[:3]),
    st.booleans(),
)
def test_a_temporary_failure_never_changes_a_verdict(
    records: list[str | None], failing: set[str], author: str, sender: str, spf_fails: bool
) -> None:
    """Whatever does not answer now: the status is the one with all answers, or temperror."""
    policies = {f"_dmarc.{name}": [text] if text else [] for name, text in zip(WALKED, records, strict=True)}
    whole: Zone = {name: {"TXT": texts} for name, texts in policies.items()}
    whole[sender] = {"TXT": ["v=spf1 ip4:192.0.2.1 -all"]}
    broken = whole | {f"_dmarc.{name}": {"TXT": DnsStatus.TEMPERROR} for name in failing}
    if spf_fails:
        broken[sender] = {"TXT": DnsStatus.TEMPERROR}
    before, after = (
        asyncio.run(check_message(DictResolver(zone), PLAIN, author, client_ip="192.0.2.1", mail_from=f"x@{sender}"))
        for zone in (whole, broken)
    )
    assert after.status in (before.status, "temperror")
    assert after.disposition in (before.disposition, "none")


def prove(raw: bytes, *ids: str, zone: Zone = ZONE) -> SenderProof:
    return asyncio.run(prove_sender(DictResolver(zone), raw, "ann@a.example", ids))


def results(text: str) -> bytes:
    return f"Authentication-Results: {text}\r\n".encode()


PASS = "mx.b.example; dmarc=pass header.from=a.example"


@pytest.mark.parametrize(
    ("story", "raw", "proven"),
    [
        ("our server says so", results(PASS) + PLAIN, True),
        ("with version and comment", results("MX.b.example 1; dmarc=pass (p=reject) header.from=a.example") + PLAIN, True),
        ("aligned dkim", results("mx.b.example; dkim=pass header.d=mail.a.example") + PLAIN, True),
        ("aligned spf", results("mx.b.example; spf=pass smtp.mailfrom=x@a.example") + PLAIN, True),
        ("dmarc fails though spf passes", results("mx.b.example; spf=pass smtp.mailfrom=a.example; dmarc=fail header.from=a.example") + PLAIN, False),
        ("dmarc of another From", results("mx.b.example; dmarc=pass header.from=evil.example") + PLAIN, False),
        ("dkim of another domain", results("mx.b.example; dkim=pass header.d=evil.example") + PLAIN, False),
        ("in a comment only", results("mx.b.example; dmarc=none (dmarc=pass header.from=a.example)") + PLAIN, False),
        ("forged by the sender", results("evil.example; dmarc=pass header.from=a.example") + PLAIN, False),
        ("forged below ours", results("mx.b.example; dmarc=fail header.from=a.example") + results(PASS) + PLAIN, False),
        ("without an authserv-id", results("dmarc=pass header.from=a.example") + PLAIN, False),
        ("a name that begins like ours", results("mx.b.example.evil.example; dmarc=pass header.from=a.example") + PLAIN, False),
        ("nothing at all", PLAIN, False),
        ("signed, no header of ours", signed(), True),
        ("signed by somebody else", signed("other.example"), False),
        ("signed in part only", signed(length=True), False),
        ("changed after signing", signed() + b"x", False),
        ("two From headers", b"From: x@evil.example\r\n" + signed(), False),
    ],
)  # fmt: skip
def test_who_is_proven(story: str, raw: bytes, proven: bool) -> None:
    assert prove(raw, "mx.b.example").proven is proven


def test_a_dns_failure_is_worth_another_try() -> None:
    found = prove(signed(), zone={**ZONE, KEY_NAME: {"TXT": DnsStatus.TEMPERROR}})
    assert (found.proven, found.temporary) == (False, True)


@given(st.text(max_size=200))
def test_no_header_breaks_the_parser(text: str) -> None:
    parse_auth_results(text)
    assert trusted_results([text], ()) is None
