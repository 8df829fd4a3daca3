"""How many letters may a mailbox send in 24 hours while it warms up?"""

from datetime import date

from outbound.settings import LimitSettings
from store.records import MailboxLoad


def daily_limit(load: MailboxLoad, limits: LimitSettings, today: date) -> int:
    """Return today's limit: the ramp grows by each earlier clean day with sends, never on a day with trouble.

    Counted from the ledger alone, so that a restart changes nothing.
    """
    if limits.ramp is None:
        return limits.per_day
    clean = sum(1 for day, number, trouble in load.daily_history if day < today and number > 0 and not trouble)
    return min(limits.per_day, limits.ramp.start + limits.ramp.add * clean)
