"""Which text does RTF hold, as Outlook packs it into winmail.dat? LZFu (MS-OXRTFCP), then its words (MS-OXRTFEX).

RTF that was made from HTML carries the HTML in its `htmltag` groups: then that is returned as text. Each octet is
looked at a fixed number of times; nothing recurses.
"""

import re
import struct

from inbox.html_text import html_to_text

LONGEST = 1_000_000  # octets of RTF looked at
DEEPEST = 500
_DICTIONARY = (
    rb"{\rtf1\ansi\mac\deff0\deftab720{\fonttbl;}{\f0\fnil \froman \fswiss \fmodern \fscript \fdecor MS Sans Serif"
    b"SymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n"
    b"\\par \\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx"
)
_SIZE = 4096
_TOKEN = re.compile(
    rb"\\([a-zA-Z]{1,32})(-?\d{1,10})? ?|\\'([0-9a-fA-F]{2})|\\([^a-zA-Z])|([{}])|([\r\n]+)|([^\\{}\r\n]+)|\\",
    re.DOTALL,
)
_SILENT = frozenset((b"fonttbl", b"colortbl", b"stylesheet", b"info", b"pict", b"object", b"themedata",
                     b"listtable", b"header", b"footer", b"filetbl", b"revtbl", b"generator", b"datastore",
                     b"latentstyles"))  # fmt: skip
_WRITTEN = {b"par": "\n", b"line": "\n", b"row": "\n", b"sect": "\n", b"page": "\n", b"tab": "\t", b"cell": " ",
            b"emdash": "—", b"endash": "–", b"bullet": "•", b"lquote": "‘", b"rquote": "’", b"ldblquote": "“",
            b"rdblquote": "”"}  # fmt: skip


def unpack_rtf(packed: bytes) -> bytes:
    """Return RTF from its compressed form (LZFu, or stored as MELA); empty when it is neither."""
    if len(packed) < 16:
        return b""
    size, kind = struct.unpack_from("<I4s", packed, 4)
    size = min(size, LONGEST)
    if kind == b"MELA":
        return packed[16 : 16 + size]
    if kind != b"LZFu":
        return b""
    window = bytearray(_DICTIONARY.ljust(_SIZE, b"\0"))
    write, out, at = len(_DICTIONARY), bytearray(), 16
    while at < len(packed) and len(out) < size:
        control, at = packed[at], at + 1
        for bit in range(8):
            if at >= len(packed):
                break
            if control >> bit & 1:
                token, at = int.from_bytes(packed[at : at + 2], "big"), at + 2
                read = token >> 4
                if read == write:
                    return bytes(out)  # the end mark
                octets = [0] * ((token & 15) + 2)
                for number in range(len(octets)):
                    octets[number] = window[write] = window[read]
                    read, write = (read + 1) % _SIZE, (write + 1) % _SIZE
                out += bytes(octets)
            else:
                window[write] = packed[at]
                out.append(packed[at])
                write, at = (write + 1) % _SIZE, at + 1
    return bytes(out[:size])


def rtf_text(rtf: bytes) -> str:
    """Return the words of RTF, empty when it is none."""
    if not rtf.lstrip().startswith(b"{\\rtf"):
        return ""
    reading = _Reading(html=b"\\fromhtml1" in rtf[:2_000])
    for found in _TOKEN.finditer(rtf[:LONGEST]):
        reading.take(found)
    reading.close()
    pairs = "".join(reading.written).encode("utf-16-le", "surrogatepass")  # a character may be written as two
    text = pairs.decode("utf-16-le", "replace")
    return html_to_text(text) if reading.html else text


class _Reading:
    """What holds at one place of an RTF text; groups save it and give it back."""

    def __init__(self, *, html: bool) -> None:
        self.written: list[str] = []
        self.html = html
        self._charset, self._bytes, self._skip = "cp1252", bytearray(), 0
        self._silent, self._tag, self._width, self._fresh, self._star = False, False, 1, False, False
        self._stack: list[tuple[bool, bool, int]] = []

    def take(self, found: re.Match[bytes]) -> None:
        """Follow one token."""
        word, number, octet, symbol, brace, _, text = found.groups()
        if octet is not None:
            if self._skip:
                self._skip -= 1
            else:
                self._bytes.append(int(octet, 16))
            return
        if text is not None:
            cut = min(self._skip, len(text))
            self._skip -= cut
            self._bytes += text[cut:]
            self._fresh = self._star = False
            return
        if symbol in (b"\\", b"{", b"}"):
            self._bytes += symbol
            return
        self._flush()
        if brace:
            self._nest(brace)
        elif symbol == b"*":
            self._star = True
        elif symbol is not None:
            self._write({b"~": " ", b"_": "-"}.get(symbol, ""))
        elif word is not None:
            self._follow(word, int(number) if number else None)

    def close(self) -> None:
        """Write what waits."""
        self._flush()

    def _nest(self, brace: bytes) -> None:
        if brace == b"{":
            if len(self._stack) < DEEPEST:
                self._stack.append((self._silent, self._tag, self._width))
            self._fresh = True
        elif self._stack:
            self._silent, self._tag, self._width = self._stack.pop()
        self._skip, self._star = 0, False

    def _follow(self, word: bytes, number: int | None) -> None:
        first, star, self._fresh, self._star = self._fresh, self._star, False, False
        if self.html and word == b"htmltag":
            self._silent, self._tag = False, True
        elif self.html and word == b"htmlrtf":
            self._silent = number != 0
        elif star or (first and word in _SILENT):
            self._silent = True
        elif word == b"ansicpg" and number:
            self._charset = "utf-8" if number == 65001 else f"cp{number}"
        elif word == b"uc":
            self._width = min(number or 0, 8)
        elif word == b"u" and number is not None:
            self._write(chr(number % 65_536))
            self._skip = self._width
        elif word in _WRITTEN:
            self._write(_WRITTEN[word])

    def _flush(self) -> None:
        if self._bytes:
            try:
                self._write(self._bytes.decode(self._charset, "replace"))
            except LookupError:
                self._write(self._bytes.decode("cp1252", "replace"))
            self._bytes.clear()

    def _write(self, text: str) -> None:
        if not self._silent and text:
            self.written.append(text)
