"""How is a list read from disk, line by line, whatever its encoding, and where is its header?"""

import codecs
import hashlib
import io
import itertools
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from outbound.columns import NEEDED, Columns, ListKind, folded
from outbound.csv_rows import Record, find_delimiter, guess_encoding, read_records
from store.errors import ConfigError, PermanentError

_CHUNK = 1 << 20  # bytes
_FOREIGN = 1 << 15  # bytes of lines beyond ASCII to guess an encoding from
_SAMPLE = 50  # lines
_HEADER_WITHIN = 20  # records: some programs write a title first


class ListFile:
    """A list on disk. Raises PermanentError when it cannot be read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._raw: BinaryIO | None = None
        try:
            self.encoding, self.sha256 = _look_through(path)
            self.size = path.stat().st_size
        except OSError as problem:
            raise PermanentError(f"{path}: {problem.strerror}") from problem

    @property
    def position(self) -> int:
        """Bytes read so far."""
        if self._raw is None:
            return 0
        return self.size if self._raw.closed else self._raw.tell()

    def lines(self) -> Iterator[str]:
        """Yield the lines from the start."""
        with self.path.open("rb") as raw, _as_text(raw, self.encoding) as text:
            self._raw = raw
            for line in text:
                yield line.replace("\0", "").removeprefix("\ufeff")

    def records(
        self, kind: ListKind, mapping: Mapping[str, str] | None = None
    ) -> tuple[Columns | None, Iterator[Record]]:
        """Return the columns and the records below the header; no columns when no record looks like a header."""
        lines = self.lines()
        sample = list(itertools.islice(lines, _SAMPLE))
        delimiter = find_delimiter(sample)
        above = 1 if sample and sample[0].lower().startswith("sep=") else 0
        heads = list(itertools.islice(read_records(sample[above:], delimiter), _HEADER_WITHIN))
        everything = itertools.chain(sample, lines)
        for line, cells in heads:
            if (
                isinstance(cells, list)
                and _fits(mapping, cells)
                and (columns := Columns(kind, cells, mapping)).has(*NEEDED[kind])
            ):
                below = itertools.islice(everything, above + line, None)
                return columns, ((above + line + at, row) for at, row in read_records(below, delimiter, len(cells)))
        if mapping and heads:
            Columns(kind, next((cells for _, cells in heads if isinstance(cells, list)), []), mapping)
        return None, read_records(everything, delimiter)


def _as_text(raw: BinaryIO, encoding: str) -> io.TextIOWrapper:
    return io.TextIOWrapper(raw, encoding=encoding, errors="replace", newline="")


def _fits(mapping: Mapping[str, str] | None, header: Sequence[str]) -> bool:
    return {folded(title) for title in mapping or {}} <= {folded(title) for title in header}


def _look_through(path: Path) -> tuple[str, str]:
    """Return the encoding and the SHA-256 of a file, read once in pieces."""
    decoder, digest = codecs.getincrementaldecoder("utf-8")(), hashlib.sha256()
    is_utf8, foreign, start = True, bytearray(), b""
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            start = start or chunk[:4096]
            if not is_utf8 and len(foreign) >= _FOREIGN:
                continue
            try:
                decoder.decode(chunk)
            except UnicodeDecodeError:
                is_utf8 = False
            if not chunk.isascii() and len(foreign) < _FOREIGN:
                found = b"\n".join(line for line in chunk.splitlines() if not line.isascii())
                foreign += found[: _FOREIGN - len(foreign)]
        try:
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            is_utf8 = False
    return guess_encoding(start, bytes(foreign), is_utf8=is_utf8), digest.hexdigest()


def read_mapping(path: Path | None) -> dict[str, str]:
    """Read a mapping file: TOML lines `"Header" = "field"`, `""` for a column to ignore."""
    if path is None:
        return {}
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise ConfigError([f"{path}: {problem.strerror}"]) from problem
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise ConfigError([f'{path}: no valid TOML: {problem}; write lines as "Work Mail" = "email"']) from problem
    if wrong := [key for key, value in found.items() if not isinstance(value, str)]:
        raise ConfigError([f'{path}: {wrong[0]}: write a field name in quotes, or "" to ignore the column'])
    return dict(found)
