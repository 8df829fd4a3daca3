"""Whose mail did a colleague pass on? A bare forward of a prospect's mail counts as that prospect's mail."""

import re
from collections.abc import Collection
from dataclasses import replace
from email.message import Message
from email.parser import BytesParser
from email.policy import compat32
from email.utils import getaddresses

from inbox.parse import ParsedMail, parse_mail
from inbox.quote_words import FORWARD
from store.errors import ParseRefused

LONGEST_COMMENT = 200  # characters a colleague may add ("FYI, yours?") for it to be a bare forward still
_FIELD = re.compile(r"^[ \t>*]*([^\W\d_][\w .-]{0,24}?)[ \t*]*[:：][ \t*]*(.*)$")
_SUBJECT = ("subject", "betreff", "objet", "asunto", "oggetto", "onderwerp", "assunto")
_ADDRESS = re.compile(r"[^\s<>\[\]():;,\"]+@[^\s<>\[\]():;,\"]+\.[^\s<>\[\]():;,\"]+")


def forwarded_mail(mail: ParsedMail, raw: bytes, ours: Collection[str]) -> ParsedMail | None:
    """Return the prospect's mail inside a colleague's bare forward, or None; `ours` are addresses of our own."""
    inner = _attached(raw) if "message/rfc822" in mail.attachments else _inline(mail)
    if inner is None or not inner.from_address or inner.from_address.lower() in ours:
        return None
    ids = (*inner.in_reply_to, *mail.in_reply_to)
    references = tuple(dict.fromkeys([*mail.references, *inner.references]))
    return replace(inner, in_reply_to=ids, references=references, to=mail.to, cc=mail.cc,
                   delivered_to=mail.delivered_to)  # fmt: skip


def is_forward(mail: ParsedMail) -> bool:
    """Tell whether a message passes on another one, with whatever comment."""
    return "message/rfc822" in mail.attachments or FORWARD.search(mail.text) is not None


def _attached(raw: bytes) -> ParsedMail | None:
    try:
        for part in BytesParser(policy=compat32).parsebytes(raw).walk():
            payload = part.get_payload()
            if part.get_content_type() == "message/rfc822" and isinstance(payload, list):
                original = payload[0]
                return parse_mail(original.as_bytes()) if isinstance(original, Message) else None
    except (ParseRefused, RecursionError, ValueError, LookupError, TypeError, AttributeError):
        return None
    return None


def _inline(mail: ParsedMail) -> ParsedMail | None:
    found = FORWARD.search(mail.text)
    if found is None or len(mail.text[: found.start()].strip()) > LONGEST_COMMENT:
        return None
    block = mail.text[found.end() :].partition("\n")[2]
    sender = subject = ""
    lines = block.split("\n")
    body_at = len(lines)
    for number, line in enumerate(lines):
        field = _FIELD.match(line)
        if not line.strip() and sender:
            body_at = number
            break
        if field is None:
            continue
        name, value = field[1].strip().lower(), field[2]
        addresses = [one for _, one in getaddresses([value]) if "@" in one] or _ADDRESS.findall(value)
        if addresses and not sender:
            sender = addresses[0].strip("<>").lower()
        elif name in _SUBJECT:
            subject = value.strip()
    text = "\n".join(lines[body_at:]).strip()
    return replace(mail, from_address=sender, from_name="", subject=subject or mail.subject, text=text, html="",
                   in_reply_to=(), references=(), message_id=mail.message_id)  # fmt: skip
