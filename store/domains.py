"""What was the last verdict of each sending domain?"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select, update

from store import audit
from store.tables import Domain, core
from store.vocabulary import VerdictLevel

_DOMAIN = core(Domain)


def save_verdict(
    connection: Connection,
    name: str,
    verdict: VerdictLevel,
    findings: Sequence[Mapping[str, str]],
    records: Mapping[str, Sequence[str]],
    now: datetime,
) -> VerdictLevel | None:
    """Store a verdict; UNKNOWN (temporary DNS failure) keeps the one before it, with its age.

    Returns the verdict before when it changed, else None.
    """
    old = connection.execute(select(_DOMAIN).where(_DOMAIN.c.name == name)).one_or_none()
    kept = old.verdict if old is not None and verdict == VerdictLevel.UNKNOWN else verdict
    values: dict[str, Any] = {"verdict": kept, "checked_at": now}
    if verdict != VerdictLevel.UNKNOWN:
        values["decided_at"] = now
    if verdict != VerdictLevel.UNKNOWN or old is None:
        values |= {"findings": [dict(finding) for finding in findings]}
        values |= {"records": {kind: list(found) for kind, found in records.items()}}
    if old is None:
        connection.execute(insert(_DOMAIN).values(name=name, **values))
    else:
        connection.execute(update(_DOMAIN).where(_DOMAIN.c.name == name).values(**values))
    before = VerdictLevel(old.verdict) if old is not None else VerdictLevel.UNKNOWN
    if before == kept:
        return None
    detail = {"from": before, "to": kept, "findings": [finding["slug"] for finding in findings]}
    audit.append(connection, now, "postroom", "domain.verdict", f"domain:{name}", detail)
    return before


def verdicts(connection: Connection) -> dict[str, VerdictLevel]:
    """Return the verdict in force of every domain ever checked."""
    return {
        row.name: VerdictLevel(row.verdict) for row in connection.execute(select(_DOMAIN.c.name, _DOMAIN.c.verdict))
    }


def details(connection: Connection) -> list[dict[str, Any]]:
    """Return every domain's row: verdict, findings, records, times."""
    return [dict(row._mapping) for row in connection.execute(select(_DOMAIN).order_by(_DOMAIN.c.name))]
