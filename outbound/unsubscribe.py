"""Which enrollment does a token stand for? Unforgeable, bound to a purpose, never expiring, no address inside.

A token is the number and a keyed hash over purpose and number, in URL-safe base64. With several keys the newest
makes tokens and all of them read, so a key can be replaced without breaking a single old link.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence

UNSUBSCRIBE, ACCEPT, REJECT = "unsubscribe", "accept", "reject"
_NUMBER_BYTES, _MAC_BYTES = 6, 18


def make_token(keys: Sequence[bytes], purpose: str, number: int) -> str:
    """Return the token of a number for a purpose: 32 URL-safe characters."""
    body = number.to_bytes(_NUMBER_BYTES, "big")
    return base64.urlsafe_b64encode(body + _mac(keys[0], purpose, body)).decode("ascii")


def read_token(keys: Sequence[bytes], purpose: str, token: str) -> int | None:
    """Return the number behind a token, None for a foreign or forged one; in constant time a key."""
    try:
        raw = base64.urlsafe_b64decode(token.encode("ascii"))
    except (UnicodeEncodeError, binascii.Error, ValueError):
        return None
    if len(raw) != _NUMBER_BYTES + _MAC_BYTES:
        return None
    body, mac = raw[:_NUMBER_BYTES], raw[_NUMBER_BYTES:]
    fine = [hmac.compare_digest(mac, _mac(key, purpose, body)) for key in keys]
    return int.from_bytes(body, "big") if any(fine) else None


def _mac(key: bytes, purpose: str, body: bytes) -> bytes:
    return hmac.new(key, b"postroom token\0" + purpose.encode() + b"\0" + body, hashlib.sha256).digest()[:_MAC_BYTES]
