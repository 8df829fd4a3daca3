"""Is the corpus large and varied enough, and does no text stand in it twice, not even nearly?

A near double shares more than `NEAR` of its five-character sequences with another text; very short texts may be alike.
"""

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
from sklearn.feature_extraction.text import CountVectorizer

from classifier.labels import Example, folded
from store.vocabulary import Label

LEAST_TEXTS = 6000
LEAST_BY_LANGUAGE = {"en": 1200, "de": 1200, "fr": 600, "es": 600, "it": 600, "nl": 600, "pt": 600}
NEAR = 0.55  # shared five-character sequences of all that two texts have
LONG = 25  # characters from which two texts should not be alike
ROWS = 500  # compared at a time


def find_faults(corpus: Sequence[Example], mirror: Sequence[Example]) -> list[str]:
    """Return one sentence a fault; none when the corpus is as promised."""
    return [*_counts(corpus), *_fields(corpus), *_doubles(corpus, mirror)]


def _counts(corpus: Sequence[Example]) -> list[str]:
    found = [f"{len(corpus)} texts, {LEAST_TEXTS} are promised"] if len(corpus) < LEAST_TEXTS else []
    languages = Counter(one.language for one in corpus)
    found += [
        f"{languages[language]} texts in {language}, {least} are promised"
        for language, least in LEAST_BY_LANGUAGE.items()
        if languages[language] < least
    ]
    pairs = Counter((one.language, one.label) for one in corpus)
    found += [f"no {label} in {language}" for language in languages for label in Label if not pairs[language, label]]
    return found


def _fields(corpus: Sequence[Example]) -> list[str]:
    found = []
    for one in corpus:
        where = f"{one.batch}: {one.text[:40]!r}"
        if not one.text.strip() or not one.style or not one.family.partition(":")[2]:
            found.append(f"{where}: text, style and family must say something")
        if not re.fullmatch(r"[a-z]{2}", one.language):
            found.append(f"{where}: language {one.language!r} is no ISO 639-1 code")
        if one.return_on and (not one.sent_on or one.return_on < one.sent_on):
            found.append(f"{where}: return_on needs a sent_on before it")
    return found


def _doubles(corpus: Sequence[Example], mirror: Sequence[Example]) -> list[str]:
    held_out = {folded(one.text) for one in mirror}
    found = [f"{one.batch}: {one.text[:40]!r} stands in the mirror" for one in corpus if folded(one.text) in held_out]
    texts = [one for one in (*corpus, *mirror) if len(one.text) > LONG]
    return found + [
        f"{texts[first].batch}: {texts[first].text[:40]!r} is nearly {texts[second].batch}: {texts[second].text[:40]!r}"
        for first, second in near_doubles([one.text for one in texts])
    ]


def near_doubles(texts: Sequence[str]) -> list[tuple[int, int]]:
    """Return the pairs of texts, by position, that share more than `NEAR` of their five-character sequences."""
    plain = [re.sub(r"\W+", " ", text.lower()) for text in texts]
    grams = CountVectorizer(analyzer="char", ngram_range=(5, 5), binary=True, dtype=np.int32).fit_transform(plain)
    sizes = np.asarray(grams.sum(axis=1)).ravel()
    pairs: list[tuple[int, int]] = []
    for start in range(0, len(texts), ROWS):
        shared = (grams[start : start + ROWS] @ grams.T).tocoo()
        first, second = shared.row + start, shared.col
        alike = (shared.data > NEAR * (sizes[first] + sizes[second] - shared.data)) & (first < second)
        pairs += zip(first[alike].tolist(), second[alike].tolist(), strict=True)
    return pairs
