"""Does a sender do what providers, standards and law demand? One row a demand, with the evidence for the answer.

What is not known is "not measurable", with how to find out: never a silent "met".
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from email.parser import BytesHeaderParser
from email.policy import compat32
from enum import StrEnum

from deliverability.demands import ALL, GOOGLE, MICROSOFT, YAHOO
from deliverability.dmarc_assess import registrable
from deliverability.findings import Finding
from store.vocabulary import Severity

BULK_PER_DAY = 5_000  # to personal accounts of one provider
COMPLAINTS_BELOW, COMPLAINTS_NEVER = 0.001, 0.003  # Google, Yahoo: shares of delivered mail
_NO_CONFIG, _NO_LETTER = "no configuration was given (--config)", "no letter of ours is known"
_BEST = "https://postmaster.google.com"
_ONE_CLICK = re.compile(r"<https://[^<>\s]+>(?:,\s*<mailto:[^<>\s]+>)?")
_HEADERS = ("list-unsubscribe", "list-unsubscribe-post")


class RuleStatus(StrEnum):
    """Is a demand met?"""

    MET = "met"  #: the evidence says so
    NOT_MET = "not met"  #: the evidence says the contrary
    NOT_MEASURABLE = "not measurable"  #: nothing here can tell


@dataclass(frozen=True, slots=True)
class RuleRow:
    """One demand: who makes it, whether it is met, and how that is known."""

    slug: str
    demand: str
    source: str
    status: RuleStatus
    evidence: str


@dataclass(frozen=True, slots=True)
class SenderFacts:
    """What is known about a sender; without a configuration only the findings of the domain checks."""

    findings: Mapping[str, Sequence[Finding]]  #: by sending domain
    configured: bool = False
    mailboxes: int = 0
    plaintext: tuple[str, ...] = ()  #: mailboxes whose relay is on this machine, spoken to without TLS
    exchange: tuple[str, ...] = ()  #: mailboxes at Exchange Online
    passwords: tuple[str, ...] = ()  #: of them, those that log in with a password
    letters: Mapping[str, bytes] = field(default_factory=dict)  #: the newest letter sent from each domain
    busiest: Mapping[str, int] = field(default_factory=dict)  #: most letters of one day, by sending domain, 30 days
    sent: int = 0  #: 30 days
    complaints: int = 0  #: of them, that reached us
    stops: int = 0  #: entries of the suppression ledger
    after_stop: int = 0  #: letters begun after the address was suppressed
    no_basis: int = 0  #: people written to whose country asks for a legal basis, and none is recorded
    copies: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  #: newest delivered copy: see `live_probe`
    reported: Mapping[str, tuple[int, int]] = field(default_factory=dict)  #: messages and passed, by DMARC reports


Measured = tuple[RuleStatus, str]


def assess_rules(facts: SenderFacts) -> list[RuleRow]:
    """Return one row for each demand."""
    return [RuleRow(slug, demand, source, *measure(facts)) for slug, demand, source, measure in RULES]


def _met(met: object, evidence: str) -> Measured:
    return RuleStatus.MET if met else RuleStatus.NOT_MET, evidence


def _unknown(evidence: str) -> Measured:
    return RuleStatus.NOT_MEASURABLE, evidence


def _checked(check: str, *also: str, where: str = "") -> Callable[[SenderFacts], Measured]:
    """Return the measure that reads the domain checks: an error is "not met", whatever is not known no answer."""

    def measure(facts: SenderFacts) -> Measured:
        told, wrong, open_questions = [], False, False
        for domain, findings in facts.findings.items():
            own = [one for one in findings if one.slug.startswith((f"{check}-", *also))]
            bad = next((one for one in own if one.severity is Severity.ERROR), None)
            good = next((one for one in own if one.severity is Severity.OK or one.slug.endswith("-generic")), None)
            shown = bad or good or next(iter(own), None)
            wrong, open_questions = wrong or bad is not None, open_questions or (bad is None and good is None)
            told.append(f"{domain}: {f'{shown.slug} ({shown.found[:100]})' if shown else where or 'not checked'}")
        evidence = "; ".join(told) or "no domain was checked"
        return _unknown(evidence) if not told or (open_questions and not wrong) else _met(not wrong, evidence)

    return measure


def _alignment(facts: SenderFacts) -> Measured:
    counted = {domain: counts for domain, counts in facts.reported.items() if counts[0]}
    if counted:
        told = [f"{domain}: {passed} of {whole} passed by DMARC reports" for domain, (whole, passed) in counted.items()]
        return _met(all(passed * 100 >= whole * 98 for whole, passed in counted.values()), "; ".join(told))
    judged = {domain: copy for domain, copy in facts.copies.items() if copy.get("dmarc") in ("pass", "fail")}
    if judged:
        told = [f"{domain}: dmarc={copy['dmarc']} in a delivered copy" for domain, copy in judged.items()]
        return _met(all(copy["dmarc"] == "pass" for copy in judged.values()), "; ".join(told))
    signers = {domain: _signer(raw) for domain, raw in facts.letters.items()}
    if signers and all(signers.values()):
        told = [f"{domain} is signed by {signer}" for domain, signer in signers.items()]
        return _met(all(_same(domain, signer) for domain, signer in signers.items()), "; ".join(told))
    return _unknown("no DMARC reports and no letter that we sign: set report_mailboxes, or run `postroom check --live`")


def _same(one: str, other: str) -> bool:
    return (registrable(one) or one) == (registrable(other) or other)


def _signer(raw: bytes) -> str:
    return _tags(raw).get("d", "").lower()


def _tags(raw: bytes) -> dict[str, str]:
    value = re.sub(r"\s+", "", str(BytesHeaderParser(policy=compat32).parsebytes(raw).get("DKIM-Signature", "")))
    return {name: text for name, _, text in (part.partition("=") for part in value.split(";"))}


def _one_click(facts: SenderFacts) -> Measured:
    if not facts.letters:
        return _unknown(_NO_LETTER)
    told, right = [], True
    for domain, raw in facts.letters.items():
        headers = BytesHeaderParser(policy=compat32).parsebytes(raw)
        links, post = (headers.get_all(name, []) for name in _HEADERS)
        good = len(links) == 1 and _ONE_CLICK.fullmatch(" ".join(str(links[0]).split())) is not None
        good = good and [str(one).strip() for one in post] == ["List-Unsubscribe=One-Click"]
        right = right and good
        told.append(f"{domain}: {'both headers' if good else 'not as RFC 8058 asks'} in the newest letter")
    return _met(right, "; ".join(told))


def _one_click_signed(facts: SenderFacts) -> Measured:
    if facts.copies:
        bare = [domain for domain, copy in facts.copies.items() if copy.get("one_click") != "True"]
        return _met(not bare, f"delivered copies: {'not covered for ' + ', '.join(bare) if bare else 'covered'}")
    signed = {domain: _tags(raw).get("h", "").lower().split(":") for domain, raw in facts.letters.items()}
    if not signed:
        return _unknown(_NO_LETTER)
    if any(names == [""] for names in signed.values()):
        return _unknown("the relay signs: `postroom check --live` looks at a delivered copy")
    bad = [domain for domain, names in signed.items() if not set(_HEADERS) <= set(names)]
    return _met(
        not bad, f"h= of the newest letter leaves one out: {', '.join(bad)}" if bad else "h= names both headers"
    )


def _honoured(facts: SenderFacts) -> Measured:
    if not facts.configured:
        return _unknown(_NO_CONFIG)
    return _met(not facts.after_stop, f"{facts.after_stop} letters begun after one of {facts.stops} stops")


def _complaints(limit: float) -> Callable[[SenderFacts], Measured]:
    def measure(facts: SenderFacts) -> Measured:
        if not facts.configured:
            return _unknown(_NO_CONFIG)
        share = facts.complaints / facts.sent if facts.sent else 0.0
        said = f"{facts.complaints} complaints reached us of {facts.sent} letters in 30 days ({share:.2%})"
        if facts.sent and share >= limit:
            return _met(met=False, evidence=said)
        return _unknown(f"{said}; Google and Microsoft report none: see {_BEST}")

    return measure


def _bulk(facts: SenderFacts) -> Measured:
    if not facts.configured:
        return _unknown(_NO_CONFIG)
    sums: dict[str, int] = {}
    for domain, number in facts.busiest.items():
        name = registrable(domain) or domain
        sums[name] = sums.get(name, 0) + number
    most = ", ".join(f"{name} {number}" for name, number in sums.items()) or "nothing sent"
    return _met(max(sums.values(), default=0) < BULK_PER_DAY, f"most letters of one day in 30: {most}")


def _tls(facts: SenderFacts) -> Measured:
    if not facts.mailboxes:
        return _unknown("no configured mailbox sends")
    if facts.plaintext:
        plain = ", ".join(facts.plaintext)
        return _unknown(f"a relay on this machine sends on for {plain}: look at the Received lines of a delivered copy")
    return _met(met=True, evidence=f"{facts.mailboxes} mailboxes require TLS of the relay")


def _modern_login(facts: SenderFacts) -> Measured:
    if not facts.configured:
        return _unknown(_NO_CONFIG)
    if facts.passwords:
        return _met(met=False, evidence=f"log in with a password: {', '.join(facts.passwords)}")
    return _met(met=True, evidence=f"{len(facts.exchange)} mailboxes at Exchange Online, none with a password")


def _old_tags(facts: SenderFacts) -> Measured:
    old = [f"{domain}: {one.found}" for domain, findings in facts.findings.items() for one in findings
           if one.slug == "dmarc-old-tag"]  # fmt: skip
    status, evidence = _checked("dmarc")(facts)
    if old or status is RuleStatus.MET:
        return _met(not old, "; ".join(old) or "no pct, rf or ri")
    return _unknown(evidence)


def _basis(facts: SenderFacts) -> Measured:
    if not facts.configured:
        return _unknown(_NO_CONFIG)
    return _met(
        not facts.no_basis, f"{facts.no_basis} people in such countries were written to without a recorded basis"
    )


def _by_design(why: str) -> Callable[[SenderFacts], Measured]:
    def measure(facts: SenderFacts) -> Measured:
        return _met(met=True, evidence=why) if facts.configured else _unknown(_NO_CONFIG)

    return measure


_RFC_8058, _LAW = "RFC 8058, sections 3.1 and 3.2", "UWG section 7(2)"
RULES: tuple[tuple[str, str, str, Callable[[SenderFacts], Measured]], ...] = (
    ("spf", "SPF passes for the sending relay", ALL, _checked("spf")),
    ("dkim", "Mail is signed with DKIM, 1024 bits or more", ALL, _checked("dkim")),
    ("dmarc", "A DMARC record of at least p=none", ALL, _checked("dmarc")),
    ("dmarc-tags", "No DMARC tags that receivers ignore (pct, rf, ri)", "RFC 9989, Appendix C", _old_tags),
    ("alignment", "The From domain is aligned with SPF or DKIM", ALL, _alignment),
    ("ptr", "The relay's address has matching forward and reverse DNS", ALL,
     _checked("ptr", where="no relay is named (--relay, deliverability.relays)")),
    ("tls", "Mail is handed over with TLS", GOOGLE, _tls),
    ("mx", "From addresses can receive replies and bounces", f"{YAHOO}; {MICROSOFT}", _checked("mx", "domain-")),
    ("one-click", "One-click unsubscribe: both headers, in exactly this form",
     f"{GOOGLE}; {YAHOO}; {_RFC_8058}", _one_click),
    ("one-click-signed", "A valid DKIM signature covers both unsubscribe headers", "RFC 8058, section 4",
     _one_click_signed),
    ("one-click-post", "POST unsubscribes without cookie or redirect, GET changes nothing, tokens never burn",
     _RFC_8058, _by_design("console/one_click.py: only POST acts; ask the public address yourself")),
    ("honoured", "A wish to stop is honoured within 48 hours", f"{GOOGLE}; {YAHOO}", _honoured),
    ("complaints", f"Complaints below {COMPLAINTS_BELOW:.2%}", f"{GOOGLE}; {YAHOO}", _complaints(COMPLAINTS_BELOW)),
    ("complaints-never", f"Complaints never at {COMPLAINTS_NEVER:.2%}", f"{GOOGLE}; {YAHOO}",
     _complaints(COMPLAINTS_NEVER)),
    ("bulk", f"Below {BULK_PER_DAY} letters a day per primary domain, else every rule for bulk senders holds for good",
     f"{GOOGLE}; {MICROSOFT}", _bulk),
    ("modern-login", "Exchange Online ends passwords for SMTP in December 2026 (550 5.7.30): XOAUTH2",
     "Microsoft, Exchange Online basic authentication", _modern_login),
    ("no-answer", "Automatic mail is never answered", "RFC 3834, section 2",
     _by_design("every letter is a planned step")),
    ("basis", "Prior consent or another basis where the country asks for one, also for companies", _LAW, _basis),
    ("objection", "An objection to advertising is absolute", "GDPR Art. 21(3)", _honoured),
    ("erasure", "Erasure keeps nothing but a keyed hash that blocks", "GDPR Art. 17",
     _by_design("store/suppression.py: an erased entry holds a keyed hash only")),
)  # fmt: skip
