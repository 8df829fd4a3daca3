"""Which folder of the server is meant, when the configured one does not exist?

Providers name Junk and Sent in their own way; special-use flags tell (RFC 6154), usual names help where there are none.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from inbox.imap_syntax import Answer, read_items

_JUNK = ("junk", "spam", "junk email", "junk e-mail", "junk mail", "bulk mail", "bulk", "spamverdacht")
_SENT = ("sent", "sent items", "sent messages", "sent mail", "gesendet", "gesendete elemente", "gesendete objekte")
_CLOSED = {b"\\noselect", b"\\nonexistent"}


@dataclass(frozen=True, slots=True)
class ListedFolder:
    """One folder of a LIST answer; `name` as on the wire."""

    name: str
    base: str  #: last part of the name, lower case
    flags: frozenset[bytes]  #: lower case


def read_list(answers: Iterable[Answer]) -> list[ListedFolder]:
    """Return the folders of LIST answers that can be opened."""
    folders = []
    for answer in answers:
        line = bytes(answer[0])
        if line[:5].upper() != b"LIST ":
            continue
        flags, delimiter, name = [*read_items([line[5:], *answer[1:]]), None, None, None][:3]
        if not isinstance(flags, list) or isinstance(name, list) or not name:
            continue
        seen = frozenset(bytes(flag).lower() for flag in flags if isinstance(flag, bytes))
        text = name.decode("utf-8", "replace")
        mark = delimiter.decode("utf-8", "replace") if isinstance(delimiter, bytes) else ""
        if not seen & _CLOSED:
            folders.append(ListedFolder(text, (text.rpartition(mark)[2] if mark else text).lower(), seen))
    return folders


def find_stand_in(name: str, listed: Sequence[ListedFolder], *, is_sent: bool, taken: Collection[str]) -> str | None:
    """Return the server's name for a folder, or of the Junk or Sent that stands in for it; None if there is none."""
    if any(folder.name == name or folder.name.upper() == name.upper() == "INBOX" for folder in listed):
        return name
    if not is_sent and name.lower() not in _JUNK:
        return None
    flag, usual = (b"\\sent", _SENT) if is_sent else (b"\\junk", _JUNK)
    free = [folder for folder in listed if folder.name not in taken]
    by_flag = [folder.name for folder in free if flag in folder.flags]
    by_name = [folder.name for folder in free if folder.base in usual]
    return next(iter(by_flag + by_name), None)
