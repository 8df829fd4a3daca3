"""Which value of a field is the newest, and where did it come from?

Kept on the record itself, by "instant source": most records have one origin for all their fields.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

Origins = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Origin:
    """When and from where values came; `dated` when the list's own program says when it changed the record."""

    at: datetime
    source: str
    dated: bool = False

    @property
    def key(self) -> str:
        """How it is kept."""
        return f"{_second(self.at)} {self.source}"


@lru_cache(maxsize=1_000)  # a list has few instants
def _second(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds")


def origin_of(origins: Origins, name: str) -> Origin | None:
    """Return where a field's value came from, None when nobody wrote it down."""
    key = next((key for key, names in origins.items() if name in names), "")
    at, _, source = key.partition(" ")
    return Origin(datetime.fromisoformat(at), source) if key else None


def with_origin(origins: Origins, names: Iterable[str], origin: Origin) -> dict[str, list[str]]:
    """Return the origins after some fields got their value anew."""
    moved = set(names)
    if not moved:
        return {key: list(kept) for key, kept in origins.items()}
    left = {key: [name for name in kept if name not in moved] for key, kept in origins.items()}
    left[origin.key] = sorted({*left.get(origin.key, ()), *moved})
    return {key: kept for key, kept in left.items() if kept}


def newer(
    old: Mapping[str, str], origins: Origins, new: Mapping[str, str], origin: Origin
) -> tuple[dict[str, str], dict[str, list[str]]]:
    """Return (values that change, origins afterwards): of two filled values the newer one wins."""
    changes: dict[str, str] = {}
    confirmed: set[str] = set()
    for name, value in new.items():
        before = origin_of(origins, name) if old.get(name) else None
        if not value or (before is not None and before.at > origin.at):
            continue
        if old.get(name, "") != value:
            changes[name] = value
        elif origin.dated and before is not None and before.at < origin.at:
            confirmed.add(name)
    return changes, with_origin(origins, {*changes, *confirmed}, origin)
