"""How do rows become accounts, customers and opportunities, and who is no longer prospected because of them?"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC
from typing import Any

from sqlalchemy import Connection

from outbound.account_joining import STOPS, AccountBook, join_account
from outbound.account_rows import AccountList, AccountRow, read_account
from outbound.columns import ListKind
from outbound.contacts import RowError
from outbound.joining import JoinRules
from outbound.origins import Origin
from postroom.import_contacts import ContactOptions, colleagues
from postroom.import_run import Job, Outcome, need_columns, read_rows, run_batches
from postroom.import_suppression import stop_everybody_covered
from postroom.list_file import ListFile
from postroom.stopping import stop_contacts
from store import audit, contacts, import_rows
from store.records import Account, Suppression
from store.suppression_import import as_listed, merge
from store.vocabulary import AccountStage, StopEvent, SuppressionKind, SuppressionReason

_LEDGER = {AccountStage.CUSTOMER: SuppressionReason.CUSTOMER, AccountStage.COMPETITOR: SuppressionReason.COMPETITOR}


def each_account(job: Job, kind: AccountList, options: ContactOptions | None = None) -> Iterator[Outcome]:
    """Yield what became of each row; lost deals are written last, when every open one is known."""
    options, file = options or ContactOptions(), ListFile(job.path)
    found, records = file.records(ListKind.ACCOUNTS, job.mapping)
    columns = need_columns(found, job.path, "no column of names, domains or CRM ids; map one with --map")
    config, today = job.opened.config, job.now.astimezone(UTC).date()
    origin = Origin(options.as_of or job.now, job.origin)
    rules = JoinRules(origin, config.guardrails, today, colleagues(config.team), options.owner_wins)
    open_deals: set[int] = set()

    def read(line: int, own: Mapping[str, str], _extra: Mapping[str, str]) -> AccountRow | RowError:
        return read_account(kind, line, own)

    def unit(connection: Connection, rows: Sequence[AccountRow]) -> list[Outcome]:
        return _unit(connection, rows, job, rules, open_deals)

    def lost(wanted: bool) -> Iterator[AccountRow | RowError]:
        for row in read_rows(columns, file.records(ListKind.ACCOUNTS, job.mapping)[1], read):
            is_lost = isinstance(row, AccountRow) and row.stage == AccountStage.LOST
            if is_lost == wanted:
                yield row

    rows: Iterator[AccountRow | RowError] = read_rows(columns, records, read)
    if kind == AccountList.OPPORTUNITIES:
        rows = (row for wanted in (False, True) for row in lost(wanted))
    yield from run_batches(job, file, kind, rows, unit)
    if not job.dry_run:
        stop_everybody_covered(job)


def _unit(
    connection: Connection, rows: Sequence[AccountRow], job: Job, rules: JoinRules, open_deals: set[int]
) -> list[Outcome]:
    book = _open_book(connection, rows)
    told, listed = [], []
    for row in rows:
        joined = join_account(book, row, rules, open_deals)
        told.append(
            {"line": row.line, "email": row.shown, "outcome": joined.outcome, "reason": ", ".join(joined.notes)}
        )
        stage = joined.account.stage if joined.account else row.stage
        if stage in _LEDGER and (row.domain or row.address):
            listed.append(_entry(row, _LEDGER[stage], job))
    if not job.dry_run:
        ids = _write(connection, book, job)
        for temporary, real in ids.items():
            if temporary in open_deals:
                open_deals.remove(temporary)
                open_deals.add(real)
        merge(connection, sorted(as_listed(job.opened.secret, one) for one in listed), actor=job.actor, now=job.now)
    else:
        open_deals -= {key for key in open_deals if key < 0}
    return told


def _entry(row: AccountRow, reason: SuppressionReason, job: Job) -> Suppression:
    kind = SuppressionKind.DOMAIN if row.domain else SuppressionKind.ADDRESS
    source, evidence = f"import:{job.origin}", f"{job.origin}, line {row.line}"
    return Suppression(kind, row.domain or row.address, reason, source, evidence, job.now)


def _open_book(connection: Connection, rows: Sequence[AccountRow]) -> AccountBook:
    parents = [row.parent for row in rows]
    book = AccountBook(
        domains=import_rows.accounts_by(
            connection, "domain", [row.domain for row in rows] + [one.lower() for one in parents]
        ),
        crm=import_rows.accounts_by(connection, "crm_id", [row.crm_id for row in rows] + parents),
        names=import_rows.accounts_by(
            connection, "name", [one.lower() for one in [*(row.name for row in rows), *parents]]
        ),
    )
    known = [one for index in (book.domains, book.crm, book.names) for found in index.values() for one in found]
    book.before = {one.id: one for one in known}
    return book


def _write(connection: Connection, book: AccountBook, job: Job) -> dict[int, int]:
    """Write the accounts of a batch, end the sequences of those that moved on; returns the ids of the new ones."""
    new = [one for one in book.after.values() if one.id < 0]
    ids = dict(zip((one.id for one in new), import_rows.insert_accounts(connection, new), strict=True))
    import_rows.update_accounts(connection, [one for one in book.after.values() if one.id > 0])
    for one in book.after.values():
        _tell(connection, book.before.get(one.id), replace(one, id=ids.get(one.id, one.id)), job)
    return ids


def _tell(connection: Connection, old: Account | None, new: Account, job: Job) -> None:
    """Write down what matters of a change, and stop whom it concerns."""
    subject = f"account:{new.id}"
    detail: dict[str, Any] = {"from": old.stage if old else "", "to": new.stage}
    if new.stage != (old.stage if old else AccountStage.PROSPECT):
        audit.append(connection, job.now, job.actor, "account.stage", subject, detail)
        if new.stage in STOPS:
            people = [one.id for one in contacts.contacts_of_account(connection, new.id)]
            stop_contacts(connection, people, StopEvent.ACCOUNT_STOP, actor=job.actor, now=job.now)
    if old and old.owner and old.owner != new.owner:
        audit.append(connection, job.now, job.actor, "account.owner", subject, {"from": old.owner, "to": new.owner})
