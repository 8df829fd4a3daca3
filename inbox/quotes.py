"""What did the sender write themselves? Everything we sent and everything quoted is taken away.

First what we sent is subtracted line by line, whatever the quoting did to it: our footer speaks of stopping and would
fool any model. Then the structure: attribution lines, header blocks, rules, `>` lines, signatures, disclaimers. An
inline answer between quoted lines stays.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from inbox.quote_words import ATTRIBUTION, DISCLAIMER, FORWARD, HEADER_BLOCK, MOBILE, RULE, SIGNATURE

LONGEST = 60_000  # characters looked at
_LEAST = 12  # a shorter line of ours ("Hi Chris,") proves nothing by itself
_LEADING = re.compile(r"^[\s>|]+")
_WORDS = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class NewText:
    """The sender's own words."""

    text: str
    quoted: bool  #: something was quoted
    forwarded: bool  #: a forward, not an answer
    inline: bool  #: answers stand between quoted lines


def new_text(body: str, sent_texts: Sequence[str] = ()) -> NewText:
    """Return what the sender added to the conversation; linear in the length of the text."""
    text = body[:LONGEST].replace("\r\n", "\n").replace("\r", "\n")
    forwarded = bool(FORWARD.search(text))
    own = _line_keys(sent_texts)
    lines = [line for line in text.split("\n") if not _is_ours(line, own)]
    subtracted = len(lines) < text.count("\n") + 1
    rest = "\n".join(lines)
    cut = _first_cut(rest)
    above = rest[:cut]
    below = _below(rest[cut:])
    quoted = subtracted or cut < len(rest) or any(line.lstrip().startswith(">") for line in lines)
    parts = [_unquoted(above), below]
    fresh = "\n".join(part for part in parts if part.strip())
    inline = bool(below.strip()) and bool(above.strip())
    fresh = _without_endings(fresh)
    return NewText(_tidy(fresh), quoted, forwarded, inline)


def _line_keys(texts: Iterable[str]) -> frozenset[str]:
    """Return the keys of our own lines and of their pieces as mail programs wrap them."""
    keys: set[str] = set()
    for text in texts:
        for line in text.replace("\r\n", "\n").split("\n"):
            words = _WORDS.findall(line.casefold())
            keys.add(" ".join(words))
            for start in range(max(0, len(words) - 3)):
                keys.add(" ".join(words[start : start + 4]))
    return frozenset(key for key in keys if len(key) >= _LEAST)


def _is_ours(line: str, own: frozenset[str]) -> bool:
    """Tell whether a line, rewrapped and quoted as it may be, consists of our words."""
    if not own:
        return False
    words = _WORDS.findall(_LEADING.sub("", line).casefold())
    key = " ".join(words)
    if len(key) < _LEAST:
        return False
    if key in own:
        return True
    pieces = [" ".join(words[start : start + 4]) for start in range(max(0, len(words) - 3))]
    return bool(pieces) and sum(piece in own for piece in pieces) >= 0.7 * len(pieces)


def _first_cut(text: str) -> int:
    """Return where the quoted message begins; the length of the text when nothing is quoted."""
    starts = [len(text)]
    for pattern in (ATTRIBUTION, HEADER_BLOCK, RULE):
        found = pattern.search(text)
        if found:
            starts.append(found.start())
    return min(starts)


def _below(quoted: str) -> str:
    """Return lines below and between `>` lines after an attribution: inline answers and bottom posting."""
    lines = quoted.split("\n")
    marked = [number for number, line in enumerate(lines) if line.lstrip().startswith(">")]
    if not marked:
        return ""
    kept = [line for line in lines[marked[0] :] if not line.lstrip().startswith(">")]
    return "\n".join(kept)


def _unquoted(text: str) -> str:
    return "\n".join(line for line in text.split("\n") if not line.lstrip().startswith(">"))


def _without_endings(text: str) -> str:
    """Cut signatures after `-- `, mobile lines and legal disclaimers."""
    for pattern in (SIGNATURE, DISCLAIMER):
        found = pattern.search(text)
        if found and text[: found.start()].strip():
            text = text[: found.start()]
    return MOBILE.sub("", text)


def _tidy(text: str) -> str:
    lines = [line.strip() for line in text.split("\n")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
