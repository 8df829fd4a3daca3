"""What does a row of a suppression list say: who, why, since when?

Lenient on purpose: what merely looks like an address is taken, because a stop that is refused would be a letter.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from outbound.contacts import RowError, normalise_address, read_instant
from outbound.risk import is_public_suffix, web_domain
from store.records import Suppression
from store.vocabulary import SuppressionKind, SuppressionReason

_R = SuppressionReason
_WORDS = {
    _R.LEGAL: "legal gdpr lawyer objection erasure widerspruch",
    _R.COMPLAINT: "complaint spam abuse spam_complaint marked_as_spam reported_as_spam",
    _R.UNSUBSCRIBE: "unsubscribe unsubscribed opt_out opted_out optout dnc do_not_contact abgemeldet abmeldung",
    _R.HARD_BOUNCE: "hard_bounce hardbounce hard bounce bounced hard_bounced undeliverable",
    _R.MANUAL: "manual blocked blacklisted blacklist global",
    _R.INVALID: "invalid cleaned syntax",
    _R.CUSTOMER: "customer client kunde existing_customer",
    _R.COMPETITOR: "competitor wettbewerber konkurrent competition",
}
_REASONS = {word: reason for reason, words in _WORDS.items() for word in (*words.split(), reason)}
_ADDRESS = re.compile(r"[^\s<>;,\"'@]+@[^\s<>;,\"'@]+\.[^\s<>;,\"'@.]+")
_DOMAIN = re.compile(r"(?:[^\s@/:,;_]+\.)+[^\s@/:,;_.\d]{2,}")


@dataclass(frozen=True, slots=True)
class ListDefaults:
    """What holds for rows that do not say it."""

    reason: SuppressionReason
    source: str
    now: datetime
    allow_end: frozenset[SuppressionReason] = frozenset()


Listed = tuple[Suppression, bytes | None]


def read_listed(line: int, own: Mapping[str, str], defaults: ListDefaults) -> Listed | RowError:
    """Return an entry, and the keyed hash it was exported with where the value was erased."""
    written, why = own.get("value", ""), own.get("reason", "")
    digest = _digest(own.get("hash", ""))
    kind = _kind(own.get("kind", ""), "@" in written.strip().lstrip("@*."))
    if kind is None:
        return RowError(line, written, f'"{own["kind"]}" is no kind: {", ".join(SuppressionKind)}')
    value = "" if digest and not written else _value(kind, written)
    if not value and not digest:
        return RowError(line, written, _what_is_wrong(kind, written, own.get("hash", "")))
    reason = _reason(why) if why else defaults.reason
    evidence = own.get("evidence") or f"{defaults.source}, line {line}"
    if reason is None:
        reason, evidence = defaults.reason, f"{evidence}: {why}"
    since = _instant(own["created_at"]) if own.get("created_at") else None
    ends = _instant(own["expires_at"]) if own.get("expires_at") and reason in defaults.allow_end else None
    source = own.get("source") or defaults.source
    at = since if since and since < defaults.now else defaults.now
    return Suppression(kind, value, reason, source, evidence, at, ends), digest


def _digest(written: str) -> bytes | None:
    return bytes.fromhex(written) if re.fullmatch(r"[0-9a-fA-F]{32}", written) else None


_instant = lru_cache(maxsize=1_000)(read_instant)  # a list says the same few days again and again


@lru_cache(maxsize=1_000)
def _reason(written: str) -> SuppressionReason | None:
    return _REASONS.get("_".join(re.findall(r"\w+", written.lower())))


@lru_cache(maxsize=1_000)
def _kind(written: str, is_address: bool) -> SuppressionKind | None:
    known = {"email": "address", "email_address": "address", "mail": "address", "company": "account"}
    word = known.get(written.strip().lower(), written.strip().lower())
    if not word:
        return SuppressionKind.ADDRESS if is_address else SuppressionKind.DOMAIN
    return SuppressionKind(word) if word in list(SuppressionKind) else None


def _value(kind: SuppressionKind, written: str) -> str:
    if kind == SuppressionKind.ACCOUNT:
        return written.strip() if written.strip().isdigit() else ""
    if kind == SuppressionKind.ADDRESS:
        try:
            return normalise_address(written)
        except ValueError:
            found = _ADDRESS.search(written)
            return found[0].lower() if found else ""
    name = written.strip().lower().removeprefix("*.").strip("@.")
    if "/" in name or name.startswith("www."):
        name = web_domain(name)
    return name if _DOMAIN.fullmatch(name) and not is_public_suffix(name) else ""


def _what_is_wrong(kind: SuppressionKind, written: str, digest: str) -> str:
    if not written.strip() and digest:
        return f'an erased entry needs its hash of 32 hexadecimal digits, as `suppression export` prints it: "{digest}"'
    if not written.strip():
        return "no address, domain or account"
    if kind == SuppressionKind.DOMAIN and is_public_suffix(written.strip().lower().strip("@.")):
        return f"\"{written}\" is the ending of many strangers' domains; name the company's own domain"
    return f'"{written}" is no {kind}'
