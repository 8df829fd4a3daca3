"""What does a raw message say? Read under caps; whatever the bytes are, the answer is a ParsedMail or ParseRefused.

Caps come before parsing: the standard parser recurses into nested messages and takes hundreds of megabytes for one
long header. Charsets may be wrong, missing or unknown; nothing of that is an error.
"""

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.errors import HeaderParseError
from email.header import decode_header
from email.message import Message
from email.parser import BytesParser
from email.policy import compat32
from email.utils import getaddresses, parsedate_to_datetime
from html import unescape
from html.parser import HTMLParser

from store.errors import ParseRefused

LARGEST = 30 * 1024 * 1024
HEADER_BYTES = 256 * 1024
LONGEST_HEADER = 64 * 1024
MOST_PARTS = 200
MOST_BOUNDARIES = 2_000
DEEPEST = 12
LONGEST_TEXT = 400_000  # characters of body text that are looked at
_BIDI = dict.fromkeys(map(ord, "\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff"), None)
_CONTROL = dict.fromkeys([*range(9), 11, 12, *range(14, 32), 127], " ")
_ID = re.compile(r"<[^<>\s]{1,900}>")
_CHARSETS = {  # superset of what is declared, or empty for "guess"
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "ks_c_5601-1987": "cp949",
    "iso-8859-8-i": "iso-8859-8",
    **dict.fromkeys(("us-ascii", "ascii", "x-unknown", "unknown-8bit"), ""),
}
_NESTED = re.compile(rb"(?im)^content-type:[ \t]*(?:message/|multipart/)")


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

    def all(self, name: str) -> tuple[str, ...]:
        """Return every value of a header, in order."""
        wanted = name.lower()
        return tuple(value for key, value in self.headers if key == wanted)

    def get(self, name: str) -> str:
        """Return the first value of a header, empty when there is none."""
        return next(iter(self.all(name)), "")


@dataclass(slots=True)
class _Found:
    plain: list[str] = field(default_factory=list)
    html: list[str] = field(default_factory=list)
    status: list[tuple[tuple[str, str], ...]] = field(default_factory=list)
    feedback: list[tuple[str, str]] = field(default_factory=list)
    returned: list[tuple[str, str]] = field(default_factory=list)
    attachments: list[str] = field(default_factory=list)
    calendar: str = ""


def parse_mail(raw: bytes, *, largest: int = LARGEST) -> ParsedMail:
    """Read a message; raises ParseRefused with a reason slug when a cap is exceeded."""
    check_caps(raw, largest)
    try:
        message = BytesParser(policy=compat32).parsebytes(raw)
        headers = tuple(_headers(message))
        found = _Found()
        for part, depth in _walk(message):
            _take(part, depth, found)
    except (
        RecursionError,
        AssertionError,
        AttributeError,
        IndexError,
        KeyError,
        LookupError,
        TypeError,
        ValueError,
    ) as broken:
        raise ParseRefused(f"unreadable-{type(broken).__name__.lower()}") from broken
    return _describe(message, headers, found)


def check_caps(raw: bytes, largest: int = LARGEST) -> None:
    """Raise ParseRefused when a message is too large, deep or many-parted to be parsed safely."""
    if len(raw) > largest:
        raise ParseRefused("too-large")
    end = min((at for at in (raw.find(b"\r\n\r\n"), raw.find(b"\n\n")) if at >= 0), default=len(raw))
    if end > HEADER_BYTES:
        raise ParseRefused("headers-too-large")
    if raw.count(b"\n--") > MOST_BOUNDARIES:
        raise ParseRefused("too-many-parts")
    if sum(1 for _ in zip(_NESTED.finditer(raw), range(MOST_PARTS + 1), strict=False)) > MOST_PARTS:
        raise ParseRefused("nested-too-deep")


def _walk(message: Message) -> Iterator[tuple[Message, int]]:
    waiting, seen = [(message, 0)], 0
    while waiting:
        part, depth = waiting.pop()
        seen += 1
        if seen > MOST_PARTS:
            raise ParseRefused("too-many-parts")
        if depth > DEEPEST:
            raise ParseRefused("nested-too-deep")
        yield part, depth
        kind = part.get_content_type()
        if part.is_multipart() and not kind.startswith("message/"):
            waiting.extend((child, depth + 1) for child in reversed(part.get_payload()) if isinstance(child, Message))  # type: ignore[arg-type]


def _take(part: Message, depth: int, found: _Found) -> None:
    kind = part.get_content_type()
    if kind == "message/delivery-status":
        found.status.extend(_field_groups(part))
    elif kind == "message/feedback-report":
        found.feedback.extend(pair for group in _field_groups(part) for pair in group)
    elif kind in ("message/rfc822", "message/rfc822-headers", "text/rfc822-headers", "message/global") and depth:
        found.returned.extend(_returned(part))
        found.attachments.append(kind)
    elif part.is_multipart():
        return
    elif kind == "text/plain" and not _is_attachment(part):
        found.plain.append(_flowed(part, _text(part)))
    elif kind == "text/html" and not _is_attachment(part):
        found.html.append(_text(part))
    elif kind == "text/calendar":
        found.calendar = found.calendar or _text(part)[:20_000]
    else:
        found.attachments.append(kind)


def _is_attachment(part: Message) -> bool:
    return str(part.get("Content-Disposition", "")).strip().lower().startswith("attachment")


def _returned(part: Message) -> Iterator[tuple[str, str]]:
    """Yield the headers of a returned original, however it was packed."""
    payload = part.get_payload()
    if isinstance(payload, list) and payload and isinstance(payload[0], Message):
        yield from _headers(payload[0])
        return
    block = _text(part).replace("\r\n", "\n").lstrip("\n").partition("\n\n")[0]
    yield from _headers(
        BytesParser(policy=compat32).parsebytes(block.encode("utf-8", "replace") + b"\n\n", headersonly=True)
    )


def _field_groups(part: Message) -> Iterator[tuple[tuple[str, str], ...]]:
    payload = part.get_payload()
    if isinstance(payload, list):
        groups = [child for child in payload if isinstance(child, Message)]
        for group in groups:
            yield tuple(_headers(group))
            rest = group.get_payload()
            if isinstance(rest, str) and ":" in rest:
                yield from _text_groups(rest)
        return
    yield from _text_groups(_text(part))


def _text_groups(text: str) -> Iterator[tuple[tuple[str, str], ...]]:
    for block in re.split(r"\r?\n[ \t]*\r?\n", text):
        lines = re.sub(r"\r?\n[ \t]+", " ", block).splitlines()
        pairs = tuple(
            (name.strip().lower(), value.strip()) for name, sep, value in (line.partition(":") for line in lines) if sep
        )
        if pairs:
            yield pairs


def _headers(message: Message) -> Iterator[tuple[str, str]]:
    for name, value in message.items():
        text = str(value)
        if len(text) > LONGEST_HEADER:
            raise ParseRefused("header-too-long")
        yield name.lower(), decode_words(text)


def decode_words(value: str) -> str:
    """Return a header value as text: RFC 2047 words decoded, folding removed, control characters gone."""
    value = " ".join(value.split("\n")).replace("\r", " ")
    if "=?" in value:
        try:
            parts = decode_header(value)
            value = "".join(_decoded(chunk, charset) if isinstance(chunk, bytes) else chunk for chunk, charset in parts)
        except (HeaderParseError, binascii.Error, ValueError, AssertionError):
            pass
    else:
        value = value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return " ".join(value.translate(_CONTROL).translate(_BIDI).split())


def _text(part: Message) -> str:
    payload = part.get_payload(decode=True)
    if not isinstance(payload, bytes):
        payload = str(part.get_payload()).encode("utf-8", "surrogateescape")
    charset = part.get_content_charset("") or ""
    return _decoded(payload[: LONGEST_TEXT * 4], charset).translate(_BIDI).replace("\0", "")


def _decoded(raw: bytes, charset: str | None) -> str:
    """Decode with the declared charset when that works, else UTF-8, else Windows-1252."""
    name = (charset or "").lower()
    declared = _CHARSETS.get(name, name)
    for name in (declared, "utf-8"):
        try:
            if name:
                return raw.decode(name)
        except (LookupError, UnicodeError, ValueError):
            continue
    return raw.decode("cp1252", "replace")


def _flowed(part: Message, text: str) -> str:
    """Join the soft line breaks of format=flowed (RFC 3676)."""
    if str(part.get_param("format", "")).lower() != "flowed":
        return text
    delsp = str(part.get_param("delsp", "")).lower() == "yes"
    lines: list[str] = []
    soft = False
    for line in text.split("\n"):
        bare = line.rstrip("\r")
        unstuffed = bare[1:] if bare.startswith(" ") else bare
        joins = soft and lines and lines[-1].startswith(">") == unstuffed.startswith(">")
        if joins:
            lines[-1] += unstuffed.lstrip("> ") if unstuffed.startswith(">") else unstuffed
        else:
            lines.append(unstuffed)
        soft = bare.endswith(" ") and bare != "-- "
        if soft and delsp:
            lines[-1] = lines[-1][:-1]
    return "\n".join(lines)


def _addresses(values: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    pairs = getaddresses([value[:8_000] for value in values[:20]])
    found = [(name, address.strip().strip("<>").lower()) for name, address in pairs[:200] if "@" in address]
    if not found:  # a sloppy header: take whatever looks like an address
        found = [
            ("", one.lower())
            for one in re.findall(r"[^\s<>,;:\"()]{1,200}@[^\s<>,;:\"()]{1,200}", " ".join(values)[:8_000])
        ]
    return tuple(found)


def _date(value: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(value)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None


def _describe(message: Message, headers: tuple[tuple[str, str], ...], found: _Found) -> ParsedMail:
    def values(*names: str) -> tuple[str, ...]:
        return tuple(value for key, value in headers if key in names)

    def ids(name: str) -> tuple[str, ...]:
        return tuple(one for value in values(name) for one in _ID.findall(value))

    writers = _addresses(values("from")) or _addresses(values("sender"))
    plain = "\n".join(found.plain)
    html = "\n".join(found.html)[:LONGEST_TEXT]
    path = values("return-path")
    return ParsedMail(
        message_id=next(iter(ids("message-id")), ""),
        in_reply_to=ids("in-reply-to"),
        references=ids("references")[-100:],
        from_address=writers[0][1] if writers else "",
        from_name=writers[0][0] if writers else "",
        return_path=path[0].strip("<> ").lower() if path else None,
        to=tuple(address for _, address in _addresses(values("to"))),
        cc=tuple(address for _, address in _addresses(values("cc"))),
        delivered_to=tuple(
            address for _, address in _addresses(values("delivered-to", "x-original-to", "envelope-to"))
        ),
        subject=next(iter(values("subject")), ""),
        date=_date(next(iter(values("date")), "")),
        headers=headers,
        text=(plain if plain.strip() else html_to_text(html))[:LONGEST_TEXT].replace("\r\n", "\n").replace("\xa0", " "),
        html=html,
        content_type=message.get_content_type(),
        report_type=str(message.get_param("report-type", "") or "").lower(),
        delivery_status=tuple(found.status),
        feedback=tuple(found.feedback),
        returned_headers=tuple(found.returned),
        attachments=tuple(found.attachments),
        calendar=found.calendar,
    )


class _Text(HTMLParser):
    """Collects visible text; quotes keep a `> ` in front, so that quote removal sees them."""

    _BLOCKS = frozenset("p div br tr li h1 h2 h3 h4 h5 h6 table ul ol hr blockquote pre section article".split())  # noqa: SIM905
    _HIDDEN = frozenset(("script", "style", "head", "title"))

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.lines: list[str] = [""]
        self.quotes = 0
        self.hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in self._HIDDEN:
            self.hidden += 1
        if tag in self._BLOCKS:
            self._new_line()
        if tag == "blockquote":
            self.quotes += 1

    def handle_endtag(self, tag: str) -> None:
        if tag in self._HIDDEN:
            self.hidden = max(0, self.hidden - 1)
        if tag in self._BLOCKS and tag != "br":
            self._new_line()
        if tag == "blockquote":
            self.quotes = max(0, self.quotes - 1)

    def handle_data(self, data: str) -> None:
        text = " ".join(data.split())
        if not text or self.hidden:
            return
        if not self.lines[-1]:
            self.lines[-1] = "> " * min(self.quotes, 5)
        elif not self.lines[-1].endswith(" ") and data[:1].isspace():
            self.lines[-1] += " "
        self.lines[-1] += text + (" " if data[-1:].isspace() else "")

    def _new_line(self) -> None:
        if self.lines[-1] or (len(self.lines) > 1 and self.lines[-2]):
            self.lines.append("")


def html_to_text(html: str) -> str:
    """Return the visible text of HTML, one line a block, quoted blocks marked with `> `."""
    if not html.strip():
        return ""
    reader = _Text()
    try:
        reader.feed(html)
        reader.close()
    except (AssertionError, ValueError):
        return unescape(re.sub(r"<[^<>]{0,2000}>", " ", html))
    return "\n".join(line.rstrip() for line in reader.lines).strip()
