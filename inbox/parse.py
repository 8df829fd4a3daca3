"""What does a raw message say? Read under caps; whatever the bytes are, the answer is a ParsedMail or ParseRefused.

Caps come before parsing: the standard parser recurses into nested messages, asks every open multipart about every
line, and takes hundreds of megabytes for one long header. Charsets may be wrong, missing or unknown; that is no error.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.message import Message
from email.parser import BytesParser
from email.policy import compat32
from email.utils import getaddresses, parsedate_to_datetime

from deliverability.reports import dump, read_report
from inbox.bounce_words import REPLY_SUBJECT
from inbox.charsets import clean, decode_bytes, decode_words
from inbox.html_text import html_to_text
from inbox.report_parts import field_groups, returned_headers
from inbox.sealed import PKCS7, signed_content, unarmored
from inbox.tnef import read_tnef
from store.errors import ParseRefused

LARGEST = 30 * 1024 * 1024
HEADER_BYTES = 256 * 1024
LONGEST_HEADER = 64 * 1024
MOST_PARTS = 200
MOST_BOUNDARIES = 2_000
MOST_LINES = 1_000_000
MOST_GROUPS = 20_000  # of a status report; the standard parser makes a message of each
MOST_LINE_CHECKS = 20_000_000  # lines x nested containers: what the standard parser may do
DEEPEST = 12
LONGEST_TEXT = 200_000  # characters of body text that are looked at
_ID = re.compile(r"<[^<>\s]{1,900}>")
_NESTED = re.compile(rb"(?im)^content-type:[ \t]*(?:message/|multipart/)")
_DELIVERY_STATUS = ("message/delivery-status", "message/global-delivery-status")
_RETURNED = (
    "message/rfc822", "message/rfc822-headers", "text/rfc822-headers", "message/global", "message/global-headers"
)  # fmt: skip
_BROKEN = (AssertionError, AttributeError, IndexError, KeyError, LookupError, TypeError, ValueError)


@dataclass(frozen=True, slots=True)
class ParsedMail:
    """A message as the rest of the room reads it."""

    message_id: str = ""
    in_reply_to: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    from_address: str = ""
    from_name: str = ""
    return_path: str | None = None  #: None: no header; empty: the null path of automatic mail
    to: tuple[str, ...] = ()
    cc: tuple[str, ...] = ()
    delivered_to: tuple[str, ...] = ()
    subject: str = ""
    date: datetime | None = None
    headers: tuple[tuple[str, str], ...] = ()  #: names in lower case, values decoded, in order
    text: str = ""  #: the body for people: plain part, else the HTML as text
    html: str = ""
    content_type: str = "text/plain"
    report_type: str = ""
    delivery_status: tuple[tuple[tuple[str, str], ...], ...] = ()  #: field groups of message/delivery-status parts
    feedback: tuple[tuple[str, str], ...] = ()  #: fields of a message/feedback-report part
    returned_headers: tuple[tuple[str, str], ...] = ()  #: of the returned original, names in lower case
    attachments: tuple[str, ...] = ()  #: content types of what is not body text
    calendar: str = ""  #: text of a text/calendar part
    disposition: str = ""  #: of a read receipt (RFC 8098), such as `manual-action/MDN-sent-manually; displayed`
    report: str = ""  #: of a report on our domains: what it says, as `deliverability.reports.dump` writes it

    def all(self, name: str) -> tuple[str, ...]:
        """Return every value of a header, in order."""
        wanted = name.lower()
        return tuple(value for key, value in self.headers if key == wanted)

    def get(self, name: str) -> str:
        """Return the first value of a header, empty when there is none."""
        return next(iter(self.all(name)), "")


@dataclass(slots=True)
class _Found:
    bodies: dict[int, dict[str, list[str]]] = field(default_factory=dict)  #: by group of alternatives
    attached: list[str] = field(default_factory=list)  #: text attachments, used when there is no other text
    status: list[tuple[tuple[str, str], ...]] = field(default_factory=list)
    feedback: list[tuple[str, str]] = field(default_factory=list)
    returned: list[tuple[str, str]] = field(default_factory=list)
    attachments: list[str] = field(default_factory=list)
    calendar: str = ""
    disposition: str = ""


def parse_mail(raw: bytes, *, largest: int = LARGEST) -> ParsedMail:
    """Read a message; raises ParseRefused with a reason slug when a cap is exceeded."""
    check_caps(raw, largest)
    try:
        message = BytesParser(policy=compat32).parsebytes(raw)
        headers = tuple(_headers(message))
        found = _Found()
        for part, depth, group in _walk(message):
            _take(part, depth, group, found)
        mail = _describe(message, headers, found)
        if mail.in_reply_to or REPLY_SUBJECT.match(mail.subject):
            return mail  # a person's answer, or a report that a person passes on
        report = read_report(
            message, subject=mail.subject, text=mail.text, feedback=mail.feedback, sender=mail.from_address
        )
    except (RecursionError, *_BROKEN) as broken:
        raise ParseRefused(f"unreadable-{type(broken).__name__.lower()}") from broken
    return replace(mail, report=dump(report))


def check_caps(raw: bytes, largest: int = LARGEST) -> None:
    """Raise ParseRefused when a message is too large, deep or many-parted to be parsed safely."""
    if len(raw) > largest:
        raise ParseRefused("too-large")
    end = min((at for at in (raw.find(b"\r\n\r\n"), raw.find(b"\n\n")) if at >= 0), default=len(raw))
    if end > HEADER_BYTES:
        raise ParseRefused("headers-too-large")
    if raw.count(b"\n--") > MOST_BOUNDARIES:
        raise ParseRefused("too-many-parts")
    containers = sum(1 for _ in zip(_NESTED.finditer(raw), range(MOST_PARTS + 1), strict=False))
    lines = raw.count(b"\n") + raw.count(b"\r")
    if containers > MOST_PARTS:
        raise ParseRefused("nested-too-deep")
    groups = raw.count(b"\n\n") + raw.count(b"\n\r\n")
    if groups > MOST_GROUPS and b"delivery-status" in raw.lower():
        raise ParseRefused("too-many-groups")
    if lines > 2 * MOST_LINES or lines * containers > MOST_LINE_CHECKS:
        raise ParseRefused("too-many-lines")


def _walk(message: Message) -> Iterator[tuple[Message, int, int]]:
    """Yield (part, depth, group): parts of one multipart/alternative share a group, others stand alone."""
    waiting, seen = [(message, 0, 0)], 0
    while waiting:
        part, depth, group = waiting.pop()
        seen += 1
        if seen > MOST_PARTS:
            raise ParseRefused("too-many-parts")
        if depth > DEEPEST:
            raise ParseRefused("nested-too-deep")
        if (signed := _inside_signature(part)) is not None:
            waiting.append((signed, depth + 1, group))
            continue
        yield part, depth, group or seen
        kind = part.get_content_type()
        if kind == "message/rfc822" and depth and (wrapped := _wrapped_report(message, part)):
            waiting.append((wrapped, depth + 1, 0))
        if part.is_multipart() and not kind.startswith("message/"):
            inner = group or (seen if kind == "multipart/alternative" else 0)
            children = [child for child in part.get_payload() if isinstance(child, Message)]
            waiting.extend((child, depth + 1, inner) for child in reversed(children))


def _inside_signature(part: Message) -> Message | None:
    """Return the message inside an opaque S/MIME signature, under the same caps as what holds it."""
    if part.get_content_type() not in PKCS7 and not _parameter(part, "name").endswith(".p7m"):
        return None
    content = signed_content(_payload(part))
    if content is None:
        return None
    check_caps(content)
    return BytesParser(policy=compat32).parsebytes(content)


def _wrapped_report(message: Message, part: Message) -> Message | None:
    """Return the report in a part when a gateway wrapped one and the same sender's report (to add a disclaimer)."""
    payload = part.get_payload()
    inner = payload[0] if isinstance(payload, list) and payload else None
    if isinstance(inner, Message) and inner.get_content_type() == "multipart/report" and inner["From"]:
        return inner if str(inner["From"]) == str(message["From"]) else None
    return None


def _take(part: Message, depth: int, group: int, found: _Found) -> None:
    kind = part.get_content_type()
    if kind in _DELIVERY_STATUS:
        found.status.extend(field_groups(part))
    elif kind == "message/feedback-report":
        found.feedback.extend(pair for fields in field_groups(part) for pair in fields)
    elif kind in ("message/disposition-notification", "message/global-disposition-notification"):
        fields = [pair for fields in field_groups(part) for pair in fields]
        found.disposition = found.disposition or dict(fields).get("disposition", "displayed").lower()
    elif kind in _RETURNED and depth:
        if not found.returned:  # the first is the original, others are what it carried
            found.returned.extend(returned_headers(part))
        found.attachments.append(kind)
    elif part.is_multipart():
        return
    elif kind in ("text/plain", "text/html") and not _is_attachment(part):
        text = part_text(part)
        text = _flowed(part, text) if kind == "text/plain" else text
        found.bodies.setdefault(group, {}).setdefault(kind, []).append(text)
    elif kind == "text/calendar":
        found.calendar = found.calendar or part_text(part)[:20_000]
    else:
        found.attachments.append(kind)
        if kind == "text/plain":
            found.attached.append(part_text(part))
        elif kind in ("application/ms-tnef", "application/vnd.ms-tnef"):
            packed = read_tnef(_payload(part))
            found.attached.append(packed.text)
            found.calendar = found.calendar or packed.calendar


def _is_attachment(part: Message) -> bool:
    return str(part.get("Content-Disposition", "")).strip().lower().startswith("attachment")


def _headers(message: Message) -> Iterator[tuple[str, str]]:
    for name, value in message.raw_items():
        text = str(value)
        if len(text) > LONGEST_HEADER:
            raise ParseRefused("header-too-long")
        yield name.lower(), decode_words(text)


def _payload(part: Message) -> bytes:
    try:
        payload = part.get_payload(decode=True)
    except _BROKEN:
        payload = None
    if isinstance(payload, bytes):
        return payload
    return str(part.get_payload()).encode("utf-8", "surrogateescape")


def part_text(part: Message) -> str:
    """Return the text of a part, at most four bytes a character of LONGEST_TEXT read."""
    try:
        charset = part.get_content_charset("") or ""
    except _BROKEN:
        charset = ""
    return clean(decode_bytes(_payload(part)[: LONGEST_TEXT * 4], charset))


def _flowed(part: Message, text: str) -> str:
    """Join the soft line breaks of format=flowed (RFC 3676)."""
    try:
        flowed = str(part.get_param("format", "")).lower() == "flowed"
        delsp = flowed and str(part.get_param("delsp", "")).lower() == "yes"
    except _BROKEN:
        return text
    if not flowed:
        return text
    lines: list[list[str]] = []
    soft = False
    for line in text.split("\n"):
        bare = line.rstrip("\r")
        unstuffed = bare[1:] if bare.startswith(" ") else bare
        quoted = unstuffed.startswith(">")
        if soft and lines and lines[-1][0].startswith(">") == quoted:
            lines[-1].append(unstuffed.lstrip("> ") if quoted else unstuffed)
        else:
            lines.append([unstuffed])
        soft = bare.endswith(" ") and bare != "-- "
        if soft and delsp:
            lines[-1][-1] = lines[-1][-1][:-1]
    return "\n".join("".join(pieces) for pieces in lines)


def _addresses(values: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    try:
        pairs = getaddresses([value[:8_000] for value in values[:20]])
    except (RecursionError, *_BROKEN):
        pairs = []
    found = [(name, address.strip().strip("<>").lower()) for name, address in pairs[:200] if "@" in address]
    if not found:  # a sloppy header: take whatever looks like an address
        found = [
            ("", one.lower())
            for one in re.findall(r"[^\s<>,;:\"()@]{1,200}@[^\s<>,;:\"()@]{1,200}", " ".join(values)[:8_000])
        ]
    return tuple(found)


def _date(value: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(value[:200])
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None


def _body(found: _Found) -> tuple[str, str]:
    """Return (text, html): of each group of alternatives the plain part, else the HTML as text."""
    texts, pages = [], []
    for kinds in found.bodies.values():
        plain, html = "\n".join(kinds.get("text/plain", ())), "\n".join(kinds.get("text/html", ()))
        pages.append(html)
        if html.strip() and (not plain.strip() or "<html" in plain[:200].lower()):
            texts.append(html_to_text(html))
        elif plain[:400].lstrip().lower().startswith(("<html", "<!doctype html", "<div", "<p>")):
            texts.append(html_to_text(plain))
        else:
            texts.append(plain)
    text = "\n".join(texts)
    if not text.strip():
        text = "\n".join(found.attached)
    text = text[:LONGEST_TEXT].replace("\r\n", "\n").replace("\r", "\n").replace("\xa0", " ")
    text, sealed = unarmored(text)
    if sealed:
        found.attachments.append("application/pgp-encrypted")
    return text, "\n".join(pages)[:LONGEST_TEXT]


def _parameter(message: Message, name: str) -> str:
    try:
        return str(message.get_param(name, "") or "").lower()
    except _BROKEN:
        return ""


def _describe(message: Message, headers: tuple[tuple[str, str], ...], found: _Found) -> ParsedMail:
    def values(*names: str) -> tuple[str, ...]:
        return tuple(value for key, value in headers if key in names)

    def ids(name: str) -> tuple[str, ...]:
        return tuple(one for value in values(name) for one in _ID.findall(value))

    def addresses(*names: str) -> tuple[str, ...]:
        return tuple(address for _, address in _addresses(values(*names)))

    writers = _addresses(values("from")) or _addresses(values("sender"))
    text, html = _body(found)
    path = values("return-path")
    return ParsedMail(
        message_id=next(iter(ids("message-id")), ""),
        in_reply_to=ids("in-reply-to"),
        references=ids("references")[-100:],
        from_address=writers[0][1] if writers else "",
        from_name=writers[0][0] if writers else "",
        return_path=path[0].strip("<> ").lower() if path else None,
        to=addresses("to"),
        cc=addresses("cc"),
        delivered_to=addresses("delivered-to", "x-original-to", "envelope-to"),
        subject=next(iter(values("subject")), ""),
        date=_date(next(iter(values("date")), "")),
        headers=headers,
        text=text,
        html=html,
        content_type=message.get_content_type(),
        report_type=_parameter(message, "report-type"),
        delivery_status=tuple(found.status),
        feedback=tuple(found.feedback),
        returned_headers=tuple(found.returned),
        attachments=tuple(found.attachments),
        calendar=found.calendar,
        disposition=found.disposition,
    )
