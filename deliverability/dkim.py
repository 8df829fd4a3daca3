"""Is a delivered message signed by the domains it names? (RFC 6376)

Keys are fetched first, through the resolver, so that a DNS failure is `temperror` and never a failed signature; then
dkimpy verifies without asking anybody.
"""

import asyncio
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import dkim
import dkim.util

from deliverability.dkim_record import LEAST_BITS, DkimKey, parse_key
from deliverability.resolver import DnsStatus, Resolver

MOST_SIGNATURES = 5  # of one message: each costs a lookup and a hash of the body
_BROKEN = (dkim.DKIMException, binascii.Error, ValueError, KeyError, IndexError, TypeError, AttributeError)


class DkimStatus(StrEnum):
    """What became of a signature (RFC 8601, 2.7.1)."""

    PASS = "pass"  #: the message is as it was signed  # noqa: S105
    FAIL = "fail"  #: message and signature do not belong together
    TEMPERROR = "temperror"  #: the key could not be asked for now
    PERMERROR = "permerror"  #: signature or key can never be used


@dataclass(frozen=True, slots=True)
class DkimResult:
    """Hold one signature's outcome; `whole` tells that it covers From and the entire body."""

    status: DkimStatus
    domain: str = ""
    selector: str = ""
    reason: str = ""
    signed: tuple[str, ...] = ()  #: header names it covers, in lower case
    whole: bool = False
    testing: bool = False


async def verify_message(resolver: Resolver, raw: bytes) -> tuple[DkimResult, ...]:
    """Verify the signatures of a message, the topmost first; none: an empty tuple."""
    try:
        message = dkim.DKIM(raw)
    except _BROKEN as broken:
        return (DkimResult(DkimStatus.PERMERROR, reason=f"unreadable message: {broken}"),)
    values = [value for name, value in message.headers if name.lower() == b"dkim-signature"]
    results = []
    for index, value in enumerate(values[:MOST_SIGNATURES]):
        tags = _tags(value)
        if tags is None or not tags.get("d") or not tags.get("s"):
            results.append(DkimResult(DkimStatus.PERMERROR, reason="the signature cannot be read"))
        else:
            results.append(await _verify_one(resolver, message, index, tags))
    return tuple(results)


async def _verify_one(resolver: Resolver, message: dkim.DKIM, index: int, tags: Mapping[str, str]) -> DkimResult:
    domain, selector = tags["d"].lower(), tags["s"].lower()
    signed = tuple(name.strip().lower() for name in tags.get("h", "").split(":"))

    def result(status: DkimStatus, reason: str = "", key: DkimKey | None = None) -> DkimResult:
        whole = "from" in signed and "l" not in tags
        return DkimResult(status, domain, selector, reason, signed, whole, testing=bool(key and key.testing))

    answer = await resolver.lookup(f"{selector}._domainkey.{domain}", "TXT")
    if answer.status is DnsStatus.TEMPERROR:
        return result(DkimStatus.TEMPERROR, f"key of {domain}: {answer.detail}")
    if answer.missing:
        return result(DkimStatus.PERMERROR, f"no key at {selector}._domainkey.{domain}")
    if len(answer.records) > 1:
        return result(DkimStatus.PERMERROR, f"several keys at {selector}._domainkey.{domain}")
    key = parse_key(answer.records[0])
    if key.fault is not None:
        return result(DkimStatus.PERMERROR, f"key of {domain}: {key.fault}", key)
    text = answer.records[0].encode("latin-1")
    try:
        holds = await asyncio.to_thread(message.verify, index, lambda _name, timeout=0: text)
    except _BROKEN as broken:
        changed = str(broken).startswith("body hash mismatch")
        return result(DkimStatus.FAIL if changed else DkimStatus.PERMERROR, str(broken), key)
    if key.kind == "rsa" and key.bits < LEAST_BITS:
        return result(DkimStatus.PERMERROR, f"key of {key.bits} bits", key)
    return result(DkimStatus.PASS if holds else DkimStatus.FAIL, "" if holds else "does not verify", key)


def _tags(value: bytes) -> dict[str, str] | None:
    try:
        found = dkim.util.parse_tag_value(value)
        return {name.decode("ascii"): text.decode("utf-8") for name, text in found.items()}
    except (dkim.util.InvalidTagValueList, UnicodeError, ValueError):
        return None
