"""Was a message of ours not delivered: to whom, why, and is that for good?

A delivery status notification (RFC 3464) is read first; then the many texts that servers write instead. Words inside
the returned original never count.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from inbox.bounce_words import (
    BLOCKED,
    DAEMON,
    DELAYED,
    FAILURE_SUBJECT,
    FULL,
    HARD,
    POLICY,
    QUOTE_STARTS,
    REPLY_SUBJECT,
    SOFT,
)
from inbox.parse import ParsedMail
from store.vocabulary import BounceKind

_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,250}[A-Za-z0-9])?")
_ENHANCED = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.])")
_SMTP = re.compile(r"(?<![\d.#])([45][0-5]\d)(?=[ -](?!\d{3}\b)|$|[,;:)])")
_NOT_FAILED = frozenset(("delivered", "relayed", "expanded"))


@dataclass(frozen=True, slots=True)
class FailedRecipient:
    """One address that was not reached."""

    address: str
    code: str = ""  #: enhanced status, or the SMTP code, empty when the text says none
    diagnostic: str = ""


@dataclass(frozen=True, slots=True)
class BounceReport:
    """A notice of non-delivery."""

    kind: BounceKind
    recipients: tuple[FailedRecipient, ...]
    original_message_id: str = ""
    readable: bool = True  #: False: no code and no known words, treated as soft and reviewed
    standard: bool = False  #: has a message/delivery-status part


def read_dsn(mail: ParsedMail) -> BounceReport | None:
    """Read the delivery-status parts; None when there is none or when nothing failed."""
    if not mail.delivery_status:
        return None
    failed: list[FailedRecipient] = []
    delayed = settled = 0
    for group in mail.delivery_status:
        fields = dict(reversed(group))
        recipient = _typed(fields.get("original-recipient", "")) or _typed(fields.get("final-recipient", ""))
        final = _typed(fields.get("final-recipient", "")) or recipient
        action = fields.get("action", "").split("(")[0].strip().lower()
        if not recipient or not (action or "status" in fields):
            continue
        if action in _NOT_FAILED:
            settled += 1
            continue
        delayed += action == "delayed"
        diagnostic = fields.get("diagnostic-code", "").partition(";")[2].strip() or fields.get("diagnostic-code", "")
        failed.append(FailedRecipient(final or recipient, _code(fields.get("status", ""), diagnostic), diagnostic))
    if not failed:
        return None if settled else _from_text(mail, standard=True)
    if delayed == len(failed):
        return BounceReport(BounceKind.DELAYED, tuple(failed), original_id(mail), standard=True)
    kind = classify_failure(failed[0].code, failed[0].diagnostic)
    if kind == BounceKind.HARD and failed[0].code in ("", "5.0.0"):
        kind = _by_words(mail.text[:4000]) or kind
    return BounceReport(kind, _unique(failed), original_id(mail), standard=True)


def settled_only(mail: ParsedMail) -> bool:
    """Tell whether a delivery report says only that the message was delivered, relayed or expanded."""
    actions = [value.lower() for group in mail.delivery_status for name, value in group if name == "action"]
    return bool(actions) and all(action.split("(")[0].strip() in _NOT_FAILED for action in actions)


def read_text_bounce(mail: ParsedMail) -> BounceReport | None:
    """Read a bounce without a delivery-status part; None when the message does not look like one."""
    if mail.all("x-failed-recipients") or looks_automatic(mail):
        return _from_text(mail, standard=False)
    return None


def looks_automatic(mail: ParsedMail) -> bool:
    """Tell whether sender and subject are those of a mail system that reports a failure."""
    sender = mail.from_address or mail.get("from").lower()
    daemon = bool(DAEMON.match(sender)) or "@" not in sender or "system administrator" in mail.get("from").lower()
    failure = bool(FAILURE_SUBJECT.search(mail.subject))
    head = mail.text[:1500]
    told = bool(FAILURE_SUBJECT.search(head) or HARD.search(head))
    if daemon:
        return failure or told
    # An unusual sender: both subject and text must speak of a failure, and nobody is being answered.
    answers = bool(REPLY_SUBJECT.match(mail.subject)) or bool(mail.in_reply_to)
    null_path = mail.return_path == ""
    return (failure and (null_path or (told and not answers))) or (null_path and told and not answers)


def _from_text(mail: ParsedMail, *, standard: bool) -> BounceReport | None:
    text = own_words(mail)
    named = [address.strip().lower() for value in mail.all("x-failed-recipients") for address in value.split(",")]
    addresses = [one for one in named if "@" in one] or list(_failed_addresses(text, mail))
    code = _code("", text)
    recipients = tuple(
        FailedRecipient(address, code, _line_with(text, address)) for address in dict.fromkeys(addresses)
    )
    if DELAYED.search(f"{mail.subject}\n{text[:3000]}") and not code.startswith("5"):
        return BounceReport(BounceKind.DELAYED, recipients, original_id(mail), standard=standard)
    kind = classify_failure(code, text) if code else _by_words(text)
    return BounceReport(kind or BounceKind.SOFT, recipients, original_id(mail), kind is not None, standard)


def own_words(mail: ParsedMail) -> str:
    """Return what the mail system itself wrote: the text before the returned original."""
    text = mail.text[:30_000]
    cut = QUOTE_STARTS.search(text, 1)
    return text[: cut.start()] if cut else text


def _failed_addresses(text: str, mail: ParsedMail) -> Iterator[str]:
    ours = {mail.from_address, *mail.to, *mail.cc, *mail.delivered_to}
    for found in _ADDRESS.finditer(text):
        address = found[0].strip(".'").lower()
        local = address.partition("@")[0]
        if address.startswith("smtp="):
            address = address[5:]
        if (
            address not in ours
            and ".." not in address
            and local not in ("postmaster", "mailer-daemon", "abuse", "helpdesk", "support")
        ):
            yield address


def _line_with(text: str, address: str) -> str:
    at = text.lower().find(address)
    return " ".join(text[max(0, at) : at + 300].split()) if at >= 0 else ""


def classify_failure(code: str, words: str) -> BounceKind:
    """Return what an enhanced (RFC 3463) or SMTP code means for the address, refined by the server's words."""
    if FULL.search(words[:2000]) or code in ("5.2.2", "4.2.2", "552", "5.2.3"):
        return BounceKind.FULL
    if code.startswith("4"):
        return BounceKind.SOFT
    if BLOCKED.search(words[:2000]):
        return BounceKind.BLOCKED
    klass = code.split(".")[1] if code.count(".") == 2 else ""
    if klass == "7" or code in ("5.3.4", "5.6.0", "5.6.1"):
        return BounceKind.HARD if HARD.search(words[:2000]) and not POLICY.search(words[:2000]) else BounceKind.POLICY
    if klass in ("1", "2") or code in ("5.4.4", "5.4.1", "550", "551", "553"):
        return BounceKind.POLICY if POLICY.search(words[:2000]) and not HARD.search(words[:2000]) else BounceKind.HARD
    if klass in ("3", "5") or code == "554":
        return _by_words(words) or BounceKind.HARD
    return _by_words(words) or (BounceKind.HARD if code.startswith("5") else BounceKind.SOFT)


def _by_words(words: str) -> BounceKind | None:
    text = words[:6000]
    for pattern, kind in (
        (FULL, BounceKind.FULL),
        (BLOCKED, BounceKind.BLOCKED),
        (HARD, BounceKind.HARD),
        (POLICY, BounceKind.POLICY),
        (SOFT, BounceKind.SOFT),
    ):
        if pattern.search(text):
            return kind
    return None


def _code(status: str, words: str) -> str:
    found = _ENHANCED.search(status)
    if found and found[1] not in ("5.0.0", "4.0.0"):
        return found[1]
    better = _ENHANCED.search(words[:3000]) or _SMTP.search(words[:3000])
    return better[1] if better else found[1] if found else ""


def _typed(value: str) -> str:
    text = value.rpartition(";")[2].strip().strip("<>")
    found = _ADDRESS.search(text)
    return found[0].lower() if found else ""


def _unique(failed: Sequence[FailedRecipient]) -> tuple[FailedRecipient, ...]:
    return tuple({one.address: one for one in reversed(failed)}.values())[::-1]


def original_id(mail: ParsedMail) -> str:
    """Return the Message-ID of the returned original, empty when it was not returned."""
    returned = [value for name, value in mail.returned_headers if name == "message-id"]
    return next(iter(_ids([*returned, *_ids_in_text(mail.text)])), "")


def _ids_in_text(text: str) -> Iterable[str]:
    return re.findall(r"(?im)^[> ]*message-id:\s*(<[^<>\s]{1,900}>)", text[:60_000])


def _ids(values: Iterable[str]) -> list[str]:
    return [found[0] for value in values if (found := re.search(r"<[^<>\s]{1,900}>", value))]
