"""What did the world make of a letter that we sent from one of our mailboxes to another?

The delivered copy tells: our server's Authentication-Results, the signatures as they arrived, the folder, the
Message-ID, the time on the way. What our server does not say is verified here, as far as a copy allows: SPF cannot be.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.parser import BytesHeaderParser
from email.policy import compat32

from deliverability.auth_results import AuthResults, trusted_results
from deliverability.demands import Demand
from deliverability.dkim import DkimResult, DkimStatus, verify_message
from deliverability.dmarc_assess import registrable
from deliverability.findings import Finding
from deliverability.resolver import Resolver
from store.vocabulary import Severity

ONE_CLICK = frozenset({"list-unsubscribe", "list-unsubscribe-post"})
SLOW = timedelta(minutes=10)
UNKNOWN = "not said"
_FAILED = {"fail", "softfail", "neutral", "none", "permerror", "policy"}
#: Fault, what it means for our mail, who asks for better.
ADVICE: Mapping[str, tuple[str, Demand]] = {
    "live-spf-fail": ("Receivers do not accept the relay for this domain: see `postroom check`.", Demand.SPF),
    "live-dkim-fail": ("No valid signature of the From domain: let the relay sign, or set [[dkim]].", Demand.DKIM),
    "live-dmarc-fail": ("Neither SPF nor DKIM stands for the From domain: bulk mail is refused.", Demand.ALIGNMENT),
    "live-one-click-uncovered": (
        "The signature's h= must name List-Unsubscribe and List-Unsubscribe-Post (RFC 8058, 4).", Demand.ONE_CLICK),
    "live-junk": ("Put aside as spam: look at content, reputation and volume of this mailbox.", Demand.BLOCKLIST),
    "live-slow": ("Mail took over ten minutes: greylisting or a throttled relay.", Demand.BLOCKLIST),
    "live-refused": ("The server refused it: its answer says why.", Demand.BLOCKLIST),
    "live-lost": ("It was accepted and has not arrived within the hour.", Demand.BLOCKLIST),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class ProbeReading:
    """Hold what one delivered copy says; spf, dkim and dmarc are words of RFC 8601, or "not said"."""

    folder: str
    seconds: float
    spf: str
    dkim: str
    dmarc: str
    said_by: str  #: the authserv-id, or "verified here"
    signer: str  #: domain of the signature that stands for From, empty: there is none
    selector: str
    one_click: bool
    rewritten: str  #: the Message-ID it arrived with, empty: ours
    faults: tuple[str, ...]


async def read_copy(
    resolver: Resolver,
    raw: bytes,
    *,
    message_id: str,
    from_domain: str,
    folder: str,
    inbox: str,
    on_the_way: timedelta,
    authserv_ids: Collection[str] = (),
) -> ProbeReading:
    """Read a delivered copy; `inbox` is the name of the folder where mail belongs."""
    headers = BytesHeaderParser(policy=compat32).parsebytes(raw)
    said = trusted_results([str(one) for one in headers.get_all("Authentication-Results", [])], authserv_ids)
    signature = _own_signature(await verify_message(resolver, raw), said, from_domain)
    dkim = "pass" if signature else _word(said, "dkim") if said else "none"
    if dkim == "pass" and signature is None:
        dkim = "fail"  # what passed is somebody else's signature
    dmarc = _word(said, "dmarc") if said else UNKNOWN
    if dmarc == UNKNOWN and signature:
        dmarc = "pass"
    spf, seen_id = _word(said, "spf") if said else UNKNOWN, str(headers.get("Message-ID", "")).strip()
    one_click = signature is not None and set(signature.signed) >= ONE_CLICK
    seconds = max(on_the_way.total_seconds(), 0.0)
    checks = (
        ("live-spf-fail", spf in _FAILED),
        ("live-dkim-fail", dkim in _FAILED),
        ("live-dmarc-fail", dmarc in _FAILED),
        ("live-one-click-uncovered", signature is not None and not one_click),
        ("live-junk", folder != inbox),
        ("live-slow", seconds > SLOW.total_seconds()),
    )
    return ProbeReading(
        folder, seconds, spf, dkim, dmarc, said.authserv_id if said else "verified here",
        signature.domain if signature else "", signature.selector if signature else "", one_click,
        "" if seen_id == message_id else seen_id, tuple(slug for slug, holds in checks if holds),
    )  # fmt: skip


def _own_signature(found: Collection[DkimResult], said: AuthResults | None, domain: str) -> DkimResult | None:
    """Return the signature that stands for From: valid here, or by our server's word before it changed the copy."""
    wanted = registrable(domain) or domain
    passed = {one.domain("header.d", "header.i") for one in said.of("dkim") if one.result == "pass"} if said else set()
    own = [one for one in found if (registrable(one.domain) or one.domain) == wanted]
    valid = [one for one in own if one.status is DkimStatus.PASS or one.domain in passed]
    return max(valid, key=lambda one: set(one.signed) >= ONE_CLICK, default=None)


def _word(said: AuthResults, method: str) -> str:
    results = [one.result for one in said.of(method)]
    return "pass" if "pass" in results else results[0] if results else UNKNOWN


def worsened(faults: Collection[str], before: Collection[str] | None) -> tuple[str, ...]:
    """Return the faults that the last probe between the same mailboxes did not have; the first one reports all."""
    return tuple(slug for slug in faults if slug not in (before or ()))


def choose_recipient(sender: str, receivers: Collection[str], last_at: Mapping[str, datetime]) -> str | None:
    """Return which of our mailboxes a probe goes to: another domain first, then the one not asked for longest."""

    def rank(receiver: str) -> tuple[bool, float, str]:
        asked = last_at.get(receiver)
        return receiver.rpartition("@")[2] == sender.rpartition("@")[2], asked.timestamp() if asked else 0.0, receiver

    return min((one for one in receivers if one != sender), key=rank, default=None)


def assess_probe(faults: Collection[str], found: str) -> list[Finding]:
    """Return the findings about one probe, for people and scripts."""
    known = [(slug, *ADVICE[slug]) for slug in faults if slug in ADVICE]
    return [Finding(slug, Severity.WARNING, found, advice, rule) for slug, advice, rule in known]
