"""Where do signing keys live? In files that only the daemon's user may read."""

import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from store.errors import PermanentError


def checkpoint_key(path: Path) -> Ed25519PrivateKey:
    """Load the Ed25519 key of audit checkpoints; a missing one is made, readable by its owner alone."""
    if not path.exists():
        key = Ed25519PrivateKey.generate()
        write_private(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return key
    loaded = load_pem_private_key(path.read_bytes(), None)
    if not isinstance(loaded, Ed25519PrivateKey):
        raise PermanentError(f"{path}: no Ed25519 key")
    return loaded


def write_private(path: Path, content: bytes) -> None:
    """Write a new file with mode 0600; an existing one is never overwritten."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
