"""A server said no or not yet: whose fault is it, and when is the next attempt?

Five ends: the letter waits, the whole mailbox rests, the mailbox is held for a person, the address is dead, the letter
is refused. A refusal of *us* (no authentication, quota used up, not allowed to send as) never costs the contact.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

MOST_ATTEMPTS = 6
LONGEST_WAIT = timedelta(hours=24)


class Action(StrEnum):
    """What follows from a definite answer."""

    WAIT = "wait"  #: this letter is tried again later
    REST = "rest"  #: the mailbox sends nothing for a while, then tries again
    HOLD = "hold"  #: the mailbox stops until a person has looked
    DEAD = "dead"  #: the address does not exist: suppressed
    REFUSE = "refuse"  #: this letter will never be taken


@dataclass(frozen=True, slots=True)
class Retry:
    """What to do, why, and when to try again (None for `dead` and `refuse`)."""

    action: Action
    slug: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class _Row:
    """One row of the provider table; an empty or zero field matches everything."""

    code: int  #: exact, or its first digit
    enhanced: str  #: exact with all three parts, else a prefix that ends in a dot
    text: str  #: a pattern in the answer
    action: Action
    slug: str
    wait: timedelta = timedelta()


_UNKNOWN = (
    r"user (is )?unknown|unknown (user|recipient)|no such (user|recipient|mailbox)"
    r"|(user|mailbox|recipient|address) (does not|doesn.t) exist"
)
_MINUTES, _HOUR, _DAY = timedelta(minutes=15), timedelta(hours=1), timedelta(hours=24)
# First match wins. Sources: RFC 3463 and IANA's enhanced status codes; Gmail "SMTP errors and codes" (support answer
# 3221692); Microsoft "NDR error codes in Exchange Online" and "Outlook's new requirements" (2025-2026).
_TABLE = (
    # The mailbox may not send at all: a person must act.
    _Row(5, "5.7.515", "", Action.HOLD, "authentication-demanded"),  # Microsoft: SPF, DKIM and DMARC of bulk senders
    _Row(0, "5.7.30", "", Action.HOLD, "login-refused"),  # Exchange: basic authentication is gone; Gmail: DKIM
    _Row(0, "5.7.139", "", Action.HOLD, "login-refused"),
    _Row(0, "5.7.57", "", Action.HOLD, "login-refused"),
    _Row(0, "5.7.8", "", Action.HOLD, "login-refused"),
    _Row(0, "5.7.9", "", Action.HOLD, "login-refused"),
    _Row(0, "5.7.14", "", Action.HOLD, "login-refused"),
    _Row(530, "", "", Action.HOLD, "login-refused"),
    _Row(534, "", "", Action.HOLD, "login-refused"),
    _Row(535, "", "", Action.HOLD, "login-refused"),
    _Row(538, "", "", Action.HOLD, "login-refused"),
    _Row(5, "5.7.60", "", Action.HOLD, "not-allowed-to-send-as"),
    _Row(5, "5.1.8", "", Action.HOLD, "sender-blocked"),  # Microsoft: bad outbound sender; RFC 3463: bad sender system
    _Row(5, "5.1.7", "", Action.HOLD, "sender-blocked"),
    _Row(5, "5.7.25", "", Action.HOLD, "ptr-demanded"),  # IANA: reverse DNS failed
    _Row(5, "5.7.26", "", Action.HOLD, "authentication-demanded"),  # Gmail: neither SPF nor DKIM, or DMARC says reject
    _Row(5, "5.7.27", "", Action.HOLD, "authentication-demanded"),  # SPF
    _Row(5, "5.7.29", "", Action.HOLD, "tls-demanded"),
    _Row(5, "5.7.40", "", Action.HOLD, "authentication-demanded"),
    _Row(5, "5.7.501", "", Action.HOLD, "sender-blocked"),
    _Row(5, "5.7.708", "", Action.HOLD, "sender-blocked"),
    _Row(5, "5.7.750", "", Action.HOLD, "sender-blocked"),
    # The mailbox has used up what its provider grants: it rests.
    _Row(5, "5.4.5", "", Action.REST, "provider-quota", _DAY),  # Gmail: daily sending quota
    _Row(5, "5.1.90", "", Action.REST, "provider-quota", _DAY),  # Microsoft: daily limit
    _Row(5, "5.2.120", "", Action.REST, "provider-quota", _DAY),
    _Row(4, "4.7.28", "", Action.REST, "provider-throttles", 4 * _HOUR),  # Gmail: unusual rate
    _Row(4, "4.7.26", "", Action.HOLD, "authentication-demanded"),
    _Row(4, "4.7.650", "", Action.REST, "provider-throttles", 4 * _HOUR),  # Microsoft: address throttled
    # The recipient's side: only this letter waits.
    _Row(4, "", r"gr[ae]y-?list", Action.WAIT, "greylisted", timedelta(minutes=20)),
    _Row(4, "4.2.1", "", Action.WAIT, "recipient-throttled", 2 * _HOUR),
    _Row(4, "4.2.2", "", Action.WAIT, "mailbox-full", _DAY),
    _Row(452, "4.2.", "", Action.WAIT, "mailbox-full", _DAY),
    _Row(4, "4.2.", "", Action.WAIT, "recipient-busy", timedelta(minutes=30)),
    _Row(4, "4.1.", "", Action.WAIT, "address-in-doubt", _HOUR),
    _Row(4, "4.4.", "", Action.WAIT, "route-in-doubt", _HOUR),
    # The server is busy or does not want us now.
    _Row(421, "4.7.", "", Action.REST, "provider-throttles", 4 * _HOUR),
    _Row(421, "", "", Action.REST, "server-busy", _MINUTES),
    _Row(4, "4.3.", "", Action.REST, "server-busy", _MINUTES),
    _Row(4, "4.7.", "", Action.REST, "provider-throttles", _HOUR),
    _Row(4, "4.5.3", "", Action.REST, "server-busy", _MINUTES),
    _Row(450, "", "", Action.WAIT, "greylisted", timedelta(minutes=20)),
    _Row(451, "", "", Action.WAIT, "greylisted", timedelta(minutes=20)),
    _Row(4, "", "", Action.WAIT, "temporary-refusal", _HOUR),
    # For good. Only what names the recipient's address is a dead address.
    _Row(5, "5.1.0", "", Action.DEAD, "address-unknown"),
    _Row(5, "5.1.1", "", Action.DEAD, "address-unknown"),
    _Row(5, "5.1.2", "", Action.DEAD, "domain-unknown"),
    _Row(5, "5.1.3", "", Action.DEAD, "address-unknown"),
    _Row(5, "5.1.6", "", Action.DEAD, "address-moved"),
    _Row(5, "5.1.10", "", Action.DEAD, "address-unknown"),  # RFC 7505: the domain takes no mail; Exchange: not found
    _Row(5, "5.2.1", "", Action.DEAD, "address-disabled"),
    _Row(550, "", _UNKNOWN, Action.DEAD, "address-unknown"),
    _Row(5, "5.3.4", "", Action.REFUSE, "too-big"),
    _Row(552, "", "", Action.REFUSE, "too-big"),
    _Row(5, "5.6.7", "", Action.REFUSE, "no-international-addresses"),
    _Row(5, "5.7.", "", Action.REFUSE, "policy"),
    _Row(5, "", "", Action.REFUSE, "refused"),
)  # fmt: skip


def judge_answer(code: int, enhanced: str, text: str, attempts: int, now: datetime, jitter: float) -> Retry:
    """Return what follows from a 4xx or 5xx answer to the `attempts`-th attempt (from 1).

    The table's wait doubles with each attempt, at most a day, plus up to a quarter of it; `jitter` is in [0, 1).
    """
    row = next(one for one in _TABLE if _matches(one, code, enhanced, text))
    if row.action in (Action.DEAD, Action.REFUSE):
        return Retry(row.action, row.slug)
    if row.action == Action.HOLD:
        return Retry(row.action, row.slug, now)
    if row.action == Action.WAIT and attempts >= MOST_ATTEMPTS:
        return Retry(Action.REFUSE, f"gave-up-{row.slug}")
    wait = min(row.wait * 2 ** min(max(attempts - 1, 0), 10), LONGEST_WAIT)
    return Retry(row.action, row.slug, now + wait * (1 + jitter / 4))


def pause_after(failures: int) -> timedelta:
    """Return how long a mailbox rests after so many lost connections in a row: 30 s, doubled, at most an hour."""
    pause: timedelta = timedelta(seconds=30) * 2 ** min(failures, 8)
    return min(pause, timedelta(hours=1))


def _matches(row: _Row, code: int, enhanced: str, text: str) -> bool:
    same_code = row.code in (0, code, code // 100)
    same_status = not row.enhanced or (
        enhanced.startswith(row.enhanced) if row.enhanced.endswith(".") else enhanced == row.enhanced
    )
    return same_code and same_status and (not row.text or re.search(row.text, text, re.IGNORECASE) is not None)
