"""How does a row about a company join the accounts that we know?

Found by the id of the CRM, by domain, by name where several share one or none is given. A list makes an account only
more careful: who buys, competes or is not to be contacted stays so until a person says otherwise, and a lost deal
counts only where none is open.
"""

from dataclasses import dataclass, field, replace
from datetime import date

from outbound.account_rows import AccountRow
from outbound.companies import choose_account
from outbound.joining import JoinRules, find_colleague
from outbound.origins import Origin, newer, with_origin
from store.records import Account
from store.vocabulary import AccountStage

FIRM = frozenset({AccountStage.CUSTOMER, AccountStage.COMPETITOR, AccountStage.DO_NOT_CONTACT})
STOPS = FIRM | {AccountStage.OPPORTUNITY}  # nobody is prospected there


@dataclass(slots=True)
class AccountBook:
    """The accounts of one batch; new ones have negative ids."""

    domains: dict[str, list[Account]] = field(default_factory=dict)
    crm: dict[str, list[Account]] = field(default_factory=dict)
    names: dict[str, list[Account]] = field(default_factory=dict)  #: by name in lower case
    before: dict[int, Account] = field(default_factory=dict)  #: as they stood, by id
    after: dict[int, Account] = field(default_factory=dict)  #: those to be written, as they stand

    def add(self, account: Account) -> None:
        """Take in an account as it stands now."""
        for index, key in (
            (self.domains, account.domain),
            (self.crm, account.crm_id),
            (self.names, account.name.lower()),
        ):
            if key:
                index[key] = [*(one for one in index.get(key, []) if one.id != account.id), account]
        self.after[account.id] = account


@dataclass(frozen=True, slots=True)
class AccountJoined:
    """What became of a row about a company."""

    outcome: str
    account: Account | None
    notes: tuple[str, ...] = ()


def join_account(book: AccountBook, row: AccountRow, rules: JoinRules, open_deals: set[int]) -> AccountJoined:
    """Decide about one row; `open_deals` holds every account with an open deal so far and grows."""
    old, problem = find_account(book, row)
    if problem:
        return AccountJoined("refused", None, (problem,))
    before = old or Account(-1 - len(book.after))
    changes, origins, notes = _values(before, row, rules)
    stage, lost_on = _stage_after(before, row, rules.today, open_deals)
    if stage != before.stage:
        changes["stage"] = stage
    elif row.stage is not None and row.stage != stage:
        notes.append("stage-kept")
    if lost_on != before.lost_on:
        changes["lost_on"] = lost_on
    deal_owner = find_colleague(row.deal_owner, rules)
    if stage == row.stage == AccountStage.OPPORTUNITY and deal_owner and deal_owner != before.opportunity_owner:
        changes["opportunity_owner"] = deal_owner
    notes += _parent(book, before, row, changes)
    if old is not None and not changes and origins == {key: list(names) for key, names in old.origins.items()}:
        return AccountJoined("unchanged", old, tuple(notes))
    after = replace(before, **changes, origins=origins)  # type: ignore[arg-type]
    book.add(after)
    outcome = "added" if old is None else "updated" if changes else "unchanged"
    return AccountJoined(outcome, after, tuple(notes))


def find_account(book: AccountBook, row: AccountRow) -> tuple[Account | None, str]:
    """Return the account that a row means, None for a new one; and what is in doubt."""
    if row.crm_id and (known := book.crm.get(row.crm_id, [])):
        return (known[0], "") if len(known) == 1 else (None, f"several accounts have the id {row.crm_id}")
    found = book.domains.get(row.domain, []) if row.domain else book.names.get(row.name.lower(), [])
    if not found and row.domain:
        found = [one for one in book.names.get(row.name.lower(), []) if not one.domain]
    if row.crm_id:
        found = [one for one in found if not one.crm_id]
    chosen = choose_account(found, row.name)
    if found and chosen is None:
        where = row.domain or row.name
        return None, f"{len(found)} accounts at {where}: add the CRM's id or the exact name"
    return chosen, ""


def _values(
    before: Account, row: AccountRow, rules: JoinRules
) -> tuple[dict[str, object], dict[str, list[str]], list[str]]:
    origin = Origin(row.at, rules.origin.source, dated=True) if row.at is not None else rules.origin
    new = dict(row.values) | {
        "domain": "" if before.domain else row.domain,
        "crm_id": "" if before.crm_id else row.crm_id,
    }
    have = {name: str(getattr(before, name)) for name in new}
    found, origins = newer(have, before.origins, new, origin)
    changes: dict[str, object] = dict(found)
    notes: list[str] = []
    owner = find_colleague(row.owner, rules)
    if row.owner and not owner:
        notes.append("unknown-owner")
    elif owner and owner != before.owner and (not before.owner or rules.owner_wins):
        changes["owner"] = owner
        origins = with_origin(origins, ["owner"], origin)
    elif owner and owner != before.owner:
        notes.append("owner-kept")
    if lists := tuple(dict.fromkeys((*before.lists, *row.lists))):
        changes |= {"lists": lists} if lists != before.lists else {}
    if row.active_at and (before.active_at is None or row.active_at > before.active_at):
        changes["active_at"] = row.active_at
    if not row.domain and not before.domain:
        notes.append("no-domain")
    return changes, origins, notes


def _stage_after(
    before: Account, row: AccountRow, today: date, open_deals: set[int]
) -> tuple[AccountStage, date | None]:
    stage = row.stage
    if stage is None or (before.stage in FIRM and stage not in FIRM):
        return before.stage, before.lost_on
    if stage == AccountStage.LOST:
        on = row.closed_on or today
        later = max(on, before.lost_on) if before.lost_on else on
        return (before.stage if before.id in open_deals else stage), later
    if stage == AccountStage.OPPORTUNITY:
        open_deals.add(before.id)
    return stage, before.lost_on


def _parent(book: AccountBook, before: Account, row: AccountRow, changes: dict[str, object]) -> list[str]:
    if not row.parent:
        return []
    found = book.crm.get(row.parent) or book.domains.get(row.parent.lower()) or book.names.get(row.parent.lower()) or []
    if len(found) != 1 or found[0].id < 0 or found[0].id == before.id:
        return ["unknown-parent"]
    if found[0].id != before.parent_id:
        changes["parent_id"] = found[0].id
    return []
