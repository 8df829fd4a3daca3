"""What did a check find, and what should be done about it?"""

from dataclasses import dataclass

from store.vocabulary import Severity


@dataclass(frozen=True, slots=True)
class Finding:
    """Hold one result of a check: `found` quotes what is there, `advice` says what to do, `rule` names who asks for it.

    The slug is stable ("spf-two-records") and the same in log, audit and console.
    """

    slug: str
    severity: Severity
    found: str
    advice: str
    rule: str = ""
