"""Which DMARC policy holds for a domain, and is it one that providers accept? (RFC 9989)

The policy is found by walking up the DNS tree, eight queries at most; the organisational domain follows from the
`psd` tags met on the way. Tags that RFC 9989 dropped (`pct`, `rf`, `ri`) are ignored.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from deliverability.findings import Finding
from deliverability.resolver import DnsStatus, Resolver
from store.vocabulary import Severity

MAX_LABELS = 8  # a longer name is cut to 7 labels after its own query (RFC 9989, 4.10)
POLICIES = ("none", "quarantine", "reject")
_BEFORE_TAG = re.compile(r"[;\s]+(?=[a-z]{1,5}\s?=)")
GMAIL = "Gmail and Yahoo bulk sender rules: DMARC with at least p=none"


@dataclass(frozen=True, slots=True)
class DmarcRecord:
    """A valid DMARC policy record and where it stands."""

    domain: str
    text: str
    tags: Mapping[str, str]

    @property
    def policy(self) -> str:
        """The policy for the domain itself; a record with reports but a wrong policy counts as none."""
        return self.tags.get("p", "none") if self.tags.get("p", "none") in POLICIES else "none"

    def strict(self, mechanism: Literal["dkim", "spf"]) -> bool:
        """Tell whether alignment is strict (`adkim`, `aspf`)."""
        return self.tags.get(f"a{mechanism}", "r").lower() == "s"

    @property
    def testing(self) -> bool:
        """Tell whether the owner asks that the policy be not yet applied (`t=y`)."""
        return self.tags.get("t", "n").lower() == "y"


@dataclass(frozen=True, slots=True)
class DmarcDiscovery:
    """What a tree walk found."""

    record: DmarcRecord | None
    organisational_domain: str
    policy: str  #: that applies to the asked domain: none, quarantine, reject, or empty without a record
    temporary: bool = False  #: a name server could not say
    doubled: tuple[str, ...] = ()  #: several records at one name: none of them counts
    broken: str = ""  #: a TXT record that was meant to be one, but is not valid


def parse_tags(text: str) -> dict[str, str] | None:
    """Return the tags of a DMARC record, names in lower case; None when it does not begin with v=DMARC1."""
    pairs = [part.partition("=") for part in text.split(";") if part.strip()]
    tags: dict[str, str] = {}
    for number, (name, separator, value) in enumerate(pairs):
        key = name.strip().lower()
        if not separator or key in tags:
            if number == 0:
                return None
            continue  # an unreadable tag is ignored (RFC 9989, 4.7)
        tags[key] = value.strip()
        if number == 0 and (key != "v" or value.strip() != "DMARC1"):
            return None
    return tags or None


async def discover(resolver: Resolver, domain: str) -> DmarcDiscovery:
    """Walk the tree from a domain and return the policy in force (RFC 9989, 4.10)."""
    start = domain.strip(".").lower()
    found: dict[str, DmarcRecord] = {}
    temporary, broken = False, ""
    doubled: tuple[str, ...] = ()
    for name in walk(start):
        answer = await resolver.lookup(f"_dmarc.{name}", "TXT")
        temporary = temporary or answer.status is DnsStatus.TEMPERROR
        records = [text for text in answer.records if parse_tags(text) is not None]
        if len(records) > 1 and name == start:
            doubled = tuple(records)
        if not records and name == start:
            broken = next((text for text in answer.records if "dmarc" in text.lower()), "")
        if len(records) == 1:
            found[name] = DmarcRecord(name, records[0], parse_tags(records[0]) or {})
            if found[name].tags.get("psd", "u").lower() in ("y", "n"):
                break
    organisation = organisational_domain(start, found)
    record = found.get(start) or found.get(organisation) or next(iter(found.values()), None)
    policy = await _applied(resolver, start, record) if record else ""
    return DmarcDiscovery(record, organisation, policy, temporary, doubled, broken)


def walk(domain: str) -> list[str]:
    """Return the names that are asked, the domain first: at most eight."""
    labels = domain.split(".")
    names = [domain]
    rest = labels[1:] if len(labels) <= MAX_LABELS else labels[-(MAX_LABELS - 1) :]
    while rest:
        names.append(".".join(rest))
        rest = rest[1:]
    return names


def organisational_domain(start: str, found: Mapping[str, DmarcRecord]) -> str:
    """Return the organisational domain from the records met on the walk (RFC 9989, 4.10.2)."""
    for name, record in found.items():
        psd = record.tags.get("psd", "u").lower()
        if psd == "n":
            return name
        if psd == "y" and name != start:
            below = start[: -len(name) - 1]
            return f"{below.rpartition('.')[2]}.{name}"
    return min(found, key=lambda name: name.count("."), default=start)


async def _applied(resolver: Resolver, start: str, record: DmarcRecord) -> str:
    if record.domain == start:
        return record.policy
    subdomain = record.tags.get("sp", record.policy)
    if "np" in record.tags:
        exists = await resolver.lookup(start, "A")
        if exists.status is DnsStatus.NXDOMAIN:
            subdomain = record.tags["np"]
    return subdomain if subdomain in POLICIES else record.policy


def aligned(identifier: str, author: str, *, strict: bool, organisation: str, identifier_organisation: str) -> bool:
    """Tell whether an authenticated domain stands for the author's domain."""
    if strict:
        return identifier.lower() == author.lower()
    return organisation.lower() == identifier_organisation.lower()


def assess_dmarc(domain: str, found: DmarcDiscovery) -> list[Finding]:
    """Return the findings about a domain's DMARC policy."""
    suggestion = f'_dmarc.{domain} TXT "v=DMARC1; p=none; rua=mailto:dmarc@{domain}"'
    if found.record is None and found.temporary:
        return [Finding("dmarc-temporary", Severity.TEMPORARY, "no answer", "Ask again later.", GMAIL)]
    if found.doubled:
        advice = "Publish exactly one DMARC record; with several, receivers apply none."
        return [Finding("dmarc-two-records", Severity.ERROR, " | ".join(found.doubled), advice, GMAIL)]
    if found.broken:
        advice = f"The record does not begin with v=DMARC1 and a semicolon: {repaired(found.broken)}"
        return [Finding("dmarc-broken", Severity.ERROR, found.broken, advice, GMAIL)]
    if found.record is None:
        return [Finding("dmarc-missing", Severity.ERROR, "no record", f"Publish {suggestion}", GMAIL)]
    findings = [Finding("dmarc-ok", Severity.OK, found.record.text, "", GMAIL)]
    tags = found.record.tags
    if "p" not in tags or tags["p"].lower() not in POLICIES:
        advice = "Set p=none, p=quarantine or p=reject; receivers read anything else as none or not at all."
        severity = Severity.WARNING if "rua" in tags else Severity.ERROR
        findings.append(Finding("dmarc-policy-invalid", severity, found.record.text, advice, GMAIL))
    if "rua" not in tags:
        advice = f"Add rua=mailto:dmarc@{domain} to see who sends as you."
        findings.append(Finding("dmarc-no-reports", Severity.INFO, found.record.text, advice))
    for old in ("pct", "rf", "ri"):
        if old in tags:
            advice = f"Remove {old}=: RFC 9989 dropped it and receivers ignore it."
            findings.append(Finding("dmarc-old-tag", Severity.INFO, found.record.text, advice))
            break
    return findings


def repaired(text: str) -> str:
    """Return the record that was probably meant by a broken one."""
    cleaned = text.translate(str.maketrans("“”‘’„,", '""\'\'";')).strip("\"' ;")
    body = cleaned
    for wrong in ("v=DMARC1", "v=dmarc1", "v = DMARC1", "V=DMARC1", "v=DMARC", "DMARC1"):
        if body.lower().startswith(wrong.lower()):
            body = body[len(wrong) :]
            break
    tags = [part.strip() for part in _BEFORE_TAG.split(body) if "=" in part]
    names = [part.partition("=")[0].strip().lower() for part in tags]
    if "p" not in names:
        tags.insert(0, "p=none")
    return "; ".join(["v=DMARC1", *tags])
