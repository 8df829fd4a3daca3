"""Which SPF record was meant, and is what we tell people to publish always valid?"""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deliverability.findings import Finding, zone_line
from deliverability.resolver import DictResolver
from deliverability.spf_assess import assess_spf
from deliverability.spf_record import parse_record, select_records
from deliverability.spf_repair import merge_spf, repair_spf

MEANT = [
    ("v=spf1 include spf.example.com ip4 192.0.2.1 -all", "v=spf1 include:spf.example.com ip4:192.0.2.1 -all"),
    ("v=spf1; include:_spf.a.example ~all", "v=spf1 include:_spf.a.example ~all"),
    ("“v=spf1 include:a.example.com –all”", "v=spf1 include:a.example.com -all"),
    ("“v=spf1 mx ~all”".encode().decode("latin-1"), "v=spf1 mx ~all"),
    ("v=spf1include:_spf.a.example ~all", "v=spf1 include:_spf.a.example ~all"),
    ("v=spf1 include:a.exampleinclude:b.example -all", "v=spf1 include:a.example include:b.example -all"),
    ("v=spf1 ipv4:192.0.2.1 ip:192.0.2.3 a:192.0.2.4 inlcude:x.example ~ all",
     "v=spf1 ip4:192.0.2.1 ip4:192.0.2.3 ip4:192.0.2.4 include:x.example ~all"),
    ("v=spf1, mx, ~all", "v=spf1 mx ~all"),
    ("spf1 mx -all", "v=spf1 mx -all"),
    ('"v=spf1 mx -all"', "v=spf1 mx -all"),
    ("v = spf1 mx", "v=spf1 mx ~all"),
    ("v=spf1 include: a.example.com ~all", "v=spf1 include:a.example.com ~all"),
    ("v=spf1 redirect:a.example.com", "v=spf1 redirect=a.example.com"),
    ("v=spf1 -all include:x.example.com", "v=spf1 include:x.example.com -all"),
    ("v=spf1 mx ip4:2001:db8::1 ~all", "v=spf1 mx ip6:2001:db8::1 ~all"),
    ("v=spf1 192.0.2.1 -all", "v=spf1 ip4:192.0.2.1 -all"),
    ("v=spf1 include:https://spf.x.example/ ~all", "v=spf1 include:spf.x.example ~all"),
    ("v=spf1 +all", "v=spf1 ~all"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "meant"), MEANT, ids=[row[0] for row in MEANT])
def test_what_was_meant(text: str, meant: str) -> None:
    assert repair_spf(text) == meant


def test_several_records_become_one() -> None:
    merged = merge_spf(["v=spf1 include:a.example ~all", "v=spf1 ip4:192.0.2.1 include:a.example -all"])
    assert merged == "v=spf1 include:a.example ip4:192.0.2.1 ~all"


@given(st.text(max_size=200) | st.text("v=spf1 +-~?:/.%{}ladimxoc0123r4e;,“–", max_size=80).map("v=spf1".__add__))
def test_a_repaired_record_is_always_valid(text: str) -> None:
    fixed = repair_spf(text)
    assert select_records([fixed]) == [fixed]
    assert not parse_record(fixed).problems
    assert repair_spf(fixed) == fixed


RELAY = "192.0.2.25"
WRONG = [
    ["v=spf1; ip4:203.0.113.1 -all"],
    ["v=spf1 ip4:203.0.113.1 -all", "v=spf1 mx ~all"],
    ["v=spf1 ipv4:203.0.113.1 -all"],
    ["v=spf1 ip4:203.0.113.1 -all"],
    ["v=spf1 +all"],
    ["unrelated"],
]


@pytest.mark.parametrize("records", WRONG, ids=" | ".join)
def test_the_record_to_publish_lets_the_relay_pass(records: list[str]) -> None:
    """Who publishes what we say is no longer told anything about SPF."""
    findings = assess(records)
    lines = {finding.publish for finding in findings if finding.publish}
    assert len(lines) == 1
    record = lines.pop().partition(' TXT "')[2].removesuffix('"')
    assert {finding.slug for finding in assess([record])} <= {"spf-ok"}


def assess(records: list[str]) -> list[Finding]:
    resolver = DictResolver({"a.example": {"TXT": records, "MX": ["10 mx.a.example"]}})
    return asyncio.run(assess_spf(resolver, "a.example", [RELAY]))


def test_a_long_record_is_cut_into_strings() -> None:
    line = zone_line("a.example", "x" * 255 + 'y"')
    assert line == 'a.example. TXT "' + "x" * 255 + '" "y\\""'
