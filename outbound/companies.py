"""Which company is meant: by the id of the CRM, by its domain, and by its name where several share a domain?"""

import re
from collections.abc import Sequence

from store.records import Account

_FORMS = frozenset(
    "gmbh mbh ag kg ohg ug se co inc incorporated corp corporation llc llp ltd limited plc company sa sas sarl srl spa "
    "bv nv ab as asa aps oy oyj sro doo kft zrt sp z oo pty pte lda ltda sl slu".split()
)  # fmt: skip


def company_key(name: str) -> str:
    """Return the one spelling of a company's name: no case, no marks, no legal form at its end."""
    words = re.sub(r"[^\w]+", " ", name.casefold().replace(".", "").replace("&", " ")).split()
    while len(words) > 1 and words[-1] in _FORMS:
        words.pop()
    return " ".join(words)


def choose_account(candidates: Sequence[Account], company: str) -> Account | None:
    """Return the one account that is meant among those of a domain; None when that is in doubt.

    A name decides between several; alone on its domain an account is meant whatever it calls itself.
    """
    if len(candidates) <= 1:
        return candidates[0] if candidates else None
    named = [one for one in candidates if company and company_key(one.name) == company_key(company)]
    return named[0] if len(named) == 1 else None
