"""What do owners' corrections teach, and may the model that learnt from them replace the old one?

A person's corrections together weigh at most `MOST_OF_CORPUS` of the corpus: nobody retrains the model alone. A new
model must be no worse on a frozen set, for every label and every language, than the one it replaces.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from classifier.labels import Example, folded
from classifier.model import LinearModel
from store.vocabulary import Label, Tag

MOST_OF_CORPUS = 0.01  # share of the corpus that one person's corrections may weigh together


def learnable(
    corrections: Sequence[Mapping[str, Any]], corpus: Sequence[Example], frozen: Sequence[Example]
) -> list[Example]:
    """Return corrections as training texts with their weight; the last word on a text counts, frozen texts never.

    A row has `text`, `label`, `tags`, `language`, `person`, oldest first.
    """
    held_out = {folded(one.text) for one in frozen}
    latest = {folded(row["text"]): row for row in corrections}
    rows = {key: row for key, row in latest.items() if key and key not in held_out}
    counts = Counter(row["person"] for row in rows.values())
    most = MOST_OF_CORPUS * len(corpus)
    return [
        Example(
            text=row["text"],
            label=Label(row["label"]),
            tags=frozenset(map(Tag, row["tags"])),
            language=row["language"] or "en",
            style="owner",
            family=f"correction:{key}",
            batch="corrections",
            author=f"person:{row['person']}",
            weight=min(1.0, most / counts[row["person"]]),
        )
        for key, row in rows.items()
    ]


def with_corrections(corpus: Sequence[Example], learnt: Sequence[Example]) -> list[Example]:
    """Return the corpus and what was learnt; where both hold a text, the owner's label counts, with its weight."""
    known = {folded(one.text): one for one in learnt}
    kept = [one for one in corpus if folded(one.text) not in known]
    return [*kept, *(replace(one, batch="corrections") for one in learnt)]


def find_worse(old: LinearModel, new: LinearModel, frozen: Sequence[Example]) -> list[str]:
    """Return one sentence for every label and language in which the new model has fewer frozen texts right."""
    before, after = _right(old, frozen), _right(new, frozen)
    there = Counter(group for one in frozen for group in _groups(one))
    return [
        f"{group}: {after[group]} of {there[group]} texts right, {before[group]} before"
        for group in sorted(there)
        if after[group] < before[group]
    ]


def _right(model: LinearModel, frozen: Sequence[Example]) -> Counter[str]:
    said = model.classify_many([one.text for one in frozen])
    found: Counter[str] = Counter()
    for one, answer in zip(frozen, said, strict=True):
        if answer.label == one.label:
            found.update(_groups(one))
        found["wishes to stop held"] += one.label == Label.UNSUBSCRIBE and answer.hold
    return found


def _groups(one: Example) -> tuple[str, ...]:
    stop = ("wishes to stop held",) if one.label == Label.UNSUBSCRIBE else ()
    return (f"label {one.label}", f"language {one.language}", *stop)
