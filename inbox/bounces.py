"""Was a message of ours not delivered: to whom, why, and is that for good?

A delivery status notification (RFC 3464) is read first; then the many texts that servers write instead. Words inside
the returned original never count.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from inbox.bounce_recipients import ADDRESS, failed_addresses
from inbox.bounce_words import (
    BLOCKED,
    DAEMON,
    DELAYED,
    FAILURE_SUBJECT,
    FULL,
    HARD,
    MACHINE,
    POLICY,
    QUOTE_STARTS,
    REPLY_SUBJECT,
    SOFT,
    TOLD,
)
from inbox.parse import ParsedMail
from inbox.quote_words import FORWARD
from inbox.report_parts import Fields, text_groups
from store.vocabulary import BounceKind

_ENHANCED = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.])")
_SMTP = re.compile(
    r"(?:^|[:;#\"'(<>\[=*]|\b(?:said|reply|error|code|response|status|smtp|with|returned|was|is))[ \t]{0,3}([45][0-5]\d)(?=[ \t-]|$|[,;:.)\]])",
    re.IGNORECASE | re.MULTILINE,
)  # fmt: skip
_NOT_FAILED = frozenset(("delivered", "relayed", "expanded"))
_PERSONAL = re.compile(
    r"(?:^|\s)(?:(?-i:I)|i['’]m|i['’]ve|i['’]ll|my|hi|hello|hey|dear|hallo|guten|sehr geehrte|ich|mein\w{0,2}|bonjour|je|mon|hola|buenos|ciao|buongiorno|salve|beste|geachte|ik|olá|oi|caro)[\s,!]",
    re.IGNORECASE,
)  # fmt: skip
_ALONE = re.compile(r"^[\s>*\"'<\[(=-]{0,12}[^\s@<>]{1,64}@[^\s@<>]{1,250}[\s>\"')\].:,=-]{0,12}$", re.MULTILINE)
_YOURS = re.compile(
    r"\b(?:your|ihre|votre|su|tu|il (?:suo|tuo)|uw|je|sua|seu) (?:e-?mail|mail|message|nachricht|courriel|mensaje|correo|messaggio|bericht|mensagem)\b|您的|ваш",
    re.IGNORECASE,
)  # fmt: skip
_FOR_GOOD = re.compile(
    r"(?<!fails )(?<!non-)(?:permanent|fatal)(?:ly)?\b|failed 20 attempts|undeliverable to", re.IGNORECASE
)


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
    return _from_groups(mail, mail.delivery_status, standard=True)


def _from_groups(mail: ParsedMail, groups: Sequence[Fields], *, standard: bool) -> BounceReport | None:
    failed: list[FailedRecipient] = []
    delayed: list[FailedRecipient] = []
    settled = 0
    for group in groups:
        fields = dict(reversed(group))
        address = _typed(fields.get("original-recipient", "")) or _typed(fields.get("final-recipient", ""))
        action, status = _action(fields), fields.get("status", "")
        if not (address or action) or not (action or status):
            continue
        if action in _NOT_FAILED or (not action and status.startswith("2")):
            settled += 1
            continue
        diagnostic = fields.get("diagnostic-code", "").partition(";")[2].strip() or fields.get("diagnostic-code", "")
        found = FailedRecipient(address, _code(status, f"{diagnostic} {status}"), diagnostic)
        (delayed if action == "delayed" else failed).append(found)
    if not failed and not delayed:
        return None if settled else _from_text(mail, standard=standard)
    chosen = _named(failed or delayed, mail)
    if not failed:
        return BounceReport(BounceKind.DELAYED, chosen, original_id(mail), standard=standard)
    words = f"{failed[0].diagnostic} {_status_words(groups)}"
    kind = classify_failure(failed[0].code, words)
    if failed[0].code in ("", "5.0.0") or (kind == BounceKind.HARD and not HARD.search(words)):
        kind = _by_words(f"{words} {own_words(mail)[:4000]}" if not failed[0].diagnostic else words) or kind
    return BounceReport(kind, chosen, original_id(mail), standard=standard)


def _action(fields: dict[str, str]) -> str:
    return fields.get("action", "").split("(")[0].split(";")[0].strip().lower()


def _status_words(groups: Sequence[Fields]) -> str:
    return " ".join(value[5:] for group in groups for name, value in group if name == "status")


def _named(found: Sequence[FailedRecipient], mail: ParsedMail) -> tuple[FailedRecipient, ...]:
    """Return each address once; where the fields name none, the text or the returned original may."""
    named = {one.address: one for one in reversed(found) if one.address}
    if named:
        return tuple(named.values())[::-1]
    first = found[0]
    return tuple(FailedRecipient(one, first.code, first.diagnostic) for one in _text_addresses(own_words(mail), mail))


def settled_only(mail: ParsedMail) -> bool:
    """Tell whether a delivery report says only that the message was delivered, relayed or expanded."""
    actions = [_action(dict(group)) for group in mail.delivery_status if "action" in dict(group)]
    return bool(actions) and all(action in _NOT_FAILED for action in actions)


def read_text_bounce(mail: ParsedMail) -> BounceReport | None:
    """Read a bounce without a delivery-status part; None when the message does not look like one."""
    if not mail.all("x-failed-recipients") and not looks_automatic(mail):
        return None
    own = own_words(mail)
    if re.search(r"(?im)^final-recipient:", own):
        groups = list(text_groups(own))
        if any("final-recipient" in dict(group) and _action(dict(group)) for group in groups):
            return _from_groups(mail, [group for group in groups if "final-recipient" in dict(group)], standard=False)
    return _from_text(mail, standard=False)


def is_daemon(mail: ParsedMail) -> bool:
    """Tell whether the sender is a mail system by its name."""
    sender = mail.from_address or mail.get("from").lower()
    name = f"{mail.from_name} {sender}" if '"' in sender else mail.from_name
    by_name = re.search(
        r"(?i)system administrator|mail(?:er)? (?:delivery|daemon)|mailer-daemon|postmaster|microsoft outlook$", name
    )
    return bool(DAEMON.match(sender) or by_name) or "@" not in sender


def looks_automatic(mail: ParsedMail) -> bool:
    """Tell whether sender and subject are those of a mail system that reports a failure."""
    own = own_words(mail)
    head = own[:2500]
    failure = bool(FAILURE_SUBJECT.search(mail.subject) or (is_daemon(mail) and DELAYED.search(mail.subject)))
    told = bool(TOLD.search(head) or (is_daemon(mail) and DELAYED.search(head)))
    answers = bool(REPLY_SUBJECT.match(mail.subject))
    if re.match(r"mailer[-_.]?daemon|mail-?daemon|mdaemon", mail.from_address):
        return failure or told or _addresses_or_codes(head, mail)
    if is_daemon(mail):
        certain = mail.return_path == "" or not re.match(r"(?:post-?master|root|system)", mail.from_address)
        if answers and not (certain and told and (failure or HARD.search(head))):
            return False
        return (failure and (told or not _PERSONAL.search(head[:200]))) or (told and _addresses_or_codes(head, mail))
    if FORWARD.search(mail.text[:4000]) or _PERSONAL.search(head[:400]):
        return False
    named = _ALONE.search(head) is not None
    if mail.return_path == "":
        ours = _addresses_or_codes(head, mail) or _YOURS.search(head)
        return told and not answers and (named or (failure and bool(ours)))
    machine = bool(MACHINE.search(f"{mail.from_address.partition('@')[0]} {mail.from_name}"))
    coded = bool(_ENHANCED.search(head) or _SMTP.search(head)) and bool(failed_addresses(head, mail))
    known = named or coded or "non-delivery report" in head.lower()
    if machine and not answers:
        known = known or bool(failed_addresses(head, mail))
    return failure and told and known and (machine or not answers)


def _addresses_or_codes(head: str, mail: ParsedMail) -> bool:
    return bool(failed_addresses(head, mail) or _ENHANCED.search(head) or HARD.search(head) or FULL.search(head))


def _from_text(mail: ParsedMail, *, standard: bool) -> BounceReport | None:
    text = own_words(mail)
    flat = " ".join(text.split())
    named = [
        address.strip().strip("<>").lower() for value in mail.all("x-failed-recipients") for address in value.split(",")
    ]
    addresses = [one for one in named if "@" in one] or _text_addresses(text, mail)
    first = _line_with(flat, addresses[0]) if addresses else ""
    code = _code("", first) or _code("", text)
    recipients = tuple(
        FailedRecipient(address, _code("", _line_with(flat, address)) or code, _line_with(flat, address))
        for address in dict.fromkeys(addresses)
    )
    for_good = _FOR_GOOD.search(flat[:3000])
    if DELAYED.search(f"{mail.subject}\n{flat[:3000]}") and not code.startswith("5") and not for_good:
        return BounceReport(BounceKind.DELAYED, recipients, original_id(mail), standard=standard)
    words = f"{flat[:4000]} {mail.subject}"
    kind = classify_failure(code, f"{first} {flat[:2000]}") if code else _by_words(words)
    if kind in (None, BounceKind.SOFT) and not code and for_good and not SOFT.search(words):
        kind = BounceKind.HARD
    return BounceReport(kind or BounceKind.SOFT, recipients, original_id(mail), kind is not None, standard)


def _text_addresses(text: str, mail: ParsedMail) -> tuple[str, ...]:
    found = failed_addresses(text, mail)
    if found:
        return found
    original_to = [value for name, value in mail.returned_headers if name == "to"]
    named = {one.lower() for value in original_to for one in ADDRESS.findall(value)}
    return tuple(named) if len(named) == 1 else ()


def own_words(mail: ParsedMail) -> str:
    """Return what the mail system itself wrote: the text before the returned original."""
    text = mail.text[:30_000]
    cut = QUOTE_STARTS.search(text, min(40, len(text)))
    return text[: cut.start()] if cut else text


def _line_with(flat: str, address: str) -> str:
    at = flat.lower().find(address)
    return flat[max(0, at) : at + 400] if at >= 0 else ""


def classify_failure(code: str, words: str) -> BounceKind:
    """Return what an enhanced (RFC 3463) or SMTP code means for the address, refined by the server's words."""
    said = " ".join(words[:3000].split())
    klass, detail = code.split(".")[1:] if code.count(".") == 2 else ("", "")
    size = code in ("5.2.3", "5.3.4", "552") and re.search(r"(?i)too (?:large|big)|size|length", said)
    if code in ("5.2.2", "4.2.2") or (FULL.search(said) and code != "5.1.1" and not size):
        return BounceKind.FULL
    if code.startswith("4"):
        return BounceKind.SOFT
    if size or code in ("5.2.3", "5.3.4") or klass == "6":
        return BounceKind.POLICY
    if BLOCKED.search(said) and klass != "1":
        return BounceKind.BLOCKED
    if klass == "7" or code in ("5.1.7", "5.1.8"):
        hard = detail in ("13", "17") or (HARD.search(said) and not POLICY.search(said))
        return BounceKind.HARD if hard else BounceKind.POLICY
    if code in ("5.4.7", "5.4.300", "5.4.5"):
        return BounceKind.SOFT
    if klass in ("1", "2", "4") or code in ("550", "551", "553", "556"):
        policy = klass not in ("1",) and POLICY.search(said) and not HARD.search(said)
        return BounceKind.POLICY if policy else BounceKind.HARD
    return _by_words(said) or (BounceKind.HARD if code.startswith("5") else BounceKind.SOFT)


def _by_words(words: str) -> BounceKind | None:
    text = " ".join(words[:6000].split())
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
    better = [one for one in _ENHANCED.findall(words[:3000]) if one[0] in "45" and one not in ("5.0.0", "4.0.0")]
    smtp = _SMTP.search(words[:3000])
    return next(iter(better), "") or (smtp[1] if smtp else "") or (found[1] if found else "")


def _typed(value: str) -> str:
    kind, _, text = value.rpartition(";")
    if kind.strip().lower() == "x400":
        return ""
    found = ADDRESS.search(text.strip().strip("<>"))
    masked = found is None or "..." in found[0]  # archives shorten addresses; nobody is reached there
    return "" if masked or found is None else found[0].lower()


def original_id(mail: ParsedMail) -> str:
    """Return the Message-ID of the returned original, empty when it was not returned."""
    return next(_original_ids(mail), "")


def _original_ids(mail: ParsedMail) -> Iterator[str]:
    values = [value for name, value in mail.returned_headers if name == "message-id"]
    values += [value for group in mail.delivery_status for name, value in group if name in ("original-message-id", "x-original-message-id")]  # fmt: skip
    values += re.findall(r"(?im)^[>| \t]{0,10}message-id:\s{0,4}(<[^<>\s]{1,900}>)", mail.text[:60_000])
    values += [*mail.in_reply_to, *mail.references[-1:]]
    yield from (found[0] for value in values if (found := re.search(r"<[^<>\s]{1,900}>", value)))
