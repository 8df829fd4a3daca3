"""Do two readings of the same texts agree? Labels given a second time, blind, and Cohen's kappa between the two.

`corpus/second_reading.jsonl` holds one JSON object a text: `text_sha256`, `batch`, `first` and `second` label.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from classifier.labels import CORPUS, SECOND_READING
from store.errors import PermanentError
from store.vocabulary import Label


@dataclass(frozen=True, slots=True)
class Reading:
    """One text, labelled twice."""

    text_sha256: str
    batch: str
    first: Label
    second: Label


def text_hash(text: str) -> str:
    """Return the SHA-256 by which a second reading names a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def read_second_reading(folder: Path = CORPUS) -> list[Reading]:
    """Return every text that was read twice, none where there is no file yet; raises PermanentError naming the line."""
    path = folder / SECOND_READING
    if not path.exists():
        return []
    found: list[Reading] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            row = json.loads(line)
            found.append(Reading(row["text_sha256"], row["batch"], Label(row["first"]), Label(row["second"])))
        except (KeyError, ValueError, TypeError) as problem:
            raise PermanentError(f"{path.name}, line {number}: {type(problem).__name__}: {problem}") from problem
    return found


def kappa(readings: Sequence[Reading]) -> float:
    """Return Cohen's kappa: agreement beyond what the shares of the labels alone would give; 1.0 is full agreement."""
    if not readings:
        return 0.0
    total = len(readings)
    agreed = sum(one.first == one.second for one in readings) / total
    first, second = Counter(one.first for one in readings), Counter(one.second for one in readings)
    chance = sum(first[label] * second[label] for label in Label) / total**2
    return (agreed - chance) / (1 - chance) if chance < 1 else 1.0


def agreement_lines(readings: Sequence[Reading], texts: Collection[str]) -> list[str]:
    """Return what the card says about the second reading of these texts, and of texts that have left the corpus."""
    if not readings:
        return ["No text has been labelled a second time yet."]
    agreed = sum(one.first == one.second for one in readings)
    apart = Counter(f"{one.first} / {one.second}" for one in readings if one.first != one.second)
    often = ", ".join(f"{pair} ({count})" for pair, count in apart.most_common(5)) or "none"
    read = {one.text_sha256 for one in readings}
    covered = sum(text_hash(text) in read for text in texts) / len(texts)
    return [
        f"{covered:.1%} of the texts, and texts that have left since, were labelled twice, the second time blind: "
        f"{agreed} of {len(readings)} readings agree, Cohen's kappa {kappa(readings):.3f}. "
        f"Most frequent disagreements (first / second): {often}."
    ]
