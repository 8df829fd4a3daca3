"""Which features does a reply text have?

One extraction serves training and serving: words and word pairs, character n-grams inside words, a few numbers, and
set phrases that mean the same in every language.
Mail addresses, links and digits are folded to placeholders, so that nobody's data ends up in the model.
"""

import itertools
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import lru_cache

from classifier.phrases import ALL, phrase_features

HEAD, TAIL = 1500, 500  # characters kept of a long text: what matters stands first or last
_LINK = re.compile(r"https?://\S{1,300}|www\.\S{1,300}")
_MAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){0,5}")
_TOKEN = re.compile(r"<\w+>|\w+(?:['’]\w+)*|[!?…]+|[^\w\s.,;:()\"“”„«»|/*_\-–—<>\[\]{}'’]")
COUNTS = ("n:length", "n:lines", "n:questions", "n:exclaims", "n:capitals", "n:digits", "n:link", "n:mail", "n:short")
NUMBERS = (*COUNTS, *ALL)
CHAR_MIN, CHAR_MAX = 2, 5


def normalise(text: str) -> str:
    """Return the text as the features see it: truncated, NFKC, links and addresses folded, digits as 0."""
    if len(text) > HEAD + TAIL:
        text = f"{text[:HEAD]}\n{text[-TAIL:]}"
    text = unicodedata.normalize("NFKC", text)
    text = _MAIL.sub("<mail>", _LINK.sub("<link>", text))
    return re.sub(r"\d", "0", text)


def tokens(normalised: str) -> list[str]:
    """Return words, punctuation that carries tone, emoji and placeholders, in lower case."""
    return _TOKEN.findall(normalised.casefold())


def extract(text: str) -> dict[str, dict[str, float]]:
    """Return raw counts by block: `word` (w:), `char` (c:) and numbers (n:), each feature once."""
    normalised = normalise(text)
    found = tokens(normalised)
    words = Counter(f"w:{token}" for token in found)
    marked = ["<s>", *found, "</s>"]
    words.update(f"w:{first} {second}" for first, second in itertools.pairwise(marked))
    chars: Counter[str] = Counter()
    for token, count in Counter(found).items():
        for gram in grams(token):
            chars[gram] += count
    return {"word": dict(words), "char": dict(chars), "number": number_features(normalised, found)}


def number_features(normalised: str, found: list[str]) -> dict[str, float]:
    """Return counts as small numbers, and the set phrases that occur."""
    return _numbers(normalised, found) | phrase_features(normalised)


@lru_cache(maxsize=65536)
def grams(token: str) -> tuple[str, ...]:
    """Return the character n-grams of a token, marked at its ends."""
    padded = f" {token} "
    return tuple(
        f"c:{padded[start : start + size]}"
        for size in range(CHAR_MIN, CHAR_MAX + 1)
        for start in range(max(0, len(padded) - size + 1))
    )


def _numbers(normalised: str, found: list[str]) -> dict[str, float]:
    letters = sum(map(str.isalpha, normalised)) or 1
    values = (
        math.log1p(len(found)) / 5,
        math.log1p(normalised.count("\n")) / 3,
        min(normalised.count("?"), 4) / 4,
        min(normalised.count("!"), 4) / 4,
        sum(map(str.isupper, normalised)) / letters,
        min(normalised.count("0"), 20) / 20,
        float("<link>" in normalised),
        float("<mail>" in normalised),
        float(len(found) <= 4),
    )
    return dict(zip(COUNTS, values, strict=True))


def weighted(
    blocks: Mapping[str, Mapping[str, float]], index: Mapping[str, int], idf: Mapping[int, float]
) -> Iterator[tuple[int, float]]:
    """Yield (column, value): sublinear tf-idf, each block scaled to length 1; numbers as they are."""
    for name in ("word", "char"):
        known = [(index[term], count) for term, count in blocks[name].items() if term in index]
        values = [(column, (1 + math.log(count)) * idf[column]) for column, count in known]
        norm = math.sqrt(sum(value * value for _, value in values)) or 1.0
        yield from ((column, value / norm) for column, value in values)
    yield from ((index[term], value) for term, value in blocks["number"].items() if term in index)
