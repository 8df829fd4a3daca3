"""How does a statement that runs for every letter cost little more than the driver's own call?

A `Hot` statement is compiled once for each database, and once for each size of its lists, which are filled up to the
next power of two with their last value; types are converted as everywhere. Errors are SQLAlchemy's. Column defaults
of Python are not filled in: such a statement names every value.
"""

from collections import namedtuple
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, Select, UpdateBase
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import DBAPIError

LONGEST_KEPT = 4096  # values in a list; SQL for longer ones is made each time
_Get = Callable[[Mapping[str, Any]], Any]


@dataclass(frozen=True, slots=True)
class _Ready:
    """SQL of one database with how to fill it and how to read what comes back."""

    sql: str
    names: tuple[str, ...] | None  #: of named parameters, None where the database counts them
    binds: tuple[_Get, ...]
    row: Callable[..., Any]
    results: tuple[Callable[[Any], Any] | None, ...]

    def fill(self, values: Mapping[str, Any]) -> Any:
        filled = tuple([bind(values) for bind in self.binds])
        return filled if self.names is None else dict(zip(self.names, filled, strict=True))


class Hot:
    """One statement; values are named as in its bind parameters, a list for an expanding one."""

    def __init__(self, statement: Select[*tuple[Any, ...]] | UpdateBase) -> None:
        self._statement = statement
        self._ready: dict[tuple[str, tuple[int, ...]], _Ready] = {}

    def rows(self, connection: Connection, values: Mapping[str, Any]) -> list[Any]:
        """Return what a query finds as named tuples."""
        full = {name: _filled_up(value) if isinstance(value, list) else value for name, value in values.items()}
        ready = self._for(connection.dialect, full)
        with _cursor(connection, ready.sql) as cursor:
            cursor.execute(ready.sql, ready.fill(full))
            found = cursor.fetchall()
        turns = ready.results
        if not any(turns):
            return [ready.row(*row) for row in found]
        return [
            ready.row(*[value if turn is None else turn(value) for turn, value in zip(turns, row, strict=True)])
            for row in found
        ]

    def run(self, connection: Connection, each: Sequence[Mapping[str, Any]]) -> int:
        """Change or insert once for each set of values; returns how many rows were concerned."""
        ready = self._for(connection.dialect, each[0])
        with _cursor(connection, ready.sql) as cursor:
            cursor.executemany(ready.sql, [ready.fill(values) for values in each])
            return int(cursor.rowcount)

    def _for(self, dialect: Dialect, values: Mapping[str, Any]) -> _Ready:
        key = (dialect.name, tuple(len(value) for value in values.values() if isinstance(value, list)))
        ready = self._ready.get(key)
        if ready is None:
            ready = _compile(self._statement, dialect, values)
            if max(key[1], default=0) <= LONGEST_KEPT:
                self._ready[key] = ready
        return ready


@contextmanager
def _cursor(connection: Connection, sql: str) -> Iterator[Any]:
    """Give the driver's cursor within the connection's transaction, and translate its errors as SQLAlchemy does."""
    if not connection.in_transaction():
        connection.begin()
    cursor = connection.connection.cursor()
    driver_error = connection.dialect.loaded_dbapi.Error
    try:
        yield cursor
    except driver_error as problem:
        raise DBAPIError.instance(
            sql, None, problem, driver_error, hide_parameters=True, dialect=connection.dialect
        ) from problem
    finally:
        cursor.close()


def _filled_up(values: list[Any]) -> list[Any]:
    """Repeat the last value up to a power of two: a few sizes of SQL instead of hundreds."""
    if len(values) > LONGEST_KEPT:
        return values
    return values + values[-1:] * ((1 << max(0, len(values) - 1).bit_length()) - len(values))


def _compile(statement: Select[*tuple[Any, ...]] | UpdateBase, dialect: Dialect, values: Mapping[str, Any]) -> _Ready:
    compiled: Any = statement.compile(dialect=dialect)
    state = compiled.construct_expanded_state(values, escape_names=False)
    names = state.positiontup if state.positiontup is not None else tuple(state.parameters)
    origin = {part: (name, index) for name, parts in state.parameter_expansion.items()
              for index, part in enumerate(parts)}  # fmt: skip
    binds = []
    for name in names:
        source, index = origin.get(name, (name, None))
        turn = compiled.binds[source].type.dialect_impl(dialect).bind_processor(dialect)
        binds.append(_get(source, index, turn) if source in values else _always(state.parameters[name], turn))
    columns = tuple(statement.selected_columns) if isinstance(statement, Select) else ()
    return _Ready(
        state.statement,
        None if state.positiontup is not None else names,
        tuple(binds),
        namedtuple("Row", [column.key or "" for column in columns], rename=True),
        tuple(column.type.dialect_impl(dialect).result_processor(dialect, None) for column in columns),
    )


def _get(source: str, index: int | None, turn: Callable[[Any], Any] | None) -> _Get:
    if index is not None:
        return (lambda values: values[source][index]) if turn is None else (lambda v: turn(v[source][index]))
    return itemgetter(source) if turn is None else (lambda values: turn(values[source]))


def _always(value: Any, turn: Callable[[Any], Any] | None) -> _Get:
    fixed = value if turn is None else turn(value)
    return lambda _values: fixed
