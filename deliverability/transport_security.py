"""Can mail come back to the domain, and does its relay have a name? MX, reverse DNS, MTA-STS, TLS-RPT."""

import ipaddress

from deliverability.findings import Finding
from deliverability.resolver import DnsStatus, Resolver
from store.vocabulary import Severity

EVERYBODY = "Gmail, Yahoo and Microsoft: sending addresses need matching forward and reverse DNS"


async def assess_mx(resolver: Resolver, domain: str) -> list[Finding]:
    """Return findings about where replies and bounces can be delivered (RFC 5321, 5.1; RFC 7505)."""
    answer = await resolver.lookup(domain, "MX")
    if answer.status is DnsStatus.TEMPERROR:
        return [Finding("mx-temporary", Severity.TEMPORARY, answer.detail, "Ask again later.")]
    if answer.status is DnsStatus.OK:
        hosts = [host for _, host in answer.exchanges]
        if hosts == ["."]:
            advice = "A null MX says that the domain takes no mail: replies and bounces are lost. Publish a real MX."
            return [Finding("mx-null", Severity.ERROR, "0 .", advice)]
        return [Finding("mx-ok", Severity.OK, ", ".join(hosts), "")]
    if answer.status is DnsStatus.NXDOMAIN:
        return [Finding("domain-missing", Severity.ERROR, "NXDOMAIN", f"{domain} does not exist in the DNS.")]
    for kind in ("A", "AAAA"):
        if (await resolver.lookup(domain, kind)).status is DnsStatus.OK:
            advice = f"Publish an MX record for {domain}; an address alone works, but many filters distrust it."
            return [Finding("mx-missing", Severity.WARNING, "no MX, only an address", advice)]
    advice = f"Publish an MX record for {domain}: without one replies and bounces cannot come back."
    return [Finding("mx-missing", Severity.ERROR, "no MX and no address", advice)]


async def assess_relay(resolver: Resolver, relay: str) -> list[Finding]:
    """Return findings about the reverse DNS of a sending address, confirmed forward (FCrDNS)."""
    address = ipaddress.ip_address(relay)
    answer = await resolver.lookup(address.reverse_pointer, "PTR")
    if answer.status is DnsStatus.TEMPERROR:
        return [Finding("ptr-temporary", Severity.TEMPORARY, answer.detail, "Ask again later.")]
    if answer.missing:
        advice = f"Ask the owner of {relay} for a PTR record to the relay's host name."
        return [Finding("ptr-missing", Severity.ERROR, "no PTR", advice, EVERYBODY)]
    kind = "A" if address.version == 4 else "AAAA"
    temporary = False
    for name in answer.records[:10]:
        forward = await resolver.lookup(name, kind)
        temporary = temporary or forward.status is DnsStatus.TEMPERROR
        if any(ipaddress.ip_address(one) == address for one in forward.records):
            return [Finding("ptr-ok", Severity.OK, name, "", EVERYBODY)]
    if temporary:
        return [Finding("ptr-temporary", Severity.TEMPORARY, "no forward answer", "Ask again later.")]
    advice = f"The name {answer.records[0]} must have {relay} as its address."
    return [Finding("ptr-unconfirmed", Severity.ERROR, answer.records[0], advice, EVERYBODY)]


async def assess_policies(resolver: Resolver, domain: str) -> list[Finding]:
    """Return findings about MTA-STS (RFC 8461) and TLS reports (RFC 8460); neither blocks anything."""
    findings = []
    for name, prefix, slug, document in (
        (f"_mta-sts.{domain}", "v=STSv1", "mta-sts", "RFC 8461"),
        (f"_smtp._tls.{domain}", "v=TLSRPTv1", "tls-rpt", "RFC 8460"),
    ):
        answer = await resolver.lookup(name, "TXT")
        records = [text for text in answer.records if text.startswith(prefix)]
        if len(records) == 1:
            findings.append(Finding(f"{slug}-ok", Severity.OK, records[0], "", document))
        elif len(records) > 1:
            findings.append(
                Finding(f"{slug}-two-records", Severity.INFO, " | ".join(records), "Keep exactly one.", document)
            )
        elif answer.missing:
            findings.append(
                Finding(f"{slug}-missing", Severity.INFO, "no record", f"Optional: publish {name}.", document)
            )
    return findings
