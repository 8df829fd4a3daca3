"""What does a winmail.dat say? The plain body of a TNEF stream (MS-OXTNEF); its attachments are not looked at."""

import struct

_SIGNATURE = 0x223E9F78
_ATT_BODY, _ATT_MAPI = 0x0002800C, 0x00069003
_BODY_ANSI, _BODY_WIDE = b"\x1e\x00\x00\x10", b"\x1f\x00\x00\x10"  # PR_BODY as string8 and as UTF-16
LONGEST = 400_000


def tnef_text(raw: bytes) -> str:
    """Return the plain body of a TNEF stream, empty when there is none or the stream is broken."""
    if len(raw) < 6 or struct.unpack_from("<I", raw)[0] != _SIGNATURE:
        return ""
    at = 6
    while at + 9 <= len(raw):
        name, length = struct.unpack_from("<II", raw, at + 1)
        value = raw[at + 9 : at + 9 + min(length, 10 * LONGEST)]
        if name == _ATT_BODY:
            return value[:LONGEST].decode("cp1252", "replace").rstrip("\0")
        if name == _ATT_MAPI and (text := _mapi_body(value)):
            return text
        at += 11 + length  # level, name, length, value, checksum
    return ""


def _mapi_body(properties: bytes) -> str:
    for mark, charset in ((_BODY_WIDE, "utf-16-le"), (_BODY_ANSI, "cp1252")):
        at = properties.find(mark)
        if at >= 0 and at + 12 <= len(properties):
            length = struct.unpack_from("<I", properties, at + 8)[0]
            return properties[at + 12 : at + 12 + min(length, LONGEST)].decode(charset, "replace").rstrip("\0")
    return ""
