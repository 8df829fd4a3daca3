"""What does the corpus say, and is it well formed?"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from store.errors import PermanentError
from store.vocabulary import Label, Tag

CORPUS = Path(__file__).parent / "corpus"
MIRROR = CORPUS / "held_out"  # never trained on, never chosen on


@dataclass(frozen=True, slots=True)
class Example:
    """One text of the corpus with its label."""

    text: str
    label: Label
    tags: frozenset[Tag]
    language: str
    style: str
    family: str
    batch: str
    sent_on: date | None = None
    return_on: date | None = None


def read_corpus(folder: Path = CORPUS) -> list[Example]:
    """Read every `*.jsonl` in a folder, in order of name; raises PermanentError naming file, line and fault."""
    examples: list[Example] = []
    seen: dict[str, str] = {}
    for path in sorted(folder.glob("*.jsonl")):
        for where, example in _read_file(path):
            key = f"{example.language}:{' '.join(example.text.casefold().split())}"
            if key in seen:
                raise PermanentError(f"{where}: the same text stands at {seen[key]}")
            seen[key] = where
            examples.append(example)
    return examples


def _read_file(path: Path) -> Iterator[tuple[str, Example]]:
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        where = f"{path.name}, line {number}"
        try:
            row = json.loads(line)
            yield (
                where,
                Example(
                    text=row["text"],
                    label=Label(row["label"]),
                    tags=frozenset(map(Tag, row.get("tags", ()))),
                    language=row["language"],
                    style=row["style"],
                    family=f"{row['language']}:{row['family']}",
                    batch=row.get("batch", path.stem),
                    sent_on=_day(row.get("sent_on")),
                    return_on=_day(row.get("return_on")),
                ),
            )
        except (KeyError, ValueError, TypeError) as problem:
            raise PermanentError(f"{where}: {type(problem).__name__}: {problem}") from problem


def _day(value: str | None) -> date | None:
    return date.fromisoformat(value) if value else None


def count_labels(examples: Iterable[Example]) -> dict[str, Counter[str]]:
    """Return how many texts each language has by label."""
    counts: dict[str, Counter[str]] = {}
    for example in examples:
        counts.setdefault(example.language, Counter())[example.label] += 1
    return counts
