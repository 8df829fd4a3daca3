"""What does a winmail.dat say? The body of a TNEF stream (MS-OXTNEF), plain, HTML or RTF, without its attachments."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from inbox.charsets import decode_bytes
from inbox.html_text import html_to_text
from inbox.rtf import rtf_text, unpack_rtf

_SIGNATURE = 0x223E9F78
_CLASS, _CODEPAGE, _BODY, _MAPI = 0x00078008, 0x00069007, 0x0002800C, 0x00069003
_WIDE, _ANSI, _BINARY = 0x001F, 0x001E, 0x0102  # property types
_PLAIN, _HTML, _RTF = 0x1000, 0x1013, 0x1009  # properties, the best first
LONGEST = 400_000
_FIXED = {0x0002: 4, 0x0003: 4, 0x0004: 4, 0x0005: 8, 0x0006: 8, 0x0007: 8, 0x000A: 4, 0x000B: 4, 0x0014: 8, 0x0040: 8,
          0x0048: 16}  # fmt: skip
_ANSWERS = {b"mtgresp.p": "ACCEPTED", b"mtgresp.a": "TENTATIVE", b"mtgresp.n": "DECLINED",
            b"meeting.resp.pos": "ACCEPTED", b"meeting.resp.tent": "TENTATIVE",
            b"meeting.resp.neg": "DECLINED", b"mtgrespp": "ACCEPTED", b"mtgrespa": "TENTATIVE",
            b"mtgrespn": "DECLINED"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class TnefMail:
    """What people read in a TNEF stream."""

    text: str = ""
    calendar: str = ""  #: the answer to an invitation, in the words of iCalendar


def read_tnef(raw: bytes) -> TnefMail:
    """Return the body of a TNEF stream, empty when there is none or the stream is broken."""
    text = calendar = ""
    charset = "cp1252"
    for name, value in _attributes(raw):
        if name == _CODEPAGE and len(value) >= 4:
            charset = f"cp{struct.unpack_from('<I', value)[0]}"
        elif name == _CLASS:
            lowered = value.lower()
            answers = [answer for mark, answer in _ANSWERS.items() if mark in lowered]
            calendar = f"METHOD:REPLY\nPARTSTAT={answers[0]}\n" if answers else ""
        elif name == _BODY:
            text = text or decode_bytes(value[:LONGEST], charset).rstrip("\0")
        elif name == _MAPI:
            text = text or _mapi_body(value, charset)
    return TnefMail(text, calendar)


def _attributes(raw: bytes) -> Iterator[tuple[int, bytes]]:
    if len(raw) < 6 or struct.unpack_from("<I", raw)[0] != _SIGNATURE:
        return
    at = 6
    while at + 9 <= len(raw):
        name, length = struct.unpack_from("<II", raw, at + 1)
        yield name, raw[at + 9 : at + 9 + min(length, 10 * LONGEST)]
        at += 11 + length  # level, name, length, value, checksum


def _mapi_body(properties: bytes, charset: str) -> str:
    """Return the text of the best body among the MAPI properties."""
    found: dict[int, str] = {}
    for name, kind, value in _properties(properties):
        if name == _PLAIN or (name == _HTML and kind != _BINARY):
            found[name] = decode_bytes(value, "utf-16-le" if kind == _WIDE else charset).rstrip("\0")
        elif name == _HTML:
            found[name] = decode_bytes(value, charset)
        elif name == _RTF:
            found[name] = rtf_text(unpack_rtf(value))
    if _HTML in found:
        found[_HTML] = html_to_text(found[_HTML])
    return next((found[name] for name in (_PLAIN, _HTML, _RTF) if found.get(name, "").strip()), "")


def _properties(raw: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield (property, type, value) of a list of MAPI properties, until it cannot be followed."""
    at = 4
    try:
        while at + 4 <= len(raw):
            kind, name = struct.unpack_from("<HH", raw, at)
            at += 4
            several, kind = bool(kind & 0x1000), kind & ~0x1000
            if name >= 0x8000:  # a named property: set, then a number or a name
                by_name, size = struct.unpack_from("<II", raw, at + 16)
                at += 24 + ((size + 3) & ~3 if by_name else 0)
            count = 1
            if several or kind not in _FIXED:
                count = struct.unpack_from("<I", raw, at)[0]
                at += 4
            for _ in range(min(count, 10_000)):
                if kind in _FIXED:
                    at += _FIXED[kind]
                    continue
                length = struct.unpack_from("<I", raw, at)[0]
                yield name, kind, raw[at + 4 : at + 4 + min(length, 2 * LONGEST)]
                at += 4 + ((length + 3) & ~3)
    except struct.error:
        return
