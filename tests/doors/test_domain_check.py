"""What does a whole check say about zones as people publish them, asked of a real name server with its faults?"""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deliverability.resolver import DictResolver, DnsAnswer, DnsResolver, DnsStatus
from deliverability.verdict import check_domain, describe
from sandbox.dns import Fault, NameServer, Values
from tests.decisions.test_dkim_keys import GOOD

RELAY = "192.0.2.25"
Kinds = dict[str, Values]
#: Names that many domains below share.
COMMON: dict[str, Kinds] = {
    "25.2.0.192.in-addr.arpa": {"PTR": ["mail.relay.example"]},
    "mail.relay.example": {"A": [RELAY]},
    "bare.relay.example": {"TXT": ["nothing"]},
    **{f"i{n}.relay.example": {"TXT": ["v=spf1 ip4:198.51.100.1 -all"]} for n in range(11)},
    "gone.relay.example": {"TXT": Fault.SERVFAIL},
}
ELEVEN = " ".join(f"include:i{n}.relay.example" for n in range(11))


def good(**changes: Kinds | None) -> dict[str, Kinds]:
    """Return a zone that is ready, with the kinds of some names replaced, or the names left out."""
    zone: dict[str, Kinds | None] = {
        "": {"TXT": [f"v=spf1 ip4:{RELAY} -all"], "MX": ["10 mail.relay.example"], "A": ["192.0.2.80"]},
        "selector1._domainkey": {"TXT": [f"v=DKIM1; k=rsa; p={GOOD}"]},
        "_dmarc": {"TXT": ["v=DMARC1; p=reject; rua=mailto:dmarc@a.example"]},
    }
    for name, kinds in changes.items():
        place = {"apex": "", "dkim": "selector1._domainkey"}.get(name, name)
        zone[place] = {**(zone.get(place) or {}), **kinds} if kinds is not None else None
    return COMMON | {f"{name}.a.example".lstrip("."): kinds for name, kinds in zone.items() if kinds is not None}


def spf(*records: str) -> dict[str, Kinds]:
    return good(apex={"TXT": records})


CIRCLE: dict[str, Kinds] = {"a.example": {"CNAME": ["b.example"]}, "b.example": {"CNAME": ["a.example"]}}
CASES: list[tuple[str, dict[str, Kinds], str, dict[str, str]]] = [
    ("everything right", good(), "ready", {}),
    ("no SPF", spf("site-verification=x"), "blocked", {"spf-missing": "error"}),
    ("two SPF records", spf("v=spf1 -all", "v=spf1 mx -all"), "blocked", {"spf-two-records": "error"}),
    ("smart quotes", spf("“v=spf1 mx –all”".encode().decode("latin-1")), "blocked", {"spf-broken": "error"}),
    ("semicolon", spf("v=spf1; mx; -all"), "blocked", {"spf-broken": "error"}),
    ("a broken leftover beside a good one", spf(f"v=spf1 ip4:{RELAY} -all", "v=spf1; mx"), "degraded", {"spf-broken": "warning"}),
    ("eleven includes", spf(f"v=spf1 {ELEVEN} -all"), "blocked", {"spf-too-many-lookups": "error", "txt-strings": "info"}),
    ("eleven includes behind the relay", spf(f"v=spf1 ip4:{RELAY} {ELEVEN} -all"), "degraded", {"spf-too-many-lookups": "warning", "txt-strings": "info"}),
    ("three void lookups", spf("v=spf1 a:x.a.example a:y.a.example a:z.a.example -all"), "blocked", {"spf-too-many-void-lookups": "error"}),
    ("includes itself", spf("v=spf1 include:a.example -all"), "blocked", {"spf-loop": "error"}),
    ("includes nothing", spf("v=spf1 include:bare.relay.example -all"), "blocked", {"spf-include-broken": "error"}),
    ("+all", spf("v=spf1 +all"), "blocked", {"spf-allows-everybody": "error"}),
    ("everybody by an include", spf("v=spf1 ip4:0.0.0.0/1 ip4:128.0.0.0/1 -all"), "blocked", {"spf-wide-network": "warning", "spf-allows-everybody": "error"}),
    ("?all", spf(f"v=spf1 ip4:{RELAY} ?all"), "degraded", {"spf-allows-everybody": "warning"}),
    ("ptr", spf(f"v=spf1 ip4:{RELAY} ptr -all"), "degraded", {"spf-ptr": "warning"}),
    ("relay left out", spf("v=spf1 mx:bare.relay.example ip4:203.0.113.1 -all"), "blocked", {"spf-relay-not-allowed": "error"}),
    ("SPF SERVFAIL", good(apex={"TXT": Fault.SERVFAIL}), "unknown", {"spf-temperror": "temporary"}),
    ("SPF silent", good(apex={"TXT": Fault.SILENT}), "unknown", {"spf-temperror": "temporary"}),
    ("DNSSEC broken", good(apex={"TXT": Fault.BOGUS}), "unknown", {"spf-temperror": "temporary"}),
    ("an include SERVFAIL", spf("v=spf1 include:gone.relay.example -all"), "unknown", {"spf-temperror": "temporary"}),
    ("no DKIM", good(dkim=None), "degraded", {"dkim-not-found": "warning"}),
    ("revoked", good(dkim={"TXT": ["v=DKIM1; p="]}), "blocked", {"dkim-revoked": "error"}),
    ("DKIM SERVFAIL", good(dkim={"TXT": Fault.SERVFAIL}), "unknown", {"dkim-temperror": "temporary"}),
    ("no DMARC", good(_dmarc=None), "blocked", {"dmarc-missing": "error"}),
    ("DMARC SERVFAIL", good(_dmarc={"TXT": Fault.SERVFAIL}), "unknown", {"dmarc-temperror": "temporary"}),
    ("DMARC REFUSED", good(_dmarc={"TXT": Fault.REFUSED}), "unknown", {"dmarc-temperror": "temporary"}),
    ("DMARC behind an alias", good(_dmarc={"TXT": [], "CNAME": ["policy.a.example"]}, policy={"TXT": ["v=DMARC1; p=none; rua=mailto:x@a.example"]}), "ready", {}),
    ("null MX", good(apex={"MX": ["0 ."]}), "blocked", {"mx-null": "error"}),
    ("MX without address", good(apex={"MX": ["10 nowhere.a.example"]}), "blocked", {"mx-unreachable": "error"}),
    ("one MX of two without address", good(apex={"MX": ["10 nowhere.a.example", "20 mail.relay.example"]}), "degraded", {"mx-unreachable": "warning"}),
    ("MX is an alias", good(apex={"MX": ["10 mx.a.example"]}, mx={"CNAME": ["mail.relay.example"]}), "degraded", {"mx-alias": "warning"}),
    ("only an address", good(apex={"MX": []}), "degraded", {"mx-missing": "warning"}),
    ("no address either", good(apex={"MX": [], "A": []}), "blocked", {"mx-missing": "error"}),
    ("MX REFUSED", good(apex={"MX": Fault.REFUSED}), "unknown", {"mx-temperror": "temporary"}),
    ("no reverse name", good() | {"25.2.0.192.in-addr.arpa": {}}, "blocked", {"ptr-missing": "error"}),
    ("reverse name of another", good() | {"mail.relay.example": {"A": ["192.0.2.99"]}}, "blocked", {"ptr-mismatch": "error"}),
    ("reverse SERVFAIL", good() | {"25.2.0.192.in-addr.arpa": {"PTR": Fault.SERVFAIL}}, "unknown", {"ptr-temperror": "temporary"}),
    ("wildcard TXT", good() | {"*.a.example": {"TXT": ["v=spf1 -all"]}}, "ready", {"txt-wildcard": "info"}),
    ("a record of several strings", spf(f"v=spf1 {' '.join(f'ip4:198.51.100.{n}' for n in range(60))} ip4:{RELAY} -all"), "degraded", {"spf-long": "warning", "txt-strings": "info"}),
    ("SPF that may not fit", spf(f"v=spf1 {' '.join(f'ip4:198.51.100.{n}' for n in range(26))} ip4:{RELAY} -all"), "ready", {"spf-long": "info", "txt-strings": "info"}),
    ("another record too long", spf(f"v=spf1 ip4:{RELAY} -all", "x" * 513), "degraded", {"txt-strings": "info", "txt-too-long": "warning", "txt-long": "info"}),
    ("one string too long", spf(f"v=spf1 ip4:{RELAY} -all", "x" * 256), "ready", {"txt-strings": "info"}),
    ("truncated, fetched over TCP", spf(f"v=spf1 ip4:{RELAY} -all", *(f"{n}" * 250 for n in range(4))), "ready", {"txt-long": "info"}),
    ("aliases in a circle", CIRCLE | COMMON, "unknown",
     {"spf-temperror": "temporary", "mx-temperror": "temporary", "dkim-temperror": "temporary", "dmarc-temperror": "temporary"}),
    ("the domain does not exist", COMMON, "blocked",
     {"domain-missing": "error", "spf-missing": "error", "dmarc-missing": "error", "dkim-not-found": "warning"}),
]  # fmt: skip


@pytest.mark.parametrize(("story", "zone", "verdict", "expected"), CASES, ids=[case[0] for case in CASES])
def test_zones(story: str, zone: dict[str, Kinds], verdict: str, expected: dict[str, str]) -> None:
    row = asyncio.run(check(zone))
    told = {one["slug"]: one["severity"] for one in row["findings"] if one["severity"] != "ok"}
    told = {slug: severity for slug, severity in told.items() if not slug.endswith("-absent")}
    assert (told, row["verdict"]) == (expected, verdict)


PATIENCE = 3.0  # seconds of one lookup: only what stays silent waits for it


async def check(zone: Mapping[str, Kinds]) -> dict[str, Any]:
    server = NameServer(zone, udp_bytes=512)
    address = await server.start()
    try:
        return describe(await check_domain(DnsResolver(address, PATIENCE), "a.example", relays=[RELAY]))
    finally:
        await server.close()


def test_a_server_that_never_answers_makes_nobody_wait() -> None:
    class Silent:
        async def lookup(self, name: str, kind: str) -> DnsAnswer:
            await asyncio.Event().wait()
            raise AssertionError("unreachable")

    row = describe(asyncio.run(check_domain(Silent(), "a.example", relays=[RELAY], budget=0.05)))
    assert row["verdict"] == "unknown"
    assert {one["severity"] for one in row["findings"]} == {"temporary"}


def test_lasting_failures_say_what_to_mend() -> None:
    row = asyncio.run(check(good(apex={"TXT": Fault.BOGUS})))
    (bogus,) = [one for one in row["findings"] if one["slug"] == "spf-temperror"]
    assert "dnssec-bogus" in bogus["found"] and "signatures" in bogus["advice"]
    circle = asyncio.run(check(CIRCLE))
    assert any("circle" in one["advice"] for one in circle["findings"])


def test_blocklists_are_asked_only_when_named_and_a_refusal_lists_nobody() -> None:
    zone: dict[str, dict[str, list[str] | DnsStatus]] = {
        "25.2.0.192.bl.example": {"A": ["127.0.0.2"], "TXT": ["spam seen"]},
        "25.2.0.192.shy.example": {"A": ["127.255.255.254"]},
        "a.example.dbl.example": {"A": ["127.0.1.2"]},
    }

    def listed(**lists: tuple[str, ...]) -> dict[str, str]:
        row = describe(asyncio.run(check_domain(DictResolver(zone), "a.example", relays=[RELAY], **lists)))  # type: ignore[arg-type]
        return {one["slug"]: one["found"] for one in row["findings"] if one["slug"].startswith("blocklist")}

    assert listed() == {}
    assert listed(blocklists=("bl.example",)) == {"blocklist-listed": "25.2.0.192.bl.example: 127.0.0.2 spam seen"}
    assert set(listed(blocklists=("shy.example", "none.example"))) == {"blocklist-refused"}
    assert set(listed(domain_blocklists=("dbl.example",))) == {"blocklist-listed"}


@pytest.mark.parametrize("name", ["", "localhost", "a..example", "x" * 64 + ".example"])
def test_what_is_no_domain_is_blocked_without_a_question(name: str) -> None:
    resolver = DictResolver({})
    found = asyncio.run(check_domain(resolver, name))
    assert ([one.slug for one in found.findings], resolver.asked) == (["domain-invalid"], [])


def test_a_hostile_zone_does_not_make_us_ask_without_end() -> None:
    hosts = {f"h{n}.a.example": {"A": ["203.0.113.1"]} for n in range(10)}
    zone: dict[str, dict[str, list[str] | DnsStatus]] = {
        "a.example": {"TXT": ["v=spf1 include:a.example mx mx mx mx ptr mx mx mx mx mx -all"],
                      "MX": [f"{n} h{n}.a.example" for n in range(60)]},
        "_dmarc.a.example": {"TXT": ["v=DMARC1; p=none; rua=" + ",".join(f"mailto:x@r{n}.example" for n in range(99))]},
        "25.2.0.192.in-addr.arpa": {"PTR": [f"h{n}.a.example" for n in range(99)]},
        **{name: dict(kinds) for name, kinds in hosts.items()},
    }  # fmt: skip
    resolver = DictResolver(zone)
    asyncio.run(check_domain(resolver, "a.example", relays=(RELAY,)))
    assert len(resolver.asked) <= 400


BASE = {
    name: {k: tuple(v) for k, v in kinds.items()} for name, kinds in good(selector1=None).items() if "relay" not in name
}


@given(st.sets(st.sampled_from(sorted((name, kind) for name, kinds in BASE.items() for kind in kinds))))
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=60)
def test_a_temporary_failure_never_blocks_and_is_never_called_missing(failing: set[tuple[str, str]]) -> None:
    zone = {
        name: {k: DnsStatus.TEMPERROR if (name, k) in failing else v for k, v in kinds.items()}
        for name, kinds in (BASE | {"mail.relay.example": {"A": (RELAY,)}}).items()
    }
    row = describe(asyncio.run(check_domain(DictResolver(zone), "a.example", relays=[RELAY])))
    harmless = {("a.example", "A")}
    assert row["verdict"] == ("unknown" if failing - harmless else "ready")
    slugs = [one["slug"] for one in row["findings"]]
    assert not [slug for slug in slugs if slug.endswith(("-missing", "-not-found"))]
