"""Which DMARC policy holds, and what is wrong with a record?"""

import asyncio
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deliverability.dmarc import MAX_QUERIES, DmarcDiscovery, aligned, discover, walk
from deliverability.dmarc_assess import assess_dmarc
from deliverability.dmarc_record import DmarcRecord, looks_like_dmarc, parse_tags, repair_dmarc
from deliverability.resolver import DictResolver, DnsStatus

Zone = dict[str, dict[str, tuple[str, ...] | DnsStatus]]


Policies = Mapping[str, str | tuple[str, ...] | DnsStatus]


def zone_of(policies: Policies) -> Zone:
    return {
        f"_dmarc.{name}": {"TXT": value if isinstance(value, (tuple, DnsStatus)) else (value,)}
        for name, value in policies.items()
    }


def look(domain: str, policies: Policies) -> DmarcDiscovery:
    return asyncio.run(discover(DictResolver(zone_of(policies)), domain))


POLICIES = [
    ("own record", "out.example.com", {"out.example.com": "v=DMARC1; p=reject"}, "reject", "out.example.com"),
    ("from the organisation", "out.example.com", {"example.com": "v=DMARC1; p=quarantine"}, "quarantine", "example.com"),
    ("sp= for subdomains", "out.example.com", {"example.com": "v=DMARC1; p=reject; sp=none"}, "none", "example.com"),
    ("np= for names that do not exist", "out.example.com", {"example.com": "v=DMARC1; p=none; np=reject"}, "reject", "example.com"),
    ("psd=n marks the organisation", "a.b.example.com",
     {"b.example.com": "v=DMARC1; p=none; psd=n", "example.com": "v=DMARC1; p=reject"}, "none", "b.example.com"),
    ("psd=y: one label below", "a.b.example.com", {"example.com": "v=DMARC1; p=reject; psd=y"}, "reject", "b.example.com"),
    ("np= asks whether the name exists at all", "www.example.com", {"example.com": "v=DMARC1; p=none; np=reject", "www.example.com": "x"}, "none", "example.com"),
    ("the suffix's policy where the organisation has none", "a.b.example.com", {"com": "v=DMARC1; p=none; sp=reject; psd=y"}, "reject", "example.com"),
    ("psd=y at the domain itself", "example.com", {"example.com": "v=DMARC1; p=reject; psd=y"}, "reject", "example.com"),
    ("a policy between domain and organisation does not count", "a.b.example.com",
     {"b.example.com": "v=DMARC1; p=reject", "example.com": "v=DMARC1; p=none"}, "none", "example.com"),
    ("a wrong sp= with reports counts as none", "a.example.com", {"example.com": "v=DMARC1; p=reject; sp=rejected; rua=mailto:a@example.com"}, "none", "example.com"),
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
    ({"example.com": "v=DMARC1;p=reject;rua=mailto:a@example.com;"}, ["dmarc-ok"]),
    ({"example.com": "v=DMARC1; p=none"}, ["dmarc-ok", "dmarc-no-reports"]),
    ({"example.com": "v=DMARC1; rua=mailto:a@example.com"}, ["dmarc-ok", "dmarc-no-policy"]),
    ({"example.com": ("v=DMARC1; p=none", "v=DMARC1; p=reject")}, ["dmarc-two-records"]),
    ({"example.com": ("v=DMARC1; p=none", "other text")}, ["dmarc-ok", "dmarc-no-reports"]),
    ({"example.com": "v=DMARC1 p=reject rua=mailto:a@example.com"}, ["dmarc-broken"]),
    ({"example.com": "v=dmarc1; p=reject"}, ["dmarc-broken"]),
    ({"example.com": "v=DMARC1; p=monitor"}, ["dmarc-policy-invalid", "dmarc-no-reports"]),
    ({"example.com": "v=DMARC1; p=monitor; rua=mailto:a@example.com"}, ["dmarc-policy-invalid", "dmarc-ok"]),
    ({"example.com": "v=DMARC1; p=none; rua=mailto:a@example.com; pct=50"}, ["dmarc-ok", "dmarc-old-tag"]),
    ({"example.com": "v=DMARC1; p=none; rua=a@example.com"}, ["dmarc-ok", "dmarc-report-address"]),
    ({"example.com": "v=DMARC1; p=reject; t=y; rua=mailto:a@example.com"}, ["dmarc-ok", "dmarc-testing"]),
    ({"example.com": "v=DMARC1; p=reject; psd=y; rua=mailto:a@example.com"}, ["dmarc-ok", "dmarc-psd"]),
    ({"example.com": "v=DMARC1; p=reject; zz=1; rua=mailto:a@example.com"}, ["dmarc-ok", "dmarc-unknown-tag"]),
    ({"example.com": "v=DMARC1; p=reject; rua=mailto:a@elsewhere.example"}, ["dmarc-ok", "dmarc-reports-refused"]),
    (
        {
            "example.com": "v=DMARC1; p=reject; rua=mailto:a@elsewhere.example",
            "elsewhere.example": DnsStatus.TEMPERROR,
        },
        ["dmarc-ok", "dmarc-reports-refused"],
    ),
    ({"example.com": " v=DMARC1; p=reject"}, ["dmarc-broken"]),
    ({"example.com": "p=reject; v=DMARC1"}, ["dmarc-broken"]),
    ({"example.com": "v=DMARC2; p=reject"}, ["dmarc-broken"]),
    ({"example.com": "v=DMARC1p=none"}, ["dmarc-broken"]),
    ({"example.com": "v = DMARC1 ; P = Reject ; rua = mailto:a@example.com ;;"}, ["dmarc-ok"]),
    ({"example.com": "v=DMARC1; p=reject; adkim=strict; rua=mailto:a@example.com"}, ["dmarc-ok", "dmarc-tag-invalid"]),
    ({"example.com": "v=DMARC1; p=none; fo=1:d:s; psd=U; rua=mailto:a@example.com"}, ["dmarc-ok"]),
    ({"example.com": "v=spf1 -all"}, ["dmarc-missing"]),
    ({}, ["dmarc-missing"]),
    ({"example.com": DnsStatus.TEMPERROR}, ["dmarc-temperror"]),
    ({"com": DnsStatus.TEMPERROR}, ["dmarc-temperror"]),
    ({"com": DnsStatus.TEMPERROR, "example.com": "v=DMARC1; p=none; rua=mailto:a@example.com"}, ["dmarc-ok"]),
]


@pytest.mark.parametrize(("zone", "slugs"), FINDINGS)
def test_findings(zone: dict[str, str | tuple[str, ...] | DnsStatus], slugs: list[str]) -> None:
    found = asyncio.run(assess_dmarc(DictResolver(zone_of(zone)), "example.com"))
    assert [one.slug for one in found] == slugs


def test_two_records_below_an_organisation_with_a_policy_only_warn() -> None:
    twice = ("v=DMARC1; p=none", "v=DMARC1; p=reject")
    below = zone_of({"news.example.com": twice, "example.com": "v=DMARC1; p=reject; rua=mailto:a@example.com"})
    found = asyncio.run(assess_dmarc(DictResolver(below), "news.example.com"))
    assert [(one.slug, one.severity) for one in found] == [("dmarc-two-records", "warning"), ("dmarc-ok", "ok")]
    above = zone_of({"example.com": twice})
    (only,) = asyncio.run(assess_dmarc(DictResolver(above), "news.example.com"))
    assert only.severity == "error" and only.publish.startswith("_dmarc.example.com. TXT ")


def test_reports_to_another_domain_need_its_consent() -> None:
    texts = {
        "_dmarc.example.com": {"TXT": ["v=DMARC1; p=reject; rua=mailto:a@r.example,mailto:b@example.com"]},
        "example.com._report._dmarc.r.example": {"TXT": ["v=DMARC1;"]},
    }
    assert [one.slug for one in asyncio.run(assess_dmarc(DictResolver(texts), "example.com"))] == ["dmarc-ok"]


@pytest.mark.parametrize("place", ["example.com", "_dmarc.example.com.example.com"])
def test_a_record_in_the_wrong_place_is_found(place: str) -> None:
    found = asyncio.run(assess_dmarc(DictResolver({place: {"TXT": ["v=DMARC1; p=reject"]}}), "example.com"))
    assert [one.slug for one in found] == ["dmarc-missing", "dmarc-wrong-place"]
    assert found[1].publish == '_dmarc.example.com. TXT "v=DMARC1; p=reject"'


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("v=DMARC1 p=reject rua=mailto:a@example.com", "v=DMARC1; p=reject; rua=mailto:a@example.com"),
        ("v=dmarc1; p=none", "v=DMARC1; p=none"),
        ("“v=DMARC1; p=none”", "v=DMARC1; p=none"),
        ("“v=DMARC1; p=none”".encode().decode("latin-1"), "v=DMARC1; p=none"),
        ("v=DMARC1, p=reject, adkim=s", "v=DMARC1; p=reject; adkim=s"),
        ("v=DMARC1; p=quarentine; pct=50; rua=a@example.com", "v=DMARC1; p=quarantine; rua=mailto:a@example.com"),
        ("v=DMARC1; p=reject rua=mailto:a@example.com, mailto:b@example.com",
         "v=DMARC1; p=reject; rua=mailto:a@example.com,mailto:b@example.com"),
        ("v=DMARC1: p: reject; sp=Reject", "v=DMARC1; p=reject; sp=reject"),
        ("DMARC1; p=reject", "v=DMARC1; p=reject"),
    ],
)  # fmt: skip
def test_the_advice_repairs_what_is_there(text: str, meant: str) -> None:
    assert repair_dmarc(text) == meant


@given(st.text(max_size=300) | st.text("v=DMARC1; psprejctnoa:,@.mailtorua“", max_size=80).map("v=DMARC1".__add__))
def test_a_repaired_record_is_always_valid(text: str) -> None:
    fixed = repair_dmarc(text)
    tags = parse_tags(fixed)
    assert tags is not None
    assert not DmarcRecord("example.com", fixed, tags).wrong_policies
    assert not looks_like_dmarc(fixed)
    assert repair_dmarc(fixed) == fixed


@given(st.lists(st.sampled_from(["a", "bb", "example", "com"]), min_size=1, max_size=40), st.data())
def test_a_walk_never_asks_more_than_eight_times(labels: list[str], data: st.DataObject) -> None:
    domain = ".".join(labels)
    records = st.sampled_from(["v=DMARC1; psd=y", "v=DMARC1; p=none", "v=DMARC1; psd=n", DnsStatus.TEMPERROR])
    zone = {name: data.draw(records) for name in walk(domain) if data.draw(st.booleans())}
    resolver = DictResolver(zone_of(zone))
    found = asyncio.run(discover(resolver, domain))
    assert len([kind for _, kind in resolver.asked if kind == "TXT"]) <= MAX_QUERIES
    assert f".{domain}".endswith(f".{found.organisational_domain}")


@given(st.sets(st.integers(0, 3)), st.sets(st.integers(0, 3)))
def test_a_temporary_failure_is_never_read_as_missing(present: set[int], failing: set[int]) -> None:
    """Whatever fails for now, the policy is the one without failures, or the finding is temporary."""
    names = walk("a.b.example.com")
    whole = {names[at]: f"v=DMARC1; p=reject; sp=none; rua=mailto:{at}@example.com" for at in present}
    broken = {**whole, **{names[at]: DnsStatus.TEMPERROR for at in failing}}
    before, after = look("a.b.example.com", whole), look("a.b.example.com", broken)
    assert after.temporary or after.policy == before.policy


def test_long_names_ask_at_most_eight_times() -> None:
    names = walk(".".join("abcdefghijkl"))
    assert names[0].count(".") == 11
    assert names[1].count(".") == 6
    assert len(names) == 8


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
