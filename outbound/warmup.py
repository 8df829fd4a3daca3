"""How many letters may a mailbox send in 24 hours while it warms up?"""

from datetime import date

from outbound.settings import LimitSettings
from store.records import MailboxLoad


def daily_limit(load: MailboxLoad, limits: LimitSettings, today: date) -> int:
    """Return today's limit: the ramp grows by each earlier clean day that used at least half of what it might.

    A day with trouble never adds, nor does one with hardly a send: providers judge by volume they have seen. Counted
    from the ledger alone, so that a restart changes nothing.
    """
    if limits.ramp is None:
        return limits.per_day
    allowed = limits.ramp.start
    for day, number, trouble in load.daily_history:
        if day < today and not trouble and number * 2 >= allowed:
            allowed = min(limits.per_day, allowed + limits.ramp.add)
    return min(limits.per_day, allowed)
