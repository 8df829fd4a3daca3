"""Which records does a list hold, whatever program wrote it?

Encoding and delimiter are guessed from the bytes. A lost quote costs one row: a record that runs on over lines without
fitting the header gives its lines back, and they are read again one by one.
"""

import codecs
import csv
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from io import StringIO

from charset_normalizer import from_bytes

DELIMITERS = ",;\t|"
_LONGEST = csv.field_size_limit()  # characters of a cell
MOST_LINES = 200  # of one record: a note with more is rarer than a quote that is never closed
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_LATIN = ["cp1252", "cp1250", "mac_roman"]  # the library cannot tell these apart in short names
_OTHERS = ["cp1251", "cp1253", "cp932", "gb18030", "big5", "cp949"]
_RARE = frozenset("\u00de\u00fe\u00d0\u00f0\u00dd\u00fd\ufffd")  # thorn, eth: sooner Turkish read wrongly
_MARKS_IN_WORDS = frozenset(
    "\u2019\u2018\u00b4\u2013\u2014\u00b7\u201c\u201d\u201e\u00ab\u00bb\u2026\u2122\u00ae\u00a9\u00b0\u00ba\u00aa\u00a0"
)

Record = tuple[int, list[str] | str]


def guess_encoding(start: bytes, foreign: bytes, *, is_utf8: bool) -> str:
    """Return a codec's name; `start` is how the file begins, `foreign` are lines with bytes beyond ASCII."""
    for mark, name in _MARKS:
        if start.startswith(mark):
            return name
    pairs = start[: len(start) // 2 * 2]
    if pairs and pairs[1::2].count(0) * 3 > len(pairs):  # UTF-16 without a mark: mostly ASCII, every other byte is 0
        return "utf-16-le"
    if pairs and pairs[0::2].count(0) * 3 > len(pairs):
        return "utf-16-be"
    if is_utf8:
        return "utf-8"
    best = from_bytes(foreign, cp_isolation=[*_LATIN, *_OTHERS]).best()
    if best is not None and best.encoding in _OTHERS:
        return best.encoding
    return min(_LATIN, key=lambda name: (_oddities(foreign, name), _LATIN.index(name)))


def _oddities(raw: bytes, codec: str) -> int:
    """Count what no word has: a mark where a letter should be, a capital after a small letter."""
    text = raw.decode(codec, "replace")
    return sum(
        (letter in _RARE)
        or (letter.isupper() and before.islower())
        or (not letter.isalpha() and letter not in _MARKS_IN_WORDS and (before.isalpha() or after.isalpha()))
        for before, letter, after in zip(text, text[1:], text[2:], strict=False)
        if not letter.isascii()
    )


def find_delimiter(sample: Sequence[str]) -> str:
    """Return what separates the cells of these lines: the mark that gives most of them the same number of cells."""
    if sample and sample[0].lower().startswith("sep=") and len(sample[0].rstrip("\r\n")) == 5:
        return sample[0][4]  # how Excel names it
    return max(DELIMITERS, key=lambda mark: _regularity(sample, mark))


def _regularity(sample: Sequence[str], mark: str) -> tuple[int, int]:
    widths = [len(cells) for cells in csv.reader(StringIO("".join(sample)), delimiter=mark) if cells]
    common = max(set(widths), key=widths.count, default=0)
    return (widths.count(common) if common > 1 else 0), common


class _Lines:
    """Lines that can be taken back; remembers which ones the record in hand has used."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = iter(lines)
        self._back: deque[str] = deque()
        self.taken: list[str] = []
        self.number = 0

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        if len(self.taken) >= MOST_LINES:
            raise StopIteration
        line = self._back.popleft() if self._back else next(self._lines)
        self.taken.append(line)
        self.number += 1
        return line

    def take_back(self, lines: Sequence[str]) -> None:
        self._back.extendleft(reversed(lines))
        self.number -= len(lines)
        del self.taken[len(self.taken) - len(lines) :]


def read_records(lines: Iterable[str], delimiter: str, width: int = 0) -> Iterator[Record]:
    """Yield (line, cells), or (line, what is wrong); blank records are skipped.

    `width` is the number of columns, 0 while it is not known.
    """
    feed = _Lines(lines)
    reader = csv.reader(feed, delimiter=delimiter)
    for first in feed:
        start = feed.number
        try:
            if '"' not in first and len(first) < _LONGEST:  # most records: the same cells in a fraction of the time
                cells = first.rstrip("\r\n").split(delimiter)
            else:
                feed.take_back([first])
                cells = next(reader)
        except csv.Error as problem:
            feed.take_back(feed.taken[1:])
            yield start, f"not readable as CSV: {problem}"
            feed.taken.clear()
            continue
        if len(feed.taken) > 1 and _lost_quote(feed.taken, cells, delimiter, width):
            feed.take_back(feed.taken[1:])
            yield start, "a quote is opened and not closed"
        elif width and len(cells) > width and any(map(str.strip, cells[width:])):
            yield start, f"{len(cells)} cells under {width} columns: a quote is missing"
        elif any(map(str.strip, cells)):
            yield start, cells
        feed.taken.clear()


def _lost_quote(lines: Sequence[str], cells: Sequence[str], delimiter: str, width: int) -> bool:
    """Tell whether a record runs over lines by mistake: it never ends, does not fit, or is not quoted by the rules."""
    if len(lines) >= MOST_LINES or (width and len(cells) != width):
        return True
    try:
        next(csv.reader(lines, delimiter=delimiter, strict=True))
    except csv.Error:
        return True
    return False
