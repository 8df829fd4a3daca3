"""How do a CSV's rows become contacts and accounts, and who is enrolled?"""

import csv
import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from outbound.calendar import add_delay, local_date
from outbound.contacts import (
    ContactRow,
    RowError,
    company_domain,
    decode_csv,
    merge_contact,
    normalise_address,
    read_rows,
)
from outbound.guardrails import Allowance, may_write, recycle_times
from outbound.settings import SequenceSettings
from postroom.opened import Opened
from postroom.stopping import stop_contacts
from store import audit, contacts, enrollments, history, suppression
from store.errors import PermanentError
from store.records import Contact
from store.vocabulary import StopEvent, SuppressionKind

BATCH = 500
OWN_COLUMNS = ("first_name", "last_name", "country", "state", "city", "zone", "language", "role", "source",
               "legal_basis", "owner", "crm_id", "do_not_contact")  # fmt: skip


def import_contacts(opened: Opened, path: Path, errors: Path, now: datetime) -> list[dict[str, Any]]:
    """Import a CSV and return one object a row; refused rows also go to `errors` with line and reason."""
    try:
        text = decode_csv(path.read_bytes())
    except OSError as problem:
        raise PermanentError(f"{path}: {problem.strerror}") from problem
    outcomes: list[dict[str, Any]] = []
    batch: list[ContactRow] = []
    for row in read_rows(text):
        if isinstance(row, RowError):
            outcomes.append({"line": row.line, "email": row.email, "outcome": "refused", "reason": row.reason})
            continue
        batch.append(row)
        if len(batch) == BATCH:
            outcomes += opened.store.write_now(_save_rows, batch, opened.secret, now)
            batch = []
    outcomes += opened.store.write_now(_save_rows, batch, opened.secret, now)
    refused = [row for row in outcomes if row["outcome"] == "refused"]
    if refused:
        with errors.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["line", "email", "reason"])
            writer.writerows([row["line"], _harmless(row["email"]), _harmless(row["reason"])] for row in refused)
    return sorted(outcomes, key=lambda row: row["line"])


def _harmless(cell: str) -> str:
    """Return a cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if re.match(r"[=+\-@\t\r]", cell) else cell


def _save_rows(
    connection: Connection, rows: Sequence[ContactRow], secret: bytes, now: datetime
) -> list[dict[str, Any]]:
    return [_save_row(connection, row, secret, now) for row in rows]


def _save_row(connection: Connection, row: ContactRow, secret: bytes, now: datetime) -> dict[str, Any]:
    values = dict(row.values)
    account_id = _account(connection, row.email, values)
    old = contacts.contact_by_address(connection, row.email) or _same_person(connection, row.email, values)
    said = {"line": row.line, "email": row.email, "reason": ", ".join(row.flags)}
    entry = suppression.find_covering(connection, suppression.covering_hashes(secret, row.email, account_id), now)
    if entry is not None and entry.kind == SuppressionKind.ADDRESS and old is None:
        return {**said, "outcome": "refused", "reason": f"suppressed-{entry.reason}: this person is never mailed"}
    if entry is not None:
        said["reason"] = ", ".join((*row.flags, f"suppressed-{entry.reason}"))
    if old is None:
        own: dict[str, Any] = {name: values[name] for name in OWN_COLUMNS if name in values}
        own["do_not_contact"] = bool(own.get("do_not_contact"))
        fields = {**row.extra, **({"company": values["company"]} if values.get("company") else {})}
        contacts.save_contact(connection, {**own, "email": row.email, "account_id": account_id, "fields": fields}, now)
        return {**said, "outcome": "added"}
    changes = merge_contact(
        old, {name: value for name, value in values.items() if name in (*OWN_COLUMNS, "company")}, row.extra
    )
    if old.account_id is None and account_id is not None:
        changes["account_id"] = account_id
    if not changes:
        return {**said, "outcome": "unchanged"}
    contacts.save_contact(connection, {"fields": dict(old.fields), **changes, "id": old.id}, now)
    if "do_not_contact" in changes:
        stop_contacts(connection, [old.id], StopEvent.SUPPRESSED, actor="import", now=now)
    return {**said, "outcome": "updated"}


def _same_person(connection: Connection, email: str, values: dict[str, str]) -> Contact | None:
    first, last = values.get("first_name", ""), values.get("last_name", "")
    if not first or not last:
        return None
    found = contacts.contacts_named(connection, first, last, email.rpartition("@")[2])
    return found[0] if len(found) == 1 else None


def _account(connection: Connection, email: str, values: dict[str, str]) -> int | None:
    domain = company_domain(email)
    if not domain:
        return None
    known = contacts.accounts_by_domain(connection, domain)
    if known:
        return known[0].id
    owner = values.get("account_owner", "").lower()
    return contacts.save_account(
        connection,
        {"domain": domain, "name": values.get("company", ""), "country": values.get("country", ""), "owner": owner},
    )


def enroll_contacts(opened: Opened, name: str, addresses: Sequence[str], now: datetime) -> list[dict[str, Any]]:
    """Enroll contacts (none named: everybody) in a sequence; refusals are returned with their reason."""
    sequence = opened.config.find_sequence(name)
    if sequence is None:
        raise PermanentError(f'no sequence is called "{name}" in the configuration')

    def unit(connection: Connection) -> list[dict[str, Any]]:
        rows = []
        for email, contact in _chosen(connection, addresses):
            if contact is None:
                rows.append({"email": email, "outcome": "refused", "reason": "unknown address: import it first"})
                continue
            allowed = ask_guardrails(connection, opened, contact, sequence, now)
            live = enrollments.enrollments_of(connection, [contact.id], live=True)
            if name in {one.sequence for one in live}:
                rows.append({"email": email, "outcome": "unchanged", "reason": "is in this sequence already"})
            elif allowed.refused:
                why = next(reason for reason in allowed.reasons if not reason.passing)
                detail = {"sequence": name, "reason": why.slug}
                audit.append(connection, now, "postroom", "enrollment.refused", f"contact:{contact.id}", detail)
                rows.append({"email": email, "outcome": "refused", "reason": why.sentence})
            else:
                delay = sequence.step[0].delay
                due_at = add_delay(now, delay, contact.zone, contact.country, sequence.window)
                enrollments.enroll(connection, contact.id, name, due_at, now=now)
                rows.append({"email": email, "outcome": "enrolled", "reason": ""})
        return rows

    return opened.store.write_now(unit)


def ask_guardrails(
    connection: Connection, opened: Opened, contact: Contact, sequence: SequenceSettings, now: datetime
) -> Allowance:
    """Ask whether a contact may be written to by a sequence, as the worker will ask again."""
    name = sequence.name
    past = history.contact_history(connection, contact, opened.secret, now, but_sequence=name)
    account = contacts.account(connection, contact.account_id) if contact.account_id else None
    today = local_date(now, sequence.window, contact.zone, contact.country)
    recycle = recycle_times(opened.config.sequence)
    return may_write(contact, account, past, opened.config.guardrails, name, today, recycle=recycle)


def _chosen(connection: Connection, addresses: Sequence[str]) -> list[tuple[str, Contact | None]]:
    if not addresses:
        return [(contact.email, contact) for contact in contacts.all_contacts(connection)]
    found: list[tuple[str, Contact | None]] = []
    for written in addresses:
        try:
            email = normalise_address(written)
        except ValueError:
            email = written
        found.append((email, contacts.contact_by_address(connection, email)))
    return found
