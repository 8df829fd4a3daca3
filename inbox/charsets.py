"""Which characters do these bytes mean? Charsets declared wrong, missing or unknown are no error.

RFC 2047 words are decoded here and not by `email.header`, which reads the rest of a header again for every `=?`.
"""

import re
from base64 import b64decode
from binascii import Error, a2b_qp

_BIDI = dict.fromkeys(
    map(ord, "\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\u00ad\ufeff"), None
)
_CONTROL = dict.fromkeys([*range(9), 11, 12, *range(14, 32), 127], " ")
_WORD = re.compile(r"=\?([^?\s]{1,60})\?([bBqQ])\?([^?]{0,4000})\?=")
_WIDER = {  # a superset of what is declared, or empty for "guess"
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "x-gbk": "gb18030",
    "big5-hkscs": "big5hkscs",
    "ks_c_5601-1987": "cp949",
    "euc-kr": "cp949",
    "shift_jis": "cp932",
    "x-sjis": "cp932",
    "iso-2022-jp": "iso2022_jp_ext",
    "cp-850": "cp850",
    "windows-874": "cp874",
    "x-mac-roman": "mac_roman",
    "macintosh": "mac_roman",
    "unicode-1-1-utf-7": "utf-7",
    "utf8mb4": "utf-8",
    "iso-8859-8-i": "iso-8859-8",
    "iso-8859-1": "cp1252",
    "latin1": "cp1252",
    **dict.fromkeys(("us-ascii", "ascii", "x-unknown", "unknown-8bit", "default", "unknown", "none", "binary"), ""),
}
_NO_CHARSETS = frozenset(
    ("base64", "hex", "bz2", "zip", "zlib", "uu", "quopri", "rot13", "idna", "punycode", "undefined")
)
_NO_CHARSETS |= {"base64_codec", "hex_codec", "bz2_codec", "zlib_codec", "unicode_escape", "raw_unicode_escape", "mbcs"}


def decode_bytes(raw: bytes, charset: str | None) -> str:
    """Decode with the declared charset when that works, else UTF-8, else Windows-1252."""
    name = (charset or "").strip("\"' ").lower()
    declared = _WIDER.get(name, name)
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff") and not declared:
        declared = "utf-16"
    wide = declared.startswith(("utf-16", "utf16", "utf-32", "utf_16", "utf_32", "utf-7", "iso2022", "iso-2022"))
    for name in (declared, "utf-8") if wide or not _is_utf8(raw) else ("utf-8",):
        try:
            if name and name.replace("-", "_") not in _NO_CHARSETS:
                return raw.decode(name)
        except (LookupError, UnicodeError, ValueError):
            continue
    if declared and not wide and declared.replace("-", "_") not in _NO_CHARSETS:
        try:  # right charset, a few broken bytes
            lenient = raw.decode(declared, "replace")
            if lenient.count("\ufffd") * 20 < len(lenient):
                return lenient
        except (LookupError, UnicodeError, ValueError):
            pass
    return raw.decode("cp1252", "replace")


def _is_utf8(raw: bytes) -> bool:
    """Tell whether bytes with the high bit form UTF-8, which other charsets almost never do by chance."""
    if raw.isascii():
        return False
    try:
        raw.decode("utf-8")
    except UnicodeError:
        return False
    return True


def clean(text: str) -> str:
    """Return text without null characters, direction marks and zero-width characters."""
    return (text if text.isascii() else text.translate(_BIDI)).replace("\0", "")


def decode_words(value: str) -> str:
    """Return a header value as text: RFC 2047 words decoded, folding removed, control characters gone."""
    value = value.replace("\r", " ").replace("\n", " ")
    if not value.isascii() and any("\udc80" <= one <= "\udcff" for one in value):
        value = decode_bytes(value.encode("utf-8", "surrogateescape"), None)
    if "=?" in value:
        value = _decode_encoded(value)
    if value.isascii() and value.isprintable():
        return " ".join(value.split())
    value = value.encode("utf-8", "replace").decode("utf-8")
    return " ".join(value.translate(_CONTROL).translate(_BIDI).split())


def _decode_encoded(value: str) -> str:
    done: list[str] = []
    waiting, waiting_charset = b"", ""  # neighbours in one charset may split a character between them
    at = 0
    for found in _WORD.finditer(value):
        between = value[at : found.start()]
        charset = found[1].partition("*")[0].lower()
        if waiting_charset and (between.strip() or charset != waiting_charset):
            done.append(decode_bytes(waiting, waiting_charset))
            waiting, waiting_charset = b"", ""
        if between.strip() or (not done and not waiting_charset):
            done.append(between)
        waiting += _word_bytes(found[2], found[3])
        waiting_charset = charset
        at = found.end()
    if waiting_charset:
        done.append(decode_bytes(waiting, waiting_charset))
    return "".join((*done, value[at:]))


def _word_bytes(encoding: str, text: str) -> bytes:
    plain = text.encode("utf-8", "replace")
    try:
        if encoding in "bB":
            plain = plain.replace(b" ", b"").rstrip(b"=")
            return b64decode(plain + b"=" * (-len(plain) % 4))
        return a2b_qp(plain, header=True)
    except (Error, ValueError):
        return plain
