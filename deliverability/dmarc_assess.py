"""Is a domain's DMARC policy one that providers accept, and do its reports arrive?"""

from collections.abc import Iterator

from publicsuffixlist import PublicSuffixList

from deliverability.demands import Demand
from deliverability.dmarc import DmarcDiscovery, discover
from deliverability.dmarc_record import (
    KNOWN_TAGS,
    OLD_TAGS,
    DmarcRecord,
    looks_like_dmarc,
    parse_tags,
    render,
    repair_dmarc,
    report_addresses,
)
from deliverability.findings import Finding, temporary, zone_line
from deliverability.resolver import DnsStatus, Resolver
from store.vocabulary import Severity

MOST_DESTINATIONS = 10  # report addresses whose consent is looked up
_SUFFIXES = PublicSuffixList()


async def assess_dmarc(resolver: Resolver, domain: str) -> list[Finding]:
    """Return the findings about a domain's DMARC policy and its report addresses."""
    found = await discover(resolver, domain)
    findings = list(judge_discovery(domain, found))
    if found.record is not None:
        findings += await _assess_destinations(resolver, found.record)
    elif any(finding.slug == "dmarc-missing" for finding in findings):
        findings += await _find_misplaced(resolver, domain)
    return findings


def judge_discovery(domain: str, found: DmarcDiscovery) -> Iterator[Finding]:
    """Yield what is to be said about the policy itself."""
    name, rule = f"_dmarc.{domain}", Demand.DMARC
    if found.temporary:
        yield temporary("dmarc", found.temporary, rule)
    elif found.doubled and (found.record is None or found.record.domain != domain):
        one, severity = repair_dmarc(found.doubled[0]), Severity.ERROR if found.record is None else Severity.WARNING
        name = f"_dmarc.{found.doubled_at}"
        advice = f'With several DMARC records receivers apply none. Publish only "{one}"'
        yield Finding("dmarc-two-records", severity, " | ".join(found.doubled), advice, rule, zone_line(name, one))
    elif found.broken:
        one = repair_dmarc(found.broken)
        severity = Severity.ERROR if found.record is None else Severity.WARNING
        advice = f'Receivers do not see a DMARC record here. Publish "{one}"'
        yield Finding("dmarc-broken", severity, found.broken, advice, rule, zone_line(name, one))
    elif found.record is None:
        one = f"v=DMARC1; p=none; rua=mailto:dmarc@{domain}"
        yield Finding(
            "dmarc-missing", Severity.ERROR, "no DMARC record", f'Publish "{one}"', rule, zone_line(name, one)
        )
    if found.record is not None and not found.temporary:
        yield from _judge_record(domain, found, found.record)


def _judge_record(domain: str, found: DmarcDiscovery, record: DmarcRecord) -> Iterator[Finding]:
    tags, name = record.tags, f"_dmarc.{record.domain}"

    def finding(slug: str, severity: Severity, advice: str, corrected: str = "") -> Finding:
        said = f'{advice} Publish "{corrected}"' if corrected else advice
        line = zone_line(name, corrected) if corrected else ""
        return Finding(slug, severity, record.text, said, Demand.DMARC, line)

    if record.wrong_policies:
        wrong = ", ".join(f"{tag}={tags[tag]}" for tag in record.wrong_policies)
        severity = Severity.WARNING if record.applies else Severity.ERROR
        effect = "read the record as p=none" if record.applies else "ignore the record"
        advice = f"{wrong} is no policy: receivers {effect}."
        yield finding("dmarc-policy-invalid", severity, advice, repair_dmarc(record.text))
    if record.applies:
        inherited = "" if record.domain == domain else f" at {record.domain}"
        yield Finding("dmarc-ok", Severity.OK, f"policy {found.policy}{inherited}: {record.text}", "", Demand.DMARC)
    if "p" not in tags:
        advice = "p= is not given: RFC 9989 reads p=none, older receivers ignore the record."
        yield finding("dmarc-no-policy", Severity.WARNING, advice, render({**tags, "p": "none"}))
    if record.psd == "y":
        advice = f"psd=y says that {record.domain} is a public suffix, under which strangers register names."
        severity = Severity.WARNING if record.domain == domain else Severity.INFO
        yield finding("dmarc-psd", severity, advice, render({k: v for k, v in tags.items() if k != "psd"}))
    if record.testing and found.policy != "none":
        advice = f"t=y asks receivers not to apply p={found.policy} yet."
        yield finding("dmarc-testing", Severity.INFO, advice, render({k: v for k, v in tags.items() if k != "t"}))
    yield from _judge_reports(record, domain)
    old = [tag for tag in OLD_TAGS if tag in tags]
    if old:
        advice = f"RFC 9989 dropped {', '.join(old)}: receivers ignore it."
        corrected = render({k: v for k, v in tags.items() if k not in OLD_TAGS})
        yield finding("dmarc-old-tag", Severity.INFO, advice, corrected)
    if record.ignored_values:
        wrong = ", ".join(f"{tag}={tags[tag]}" for tag in record.ignored_values)
        yield finding(
            "dmarc-tag-invalid", Severity.INFO, f"{wrong} says nothing to receivers.", repair_dmarc(record.text)
        )
    unknown = [tag for tag in tags if tag not in (*KNOWN_TAGS, *OLD_TAGS)]
    if unknown:
        yield finding("dmarc-unknown-tag", Severity.INFO, f"Nobody knows the tag {', '.join(unknown)}: remove it.")
    second = registrable(domain)
    if second and second != found.organisational_domain and not found.uncertain:
        advice = f"Receivers that still use the public suffix list take {second} for the organisation."
        seen = f"tree walk: {found.organisational_domain}; public suffix list: {second}"
        yield Finding("dmarc-organisation-differs", Severity.INFO, seen, advice, Demand.ALIGNMENT)


def _judge_reports(record: DmarcRecord, domain: str) -> Iterator[Finding]:
    tags, name = record.tags, f"_dmarc.{record.domain}"
    if "rua" not in tags:
        corrected = render({**tags, "rua": f"mailto:dmarc@{domain}"})
        advice = f'Without rua= you never learn who sends as you. Publish "{corrected}"'
        yield Finding(
            "dmarc-no-reports", Severity.INFO, record.text, advice, Demand.REPORTS, zone_line(name, corrected)
        )
    for tag in ("rua", "ruf"):
        parts = [part for part in tags.get(tag, "").split(",") if part.strip()]
        if tag in tags and len(report_addresses(tags[tag])) < max(1, len(parts)):
            corrected = repair_dmarc(record.text)
            advice = f'{tag}= must be a list of mailto:address. Publish "{corrected}"'
            line = zone_line(name, corrected)
            yield Finding("dmarc-report-address", Severity.INFO, tags[tag], advice, Demand.REPORTS, line)


async def _assess_destinations(resolver: Resolver, record: DmarcRecord) -> list[Finding]:
    """Ask whether domains elsewhere have agreed to take this domain's reports (RFC 9990, 4)."""
    addresses = [one for tag in ("rua", "ruf") for one in report_addresses(record.tags.get(tag, ""))]
    own = registrable(record.domain) or record.domain
    hosts = dict.fromkeys(address.rpartition("@")[2] for address in addresses)
    findings = []
    for host in [host for host in hosts if (registrable(host) or host) != own][:MOST_DESTINATIONS]:
        name = f"{record.domain}._report._dmarc.{host}"
        answer = await resolver.lookup(name, "TXT")
        if answer.status is DnsStatus.TEMPERROR or any(parse_tags(text) is not None for text in answer.records):
            continue
        advice = f'Reports to {host} are not sent until {host} publishes "v=DMARC1;" at {name}'
        line = zone_line(name, "v=DMARC1;")
        findings.append(Finding("dmarc-reports-refused", Severity.INFO, host, advice, Demand.REPORTS, line))
    return findings


async def _find_misplaced(resolver: Resolver, domain: str) -> list[Finding]:
    """Look where a record is put by mistake: at the domain itself, or below the domain twice."""
    for name in (domain, f"_dmarc.{domain}.{domain}"):
        for text in (await resolver.lookup(name, "TXT")).records:
            if parse_tags(text) is not None or looks_like_dmarc(text):
                one = repair_dmarc(text)
                advice = f'It stands at {name}, where nobody looks. Publish at _dmarc.{domain} "{one}"'
                line = zone_line(f"_dmarc.{domain}", one)
                return [Finding("dmarc-wrong-place", Severity.WARNING, text, advice, Demand.DMARC, line)]
    return []


def registrable(domain: str) -> str:
    """Return the registrable domain by the public suffix list: the second opinion; empty for a suffix itself."""
    return _SUFFIXES.privatesuffix(domain) or ""
