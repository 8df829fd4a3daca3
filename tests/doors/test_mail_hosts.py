"""What does calling mail hosts tell: real TLS on loopback, good and broken, and the policy over HTTPS?"""

import asyncio
import ssl
import warnings
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiosmtpd.handlers import Sink
from aiosmtpd.smtp import SMTP

from deliverability.host_tls import SOON, HostCalls, assess_hosts
from deliverability.mail_hosts import MOST_ADDRESSES, CallFault, Located, MailHost, RealHosts
from deliverability.mta_sts import parse_policy
from deliverability.resolver import DictResolver, DnsStatus
from deliverability.verdict import check_domain

NOW = datetime.now(UTC)
MX, POLICY = "mx.a.example", "mta-sts.a.example"
Ports = dict[tuple[str, int], int | tuple[tuple[str, int], ...]]


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> Path:
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    return tmp_path / "ca.pem"


def context(
    authority: trustme.CA, name: str = MX, *, until: datetime | None = None, old: bool = False
) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name, not_after=until).configure_cert(made)
    if old:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            made.minimum_version, made.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
        made.set_ciphers("DEFAULT:@SECLEVEL=0")
    return made


def run(story: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(story)


@asynccontextmanager
async def smtp(tls: ssl.SSLContext | None, *, implicit: bool = False) -> AsyncIterator[int]:
    """An SMTP server that others wrote, on a free port."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(Sink(), tls_context=None if implicit else tls, loop=loop, hostname=MX),
        "127.0.0.1", 0, ssl=tls if implicit else None,
    )  # fmt: skip
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()
        await asyncio.sleep(0.05)  # connections that were cut are told so


@asynccontextmanager
async def speaking(words: bytes, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server that says the same to everybody and hangs up; over HTTPS it reads the request first."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if tls is not None:
            await reader.readuntil(b"\r\n\r\n")
        writer.write(words)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


def hosts(ports: Ports, ca_file: Path | None = None, timeout: float = 5.0) -> RealHosts:
    async def locate(host: str, port: int) -> Located:
        found = ports.get((host, port), ())
        return Located((("127.0.0.1", found),) if isinstance(found, int) else found, detail="not told")

    return RealHosts(DictResolver({}), locate=locate, ca_file=ca_file, timeout=timeout)


async def seen(tls: ssl.SSLContext | None, ca_file: Path, *, implicit: bool = False) -> Any:
    async with smtp(tls, implicit=implicit) as port:
        (answer,) = await hosts({(MX, port): port}, ca_file).tls(MailHost(MX, port, implicit=implicit))
        return answer


@pytest.mark.parametrize("implicit", [False, True], ids=["starttls", "implicit"])
def test_a_good_host(authority: trustme.CA, ca_file: Path, implicit: bool) -> None:
    found = run(seen(context(authority, until=NOW + timedelta(days=90)), ca_file, implicit=implicit))
    assert (found.fault, found.distrust, found.version, found.names, found.old) == (None, "", "TLSv1.3", (MX,), False)
    assert timedelta(days=89) < found.expires_at - NOW < timedelta(days=91)


def test_certificates_that_do_not_count(authority: trustme.CA, ca_file: Path) -> None:
    stories = {
        "expired": context(authority, until=NOW - timedelta(days=1)),
        "hostname mismatch": context(authority, "other.example"),
        "unable to get local issuer": context(trustme.CA()),
    }
    for said, tls in stories.items():
        found = run(seen(tls, ca_file))
        assert (found.fault, found.version) == (None, "TLSv1.3")
        assert said in found.distrust and found.names, f"{said}: {found}"


def test_hosts_that_speak_no_tls_worth_the_name(authority: trustme.CA, ca_file: Path) -> None:
    assert run(seen(None, ca_file)).fault is CallFault.NO_STARTTLS
    for implicit in (False, True):
        old = run(seen(context(authority, old=True), ca_file, implicit=implicit))
        assert (old.fault, old.detail) == (CallFault.HANDSHAKE, "speaks only TLSv1.1")


WORDS = [
    (b"554 go away\r\n", CallFault.NOT_SMTP), (b"SSH-2.0-x\r\n", CallFault.NOT_SMTP), (b"", CallFault.UNREACHABLE),
    (b"220-" + b"x" * 100_000, CallFault.NOT_SMTP), (b"220-x\r\n" * 1000, CallFault.NOT_SMTP),
    (b"220 hi\r\n250-x\r\n250 STARTTLS\r\n454 not now\r\n", CallFault.NO_STARTTLS),
    (b"220 hi\r\n250 STARTTLS\r\n220 go\r\nthis is no TLS at all", CallFault.HANDSHAKE),
]  # fmt: skip


@pytest.mark.parametrize(("words", "fault"), WORDS, ids=[str(row[0][:20]) for row in WORDS])
def test_whatever_a_host_says_is_a_value(words: bytes, fault: CallFault) -> None:
    async def play() -> Any:
        async with speaking(words) as port:
            (answer,) = await hosts({(MX, port): port}).tls(MailHost(MX, port))
            return answer

    assert run(play()).fault in (fault, CallFault.UNREACHABLE)


def test_silence_and_closed_ports_say_nothing_about_a_host() -> None:
    async def play() -> None:
        async def silent(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await asyncio.sleep(0.3)
            writer.close()

        server = await asyncio.start_server(silent, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        answers = [*await hosts({(MX, port): port}, timeout=0.1).tls(MailHost(MX, port))]
        server.close()
        await server.wait_closed()
        answers += await hosts({(MX, port): port}).tls(MailHost(MX, port))
        answers += await hosts({}).tls(MailHost(MX))
        await asyncio.sleep(0.4)
        assert {answer.fault for answer in answers} == {CallFault.UNREACHABLE}

    run(play())


def test_only_public_addresses_are_called_unless_the_operator_named_the_host() -> None:
    zone = {MX: {"A": ["127.0.0.1"]}, "lan.a.example": {"A": ["10.0.0.1", "192.168.1.1"], "AAAA": ["fd00::1"]}}
    door = RealHosts(DictResolver(zone), timeout=1.0)
    for name in (MX, "lan.a.example"):
        assert [one.detail for one in run(door.tls(MailHost(name)))] == ["no public address"]


def test_every_address_of_a_host_is_called_and_told_only_where_they_differ(
    authority: trustme.CA, ca_file: Path
) -> None:
    async def play(*servers: ssl.SSLContext | None, closed: int = 0) -> list[tuple[str, str]]:
        """Give each server an address of its own, and `closed` addresses where nobody listens."""
        async with AsyncExitStack() as stack:
            ports = [await stack.enter_async_context(smtp(tls)) for tls in servers]
            places = [("127.0.0.1", port) for port in ports] + [("::1", 9)] * closed
            zone = {"a.example": {"MX": [f"10 {MX}"]}}
            calls = HostCalls(hosts({(MX, 25): tuple(places)}, ca_file), NOW)
            return [(one.slug, one.found) for one in await assess_hosts(DictResolver(zone), "a.example", calls)]

    soon, late = (context(authority, until=NOW + timedelta(days=days)) for days in (60, 90))
    ((slug, found),) = run(play(late, soon))
    assert slug == "mx-tls-ok" and f"{NOW + timedelta(days=60):%Y-%m-%d}" in found and "127" not in found
    good, bad = run(play(soon, None))
    assert [good[0], bad[0]] == ["mx-tls-ok", "mx-tls-missing"] and f"{MX} at 127.0.0.1" in bad[1]
    assert [slug for slug, _ in run(play(soon, closed=1))] == ["mx-tls-ok"], "this machine may have no IPv6"
    assert [slug for slug, _ in run(play(closed=2))] == ["mx-tls-unchecked"]


def test_a_few_public_addresses_of_both_protocols_are_called() -> None:
    zone = {MX: {"A": ["10.0.0.1", *(f"8.8.8.{n}" for n in range(9))], "AAAA": ["fd00::1", "2600::1"]}}
    found = run(RealHosts(DictResolver(zone))._public(MX, 25))
    assert [place[0] for place in found.places] == ["8.8.8.0", "2600::1", "8.8.8.1", "8.8.8.2"][:MOST_ADDRESSES]


@pytest.mark.parametrize(
    ("kinds", "slug"),
    [
        ({}, "mta-sts-policy-broken"), ({"TXT": ["x"]}, "mta-sts-policy-broken"), ({"A": ["10.0.0.1"]}, "mta-sts-policy-unchecked"),
        ({"*": DnsStatus.TEMPERROR}, "mta-sts-policy-unchecked"), ({"AAAA": DnsStatus.TEMPERROR}, "mta-sts-policy-unchecked"),
    ],
)  # fmt: skip
def test_a_policy_is_announced_but_its_host_has_no_address(kinds: dict[str, Any], slug: str) -> None:
    zone = {"_mta-sts.a.example": {"TXT": ["v=STSv1; id=1"]}, **({POLICY: kinds} if kinds else {})}
    resolver = DictResolver(zone)
    found = run(assess_hosts(resolver, "a.example", HostCalls(RealHosts(resolver, timeout=0.5), NOW)))
    assert [one.slug for one in found] == [slug]


TEXT = "version: STSv1\r\nmode: enforce\r\nmx: {}\r\nmax_age: 604800\r\n"


def https(body: str, status: str = "200 OK", kind: str = "text/plain; charset=utf-8") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nLocation: https://evil.example/\r\n"
    return f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode()


async def findings(
    authority: trustme.CA, ca_file: Path, *, page: bytes, tls: ssl.SSLContext | None, policy_name: str = POLICY
) -> dict[str, str]:
    """Return the severities of what is found about a domain with this policy and this MX host."""
    zone = {"a.example": {"MX": [f"10 {MX}"]}, "_mta-sts.a.example": {"TXT": ["v=STSv1; id=1"]}}
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(smtp(tls))
        web = await stack.enter_async_context(speaking(page, context(authority, policy_name)))
        door = hosts({(MX, 25): port, (POLICY, 443): web}, ca_file)
        found = await assess_hosts(DictResolver(zone), "a.example", HostCalls(door, NOW))
    return {one.slug: one.severity for one in found}


POLICIES = [
    ("right", https(TEXT.format(MX)), {"mta-sts-policy-ok": "ok", "mx-tls-ok": "ok"}),
    ("wildcard", https(TEXT.format("*.a.example")), {"mta-sts-policy-ok": "ok", "mx-tls-ok": "ok"}),
    ("leaves the MX out", https(TEXT.format("*.b.example")), {"mta-sts-mx-left-out": "warning", "mx-tls-ok": "ok"}),
    ("redirect", https("", "301 Moved"), {"mta-sts-policy-broken": "info", "mx-tls-ok": "ok"}),
    ("not there", https("no", "404 Not Found"), {"mta-sts-policy-broken": "info", "mx-tls-ok": "ok"}),
    ("HTML", https("<p>", kind="text/html"), {"mta-sts-policy-broken": "info", "mx-tls-ok": "ok"}),
    ("endless", https("x" * 70_000), {"mta-sts-policy-broken": "info", "mx-tls-ok": "ok"}),
    ("no HTTP", b"hello\r\n\r\n", {"mta-sts-policy-unchecked": "info", "mx-tls-ok": "ok"}),
    ("no mode", https(TEXT.format(MX).replace("mode: enforce\r\n", "")), {"mta-sts-policy-broken": "info", "mx-tls-ok": "ok"}),
]  # fmt: skip


@pytest.mark.parametrize(("story", "page", "expected"), POLICIES, ids=[row[0] for row in POLICIES])
def test_policies(authority: trustme.CA, ca_file: Path, story: str, page: bytes, expected: dict[str, str]) -> None:
    assert run(findings(authority, ca_file, page=page, tls=context(authority))) == expected


def test_a_policy_in_force_makes_a_bad_mx_a_warning(authority: trustme.CA, ca_file: Path) -> None:
    page = https(TEXT.format(MX))
    stories = {
        "mx-tls-missing": None, "mx-certificate": context(trustme.CA()), "mx-tls-broken": context(authority, old=True)
    }  # fmt: skip
    for slug, tls in stories.items():
        assert run(findings(authority, ca_file, page=page, tls=tls)) == {"mta-sts-policy-ok": "ok", slug: "warning"}
        calm = run(findings(authority, ca_file, page=page.replace(b"enforce", b"testing"), tls=tls))
        assert calm[slug] == "info", "a policy under test loses no mail"


def test_a_policy_is_read_from_the_address_that_answers(authority: trustme.CA, ca_file: Path) -> None:
    async def play() -> str:
        async with speaking(https(TEXT.format(MX)), context(authority, POLICY)) as port:
            places = (("127.0.0.1", 9), ("127.0.0.1", port))
            return (await hosts({(POLICY, 443): places}, ca_file).policy("a.example")).text

    assert parse_policy(run(play())).mode == "enforce"


def test_a_policy_with_a_wrong_certificate_is_used_by_nobody(authority: trustme.CA, ca_file: Path) -> None:
    page = https(TEXT.format(MX))
    found = run(findings(authority, ca_file, page=page, tls=context(authority), policy_name="www.a.example"))
    assert found == {"mta-sts-policy-broken": "info", "mx-tls-ok": "ok"}


def test_a_submission_host_must_be_right(authority: trustme.CA, ca_file: Path) -> None:
    stories = {
        "submission-tls-ok": ("ok", context(authority, "127.0.0.1")),
        "submission-certificate-ends": ("info", context(authority, "127.0.0.1", until=NOW + SOON / 2)),
        "submission-certificate": ("error", context(trustme.CA(), "127.0.0.1")),
        "submission-tls-missing": ("error", None),
    }

    async def play(tls: ssl.SSLContext | None) -> dict[str, str]:
        async with smtp(tls) as port:
            ours = MailHost("127.0.0.1", port, ca_file=ca_file, ours=True)
            calls = HostCalls(RealHosts(DictResolver({})), NOW, {"a.example": [ours]})
            found = await check_domain(DictResolver({}), "a.example", calls=calls)
        return {one.slug: one.severity for one in found.findings if one.slug.startswith("submission")}

    for slug, (severity, tls) in stories.items():
        assert run(play(tls)) == {slug: severity}


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        (TEXT.format(MX), 0), (TEXT.format(MX) + "note: x\nmode: none\n", 0), ("version: STSv1\nmode: none\nmax_age: 1\n", 0),
        ("", 4), (TEXT.format(MX).replace("STSv1", "STSv2"), 1), (TEXT.format(MX).replace("604800", "1e9"), 1),
        (TEXT.format(MX).replace("604800", "999999999"), 1), (TEXT.format(MX).replace("604800", "²"), 1),
        ("version: STSv1\nmode: enforce\nmax_age: 5\n", 1),
    ],
)  # fmt: skip
def test_policy_texts(text: str, faults: int) -> None:
    assert len(parse_policy(text).faults) == faults


def test_a_wildcard_stands_for_exactly_one_label() -> None:
    policy = parse_policy(TEXT.format("*.a.example"))
    assert [policy.covers(name) for name in ("x.a.example", "X.A.example.", "x.y.a.example", "a.example")] == [
        True, True, False, False,
    ]  # fmt: skip
