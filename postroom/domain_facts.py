"""What do configuration and database know about a sending domain that the DNS does not say?"""

import logging
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy.exc import DBAPIError

from deliverability.mail_hosts import MailHost
from postroom.config import Config
from postroom.opened import anchored
from store import domains, probes
from store.database import Store
from store.errors import TemporaryError
from store.vocabulary import VerdictLevel


@dataclass(frozen=True, slots=True)
class Stored:
    """What earlier checks and probes left in the database."""

    selectors: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  #: of each domain's last delivered copy
    verdicts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  #: rows of `domains.details` by name

    def last_verdict(self, domain: str, now: datetime) -> dict[str, Any]:
        """Return a domain's last verdict with its age in seconds; empty where there was none."""
        row = self.verdicts.get(domain)
        if row is None or row["decided_at"] is None or row["verdict"] == VerdictLevel.UNKNOWN:
            return {}
        return {
            "last_verdict": str(row["verdict"]),
            "last_decided_at": row["decided_at"].isoformat(timespec="seconds"),
            "last_seconds": max(0, int((now - row["decided_at"]).total_seconds())),
        }


def read_stored(config: Config, folder: Path) -> Stored:
    """Read what the database knows, without changing it; a check needs no database, so a missing one is no error."""
    url = anchored(config.store.url, folder)
    if url.startswith("sqlite") and not Path(url.removeprefix("sqlite:///")).exists():
        return Stored()
    store = Store(url, inline=True)
    try:
        return Stored(store.read_now(probes.selectors), {row["name"]: row for row in store.read_now(domains.details)})
    except (TemporaryError, DBAPIError) as problem:
        logging.getLogger("postroom").warning("checked without what the database knows: %s", problem)
        return Stored()
    finally:
        store.close()


def submission_hosts(config: Config) -> dict[str, tuple[MailHost, ...]]:
    """Return the hosts that take each domain's mail over TLS, each once."""
    found: defaultdict[str, dict[MailHost, None]] = defaultdict(dict)
    for mailbox in config.mailbox:
        smtp = mailbox.smtp
        if smtp is not None and smtp.security != "none":
            host = MailHost(smtp.host, smtp.port, implicit=smtp.security == "tls", ca_file=smtp.ca_file, ours=True)
            found[mailbox.address.rpartition("@")[2]][host] = None
    return {domain: tuple(hosts) for domain, hosts in found.items()}


def signing_selectors(config: Config) -> dict[str, tuple[str, ...]]:
    """Return the selectors of the keys that sign each domain's mail here."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for key in config.dkim:
        found[key.domain].append(key.selector)
    return {domain: tuple(selectors) for domain, selectors in found.items()}
