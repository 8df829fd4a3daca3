"""What does a mail host say when it is called: STARTTLS, TLS, certificate, and the MTA-STS policy?

DOOR to SMTP and HTTPS hosts. Nothing is logged in to and nothing is sent. What a host answers is a value; only public
addresses are called, unless another way to locate hosts is passed in.
"""

import asyncio
import contextlib
import socket
import ssl
import warnings
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from ipaddress import ip_address
from itertools import zip_longest
from pathlib import Path
from typing import Protocol

import httpx
from cryptography import x509

from deliverability.resolver import DnsStatus, Resolver

TIMEOUT_SECONDS = 5.0  # of one conversation
LONGEST_POLICY_BYTES = 65_536  # RFC 8461, 3.3
SMTP_PORT, HTTPS_PORT = 25, 443
HUNG_UP = "the host hung up during the TLS handshake"
_MOST_LINES = 100  # of one SMTP answer
MOST_ADDRESSES = 4  # of one host that are called, half of each protocol where there are both
Place = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Located:
    """Addresses and ports at which a host is called; without any, `detail` says why not."""

    places: tuple[Place, ...] = ()
    missing: bool = False  #: the DNS says that the host has no address
    detail: str = ""


Locate = Callable[[str, int], Awaitable[Located]]


class CallFault(StrEnum):
    """Why a call told less than hoped."""

    NO_ADDRESS = "no-address"  #: the DNS says that there is none
    UNREACHABLE = "unreachable"  #: no address, no connection, no answer in time: nothing is known
    NOT_SMTP = "not-smtp"  #: something else answers, or it refuses us
    NO_STARTTLS = "no-starttls"  #: plain text only
    HANDSHAKE = "handshake"  #: TLS is offered and fails
    REFUSED = "refused"  #: HTTPS answers, but not with the policy


@dataclass(frozen=True, slots=True)
class MailHost:
    """A host to call; `implicit` is TLS from the first byte, `ca_file` holds the only certificates to trust."""

    host: str
    port: int = SMTP_PORT
    implicit: bool = False
    ca_file: Path | None = None
    ours: bool = False  #: the operator named it: any address will do, as for sending


@dataclass(frozen=True, slots=True)
class TlsAnswer:
    """Hold what a mail host showed; `distrust` says why its certificate does not count, empty when it does."""

    host: str
    fault: CallFault | None = None
    detail: str = ""
    version: str = ""
    distrust: str = ""
    names: tuple[str, ...] = ()
    expires_at: datetime | None = None
    old: bool = False  #: TLS 1.0 or 1.1 is still spoken
    address: str = ""  #: set where the host's addresses do not answer alike


@dataclass(frozen=True, slots=True)
class PolicyAnswer:
    """Hold the text of an MTA-STS policy, or why there is none."""

    text: str = ""
    fault: CallFault | None = None
    detail: str = ""


class MailHosts(Protocol):
    """Calls mail hosts."""

    async def tls(self, host: MailHost) -> Sequence[TlsAnswer]:
        """Return how a host speaks TLS, by address where they differ; never raises for what the host does."""
        ...

    async def policy(self, domain: str) -> PolicyAnswer:
        """Fetch a domain's MTA-STS policy (RFC 8461, 3.3)."""
        ...


class RealHosts:
    """Call hosts over the network; `ca_file` replaces the system's certificates."""

    def __init__(
        self,
        resolver: Resolver,
        *,
        locate: Locate | None = None,
        ca_file: Path | None = None,
        timeout: float = TIMEOUT_SECONDS,
    ) -> None:
        self._resolver, self._ca_file, self._timeout = resolver, ca_file, timeout
        self._locate = locate or self._public

    async def tls(self, host: MailHost) -> Sequence[TlsAnswer]:
        """Call every address of a host at once."""
        found = Located(((host.host, host.port),)) if host.ours else await self._locate(host.host, host.port)
        if not found.places:
            return [TlsAnswer(host.host, CallFault.UNREACHABLE, found.detail)]
        return _told_apart(await asyncio.gather(*(self._tls_at(host, place) for place in found.places)))

    async def _tls_at(self, host: MailHost, place: Place) -> TlsAnswer:
        """Talk to a host up to three times: with a checked certificate, without, and in old versions."""
        return replace(await self._talk(host, place), address=place[0])

    async def _talk(self, host: MailHost, place: Place) -> TlsAnswer:
        found = await self._call(host, place, _checking(host.ca_file or self._ca_file))
        if found.fault not in (None, CallFault.HANDSHAKE):
            return found
        if found.fault is not None:
            anyhow = await self._call(host, place, _lenient())
            if anyhow.fault is not None:
                return found
            if anyhow.version < "TLSv1.2":
                return TlsAnswer(host.host, CallFault.HANDSHAKE, f"speaks only {anyhow.version}")
            return TlsAnswer(host.host, None, "", anyhow.version, found.detail, anyhow.names, anyhow.expires_at)
        old = await self._call(host, place, _lenient(only_old=True))
        return TlsAnswer(host.host, None, "", found.version, "", found.names, found.expires_at, old=old.fault is None)

    async def _call(self, host: MailHost, place: Place, context: ssl.SSLContext) -> TlsAnswer:
        try:
            async with asyncio.timeout(self._timeout):
                return await _converse(host, place, context)
        except ssl.SSLError as problem:
            said = getattr(problem, "verify_message", "") or problem.reason or str(problem)
            return TlsAnswer(host.host, CallFault.HANDSHAKE, str(said).lower().replace("_", " "))
        except TimeoutError:
            return TlsAnswer(host.host, CallFault.UNREACHABLE, f"no answer within {self._timeout:g} seconds")
        except ConnectionResetError as problem:
            fault = CallFault.HANDSHAKE if host.implicit else CallFault.UNREACHABLE
            return TlsAnswer(host.host, fault, HUNG_UP if host.implicit else str(problem))
        except (OSError, EOFError) as problem:
            return TlsAnswer(host.host, CallFault.UNREACHABLE, str(problem) or type(problem).__name__)

    async def policy(self, domain: str) -> PolicyAnswer:
        """Fetch the policy from the first address that answers, as senders do."""
        name = f"mta-sts.{domain}"
        found = await self._locate(name, HTTPS_PORT)
        fault = CallFault.NO_ADDRESS if found.missing else CallFault.UNREACHABLE
        answers = await asyncio.gather(*(self._fetch(name, place) for place in found.places))
        answers = answers or [PolicyAnswer(fault=fault, detail=f"{name}: {found.detail}")]
        return next((one for one in answers if one.fault is not CallFault.UNREACHABLE), answers[0])

    async def _fetch(self, name: str, place: Place) -> PolicyAnswer:
        """Fetch the policy; redirects are not followed and the certificate must be right."""
        address = f"[{place[0]}]" if ":" in place[0] else place[0]
        url, headers = f"https://{address}:{place[1]}/.well-known/mta-sts.txt", {"Host": name}
        checked = _checking(self._ca_file)
        try:
            async with (
                asyncio.timeout(self._timeout),
                httpx.AsyncClient(verify=checked, follow_redirects=False, trust_env=False) as client,
                client.stream("GET", url, headers=headers, extensions={"sni_hostname": name}) as answer,
            ):
                return await _read_policy(answer)
        except httpx.ConnectError as problem:
            broken = "certificate" in str(problem).lower() or "ssl" in str(problem).lower()
            return PolicyAnswer(fault=CallFault.HANDSHAKE if broken else CallFault.UNREACHABLE, detail=str(problem))
        except httpx.HTTPError as problem:
            return PolicyAnswer(fault=CallFault.UNREACHABLE, detail=str(problem) or type(problem).__name__)
        except TimeoutError:
            return PolicyAnswer(fault=CallFault.UNREACHABLE, detail=f"no answer within {self._timeout:g} seconds")

    async def _public(self, host: str, port: int) -> Located:
        answers = await asyncio.gather(*(self._resolver.lookup(host, kind) for kind in ("A", "AAAA")))
        kinds = [[one for one in answer.records if ip_address(one).is_global] for answer in answers]
        found = [one for pair in zip_longest(*kinds) for one in pair if one is not None]
        if found:
            return Located(tuple((one, port) for one in found[:MOST_ADDRESSES]))
        failed = next((one for one in answers if one.status is DnsStatus.TEMPERROR), None)
        if failed is not None:
            return Located(detail=f"temporary failure: {failed.detail or 'no answer'}")
        if any(answer.records for answer in answers):
            return Located(detail="no public address")
        return Located(missing=True, detail="no address in the DNS")


def _told_apart(answers: Sequence[TlsAnswer]) -> Sequence[TlsAnswer]:
    """Return one answer where all addresses say the same, that whose certificate ends first; else all with addresses.

    Where nothing answers over IPv6 but something over IPv4, this machine may have no IPv6, and the other way round.
    """
    heard = {":" in one.address for one in answers if one.fault is not CallFault.UNREACHABLE}
    told = [one for one in answers if (":" in one.address) in heard] or answers[:1]
    if len({(one.fault, one.version, one.distrust, one.old) for one in told}) > 1:
        return told
    first = min(told, key=lambda one: (one.expires_at is None, one.expires_at or datetime.min.replace(tzinfo=UTC)))
    return [replace(first, address="")]


async def _read_policy(answer: httpx.Response) -> PolicyAnswer:
    if answer.status_code != httpx.codes.OK:
        return PolicyAnswer(fault=CallFault.REFUSED, detail=f"HTTP {answer.status_code}; redirects are not followed")
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "text/plain":
        return PolicyAnswer(fault=CallFault.REFUSED, detail=f"Content-Type is {kind or 'absent'}, not text/plain")
    body = b""
    async for piece in answer.aiter_bytes():
        body += piece
        if len(body) > LONGEST_POLICY_BYTES:
            return PolicyAnswer(fault=CallFault.REFUSED, detail=f"longer than {LONGEST_POLICY_BYTES} bytes")
    return PolicyAnswer(body.decode("utf-8", "replace"))


async def _converse(host: MailHost, place: Place, context: ssl.SSLContext) -> TlsAnswer:
    tls = {"ssl": context, "server_hostname": host.host} if host.implicit else {}
    reader, writer = await asyncio.open_connection(*place, **tls)  # type: ignore[arg-type]
    try:
        if not host.implicit and (refusal := await _start_tls(host, reader, writer, context)):
            return refusal
        session = writer.get_extra_info("ssl_object")
        names, expires_at = _certificate(session.getpeercert(binary_form=True) or b"")
        return TlsAnswer(host.host, version=session.version() or "", names=names, expires_at=expires_at)
    finally:
        writer.transport.abort()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def _start_tls(
    host: MailHost, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, context: ssl.SSLContext
) -> TlsAnswer | None:
    """Bring a plain connection to TLS; returns what stands against it."""
    code, said = await _answer(reader)
    if code == "220":
        writer.write(f"EHLO {socket.gethostname()}\r\n".encode())
        code, said = await _answer(reader)
    if code not in ("220", "250"):
        return TlsAnswer(host.host, CallFault.NOT_SMTP, f"{code} {' '.join(said)}"[:200])
    if "STARTTLS" not in (line.strip().upper() for line in said):
        return TlsAnswer(host.host, CallFault.NO_STARTTLS, "EHLO does not offer STARTTLS")
    writer.write(b"STARTTLS\r\n")
    code, said = await _answer(reader)
    if code != "220":
        return TlsAnswer(host.host, CallFault.NO_STARTTLS, f"STARTTLS answered {code} {' '.join(said)}"[:200])
    try:
        await writer.start_tls(context, server_hostname=host.host)
    except ConnectionError:
        return TlsAnswer(host.host, CallFault.HANDSHAKE, HUNG_UP)
    return None


async def _answer(reader: asyncio.StreamReader) -> tuple[str, list[str]]:
    """Read one SMTP answer as its code and its lines; raises EOFError when the host hangs up."""
    said: list[str] = []
    for _ in range(_MOST_LINES):
        try:
            line = (await reader.readline()).decode("ascii", "replace").rstrip("\r\n")
        except ValueError:  # longer than the reader's limit
            return "", said
        if not line:
            raise EOFError("the host hung up")
        said.append(line[4:])
        if line[3:4] != "-":
            return line[:3], said
    return "", said


def _checking(ca_file: Path | None) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(ca_file) if ca_file else None)


def _lenient(*, only_old: bool = False) -> ssl.SSLContext:
    """Return a context that takes any certificate, to see what is there: nothing is sent over it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with warnings.catch_warnings():  # Python advises against old versions, and so does the finding they lead to
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        if only_old:
            context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    return context


def _certificate(raw: bytes) -> tuple[tuple[str, ...], datetime | None]:
    """Return a certificate's host names and end."""
    try:
        found = x509.load_der_x509_certificate(raw)
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return (), found.not_valid_after_utc
    except ValueError:
        return (), None
    return tuple(names.value.get_values_for_type(x509.DNSName)), found.not_valid_after_utc
