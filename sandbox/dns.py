"""What if the DNS were ours? A recursive name server on loopback that answers, and fails, as told.

UDP and TCP on one free port. A zone is the dict of `deliverability.resolver.Zone` with faults in place of records;
answers over `udp_bytes` are truncated, so that a client must come again over TCP.
"""

import asyncio
import contextlib
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import TypeAlias

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.ANY.TXT
import dns.rrset

from deliverability.resolver import DictResolver, DnsAnswer, DnsStatus, parse_name

_BIND_ATTEMPTS = 20
_STRING_BYTES = 255  # one string of a TXT record (RFC 1035 section 3.3)


class Fault(StrEnum):
    """How the server fails for a name and kind."""

    SERVFAIL = "servfail"  #: answers that it could not find out
    BOGUS = "bogus"  #: answers SERVFAIL, for the zone's signatures do not hold (RFC 8914)
    REFUSED = "refused"  #: answers that it will not say
    SILENT = "silent"  #: never answers
    GARBAGE = "garbage"  #: answers with bytes that are no DNS message


Values: TypeAlias = Sequence[str] | Fault


class NameServer:
    """Serve a zone on 127.0.0.1; `queries` holds every (name, kind, transport) asked, in order."""

    def __init__(
        self,
        zone: Mapping[str, Mapping[str, Values]] | None = None,
        *,
        ttl: int = 60,
        udp_bytes: int = 1232,
        latency: float = 0.0,
        authenticated: bool = False,
    ) -> None:
        """Take the zone; `ttl` and `latency` are in seconds; `authenticated` sets the AD flag on every answer."""
        self.queries: list[tuple[str, str, str]] = []
        self.latency = latency
        self._ttl, self._udp_bytes, self._authenticated = ttl, udp_bytes, authenticated
        self._zone: dict[str, dict[str, Values]] = {}
        self._twin: DictResolver | None = None  # built from the zone when first asked
        self._connections: set[asyncio.StreamWriter] = set()
        for name, kinds in (zone or {}).items():
            for kind, values in kinds.items():
                self.set(name, kind, values)
            self._zone.setdefault(_key(name), {})

    def set(self, name: str, kind: str, values: Values) -> None:
        """Replace the records of a name and kind, or make it fail; kind "*" is every kind not named.

        Raises ValueError or dnspython's SyntaxError for what can be no record.
        """
        if not isinstance(values, Fault):
            values = tuple(values)
            for text in values:
                _rdata(kind, text)
        self._zone.setdefault(_key(name), {})[kind] = values
        self._twin = None

    async def start(self) -> tuple[str, int]:
        """Listen on one free port for UDP and TCP; return (host, port)."""
        loop = asyncio.get_running_loop()
        for attempt in range(_BIND_ATTEMPTS):
            self._udp, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(self), ("127.0.0.1", 0))
            host, port = self._udp.get_extra_info("sockname")
            try:
                self._tcp = await asyncio.start_server(self._serve_connection, host, port)
            except OSError:  # somebody has the TCP port of that number
                self._udp.close()
                if attempt == _BIND_ATTEMPTS - 1:
                    raise
            else:
                break
        return host, port

    async def close(self) -> None:
        """Stop listening and drop every connection."""
        self._udp.close()
        self._tcp.close()
        for connection in self._connections:
            connection.transport.abort()
        await self._tcp.wait_closed()

    def respond(self, wire: bytes, transport: str) -> bytes | None:
        """Return the answer to a query, or None where the server stays silent."""
        try:
            query = dns.message.from_wire(wire)
        except dns.exception.DNSException:
            return None
        question = query.question[0]
        name, kind = question.name.to_text(omit_final_dot=True), dns.rdatatype.to_text(question.rdtype)
        self.queries.append((name, kind, transport))
        kinds = self._zone.get(name.lower(), {})
        fault = kinds.get(kind, kinds.get("*"))
        if fault is Fault.SILENT:
            return None
        if fault is Fault.GARBAGE:
            return wire[:2] + b"\xff" * 7
        response = dns.message.make_response(query, recursion_available=True)
        if fault is Fault.BOGUS:
            response.set_rcode(dns.rcode.SERVFAIL)
            response.use_edns(options=[dns.edns.EDEOption(dns.edns.EDECode.DNSSEC_BOGUS)])
        elif isinstance(fault, Fault):
            response.set_rcode(dns.rcode.from_text(fault))
        else:
            self._fill(response, question.name, kind)
        if transport == "tcp":
            return response.to_wire(max_size=65_535)
        return response.to_wire(max_size=self._udp_bytes, prefer_truncation=True)

    def _fill(self, response: dns.message.Message, name: dns.name.Name, kind: str) -> None:
        answer = self._lookup(name.to_text(omit_final_dot=True), kind)
        if answer.status is DnsStatus.TEMPERROR and not answer.cnames:
            response.set_rcode(dns.rcode.SERVFAIL)
            return
        if self._authenticated:
            response.flags |= dns.flags.AD
        if answer.status is DnsStatus.NXDOMAIN:
            response.set_rcode(dns.rcode.NXDOMAIN)
        response.answer.extend(self._records(name, kind, answer))
        if answer.missing:
            soa = f". . 1 3600 600 86400 {self._ttl}"
            response.authority.append(dns.rrset.from_text(dns.name.root, self._ttl, "IN", "SOA", soa))

    def _lookup(self, name: str, kind: str) -> DnsAnswer:
        if self._twin is None:
            self._twin = DictResolver(
                {
                    name: {k: DnsStatus.TEMPERROR if isinstance(v, Fault) else v for k, v in kinds.items()}
                    for name, kinds in self._zone.items()
                }
            )
        return self._twin.answer(name, kind)

    def _records(self, owner: dns.name.Name, kind: str, answer: DnsAnswer) -> Iterator[dns.rrset.RRset]:
        for alias in dict.fromkeys(answer.cnames):  # once each: a loop repeats
            yield dns.rrset.from_rdata(owner, self._ttl, _rdata("CNAME", alias))
            owner = dns.name.from_text(alias)
        if answer.records:
            yield dns.rrset.from_rdata_list(owner, self._ttl, [_rdata(kind, record) for record in answer.records])

    async def _serve_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.add(writer)
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                while True:
                    size = int.from_bytes(await reader.readexactly(2), "big")
                    response = self.respond(await reader.readexactly(size), "tcp")
                    await asyncio.sleep(self.latency)
                    if response is not None:
                        writer.write(len(response).to_bytes(2, "big") + response)
                        await writer.drain()
        finally:
            self._connections.discard(writer)
            writer.close()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, server: NameServer) -> None:
        self._server = server

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        response = self._server.respond(data, "udp")
        if response is not None:
            asyncio.get_running_loop().call_later(self._server.latency, self._send, response, addr)

    def _send(self, response: bytes, addr: tuple[str, int]) -> None:
        if not self._transport.is_closing():
            self._transport.sendto(response, addr)


def _key(name: str) -> str:
    parsed = parse_name(name)
    if parsed is None:
        raise ValueError(f"{name!r} can never be a DNS name")
    return parsed.to_text(omit_final_dot=True).lower()


def _rdata(kind: str, text: str) -> dns.rdata.Rdata:
    if kind == "TXT":
        raw = text.encode("latin-1")
        strings = [raw[start : start + _STRING_BYTES] for start in range(0, len(raw), _STRING_BYTES)] or [b""]
        return dns.rdtypes.ANY.TXT.TXT(dns.rdataclass.IN, dns.rdatatype.TXT, strings)
    return dns.rdata.from_text(dns.rdataclass.IN, kind, text, origin=dns.name.root, relativize=False)
