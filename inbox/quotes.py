"""What did the sender write themselves? Everything we sent and everything quoted is taken away.

First what we sent is subtracted line by line, whatever the quoting did to it: our footer speaks of stopping and would
fool any model. Then the structure: attribution lines, header blocks, rules, `>` lines, signatures, disclaimers. An
inline answer between quoted lines stays. Each line is looked at a fixed number of times.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from inbox.quote_words import (
    BANNER,
    CITES,
    DATED,
    DISCLAIMER,
    FORWARD,
    FROM_LINE,
    FULL_DATE,
    HEADER_LINE,
    HEADER_NAME,
    MAIL,
    MOBILE,
    OURSELVES,
    RULE,
    SIGNATURE,
    STARTS,
    WROTE,
)

LONGEST = 60_000  # characters looked at
LONGEST_LINE = 4_000
_LEAST = 12  # a shorter line of ours ("Hi Chris,") proves nothing by itself
_LEADING = re.compile(r"^[\s>|＞]+")
_WORDS = re.compile(r"\w+")
_CLAUSE = re.compile(r"\b(?:that|dass|daß|que|che|dat|att|że|что|you|us|me|uns|nous|ihnen|sie)\b", re.IGNORECASE)
_PERSONAL = re.compile(
    r"\b(?:I|[Mm]e|[Mm]y|[Ii]ch|[Mm]ich|[Mm]ir|[Mm]ij|[Mm]ig|[Mm]eg|[Mm]oi)\b"
)  # no lawyer writes so
_GENDER = re.compile(r"^\(\w{1,3}\)|^/\w{1,3}")  # napsal(a)
_WRAPPED = 55  # a quoted line of this many characters may have lost its end to the next line


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
    own = _line_keys(sent_texts)
    every = [line[:LONGEST_LINE] for line in text.split("\n")]
    lines = [line for line in every if not _is_ours(line, own)]
    cut = next((at for at in range(len(lines)) if _starts_quote(lines, at)), len(lines))
    above = [line for line in lines[:cut] if not _is_quoted(line)]
    below = _below(lines[cut:])
    forwarded = cut < len(lines) and any(FORWARD.match(line) for line in lines[cut : cut + 2])
    quoted = len(lines) < len(every) or cut < len(lines) or any(map(_is_quoted, lines))
    marked_above = [at for at, line in enumerate(lines[:cut]) if _is_quoted(line)]
    inline = bool(below and any(line.strip() for line in above)) or any(
        line.strip() and not _is_quoted(line) for line in lines[(marked_above or [cut])[0] : cut]
    )
    fresh = _without_endings("\n".join(above))
    if below:
        fresh = f"{fresh}\n{_without_endings(chr(10).join(below))}"
    return NewText(_tidy(fresh), quoted, forwarded, inline)


def _is_quoted(line: str) -> bool:
    return line.lstrip()[:1] in (">", "＞") or line.startswith("| ")


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


def _starts_quote(lines: Sequence[str], at: int) -> bool:
    """Tell whether the quoted message begins at this line."""
    line = _LEADING.sub("", lines[at]).strip(" \t*")
    if not line or len(line) > 500:
        return False
    if RULE.match(line):
        return True
    if HEADER_LINE.match(line) and _is_header_block(lines, at, line):
        return True
    if MAIL.search(line) and _is_bare_header(line, lines[at + 1 : at + 3]):
        return True
    return _is_attribution(lines, at, line.strip("-_= "))


def _is_header_block(lines: Sequence[str], at: int, line: str) -> bool:
    """Tell whether at least two more header lines follow `From:`, not counting blank and continued lines.

    Another header may come first, when `From:` with an address is the next line.
    """
    following = [_LEADING.sub("", one).strip(" \t*") for one in lines[at + 1 : at + 12]]
    if not FROM_LINE.match(line):
        return bool(following and FROM_LINE.match(following[0]) and MAIL.search(following[0]) and DATED.search(line))
    more = sum(bool(HEADER_LINE.match(one)) for one in following)
    return more >= 2 or (more == 1 and bool(MAIL.search(line) or DATED.search(lines[at + 1])))


def _is_bare_header(line: str, following: Sequence[str]) -> bool:
    """Tell whether a sender, a date and a header follow each other without colons, as Notes writes them."""
    if len(line) > 120 or len(following) < 2 or len(following[0]) > 40:
        return False
    return bool(FULL_DATE.match(following[0].strip()) and HEADER_NAME.match(following[1].strip()))


def _is_attribution(lines: Sequence[str], at: int, line: str) -> bool:
    """Tell whether this line, with up to two more, introduces a quote: `On ..., Maya <...> wrote:` in any language."""
    joined = line
    for more in range(3):
        if more:
            if (
                at + more >= len(lines)
                or not lines[at + more].strip()
                or (_is_quoted(lines[at + more]) and not _is_quoted(lines[at]))
            ):
                return False
            joined = f"{joined} {_LEADING.sub('', lines[at + more]).strip()}"
        ended = joined.endswith((":", "：", "のメッセージ", "写道", "寫道"))
        if ended or (WROTE.search(joined[-12:]) and MAIL.search(joined) and DATED.search(joined)):
            return len(joined) <= 500 and _introduces(joined, lines[at + more + 1 : at + more + 4])
        if not STARTS.match(line) and not MAIL.search(joined):
            return False
    return False


def _introduces(joined: str, following: Sequence[str]) -> bool:
    marked = any(_is_quoted(line) for line in following)
    wrote = None
    for wrote in WROTE.finditer(joined):  # noqa: B007 - the last one counts
        pass
    dated, mail = DATED.search(joined), MAIL.search(joined)
    if CITES.match(joined) and (mail or marked):
        return True
    if wrote is None:
        return bool(mail and dated and (STARTS.match(joined) or "<" in joined))
    rest = _GENDER.sub("", joined[wrote.end() :]).strip(" :：\xa0")
    if len(rest) > 160:
        return False
    if marked or (mail and (dated or not rest)):
        return True
    told = (STARTS.match(joined) or FULL_DATE.search(joined)) and not OURSELVES.search(joined[: wrote.start()])
    return bool(dated and told and len(rest.split()) <= 8 and not _CLAUSE.search(rest))


def _below(quoted: Sequence[str]) -> list[str]:
    """Return unmarked lines below and between `>` lines after an attribution: inline answers and bottom posting."""
    marked = [number for number, line in enumerate(quoted) if _is_quoted(line)]
    first = [_LEADING.sub("", line).strip(" \t*") for line in quoted[:5]]
    headed = any(FROM_LINE.match(line) for line in first) or (first and RULE.match(first[0]) and len(first) > 1 and not any(map(WROTE.search, first)))  # fmt: skip
    if not marked or headed or marked[0] > 6:
        return []
    kept: list[str] = []
    for number in range(marked[0], len(quoted)):
        line = quoted[number]
        if _is_quoted(line):
            if kept and kept[-1]:
                kept.append("")
            continue
        before = quoted[number - 1]
        after = quoted[number + 1] if number + 1 < len(quoted) else ""
        lost_end = _is_quoted(before) and _is_quoted(after) and len(before) >= _WRAPPED and len(line) < _WRAPPED
        if not lost_end and not (RULE.match(line.strip()) and number > marked[-1]):
            kept.append(line)
    return kept if any(line.strip() for line in kept) else []


def _without_endings(text: str) -> str:
    """Cut signatures after `-- `, warnings of the sender's own mail gateway, mobile lines and legal disclaimers."""
    text = BANNER.sub("", text, count=3) if text.strip() else text
    for pattern in (SIGNATURE, DISCLAIMER):
        for found in pattern.finditer(text):
            about_me = pattern is DISCLAIMER and _PERSONAL.search(
                text[found.start() : found.end() + 300].partition("\n\n")[0]
            )
            if text[: found.start()].strip() and not about_me:
                text = text[: found.start()]
                break
    return MOBILE.sub("", text)


def _tidy(text: str) -> str:
    lines = [line.strip() for line in text.split("\n")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
