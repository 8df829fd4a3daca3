"""Is a unit durable, alone in its failure, and grouped with its neighbours?"""

import asyncio
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from sqlalchemy import Connection, func, insert, select, text, update

from store import database, schema
from store.database import Store
from store.errors import StoreOnHold, TemporaryError
from store.tables import Rotation, core

_ROTATION = core(Rotation)
NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


def add(connection: Connection, pod: str) -> str:
    connection.execute(insert(_ROTATION).values(pod=pod, turns={}, last=""))
    return pod


def count(connection: Connection) -> int:
    return int(connection.execute(select(func.count()).select_from(_ROTATION)).scalar_one())


def test_concurrent_units_all_commit(store: Store) -> None:
    async def story() -> list[str]:
        return await asyncio.gather(*(store.write(add, f"pod-{number}") for number in range(200)))

    assert asyncio.run(story()) == [f"pod-{number}" for number in range(200)]
    assert store.read_now(count) == 200


def test_a_failing_unit_takes_nobody_with_it(store: Store) -> None:
    def fail(connection: Connection) -> None:
        add(connection, "half-done")
        raise ValueError("no")

    async def story() -> list[object]:
        units = [store.write(add, "a"), store.write(fail), store.write(add, "a"), store.write(add, "b")]
        return list(await asyncio.gather(*units, return_exceptions=True))

    first, failed, twice, last = asyncio.run(story())
    assert (first, last) == ("a", "b")
    assert isinstance(failed, ValueError)
    assert isinstance(twice, Exception)
    assert store.read_now(count) == 2


@pytest.mark.parametrize("failure", [SystemExit(1), KeyError("x"), GeneratorExit()])
def test_whatever_a_unit_raises_the_writer_goes_on(store: Store, failure: BaseException) -> None:
    def fail(connection: Connection) -> None:
        add(connection, "half-done")
        raise failure

    async def story() -> None:
        units = (lambda c: add(c, "a"), fail, lambda c: add(c, "b"))
        waiting = [store._enqueue(unit) for unit in units]  # awaited by nobody: an exit would end the loop
        await asyncio.wait(waiting)
        assert (waiting[0].result(), waiting[2].result()) == ("a", "b")
        assert waiting[1].exception() is failure

    asyncio.run(story())
    assert asyncio.run(write_one(store, "c")) == "c"
    assert store.read_now(count) == 3


def test_a_lost_connection_fails_its_group_and_the_writer_goes_on(store: Store) -> None:
    if store.dialect != "postgresql":
        pytest.skip("PostgreSQL only")

    def cut(connection: Connection) -> None:
        connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    async def story() -> list[object]:
        units = [store.write(add, "a"), store.write(cut), store.write(add, "b")]
        return list(await asyncio.gather(*units, return_exceptions=True))

    told = asyncio.run(story())
    assert isinstance(told[1], TemporaryError)
    kept = store.read_now(lambda c: set(c.execute(select(_ROTATION.c.pod)).scalars()))
    assert kept == {name for name, said in zip("a-b", told, strict=True) if said == name}
    assert asyncio.run(write_one(store, "c")) == "c"


async def write_one(store: Store, pod: str) -> str:
    return await store.write(add, pod)


def test_items_of_a_moment_share_a_unit_and_fail_alone(store: Store) -> None:
    calls: list[int] = []

    def each(connection: Connection, pods: list[str]) -> list[str]:
        calls.append(len(pods))
        return [add(connection, pod) for pod in pods]

    async def story(pods: list[str]) -> list[object]:
        return list(await asyncio.gather(*(store.write_each(each, pod) for pod in pods), return_exceptions=True))

    assert asyncio.run(story(["a", "b", "c", "d"])) == ["a", "b", "c", "d"]
    told = asyncio.run(story(["e", "a", "f"]))
    assert (told[0], told[2]) == ("e", "f")
    assert isinstance(told[1], Exception)
    assert store.read_now(count) == 6
    assert max(calls) > 1, "they shared a call"


def test_readers_of_a_moment_share_a_query(store: Store) -> None:
    def each(connection: Connection, numbers: list[int]) -> list[tuple[int, int]]:
        return [(number, len(numbers) + count(connection)) for number in numbers]

    async def story() -> list[tuple[int, int]]:
        return await asyncio.gather(*(store.read_each(each, number) for number in range(9)))

    assert asyncio.run(story()) == [(number, 9) for number in range(9)]


def test_concurrent_increments_lose_nothing(store: Store) -> None:
    store.write_now(add, "a")

    def increment(connection: Connection) -> None:
        turns = connection.execute(select(_ROTATION.c.turns)).scalar_one()
        connection.execute(update(_ROTATION).values(turns={"n": turns.get("n", 0) + 1}))

    async def story() -> None:
        inline = asyncio.to_thread(lambda: [store.write_now(increment) for _ in range(20)])
        await asyncio.gather(inline, *(store.write(increment) for _ in range(20)))

    asyncio.run(story())
    assert store.read_now(lambda c: c.execute(select(_ROTATION.c.turns)).scalar_one()) == {"n": 40}


NEIGHBOUR = """
import sys, time
from sqlalchemy import text
from store.database import Store
from tests.store.test_database import add

store = Store(sys.argv[1], inline=True)
for number in range(3_000):
    store.write_now(lambda c: (add(c, f"neighbour-{number}"), time.sleep(0.02)))
    print(number, flush=True)
"""  # a long import: one transaction after another


def test_the_database_is_never_locked_by_a_busy_neighbour(store: Store) -> None:
    with subprocess.Popen([sys.executable, "-c", NEIGHBOUR, store.url], stdout=subprocess.PIPE) as neighbour:
        assert neighbour.stdout is not None
        assert neighbour.stdout.readline() == b"0\n"
        for number in range(20):
            asyncio.run(write_one(store, f"own-{number}"))
            neighbour.stdout.readline()
        neighbour.kill()
    assert store.read_now(count) < 900, "without turns a write waits for hundreds of the neighbour's"


def test_a_write_lock_that_is_held_for_too_long_is_named(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    if store.dialect != "sqlite":
        pytest.skip("SQLite only")
    monkeypatch.setattr(database, "LOCK_PATIENCE", 0.01)
    other = Store(store.url)
    try:
        with other.engine.begin() as held:
            add(held, "a")
            with pytest.raises(TemporaryError, match="database is locked"):
                asyncio.run(write_one(store, "b"))
        assert asyncio.run(write_one(store, "b")) == "b", "the turn was given back"
    finally:
        other.close()


def test_what_a_reader_writes_is_not_kept(store: Store) -> None:
    store.read_now(lambda connection: add(connection, "ghost") if store.dialect == "postgresql" else None)
    assert store.read_now(count) == 0


def test_sqlite_survives_power_loss_settings(store: Store) -> None:
    if store.dialect != "sqlite":
        pytest.skip("SQLite only")
    pragmas = {"journal_mode": "wal", "synchronous": 2}
    for name, wanted in pragmas.items():
        assert store.read_now(read_pragma, name) == wanted


def read_pragma(connection: Connection, name: str) -> object:
    return connection.execute(text(f"PRAGMA {name}")).scalar_one()


def test_a_cloned_database_is_on_hold_until_released(store: Store) -> None:
    own = schema.fingerprint(store)
    assert store.write_now(schema.claim_instance, own, NOW) == ""
    store.write_now(schema.require_release)
    assert store.write_now(schema.claim_instance, "another machine", NOW) == "restored-or-cloned"
    with pytest.raises(StoreOnHold, match="hold release"):
        store.write_now(schema.require_release)
    store.write_now(schema.set_hold, "", "another machine")
    assert store.write_now(schema.claim_instance, "another machine", NOW) == ""


def test_migrations_match_the_tables(store: Store) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.runtime.migration import MigrationContext

    from store.columns import House

    with store.engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), House.metadata)
    assert differences == []
