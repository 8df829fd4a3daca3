"""Which exact bytes leave? Headers and both parts, fixed before anything is dialled.

Written by hand because a compiled writer is many times faster than EmailMessage, which is the tests' oracle. At the
end the header block is read again and compared: exactly the headers and the recipient that were meant, or
UnsafeMessage.
"""

import base64
import hashlib
import hmac
import quopri
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.header import Header
from email.utils import format_datetime
from html import escape

from store.errors import UnsafeMessage

MARKER = "X-Postroom-Id"
_LINK = re.compile(r"https?://[^\s<>\"']{1,500}")
_FIELD_END = re.compile(rb"\r\n(?![ \t])")
_NO_ADDRESS = re.compile(r"[\s<>,;:\"()]")
_ATOM = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]{1,60}")


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """A letter's content, before it is bytes."""

    from_name: str
    from_address: str
    to_name: str
    to_address: str
    subject: str
    text: str
    at: datetime
    message_id: str  #: with angle brackets
    references: tuple[str, ...] = ()  #: Message-IDs of the confirmed sends before, oldest first
    unsubscribe_url: str = ""
    unsubscribe_mailto: str = ""
    automatic: bool = False  #: a notification: says so to other machines (RFC 3834)
    html: str = ""  #: the HTML part where it is not made from the text


@dataclass(frozen=True, slots=True)
class ComposedMessage:
    """The exact bytes with their hash."""

    raw: bytes
    sha256: str


def make_message_id(secret: bytes, enrollment_id: int, step: int, domain: str) -> str:
    """Return the Message-ID of a step: it follows from enrollment and step, and nobody else can guess it."""
    digest = hmac.new(secret, f"message-id|{enrollment_id}|{step}".encode(), hashlib.sha256).digest()
    return f"<{base64.b32encode(digest[:20]).decode('ascii').lower()}@{domain}>"


def compose(message: OutgoingMessage) -> ComposedMessage:
    """Return the bytes of a letter; raises UnsafeMessage when they would say anything that was not meant."""
    headers = _headers(message)
    boundary = f"=_{hashlib.sha256(message.message_id.encode()).hexdigest()[:32]}"
    parts = (_part("plain", message.text), _part("html", message.html or to_html(message.text)))
    body = "".join(f"--{boundary}\r\n{part}\r\n" for part in parts) + f"--{boundary}--\r\n"
    headers.append(("MIME-Version", "1.0"))
    headers.append(("Content-Type", f'multipart/alternative;\r\n boundary="{boundary}"'))
    block = "".join(f"{name}: {value}\r\n" for name, value in headers)
    raw = f"{block}\r\n{body}".encode()
    _verify(raw, headers, message)
    return ComposedMessage(raw, hashlib.sha256(raw).hexdigest())


def _headers(message: OutgoingMessage) -> list[tuple[str, str]]:
    headers = [
        ("From", _mailbox(message.from_name, message.from_address)),
        ("To", _mailbox(message.to_name, message.to_address)),
        ("Subject", _unstructured(message.subject)),
        ("Date", format_datetime(message.at)),
        ("Message-ID", message.message_id),
    ]
    if message.references:
        headers.append(("In-Reply-To", message.references[-1]))
        headers.append(("References", "\r\n ".join(message.references)))
    if message.unsubscribe_url:
        mailto = (
            f",\r\n <mailto:{message.unsubscribe_mailto}?subject=unsubscribe>" if message.unsubscribe_mailto else ""
        )
        headers.append(("List-Unsubscribe", f"<{message.unsubscribe_url}>{mailto}"))
        headers.append(("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"))
    if message.automatic:
        headers.append(("Auto-Submitted", "auto-generated"))
    headers.append((MARKER, message.message_id.strip("<>").partition("@")[0]))
    return headers


def _mailbox(name: str, address: str) -> str:
    if not name:
        return f"<{address}>"
    if _ATOM.fullmatch(name) and "=?" not in name:
        return f'"{name}" <{address}>'
    return f"{_encoded(name)}\r\n <{address}>"


def _unstructured(text: str) -> str:
    plain = text.isascii() and "=?" not in text and len(text) <= 60
    return text if plain else _encoded(text)


def _encoded(text: str) -> str:
    """Return RFC 2047 encoded words, folded."""
    return Header(text, "utf-8", maxlinelen=75, header_name="Subject").encode(linesep="\r\n")


def _part(kind: str, text: str) -> str:
    head = f"Content-Type: text/{kind}; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    encoded = quopri.encodestring(text.replace("\r\n", "\n").encode(), quotetabs=False).decode("ascii")
    return head + encoded.replace("\r\n", "\n").replace("\n", "\r\n")


def to_html(text: str) -> str:
    """Return simple HTML of a plain text: paragraphs, line breaks, links."""
    paragraphs = []
    for paragraph in re.split(r"\n\s*\n", text.strip()):
        lines = (_LINK.sub(_anchor, escape(line, quote=False)) for line in paragraph.splitlines())
        paragraphs.append(f"<p>{'<br>'.join(lines)}</p>")
    return f"<html><body>{''.join(paragraphs)}</body></html>\n"


def _anchor(found: re.Match[str]) -> str:
    return f'<a href="{found[0]}">{found[0]}</a>'


def _verify(raw: bytes, headers: Sequence[tuple[str, str]], message: OutgoingMessage) -> None:
    """Read the header block again: the same names in the same order, one recipient, no bare line ends."""
    block = raw.partition(b"\r\n\r\n")[0]
    bare = block.replace(b"\r\n", b"")
    if b"\r" in bare or b"\n" in bare or b"\0" in raw:
        raise UnsafeMessage(f"letter to {message.to_address}: a value holds line ends or NUL")
    fields = [field.partition(b":") for field in _FIELD_END.split(block)]
    if [name.decode("utf-8", "replace") for name, _, _ in fields] != [name for name, _ in headers]:
        raise UnsafeMessage(f"letter to {message.to_address}: a value would add or change a header")
    found = {name: value.strip() for name, _, value in fields}
    for name, address in ((b"To", message.to_address), (b"From", message.from_address)):
        plain = address.count("@") == 1 and not _NO_ADDRESS.search(address)
        if not plain or not found[name].endswith(f"<{address}>".encode()):
            raise UnsafeMessage(f"letter to {message.to_address!r}: {name.decode()} is not exactly one plain address")
    if max(map(len, raw.split(b"\r\n"))) > 998:
        raise UnsafeMessage(f"letter to {message.to_address}: a line is longer than 998 octets (RFC 5322, 2.1.1)")
