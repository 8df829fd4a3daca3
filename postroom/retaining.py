"""SHELL: lets go every day what `[retention]` no longer keeps; without limits there nothing ever goes.

A pass does one unit of bounded size for each rule and comes again at once while there is more, so sending is never held
up and a stop never waits. Of several nodes one does it; should two meet all the same, what one let go is no longer due.
Whole tables are searched by reading alone. The day is over when nothing is due; its entry in the audit log says until
when to sleep.
"""

from datetime import datetime, timedelta

from postroom.settings import RetentionSettings
from store import audit, mailboxes, retention
from store.database import Store
from store.records import PassReport

EVERY = timedelta(days=1)
LEASE = timedelta(minutes=15)  # of the node that does it; longer than a pass
ACTOR, ACTION, SUBJECT = "postroom", "privacy.retention_day", "retention"


class RetentionWorker:
    """Applies the limits of the configuration once a day."""

    def __init__(self, store: Store, settings: RetentionSettings, secret: bytes, node: str) -> None:
        self._store = store
        self._node = node
        self._secret = secret
        limits = {rule: getattr(settings, rule.name) for rule in retention.RULES}
        self._limits: dict[retention.Rule, timedelta] = {
            rule: keep for rule, keep in limits.items() if keep is not None
        }

    async def run_pass(self, now: datetime) -> PassReport:
        """Let go a piece of what is due, or wait for the next day."""
        if not self._limits:
            return PassReport()
        last = await self._store.read(audit.latest, SUBJECT)
        if last is not None and now < (again := datetime.fromisoformat(last["at"]) + EVERY):
            return PassReport(next_wake=again)
        if not await self._store.write(mailboxes.acquire_lease, SUBJECT, self._node, now, LEASE):
            return PassReport(next_wake=now + LEASE)
        clean, gone, more = retention.Clean(self._secret, ACTOR, now), 0, False
        for rule, keep in self._limits.items():
            found = await self._store.read(retention.find_due, rule, now - keep, clean)
            gone += await self._store.write(retention.carry_out, rule, now - keep, found, clean) if found else 0
            more = more or len(found) == rule.at_once
        if more:
            return PassReport(gone, next_wake=now)
        kept = {rule.name: f"{keep.days}d" for rule, keep in self._limits.items()}
        await self._store.write(audit.append, now, ACTOR, ACTION, SUBJECT, {"keep": kept})
        return PassReport(gone, next_wake=now + EVERY)
