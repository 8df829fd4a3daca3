"""May this domain send? Everything that DNS says about it, in one verdict with the record to publish."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from deliverability.dkim_keys import assess_selectors
from deliverability.dmarc import assess_dmarc, discover
from deliverability.findings import Finding
from deliverability.resolver import DnsStatus, Resolver
from deliverability.spf import SpfStatus, check_host
from deliverability.spf_lint import lint_records
from deliverability.spf_record import select_records
from deliverability.transport_security import assess_mx, assess_policies, assess_relay
from store.vocabulary import Severity, VerdictLevel

EVERYBODY = "Gmail, Yahoo and Microsoft: SPF for the sending domain"


@dataclass(frozen=True, slots=True)
class DomainCheck:
    """The verdict of one domain with everything that led to it."""

    domain: str
    verdict: VerdictLevel
    findings: tuple[Finding, ...]


async def check_domain(
    resolver: Resolver, domain: str, *, relay: str | None = None, selectors: Sequence[str] = ()
) -> DomainCheck:
    """Check a domain; `relay` is an address that sends for it, `selectors` are its DKIM selectors when known."""
    name = domain.strip().strip(".").lower()
    checks = [
        assess_mx(resolver, name),
        _assess_spf(resolver, name, relay),
        assess_selectors(resolver, name, selectors),
        _assess_dmarc(resolver, name),
        assess_policies(resolver, name),
    ]
    if relay is not None:
        checks.append(assess_relay(resolver, relay))
    found = tuple(finding for findings in await asyncio.gather(*checks) for finding in findings)
    return DomainCheck(name, decide(found), found)


def decide(findings: Sequence[Finding]) -> VerdictLevel:
    """Return the verdict: an error blocks, an open question is unknown, a warning degrades."""
    severities = {finding.severity for finding in findings}
    if Severity.ERROR in severities:
        return VerdictLevel.BLOCKED
    if Severity.TEMPORARY in severities:
        return VerdictLevel.UNKNOWN
    return VerdictLevel.DEGRADED if Severity.WARNING in severities else VerdictLevel.READY


async def _assess_dmarc(resolver: Resolver, domain: str) -> list[Finding]:
    return assess_dmarc(domain, await discover(resolver, domain))


async def _assess_spf(resolver: Resolver, domain: str, relay: str | None) -> list[Finding]:
    answer = await resolver.lookup(domain, "TXT")
    if answer.status is DnsStatus.TEMPERROR:
        return [Finding("spf-temporary", Severity.TEMPORARY, answer.detail, "Ask again later.", EVERYBODY)]
    findings = list(lint_records(answer.records))
    if not select_records(answer.records):
        if not any(finding.severity is Severity.ERROR for finding in findings):
            mechanism = f"ip4:{relay} " if relay and ":" not in relay else f"ip6:{relay} " if relay else "a mx "
            advice = f'Publish {domain} TXT "v=spf1 {mechanism}~all"'
            findings.append(Finding("spf-missing", Severity.ERROR, "no record", advice, EVERYBODY))
        return findings
    probe = relay or "192.0.2.1"  # without a relay only the record itself is judged
    result = await check_host(resolver, probe, f"postmaster@{domain}", domain)
    if result.result is SpfStatus.TEMPERROR:
        return [*findings, Finding("spf-temporary", Severity.TEMPORARY, result.reason, "Ask again later.", EVERYBODY)]
    if result.result is SpfStatus.PERMERROR:
        advice = "Correct the record: receivers treat it as no SPF at all."
        return [*findings, Finding("spf-invalid", Severity.ERROR, result.reason, advice, EVERYBODY)]
    record = select_records(answer.records)[0]
    if relay is not None and result.result is not SpfStatus.PASS:
        kind = "ip6" if ":" in relay else "ip4"
        advice = f'Add {kind}:{relay}: "{_with_mechanism(record, f"{kind}:{relay}")}"'
        return [
            *findings,
            Finding("spf-relay-not-allowed", Severity.ERROR, f"{result.result}: {record}", advice, EVERYBODY),
        ]
    return [*findings, Finding("spf-ok", Severity.OK, record, "", EVERYBODY)]


def _with_mechanism(record: str, mechanism: str) -> str:
    version, _, rest = record.partition(" ")
    return f"{version} {mechanism} {rest}".strip()


def describe(check: DomainCheck) -> dict[str, Any]:
    """Return a check as the object that scripts read."""
    groups = {"spf": "missing", "dkim": "missing", "dmarc": "missing"}
    order = list(Severity)
    for name in groups:
        own = [finding for finding in check.findings if finding.slug.startswith(f"{name}-")]
        if own:
            groups[name] = max(own, key=lambda finding: (order.index(finding.severity), finding.slug)).slug
    keys = ("slug", "severity", "found", "advice", "rule")
    findings = [{key: getattr(finding, key) for key in keys} for finding in check.findings]
    return {"domain": check.domain, "verdict": check.verdict, **groups, "findings": findings}
