"""Does the resolver tell "missing" from "nobody knows", against a real name server on loopback?"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deliverability.resolver import DictResolver, DnsAnswer, DnsResolver, DnsStatus, parse_name
from sandbox.dns import Fault, NameServer, Values

ZONE: Mapping[str, Mapping[str, Values]] = {
    "example.com": {
        "A": ["192.0.2.1"],
        "AAAA": ["2001:db8::1"],
        "MX": ["20 Mx2.example.com", "10 mx1.example.com"],
        "TXT": ["v=spf1 -all", 'odd "quotes"; \\ and \xe9', "x" * 300],
    },
    "null.example": {"MX": ["0 ."]},
    "deep.under.example": {"A": ["192.0.2.2"]},
    "*.wild.example": {"TXT": ["wild"]},
    "1.2.0.192.in-addr.arpa": {"PTR": ["mail.example.com"]},
    "alias.example": {"CNAME": ["second.example"]},
    "second.example": {"CNAME": ["example.com"]},
    "dangling.example": {"CNAME": ["nowhere.example"]},
    "loop-a.example": {"CNAME": ["loop-b.example"]},
    "loop-b.example": {"CNAME": ["loop-a.example"]},
    "xn--mnchen-3ya.example": {"TXT": ["servus"]},
    "servfail.example": {"TXT": Fault.SERVFAIL, "A": ["192.0.2.3"]},
    "refused.example": {"*": Fault.REFUSED},
    "silent.example": {"*": Fault.SILENT},
    "garbage.example": {"*": Fault.GARBAGE},
    "to-silent.example": {"CNAME": ["silent.example"]},
    "big.example": {"TXT": ["b" * 3000]},
}


def run(
    test: Callable[[NameServer, DnsResolver], Awaitable[Any]], *, timeout: float = 5.0, ttl: int = 60, **server: Any
) -> Any:
    async def scenario() -> Any:
        name_server = NameServer(ZONE, ttl=ttl, **server)
        address = await name_server.start()
        try:
            return await test(name_server, DnsResolver(address, timeout))
        finally:
            await name_server.close()

    return asyncio.run(scenario())


def look_up(name: str, kind: str, timeout: float = 5.0) -> DnsAnswer:
    async def test(_: NameServer, resolver: DnsResolver) -> DnsAnswer:
        return await resolver.lookup(name, kind)

    answer = run(test, timeout=timeout)
    assert isinstance(answer, DnsAnswer)
    return answer


def test_records_come_as_text() -> None:
    assert look_up("EXAMPLE.com.", "A").records == ("192.0.2.1",)
    assert look_up("example.com", "AAAA").records == ("2001:db8::1",)
    assert set(look_up("example.com", "TXT").records) == set(ZONE["example.com"]["TXT"])
    assert look_up("example.com", "MX").exchanges == ((10, "mx1.example.com"), (20, "mx2.example.com"))
    assert look_up("null.example", "MX").exchanges == ((0, "."),)
    assert look_up("1.2.0.192.in-addr.arpa", "PTR").records == ("mail.example.com",)
    assert look_up("münchen.example", "TXT").records == ("servus",)


@pytest.mark.parametrize(
    ("name", "kind", "status"),
    [
        ("example.com", "TLSA", DnsStatus.NODATA),
        ("under.example", "A", DnsStatus.NODATA),  # an empty non-terminal exists
        ("servfail.example", "MX", DnsStatus.NODATA),
        ("other.example", "A", DnsStatus.NXDOMAIN),
        ("a.wild.example", "A", DnsStatus.NODATA),
        ("dangling.example", "TXT", DnsStatus.NXDOMAIN),
    ],
)
def test_a_name_without_the_kind_is_not_a_name_that_does_not_exist(name: str, kind: str, status: DnsStatus) -> None:
    answer = look_up(name, kind)
    assert (answer.status, answer.missing, answer.records) == (status, True, ())


@pytest.mark.parametrize(
    ("name", "detail"),
    [
        ("servfail.example", "servfail"),
        ("refused.example", "refused"),
        ("to-silent.example", "servfail"),
        ("loop-a.example", "cname-loop"),
    ],
)
def test_a_failing_server_is_never_read_as_missing(name: str, detail: str) -> None:
    answer = look_up(name, "TXT")
    assert (answer.status, answer.detail, answer.missing) == (DnsStatus.TEMPERROR, detail, False)


@pytest.mark.parametrize("name", ["silent.example", "garbage.example"])
def test_no_answer_in_time_is_temporary(name: str) -> None:
    answer = look_up(name, "TXT", timeout=0.2)
    assert (answer.status, answer.detail) == (DnsStatus.TEMPERROR, "timeout")


def test_an_unreachable_server_is_temporary() -> None:
    async def test(server: NameServer, resolver: DnsResolver) -> DnsAnswer:
        await server.close()
        return await resolver.lookup("example.com", "A")

    assert run(test, timeout=0.2).status is DnsStatus.TEMPERROR


@pytest.mark.parametrize("name", ["", ".", "a..example", "a" * 64 + ".example", "a." * 130 + "example", "ü" * 60])
def test_a_name_that_can_never_exist_is_not_asked(name: str) -> None:
    async def test(server: NameServer, resolver: DnsResolver) -> DnsAnswer:
        answer = await resolver.lookup(name, "A")
        assert server.queries == []
        return answer

    assert run(test) == DnsAnswer(DnsStatus.NXDOMAIN, detail="invalid-name")


def test_a_truncated_answer_is_fetched_over_tcp() -> None:
    async def test(server: NameServer, resolver: DnsResolver) -> None:
        answer = await resolver.lookup("big.example", "TXT")
        assert answer.records == ("b" * 3000,)
        assert [transport for *_, transport in server.queries] == ["udp", "tcp"]

    run(test)


def test_aliases_are_followed_and_named() -> None:
    answer = look_up("alias.example", "A")
    assert (answer.records, answer.cnames) == (("192.0.2.1",), ("second.example", "example.com"))
    assert look_up("alias.example", "CNAME").records == ("second.example",)


@pytest.mark.parametrize(("ttl", "asked"), [(60, 1), (0, 2)])
@pytest.mark.parametrize("name", ["example.com", "under.example", "other.example"])
def test_answers_live_in_the_cache_for_their_ttl(name: str, ttl: int, asked: int) -> None:
    async def test(server: NameServer, resolver: DnsResolver) -> None:
        first = await resolver.lookup(name, "A")
        assert await resolver.lookup(name.upper(), "A") == first
        assert len(server.queries) == asked

    run(test, ttl=ttl)


def test_failures_are_not_cached() -> None:
    async def test(server: NameServer, resolver: DnsResolver) -> None:
        assert (await resolver.lookup("servfail.example", "TXT")).status is DnsStatus.TEMPERROR
        server.set("servfail.example", "TXT", ["back"])
        assert (await resolver.lookup("servfail.example", "TXT")).records == ("back",)

    run(test)


@pytest.mark.parametrize("authenticated", [True, False])
def test_the_authenticated_flag_is_kept(authenticated: bool) -> None:
    async def test(_: NameServer, resolver: DnsResolver) -> None:
        for name in ("example.com", "other.example"):
            assert (await resolver.lookup(name, "A")).authenticated is authenticated

    run(test, authenticated=authenticated)


def test_the_dict_twin_answers_as_the_server_does() -> None:
    twin = DictResolver(
        {
            n: {k: DnsStatus.TEMPERROR if isinstance(v, Fault) else v for k, v in kinds.items()}
            for n, kinds in ZONE.items()
        }
    )
    names = [*ZONE, "under.example", "x.wild.example", "y.x.wild.example", "other.example", "a..b"]
    slow = ("silent.example", "garbage.example")

    async def test(_: NameServer, resolver: DnsResolver) -> None:
        for name in names:
            for kind in ("A", "TXT", "CNAME", "MX"):
                if name not in slow:
                    real, ours = await resolver.lookup(name, kind), await twin.lookup(name, kind)
                    assert (real.status, set(real.records), real.missing) == (
                        ours.status,
                        {record.lower() if kind == "MX" else record for record in ours.records},
                        ours.missing,
                    )

    run(test)


@given(st.text(max_size=80))
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_no_text_breaks_the_name_parser(text: str) -> None:
    parsed = parse_name(text)
    assert parsed is None or parsed.is_absolute()
