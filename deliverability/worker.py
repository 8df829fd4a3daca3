"""SHELL: checks every sending domain on its schedule and stores the verdict."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from deliverability.host_tls import HostCalls
from deliverability.mail_hosts import MailHost, MailHosts
from deliverability.resolver import Resolver
from deliverability.settings import DeliverabilitySettings
from deliverability.verdict import DomainCheck, check_domain, describe
from store import domains, probes
from store.database import Store
from store.records import PassReport
from store.vocabulary import VerdictLevel


class DomainWorker:
    """Keeps the verdicts of our sending domains fresh; a temporary failure keeps the last one, with its age."""

    def __init__(
        self,
        store: Store,
        resolver: Resolver,
        names: Sequence[str],
        settings: DeliverabilitySettings,
        *,
        signing: Mapping[str, Sequence[str]] | None = None,
        hosts: MailHosts | None = None,
        submission: Mapping[str, Sequence[MailHost]] | None = None,
    ) -> None:
        """Take what is known beforehand: the selectors that sign here, and the hosts that take each domain's mail.

        `hosts` calls mail hosts; None: only the DNS is asked.
        """
        self._store = store
        self._signing, self._hosts, self._submission = signing or {}, hosts, submission or {}
        self._resolver = resolver
        self._names = tuple(names)
        self._settings = settings

    async def run_pass(self, now: datetime) -> PassReport:
        """Check the domains whose last check is old enough."""
        known = {row["name"]: row for row in await self._store.read(domains.details)}
        notes, wakes, done = [], [], 0
        for name in self._names:
            row = known.get(name)
            due_at = self._due_at(row["checked_at"], row["decided_at"]) if row else now
            if due_at > now:
                wakes.append(due_at)
                continue
            found = await self._check(name, now)
            done += 1
            findings = [{key: str(value) for key, value in one.items()} for one in describe(found)["findings"]]
            before = await self._store.write(domains.save_verdict, name, found.verdict, findings, {}, now)
            unknown = found.verdict is VerdictLevel.UNKNOWN
            wakes.append(now + (self._settings.retry if unknown else self._settings.every))
            if before is not None:
                slugs = ", ".join(one.slug for one in found.findings if one.severity in ("error", "warning"))
                notes.append(f"{name} is {found.verdict} (was {before}){': ' + slugs if slugs else ''}")
        return PassReport(done, min(wakes, default=None), tuple(notes))

    def _due_at(self, checked_at: datetime, decided_at: datetime | None) -> datetime:
        span: timedelta = self._settings.every if checked_at == decided_at else self._settings.retry
        return checked_at + span

    async def _check(self, name: str, now: datetime) -> DomainCheck:
        settings, delivered = self._settings, await self._store.read(probes.selectors)
        return await check_domain(
            self._resolver,
            name,
            relays=settings.relays,
            selectors=settings.selectors_of(name, self._signing, delivered),
            blocklists=settings.blocklists,
            domain_blocklists=settings.domain_blocklists,
            calls=HostCalls(self._hosts, now, self._submission) if self._hosts else None,
        )
