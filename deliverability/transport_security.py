"""Can mail come back to the domain, and does its relay have a name of its own? MX, addresses, reverse DNS."""

import asyncio
import re
from ipaddress import IPv4Address, IPv6Address, ip_address

from deliverability.demands import Demand
from deliverability.findings import Finding, temporary
from deliverability.resolver import DnsAnswer, DnsStatus, Resolver
from store.vocabulary import Severity

MOST_HOSTS = 10  # MX hosts, or names of an address, that are looked at
_NULL_MX = "."


async def assess_mx(resolver: Resolver, domain: str) -> list[Finding]:
    """Return findings about where replies and bounces can be delivered (RFC 5321, 5.1; RFC 7505)."""
    answer = await resolver.lookup(domain, "MX")
    if answer.status is DnsStatus.TEMPERROR:
        return [temporary("mx", answer.detail, Demand.MX)]
    if answer.status is DnsStatus.NXDOMAIN:
        advice = f"{domain} does not exist in the DNS: register it, or mend its delegation."
        return [Finding("domain-missing", Severity.ERROR, "NXDOMAIN", advice, Demand.DNS)]
    if answer.status is DnsStatus.NODATA:
        return [await _without_mx(resolver, domain)]
    hosts = list(dict.fromkeys(host for _, host in answer.exchanges))
    if hosts == [_NULL_MX]:
        advice = f"A null MX says that {domain} takes no mail, and receivers refuse mail from it. Publish a real MX."
        return [Finding("mx-null", Severity.ERROR, f"{domain}. MX 0 .", advice, Demand.MX)]
    if _NULL_MX in hosts:
        advice = "A null MX must stand alone (RFC 7505, 3): remove it."
        return [Finding("mx-null", Severity.WARNING, ", ".join(hosts), advice, Demand.MX)]
    return await _assess_hosts(resolver, hosts)


async def _without_mx(resolver: Resolver, domain: str) -> Finding:
    addresses = await _addresses(resolver, domain)
    if any(one.records for one in addresses):
        advice = f"Publish an MX record for {domain}; an address alone works, but many filters distrust it."
        return Finding("mx-missing", Severity.WARNING, "no MX, only an address", advice, Demand.MX)
    failed = [one for one in addresses if one.status is DnsStatus.TEMPERROR]
    if failed:
        return temporary("mx", failed[0].detail, Demand.MX)
    advice = f"Publish an MX record for {domain}: without one replies and bounces cannot come back."
    return Finding("mx-missing", Severity.ERROR, "no MX and no address", advice, Demand.MX)


async def _assess_hosts(resolver: Resolver, hosts: list[str]) -> list[Finding]:
    looked = hosts[:MOST_HOSTS]
    answers = await asyncio.gather(*(_addresses(resolver, host) for host in looked))
    findings, dead, unsure = [], [], ""
    for host, pair in zip(looked, answers, strict=True):
        if _is_literal(host):
            dead.append(f"{host} is an address, not a name")
            continue
        if any(one.cnames for one in pair):
            advice = f"{host} is an alias: an MX must name a host with an address of its own (RFC 2181, 10.3)."
            findings.append(Finding("mx-alias", Severity.WARNING, host, advice, Demand.MX))
        if not any(one.records for one in pair):
            failed = [one for one in pair if one.status is DnsStatus.TEMPERROR]
            unsure = unsure or (failed[0].detail if failed else "")
            if not failed:
                dead.append(f"{host} has no address")
    usable = len(looked) - len(dead)
    if dead:
        severity = Severity.WARNING if usable else Severity.ERROR
        advice = "Remove these hosts from the MX, or give them an address."
        findings.append(Finding("mx-unreachable", severity, "; ".join(dead), advice, Demand.MX))
    if usable and unsure and not any(one.records for pair in answers for one in pair):
        return [*findings, temporary("mx", unsure, Demand.MX)]
    if usable:
        findings.append(Finding("mx-ok", Severity.OK, ", ".join(hosts), "", Demand.MX))
    return findings


async def _addresses(resolver: Resolver, host: str) -> tuple[DnsAnswer, DnsAnswer]:
    four, six = await asyncio.gather(resolver.lookup(host, "A"), resolver.lookup(host, "AAAA"))
    return four, six


def _is_literal(host: str) -> bool:
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


async def assess_relay(resolver: Resolver, relay: str) -> list[Finding]:
    """Return findings about the reverse DNS of a sending address, confirmed forward (FCrDNS)."""
    address = ip_address(relay)
    answer = await resolver.lookup(address.reverse_pointer, "PTR")
    if answer.status is DnsStatus.TEMPERROR:
        return [temporary("ptr", answer.detail, Demand.PTR)]
    if answer.missing:
        advice = f"Ask the owner of {relay} (your host or provider) for a PTR record with the relay's host name."
        return [Finding("ptr-missing", Severity.ERROR, f"no PTR for {relay}", advice, Demand.PTR)]
    names = answer.records[:MOST_HOSTS]
    kind = "A" if address.version == 4 else "AAAA"
    forwards = await asyncio.gather(*(resolver.lookup(name, kind) for name in names))
    for name, forward in zip(names, forwards, strict=True):
        if any(ip_address(one) == address for one in forward.records):
            return [_confirmed(name, address)]
    failed = [one for one in forwards if one.status is DnsStatus.TEMPERROR]
    if failed:
        return [temporary("ptr", failed[0].detail, Demand.PTR)]
    leads = forwards[0].records[0] if forwards[0].records else "nowhere"
    advice = f"{relay} is named {names[0]}, but that name leads to {leads}: publish {kind} {relay} there."
    found = f"{relay} -> {', '.join(names)} -> {leads}"
    return [Finding("ptr-mismatch", Severity.ERROR, found, advice, Demand.PTR, f"{names[0]}. {kind} {relay}")]


def _confirmed(name: str, address: IPv4Address | IPv6Address) -> Finding:
    numbers = str(address).split(".") if address.version == 4 else []
    said = re.findall(r"\d+", name)
    if numbers and sum(number in said for number in numbers) >= 3:
        advice = "The name is made from the address, as dial-up hosts have it: give the relay a name of its own."
        return Finding("ptr-generic", Severity.INFO, name, advice, Demand.PTR)
    return Finding("ptr-ok", Severity.OK, name, "", Demand.PTR)
