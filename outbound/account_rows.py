"""Which company does a row describe, and where does it stand with us?"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

from outbound.contacts import MOST_CHARACTERS, RowError, normalise_address, read_day, read_instant
from outbound.places import country_code
from outbound.risk import company_domain, is_shared, web_domain
from store.vocabulary import AccountStage


class AccountList(StrEnum):
    """What a list of companies says."""

    ACCOUNTS = "accounts"  #: what the CRM knows
    CUSTOMERS = "customers"  #: who buys from us
    OPPORTUNITIES = "opportunities"  #: deals, open, won or lost


@dataclass(frozen=True, slots=True)
class AccountRow:
    """One readable row; `values` are what fills an account."""

    line: int
    shown: str  #: how the row is named to people
    name: str = ""
    domain: str = ""  #: registrable, empty for none of the company's own
    address: str = ""  #: a person's mail address where no domain is known
    crm_id: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    lists: tuple[str, ...] = ()
    parent: str = ""
    owner: str = ""
    deal_owner: str = ""
    stage: AccountStage | None = None
    closed_on: date | None = None
    active_at: datetime | None = None
    at: datetime | None = None


_STAGES = (
    (AccountStage.DO_NOT_CONTACT, r"do.?not.?contact|dnc|gesperrt|blocked"),
    (AccountStage.COMPETITOR, r"competitor|wettbewerb|concurrent|competidor"),
    (AccountStage.LOST, r"\blost\b|verloren|perdu|perdid"),
    (AccountStage.CUSTOMER, r"\bwon\b|customer|client|kunde|gewonnen|gagn|evangelist|ganad"),
    (AccountStage.OPPORTUNITY, r"opportunit|\bopen\b|negotiat|proposal|offen"),
)


def read_account(kind: AccountList, line: int, own: Mapping[str, str]) -> AccountRow | RowError:
    """Read one record of a list of companies; it needs a name, a domain, an address or the CRM's id."""
    given = {name: value[:MOST_CHARACTERS] for name, value in own.items()}
    address = _address(given.get("email", ""))
    domain = web_domain(given.get("domain", ""))
    domain = "" if is_shared(domain) else domain or company_domain(address)
    name, crm_id = given.get("name", ""), given.get("crm_id", "")
    shown = given.get("domain") or address or name or crm_id
    if not (name or domain or address or crm_id):
        return RowError(line, shown, "no name, domain, address or CRM id")
    country = country_code(given.get("country", ""))
    values = {"name": name, "segment": given.get("segment", ""), "country": country}
    return AccountRow(
        line=line, shown=shown, name=name, domain=domain, address="" if domain else address, crm_id=crm_id,
        values=values, lists=tuple(part.strip() for part in re.split(r"[;,|]", given.get("lists", "")) if part.strip()),
        parent=given.get("parent", ""), owner=given.get("owner", ""),
        deal_owner=given.get("deal_owner", "") or given.get("owner", ""), stage=_stage(kind, given),
        closed_on=read_day(given.get("closed_on", "")), active_at=read_instant(given.get("active_at", "")),
        at=read_instant(given.get("updated_at", "")),
    )  # fmt: skip


def _address(written: str) -> str:
    try:
        return normalise_address(written) if written else ""
    except ValueError:
        return ""


def _stage(kind: AccountList, given: Mapping[str, str]) -> AccountStage | None:
    """Return the stage that a row says; in doubt the careful one: a deal without a stage is open."""
    written = (given.get("deal_stage", "") or given.get("stage", "")).lower()
    if kind == AccountList.CUSTOMERS:
        return AccountStage.CUSTOMER
    found = next((stage for stage, words in _STAGES if re.search(words, written)), None)
    if kind == AccountList.ACCOUNTS:
        return found
    return found if found in (AccountStage.LOST, AccountStage.CUSTOMER) else AccountStage.OPPORTUNITY
