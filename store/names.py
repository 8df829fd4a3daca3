"""Under which key are people of one full name at one mail domain found?"""

import hashlib
from functools import lru_cache


@lru_cache(maxsize=10_000)  # of one row it is asked for several times
def name_key(email: str, first: str, last: str) -> str:
    """Return a key that is the same for people of one full name at one mail domain, empty without a full name."""
    if not first.strip() or not last.strip():
        return ""
    words = " ".join(f"{first} {last}".casefold().split())
    domain = email.rpartition("@")[2].lower()
    return hashlib.blake2b(f"{words}@{domain}".encode(), digest_size=8).hexdigest()
