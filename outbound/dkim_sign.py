"""How is a letter signed where the relay does not? RFC 6376 relaxed/relaxed, at the speed of `cryptography`.

dkimpy signs RSA in pure Python (10 ms); it verifies these signatures in the tests.
"""

import base64
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from store.errors import PermanentError

SIGNED = ("from", "to", "subject", "date", "message-id", "in-reply-to", "references", "list-unsubscribe",
          "list-unsubscribe-post", "mime-version", "content-type")  # fmt: skip
LEAST_RSA_BITS = 1024
_BLANKS = re.compile(rb"[ \t]+")


@dataclass(frozen=True, slots=True)
class Signer:
    """A key with its name in the DNS."""

    domain: str
    selector: str
    algorithm: str
    _seal: Callable[[bytes], bytes]

    def sign(self, raw: bytes, at: datetime) -> bytes:
        """Return the message with a DKIM-Signature in front; From is oversigned, so that none can be added."""
        block, _, body = raw.partition(b"\r\n\r\n")
        fields = _fields(block)
        names = [name for name in SIGNED if name in fields] + ["from"]
        digest = base64.b64encode(hashlib.sha256(relaxed_body(body)).digest()).decode("ascii")
        head = (
            f"v=1; a={self.algorithm}; c=relaxed/relaxed; d={self.domain}; s={self.selector};\r\n"
            f" t={int(at.timestamp())}; h={':'.join(names)};\r\n bh={digest};\r\n b="
        )
        lines = [relaxed_header(fields[name][-1]) for name in names[:-1]]
        own = relaxed_header(b"dkim-signature:" + head.encode())
        signature = base64.b64encode(self._seal(b"".join(line + b"\r\n" for line in lines) + own)).decode("ascii")
        folded = "\r\n ".join(signature[start : start + 72] for start in range(0, len(signature), 72))
        return b"DKIM-Signature: " + head.encode() + folded.encode() + b"\r\n" + raw


def make_signer(domain: str, selector: str, pem: bytes) -> Signer:
    """Return the signer of a PEM key, RSA of at least 1024 bits or Ed25519 (RFC 8463)."""
    try:
        key = load_pem_private_key(pem, None)
    except (ValueError, TypeError) as problem:
        raise PermanentError(f"DKIM key of {domain}: no readable PEM private key: {problem}") from problem
    if isinstance(key, Ed25519PrivateKey):
        return Signer(domain, selector, "ed25519-sha256", lambda text: key.sign(hashlib.sha256(text).digest()))
    if isinstance(key, RSAPrivateKey) and key.key_size >= LEAST_RSA_BITS:
        return Signer(domain, selector, "rsa-sha256", lambda text: key.sign(text, PKCS1v15(), hashes.SHA256()))
    raise PermanentError(f"DKIM key of {domain}: needs RSA of at least {LEAST_RSA_BITS} bits or Ed25519")


def relaxed_header(field: bytes) -> bytes:
    """Return a header field in relaxed form (RFC 6376, 3.4.2), without its line end."""
    name, _, value = field.partition(b":")
    unfolded = _BLANKS.sub(b" ", value.replace(b"\r\n", b""))
    return name.strip().lower() + b":" + unfolded.strip()


def relaxed_body(body: bytes) -> bytes:
    """Return a body in relaxed form (RFC 6376, 3.4.4)."""
    lines = [_BLANKS.sub(b" ", line).rstrip(b" ") for line in body.split(b"\r\n")]
    while lines and not lines[-1]:
        lines.pop()
    return b"".join(line + b"\r\n" for line in lines)


def _fields(block: bytes) -> dict[str, list[bytes]]:
    fields: dict[str, list[bytes]] = {}
    for field in re.split(rb"\r\n(?![ \t])", block):
        name = field.partition(b":")[0].strip().lower().decode("ascii", "replace")
        fields.setdefault(name, []).append(field)
    return fields
