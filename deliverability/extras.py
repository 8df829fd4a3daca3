"""What else does the DNS say? MTA-STS, TLS reports, BIMI, DNSSEC, wildcards, blocklists: nothing here blocks."""

import asyncio
from collections.abc import Iterator, Sequence
from ipaddress import ip_address

from deliverability.demands import Demand
from deliverability.findings import ANSWER_BYTES, SAFE_BYTES, STRING_BYTES, Finding, zone_line
from deliverability.resolver import DnsStatus, Resolver
from deliverability.spf_lint import looks_like_spf
from deliverability.tls_rpt_record import correct, find_faults
from store.vocabulary import Severity

#: Name, how a record begins, slug, who asks for it.
POLICIES = (
    ("_mta-sts.{}", "v=STSv1", "mta-sts", Demand.MTA_STS),
    ("_smtp._tls.{}", "v=TLSRPTv1", "tls-rpt", Demand.TLS_RPT),
    ("default._bimi.{}", "v=BIMI1", "bimi", Demand.BIMI),
)
_NOBODY = "no-such-name-postroom"  # answers only where a wildcard answers for everything
_SHOWN = 80  # characters of a long record
_REFUSALS = ("127.255.255.",)  # a list that will not answer us says so with these (Spamhaus, URIBL)


async def assess_extras(resolver: Resolver, domain: str) -> list[Finding]:
    """Return the findings that no provider demands."""
    found = await asyncio.gather(
        *(_assess_policy(resolver, domain, *row) for row in POLICIES),
        _assess_dnssec(resolver, domain),
        _assess_texts(resolver, domain),
    )
    return [finding for findings in found for finding in findings]


async def _assess_policy(
    resolver: Resolver, domain: str, pattern: str, prefix: str, slug: str, demand: Demand
) -> list[Finding]:
    name = pattern.format(domain)
    answer = await resolver.lookup(name, "TXT")
    meant = [text for text in answer.records if text.lower().startswith(prefix.lower().rstrip("v1"))]
    records = [text for text in meant if text.startswith(prefix)] or meant  # others are discarded
    if len(records) > 1:
        return [Finding(f"{slug}-two-records", Severity.INFO, " | ".join(records), "Keep exactly one.", demand)]
    if not records:
        absent = Finding(f"{slug}-absent", Severity.INFO, "no record", f"Optional: publish {name}.", demand)
        return [absent] if answer.missing or answer.records else []
    if slug == "tls-rpt":
        return [_tls_rpt(name, records[0])]
    tags = {part.partition("=")[0].strip().lower(): part for part in records[0].split(";") if "=" in part}
    wanted = {"mta-sts": "id", "bimi": "l"}[slug]
    if not records[0].startswith(prefix) or wanted not in tags:
        advice = f"The record must begin with {prefix}; and have {wanted}=."
        return [Finding(f"{slug}-broken", Severity.INFO, records[0], advice, demand)]
    return [Finding(f"{slug}-ok", Severity.OK, records[0], "", demand)]


def _tls_rpt(name: str, text: str) -> Finding:
    faults = find_faults(text)
    if not faults:
        return Finding("tls-rpt-ok", Severity.OK, text, "", Demand.TLS_RPT)
    advice, meant = f"Nobody sends reports by this record: {'; '.join(faults)}.", correct(text)
    line = zone_line(name, meant) if meant else ""
    return Finding("tls-rpt-broken", Severity.INFO, text, advice, Demand.TLS_RPT, line)


async def _assess_dnssec(resolver: Resolver, domain: str) -> list[Finding]:
    soa, delegation = await asyncio.gather(resolver.lookup(domain, "SOA"), resolver.lookup(domain, "DS"))
    if DnsStatus.TEMPERROR in (soa.status, delegation.status) or soa.status is DnsStatus.NXDOMAIN:
        return []
    if soa.authenticated:
        return [Finding("dnssec-ok", Severity.OK, "signed and validated by the resolver", "", Demand.DNSSEC)]
    if delegation.records:
        advice = "The zone is signed, but the resolver asked does not validate: use one that does."
        return [Finding("dnssec-unvalidated", Severity.INFO, "signed", advice, Demand.DNSSEC)]
    return [Finding("dnssec-absent", Severity.INFO, "not signed", "Optional: sign the zone.", Demand.DNSSEC)]


async def _assess_texts(resolver: Resolver, domain: str) -> list[Finding]:
    own, other = await asyncio.gather(resolver.lookup(domain, "TXT"), resolver.lookup(f"{_NOBODY}.{domain}", "TXT"))
    findings = []
    if other.records:
        advice = "A wildcard TXT answers for every name, also where checkers look for keys and policies: remove it."
        found = f"*.{domain}: {' | '.join(other.records)}"
        findings.append(Finding("txt-wildcard", Severity.INFO, found, advice, Demand.DNS))
    findings += _assess_lengths(domain, own.records)
    doubled = sorted({text for text in own.records if own.records.count(text) > 1})
    if doubled:
        found = " | ".join(doubled)
        findings.append(Finding("txt-doubled", Severity.INFO, found, "Remove the second copy.", Demand.DNS))
    return findings


def _assess_lengths(domain: str, texts: Sequence[str]) -> Iterator[Finding]:
    """Judge the TXT records of a name by the advice of RFC 7208, 3.4: SPF comes in the same answer as all others."""
    for text in texts:
        found = f"{len(text)} bytes: {text[:_SHOWN]}..."
        if len(text) > STRING_BYTES:
            advice = (
                f"A zone file needs strings of at most {STRING_BYTES} bytes for it, which are joined without a space."
            )
            yield Finding("txt-strings", Severity.INFO, found, advice, Demand.DNS)
        if len(text) > ANSWER_BYTES and not looks_like_spf(text):  # of SPF `spf_lint` tells
            advice = (
                f"No answer of {ANSWER_BYTES} bytes holds it: where TCP is closed there is no SPF. Shorten or move it."
            )
            yield Finding("txt-too-long", Severity.WARNING, found, advice, Demand.DNS)
    total = len(domain) + sum(map(len, texts))
    if len(texts) > 1 and total > SAFE_BYTES:
        advice = f"Remove old verification records: beyond {SAFE_BYTES} bytes the answer may be fetched again over TCP."
        yield Finding("txt-long", Severity.INFO, f"{total} bytes of name and TXT", advice, Demand.DNS)


async def assess_blocklists(
    resolver: Resolver, domain: str, relays: Sequence[str], zones: Sequence[str], domain_zones: Sequence[str]
) -> list[Finding]:
    """Ask DNS blocklists about the relays and the domain (RFC 5782); a list that refuses to answer lists nobody."""
    names = [f"{domain}.{zone}" for zone in domain_zones]
    for relay in relays:
        reverse = ip_address(relay).reverse_pointer.removesuffix(".in-addr.arpa").removesuffix(".ip6.arpa")
        names += [f"{reverse}.{zone}" for zone in zones]
    answers = await asyncio.gather(*(resolver.lookup(name, "A") for name in names))
    findings = []
    for name, answer in zip(names, answers, strict=True):
        codes = [one for one in answer.records if one.startswith("127.")]
        if any(code.startswith(_REFUSALS) for code in codes):
            advice = "The list does not answer this resolver: ask through a resolver of your own."
            findings.append(Finding("blocklist-refused", Severity.INFO, name, advice, Demand.BLOCKLIST))
        elif codes:
            reason = " ".join((await resolver.lookup(name, "TXT")).records)
            found = f"{name}: {', '.join(codes)} {reason}".strip()
            advice = "Find out why, stop the cause, then ask the list to remove the entry."
            findings.append(Finding("blocklist-listed", Severity.WARNING, found, advice, Demand.BLOCKLIST))
    return findings
