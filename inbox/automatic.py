"""What does a message prove before any model is asked? Evidence in the order of the label guideline, first match wins.

Complaint reports, delivery status, one-click mail, automatic replies, texts of mail systems, invitations. Evidence from
headers decides; words alone only ever add tags.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass

from inbox.automatic_words import (
    ABSENCE_HINT,
    ABSENCE_SUBJECT,
    ABSENCE_TEXT,
    CHALLENGE_STEP,
    CHALLENGE_TEXT,
    HELP_DESK,
    LEFT_TEXT,
    LIST_BOX,
    LIST_SUBJECT,
    OPT_OUT_ALONE,
    OPT_OUT_BOX,
    TICKET_MADE,
    TICKET_SUBJECT,
    TICKET_TEXT,
)
from inbox.bounce_words import FAILURE_SUBJECT, REPLY_SUBJECT, TOLD
from inbox.bounces import BounceReport, is_daemon, own_words, read_dsn, read_text_bounce, settled_only
from inbox.parse import ParsedMail
from inbox.sealed import PKCS7
from store.vocabulary import BounceKind, Label, Tag

_COMPLAINT_SENDER = re.compile(
    r"^(?:staff@(?:hotmail|outlook|live)\.com|scomp@aol\.net|.{0,60}fbl.{0,60}@.{1,80}|feedback-?loop.{0,40}@.{1,80}|complaints?@.{1,80}|"
    r"(?:abuse|spam)-?(?:reports?|complaints?)?@.{1,80}|.{1,80}@(?:reports|admin)\.spamcop\.net|feedback@.{1,80}|postmaster@.{1,80})$"
)  # fmt: skip
_COMPLAINT_SUBJECT = re.compile(
    r"complaint about message from|email feedback report|\babuse report\b|\bspam (?:complaint|report|feedback)|\bfbl\b|\[spamcop|feedback[- ]?loop|"
    r"(?:client|e-?mail) tos notification|spam-?(?:beschwerde|meldung)|жалоба на спам",
    re.IGNORECASE,
)  # fmt: skip
_NO_COMPLAINT = frozenset(("not-spam", "auth-failure", "dkim", "policy", "dmarc"))
_TEXT = 6_000
PGP, PROTECTED = "application/pgp-encrypted", "application/x-microsoft-rpmsg-message"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the message itself proves; without a label the model decides."""

    label: Label | None = None
    name: str = ""
    why: str = ""
    tags: frozenset[Tag] = frozenset()
    bounce: BounceReport | None = None
    notice: bool = False  #: a machine's notice that calls for nothing: delivered, read, not spam


def find_evidence(mail: ParsedMail, *, own_addresses: Collection[str] = ()) -> Evidence:
    """Return the first evidence that decides, in the order of the label guideline."""
    return (
        _domain_report(mail)
        or _complaint(mail)
        or _delivery_status(mail)
        or _one_click(mail, own_addresses)
        or _rejected(mail)
        or _automatic_reply(mail)
        or _text_bounce(mail)
        or _read_receipt(mail)
        or _unreadable(mail)
        or _bulk(mail)
        or Evidence(tags=_human_tags(mail))
    )


def _domain_report(mail: ParsedMail) -> Evidence | None:
    """Recognise a DMARC or TLS report: mail from machines to machines."""
    if not mail.report:
        return None
    return Evidence(Label.OTHER, "domain-report", "a report on mail in our name (DMARC, TLS)", notice=True)


def _complaint(mail: ParsedMail) -> Evidence | None:
    fields = dict(mail.feedback)
    kind = fields.get("feedback-type", "").strip().lower()
    report = bool(mail.feedback) or mail.report_type == "feedback-report"
    if report and kind in _NO_COMPLAINT:
        return Evidence(Label.OTHER, f"arf-{kind}", f"a feedback report that is no complaint ({kind})", notice=True)
    if report and kind.startswith("opt-out"):
        return _stop("arf", "a provider's opt-out report (ARF)", set())
    if report:
        return _stop("arf", f"a complaint report (ARF, {kind or 'abuse'})", {Tag.COMPLAINT})
    returned = dict(mail.returned_headers)
    loop = any(
        name in returned or mail.all(name) for name in ("x-hmxmroriginalrecipient", "x-aol-inrly", "x-loop-scomp")
    )
    loop = loop or mail.get("x-loop").lower() == "scomp" or bool(mail.all("x-spamcop-sourceip"))
    sender = bool(_COMPLAINT_SENDER.match(mail.from_address)) and bool(_COMPLAINT_SUBJECT.search(mail.subject))
    carries = "message/rfc822" in mail.attachments or "text/rfc822-headers" in mail.attachments
    if loop or (sender and not REPLY_SUBJECT.match(mail.subject) and (carries or not mail.in_reply_to)):
        return _stop("complaint", "a provider's complaint report", {Tag.COMPLAINT})
    return None


def _stop(name: str, why: str, tags: set[Tag]) -> Evidence:
    return Evidence(Label.UNSUBSCRIBE, name, why, frozenset(tags))


def _delivery_status(mail: ParsedMail) -> Evidence | None:
    if not mail.delivery_status:
        return None
    written_by_a_person = (
        mail.content_type != "multipart/report" and mail.return_path != "" and not is_daemon(mail)
        and (REPLY_SUBJECT.match(mail.subject) or not (FAILURE_SUBJECT.search(mail.subject) or TOLD.search(mail.text[:2000])))
    )  # fmt: skip
    if written_by_a_person:
        return None  # somebody attached a report
    report = read_dsn(mail)
    if report is not None and report.recipients:
        return _bounced("dsn", report)
    if settled_only(mail):
        why = "a delivery report that says the message arrived or was passed on"
        return Evidence(Label.OTHER, "dsn-delivered", why, notice=True)
    return _bounced("dsn", report) if report is not None else None


def _bounced(name: str, report: BounceReport) -> Evidence:
    first = report.recipients[0] if report.recipients else None
    said = f"{first.address} {first.code}".strip() if first else "no recipient named"
    delayed = "delivery is delayed" if report.kind == BounceKind.DELAYED else f"not delivered ({report.kind})"
    return Evidence(Label.BOUNCE, name, f"{delayed}: {said}", bounce=report)


def _one_click(mail: ParsedMail, own_addresses: Collection[str]) -> Evidence | None:
    if mail.all("x-apple-unsubscribe"):
        return _stop("apple-unsubscribe", "the mail program's unsubscribe button", set())
    names = [address.partition("@")[0] for address in (*mail.to, *mail.delivered_to)]
    if any(OPT_OUT_BOX.match(name) for name in names):
        return _stop("one-click", "mail to the List-Unsubscribe address", set())
    bare = not mail.text.strip() or OPT_OUT_ALONE.match(mail.text.strip()[:200])
    ours = not own_addresses or any(one in own_addresses for one in mail.to)
    if OPT_OUT_ALONE.match(mail.subject[:200]) and bare and ours and not mail.attachments:
        return _stop("one-click", "the mail program's unsubscribe message", set())
    return None


def _rejected(mail: ParsedMail) -> Evidence | None:
    """Recognise a filter's refusal in the shape of a read receipt (Sieve reject, RFC 5429)."""
    refused = re.search(
        r"reject|refus|quota|denied|failed", f"{mail.disposition} {mail.text[:600]} {mail.subject}", re.I
    )
    if mail.disposition and refused and "automatic-action" in mail.disposition and "displayed" not in mail.disposition:
        report = read_text_bounce(mail)
        return _bounced("rejected", report) if report is not None else None
    return None


def _automatic_reply(mail: ParsedMail) -> Evidence | None:
    submitted = mail.get("auto-submitted").partition(";")[0].split("(")[0].strip().lower()
    precedence = mail.get("precedence").strip().lower()
    autoreply = (
        "x-autoreply",
        "x-autorespond",
        "x-autoreply-from",
        "x-autoresponder",
        "x-vacation",
        "x-mail-autoreply",
    )
    declared = next((value for name in autoreply for value in mail.all(name)), "no").strip().lower()
    auto = submitted not in ("", "no")
    marks = (
        ("auto-submitted", auto, f"Auto-Submitted: {submitted}"),
        ("auto-reply", declared not in ("no", "false", "0"), "X-Autoreply"),
        ("vacation", mail.get("x-apple-action").upper() == "VACATION", "X-Apple-Action: VACATION"),
        ("precedence", precedence in ("auto_reply", "auto-reply", "autoreply"), "Precedence: auto_reply"),
        ("auto-subject", _absent_by_subject(mail), "the subject of an automatic reply"),
        ("ticket", _is_ticket(mail), "a help desk's confirmation"),
        ("list", _is_list_manager(mail), "a mailing list's manager"),
        ("challenge", _is_challenge(mail), "a filter that wants us to prove we are people"),
    )
    name, why = next(((name, why) for name, holds, why in marks if holds), ("", ""))
    if not name or _reports_failure(mail) or (mail.disposition and name == "auto-submitted"):
        return None
    return Evidence(Label.OUT_OF_OFFICE, name, f"an automatic reply: {why}", _automatic_tags(mail))


def _absent_by_subject(mail: ParsedMail) -> bool:
    """Tell whether the subject is that of an absence note; a mere hint counts when the text speaks of absence too."""
    if ABSENCE_SUBJECT.match(mail.subject):
        return not REPLY_SUBJECT.match(mail.subject) or bool(ABSENCE_TEXT.search(mail.text[:1500]))
    return bool(ABSENCE_HINT.match(mail.subject) and ABSENCE_TEXT.search(mail.text[:1500]))


def _reports_failure(mail: ParsedMail) -> bool:
    """Tell whether an automatic message is a mail system's failure report rather than an absence note."""
    own = own_words(mail)[:1500]
    if ABSENCE_SUBJECT.match(mail.subject) or ABSENCE_HINT.match(mail.subject) or ABSENCE_TEXT.search(own):
        return False
    if mail.all("x-failed-recipients"):
        return True
    failure = FAILURE_SUBJECT.search(mail.subject) and TOLD.search(own)
    return bool(is_daemon(mail) or failure) and read_text_bounce(mail) is not None


def _is_ticket(mail: ParsedMail) -> bool:
    """Tell whether a help desk answered: a number, and its set phrases in subject or text."""
    machine = bool(mail.get("x-auto-response-suppress") or mail.get("precedence") or HELP_DESK.match(mail.from_address))
    text = " ".join(mail.text[:_TEXT].split())
    return machine and bool(
        TICKET_TEXT.search(text) and (TICKET_SUBJECT.search(mail.subject) or TICKET_MADE.search(text))
    )


def _is_list_manager(mail: ParsedMail) -> bool:
    """Tell whether a mailing list's manager answers: results of commands, subscriptions to confirm."""
    manager = LIST_BOX.match(mail.from_address) or any(mail.all(name) for name in ("x-mailman-version", "x-beenthere", "list-id"))  # fmt: skip
    return bool(manager and LIST_SUBJECT.search(mail.subject))


def _is_challenge(mail: ParsedMail) -> bool:
    text = " ".join(mail.text[:1500].split())
    return bool(CHALLENGE_TEXT.search(text) and CHALLENGE_STEP.search(text))


def _automatic_tags(mail: ParsedMail) -> frozenset[Tag]:
    text = mail.text[:_TEXT]
    tags: set[Tag] = set()
    if LEFT_TEXT.search(text):
        tags.add(Tag.LEFT_COMPANY)
    absent = ABSENCE_TEXT.search(text) or ABSENCE_SUBJECT.match(mail.subject)
    ticket = TICKET_SUBJECT.search(mail.subject) or TICKET_TEXT.search(text)
    machine = ticket or _is_challenge(mail) or _is_list_manager(mail)
    if not absent and not tags and machine:
        tags.add(Tag.TICKET_ACK)
    return frozenset(tags)


def _text_bounce(mail: ParsedMail) -> Evidence | None:
    report = read_text_bounce(mail)
    return _bounced("mailer-daemon", report) if report is not None else None


def _read_receipt(mail: ParsedMail) -> Evidence | None:
    if not mail.disposition:
        return None
    return Evidence(
        Label.OTHER, "read-receipt", f"a read receipt ({mail.disposition.rpartition(';')[2].strip()})", notice=True
    )


def _unreadable(mail: ParsedMail) -> Evidence | None:
    """Recognise an encrypted message; a footer or a portal's "read it here" beside it says nothing."""
    whole = mail.content_type in ("multipart/encrypted", *PKCS7) or PROTECTED in mail.attachments
    if not (whole or not mail.text.strip()) or not {PGP, PROTECTED, *PKCS7} & set(mail.attachments):
        return None
    return Evidence(Label.OTHER, "encrypted", "an encrypted message: only its reader can open it")


def _bulk(mail: ParsedMail) -> Evidence | None:
    """Recognise a newsletter: its footer speaks of unsubscribing, and it answers nobody."""
    answers = mail.in_reply_to or mail.references or REPLY_SUBJECT.match(mail.subject)
    if answers or not mail.all("list-unsubscribe"):
        return None
    return Evidence(Label.OTHER, "bulk", "a newsletter: it has a List-Unsubscribe header and answers nothing")


def _human_tags(mail: ParsedMail) -> frozenset[Tag]:
    return frozenset({Tag.LEFT_COMPANY}) if LEFT_TEXT.search(mail.text[:600]) else frozenset()


def answers_invitation(mail: ParsedMail) -> tuple[Label, str] | None:
    """Return what the answer to a calendar invitation means, when the message carries one (RFC 5546)."""
    calendar = re.sub(r"\r?\n[ \t]", "", mail.calendar)
    named = re.search(r"(?im)^METHOD:[ \t]{0,3}(\w{1,20})", calendar)
    answered = re.search(r"(?i)PARTSTAT=\"?(ACCEPTED|TENTATIVE|DECLINED)", calendar)
    method, answer = (named[1].upper() if named else ""), (answered[1].upper() if answered else "")
    if method == "COUNTER" or (method == "REPLY" and answer in ("ACCEPTED", "TENTATIVE")):
        return Label.INTERESTED, "accepted an invitation or proposed another time"
    if method == "REQUEST":
        return Label.INTERESTED, "invites us to a meeting"
    if method == "CANCEL" or (method == "REPLY" and answer == "DECLINED"):
        return Label.OTHER, "declined an invitation or called a meeting off"
    return None
