"""Does a delivered message pass DMARC, and what may a receiver do when it does not? (RFC 9989, 5.3)"""

from dataclasses import dataclass
from enum import StrEnum

from deliverability.dkim import DkimResult, DkimStatus, verify_message
from deliverability.dmarc import aligned, discover
from deliverability.resolver import Resolver
from deliverability.spf import SpfResult, SpfStatus, check_host


class DmarcStatus(StrEnum):
    """What the evaluation says (RFC 8601, 2.7)."""

    PASS = "pass"  #: an aligned identifier is authenticated  # noqa: S105
    FAIL = "fail"  #: none is
    NONE = "none"  #: the author's domain has no policy
    TEMPERROR = "temperror"  #: the DNS could not say, and nothing else passed


@dataclass(frozen=True, slots=True)
class MessageCheck:
    """Hold the evaluation of one message."""

    status: DmarcStatus
    author_domain: str
    policy: str  #: none, quarantine, reject; empty without a record
    disposition: str  #: what the policy asks for this message: none, quarantine or reject
    by: str  #: the aligned identifier that passed: "dkim example.com" or "spf example.com"
    dkim: tuple[DkimResult, ...] = ()
    spf: SpfResult | None = None


async def check_message(
    resolver: Resolver, raw: bytes, author_domain: str, *, client_ip: str = "", mail_from: str = "", helo: str = ""
) -> MessageCheck:
    """Evaluate a message; without the client's address only DKIM is asked. `author_domain` is that of From."""
    author = author_domain.strip().strip(".").lower()
    signatures = await verify_message(resolver, raw)
    spf = await check_host(resolver, client_ip, mail_from, helo) if client_ip else None
    found = await discover(resolver, author)
    passed = [("dkim", one.domain) for one in signatures if one.status is DkimStatus.PASS]
    if spf is not None and spf.result is SpfStatus.PASS:
        passed.append(("spf", (mail_from.rpartition("@")[2] or helo).lower()))
    by, unsure = "", found.temporary
    for mechanism, domain in passed:
        if found.temporary and domain != author:
            continue  # the record that does not answer may ask for strict alignment
        strict = found.record is not None and found.record.strict("dkim" if mechanism == "dkim" else "spf")
        other = await discover(resolver, domain) if not strict and domain != author else found
        if not strict and domain != author and (found.uncertain or other.uncertain):
            unsure = unsure or "the organisational domains are not known now"
            continue
        organisations = (found.organisational_domain, other.organisational_domain)
        if aligned(domain, author, strict=strict, organisation=organisations[0],
                   identifier_organisation=organisations[1]):  # fmt: skip
            by = f"{mechanism} {domain}"
            break
    failed_now = any(one.status is DkimStatus.TEMPERROR for one in signatures)
    failed_now = failed_now or (spf is not None and spf.result is SpfStatus.TEMPERROR)
    status = DmarcStatus.PASS if by else DmarcStatus.FAIL
    if found.record is None:
        status = DmarcStatus.TEMPERROR if found.temporary else DmarcStatus.NONE
    elif not by and (failed_now or unsure):
        status = DmarcStatus.TEMPERROR
    applied = found.record is not None and not found.record.testing and status is DmarcStatus.FAIL
    return MessageCheck(status, author, found.policy, found.policy if applied else "none", by, signatures, spf)
