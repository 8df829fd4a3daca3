"""Which DMARC policy holds, and what is wrong with a record?"""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deliverability.dmarc import aligned, assess_dmarc, discover, parse_tags, repaired, walk
from deliverability.resolver import DictResolver, DnsStatus

Zone = dict[str, dict[str, tuple[str, ...] | DnsStatus]]


def look(domain: str, zone: dict[str, str | tuple[str, ...] | DnsStatus]):  # type: ignore[no-untyped-def]
    texts: Zone = {
        f"_dmarc.{name}": {"TXT": value if isinstance(value, (tuple, DnsStatus)) else (value,)}
        for name, value in zone.items()
    }
    return asyncio.run(discover(DictResolver(texts), domain))


POLICIES = [
    ("own record", "out.example.com", {"out.example.com": "v=DMARC1; p=reject"}, "reject", "out.example.com"),
    ("from the organisation", "out.example.com", {"example.com": "v=DMARC1; p=quarantine"}, "quarantine", "example.com"),
    ("sp= for subdomains", "out.example.com", {"example.com": "v=DMARC1; p=reject; sp=none"}, "none", "example.com"),
    ("np= for names that do not exist", "out.example.com", {"example.com": "v=DMARC1; p=none; np=reject"}, "reject", "example.com"),
    ("psd=n marks the organisation", "a.b.example.com",
     {"b.example.com": "v=DMARC1; p=none; psd=n", "example.com": "v=DMARC1; p=reject"}, "none", "b.example.com"),
    ("psd=y: one label below", "a.b.example.com", {"example.com": "v=DMARC1; p=reject; psd=y"}, "reject", "b.example.com"),
    ("nothing at all", "example.com", {}, "", "example.com"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("story", "domain", "zone", "policy", "organisation"), POLICIES, ids=[row[0] for row in POLICIES]
)
def test_discovery(
    story: str, domain: str, zone: dict[str, str | tuple[str, ...] | DnsStatus], policy: str, organisation: str
) -> None:
    found = look(domain, zone)
    assert (found.policy, found.organisational_domain) == (policy, organisation)


FINDINGS = [
    ({"example.com": "v=DMARC1; p=none; rua=mailto:a@example.com"}, ["dmarc-ok"]),
    ({"example.com": "v=DMARC1; p=none"}, ["dmarc-ok", "dmarc-no-reports"]),
    ({"example.com": ("v=DMARC1; p=none", "v=DMARC1; p=reject")}, ["dmarc-two-records"]),
    ({"example.com": "v=DMARC1 p=reject rua=mailto:a@example.com"}, ["dmarc-broken"]),
    ({"example.com": "v=dmarc1; p=reject"}, ["dmarc-broken"]),
    ({"example.com": "v=DMARC1; p=monitor"}, ["dmarc-ok", "dmarc-policy-invalid", "dmarc-no-reports"]),
    ({"example.com": "v=DMARC1; p=none; rua=mailto:a@example.com; pct=50"}, ["dmarc-ok", "dmarc-old-tag"]),
    ({}, ["dmarc-missing"]),
    ({"example.com": DnsStatus.TEMPERROR}, ["dmarc-temporary"]),
]


@pytest.mark.parametrize(("zone", "slugs"), FINDINGS)
def test_findings(zone: dict[str, str | tuple[str, ...] | DnsStatus], slugs: list[str]) -> None:
    assert [one.slug for one in assess_dmarc("example.com", look("example.com", zone))] == slugs


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("v=DMARC1 p=reject rua=mailto:a@example.com", "v=DMARC1; p=reject; rua=mailto:a@example.com"),
        ("v=dmarc1; p=none", "v=DMARC1; p=none"),
        ("“v=DMARC1; p=none”", "v=DMARC1; p=none"),
    ],
)
def test_the_advice_repairs_what_is_there(text: str, meant: str) -> None:
    assert repaired(text) == meant


def test_long_names_ask_at_most_eight_times() -> None:
    names = walk(".".join("abcdefghijkl"))
    assert names[0].count(".") == 11
    assert names[1].count(".") == 6
    assert len(names) == 8


@given(st.text(max_size=300))
def test_no_text_breaks_the_parser(text: str) -> None:
    parse_tags(text)
    repaired(text)


def test_alignment() -> None:
    assert aligned(
        "mail.example.com",
        "example.com",
        strict=False,
        organisation="example.com",
        identifier_organisation="example.com",
    )
    assert not aligned(
        "mail.example.com",
        "example.com",
        strict=True,
        organisation="example.com",
        identifier_organisation="example.com",
    )
