"""How does a row of a list join the people and companies that we know?

A contact is found by address, then by full name at the same company domain; a company by the id of the CRM, by domain,
by name where several share one. Of two values of a field the newer filled one wins, an owner changes only when told,
and no list ever lifts a stop. `Book` is what we know of one batch; it grows with each decision, so that two rows of
one person meet like a row and a record.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from functools import lru_cache

from outbound.companies import choose_account
from outbound.contacts import OWN_COLUMNS, ContactRow
from outbound.guardrails import may_write, risks_of
from outbound.mail_settings import GuardrailSettings
from outbound.origins import Origin, newer, with_origin
from outbound.risk import company_domain, web_domain
from store.names import name_key
from store.records import Account, Contact, ContactHistory, Suppression
from store.vocabulary import WISHES, SuppressionKind, SuppressionReason

MERGED = tuple(name for name in OWN_COLUMNS if name not in ("owner", "do_not_contact"))
KEPT_AS_FIELDS = ("company", "website", "bounced")
DEAD = frozenset({SuppressionReason.HARD_BOUNCE, SuppressionReason.INVALID})


@dataclass(frozen=True, slots=True)
class JoinRules:
    """What holds for a whole list."""

    origin: Origin
    policy: GuardrailSettings
    today: date
    owners: Mapping[str, str] = field(default_factory=dict)  #: name or address of a colleague, lower case -> address
    owner_wins: bool = False  #: the list's owners replace those we know
    lead_source: str = ""  #: of rows that name none


@dataclass(frozen=True, slots=True)
class Joined:
    """What became of a row."""

    line: int
    email: str
    outcome: str  #: added, updated, unchanged or refused
    reason: str


@dataclass(slots=True)
class Book:
    """The people and companies of one batch; new ones have negative ids."""

    contacts: dict[str, Contact] = field(default_factory=dict)  #: by address
    names: dict[str, list[Contact]] = field(default_factory=dict)  #: by name key
    accounts: dict[str, list[Account]] = field(default_factory=dict)  #: by domain
    crm: dict[str, list[Account]] = field(default_factory=dict)  #: by the CRM's id
    known: dict[int, Account] = field(default_factory=dict)  #: by our id
    suppressed: dict[str, Suppression] = field(default_factory=dict)  #: by address, whatever covers it
    changed: dict[int, Contact] = field(default_factory=dict)  #: every contact to be written, as it stands
    opened: list[Account] = field(default_factory=list)  #: every account to be written
    stopped: set[int] = field(default_factory=set)  #: contacts that the list says not to write to
    moved: set[int] = field(default_factory=set)  #: contacts whose address is another one now
    owned: dict[int, str] = field(default_factory=dict)  #: contacts whose owner the list replaces

    def same_person(self, row: ContactRow) -> Contact | None:
        """Return the one contact with this full name at this company domain, unless something tells them apart."""
        if not company_domain(row.email):
            return None
        key = name_key(row.email, row.values.get("first_name", ""), row.values.get("last_name", ""))
        found = self.names.get(key, []) if key else []
        if len(found) != 1:
            return None
        one = found[0]
        telling = [(row.values.get("crm_id", ""), one.crm_id)]
        telling += [(value, one.fields.get(name, "")) for name, value in row.extra.items() if "linkedin" in name]
        return None if any(new and old and new != old for new, old in telling) else one

    def add(self, contact: Contact) -> None:
        """Take in a contact as it stands now."""
        before = self.contacts.get(contact.email)
        self.contacts[contact.email] = contact
        key = name_key(contact.email, contact.first_name, contact.last_name)
        if key:
            others = [one for one in self.names.get(key, []) if one.id != contact.id]
            self.names[key] = [*others, contact]
        if before != contact:
            self.changed[contact.id] = contact


def link(book: Book, row: ContactRow, rules: JoinRules) -> tuple[Account | None, tuple[str, ...]]:
    """Return the account of a row, opened where nobody knew it, and what a person should look at."""
    crm_id, company = row.values.get("account_crm_id", ""), row.values.get("company", "")
    if crm_id and len(found := book.crm.get(crm_id, [])) == 1:
        return found[0], ()
    domains = account_domains(row)
    for domain in domains:
        candidates = [one for one in book.accounts.get(domain, []) if not crm_id or one.crm_id in ("", crm_id)]
        if candidates:
            chosen = choose_account(candidates, company)
            return chosen, () if chosen else ("ambiguous-account",)
    if not domains:
        return None, ()
    owner = find_colleague(row.values.get("account_owner", ""), rules)
    domain = domains[-1] if company_domain(row.email) else domains[0]
    given = {"name": company, "owner": owner, "domain": domain, "crm_id": crm_id}
    origins = with_origin({}, [name for name, value in given.items() if value], _origin(row, rules))
    account = Account(-1 - len(book.opened), company, domain, crm_id, owner=owner, origins=origins)
    book.opened.append(account)
    book.accounts.setdefault(account.domain, []).append(account)
    book.known[account.id] = account
    if crm_id:
        book.crm[crm_id] = [account]
    return account, ()


def account_domains(row: ContactRow) -> list[str]:
    """Return the domains under which a row's account may be known, the most telling first."""
    return _account_domains(row.email, row.values.get("website", ""))


@lru_cache(maxsize=10_000)  # of one row it is asked for twice
def _account_domains(email: str, written: str) -> list[str]:
    own = company_domain(email)
    labels = email.rpartition("@")[2].split(".")
    width = len(own.split("."))
    found = [".".join(labels[start:]) for start in range(len(labels) - width + 1)] if own else []
    website = web_domain(written)
    if website and not own and company_domain(f"x@{website}"):
        found.append(website)
    return found


def join(book: Book, row: ContactRow, account: Account | None, notes: tuple[str, ...], rules: JoinRules) -> Joined:
    """Decide about one row and write the decision into the book."""
    old = book.contacts.get(row.email)
    other = book.same_person(row) if old is None else None
    entry = book.suppressed.get(row.email)
    if entry is not None and entry.kind == SuppressionKind.ADDRESS and old is None:
        return Joined(row.line, row.email, "refused", f"suppressed-{entry.reason}: this person is never mailed")
    if other is not None:
        refusal = _never_mailed(other, book.suppressed.get(other.email))
        if refusal:
            return Joined(
                row.line, row.email, "refused", f"{refusal}: the same person as {other.email}, who is never mailed"
            )
    notes = (*row.notes, *notes)
    new, outcome, said = _merged(book, old or other, row, account, rules)
    linked = book.known.get(new.account_id) if new.account_id is not None else None
    history = ContactHistory(suppressed=entry)
    against = may_write(new, linked or account, history, rules.policy, "", rules.today)
    reasons = (*risks_of(new, linked or account), *notes, *said)
    reasons += tuple(one.slug for one in against.reasons if not one.passing)
    return Joined(row.line, row.email, outcome, ", ".join(dict.fromkeys(reasons)))


def _never_mailed(one: Contact, entry: Suppression | None) -> str:
    if entry is not None and entry.reason in WISHES:
        return f"suppressed-{entry.reason}"
    return "do-not-contact" if one.do_not_contact else ""


def _merged(
    book: Book, old: Contact | None, row: ContactRow, account: Account | None, rules: JoinRules
) -> tuple[Contact, str, tuple[str, ...]]:
    """Return the contact afterwards, the outcome, and what a person should look at."""
    origin, said = _origin(row, rules), []
    before = old or Contact(-1 - len(book.changed), row.email, account_id=account.id if account else None)
    extra = dict(row.extra) | {name: row.values[name] for name in KEPT_AS_FIELDS if row.values.get(name)}
    new = {name: row.values.get(name, "") for name in MERGED}
    if not new["source"] and not before.source:
        new["source"] = rules.lead_source
    if before.email != row.email:
        said.append(f"same-person: {before.email}")
        extra["other_address"] = row.email
    have = {name: getattr(before, name) for name in MERGED} | dict(before.fields)
    values, origins = newer(have, before.origins, new | extra, origin)
    changes: dict[str, object] = {name: values.pop(name) for name in MERGED if name in values}
    if values:
        changes["fields"] = dict(before.fields) | values
    if row.values.get("do_not_contact") and not before.do_not_contact:
        changes["do_not_contact"] = True  # a list may say stop, never go
        book.stopped.add(before.id)
    if before.account_id is None and account is not None:
        changes["account_id"] = account.id
    said += _owner(book, before, row, rules, changes)
    entry = book.suppressed.get(before.email)
    if before.email != row.email and entry and entry.kind == SuppressionKind.ADDRESS and entry.reason in DEAD:
        changes["email"] = row.email  # the old mailbox is gone, the person is not
        book.contacts.pop(before.email, None)
        book.moved.add(before.id)
    if old is not None and not changes and origins == {key: list(names) for key, names in old.origins.items()}:
        return old, "unchanged", tuple(said)
    after = replace(before, **changes, origins=origins)  # type: ignore[arg-type]
    book.add(after)
    return after, "added" if old is None else "updated" if changes else "unchanged", tuple(said)


def _owner(
    book: Book, before: Contact, row: ContactRow, rules: JoinRules, changes: dict[str, object]
) -> tuple[str, ...]:
    written = row.values.get("owner", "")
    owner = find_colleague(written, rules)
    if not written or owner == before.owner:
        return ()
    if not owner:
        return ("unknown-owner",)
    if before.owner and not rules.owner_wins:
        return ("owner-kept",)
    changes["owner"] = owner
    if before.owner:
        book.owned[before.id] = owner
    return ()


def find_colleague(written: str, rules: JoinRules) -> str:
    """Return a colleague's address by address or name; an address that nobody knows is taken as it is."""
    key = " ".join(written.lower().split())
    return rules.owners.get(key, key if "@" in key and " " not in key else "")


def _origin(row: ContactRow, rules: JoinRules) -> Origin:
    return Origin(row.at, rules.origin.source, dated=True) if row.at is not None else rules.origin
