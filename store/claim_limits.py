"""Is there still room for a claim under every limit? Counted from the ledger, in the claim's own transaction.

Counts are read once for all claims of a transaction and grow with each that is granted.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Column, Connection, Select, bindparam, func, or_, select, text

from store.hot import Hot
from store.send_states import COUNTED
from store.tables import Probe, Send, core

_SEND = core(Send)
DAY = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class ClaimLimits:
    """Caps of the rolling 24 h that a claim counts again; None is no cap."""

    mailbox: int
    sending_domain: int | None = None
    recipient_domain: int | None = None
    account: int | None = None
    pilot: int | None = None  #: contacts that the sequence may open with until its rules say go
    gap: timedelta = timedelta()
    lease: timedelta = timedelta()  #: the lease must last at least so long, or is renewed to it: DATA takes its time


@dataclass(frozen=True, slots=True)
class ClaimAsk:
    """One send that asks to be claimed.

    `sha256` is of the bytes in the caller's hand: another node may have composed the step again meanwhile.
    `forbidden` is what the guardrails said in this transaction: a slug, or "" when nothing speaks against it.
    """

    send_id: int
    epoch: int
    limits: ClaimLimits
    now: datetime
    sha256: str | None = None
    forbidden: str = ""


_COUNTED = or_(*(_SEND.c.state == state for state in COUNTED))


def _count_by(column: Column[Any]) -> Select[Any, int, Any]:
    return (
        select(column, func.count(), func.max(_SEND.c.claimed_at))
        .where(column.in_(bindparam("keys", expanding=True)), _COUNTED, _SEND.c.claimed_at > bindparam("since"))
        .group_by(column)
    )


_BY_MAILBOX = Hot(_count_by(_SEND.c.mailbox))
_SHARED = (  # field of ClaimLimits, column that it counts by, slug
    ("sending_domain", _SEND.c.sending_domain, "sending-domain-cap"),
    ("recipient_domain", _SEND.c.recipient_domain, "recipient-domain-cap"),
    ("account", _SEND.c.account_id, "account-cap"),
)
_BY_SHARED = {name: Hot(_count_by(column)) for name, column, _ in _SHARED}
_OPENED = select(func.count()).where(
    _SEND.c.sequence == bindparam("key"), _SEND.c.planned_at >= bindparam("since"), _SEND.c.step == 0, _COUNTED
)


_PROBE = core(Probe)
_PROBES = Hot(
    select(_PROBE.c.mailbox, _PROBE.c.sending_domain, _PROBE.c.recipient_domain, _PROBE.c.claimed_at).where(
        _PROBE.c.claimed_at > bindparam("since")
    )
)


class ClaimCounts:
    """What has been claimed in the last 24 hours, by everything that these claims are limited by."""

    def __init__(self, connection: Connection, pairs: Sequence[tuple[Any, ClaimAsk]]) -> None:
        since = min(ask.now for _, ask in pairs) - DAY
        self._counts: dict[tuple[str, Any], int] = {}
        self._last: dict[str, datetime] = {}
        boxes = {"keys": list({row.mailbox for row, _ in pairs}), "since": since}
        for box, number, last in _BY_MAILBOX.rows(connection, boxes):
            self._counts["mailbox", box], self._last[box] = number, last
        for name, column, _ in _SHARED:
            keys = {getattr(row, column.name) for row, ask in pairs if getattr(ask.limits, name) is not None} - {None}
            if keys:
                found = _BY_SHARED[name].rows(connection, {"keys": list(keys), "since": since})
                self._counts.update({(name, key): number for key, number, _ in found})
        for probe in _PROBES.rows(connection, {"since": since}):
            self._add(("mailbox", probe.mailbox))
            self._last[probe.mailbox] = max(probe.claimed_at, self._last.get(probe.mailbox, probe.claimed_at))
            self._add(("sending_domain", probe.sending_domain))
            self._add(("recipient_domain", probe.recipient_domain))
        for row in {row.sequence: row for row, ask in pairs if _opens_pilot(row, ask)}.values():
            started = {"key": row.sequence, "since": row.activated_at or since}
            self._counts["pilot", row.sequence] = connection.execute(_OPENED, started).scalar_one()

    def forbidding(self, row: Any, ask: ClaimAsk) -> Iterator[str]:
        """Yield the slug of every limit without room."""
        if self._counts.get(("mailbox", row.mailbox), 0) >= ask.limits.mailbox:
            yield "daily-limit"
        last = self._last.get(row.mailbox)
        if ask.limits.gap and last is not None and last > ask.now - ask.limits.gap:
            yield "gap"
        for kind, key, cap, slug in _limited(row, ask.limits):
            if self._counts.get((kind, key), 0) >= cap:
                yield slug

    def add(self, row: Any, ask: ClaimAsk) -> None:
        """Count a claim that is granted."""
        self._last[row.mailbox] = max(ask.now, self._last.get(row.mailbox, ask.now))
        for kind, key in (("mailbox", row.mailbox), *((kind, key) for kind, key, _, _ in _limited(row, ask.limits))):
            self._add((kind, key))
        for kind, column, _ in _SHARED:  # also for later claims whose own limits name what this one's do not
            key = getattr(row, column.name)
            if getattr(ask.limits, kind) is None and (kind, key) in self._counts:
                self._counts[kind, key] += 1

    def _add(self, key: tuple[str, Any]) -> None:
        self._counts[key] = self._counts.get(key, 0) + 1


def _opens_pilot(row: Any, ask: ClaimAsk) -> bool:
    return ask.limits.pilot is not None and row.step == 0


def _limited(row: Any, limits: ClaimLimits) -> Iterator[tuple[str, Any, int, str]]:
    """Yield (kind, key, cap, slug) of every shared limit of a claim."""
    for name, column, slug in _SHARED:
        cap, key = getattr(limits, name), getattr(row, column.name)
        if cap is not None and key is not None:
            yield name, key, cap, slug
    if limits.pilot is not None and row.step == 0:
        yield "pilot", row.sequence, limits.pilot, "pilot"


def forbidding_limits(connection: Connection, row: Any, limits: ClaimLimits, now: datetime) -> Iterator[str]:
    """Yield the limits that are reached, letters and probes counted together."""
    ask = ClaimAsk(0, 0, limits, now)
    return ClaimCounts(connection, [(row, ask)]).forbidding(row, ask)


def lock_counts(connection: Connection, row: Any, limits: ClaimLimits) -> None:
    """Take the locks of `lock_all` for one letter or probe."""
    lock_all(connection, [(row, limits)])


def lock_all(connection: Connection, pairs: Iterable[tuple[Any, ClaimLimits]]) -> None:
    """Let no other node count the same limit at the same time (READ COMMITTED would let both see one place left)."""
    if connection.dialect.name != "postgresql":
        return
    keys: set[str] = set()
    for row, limits in pairs:
        keys |= {f"mailbox:{row.mailbox}", *(f"{kind}:{key}" for kind, key, _, _ in _limited(row, limits))}
    for key in sorted(keys):
        number = int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), "big", signed=True)
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": number})
