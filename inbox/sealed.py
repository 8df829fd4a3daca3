"""What does a signed message say? What is inside the signature, which is not checked; the encrypted stays unread.

S/MIME (RFC 5652): only as much BER as that takes, tags and lengths, definite and indefinite. PGP in the text
(RFC 9580, cleartext signatures): the armour goes.
"""

PKCS7 = frozenset(("application/pkcs7-mime", "application/x-pkcs7-mime"))
_SIGNED = bytes.fromhex("06092a864886f70d010702")  # id-signedData
_SEQUENCE, _FIRST, _OCTETS, _OCTETS_IN_PIECES = 0x30, 0xA0, 0x04, 0x24
_PGP_SIGNED, _PGP_SIGNATURE, _PGP_MESSAGE = (
    f"-----BEGIN PGP {name}-----" for name in ("SIGNED MESSAGE", "SIGNATURE", "MESSAGE")
)
_PGP_ENDS = ("-----END PGP SIGNATURE-----", "-----END PGP MESSAGE-----")
_MOST_PIECES = 100_000
_DEEPEST = 16


def signed_content(raw: bytes) -> bytes | None:
    """Return the MIME entity inside a CMS SignedData, None when it is something else, broken, or kept outside."""
    try:
        at, end = _enter(raw, 0, len(raw), _SEQUENCE)
        if raw[at : at + len(_SIGNED)] != _SIGNED:
            return None
        at, end = _enter(raw, at + len(_SIGNED), end, _FIRST)
        at, end = _enter(raw, at, end, _SEQUENCE)
        at = _skip(raw, _skip(raw, at, end), end)  # version, digest algorithms
        at, end = _enter(raw, at, end, _SEQUENCE)
        at, end = _enter(raw, _skip(raw, at, end), end, _FIRST)  # after the type of the content
        return _octets(raw, at, end)
    except (IndexError, ValueError):
        return None


def _header(raw: bytes, at: int, end: int) -> tuple[int, int, int | None]:
    """Return (tag, start of the contents, their length or None when it is indefinite)."""
    tag, first = raw[at], raw[at + 1]
    if tag & 0x1F == 0x1F:
        raise ValueError("a long tag")
    if first == 0x80:
        return tag, at + 2, None
    if first < 0x80:
        length, start = first, at + 2
    else:
        size = first & 0x7F
        if size > 8:
            raise ValueError("a length of too many octets")
        length, start = int.from_bytes(raw[at + 2 : at + 2 + size], "big"), at + 2 + size
    if start + length > end:
        raise ValueError("longer than what holds it")
    return tag, start, length


def _enter(raw: bytes, at: int, end: int, wanted: int) -> tuple[int, int]:
    """Return where the contents of an element begin, and a bound for their end."""
    tag, start, length = _header(raw, at, end)
    if tag != wanted:
        raise ValueError("another element")
    return start, end if length is None else start + length


def _skip(raw: bytes, at: int, end: int) -> int:
    """Return where the next element begins."""
    depth = 0
    while True:
        if depth and raw[at : at + 2] == b"\0\0":
            at, depth = at + 2, depth - 1
        else:
            _, start, length = _header(raw, at, end)
            at, depth = (start, depth + 1) if length is None else (start + length, depth)
        if depth == 0:
            return at
        if depth > _DEEPEST:
            raise ValueError("nested too deep")


def _octets(raw: bytes, at: int, end: int) -> bytes:
    """Return an OCTET STRING, in one piece or in many."""
    pieces: list[bytes] = []
    for _ in range(_MOST_PIECES):
        if at >= end or raw[at : at + 2] == b"\0\0":
            break
        tag, start, length = _header(raw, at, end)
        if tag == _OCTETS_IN_PIECES:
            at, end = start, end if length is None else start + length
        elif tag == _OCTETS and length is not None:
            pieces.append(raw[start : start + length])
            at = start + length
        else:
            raise ValueError("no octets")
    return b"".join(pieces)


def unarmored(text: str) -> tuple[str, bool]:
    """Return a text without PGP armour, and whether an encrypted message was in it."""
    if "-----BEGIN PGP" not in text:
        return text, False
    kept: list[str] = []
    within, sealed = "", False
    for line in text.split("\n"):
        bare = line.rstrip()
        if bare in (_PGP_SIGNED, _PGP_SIGNATURE, _PGP_MESSAGE):
            within, sealed = bare, sealed or bare == _PGP_MESSAGE
        elif bare in _PGP_ENDS:
            within = ""
        elif within == _PGP_SIGNED:
            within = within if bare else "text"  # what stands before the blank line names the hash
        elif within in ("", "text"):
            kept.append(line.removeprefix("- ") if within else line)
    return "\n".join(kept), sealed
