"""What does a message prove before any model is asked? Evidence in the order of the label guideline, first match wins.

Complaint reports, delivery status, one-click mail, automatic replies, texts of mail systems. Evidence from headers
decides; words alone only ever add tags.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass

from inbox.automatic_words import ABSENCE_SUBJECT, ABSENCE_TEXT, LEFT_TEXT, TICKET_SUBJECT, TICKET_TEXT
from inbox.bounces import BounceReport, read_dsn, read_text_bounce, settled_only
from inbox.parse import ParsedMail
from store.vocabulary import BounceKind, Label, Tag

_COMPLAINT_SENDER = re.compile(
    r"^(?:staff@hotmail\.com|scomp@aol\.net|fbl-no-reply@.{1,80}|feedbackloop@.{1,80}|complaints?@.{1,80}|abuse-?reports?@.{1,80})$"
)
_COMPLAINT_SUBJECT = re.compile(
    r"\b(?:complaint about message from|abuse report|spam (?:complaint|report)|fbl)\b", re.IGNORECASE
)
_OPT_OUT_WORDS = re.compile(
    r"^\s*(?:unsubscribe|stop|remove|abmelden|désinscription|baja|cancella|afmelden|remover)\s*$", re.IGNORECASE
)
_TEXT = 6_000


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the message itself proves; without a label the model decides."""

    label: Label | None = None
    name: str = ""
    why: str = ""
    tags: frozenset[Tag] = frozenset()
    bounce: BounceReport | None = None


def find_evidence(mail: ParsedMail, *, own_addresses: Collection[str] = ()) -> Evidence:
    """Return the first evidence that decides, in the order of the label guideline."""
    return (
        _complaint(mail)
        or _delivery_status(mail)
        or _one_click(mail, own_addresses)
        or _automatic_reply(mail)
        or _text_bounce(mail)
        or Evidence(tags=_human_tags(mail))
    )


def _complaint(mail: ParsedMail) -> Evidence | None:
    fields = dict(mail.feedback)
    kind = fields.get("feedback-type", "").lower()
    if mail.feedback and kind != "not-spam":
        return _stop("arf", f"a complaint report (ARF, {kind or 'abuse'})", {Tag.COMPLAINT})
    if mail.report_type == "feedback-report" and kind != "not-spam":
        return _stop("arf", "a complaint report (ARF)", {Tag.COMPLAINT})
    loop = mail.get("x-hmxmroriginalrecipient") or mail.get("x-loop").lower() == "scomp"
    sender = bool(_COMPLAINT_SENDER.match(mail.from_address)) and bool(_COMPLAINT_SUBJECT.search(mail.subject))
    if loop or sender:
        return _stop("complaint", "a provider's complaint report", {Tag.COMPLAINT})
    return None


def _stop(name: str, why: str, tags: set[Tag]) -> Evidence:
    return Evidence(Label.UNSUBSCRIBE, name, why, frozenset(tags))


def _delivery_status(mail: ParsedMail) -> Evidence | None:
    if not mail.delivery_status:
        return None
    report = read_dsn(mail)
    if report is not None and report.recipients:
        return _bounced("dsn", report)
    if settled_only(mail):
        why = "a delivery report that says the message arrived or was passed on"
        return Evidence(Label.OTHER, "dsn-delivered", why)
    return _bounced("dsn", report) if report is not None else None


def _bounced(name: str, report: BounceReport) -> Evidence:
    first = report.recipients[0] if report.recipients else None
    said = f"{first.address} {first.code}".strip() if first else "no recipient named"
    delayed = "delivery is delayed" if report.kind == BounceKind.DELAYED else f"not delivered ({report.kind})"
    return Evidence(Label.BOUNCE, name, f"{delayed}: {said}", bounce=report)


def _one_click(mail: ParsedMail, own_addresses: Collection[str]) -> Evidence | None:
    if mail.all("x-apple-unsubscribe"):
        return _stop("apple-unsubscribe", "the mail program's unsubscribe button", set())
    names = {address.partition("@")[0] for address in (*mail.to, *mail.delivered_to)}
    to_list = any(re.match(r"(?:unsubscribe|unsub|abmelden|optout|opt-out)(?:\+|$)", name) for name in names)
    if to_list:
        return _stop("one-click", "mail to the List-Unsubscribe address", set())
    bare = not mail.text.strip() or _OPT_OUT_WORDS.match(mail.text.strip())
    if mail.subject.strip().lower() == "unsubscribe" and bare and any(one in own_addresses for one in mail.to):
        return _stop("one-click", "the mail program's unsubscribe message", set())
    return None


def _automatic_reply(mail: ParsedMail) -> Evidence | None:
    submitted = mail.get("auto-submitted").partition(";")[0].split("(")[0].strip().lower()
    bulk = mail.get("precedence").strip().lower() in ("auto_reply", "auto-reply")
    marks = (
        (
            submitted.startswith("auto-") and not (mail.delivery_status or _reports_failure(mail)),
            f"Auto-Submitted: {submitted}",
        ),
        (bool(mail.all("x-autoreply") or mail.all("x-autorespond") or mail.all("x-autoreply-from")), "X-Autoreply"),
        (mail.get("x-apple-action").upper() == "VACATION", "X-Apple-Action: VACATION"),
        (bulk, "Precedence: auto_reply"),
        (bool(ABSENCE_SUBJECT.search(mail.subject)), "the subject of an automatic reply"),
        (_is_ticket(mail), "a help desk's confirmation"),
    )
    name, why = next(((f"auto-{number}", why) for number, (holds, why) in enumerate(marks) if holds), ("", ""))
    if not why:
        return None
    names = ("auto-submitted", "auto-reply", "vacation", "precedence", "auto-subject", "ticket")
    return Evidence(Label.OUT_OF_OFFICE, names[int(name[5:])], f"an automatic reply: {why}", _automatic_tags(mail))


def _reports_failure(mail: ParsedMail) -> bool:
    """Tell whether an automatic message is a mail system's failure report rather than an absence note."""
    if ABSENCE_SUBJECT.search(mail.subject) or ABSENCE_TEXT.search(mail.text[:1500]):
        return False
    return read_text_bounce(mail) is not None


def _is_ticket(mail: ParsedMail) -> bool:
    """Tell whether a help desk answered: its number in the subject and its set phrases in the text."""
    machine = bool(mail.get("x-auto-response-suppress") or mail.get("precedence")) or re.match(
        r"(?:no-?reply|do-?not-?reply|support|helpdesk|service|tickets?)", mail.from_address
    )
    return bool(TICKET_SUBJECT.search(mail.subject) and TICKET_TEXT.search(mail.text[:_TEXT]) and machine)


def _automatic_tags(mail: ParsedMail) -> frozenset[Tag]:
    text = mail.text[:_TEXT]
    tags: set[Tag] = set()
    if LEFT_TEXT.search(text):
        tags.add(Tag.LEFT_COMPANY)
    absent = ABSENCE_TEXT.search(text) or ABSENCE_SUBJECT.search(mail.subject)
    if not absent and not tags and (TICKET_SUBJECT.search(mail.subject) or TICKET_TEXT.search(text)):
        tags.add(Tag.TICKET_ACK)
    return frozenset(tags)


def _text_bounce(mail: ParsedMail) -> Evidence | None:
    report = read_text_bounce(mail)
    return _bounced("mailer-daemon", report) if report is not None else None


def _human_tags(mail: ParsedMail) -> frozenset[Tag]:
    return frozenset({Tag.LEFT_COMPANY}) if LEFT_TEXT.search(mail.text[:600]) else frozenset()
