"""After a definite "not yet" or "no": when is the next attempt, and must the mailbox stop?"""

from dataclasses import dataclass
from datetime import datetime, timedelta

MOST_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Retry:
    """When to try again; None gives up. `hold` stops the whole mailbox until a person looks."""

    at: datetime | None
    hold: bool
    slug: str


@dataclass(frozen=True, slots=True)
class _Row:
    """One row of the provider table; empty or zero fields match everything."""

    code: int
    enhanced: str
    wait: timedelta
    hold: bool
    slug: str


# First match wins. Sources: RFC 3463; Gmail SMTP errors 421-4.7.x; Microsoft 550 5.7.515 and 5.7.30 (2025, 2026).
_TABLE = (
    _Row(550, "5.7.515", timedelta(), True, "authentication-demanded"),
    _Row(0, "5.7.30", timedelta(), True, "basic-auth-gone"),
    _Row(0, "5.7.60", timedelta(), True, "not-allowed-to-send-as"),
    _Row(421, "4.7.", timedelta(hours=4), False, "provider-throttles"),
    _Row(451, "4.7.", timedelta(hours=1), False, "provider-throttles"),
    _Row(450, "4.2.1", timedelta(hours=2), False, "recipient-throttled"),
    _Row(452, "4.2.2", timedelta(hours=24), False, "mailbox-full"),
    _Row(0, "4.2.2", timedelta(hours=24), False, "mailbox-full"),
    _Row(0, "4.2.0", timedelta(minutes=20), False, "greylisted"),
    _Row(0, "4.7.1", timedelta(minutes=20), False, "greylisted"),
    _Row(421, "", timedelta(hours=1), False, "server-busy"),
    _Row(450, "", timedelta(minutes=20), False, "greylisted"),
    _Row(451, "", timedelta(minutes=20), False, "greylisted"),
    _Row(0, "", timedelta(hours=1), False, "temporary-refusal"),
)


def next_attempt(attempts: int, code: int | None, enhanced: str, provider: str, now: datetime, jitter: float) -> Retry:
    """Return when to try again: the table's wait, doubled with each attempt, plus up to a quarter of it as jitter.

    `jitter` is in [0, 1). `provider` is the recipient's mail domain, for rows that name one.
    """
    row = next(one for one in _TABLE if one.code in (0, code or 0) and enhanced.startswith(one.enhanced))
    permanent = (code or 0) >= 500
    if permanent or attempts >= MOST_ATTEMPTS:
        return Retry(None, row.hold, row.slug if row.hold or not permanent else f"refused-{provider}")
    wait = row.wait * 2 ** max(attempts - 1, 0)
    return Retry(now + wait * (1 + jitter / 4), row.hold, row.slug)
