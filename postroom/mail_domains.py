"""Which domains take no mail at all?"""

import asyncio
from collections.abc import Mapping, Sequence

from deliverability.resolver import DnsStatus, Resolver

_TOGETHER = 50  # lookups at once


async def find_undeliverable(resolver: Resolver, domains: Sequence[str]) -> Mapping[str, str]:
    """Return why a domain takes no mail (RFC 5321 section 5.1, RFC 7505); what the DNS cannot say now is no reason."""
    gate = asyncio.Semaphore(_TOGETHER)

    async def ask(domain: str) -> tuple[str, str]:
        async with gate:
            return domain, await _reason(resolver, domain)

    return {domain: why for domain, why in await asyncio.gather(*map(ask, domains)) if why}


async def _reason(resolver: Resolver, domain: str) -> str:
    mail = await resolver.lookup(domain, "MX")
    if mail.status == DnsStatus.NXDOMAIN:
        return f"{domain} does not exist"
    if mail.exchanges and all(host == "." for _, host in mail.exchanges):
        return f"{domain} says that it takes no mail (null MX)"
    if mail.status != DnsStatus.NODATA:
        return ""
    hosts = [await resolver.lookup(domain, kind) for kind in ("A", "AAAA")]
    return f"{domain} has no mail server" if all(found.missing for found in hosts) else ""
