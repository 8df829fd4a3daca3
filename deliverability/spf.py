"""May this address send for this domain? check_host of RFC 7208, to the letter.

The one decision of this room that is `async`: a record's terms say which names to look up next, so the resolver is
called from within. All else is pure: no clock (the instant for the "t" macro is passed in), no files, no randomness.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from deliverability.resolver import DnsAnswer, DnsStatus, Resolver, parse_name
from deliverability.spf_macro import expand, expand_domain, is_explanation, uses_letter
from deliverability.spf_record import Mechanism, SpfRecord, parse_record, select_records

MAX_LOOKUPS = 10  # terms that query the DNS (section 4.6.4)
MAX_VOID_LOOKUPS = 2  # queries that find nothing
MAX_NAMES = 10  # hosts of one mx, names of one PTR answer
BUDGET_SECONDS = 20.0  # section 4.6.4: at least 20


class SpfStatus(StrEnum):
    """What check_host returns (section 2.6)."""

    NONE = "none"  #: no domain or no record
    NEUTRAL = "neutral"  #: the record says nothing about this address
    PASS = "pass"  #: the address may send  # noqa: S105
    FAIL = "fail"  #: the address may not send
    SOFTFAIL = "softfail"  #: probably not
    TEMPERROR = "temperror"  #: the DNS gave no answer; try again later
    PERMERROR = "permerror"  #: the records are wrong; somebody must repair them


class SpfFault(StrEnum):
    """What is wrong with records that evaluate to permerror (section 2.6.7)."""

    SYNTAX = "syntax"  #: a term breaks the grammar
    DOUBLED = "doubled"  #: several records at one name
    NO_TARGET = "no-target"  #: include or redirect names a domain without a record
    LOOKUPS = "lookups"  #: more terms than MAX_LOOKUPS query the DNS
    VOID = "void"  #: more queries than MAX_VOID_LOOKUPS find nothing
    HOSTS = "hosts"  #: an mx has more than MAX_NAMES hosts


_QUALIFIERS = {"+": SpfStatus.PASS, "-": SpfStatus.FAIL, "~": SpfStatus.SOFTFAIL, "?": SpfStatus.NEUTRAL}


@dataclass(frozen=True, slots=True)
class SpfStep:
    """Hold one term that was tried: "match", "no match", or the result that ended the evaluation."""

    domain: str
    term: str
    outcome: str


@dataclass(frozen=True, slots=True)
class SpfResult:
    """Hold the outcome of check_host; `explanation` is the domain's own text for a fail, "" where it gives none."""

    result: SpfStatus
    explanation: str = ""
    reason: str = ""  # what is wrong, for temperror and permerror
    lookups: int = 0  # terms counted against MAX_LOOKUPS
    void_lookups: int = 0
    trace: tuple[SpfStep, ...] = ()
    fault: SpfFault | None = None  # of a permerror


async def check_host(
    resolver: Resolver,
    ip: str | IPv4Address | IPv6Address,
    sender: str,
    helo: str,
    *,
    receiver: str = "unknown",
    at: datetime | None = None,
    budget: float = BUDGET_SECONDS,
) -> SpfResult:
    """Evaluate SPF for a client address and MAIL FROM; the HELO name stands in for an empty sender.

    `receiver` and `at` only fill macros of explanations; `budget` is the time limit in seconds, after which the
    result is temperror. Raises ValueError for what is no IP address.
    """
    client = ip_address(ip)
    if isinstance(client, IPv6Address) and client.ipv4_mapped:
        client = client.ipv4_mapped  # section 5
    local_part, _, domain = sender.rpartition("@") if sender else ("", "", helo)
    evaluation = _Evaluation(
        resolver,
        client,
        {
            "l": local_part or "postmaster",
            "o": domain,
            "s": f"{local_part or 'postmaster'}@{domain}",
            "h": helo,
            "i": str(client) if client.version == 4 else ".".join(client.exploded.replace(":", "").upper()),
            "v": "in-addr" if client.version == 4 else "ip6",
            "c": str(client),
            "r": receiver,
            "t": str(int(at.timestamp())) if at else "0",
        },
    )
    result, explanation, reason, fault = SpfStatus.TEMPERROR, "", "", None
    try:
        async with asyncio.timeout(budget):
            result = await evaluation.check(domain)
            if result is SpfStatus.FAIL:
                explanation = await evaluation.explain()
    except _Stop as stop:
        result, reason, fault = stop.result, stop.reason, stop.fault
    except TimeoutError:
        if result is SpfStatus.TEMPERROR:  # else only the explanation came too late
            reason = f"no result within {budget:g} seconds"
    return SpfResult(
        result, explanation, reason, evaluation.lookups, evaluation.void_lookups, tuple(evaluation.trace), fault
    )


class _Stop(Exception):
    """End an evaluation from any depth."""

    def __init__(self, result: SpfStatus, reason: str, fault: SpfFault | None = None) -> None:
        super().__init__(reason)
        self.result, self.reason, self.fault = result, reason, fault


def _permerror(fault: SpfFault, reason: str) -> _Stop:
    return _Stop(SpfStatus.PERMERROR, reason, fault)


@dataclass(slots=True)
class _Evaluation:
    """One run of check_host, with what its recursions share."""

    resolver: Resolver
    client: IPv4Address | IPv6Address
    values: dict[str, str]  # macro letters; "d" and "p" depend on the current domain
    lookups: int = 0
    void_lookups: int = 0
    trace: list[SpfStep] = field(default_factory=list)
    failed: tuple[str, str] | None = None  # the domain and exp= of the record whose term failed last
    names: list[str] | None = None  # the client's names that lead back to it, once looked up

    async def check(self, domain: str) -> SpfStatus:
        """Return the result for a domain's record, terms from left to right (section 4)."""
        record = await self._fetch(domain)
        if record is None:
            return SpfStatus.NONE
        for mechanism in record.mechanisms:
            if await self._try(mechanism, domain):
                result = _QUALIFIERS[mechanism.qualifier]
                if result is SpfStatus.FAIL:
                    self.failed = (domain, record.explanation) if record.explanation else None
                return result
        if record.redirect is None:
            return SpfStatus.NEUTRAL
        self._count(f"redirect={record.redirect}")
        target = await self._expand(record.redirect, domain)
        self.trace.append(SpfStep(domain, f"redirect={record.redirect}", target))
        result = await self.check(target)
        if result is SpfStatus.NONE:
            raise _permerror(SpfFault.NO_TARGET, f"redirect={target} has no SPF record")  # section 6.1
        return result

    async def explain(self) -> str:
        """Return the text of exp=, or "" where it cannot be had: errors are ignored (section 6.2)."""
        if self.failed is None:
            return ""
        domain, spec = self.failed
        try:
            answer = await self.resolver.lookup(expand_domain(spec, await self._values(spec, domain)), "TXT")
            if len(answer.records) != 1 or not is_explanation(answer.records[0]):
                return ""
            return expand(answer.records[0], await self._values(answer.records[0], domain))
        except _Stop:
            return ""

    async def _fetch(self, domain: str) -> SpfRecord | None:
        """Return the one valid record of a domain, None where there is none (sections 4.3 to 4.6)."""
        name = parse_name(domain)
        if name is None or len(name) < 3 or domain.startswith("["):  # two labels and the root
            return None
        answer = await self.resolver.lookup(domain, "TXT")
        if answer.status is DnsStatus.TEMPERROR:
            raise _Stop(SpfStatus.TEMPERROR, f"TXT of {domain}: {answer.detail}")
        texts = select_records(answer.records)
        if len(texts) > 1:
            raise _permerror(SpfFault.DOUBLED, f"{domain} has {len(texts)} SPF records")
        if not texts:
            return None
        record = parse_record(texts[0])
        if record.problems:
            first = record.problems[0]
            raise _permerror(SpfFault.SYNTAX, f"{domain}: {first.term!r}: {first.reason}")
        return record

    async def _try(self, mechanism: Mechanism, domain: str) -> bool:
        try:
            matched = await self._match(mechanism, domain)
        except _Stop as stop:
            self.trace.append(SpfStep(domain, mechanism.text, stop.result))
            raise
        self.trace.append(SpfStep(domain, mechanism.text, "match" if matched else "no match"))
        return matched

    async def _match(self, mechanism: Mechanism, domain: str) -> bool:
        """Tell whether a mechanism matches the client (section 5)."""
        if mechanism.kind == "all":
            return True
        if mechanism.network is not None:
            return self.client in mechanism.network
        self._count(mechanism.text)
        target = await self._expand(mechanism.domain, domain) if mechanism.domain else domain
        match mechanism.kind:
            case "include":
                return await self._include(target)
            case "exists":
                return bool((await self._query(target, "A")).records)
            case "a":
                return await self._has_address([target], mechanism)
            case "mx":
                exchanges = (await self._query(target, "MX")).exchanges
                return await self._has_address([host for _, host in exchanges if host != "."], mechanism)
        return any(_is_under(name, target) for name in await self._own_names())  # ptr

    async def _include(self, target: str) -> bool:
        result = await self.check(target)
        if result is SpfStatus.NONE:
            raise _permerror(SpfFault.NO_TARGET, f"include:{target} has no SPF record")  # section 5.2
        return result is SpfStatus.PASS

    async def _has_address(self, hosts: Sequence[str], mechanism: Mechanism) -> bool:
        """Tell whether the client is near an address of one of these hosts."""
        prefix = mechanism.prefix4 if self.client.version == 4 else mechanism.prefix6
        near = ip_network((self.client, prefix), strict=False)
        for position, host in enumerate(hosts):
            if position == MAX_NAMES:
                raise _permerror(SpfFault.HOSTS, f"{mechanism.text!r} has more than {MAX_NAMES} hosts")
            addresses = (await self._query(host, self._address_kind)).records
            if any(ip_address(address) in near for address in addresses):
                return True
        return False

    @property
    def _address_kind(self) -> str:
        return "A" if self.client.version == 4 else "AAAA"

    def _count(self, term: str) -> None:
        if self.lookups == MAX_LOOKUPS:
            raise _permerror(SpfFault.LOOKUPS, f"more than {MAX_LOOKUPS} DNS lookups, at {term!r}")
        self.lookups += 1

    async def _query(self, name: str, kind: str) -> DnsAnswer:
        answer = await self.resolver.lookup(name, kind)
        if answer.status is DnsStatus.TEMPERROR:
            raise _Stop(SpfStatus.TEMPERROR, f"{kind} of {name}: {answer.detail}")
        self._count_void(answer, name, kind)
        return answer

    def _count_void(self, answer: DnsAnswer, name: str, kind: str) -> None:
        if not answer.missing:
            return
        self.void_lookups += 1
        if self.void_lookups > MAX_VOID_LOOKUPS:
            raise _permerror(SpfFault.VOID, f"more than {MAX_VOID_LOOKUPS} lookups found nothing, at {kind} of {name}")

    async def _own_names(self) -> list[str]:
        """Return the client's validated names; DNS errors only leave names out (section 5.5)."""
        if self.names is None:
            reverse = self.client.reverse_pointer
            answer = await self.resolver.lookup(reverse, "PTR")
            self._count_void(answer, reverse, "PTR")
            self.names = [name for name in answer.records[:MAX_NAMES] if await self._leads_back(name)]
        return self.names

    async def _leads_back(self, name: str) -> bool:
        addresses = (await self.resolver.lookup(name, self._address_kind)).records
        return self.client in map(ip_address, addresses)

    async def _expand(self, spec: str, domain: str) -> str:
        if uses_letter(spec, "p"):
            self._count("%{p}")
        return expand_domain(spec, await self._values(spec, domain))

    async def _values(self, text: str, domain: str) -> dict[str, str]:
        return {**self.values, "d": domain, "p": await self._best_name(domain) if uses_letter(text, "p") else ""}

    async def _best_name(self, domain: str) -> str:
        """Return the "p" macro: a validated name, best the domain itself, else below it (section 7.3)."""
        names = await self._own_names()
        return min(names, key=lambda name: (not _is_under(name, domain), len(name)), default="unknown")


def _is_under(name: str, domain: str) -> bool:
    """Tell whether a name is a domain or a name below it."""
    return f".{name}".lower().endswith(f".{domain}".lower().removesuffix("."))
