"""Are the keys published with which a domain's mail is signed?

Known selectors are each asked for. Where none is known, common names of providers are tried: then one good key is
enough, and finding none proves nothing.
"""

import asyncio
from collections.abc import Sequence

from deliverability.demands import Demand
from deliverability.dkim_record import GOOD_BITS, MOST_BITS, DkimKey, KeyFault, parse_key
from deliverability.findings import Finding, temporary, zone_line
from deliverability.resolver import DnsAnswer, DnsStatus, Resolver
from store.vocabulary import Severity

#: Selectors that providers and how-tos use.
COMMON = (
    "default", "google", "selector1", "selector2", "s1", "s2", "k1", "k2", "k3", "mail", "dkim", "dkim1", "smtp", "mx",
    "key1", "key2", "mandrill", "mailo", "pic", "pm", "zoho", "zmail", "protonmail", "protonmail2", "protonmail3",
    "sig1", "fm1", "fm2", "fm3", "mte1", "mte2", "hs1", "hs2", "ed25519", "rsa", "smtpapi", "m1", "em1", "krs",
    "litesrv", "brevo1", "brevo2", "mailjet", "scph0123", "zendesk1", "zendesk2", "cm", "dk", "s", "sel", "sel1",
    "sel2", "selector", "test", "email", "main", "postroom", "20230601",
)  # fmt: skip
NOBODY = "no-such-selector-postroom"  # answers only where a wildcard answers for everything
_ADVICE = {
    KeyFault.NOT_A_KEY: ("dkim-invalid", "This is no key record. Publish the one your mail provider shows."),
    KeyFault.SYNTAX: ("dkim-invalid", "Receivers cannot read this key record."),
    KeyFault.REVOKED: ("dkim-revoked", "The key is revoked (empty p=): sign with another one."),
    KeyFault.WEAK: ("dkim-weak", "Receivers refuse RSA keys below 1024 bits: make one of 2048 bits."),
    KeyFault.HASH: ("dkim-old-hash", "h= must allow sha256 (RFC 8301)."),
    KeyFault.SERVICE: ("dkim-not-for-mail", "s= excludes mail."),
}


async def assess_selectors(resolver: Resolver, domain: str, selectors: Sequence[str]) -> list[Finding]:
    """Return findings about the DKIM keys at these selectors; without any, common names are tried."""
    names = list(dict.fromkeys(selectors)) or [NOBODY, *COMMON]
    asked = await asyncio.gather(*(resolver.lookup(f"{name}._domainkey.{domain}", "TXT") for name in names))
    answers = dict(zip(names, asked, strict=True))
    if selectors:
        return [_assess_answer(domain, name, answer) for name, answer in answers.items()]
    return _assess_guesses(domain, answers)


def _assess_answer(domain: str, selector: str, answer: DnsAnswer) -> Finding:
    if answer.status is DnsStatus.TEMPERROR:
        return temporary("dkim", f"{answer.detail} at selector {selector}", Demand.DKIM)
    if answer.missing:
        advice = f"Publish the public key at {selector}._domainkey.{domain}, as your mail provider shows it."
        return Finding("dkim-missing", Severity.ERROR, f"no key at selector {selector}", advice, Demand.DKIM)
    return assess_key(domain, selector, answer)


def _assess_guesses(domain: str, answers: dict[str, DnsAnswer]) -> list[Finding]:
    """Judge keys found at guessed selectors: what is no key there, or everywhere the same, is not one of ours."""
    everywhere = set(answers[NOBODY].records)
    findings = []
    for selector, answer in answers.items():
        wild = selector != NOBODY and bool(everywhere) and set(answer.records) <= everywhere
        keys = [parse_key(text) for text in answer.records]
        if answer.records and not wild and any(key.fault is not KeyFault.NOT_A_KEY for key in keys):
            findings.append(assess_key(domain, "*" if selector == NOBODY else selector, answer))
    if any(finding.severity is not Severity.ERROR for finding in findings):
        return [finding for finding in findings if finding.severity is not Severity.ERROR]  # old keys left behind
    if findings:
        return findings
    failed = [answer for answer in answers.values() if answer.status is DnsStatus.TEMPERROR]
    if failed:
        return [temporary("dkim", failed[0].detail, Demand.DKIM)]
    advice = (
        "Without DKIM bulk mail is refused. Name your selector (--selector, deliverability.selectors), "
        f'or publish your provider\'s key at SELECTOR._domainkey.{domain}: "v=DKIM1; k=rsa; p=..."'
    )
    return [Finding("dkim-not-found", Severity.WARNING, "no key at any common selector", advice, Demand.DKIM)]


def assess_key(domain: str, selector: str, answer: DnsAnswer) -> Finding:
    """Return the finding about one key record."""
    where, name = f"selector {selector}", f"{selector}._domainkey.{domain}"
    if len(answer.records) > 1:
        found = f"{where}: " + " | ".join(answer.records)
        advice = f"Keep exactly one TXT record at {name} (RFC 6376, 3.6.2.2)."
        return Finding("dkim-two-records", Severity.ERROR, found, advice, Demand.DKIM)
    key = parse_key(answer.records[0])
    if key.fault is not None:
        slug, advice = _ADVICE[key.fault]
        return _with_record(slug, Severity.ERROR, f"{where}: {_said(key)}", advice, name, key)
    if key.testing:
        advice = "t=y tells receivers to treat the mail as unsigned."
        return _with_record("dkim-testing", Severity.WARNING, f"{where}: {key.text}", advice, name, key)
    size = f"{where}: {key.kind} {key.bits} bits"
    if key.kind == "rsa" and key.bits < GOOD_BITS:
        return Finding("dkim-short", Severity.INFO, size, "2048 bits are better.", Demand.DKIM)
    if key.kind == "rsa" and key.bits > MOST_BITS:
        advice = "Receivers need not take RSA keys over 4096 bits: use 2048."
        return Finding("dkim-too-long", Severity.WARNING, size, advice, Demand.DKIM)
    return Finding("dkim-ok", Severity.OK, size, "", Demand.DKIM)


def _said(key: DkimKey) -> str:
    return f"{key.kind} {key.bits} bits" if key.fault is KeyFault.WEAK else key.text


def _with_record(slug: str, severity: Severity, found: str, advice: str, name: str, key: DkimKey) -> Finding:
    line = zone_line(name, key.repaired) if key.repaired else ""
    said = f'{advice} Publish "{key.repaired}"' if key.repaired else advice
    return Finding(slug, severity, found, said, Demand.DKIM, line)
