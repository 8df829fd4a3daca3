"""How do rooms reach the database without waiting for each other's disk?

A unit of work is a plain function of a connection. `Store.write` queues it for the one writer thread, which runs the
queued units of a moment one after another, each in a savepoint, commits once, and only then releases their waiters:
a group commit. A unit that raises is rolled back alone. `Store.read` runs in one of a few reader threads. With
`inline=True` (simulation, command line) the same units run at once in the calling thread.

SQLite: WAL, `synchronous=FULL` (survives power loss), `BEGIN IMMEDIATE` on the write engine because a later upgrade
of a read lock fails at once. PostgreSQL: a unit that lost a deadlock or serialization race is run again alone.
No error shows the values of a statement: logs outlive an erasure.
"""

import asyncio
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, func, select
from sqlalchemy.exc import DBAPIError, OperationalError, PendingRollbackError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import QueuePool

from store.errors import PermanentError, TemporaryError

P = ParamSpec("P")
T = TypeVar("T")

GROUP_LIMIT = 512  # units in one commit: bounds how long the first waits
READERS = 3
RACE_TRIES = 5
DATABASE_CLOCK = "postroom_database_clock"
_RACES = {"40001", "40P01"}  # PostgreSQL: serialization failure, deadlock


def shared_now(connection: Connection, now: datetime) -> datetime:
    """Return the present instant by the one clock that all nodes of this database share; `now` is the node's own."""
    if not connection.get_execution_options().get(DATABASE_CLOCK):
        return now
    found: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
    return found.astimezone(UTC)


@dataclass(slots=True)
class _Queued:
    unit: Callable[[Connection], Any]
    waiter: "Future[Any]"


class Store:
    """One database with its writer thread and readers; call `close` when done.

    `database_clock`: leases expire by the clock of the database server, which all nodes share (`shared_now`), else by
    the instant that the caller gives: stepped clocks of simulations.
    """

    def __init__(self, url: str, *, inline: bool = False, database_clock: bool = False) -> None:
        self.url = url
        self.inline = inline
        clock = {DATABASE_CLOCK: database_clock and not url.startswith("sqlite")}  # SQLite's clock is this machine's
        self.engine = _write_engine(url).execution_options(**clock)
        self._read_engine = _read_engine(url).execution_options(**clock)
        self._queue: queue.SimpleQueue[_Queued | None] = queue.SimpleQueue()
        self._readers = ThreadPoolExecutor(READERS, "store-reader")
        self._writer: threading.Thread | None = None
        self._starting = threading.Lock()
        self._inline_lock = threading.Lock()

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self.engine.dialect.name

    async def write(self, unit: Callable[Concatenate[Connection, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a unit durably: returns after the commit; raises what the unit raised, with nothing written.

        A cancelled waiter does not cancel the unit: whoever must know asks the store again.
        """
        if self.inline:
            return self.write_now(unit, *args, **kwargs)
        queued = _Queued(lambda connection: unit(connection, *args, **kwargs), Future())
        self._ensure_writer()
        self._queue.put(queued)
        result: T = await asyncio.shield(asyncio.wrap_future(queued.waiter))
        return result

    async def read(self, query: Callable[Concatenate[Connection, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a query on a consistent snapshot; nothing it writes is kept."""
        if self.inline:
            return self.read_now(query, *args, **kwargs)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._readers, lambda: self.read_now(query, *args, **kwargs))

    def write_now(self, unit: Callable[Concatenate[Connection, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run one unit in its own durable transaction in this thread."""
        for attempt in range(RACE_TRIES):
            try:
                with self._inline_lock, self.engine.begin() as connection:
                    return unit(connection, *args, **kwargs)
            except DBAPIError as problem:
                if attempt + 1 == RACE_TRIES or not _lost_race(problem):
                    raise _translated(problem) from problem
        raise AssertionError("unreachable")

    def read_now(self, query: Callable[Concatenate[Connection, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run one query in this thread."""
        try:
            with self._read_engine.connect() as connection:
                return query(connection, *args, **kwargs)
        except OperationalError as problem:
            raise _translated(problem) from problem

    def close(self) -> None:
        """Finish the queued units, then close every connection."""
        if self._writer is not None:
            self._queue.put(None)
            self._writer.join()
            self._writer = None
        self._readers.shutdown()
        self.engine.dispose()
        self._read_engine.dispose()

    def _ensure_writer(self) -> None:
        with self._starting:
            if self._writer is None:
                self._writer = threading.Thread(target=self._write_loop, name="store-writer", daemon=True)
                self._writer.start()

    def _write_loop(self) -> None:
        while (first := self._queue.get()) is not None:
            group, last = [first], False
            first.waiter.set_running_or_notify_cancel()  # from here on nobody can cancel it
            while len(group) < GROUP_LIMIT:
                try:
                    following = self._queue.get_nowait()
                except queue.Empty:
                    break
                if following is None:
                    last = True
                    break
                following.waiter.set_running_or_notify_cancel()
                group.append(following)
            self._commit_group(group)
            if last:
                return

    def _commit_group(self, group: list[_Queued]) -> None:
        """Run the units in one transaction; whatever goes wrong belongs to the waiters, never to this thread."""
        try:
            with self._inline_lock, self.engine.begin() as connection:
                outcomes = [_attempt(connection, queued.unit) for queued in group]
        except Exception as problem:  # noqa: BLE001 - nothing of this group was kept, or nobody knows
            for queued in group:
                _release(queued, None, _translated(problem))
            return
        for queued, (result, failure) in zip(group, outcomes, strict=True):
            if _lost_race(failure):
                result, failure = self._run_alone(queued)
            _release(queued, result, failure)

    def _run_alone(self, queued: _Queued) -> tuple[Any, BaseException | None]:
        try:
            return self.write_now(queued.unit), None
        except Exception as problem:  # noqa: BLE001 - belongs to the waiter
            return None, problem


def _attempt(connection: Connection, unit: Callable[[Connection], Any]) -> tuple[Any, BaseException | None]:
    """Run a unit in a savepoint; returns its result or what it raised, even an exit, with nothing of it kept."""
    try:
        with connection.begin_nested():
            return unit(connection), None
    except BaseException as problem:  # noqa: BLE001 - belongs to the waiter
        return None, problem


def _release(queued: _Queued, result: Any, failure: BaseException | None) -> None:
    if failure is None:
        queued.waiter.set_result(result)
    else:
        queued.waiter.set_exception(_translated(failure))


def _lost_race(problem: BaseException | None) -> bool:
    return isinstance(problem, DBAPIError) and getattr(problem.orig, "sqlstate", None) in _RACES


def _translated(problem: BaseException) -> BaseException:
    if isinstance(problem, (OperationalError, PendingRollbackError, PoolTimeout)):
        return TemporaryError(f"the database did not answer: {getattr(problem, 'orig', problem)}")
    return problem


def _sqlite_path(url: str) -> str:
    return url.removeprefix("sqlite:///").removeprefix("sqlite://")


def _write_engine(url: str) -> Engine:
    if not url.startswith("sqlite"):
        return create_engine(_with_driver(url), pool_size=2, pool_pre_ping=True, hide_parameters=True)
    path = _sqlite_path(url)
    if path in ("", ":memory:"):
        raise PermanentError("postroom needs a database file: write for example sqlite:///postroom.db")
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, hide_parameters=True, poolclass=QueuePool, pool_size=1, max_overflow=0)
    _prepare_sqlite(engine, begin="BEGIN IMMEDIATE")
    return engine


def _read_engine(url: str) -> Engine:
    if not url.startswith("sqlite"):
        return create_engine(_with_driver(url), pool_size=READERS + 1, pool_pre_ping=True, hide_parameters=True)
    engine = create_engine(url, hide_parameters=True, poolclass=QueuePool, pool_size=READERS + 1, max_overflow=8)
    _prepare_sqlite(engine, begin="BEGIN")
    return engine


def _with_driver(url: str) -> str:
    head, separator, rest = url.partition("://")
    if head in ("postgres", "postgresql", "postgresql+psycopg"):
        return f"postgresql+psycopg{separator}{rest}"
    raise PermanentError(f'database "{head}" is not supported: use sqlite:///FILE or postgresql://HOST/NAME')


def _prepare_sqlite(engine: Engine, *, begin: str) -> None:
    @event.listens_for(engine, "connect")
    def _connected(raw: Any, _record: Any) -> None:
        raw.isolation_level = None  # the driver's own BEGIN loses updates
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=30000", "foreign_keys=ON"):
            raw.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begun(connection: Connection) -> None:
        connection.exec_driver_sql(begin)
