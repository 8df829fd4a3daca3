"""How do a list's rows become contacts and accounts?"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection

from outbound.columns import ListKind
from outbound.contacts import ContactRow, RowError, read_contact
from outbound.joining import Book, Joined, JoinRules, account_domains, join, link
from outbound.origins import Origin
from ownership.settings import TeamSettings
from postroom.import_run import Job, Outcome, need_columns, read_rows, run_batches
from postroom.list_file import ListFile
from postroom.opened import Opened
from postroom.stopping import stop_contacts
from store import contacts, import_rows, suppression
from store.names import name_key
from store.vocabulary import StopEvent


@dataclass(frozen=True, slots=True)
class ContactOptions:
    """What a person may say about a list of contacts."""

    owner_wins: bool = False
    lead_source: str = ""
    as_of: datetime | None = None  #: when the list was true; None: now
    undeliverable: Callable[[Sequence[str]], Mapping[str, str]] = field(default=lambda _domains: {})


def import_contacts(opened: Opened, path: Path, errors: Path, now: datetime) -> list[Outcome]:
    """Import a CSV and return one object a row; refused rows also go to `errors` with line and reason."""
    return list(each_contact(Job(opened, path, now, errors)))


def each_contact(job: Job, options: ContactOptions | None = None) -> Iterator[Outcome]:
    """Yield what became of each row of a list of contacts."""
    options = options or ContactOptions()
    file = ListFile(job.path)
    found, records = file.records(ListKind.CONTACTS, job.mapping)
    columns = need_columns(found, job.path, "no column of e-mail addresses; name one `email`, or map it with --map")
    config = job.opened.config
    rules = JoinRules(
        origin=Origin(options.as_of or job.now, job.origin),
        policy=config.guardrails,
        today=job.now.astimezone(UTC).date(),
        owners=colleagues(config.team),
        owner_wins=options.owner_wins,
        lead_source=options.lead_source,
    )

    def unit(connection: Connection, rows: Sequence[ContactRow]) -> list[Outcome]:
        return _unit(connection, rows, job, rules)

    rows = read_rows(columns, records, read_contact)
    yield from run_batches(job, file, "contacts", _deliverable(rows, options), unit)


def colleagues(team: TeamSettings) -> dict[str, str]:
    """Return the address of everybody in the team by the names that lists use for them."""
    known = {one.name.lower(): one.email for one in team.person if one.name}
    return known | {name: one.email for one in team.person for name in (one.email, *one.aliases)}


def _unit(connection: Connection, rows: Sequence[ContactRow], job: Job, rules: JoinRules) -> list[Outcome]:
    book = _open_book(connection, rows)
    linked = [link(book, row, rules) for row in rows]
    asked = {row.email: account.id if account and account.id > 0 else None
             for row, (account, _) in zip(rows, linked, strict=True)}  # fmt: skip
    for one in [*book.contacts.values(), *(one for named in book.names.values() for one in named)]:
        asked[one.email] = one.account_id if one.account_id is not None else asked.get(one.email)
    found = suppression.find_covering_many(connection, job.opened.secret, list(asked.items()), job.now)
    book.suppressed = {email: entry for email, entry in zip(asked, found, strict=True) if entry is not None}
    told = [join(book, row, account, notes, rules) for row, (account, notes) in zip(rows, linked, strict=True)]
    if not job.dry_run:
        _write(connection, book, job)
    return [_outcome(one) for one in told]


def _outcome(one: Joined) -> Outcome:
    return {"line": one.line, "email": one.email, "outcome": one.outcome, "reason": one.reason}


def _open_book(connection: Connection, rows: Sequence[ContactRow]) -> Book:
    """Read what is known about the people and companies of a batch."""
    keys = [name_key(row.email, row.values.get("first_name", ""), row.values.get("last_name", "")) for row in rows]
    book = Book(
        contacts=import_rows.contacts_by_address(connection, [row.email for row in rows]),
        names=import_rows.contacts_by_name(connection, keys),
        accounts=import_rows.accounts_by(connection, "domain", [name for row in rows for name in account_domains(row)]),
        crm=import_rows.accounts_by(connection, "crm_id", [row.values.get("account_crm_id", "") for row in rows]),
    )
    people = [*book.contacts.values(), *(one for named in book.names.values() for one in named)]
    book.known = contacts.accounts_by_id(connection, [one.account_id for one in people if one.account_id])
    return book


def _write(connection: Connection, book: Book, job: Job) -> None:
    """Write what a batch changed, and stop whoever the list says not to write to."""
    ids = import_rows.insert_accounts(connection, book.opened)
    real = {account.id: key for account, key in zip(book.opened, ids, strict=True)}
    people = [replace(one, account_id=real[one.account_id]) if one.account_id in real else one
              for one in book.changed.values()]  # fmt: skip
    import_rows.insert_contacts(connection, [one for one in people if one.id < 0], job.now)
    for key, owner in book.owned.items():
        contacts.set_contact_owner(connection, key, owner, actor=job.actor, now=job.now)
    import_rows.update_contacts(connection, [one for one in people if one.id > 0], job.now)
    for event, ids_of in ((StopEvent.SUPPRESSED, book.stopped), (StopEvent.CONTACT_EDITED, book.moved)):
        known = [key for key in ids_of if key > 0]
        if known:
            stop_contacts(connection, known, event, actor=job.actor, now=job.now)


def _deliverable(
    rows: Iterator[ContactRow | RowError], options: ContactOptions, ahead: int = 200
) -> Iterator[ContactRow | RowError]:
    """Refuse rows whose domain takes no mail, where that was asked for; a domain is asked once."""
    judged: dict[str, str] = {}
    waiting: list[ContactRow | RowError] = []

    def settle() -> Iterator[ContactRow | RowError]:
        domains = {row.email.rpartition("@")[2] for row in waiting if isinstance(row, ContactRow)}
        unknown = sorted(domains - set(judged))
        judged.update(dict.fromkeys(unknown, "") | dict(options.undeliverable(unknown)))
        for row in waiting:
            why = judged[row.email.rpartition("@")[2]] if isinstance(row, ContactRow) else ""
            yield RowError(row.line, row.email, why) if why else row

    for row in rows:
        waiting.append(row)
        if len(waiting) >= ahead:
            yield from settle()
            waiting.clear()
            if len(judged) > 100_000:
                judged.clear()
    yield from settle()
