"""Are the keys published with which a domain's mail is signed?"""

import base64
import binascii
from collections.abc import Sequence

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from deliverability.findings import Finding
from deliverability.resolver import DnsAnswer, Resolver
from store.vocabulary import Severity

DEMAND = "Gmail, Yahoo and Microsoft bulk sender rules: DKIM with a key of at least 1024 bits, better 2048"
COMMON = ("default", "google", "selector1", "selector2", "s1", "s2", "k1", "k2", "k3", "mail", "dkim", "smtp", "mx",
          "key1", "mandrill", "pm", "zoho", "protonmail", "fm1", "fm2", "fm3", "mte1", "ed25519", "rsa")  # fmt: skip
LEAST_BITS, GOOD_BITS = 1024, 2048


async def assess_selectors(resolver: Resolver, domain: str, selectors: Sequence[str]) -> list[Finding]:
    """Return findings about the DKIM keys at these selectors; without any, common names are tried."""
    findings: list[Finding] = []
    temporary = False
    for selector in selectors or COMMON:
        answer = await resolver.lookup(f"{selector}._domainkey.{domain}", "TXT")
        if answer.records:
            findings.append(assess_key(selector, answer))
        elif answer.missing and selectors:
            advice = f"Publish the public key at {selector}._domainkey.{domain}, as your mail provider shows it."
            findings.append(Finding("dkim-missing", Severity.ERROR, f"no key at selector {selector}", advice, DEMAND))
        temporary = temporary or not (answer.records or answer.missing)
    if temporary and not findings:
        return [Finding("dkim-temporary", Severity.TEMPORARY, "no answer", "Ask again later.", DEMAND)]
    if not findings:
        advice = "Name your selector (deliverability.selectors, or --selector); without DKIM, bulk mail is refused."
        return [Finding("dkim-not-found", Severity.WARNING, "no key at any common selector", advice, DEMAND)]
    return findings


def assess_key(selector: str, answer: DnsAnswer) -> Finding:
    """Return the finding about one key record (RFC 6376, 3.6.1; RFC 8463)."""
    where = f"selector {selector}"
    if len(answer.records) > 1:
        return Finding("dkim-two-records", Severity.ERROR, where, "Keep exactly one key record at a selector.", DEMAND)
    tags = _tags(answer.records[0])
    if tags is None or tags.get("v", "DKIM1") != "DKIM1" or "p" not in tags:
        return Finding(
            "dkim-invalid", Severity.ERROR, answer.records[0][:200], f"{where}: not a valid key record.", DEMAND
        )
    material = "".join(tags["p"].split())
    if not material:
        return Finding(
            "dkim-revoked", Severity.ERROR, where, "The key is revoked (empty p=): sign with another one.", DEMAND
        )
    kind = tags.get("k", "rsa").lower()
    bits = _bits(kind, material)
    if bits is None:
        return Finding("dkim-invalid", Severity.ERROR, f"{where}: k={kind}", "The key data cannot be read.", DEMAND)
    if kind == "rsa" and bits < LEAST_BITS:
        return Finding("dkim-weak", Severity.ERROR, f"{where}: {bits} bits", "Use 2048 bits; this is refused.", DEMAND)
    if "y" in [flag.strip() for flag in tags.get("t", "").split(":")]:
        return Finding(
            "dkim-testing", Severity.WARNING, f"{where}: t=y", "Remove t=y: receivers may ignore the key.", DEMAND
        )
    if kind == "rsa" and bits < GOOD_BITS:
        return Finding("dkim-short", Severity.INFO, f"{where}: {bits} bits", "2048 bits are better.", DEMAND)
    return Finding("dkim-ok", Severity.OK, f"{where}: {kind} {bits} bits", "", DEMAND)


def _tags(text: str) -> dict[str, str] | None:
    tags: dict[str, str] = {}
    for part in text.split(";"):
        if not part.strip():
            continue
        name, separator, value = part.partition("=")
        if not separator or name.strip() in tags:
            return None
        tags[name.strip()] = value.strip()
    return tags


def _bits(kind: str, material: str) -> int | None:
    try:
        raw = base64.b64decode(material, validate=True)
    except (binascii.Error, ValueError):
        return None
    if kind == "ed25519":
        return 256 if len(raw) == 32 else None
    if kind != "rsa":
        return None
    try:
        key = load_der_public_key(raw)
    except (ValueError, UnsupportedAlgorithm):
        return None
    return key.key_size if isinstance(key, RSAPublicKey) else None
