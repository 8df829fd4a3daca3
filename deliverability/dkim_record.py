"""What does a DKIM key record say, and can receivers use it? (RFC 6376, 3.6.1; RFC 8301; RFC 8463)"""

import base64
import binascii
import re
from dataclasses import dataclass
from enum import StrEnum

from dkim.crypto import UnparsableKeyError, parse_public_key

LEAST_BITS, GOOD_BITS, MOST_BITS = 1024, 2048, 4096  # RFC 8301, 3.2: verifiers must take 1024 to 4096
_ED25519_BYTES = 32
_MATERIAL = re.compile(r"\bp\s*=\s*([A-Za-z0-9+/=\s]*)")


class KeyFault(StrEnum):
    """Why a key record cannot be used as it stands."""

    NOT_A_KEY = "not-a-key"  #: no DKIM record at all
    SYNTAX = "invalid"  #: tags, version or key material are wrong
    REVOKED = "revoked"  #: p= is empty
    WEAK = "weak"  #: RSA below 1024 bits
    HASH = "old-hash"  #: h= leaves out sha256
    SERVICE = "not-for-mail"  #: s= leaves out email


@dataclass(frozen=True, slots=True)
class DkimKey:
    """Hold one key record."""

    text: str
    kind: str = "rsa"
    bits: int = 0
    testing: bool = False
    fault: KeyFault | None = None
    repaired: str = ""  #: the record with the same key, written right; empty where the key cannot be read


def parse_key(text: str) -> DkimKey:
    """Read a key record; never raises, whatever the text."""
    tags = parse_tags(text)
    if tags is None or "p" not in tags or tags.get("v", "DKIM1") != "DKIM1" or next(iter(tags)) not in ("v", *_FIRST):
        known = re.search(r"\bp\s*=|dkim", text, re.IGNORECASE)
        return DkimKey(text, fault=KeyFault.SYNTAX if known else KeyFault.NOT_A_KEY, repaired=_repaired(text))
    kind, material = tags.get("k", "rsa"), "".join(tags["p"].split())
    if not material:
        return DkimKey(text, kind, fault=KeyFault.REVOKED)
    bits = key_bits(kind, material)
    if bits is None:
        return DkimKey(text, kind, fault=KeyFault.SYNTAX, repaired=_repaired(text))
    fault, repaired = None, ""
    if kind == "rsa" and bits < LEAST_BITS:
        fault = KeyFault.WEAK
    elif "sha256" not in _list(tags.get("h", "sha256")):
        fault, repaired = KeyFault.HASH, _repaired(text)
    elif not {"*", "email"} & set(_list(tags.get("s", "*"))):
        fault, repaired = KeyFault.SERVICE, _repaired(text)
    testing = "y" in _list(tags.get("t", ""))
    return DkimKey(text, kind, bits, testing, fault, repaired or (_repaired(text) if testing else ""))


_FIRST = ("k", "p", "h", "g", "n", "s", "t")  # tags that may come first where v= is left out


def parse_tags(text: str) -> dict[str, str] | None:
    """Return a tag list (RFC 6376, 3.2) with names as written, or None when it is none or names a tag twice."""
    tags: dict[str, str] = {}
    for part in text.split(";"):
        if not part.strip():
            continue
        name, separator, value = part.partition("=")
        if not separator or name.strip() in tags:
            return None
        tags[name.strip()] = value.strip()
    return tags


def key_bits(kind: str, material: str) -> int | None:
    """Return the size of a public key in base64, None where it cannot be read."""
    try:
        raw = base64.b64decode(material, validate=True)
    except (binascii.Error, ValueError):
        return None
    if kind == "ed25519":
        return 256 if len(raw) == _ED25519_BYTES else None
    if kind != "rsa":
        return None
    try:
        return int(parse_public_key(raw)["modulus"]).bit_length()  # dkimpy's reader also takes keys that are too short
    except (UnparsableKeyError, KeyError, TypeError, ValueError, IndexError):
        return None


def _list(value: str) -> list[str]:
    return [one.strip().lower() for one in value.split(":")]


def _repaired(text: str) -> str:
    found = _MATERIAL.search(text)
    material = "".join(found[1].split()) if found else ""
    for kind in ("rsa", "ed25519"):
        if material and key_bits(kind, material):
            return f"v=DKIM1; k={kind}; p={material}"
    return ""
