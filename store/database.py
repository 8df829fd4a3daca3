"""How do rooms reach the database without waiting for each other's disk?

A unit of work is a plain function of a connection. `Store.write` queues it for the one writer thread, which runs the
queued units of a moment one after another, commits once, and only then releases their waiters: a group commit. Where a
unit raises, all of them are rolled back and run again, each in a savepoint: it fails alone. Hence a unit may run more
than once and must change nothing but the database. `Store.read` runs in one of a few reader threads. With
`inline=True` (simulation, command line) the same units run at once in the calling thread.

SQLite: WAL, `synchronous=FULL` (survives power loss), `BEGIN IMMEDIATE` on the write engine because a later upgrade
of a read lock fails at once. Writers take turns (`FILE-turn`): SQLite's own wait looks ten times a second and can miss
every gap between the transactions of a busy neighbour until it gives up with "database is locked".
PostgreSQL: a unit that lost a deadlock or serialization race is run again alone.
No error shows the values of a statement: logs outlive an erasure.
"""

import asyncio
import contextlib
import fcntl
import os
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
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
Item = TypeVar("Item")
T = TypeVar("T")

GROUP_LIMIT = 512  # units in one commit: bounds how long the first waits
GATHER = 0.002  # seconds from one commit to the next: a lone unit never waits, busy ones share commits and calls
READERS = 3
LOCK_PATIENCE = 60.0  # seconds to wait for other writers of a SQLite file
LOCK_GLANCE = 0.0005  # seconds from one try to the next
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
    """One unit with whoever waits for it; where items of a moment share a call, `each` takes their list."""

    waiter: asyncio.Future[Any]
    unit: Callable[[Connection], Any]
    each: Callable[[Connection, list[Any]], Sequence[Any]] | None = None
    item: Any = None


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
        self._asking: dict[Callable[..., Sequence[Any]], list[tuple[asyncio.Future[Any], Any]]] = {}

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self.engine.dialect.name

    async def write(self, unit: Callable[Concatenate[Connection, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a unit durably: returns after the commit; raises what the unit raised, with nothing written.

        A cancelled waiter does not cancel the unit: whoever must know asks the store again. Where a unit of its group
        raises, a unit is run a second time: it may leave nothing outside the transaction.
        """
        if self.inline:
            return self.write_now(unit, *args, **kwargs)
        result: T = await self._enqueue(lambda connection: unit(connection, *args, **kwargs))
        return result

    def write_each(self, each: Callable[[Connection, list[Item]], Sequence[T]], item: Item) -> "asyncio.Future[T]":
        """Queue an item for a unit that takes all items of a moment at once, results in their order; see `write`.

        Whoever need not know awaits the future later. Where one item raises, each is run again alone.
        """
        if self.inline:
            done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
            done.set_result(self.write_now(each, [item])[0])
            return done
        return self._enqueue(lambda connection: each(connection, [item])[0], each, item)

    def _enqueue(
        self,
        unit: Callable[[Connection], Any],
        each: Callable[[Connection, list[Any]], Sequence[Any]] | None = None,
        item: Any = None,
    ) -> asyncio.Future[Any]:
        queued = _Queued(asyncio.get_running_loop().create_future(), unit, each, item)
        self._ensure_writer()
        self._queue.put(queued)
        return queued.waiter

    async def read(self, query: Callable[Concatenate[Connection, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a query on a consistent snapshot; nothing it writes is kept."""
        if self.inline:
            return self.read_now(query, *args, **kwargs)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._readers, lambda: self.read_now(query, *args, **kwargs))

    async def read_each(self, each: Callable[[Connection, list[Item]], Sequence[T]], item: Item) -> T:
        """Run a query that takes the items of all who ask at this moment, results in their order; see `read`."""
        if self.inline:
            return self.read_now(each, [item])[0]
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[T] = loop.create_future()
        if each not in self._asking:
            self._asking[each] = []
            loop.call_soon(self._ask, loop, each)
        self._asking[each].append((waiter, item))
        return await waiter

    def _ask(self, loop: asyncio.AbstractEventLoop, each: Callable[..., Sequence[Any]]) -> None:
        asked = self._asking.pop(each)
        reading = loop.run_in_executor(self._readers, lambda: self.read_now(each, [item for _, item in asked]))

        def answer(found: asyncio.Future[Sequence[Any]]) -> None:
            problem = found.exception()
            results = found.result() if problem is None else [None] * len(asked)
            _settle([(waiter, result, problem) for (waiter, _), result in zip(asked, results, strict=True)])

        reading.add_done_callback(answer)

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
        committed = 0.0
        while (first := self._queue.get()) is not None:
            time.sleep(max(0.0, committed + GATHER - time.monotonic()))  # let the units of a busy moment come together
            group, last = [first], False
            while len(group) < GROUP_LIMIT:
                try:
                    following = self._queue.get_nowait()
                except queue.Empty:
                    break
                if following is None:
                    last = True
                    break
                group.append(following)
            self._commit_group(group)
            committed = time.monotonic()
            if last:
                return

    def _commit_group(self, group: list[_Queued]) -> None:
        """Commit the units together; whatever goes wrong belongs to the waiters, never to this thread."""
        try:
            outcomes = self._run_together(group) or self._run_apart(group)
        except Exception as problem:  # noqa: BLE001 - nothing of this group was kept, or nobody knows
            outcomes = [(None, problem)] * len(group)
        for number, (_, failure) in enumerate(outcomes):
            if _lost_race(failure):
                outcomes[number] = self._run_alone(group[number])
        _release(group, outcomes)

    def _run_together(self, group: list[_Queued]) -> "list[_Outcome]":
        """Run the units without a savepoint each, which is faster; empty when one raised, with nothing kept."""
        with self._inline_lock, self.engine.connect() as connection:
            whole = connection.begin()
            try:
                results = _run_all(connection, group)
            except BaseException:  # noqa: BLE001 - whose it is is found out in `_run_apart`
                whole.rollback()
                return []
            whole.commit()
        return [(result, None) for result in results]

    def _run_apart(self, group: list[_Queued]) -> "list[_Outcome]":
        """Run the units with a savepoint each, so that one that raises takes nobody with it."""
        with self._inline_lock, self.engine.begin() as connection:
            return [_attempt(connection, queued.unit) for queued in group]

    def _run_alone(self, queued: _Queued) -> "_Outcome":
        try:
            return self.write_now(queued.unit), None
        except Exception as problem:  # noqa: BLE001 - belongs to the waiter
            return None, problem


def _run_all(connection: Connection, group: list[_Queued]) -> list[Any]:
    """Run plain units first, then those that take many items, one call each; results in the order of the group.

    Plain units first: a stop that was queued in the same moment comes before the claims.
    """
    found: dict[int, Any] = {}
    shared: dict[Callable[..., Sequence[Any]], list[int]] = {}
    for number, queued in enumerate(group):
        if queued.each is None:
            found[number] = queued.unit(connection)
        else:
            shared.setdefault(queued.each, []).append(number)
    for each, numbers in shared.items():
        found.update(zip(numbers, each(connection, [group[number].item for number in numbers]), strict=True))
    return [found[number] for number in range(len(group))]


def _attempt(connection: Connection, unit: Callable[[Connection], Any]) -> "_Outcome":
    """Run a unit in a savepoint; returns its result or what it raised, even an exit, with nothing of it kept."""
    try:
        with connection.begin_nested():
            return unit(connection), None
    except BaseException as problem:  # noqa: BLE001 - belongs to the waiter
        return None, problem


_Outcome = tuple[Any, BaseException | None]


def _release(group: list[_Queued], outcomes: list[_Outcome]) -> None:
    """Tell the waiters, with one call into each event loop."""
    told: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Any], Any, BaseException | None]]] = {}
    for queued, (result, failure) in zip(group, outcomes, strict=True):
        told.setdefault(queued.waiter.get_loop(), []).append((queued.waiter, result, failure))
    for loop, answers in told.items():
        with contextlib.suppress(RuntimeError):  # a loop that is closed has nobody waiting
            loop.call_soon_threadsafe(_settle, answers)


def _settle(answers: list[tuple[asyncio.Future[Any], Any, BaseException | None]]) -> None:
    for waiter, result, failure in answers:
        if waiter.done():
            continue  # cancelled: the unit was not
        if failure is None:
            waiter.set_result(result)
        else:
            waiter.set_exception(_translated(failure))


def _lost_race(problem: BaseException | None) -> bool:
    return isinstance(problem, DBAPIError) and getattr(problem.orig, "sqlstate", None) in _RACES


def _translated(problem: BaseException) -> BaseException:
    if isinstance(problem, (OperationalError, PendingRollbackError, PoolTimeout)):
        return TemporaryError(f"the database did not answer: {getattr(problem, 'orig', problem)}")
    return RuntimeError(f"a unit raised {problem!r}") if isinstance(problem, StopIteration) else problem


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
    _prepare_sqlite(engine, begin="BEGIN IMMEDIATE", turn_file=f"{path}-turn")
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


def _prepare_sqlite(engine: Engine, *, begin: str, turn_file: str = "") -> None:
    @event.listens_for(engine, "connect")
    def _connected(raw: Any, record: Any) -> None:
        raw.isolation_level = None  # the driver's own BEGIN loses updates
        for pragma in ("busy_timeout=30000", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            raw.execute(f"PRAGMA {pragma}")
        if turn_file:
            raw.execute("PRAGMA busy_timeout=0")
            record.info["turn"] = os.open(turn_file, os.O_RDWR | os.O_CREAT, 0o600)

    @event.listens_for(engine, "close")
    def _closed(_raw: Any, record: Any) -> None:
        if "turn" in record.info:
            os.close(record.info.pop("turn"))

    def do_begin(proxied: Any) -> None:  # not a listener: one that is there slows every statement down
        if not (turn_file and _begin_in_turn(proxied.dbapi_connection, begin, proxied.info["turn"])):
            proxied.execute(begin)  # says what is wrong

    engine.dialect.do_begin = do_begin  # type: ignore[method-assign,assignment]


@contextlib.contextmanager
def others_wait(url: str) -> Iterator[None]:
    """Let no other transaction that writes to a SQLite file begin meanwhile; those that run come to their end."""
    with Path(f"{_sqlite_path(url)}-turn").open("ab") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        yield


def _begin_in_turn(raw: sqlite3.Connection, begin: str, turn: int) -> bool:
    """Begin a transaction that writes; False when others held the lock for too long, or something else is wrong.

    Whoever holds the turn is the next to get the database's own lock; it gives the turn on when it has that.
    """
    deadline, has_turn = time.monotonic() + LOCK_PATIENCE, False
    try:
        while time.monotonic() < deadline:
            try:
                if not has_turn:
                    fcntl.flock(turn, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    has_turn = True
                raw.execute(begin)
            except BlockingIOError:
                time.sleep(LOCK_GLANCE)
            except sqlite3.OperationalError as problem:
                if problem.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                    return False
                time.sleep(LOCK_GLANCE)
            else:
                return True
    finally:
        fcntl.flock(turn, fcntl.LOCK_UN)
    return False
