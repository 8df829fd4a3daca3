"""Does a domain's SPF let its relay send, and does it hold for every other server too?

The record is evaluated twice: for the relay, and for an address that no mechanism names, so that every term is
walked and a record that is over the limits is seen even when the relay matches early.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address

from deliverability.demands import Demand
from deliverability.findings import Finding, temporary, zone_line
from deliverability.resolver import DnsAnswer, DnsStatus, Resolver
from deliverability.spf import MAX_LOOKUPS, SpfFault, SpfResult, SpfStatus, check_host
from deliverability.spf_lint import lint_records
from deliverability.spf_record import select_records
from deliverability.spf_repair import repair_spf
from store.vocabulary import Severity

STRANGER = "240.0.0.1"  # reserved for ever (RFC 1112, 4): nobody's relay
_ADVICE = {
    SpfFault.SYNTAX: ("spf-invalid", "Receivers treat a record with a wrong term as no SPF at all."),
    SpfFault.DOUBLED: ("spf-include-broken", "A record that this one includes is doubled: remove the include."),
    SpfFault.NO_TARGET: ("spf-include-broken", "An included domain has no SPF record: remove or correct that term."),
    SpfFault.LOOKUPS: ("spf-too-many-lookups", "Receivers stop at 10 lookups. Remove unused terms"),
    SpfFault.VOID: ("spf-too-many-void-lookups", "Remove the terms whose names do not exist."),
    SpfFault.HOSTS: ("spf-too-many-hosts", "Replace mx by the ip4 and ip6 addresses that really send."),
}


async def assess_spf(resolver: Resolver, domain: str, relays: Sequence[str] = ()) -> list[Finding]:
    """Return the findings about a domain's SPF; `relays` are addresses that must pass, all by the record to publish."""
    findings: dict[tuple[str, str], Finding] = {}
    for relay in relays or (None,):
        for finding in await _assess_for(resolver, domain, relay):
            key = (finding.slug, finding.found if finding.slug == "spf-relay-not-allowed" else "")
            if key not in findings or finding.severity is Severity.ERROR:
                findings[key] = finding
    if any(finding.severity is Severity.ERROR for finding in findings.values()):
        findings.pop(("spf-ok", ""), None)
    return [await _letting_pass(resolver, domain, finding, relays) for finding in findings.values()]


async def _assess_for(resolver: Resolver, domain: str, relay: str | None) -> list[Finding]:
    answer = await resolver.lookup(domain, "TXT")
    if answer.status is DnsStatus.TEMPERROR:
        return [temporary("spf", answer.detail, Demand.SPF)]
    findings = list(lint_records(domain, answer.records))
    records = select_records(answer.records)
    if not records and not findings:
        return [_missing(domain, relay)]
    if len(records) != 1:
        return findings
    everybody = await check_host(resolver, STRANGER, f"postmaster@{domain}", domain)
    own = await check_host(resolver, relay, f"postmaster@{domain}", domain) if relay else everybody
    if relay and own.result is SpfStatus.PASS:
        findings += _faults(domain, records[0], everybody, relay_passes=True)
    elif SpfStatus.TEMPERROR in (own.result, everybody.result):
        failed = own if own.result is SpfStatus.TEMPERROR else everybody
        return [*findings, temporary("spf", failed.reason, Demand.SPF)]
    else:
        worst = own if own.result is SpfStatus.PERMERROR else everybody
        findings += _faults(domain, records[0], worst, relay_passes=False)
        if relay and own.result is not SpfStatus.PERMERROR:
            findings.append(_not_allowed(domain, records[0], relay, own.result))
    if not any(finding.severity is Severity.ERROR for finding in findings):
        found = f"{records[0]} ({everybody.lookups} of {MAX_LOOKUPS} lookups)"
        findings.append(Finding("spf-ok", Severity.OK, found, "", Demand.SPF))
    return list({finding.slug: finding for finding in reversed(findings)}.values())[::-1]  # the first of each kind


@dataclass(frozen=True, slots=True)
class _Corrected:
    """A resolver in whose world the corrected record is already published."""

    resolver: Resolver
    domain: str
    record: str

    async def lookup(self, name: str, kind: str) -> DnsAnswer:
        if (name, kind) == (self.domain, "TXT"):
            return DnsAnswer(DnsStatus.OK, (self.record,))
        return await self.resolver.lookup(name, kind)


async def _letting_pass(resolver: Resolver, domain: str, finding: Finding, relays: Sequence[str]) -> Finding:
    """Return a finding whose corrected record lets the relays pass: one that shuts them out mends nothing."""
    found = re.search(r'"(v=spf1[^"]*)"$', finding.advice)
    if found is None:
        return finding
    fixed = found[1]
    for relay in relays:
        world = _Corrected(resolver, domain, fixed)
        outcome = await check_host(world, relay, f"postmaster@{domain}", domain)
        if outcome.result not in (SpfStatus.PASS, SpfStatus.TEMPERROR):
            fixed = _allowing(fixed, relay)
    if fixed == found[1]:
        return finding
    return replace(finding, advice=finding.advice.replace(found[1], fixed), publish=zone_line(domain, fixed))


def _missing(domain: str, relay: str | None) -> Finding:
    mechanism = _mechanism(relay) if relay else "mx"
    record = f"v=spf1 {mechanism} ~all"
    advice = f'Publish "{record}"' + ("" if relay else ", with your provider's include in place of mx")
    return Finding("spf-missing", Severity.ERROR, "no SPF record", advice, Demand.SPF, zone_line(domain, record))


def _not_allowed(domain: str, record: str, relay: str, result: SpfStatus) -> Finding:
    fixed = _allowing(record, relay)
    advice = f'{relay} may not send for {domain}. Publish "{fixed}"'
    found = f"{result} for {relay}: {record}"
    return Finding("spf-relay-not-allowed", Severity.ERROR, found, advice, Demand.SPF, zone_line(domain, fixed))


def _allowing(record: str, relay: str) -> str:
    version, _, rest = record.partition(" ")
    return f"{version} {_mechanism(relay)} {rest.strip()}".strip()


def _mechanism(relay: str) -> str:
    address = ip_address(relay)
    return f"ip{address.version}:{address}"


def _faults(domain: str, record: str, found: SpfResult, *, relay_passes: bool) -> list[Finding]:
    """Return what a full walk found; where the relay matches before the fault, others may still meet it."""
    severity = Severity.WARNING if relay_passes else Severity.ERROR
    if found.result is SpfStatus.PASS:
        advice = "Even a reserved address passes: an include or a range lets everybody send."
        return [Finding("spf-allows-everybody", Severity.ERROR, record, advice, Demand.SPF)]
    if found.fault is None:
        return []
    slug, advice = _ADVICE[found.fault]
    line = ""
    if found.fault is SpfFault.LOOKUPS:
        advice = f"{advice}: {_cost(domain, found)}."
        if len({step.domain for step in found.trace}) < _depth(found):
            slug, advice = "spf-loop", "The record includes itself: remove that include."
    if found.fault is SpfFault.SYNTAX:
        if found.reason.startswith(f"{domain}:"):
            fixed = repair_spf(record)
            advice, line = f'{advice} Publish "{fixed}"', zone_line(domain, fixed)
        else:
            slug, advice = "spf-include-broken", "An included record has a wrong term: tell its owner, or remove it."
    rule = Demand.SPF_LIMITS if found.fault in (SpfFault.LOOKUPS, SpfFault.VOID, SpfFault.HOSTS) else Demand.SPF
    return [Finding(slug, severity, f"{found.reason}: {record}", advice, rule, line)]


def _depth(found: SpfResult) -> int:
    """Return how many includes and redirects were being evaluated when the limit ended it, the record itself too."""
    open_terms = [step for step in found.trace if step.outcome == SpfStatus.PERMERROR]
    return len(open_terms)


def _cost(domain: str, found: SpfResult) -> str:
    """Name what each term of the record itself costs in lookups."""
    costs, count = [], 0
    for step in found.trace:
        name = step.term.lstrip("+-~?").lower()
        count += name.startswith(("include", "a", "mx", "ptr", "exists", "redirect")) and not name.startswith("all")
        if step.domain == domain and count:
            costs.append(f"{step.term} needs {count}")
            count = 0
    return ", ".join(costs)
