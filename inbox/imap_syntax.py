"""How are IMAP's names, dates, lists and FETCH answers written (RFC 3501, sections 5.1.3, 7 and 9)?

An answer of the server is a list of parts: a line; after each literal marker the literal and the rest of the line.
"""

import re
from base64 import b64encode
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeAlias

from store.errors import ConnectionLost

UNKNOWN_AT = datetime(1970, 1, 1, tzinfo=UTC)
"""The internal date of a message whose server states none that can be read."""


class Octets(bytearray):
    """The octets of one literal as far as they were kept; `size` is what the server announced."""

    size: int = 0


Answer: TypeAlias = Sequence[bytes | Octets]
Item: TypeAlias = "bytes | Octets | list[Item] | None"

LITERAL = re.compile(rb"~?\{(\d{1,10})\+?\}\Z")
_TOKEN = re.compile(rb'[()]|"(?:[^"\\]|\\.)*+"|[^\s()"]+|"', re.DOTALL)
_FETCH = re.compile(rb"\d+ FETCH (?=\()", re.IGNORECASE)
_NOT_PLAIN = re.compile(r"&|[^\x20-\x7e]+")


def quote(text: str) -> str:
    """Write text as a quoted string."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def encode_folder(name: str) -> str:
    """Write a folder name in modified UTF-7 (RFC 3501, section 5.1.3)."""

    def shift(found: re.Match[str]) -> str:
        if found[0] == "&":
            return "&-"
        coded = b64encode(found[0].encode("utf-16-be")).rstrip(b"=").replace(b"/", b",")
        return f"&{coded.decode('ascii')}-"

    return _NOT_PLAIN.sub(shift, name)


def write_uids(uids: Iterable[int]) -> str:
    """Write UIDs as a sequence set, `1:3,7`."""
    spans: list[list[int]] = []
    for uid in sorted(uids):
        if spans and uid == spans[-1][1] + 1:
            spans[-1][1] = uid
        else:
            spans.append([uid, uid])
    return ",".join(str(first) if first == last else f"{first}:{last}" for first, last in spans)


def read_items(answer: Answer) -> list[Item]:
    """Read atoms, strings, literals and nested lists; raises ConnectionLost for what is none."""
    items: list[Item] = []
    open_lists: list[list[Item]] = []
    for position, part in enumerate(answer):
        if isinstance(part, Octets):
            items.append(part)
            continue
        line = LITERAL.sub(b"", part) if position + 1 < len(answer) else part
        for token in (found[0] for found in _TOKEN.finditer(line)):
            if token == b"(":
                open_lists.append(items)
                items = []
            elif token == b")" and open_lists:
                outer = open_lists.pop()
                outer.append(items)
                items = outer
            elif token == b")":
                raise ConnectionLost("the server's answer has a bracket too many")
            else:
                items.append(_read_token(token))
    if open_lists:
        raise ConnectionLost("the server's answer ends within a list")
    return items


def _read_token(token: bytes) -> bytes | None:
    if token == b'"':
        raise ConnectionLost("the server's answer has a string without end")
    if not token.startswith(b'"'):
        return None if token.upper() == b"NIL" else token
    return re.sub(rb"\\(.)", rb"\1", token[1:-1], flags=re.DOTALL)


def read_fetch(answer: Answer) -> dict[bytes, Item]:
    """Return what a FETCH answer says by upper-case name, `BODY[]` without its offset; empty for other answers."""
    line = bytes(answer[0])
    start = _FETCH.match(line)
    if start is None:
        return {}
    items = read_items([line[start.end() :], *answer[1:]])
    pairs = items[0] if len(items) == 1 else None
    if not isinstance(pairs, list) or len(pairs) % 2:
        raise ConnectionLost("the server's FETCH answer is broken")
    names = [bytes(name).upper().partition(b"<")[0] if isinstance(name, bytes) else b"" for name in pairs[::2]]
    return dict(zip(names, pairs[1::2], strict=True))


def read_number(item: Item) -> int:
    """Return a number, 0 when there is none."""
    return int(item) if isinstance(item, bytes) and item.isdigit() and len(item) < 20 else 0


def read_internal_date(item: Item) -> datetime:
    """Return an INTERNALDATE as an aware UTC instant, UNKNOWN_AT when it cannot be read."""
    if not isinstance(item, bytes):
        return UNKNOWN_AT
    try:
        at = parsedate_to_datetime(item.decode("ascii").strip().replace("-", " ", 2))
        return at.replace(tzinfo=at.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        return UNKNOWN_AT
