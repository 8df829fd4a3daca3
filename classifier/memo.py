"""Which columns does a text have, quickly? Every token remembers its character n-grams' columns.

The same vector as `features.weighted(features.extract(text))`, without building and hashing a string an n-gram.
"""

from collections.abc import Mapping

import numpy as np

from classifier.features import grams, normalise, number_features, tokens

MOST_TOKENS = 100_000  # remembered; then it starts anew


class Memo:
    """Columns by token, for one model's terms."""

    def __init__(self, index: Mapping[str, int], idf: np.ndarray) -> None:
        self._index = index
        self._idf = idf
        self._chars: dict[str, np.ndarray] = {}
        self._words: dict[tuple[str, str], list[int]] = {}

    def vector(self, text: str) -> tuple[np.ndarray, np.ndarray]:
        """Return columns and values of a text: sublinear tf-idf, words and characters each of length 1; numbers."""
        normalised = normalise(text)
        found = tokens(normalised)
        words: list[int] = []
        before = "<s>"
        for token in found:
            words += self._word_columns(before, token)
            before = token
        words += self._pair_alone(before)
        chars = [self._char_columns(token) for token in found]
        blocks = [self._block(np.array(words, dtype=np.intp))]
        blocks.append(self._block(np.concatenate(chars) if chars else np.zeros(0, dtype=np.intp)))
        numbers = [
            (self._index[name], value)
            for name, value in number_features(normalised, found).items()
            if name in self._index
        ]
        columns = [*(columns for columns, _ in blocks), np.array([column for column, _ in numbers], dtype=np.intp)]
        values = [*(values for _, values in blocks), np.array([value for _, value in numbers], dtype=np.float64)]
        return np.concatenate(columns), np.concatenate(values)

    def _block(self, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        known, counts = np.unique(columns, return_counts=True)
        values = (1 + np.log(counts)) * self._idf[known]
        return known, values / (np.sqrt(values @ values) or 1.0)

    def _word_columns(self, before: str, token: str) -> list[int]:
        """Return the columns of a word and of the pair that ends with it."""
        columns = self._words.get((before, token))
        if columns is None:
            if len(self._words) >= MOST_TOKENS:
                self._words.clear()
            names = (f"w:{token}", f"w:{before} {token}")
            columns = [self._index[name] for name in names if name in self._index]
            self._words[before, token] = columns
        return columns

    def _pair_alone(self, last: str) -> list[int]:
        pair = f"w:{last} </s>"
        return [self._index[pair]] if pair in self._index else []

    def _char_columns(self, token: str) -> np.ndarray:
        columns = self._chars.get(token)
        if columns is None:
            if len(self._chars) >= MOST_TOKENS:
                self._chars.clear()
            known = [self._index[gram] for gram in grams(token) if gram in self._index]
            columns = self._chars[token] = np.array(known, dtype=np.intp)
        return columns
