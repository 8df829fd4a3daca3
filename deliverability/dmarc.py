"""Which DMARC policy holds for a domain, and what is its organisational domain? (RFC 9989, 4.10)

The policy is found by walking up the DNS tree, eight queries at most; the organisational domain follows from the
`psd` tags met on the way. All names of a walk are asked at once: their number is small and known beforehand.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from deliverability.dmarc_record import DmarcRecord, looks_like_dmarc, parse_tags
from deliverability.resolver import DnsStatus, Resolver

MAX_QUERIES = 8  # a longer name is cut to 7 labels after its own query (4.10)


@dataclass(frozen=True, slots=True)
class DmarcDiscovery:
    """What a tree walk found."""

    record: DmarcRecord | None
    organisational_domain: str
    policy: str  #: that applies to the asked domain: none, quarantine, reject, or empty without a record
    temporary: str = ""  #: why a name server could not say, where its answer could change the policy
    uncertain: bool = False  #: ... where it could change the organisational domain
    doubled: tuple[str, ...] = ()  #: several records at one name: none of them counts
    doubled_at: str = ""  #: that name
    broken: str = ""  #: a TXT record that was meant to be one, but is not valid


async def discover(resolver: Resolver, domain: str) -> DmarcDiscovery:
    """Walk the tree from a domain and return the policy in force."""
    start = domain.strip(".").lower()
    names = walk(start)
    answers = await asyncio.gather(*(resolver.lookup(f"_dmarc.{name}", "TXT") for name in names))
    found: dict[str, DmarcRecord] = {}
    failures: dict[str, str] = {}
    doubled: tuple[str, ...] = ()
    doubled_at = ""
    for name, answer in zip(names, answers, strict=True):
        if answer.status is DnsStatus.TEMPERROR:
            failures[name] = answer.detail
        tags = [(text, parsed) for text in answer.records if (parsed := parse_tags(text)) is not None]
        if len(tags) > 1 and (name == start or not found):
            doubled, doubled_at = (doubled, doubled_at) if doubled else (tuple(text for text, _ in tags), name)
        if len(tags) == 1:
            found[name] = DmarcRecord(name, *tags[0])
            if found[name].psd != "u":
                break
    organisation = organisational_domain(start, found)
    record = found.get(start) or found.get(organisation) or _of_suffix(found)
    broken = (
        "" if start in found else next((text for text in answers[0].records if looks_like_dmarc(text, here=True)), "")
    )
    policy, unsure = await _applied(resolver, start, record) if record else ("", "")
    reached = names.index(record.domain) if record else len(names)
    temporary = next((failures[name] for name in names[:reached] if name in failures), unsure)
    return DmarcDiscovery(record, organisation, policy, temporary, bool(failures), doubled, doubled_at, broken)


def walk(domain: str) -> list[str]:
    """Return the names that are asked, the domain first: at most eight."""
    labels = domain.split(".")
    rest = labels[1:] if len(labels) <= MAX_QUERIES else labels[-(MAX_QUERIES - 1) :]
    return [domain, *(".".join(rest[start:]) for start in range(len(rest)))]


def organisational_domain(start: str, found: Mapping[str, DmarcRecord]) -> str:
    """Return the organisational domain from the records met on the walk, longest name first (4.10.2)."""
    for name, record in found.items():
        if record.psd == "n":
            return name
        if record.psd == "y" and name != start:
            below = start[: -len(name) - 1]
            return f"{below.rpartition('.')[2]}.{name}"
    return min(found, key=lambda name: name.count("."), default=start)


def _of_suffix(found: Mapping[str, DmarcRecord]) -> DmarcRecord | None:
    return next((record for record in found.values() if record.psd == "y"), None)


async def _applied(resolver: Resolver, start: str, record: DmarcRecord) -> tuple[str, str]:
    """Return the policy for the domain, and why it is unsure where the DNS cannot say whether the domain exists."""
    if record.domain == start:
        return record.policy(), ""
    if "np" in record.tags:
        exists = await resolver.lookup(start, "A")
        if exists.status is DnsStatus.NXDOMAIN:
            return record.policy(of="non-existent"), ""
        unsure = exists.detail if exists.status is DnsStatus.TEMPERROR else ""
        return record.policy(of="subdomain"), unsure
    return record.policy(of="subdomain"), ""


def aligned(identifier: str, author: str, *, strict: bool, organisation: str, identifier_organisation: str) -> bool:
    """Tell whether an authenticated domain stands for the author's domain (4.4)."""
    if strict:
        return identifier.lower() == author.lower()
    return organisation.lower() == identifier_organisation.lower()
