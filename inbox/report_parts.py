"""Which fields does a machine's report carry? Groups of `Name: value` lines and the headers of a returned original."""

import re
from base64 import b64decode
from binascii import Error, a2b_qp
from collections.abc import Iterator
from email.message import Message
from email.parser import BytesParser
from email.policy import compat32

from inbox.charsets import clean, decode_bytes, decode_words

Fields = tuple[tuple[str, str], ...]
LONGEST = 200_000
MOST_FIELDS = 2_000


def field_groups(part: Message) -> Iterator[Fields]:
    """Yield the field groups of a report part, whichever way it is encoded."""
    yield from text_groups(_whole_text(part))


def returned_headers(part: Message) -> Fields:
    """Return the headers of a returned original, names in lower case, however it was packed."""
    payload = part.get_payload()
    if isinstance(payload, list) and payload and isinstance(payload[0], Message) and payload[0].keys():
        pairs = payload[0].raw_items()
    else:
        block = _whole_text(part).lstrip("\n").partition("\n\n")[0][:LONGEST]
        raw = block.encode("utf-8", "replace") + b"\n\n"
        pairs = BytesParser(policy=compat32).parsebytes(raw, headersonly=True).raw_items()
    return tuple(
        (name.lower(), decode_words(str(value)[:2_000]))
        for (name, value), _ in zip(pairs, range(MOST_FIELDS), strict=False)
    )


def text_groups(text: str) -> Iterator[Fields]:
    """Yield groups of `Name: value` lines that blank lines divide; continued lines are joined."""
    for block in re.split(r"\n[ \t]*\n", text[:LONGEST]):
        lines = re.sub(r"\n[ \t]+", " ", block.strip("\n")).split("\n")
        pairs = (line.partition(":") for line in lines[:MOST_FIELDS])
        fields = tuple((name.strip().lower(), value.strip()) for name, colon, value in pairs if colon)
        if fields:
            yield fields


def _whole_text(part: Message) -> str:
    """Return a report part as text: the standard parser cuts it into groups before it looks at the encoding."""
    payload = part.get_payload()
    if not isinstance(payload, list):
        raw = part.get_payload(decode=True)
        return _as_text(raw if isinstance(raw, bytes) else str(payload).encode("utf-8", "surrogateescape"))
    blocks = []
    for child in payload[:MOST_FIELDS]:
        if isinstance(child, Message):
            inner = child.get_payload(decode=True)  # bytes: undecoded it would lose what is not ASCII
            fields = "".join(f"{name}: {value}\n" for name, value in child.raw_items())
            blocks.append(
                fields.encode("utf-8", "surrogateescape") + b"\n" + (inner if isinstance(inner, bytes) else b"")
            )
    raw = b"\n\n".join(blocks)
    encoding = str(part.get("Content-Transfer-Encoding", "")).strip().lower()
    try:
        if encoding == "base64":
            raw = b64decode(re.sub(rb"[^A-Za-z0-9+/]", b"", raw) + b"==")
        elif encoding == "quoted-printable":
            raw = a2b_qp(raw)
    except (Error, ValueError):
        pass
    return _as_text(raw)


def _as_text(raw: bytes) -> str:
    return clean(decode_bytes(raw, None)).replace("\r\n", "\n").replace("\r", "\n")
