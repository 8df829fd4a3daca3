"""Who sent a message that nobody may parse, and what does it answer? Its first header lines, as octets, and no more."""

import re
from dataclasses import dataclass

LONGEST = 524_288  # octets of the header looked at
_FROM = re.compile(rb"^from:([^\r\n]{0,2000}(?:\r?\n[ \t][^\r\n]{0,2000}){0,3})", re.IGNORECASE | re.MULTILINE)
_ANSWERS = re.compile(
    rb"^(?:in-reply-to|references):([^\r\n]{0,4000}(?:\r?\n[ \t][^\r\n]{0,1000}){0,50})", re.IGNORECASE | re.MULTILINE
)
_ADDRESS = re.compile(rb"[\w.!#$%&'*+/=?^`{|}~-]{1,64}@[\w.-]{1,250}")
_ID = re.compile(rb"<[^<>\s]{1,900}>")


@dataclass(frozen=True, slots=True)
class Glance:
    """What the header says at first sight; nothing of it is proven."""

    from_address: str
    ids: tuple[str, ...]  #: Message-IDs it refers to, the last one first


def glance(raw: bytes) -> Glance:
    """Read sender and references from the first octets of a message, whatever is wrong with the rest."""
    head = re.split(rb"\r?\n\r?\n", raw[:LONGEST], maxsplit=1)[0]
    senders = _FROM.search(head)
    found = _ADDRESS.findall(senders[1]) if senders else []
    ids = [one.decode("ascii", "replace") for line in _ANSWERS.finditer(head) for one in _ID.findall(line[1])]
    address = found[-1].decode("ascii", "replace").lower() if found else ""
    return Glance(address, tuple(dict.fromkeys(reversed(ids[:200]))))
