"""Which number does a token stand for? Unforgeable, bound to a purpose, never expiring, with nothing to read inside.

A token is a keyed hash over purpose and number, and the number hidden under a pad that follows from the hash: neither
an address nor how many there are can be read from it. With several keys the newest makes tokens and all of them read,
so a key can be replaced without breaking a single old link.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Sequence

UNSUBSCRIBE, ACCEPT, REJECT = "unsubscribe", "accept", "reject"
_NUMBER_BYTES, _MAC_BYTES = 6, 18
_SHAPE = re.compile(r"[A-Za-z0-9_-]{32}")


def make_token(keys: Sequence[bytes], purpose: str, number: int) -> str:
    """Return the token of a number for a purpose: 32 URL-safe characters."""
    body = number.to_bytes(_NUMBER_BYTES, "big")
    mac = _mac(keys[0], purpose, body)
    return base64.urlsafe_b64encode(_hide(keys[0], mac, body) + mac).decode("ascii")


def read_token(keys: Sequence[bytes], purpose: str, token: str) -> int | None:
    """Return the number behind a token, None for a foreign or forged one; every key is tried always."""
    if not _SHAPE.fullmatch(token):
        return None
    raw = base64.urlsafe_b64decode(token)
    hidden, mac = raw[:_NUMBER_BYTES], raw[_NUMBER_BYTES:]
    bodies = [_hide(key, mac, hidden) for key in keys]
    fine = [hmac.compare_digest(mac, _mac(key, purpose, body)) for key, body in zip(keys, bodies, strict=True)]
    return next((int.from_bytes(body, "big") for body, good in zip(bodies, fine, strict=True) if good), None)


def _mac(key: bytes, purpose: str, body: bytes) -> bytes:
    return hmac.new(key, b"postroom token\0" + purpose.encode() + b"\0" + body, hashlib.sha256).digest()[:_MAC_BYTES]


def _hide(key: bytes, mac: bytes, body: bytes) -> bytes:
    pad = hmac.new(key, b"postroom token pad\0" + mac, hashlib.sha256).digest()
    return bytes(one ^ two for one, two in zip(body, pad, strict=False))
