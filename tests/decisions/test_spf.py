"""What does check_host promise beyond the public suites: limits, temporary failures, explanations, the trace?"""

import asyncio
from collections.abc import Mapping, Sequence
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deliverability.resolver import DictResolver, DnsAnswer, DnsStatus
from deliverability.spf import MAX_LOOKUPS, MAX_NAMES, MAX_VOID_LOOKUPS, SpfResult, SpfStatus, SpfStep, check_host
from deliverability.spf_macro import expand, is_domain_spec
from deliverability.spf_record import parse_record

Kinds = Mapping[str, Sequence[str] | DnsStatus]


def check(zone: Mapping[str, Kinds], *, ip: str = "192.0.2.1", sender: str = "sdr@a.example") -> SpfResult:
    return asyncio.run(check_host(DictResolver(zone), ip, sender, "helo.example"))


def test_the_trace_names_every_term_with_its_outcome() -> None:
    zone = {
        "a.example": {"TXT": ["v=spf1 ip4:198.51.100.0/24 include:b.example ~all"]},
        "b.example": {"TXT": ["v=spf1 mx -all"], "MX": ["10 mx.b.example"]},
        "mx.b.example": {"A": ["203.0.113.9"]},
    }
    assert check(zone) == SpfResult(
        SpfStatus.SOFTFAIL,
        lookups=2,
        trace=(
            SpfStep("a.example", "ip4:198.51.100.0/24", "no match"),
            SpfStep("b.example", "mx", "no match"),
            SpfStep("b.example", "-all", "match"),
            SpfStep("a.example", "include:b.example", "no match"),
            SpfStep("a.example", "~all", "match"),
        ),
    )


@pytest.mark.parametrize(
    ("zone", "result", "reason"),
    [
        ({"a.example": {"TXT": ["v=spf1 -all", "v=spf1 ~all"]}}, "permerror", "a.example has 2 SPF records"),
        (
            {"a.example": {"TXT": ["v=spf1 ipv4:192.0.2.1 -all"]}},
            "permerror",
            "a.example: 'ipv4:192.0.2.1': is not a known mechanism",
        ),
        ({"a.example": {"TXT": DnsStatus.TEMPERROR}}, "temperror", "TXT of a.example: servfail"),
        ({"a.example": {"TXT": ["v=spf1 redirect=b.example"]}}, "permerror", "redirect=b.example has no SPF record"),
        ({"a.example": {"TXT": ["v=spf1 include:a.example"]}}, "permerror", "more than 10 DNS lookups"),
        ({"a.example": {"TXT": ["v=spf1 a:x.example a:y.example a:z.example"]}}, "permerror", "more than 2 lookups"),
    ],
)
def test_errors_say_what_is_wrong(zone: Mapping[str, Kinds], result: str, reason: str) -> None:
    outcome = check(zone)
    assert outcome.result == result
    assert outcome.reason.startswith(reason)


def test_a_resolver_that_never_answers_is_a_temperror() -> None:
    class Silent:
        async def lookup(self, name: str, kind: str) -> DnsAnswer:
            await asyncio.Event().wait()
            raise AssertionError("unreachable")

    outcome = asyncio.run(check_host(Silent(), "192.0.2.1", "x@a.example", "", budget=0.01))
    assert (outcome.result, outcome.reason) == (SpfStatus.TEMPERROR, "no result within 0.01 seconds")


def test_an_explanation_that_comes_too_late_leaves_the_fail() -> None:
    class SilentAboutTheExplanation(DictResolver):
        async def lookup(self, name: str, kind: str) -> DnsAnswer:
            if name == "why.example":
                await asyncio.Event().wait()
            return await super().lookup(name, kind)

    resolver = SilentAboutTheExplanation({"a.example": {"TXT": ["v=spf1 -all exp=why.example"]}})
    outcome = asyncio.run(check_host(resolver, "192.0.2.1", "x@a.example", "", budget=0.01))
    assert (outcome.result, outcome.explanation) == (SpfStatus.FAIL, "")


def test_an_explanation_that_cannot_be_made_leaves_the_fail() -> None:
    zone = {
        "a.example": {"TXT": ["v=spf1 a:x.example a:y.example -all exp=%{p}.why.example"]},
        "b.example": {"TXT": ["see"]},
    }
    assert check(zone).result is SpfStatus.FAIL  # the lookup for %{p} would be a third void one


def test_the_p_macro_prefers_a_name_of_the_domain() -> None:
    zone = {
        "1.2.0.192.in-addr.arpa": {"PTR": ["liar.a.example", "other.example", "mail.a.example"]},
        "other.example": {"A": ["192.0.2.1"]},
        "mail.a.example": {"A": ["192.0.2.1"]},
        "liar.a.example": {"A": ["198.51.100.1"]},
        "a.example": {"TXT": ["v=spf1 exists:%{p}.known.example -all"]},
        "mail.a.example.known.example": {"A": ["127.0.0.2"]},
    }
    outcome = check(zone)
    assert (outcome.result, outcome.lookups) == (SpfStatus.PASS, 2)  # exists and the macro count
    assert check({**zone, "1.2.0.192.in-addr.arpa": {"PTR": DnsStatus.TEMPERROR}}).result is SpfStatus.FAIL


@pytest.mark.parametrize(
    ("macro", "expected"),
    [
        ("%{d4}", "a.b.c.example"),
        ("%{d2r}", "b.a"),
        ("%{d99999999999}", "a.b.c.example"),
        ("%{L-}", "first.last%2Btag"),
        ("%%%_%-", "% %20"),
    ],
)
def test_macros(macro: str, expected: str) -> None:
    assert expand(macro, {"d": "a.b.c.example", "l": "first-last+tag"}) == expected


@pytest.mark.parametrize(
    "text", ["", "museum", "x.123", "%{d0}", "%{z}", "%{d", "%(d)", "a.b-", "%{c}.x.y", "x.ﬁſ", "a b.c"]
)
def test_what_is_no_domain(text: str) -> None:
    assert not is_domain_spec(text)


@given(st.text() | st.text("v=spf1 +-~?:/.%{}ladimxoc0123r4e_").map("v=spf1 ".__add__))
def test_no_text_breaks_the_parser(text: str) -> None:
    record = parse_record(text)
    assert len(record.mechanisms) + len(record.problems) <= len(text.split(" "))


NAMES = [f"{letter}.example" for letter in "abcdef"]
TERMS = st.builds(
    "{}{}".format,
    st.sampled_from(["", "-", "~", "?"]),
    st.one_of(
        st.sampled_from(["all", "ip4:192.0.2.0/24", "ip4:203.0.113.1", "ip6:2001:db8::/32", "a", "mx", "ptr", "bad:"]),
        st.builds("{}:{}".format, st.sampled_from(["include", "a", "mx", "exists", "ptr"]), st.sampled_from(NAMES)),
        st.sampled_from(["exists:%{p}.a.example", "include:%{d2}", "a:%{ir}.b.example"]),
    ),
)
RECORDS = st.builds(
    "v=spf1 {} {}".format,
    st.lists(TERMS, max_size=5).map(" ".join),
    st.sampled_from(["", "", "redirect=b.example", "redirect=c.example exp=d.example"]),
)
KINDS = st.fixed_dictionaries(
    {},
    optional={
        "TXT": RECORDS.map(lambda record: [record]) | st.just(DnsStatus.TEMPERROR),
        "A": st.lists(st.sampled_from(["192.0.2.1", "203.0.113.1"]), max_size=2) | st.just(DnsStatus.TEMPERROR),
        "MX": st.lists(st.sampled_from([f"10 {name}" for name in NAMES]), max_size=12) | st.just(DnsStatus.TEMPERROR),
        "PTR": st.lists(st.sampled_from(NAMES), max_size=12),
    },
)
ZONES = st.dictionaries(st.sampled_from([*NAMES, "1.2.0.192.in-addr.arpa"]), KINDS)


@given(ZONES)
def test_never_more_lookups_than_allowed(zone: Mapping[str, Kinds]) -> None:
    resolver = DictResolver(zone)
    outcome = asyncio.run(check_host(resolver, "192.0.2.1", "x@a.example", "b.example"))
    assert outcome.lookups <= MAX_LOOKUPS
    assert outcome.void_lookups <= MAX_VOID_LOOKUPS + (outcome.result is SpfStatus.PERMERROR)
    own_record, explanation = 1, 1
    assert len(resolver.asked) <= own_record + MAX_LOOKUPS * (1 + MAX_NAMES) + explanation


@given(ZONES.filter(lambda zone: "ptr" not in str(zone) and "%{p}" not in str(zone)), st.randoms(use_true_random=False))
def test_a_temporary_failure_is_never_read_as_missing(zone: Mapping[str, Kinds], random: Random) -> None:
    """Whatever fails for now, the result is the one without failures, or temperror."""
    broken = {
        name: {kind: DnsStatus.TEMPERROR if random.random() < 0.2 else values for kind, values in kinds.items()}
        for name, kinds in zone.items()
    }
    assert check(broken).result in (check(zone).result, SpfStatus.TEMPERROR)
