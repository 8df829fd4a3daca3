"""What does the corpus say, and is it well formed?"""

import hashlib
import json
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from store.errors import PermanentError
from store.vocabulary import Label, Tag

CORPUS = Path(__file__).parent / "corpus"
MIRROR = CORPUS / "held_out"  # never trained on, never chosen on
SECOND_READING = "second_reading.jsonl"  # labels read twice, no texts: `agreement` reads it


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
    author: str = ""  #: who wrote the batch, from `authors.toml`
    sent_on: date | None = None
    return_on: date | None = None
    weight: float = 1.0  #: in training; an owner's correction may weigh less


def read_corpus(folder: Path = CORPUS) -> list[Example]:
    """Read every `*.jsonl` in a folder, in order of name; raises PermanentError naming file, line and fault."""
    examples: list[Example] = []
    seen: dict[str, str] = {}
    authors = _read_authors(folder / "authors.toml")
    for path in sorted(folder.glob("*.jsonl")):
        if path.name == SECOND_READING:
            continue
        if authors and path.stem not in authors:
            raise PermanentError(f"authors.toml does not say who wrote {path.name}: add it to an author's list")
        for where, example in _read_file(path, authors.get(path.stem, path.stem)):
            key = f"{example.language}:{folded(example.text)}"
            if key in seen:
                raise PermanentError(f"{where}: the same text stands at {seen[key]}")
            seen[key] = where
            examples.append(example)
    return examples


def folded(text: str) -> str:
    """Return a text without what does not tell two texts apart: case and white space."""
    return " ".join(text.casefold().split())


def corpus_hash(examples: Iterable[Example]) -> str:
    """Return the SHA-256 over everything that training reads, whatever the order of files and lines."""
    rows = sorted(
        "|".join((one.language, one.label, ",".join(sorted(one.tags)), one.author, one.family, one.text))
        for one in examples
    )
    return hashlib.sha256("\0".join(rows).encode()).hexdigest()


def _read_authors(path: Path) -> dict[str, str]:
    """Return the author of each batch; empty where no file says."""
    if not path.exists():
        return {}
    try:
        authors = tomllib.loads(path.read_text(encoding="utf-8"))["authors"]
        return {batch: author for author, batches in authors.items() for batch in batches}
    except (tomllib.TOMLDecodeError, KeyError, TypeError) as problem:
        raise PermanentError(f'{path.name}: {problem}; write `name = ["batch", ...]` below [authors]') from problem


def _read_file(path: Path, author: str) -> Iterator[tuple[str, Example]]:
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
                    batch=path.stem,
                    author=author,
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
