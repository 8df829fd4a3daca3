"""May this domain send? Everything that the DNS says about it, in one verdict with the records to publish."""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deliverability.demands import Demand
from deliverability.dkim_keys import assess_selectors
from deliverability.dmarc_assess import assess_dmarc
from deliverability.extras import assess_blocklists, assess_extras
from deliverability.findings import Finding, temporary
from deliverability.host_tls import HostCalls, assess_hosts
from deliverability.resolver import Resolver, parse_name
from deliverability.spf_assess import assess_spf
from deliverability.transport_security import assess_mx, assess_relay
from store.vocabulary import Severity, VerdictLevel

BUDGET_SECONDS = 12.0  # of the whole check; what has no answer by then is a temporary failure
_AT_ONCE = 8  # checks, each of which asks up to a hundred questions at a time
KEYS = ("slug", "severity", "found", "advice", "rule", "publish")
#: From harmless to grave: a known error blocks, whatever could not be determined besides.
GRAVITY = (Severity.OK, Severity.INFO, Severity.WARNING, Severity.TEMPORARY, Severity.ERROR)


@dataclass(frozen=True, slots=True)
class DomainCheck:
    """The verdict of one domain with everything that led to it."""

    domain: str
    verdict: VerdictLevel
    findings: tuple[Finding, ...]


async def check_domain(
    resolver: Resolver,
    domain: str,
    *,
    relays: Sequence[str] = (),
    selectors: Sequence[str] = (),
    blocklists: Sequence[str] = (),
    domain_blocklists: Sequence[str] = (),
    calls: HostCalls | None = None,
    budget: float = BUDGET_SECONDS,
) -> DomainCheck:
    """Check a domain; `relays` are the addresses that send for it, `selectors` its DKIM selectors when known.

    `calls`: the mail hosts are called too; None: only the DNS is asked.
    """
    parsed = parse_name(domain.strip().lower())
    if parsed is None or len(parsed) < 3:  # two labels and the root
        advice = "Give the domain of the From address, such as example.com."
        invalid = (Finding("domain-invalid", Severity.ERROR, domain, advice, Demand.DNS),)
        return DomainCheck(domain, decide(invalid), invalid)
    name = parsed.to_text(omit_final_dot=True).lower()
    checks: list[Awaitable[list[Finding]]] = [
        _within(budget, "spf", Demand.SPF, assess_spf(resolver, name, relays)),
        _within(budget, "dkim", Demand.DKIM, assess_selectors(resolver, name, selectors)),
        _within(budget, "dmarc", Demand.DMARC, assess_dmarc(resolver, name)),
        _within(budget, "mx", Demand.MX, assess_mx(resolver, name)),
        _within(budget, "extras", Demand.DNS, assess_extras(resolver, name), needed=False),
    ]
    checks += [_within(budget, "ptr", Demand.PTR, assess_relay(resolver, relay)) for relay in relays]
    if calls is not None:
        checks.append(_within(budget, "hosts", Demand.TLS, assess_hosts(resolver, name, calls), needed=False))
    if blocklists or domain_blocklists:
        asked = assess_blocklists(resolver, name, relays, blocklists, domain_blocklists)
        checks.append(_within(budget, "blocklist", Demand.BLOCKLIST, asked, needed=False))
    found = _settled([finding for findings in await asyncio.gather(*checks) for finding in findings])
    return DomainCheck(name, decide(found), found)


async def check_domains(
    resolver: Resolver, domains: Sequence[str], *, selectors: Mapping[str, Sequence[str]] | None = None, **known: Any
) -> list[DomainCheck]:
    """Check many domains, a few at a time, in their order.

    `selectors` are those known of each domain; what else is `known` is passed to `check_domain`.
    """
    slots = asyncio.Semaphore(_AT_ONCE)

    async def one(domain: str) -> DomainCheck:
        async with slots:
            return await check_domain(resolver, domain, selectors=(selectors or {}).get(domain, ()), **known)

    return await asyncio.gather(*map(one, domains))


async def _within(
    budget: float, check: str, rule: str, asked: Awaitable[list[Finding]], *, needed: bool = True
) -> list[Finding]:
    """Wait for one check; too late is a temporary failure, or nothing where nothing depends on it."""
    try:
        async with asyncio.timeout(budget):
            return await asked
    except TimeoutError:
        return [temporary(check, f"no answer within {budget:g} seconds", rule)] if needed else []


def _settled(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Read nothing as missing while the zone itself does not answer: who lacks the parent knows no child."""
    slugs = {finding.slug for finding in findings}
    if not {"spf-temperror", "mx-temperror"} <= slugs:
        return tuple(findings)
    kept = [finding for finding in findings if not finding.slug.endswith(("-missing", "-not-found", "-absent"))]
    gone = {finding.slug.partition("-")[0]: finding.rule for finding in findings if finding not in kept}
    return (
        *kept,
        *(temporary(name, "the zone does not answer", gone[name]) for name in ("dkim", "dmarc") if name in gone),
    )


def decide(findings: Sequence[Finding]) -> VerdictLevel:
    """Return the verdict: an error blocks, an open question is unknown, a warning degrades."""
    worst = max((finding.severity for finding in findings), key=GRAVITY.index, default=Severity.TEMPORARY)
    return {
        Severity.ERROR: VerdictLevel.BLOCKED,
        Severity.TEMPORARY: VerdictLevel.UNKNOWN,
        Severity.WARNING: VerdictLevel.DEGRADED,
    }.get(worst, VerdictLevel.READY)


def describe(check: DomainCheck) -> dict[str, Any]:
    """Return a check as the object that scripts read; spf, dkim and dmarc hold the slug of their gravest finding."""
    gravest = {name: _gravest(check.findings, name) for name in ("spf", "dkim", "dmarc")}
    findings = [{key: str(getattr(finding, key)) for key in KEYS} for finding in check.findings]
    return {"domain": check.domain, "verdict": check.verdict, **gravest, "findings": findings}


def _gravest(findings: Sequence[Finding], name: str) -> str:
    """Return "spf-ok" where nothing is wrong, whatever is worth knowing besides."""
    own = [finding for finding in findings if finding.slug.startswith(f"{name}-")]
    serious = [finding for finding in own if GRAVITY.index(finding.severity) > GRAVITY.index(Severity.INFO)]
    if serious:
        return max(serious, key=lambda finding: GRAVITY.index(finding.severity)).slug
    sound = next((finding.slug for finding in own if finding.severity is Severity.OK), "")
    return sound or (own[0].slug if own else f"{name}-unknown")
