"""Does check_host agree with the public SPF suites, case by case?"""

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from deliverability.resolver import DictResolver, DnsStatus
from deliverability.spf import check_host

SUITES = Path(__file__).parents[2].parent / "shared" / "data" / "spf" / "test"


def cases(suite: str) -> list[Any]:
    return list(_cases(suite))


def _cases(suite: str) -> Iterator[Any]:
    if not (SUITES / suite).exists():
        yield pytest.param(None, None, id="absent", marks=pytest.mark.skip("../shared/data/spf is absent"))
        return
    for group in yaml.safe_load_all((SUITES / suite).read_text("utf-8")):
        resolver = DictResolver(zone_of(group["zonedata"]))
        for name, case in group["tests"].items():
            yield pytest.param(resolver, case, id=name)


def zone_of(zonedata: Mapping[str, list[Any]]) -> dict[str, dict[str, list[str] | DnsStatus]]:
    """Return the suite's zone data in our shape: SPF rows stand for TXT, unless the name has TXT rows of its own."""
    zone: dict[str, dict[str, list[str] | DnsStatus]] = {}
    for name, rows in zonedata.items():
        kinds: dict[str, list[str]] = {}
        for kind, value in (pair for row in rows if row != "TIMEOUT" for pair in row.items()):
            kinds.setdefault(kind, []).append(text_of(kind, value))
        legacy = kinds.pop("SPF", [])
        kinds.setdefault("TXT", legacy)
        if kinds["TXT"] == ["NONE"]:
            kinds["TXT"] = []
        zone[name] = {kind: values for kind, values in kinds.items() if values}
        if "TIMEOUT" in rows:
            zone[name]["*"] = DnsStatus.TEMPERROR
    return zone


def text_of(kind: str, value: Any) -> str:
    if kind == "MX":
        return f"{value[0]} {value[1] or '.'}"
    return "".join(value) if isinstance(value, list) else str(value)


def run(resolver: DictResolver, case: Mapping[str, Any]) -> tuple[str, str]:
    outcome = asyncio.run(check_host(resolver, case["host"], case["mailfrom"], case["helo"]))
    return outcome.result, outcome.explanation


def accepted(case: Mapping[str, Any]) -> list[str]:
    return case["result"] if isinstance(case["result"], list) else [case["result"]]


def assert_explained(case: Mapping[str, Any], result: str, explanation: str) -> None:
    if result == "fail":
        assert (explanation or "DEFAULT") == case.get("explanation", "DEFAULT")


#: Cases that RFC 4408 leaves open or decides otherwise: what RFC 7208 makes of them, and why.
NARROWED_BY_RFC_7208 = {
    "txtonly": ("fail", "3.1: only TXT is looked up"),
    "spfonly": ("none", "3.1: type SPF is no longer looked up"),
    "spftimeout": ("fail", "3.1: a failing lookup of type SPF is never made"),
    "txttimeout": ("temperror", "3.1: TXT is the only lookup, and it fails"),
    "nospftxttimeout": ("temperror", "3.1: TXT is the only lookup, and it fails"),
    "spfoverride": ("fail", "3.1: the TXT record counts, type SPF does not"),
    "multitxt1": ("permerror", "4.5: two TXT records, type SPF cannot override them"),
    "multispf1": ("permerror", "4.5: two records, even if identical"),
    "multispf2": ("pass", "3.1: duplicates of type SPF are not seen"),
    "invalid-domain-empty-label": ("fail", "4.3: undefined; a name that cannot exist has no addresses here"),
    "invalid-domain-long": ("fail", "4.3: undefined; a name that cannot exist has no addresses here"),
    "invalid-domain-long-via-macro": ("fail", "4.3: undefined; a name that cannot exist has no addresses here"),
    "exists-dnserr": ("temperror", "5: a DNS error in any mechanism but ptr is a temperror"),
    "cidr6-0-ip4": ("neutral", "5.6: an ip6 network never holds an IPv4 client"),
    "cidr6-ip4": ("neutral", "5.6: an ip6 network never holds an IPv4 client"),
    "mx-limit": ("permerror", "4.6.4: more than 10 hosts of one mx are a permerror"),
    "p-macro-multiple": ("pass", "7.3: a validated subdomain of the domain is preferred"),
    "ptr-limit": ("neutral", "4.6.4: names after the tenth are ignored"),
}


@pytest.mark.parametrize(("resolver", "case"), cases("rfc7208-tests.yml"))
def test_rfc_7208(resolver: DictResolver, case: Mapping[str, Any]) -> None:
    result, explanation = run(resolver, case)
    assert result in accepted(case)
    assert_explained(case, result, explanation)


@pytest.mark.parametrize(("resolver", "case"), cases("rfc4408-tests.yml"))
def test_rfc_4408_where_the_rules_are_the_same(
    resolver: DictResolver, case: Mapping[str, Any], request: pytest.FixtureRequest
) -> None:
    name = request.node.callspec.id
    expected = [NARROWED_BY_RFC_7208[name][0]] if name in NARROWED_BY_RFC_7208 else accepted(case)
    assert len(expected) == 1, "RFC 4408 leaves this case open: say in the table what RFC 7208 makes of it"
    result, explanation = run(resolver, case)
    assert [result] == expected
    assert_explained(case, result, explanation)


def test_the_suite_is_complete() -> None:
    loaded = cases("rfc7208-tests.yml")
    if loaded[0].id == "absent":
        pytest.skip("../shared/data/spf is absent")
    assert len(loaded) == 203
