"""Which configuration was in force, and since when? Each start of the daemon says so in the audit log.

The log gets hashes, never the text: of the whole, of every table, and of every sequence by its name. They are keyed
with the house's secret, so nobody finds out by trying what a table held; secrets themselves are only references.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from postroom.config import Config
from store import audit

ACTION = "config.loaded"


def record_start(connection: Connection, config: Config, secret: bytes, now: datetime) -> list[str]:
    """Write down that the daemon starts with this configuration; returns the tables that changed since the last start.

    The first start of a node names none: there is nothing to compare with.
    """
    tables, subject = digest_tables(config, secret), f"config:{config.store.node}"
    last = audit.latest(connection, subject)
    before: dict[str, str] = json.loads(last["detail"])["tables"] if last is not None else tables
    changed = sorted(name for name in {*before, *tables} if before.get(name) != tables.get(name))
    detail = {"digest": _digest(tables, secret), "tables": tables, "changed": changed}
    audit.append(connection, now, "postroom", ACTION, subject, detail)
    return changed


def digest_tables(config: Config, secret: bytes) -> dict[str, str]:
    """Return a keyed hash for every table of a configuration, and for each sequence under `sequence.NAME`."""
    whole = config.model_dump()
    whole |= {f"sequence.{one['name']}": one for one in whole.pop("sequence")}
    return {name: _digest(table, secret) for name, table in sorted(whole.items())}


def _digest(value: Any, secret: bytes) -> str:
    text = json.dumps(_settled(value), sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=16, key=secret[:64], person=b"config").hexdigest()


def _settled(value: Any) -> Any:
    """Return a value in a form that is the same in every process: sets have an order, keys are text."""
    if isinstance(value, Mapping):
        return {str(key): _settled(one) for key, one in value.items()}
    if isinstance(value, (set, frozenset)):
        return sorted(json.dumps(_settled(one), sort_keys=True) for one in value)
    if isinstance(value, (list, tuple)):
        return [_settled(one) for one in value]
    return value if value is None or isinstance(value, (bool, int, float)) else str(value)
