"""What does a reader of an HTML mail see? Lines of text; quotes and signatures marked, hidden text left out.

Not the standard parser: on broken HTML it reads the rest again at every `<`. This one looks at each character a fixed
number of times, so a hostile megabyte costs no more than an honest one.
"""

import re
from collections.abc import Iterator
from html import unescape

LONGEST = 1_000_000  # characters of HTML looked at
LONGEST_TAG = 20_000
QUOTE_MARK = "-----Original Message-----"
SIGNATURE_MARK = "-- "
_BLOCKS = frozenset(
    "p div br tr li h1 h2 h3 h4 h5 h6 table ul ol hr blockquote pre section article header footer center dd dt".split()  # noqa: SIM905
)
_HIDDEN = frozenset(("script", "style", "head", "title", "noscript", "template", "svg", "select", "textarea", "iframe"))
_RAW = frozenset(("script", "style"))  # a `<` inside starts no tag
_VOID = frozenset(("br", "hr", "img", "input", "meta", "link", "col", "area", "base", "wbr"))
_NAME = re.compile(r"/?[a-zA-Z][a-zA-Z0-9:-]{0,30}")
_UNSEEN = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*hidden|mso-hide\s*:\s*all|font-size\s*:\s*0(?:px)?\s*[;\"']", re.I
)
_QUOTES = re.compile(
    r"(?:class|id)\s*=\s*[\"']?(?:[\w -]{0,80}\b)?(?:gmail_quote|gmail_extra_quote|yahoo_quoted|yahoo-quoted|protonmail_quote|tutanota_quote|divRplyFwdMsg|"
    r"appendonsend|OLK_SRC_BODY_SECTION|moz-cite-prefix|zmail_extra|mail-quote|reply-intro|ms-outlook-mobile-reference-message|x_gmail_quote|quoted-text|"
    r"AppleOriginalContents|isReplyContent|WordSection1_quote|hs_reply|mcntmcntr)",
    re.I,
)  # fmt: skip
_SIGNATURES = re.compile(
    r"(?:class|id)\s*=\s*[\"']?(?:[\w -]{0,80}\b)?(?:gmail_signature|moz-signature|Signature\b|protonmail_signature_block|ms-outlook-mobile-signature|"
    r"AppleMailSignature)",
    re.I,
)  # fmt: skip


def html_to_text(html: str) -> str:
    """Return the visible text of HTML, one line a block, quoted blocks marked with `> `; linear in its length."""
    page = _Page()
    for tag, attributes, text in _pieces(html[:LONGEST]):
        if tag:
            page.take_tag(tag, attributes)
        else:
            page.take_text(text)
    return page.text()


def _pieces(html: str) -> Iterator[tuple[str, str, str]]:
    """Yield (tag, attributes, "") and ("", "", text); comments, declarations and raw elements are skipped."""
    lowered = html.lower()
    if len(lowered) != len(html):  # a few letters change their length
        lowered = html
    begin = at = 0
    after = _Finder(lowered)
    while (opened := html.find("<", at)) >= 0:
        named = _NAME.match(html, opened + 1)
        if html.startswith("<!--", opened):
            closed, width = after.find("-->", opened + 4), 3
            closed = closed if closed >= 0 else opened + 1
        elif named or html[opened + 1 : opened + 2] in ("!", "?"):
            closed, width = after.find(">", opened), 1
            if closed < 0 or closed - opened > LONGEST_TAG:
                at = opened + 1
                continue
        else:
            at = opened + 1
            continue
        if opened > begin:
            yield "", "", html[begin:opened]
        begin = at = closed + width
        if named:
            tag = named[0].lower()
            yield tag, html[named.end() : closed], ""
            if tag in _RAW and (over := after.find(f"</{tag}", at)) >= 0:
                begin = at = over
    if begin < len(html):
        yield "", "", html[begin:]


class _Finder:
    """Finds the next occurrence of a mark, reading each character once a mark."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._next: dict[str, int] = {}

    def find(self, mark: str, at: int) -> int:
        known = self._next.get(mark, 0)
        if 0 <= known < at or (known == 0 and mark not in self._next):
            known = self._next[mark] = self._text.find(mark, at)
        return known


class _Page:
    """Collects lines while walking through the tags."""

    def __init__(self) -> None:
        self._lines: list[list[str]] = [[]]  # pieces: adding to a long string would copy it each time
        self.quotes = 0
        self._unseen = ""  # the element that hides what is inside it
        self._depth = 0
        self._marked = False
        self._signed = False

    def take_tag(self, tag: str, attributes: str) -> None:
        """Note what a tag changes: lines, quotes, hidden text."""
        closing, name = tag.startswith("/"), tag.lstrip("/")
        if self._unseen:
            if name == self._unseen:
                self._depth += -1 if closing else 1
                if self._depth <= 0:
                    self._unseen = ""
            elif (closing and name in ("body", "html")) or (not closing and name == "body"):
                self._unseen = ""
            return
        if not closing and name not in _VOID and not attributes.endswith("/") and self._hides(name, attributes):
            self._unseen, self._depth = name, 1
            return
        if not closing and attributes:
            self._mark(attributes)
        if name in _BLOCKS and not (closing and name in _VOID):
            self._new_line(force=name == "br")
        if name in ("td", "th") and not closing:
            self._space()
        if name == "blockquote":
            self.quotes = max(0, self.quotes + (-1 if closing else 1))

    @staticmethod
    def _hides(name: str, attributes: str) -> bool:
        return name in _HIDDEN or bool(attributes and _UNSEEN.search(attributes[:2_000]))

    def _mark(self, attributes: str) -> None:
        if not self._marked and _QUOTES.search(attributes[:500]):
            self._marked = True
            self._lines.extend(([QUOTE_MARK], []))
        elif not self._signed and not self._marked and _SIGNATURES.search(attributes[:500]):
            self._signed = True
            self._lines.extend(([SIGNATURE_MARK], []))

    def take_text(self, text: str) -> None:
        """Add visible text to the last line."""
        if self._unseen:
            return
        text = unescape(text)
        words = " ".join(text.split())
        if not words or text[:1].isspace():
            self._space()
        if not words:
            return
        line = self._lines[-1]
        if not line and self.quotes:
            line.append("> " * min(self.quotes, 5))
        line.append(words)
        if text[-1:].isspace():
            self._space()

    def _space(self) -> None:
        line = self._lines[-1]
        if line and line[-1] != " ":
            line.append(" ")

    def _new_line(self, *, force: bool) -> None:
        if self._lines[-1] or (force and len(self._lines) > 1 and self._lines[-2]):
            self._lines.append([])

    def text(self) -> str:
        """Return the lines."""
        return "\n".join("".join(line).rstrip() for line in self._lines).strip("\n")
