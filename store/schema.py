"""Which schema does the database have, and which database is it?"""

import hashlib
import platform
import uuid
from datetime import datetime
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, func, insert, select, text, update

from store import audit
from store.database import Store
from store.errors import StoreOnHold
from store.tables import Instance, core

_INSTANCE = core(Instance)


def upgrade(store: Store) -> None:
    """Bring the schema to the newest migration; does nothing when it is there already."""
    config = _alembic()
    head = ScriptDirectory.from_config(config).get_current_head()
    with store.engine.begin() as connection:
        if MigrationContext.configure(connection).get_current_revision() != head:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")


def claim_instance(connection: Connection, fingerprint: str, now: datetime) -> str:
    """Return the hold reason, empty when this database may send.

    A database that wakes up on another machine, path or file than it was made on has been restored, cloned or
    moved: it starts on hold, because its twin may have sent what it still plans. A copy written over the same file is
    found by the witness (`postroom.witness`), which remembers outside the database how far it had come.
    """
    row = connection.execute(select(_INSTANCE)).one_or_none()
    if row is None:
        values = {"id": uuid.uuid4().hex, "fingerprint": fingerprint, "hold_reason": "", "created_at": now}
        connection.execute(insert(_INSTANCE).values(**values))
        return ""
    if row.fingerprint != fingerprint and not row.hold_reason:
        reason = "restored-or-cloned"
        connection.execute(update(_INSTANCE).values(hold_reason=reason))
        return reason
    return str(row.hold_reason)


def put_on_hold(connection: Connection, reason: str, now: datetime) -> None:
    """Let nothing be sent until a person releases the database; an earlier reason stays."""
    held = update(_INSTANCE).where(_INSTANCE.c.hold_reason == "").values(hold_reason=reason)
    if connection.execute(held).rowcount:
        audit.append(connection, now, "postroom", "database.held", "database", {"reason": reason})


def set_hold(connection: Connection, reason: str, fingerprint: str) -> None:
    """Put the database on hold with a reason, or release it with an empty one."""
    connection.execute(update(_INSTANCE).values(hold_reason=reason, fingerprint=fingerprint))


def release(connection: Connection, fingerprint: str, *, actor: str, now: datetime) -> None:
    """Let this database send again.

    From now on a step of an enrollment that began before this instant is looked up in Sent before it is dialled
    (`restored_at`): the letters that the database has forgotten have the Message-IDs that it would give them.
    """
    values = {"hold_reason": "", "fingerprint": fingerprint, "restored_at": now}
    connection.execute(update(_INSTANCE).values(**values))
    audit.append(connection, now, actor, "database.released", "database")


def restored_at(connection: Connection) -> datetime | None:
    """Return when this database was last released from a hold, None if it never was on one."""
    found: datetime | None = connection.execute(select(_INSTANCE.c.restored_at)).scalar()
    return found


def progress(connection: Connection) -> tuple[str, int]:
    """Return the database's id and how far it has come: the number of its last audit entry, which only grows."""
    row = connection.execute(select(_INSTANCE.c.id)).scalar()
    return str(row or ""), audit.last_number(connection)


def hold_reason(connection: Connection) -> str:
    """Return why nothing may be sent, or an empty text."""
    return str(connection.execute(select(func.coalesce(func.max(_INSTANCE.c.hold_reason), "no-instance"))).scalar())


def require_release(connection: Connection) -> None:
    """Raise StoreOnHold unless this database may send."""
    if reason := hold_reason(connection):
        raise StoreOnHold(f"this database is on hold ({reason}): nothing is sent until `postroom hold release`")


def fingerprint(store: Store) -> str:
    """Identify machine and file (SQLite) or cluster and database (PostgreSQL), as a hash."""
    machine = Path("/etc/machine-id")
    host = machine.read_text(encoding="ascii").strip() if machine.exists() else platform.node()
    if store.dialect == "sqlite":
        path = Path(store.url.removeprefix("sqlite:///")).resolve()
        identity = f"{host}|{path}|{path.stat().st_ino}"
    else:
        query = "SELECT system_identifier || '|' || current_database() FROM pg_control_system()"
        identity = str(store.read_now(lambda connection: connection.execute(text(query)).scalar()))
    return hashlib.sha256(identity.encode()).hexdigest()[:32]


def _alembic() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config
