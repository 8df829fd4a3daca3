"""What does the DNS say, and is silence an answer? The room's only door to dnspython.

A name without the asked kind (NODATA) is not a name that does not exist (NXDOMAIN), and neither is a server that
could not say (TEMPERROR): only the first two may ever be read as "missing".
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, TypeAlias

import dns.asyncresolver
import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rdata
import dns.rdatatype
import dns.resolver

from store.errors import ConfigError

_MAX_NAME_CHARACTERS = 255  # RFC 1035 section 2.3.4
_MAX_CHAIN = 16  # CNAMEs followed, as dnspython does
_TRY_SECONDS = 2.0  # one UDP attempt
_CACHED_ANSWERS = 20_000
_MAX_TTL_SECONDS = 3600  # a corrected record is seen within the hour, whatever its TTL says
_CONCURRENT_QUERIES = 100  # each holds one socket
_BOGUS = (dns.edns.EDECode.DNSSEC_BOGUS, dns.edns.EDECode.NSEC_MISSING)  # signatures that do not hold (RFC 8914)
_EDNS_PAYLOAD_BYTES = 1232  # fits every path unfragmented (DNS flag day 2020)


class DnsStatus(StrEnum):
    """What became of a lookup."""

    OK = "ok"  #: there are records
    NXDOMAIN = "nxdomain"  #: the name does not exist, or can never exist (empty or too long label)
    NODATA = "nodata"  #: the name exists without records of this kind
    TEMPERROR = "temperror"  #: nobody knows now: no answer in time, SERVFAIL, REFUSED, CNAME loop


@dataclass(frozen=True, slots=True)
class DnsAnswer:
    """Hold the outcome of one lookup.

    `records` are texts: TXT with its strings joined, bytes as latin-1; names without the final dot; MX as
    "preference host" ("0 ." is a null MX); everything else in presentation format. `cnames` are the names an alias led
    to, in order. `authenticated` is the resolver's word (AD flag), worth as much as the way to that resolver.
    """

    status: DnsStatus
    records: tuple[str, ...] = ()
    ttl: int = 0  # seconds
    authenticated: bool = False
    cnames: tuple[str, ...] = ()
    detail: str = (
        ""  # why TEMPERROR or NXDOMAIN: "timeout", "servfail", "refused", "cname-loop", "dnssec-bogus", "invalid-name"
    )

    @property
    def missing(self) -> bool:
        """Tell whether the DNS has said that there is no such record."""
        return self.status in (DnsStatus.NXDOMAIN, DnsStatus.NODATA)

    @property
    def exchanges(self) -> tuple[tuple[int, str], ...]:
        """Return MX records as (preference, host), most preferred first; the host of a null MX is "."."""
        pairs = (record.split(" ", 1) for record in self.records)
        return tuple(sorted((int(preference), host) for preference, host in pairs))


class Resolver(Protocol):
    """Look names up."""

    async def lookup(self, name: str, kind: str) -> DnsAnswer:
        """Return what the DNS says about a name ("TXT", "MX", "PTR"...); never raises for what the DNS answers."""
        ...


INVALID_NAME = DnsAnswer(DnsStatus.NXDOMAIN, detail="invalid-name")


def parse_name(name: str) -> dns.name.Name | None:
    """Return the absolute name of dotted text, international labels in their ASCII form; None if it can never exist."""
    bare = name.removesuffix(".")
    if not bare or len(bare) > _MAX_NAME_CHARACTERS:
        return None
    try:  # label by label: dnspython's own parser would take a backslash in hostile text for an escape
        labels = [dns.name.IDNA_2008_Practical.encode(label) for label in bare.split(".")]
        return dns.name.Name([*labels, b""])
    except (dns.exception.DNSException, UnicodeError):
        return None


class DnsResolver:
    """Ask real name servers: UDP, TCP when truncated, a bounded cache that honours TTLs."""

    def __init__(self, nameserver: tuple[str, int] | None = None, timeout: float = 5.0) -> None:
        """Use `nameserver` (address, port) or the system's; `timeout` is the budget of one lookup in seconds.

        Raises ConfigError when the system names no server.
        """
        try:
            self._resolver = dns.asyncresolver.Resolver(configure=nameserver is None)
        except dns.resolver.NoResolverConfiguration as error:
            raise ConfigError([f"no DNS server is configured on this system ({error}): name one"]) from error
        if nameserver:
            self._resolver.nameservers = [nameserver[0]]
            self._resolver.port = nameserver[1]
        self._resolver.lifetime = timeout
        self._resolver.timeout = min(_TRY_SECONDS, timeout)
        self._resolver.use_edns(0, 0, _EDNS_PAYLOAD_BYTES)
        self._resolver.flags = dns.flags.RD | dns.flags.AD  # AD in a query asks for it in the answer (RFC 6840 5.7)
        self._slots = asyncio.Semaphore(_CONCURRENT_QUERIES)
        # Not dnspython's cache: it takes the NXDOMAIN of an alias's target for the alias itself, for every kind.
        self._cache: OrderedDict[tuple[dns.name.Name, str], tuple[float, DnsAnswer]] = OrderedDict()

    async def lookup(self, name: str, kind: str) -> DnsAnswer:
        """Return what the name server says."""
        question = parse_name(name)
        if question is None:
            return INVALID_NAME
        expires_at, answer = self._cache.get((question, kind), (0.0, None))
        if answer is not None and expires_at > time.monotonic():
            self._cache.move_to_end((question, kind))
            return answer
        async with self._slots:
            answer = await self._ask(question, kind)
        if answer.status is not DnsStatus.TEMPERROR:
            self._cache[question, kind] = time.monotonic() + min(answer.ttl, _MAX_TTL_SECONDS), answer
            if len(self._cache) > _CACHED_ANSWERS:
                self._cache.popitem(last=False)
        return answer

    async def _ask(self, question: dns.name.Name, kind: str) -> DnsAnswer:
        try:
            answer = await self._resolver.resolve(question, kind, raise_on_no_answer=False, search=False)
        except dns.resolver.NXDOMAIN as refusal:
            return _read(refusal.kwargs["responses"][question], DnsStatus.NXDOMAIN)
        except dns.resolver.LifetimeTimeout:
            return DnsAnswer(DnsStatus.TEMPERROR, detail="timeout")
        except dns.resolver.NoNameservers as failure:
            return DnsAnswer(DnsStatus.TEMPERROR, detail=_reason(failure))
        except dns.exception.DNSException as failure:
            return DnsAnswer(DnsStatus.TEMPERROR, detail=type(failure).__name__.lower())
        return _read(answer.response, DnsStatus.OK if answer.rrset is not None else DnsStatus.NODATA)


def _read(response: dns.message.QueryMessage, status: DnsStatus) -> DnsAnswer:
    chain = response.resolve_chaining()
    return DnsAnswer(
        status,
        tuple(_text(rdata) for rdata in chain.answer or ()),
        ttl=chain.minimum_ttl,
        authenticated=bool(response.flags & dns.flags.AD),
        cnames=tuple(_text(rrset[0]) for rrset in chain.cnames),
    )


def _text(rdata: dns.rdata.Rdata) -> str:
    match rdata.rdtype:
        case dns.rdatatype.TXT:
            return b"".join(rdata.strings).decode("latin-1")  # type: ignore[attr-defined]
        case dns.rdatatype.CNAME | dns.rdatatype.PTR | dns.rdatatype.NS | dns.rdatatype.DNAME:
            return str(rdata.target.to_text(omit_final_dot=True)).lower()  # type: ignore[attr-defined]
        case dns.rdatatype.MX:
            host = rdata.exchange.to_text(omit_final_dot=True)  # type: ignore[attr-defined]
            return f"{rdata.preference} {host.lower()}"  # type: ignore[attr-defined]
    return str(rdata.to_text())


def _reason(failure: dns.resolver.NoNameservers) -> str:
    last, response = failure.kwargs["errors"][-1][3:5]
    if response is not None and any(_BOGUS[0] <= one.code <= _BOGUS[1] for one in response.extended_errors()):
        return "dnssec-bogus"
    if isinstance(last, dns.message.ChainTooLong):
        return "cname-loop"
    return last.lower() if isinstance(last, str) else type(last).__name__.lower()


#: Zone contents by name and kind. A kind's records are texts as in `DnsAnswer.records`, or TEMPERROR for a kind that
#: cannot be looked up; kind "*" speaks for every kind not named; a name may be a wildcard ("*.example.com").
Zone: TypeAlias = Mapping[str, Mapping[str, Sequence[str] | DnsStatus]]


@dataclass(slots=True)
class DictResolver:
    """Answer from a dict with the semantics of the DNS: the test twin of `DnsResolver`."""

    zone: Zone
    asked: list[tuple[str, str]] = field(default_factory=list)  # every (name, kind) in order
    _names: dict[dns.name.Name, Mapping[str, Sequence[str] | DnsStatus]] = field(init=False)
    _existing: set[dns.name.Name] = field(init=False)

    def __post_init__(self) -> None:
        self._names = {parsed: kinds for name, kinds in self.zone.items() if (parsed := parse_name(name)) is not None}
        self._existing = {name.split(depth)[1] for name in self._names for depth in range(1, len(name) + 1)}

    async def lookup(self, name: str, kind: str) -> DnsAnswer:
        """Return what the dict says, following aliases."""
        self.asked.append((name, kind))
        return self.answer(name, kind)

    def answer(self, name: str, kind: str) -> DnsAnswer:
        """Do the same without an event loop."""
        cnames: list[str] = []
        while len(cnames) < _MAX_CHAIN:
            question = parse_name(cnames[-1] if cnames else name)
            kinds = self._find(question) if question is not None else None
            if kinds is None:
                detail = "" if question is not None else "invalid-name"
                return DnsAnswer(DnsStatus.NXDOMAIN, cnames=tuple(cnames), detail=detail)
            values = kinds.get(kind, kinds.get("*", ()))
            alias = () if values else kinds.get("CNAME", ())
            if isinstance(alias, DnsStatus) or not alias:
                return _from_values(alias or values, tuple(cnames))
            cnames.append(alias[0])
        return DnsAnswer(DnsStatus.TEMPERROR, cnames=tuple(cnames), detail="cname-loop")

    def _find(self, name: dns.name.Name) -> Mapping[str, Sequence[str] | DnsStatus] | None:
        """Return the kinds at a name, at the wildcard that covers it (RFC 4592), or None for a name not there."""
        if name in self._existing:
            return self._names.get(name, {})
        parent = name.parent()
        while parent not in self._existing and parent != dns.name.root:
            parent = parent.parent()
        return self._names.get(dns.name.Name([b"*", *parent.labels]))


def _from_values(values: Sequence[str] | DnsStatus, cnames: tuple[str, ...]) -> DnsAnswer:
    if isinstance(values, DnsStatus):
        return DnsAnswer(DnsStatus.TEMPERROR, detail="servfail")
    return DnsAnswer(DnsStatus.OK if values else DnsStatus.NODATA, tuple(values), cnames=cnames)
