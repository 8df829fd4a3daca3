"""Which sequences stand in files of their own? `sequences/NAME.toml` beside the configuration, one sequence a file.

A file holds what a `[[sequence]]` table holds; its name is the file's unless it says otherwise. Every error names the
file and the path inside it.
"""

import re
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from outbound.letter import FIELDS
from outbound.settings import SequenceSettings
from outbound.template import check_template
from store.errors import ConfigError

FOLDER = "sequences"
_TABLE = re.compile(r"^sequence\[(\d+)\]\.?")


def read_sequence_files(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the table of each file by its name as people write it; raises ConfigError for what is no TOML."""
    found: dict[str, dict[str, Any]] = {}
    problems: list[str] = []
    for path in sorted((folder / FOLDER).glob("*.toml")):
        name = f"{FOLDER}/{path.name}"
        try:
            found[name] = {"name": path.stem} | tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as problem:
            problems.append(f"{name}: {problem.strerror}")
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
            problems.append(f"{name}: no valid TOML: {problem}")
    if problems:
        raise ConfigError(problems)
    return found


def name_file(sentence: str, files: Sequence[str], first: int) -> str:
    """Return an error about `sequence[N]` as one about its file; sequences from `first` on come from these files."""
    found = _TABLE.match(sentence)
    if found is None or int(found[1]) < first:
        return sentence
    rest = sentence[found.end() :].removeprefix(":").strip()
    return f"{files[int(found[1]) - first]}: {rest}"


def check_texts(path: str, sequence: SequenceSettings) -> Iterator[tuple[bool, str]]:
    """Yield (is an error, sentence) for every template of a sequence, and for variants that prove nothing."""
    for number, step in enumerate(sequence.step):
        place = f"{path}.step[{number}]"
        texts = [("subject", step.subject), ("body", step.body)]
        for index, variant in enumerate(step.variant):
            own = f"variant[{index}]"
            texts += [(f"{own}.subject", variant.subject), (f"{own}.body", variant.body)]
            if variant.subject and variant.body:
                yield False, f"{place}.{own}: changes subject and body at once: nobody can tell which of them mattered"
        for field, source in texts:
            for is_error, sentence in check_template(source, FIELDS):
                yield is_error, f"{place}.{field}: {sentence}"
