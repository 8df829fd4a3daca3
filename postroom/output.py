"""How does a command speak? One JSON object a line with `--json`, else a table for people; logs go to stderr."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from rich.console import Console
from rich.table import Table

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
console = Console()
errors = Console(stderr=True)


def print_rows(rows: Iterable[Mapping[str, Any]], *, as_json: bool, columns: Sequence[str], title: str = "") -> int:
    """Print rows and return how many there were; `columns` are those that the table shows."""
    number = 0
    if as_json:
        for row in rows:
            sys.stdout.write(to_json(row) + "\n")
            number += 1
        return number
    table = Table(*columns, title=title or None, title_justify="left", header_style="bold")
    for row in rows:
        table.add_row(*(_cell(row.get(column)) for column in columns))
        number += 1
    console.print(table if number else f"{title + ': ' if title else ''}nothing")
    return number


def to_json(row: Mapping[str, Any]) -> str:
    """Return one JSON line; instants and dates in ISO 8601."""
    return json.dumps(row, ensure_ascii=False, default=_plain)


def harmless(cell: Any) -> str:
    """Return the cell of a CSV as text that no spreadsheet takes for a formula."""
    text = "" if cell is None else cell.isoformat() if isinstance(cell, datetime) else str(cell)
    return f"'{text}" if text.lstrip(" \u00a0").startswith(FORMULA) or text.startswith(FORMULA) else text


def _plain(value: Any) -> Any:
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    if isinstance(value, (frozenset, set, tuple)):
        return sorted(value) if isinstance(value, (set, frozenset)) else list(value)
    return str(value)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value:%d %b %Y %H:%M}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.2f}"
    if isinstance(value, (list, tuple, set, frozenset)):
        return ", ".join(map(str, sorted(value, key=str)))
    return str(value).replace("[", "\\[")
