"""How are the rights of a person carried out? Access, objection, erasure: one transaction and audit entries each."""

from datetime import datetime, timedelta
from pathlib import Path
from time import sleep
from typing import Any

from sqlalchemy import Connection

from outbound.contacts import normalise_address
from postroom.opened import Opened
from postroom.stopping import stop_covered
from store import audit, audit_verify, contacts, erasure, person, retention, suppression
from store.database import Store
from store.errors import PermanentError, TemporaryError
from store.vocabulary import SuppressionKind, SuppressionReason

ROUNDS = 5  # of erasing, rewriting the file and searching again
SAME_TIME = timedelta(hours=1)  # clocks of several machines differ, a DATA may take ten minutes
LETTER_PATIENCE = 20  # seconds for letters on their way


def address_of(written: str) -> str:
    """Return an address as the tables hold it; raises PermanentError for what is none."""
    try:
        return normalise_address(written)
    except ValueError as problem:
        raise PermanentError(f"{written}: {problem}") from problem


def all_about(opened: Opened, address: str) -> dict[str, Any]:
    """Return everything that is held about an address, with what is known elsewhere."""

    def query(connection: Connection) -> dict[str, Any]:
        found = person.find_person(connection, opened.secret, address)
        return {"address": address, "hash": found.hash.hex(), **person.everything(connection, opened.secret, found)}

    return opened.store.read_now(query)


def object_to(opened: Opened, address: str, note: str, *, actor: str, now: datetime) -> bool:
    """Carry out an objection to direct marketing (GDPR, article 21): never again; returns whether it was new."""

    def unit(connection: Connection) -> bool:
        return _block(connection, opened, address, "objection", note, actor, now)

    return opened.store.write_now(unit)


def erase(opened: Opened, address: str, note: str, *, actor: str, now: datetime) -> tuple[dict[str, int], list[str]]:
    """Erase a person (GDPR, article 17); returns rows emptied by table, and where else copies lie.

    The keyed hash of the address stays on the ledger, so that no later import writes to them again. First they are
    blocked; then letters on their way are waited for. Whole tables are searched by reading alone, so that a daemon
    works on, and again until nothing is found: what it wrote meanwhile goes too. Raises TemporaryError when that never
    ends.
    """
    store = opened.store

    def stop(connection: Connection) -> tuple[person.Person, list[str]]:
        found = person.find_person(connection, opened.secret, address)
        elsewhere = person.places(connection, found)
        _block(connection, opened, address, "erasure", note, actor, now)
        return found, elsewhere

    found, elsewhere = store.write_now(stop)
    elsewhere += _wait_for_letters(store, found, now)
    done: dict[str, int] = {}
    traces = store.read_now(erasure.search, found)
    for _ in range(ROUNDS):
        while traces or not done:
            part = store.write_now(erasure.erase, found, traces, actor=actor, reason="erasure", now=now)
            done = {name: max(done.get(name, 0), part.get(name, 0)) for name in {**done, **part}} or {"nothing": 0}
            traces = store.read_now(erasure.search, found, now - SAME_TIME)
        erasure.scrub(store)
        if not (traces := store.read_now(erasure.search, found, now - SAME_TIME)):
            return {name: number for name, number in done.items() if number}, elsewhere
    raise TemporaryError(f"{address}: something is written about them again and again; repeat the command")


def _wait_for_letters(store: Store, found: person.Person, now: datetime) -> list[str]:
    """Wait until no letter to them is on its way; returns the mailboxes where one still is."""
    for _ in range(LETTER_PATIENCE):
        if not store.read_now(person.letters_on_their_way, found, now - SAME_TIME):
            return []
        sleep(1)
    boxes = store.read_now(person.letters_on_their_way, found, now - SAME_TIME)
    return [f"{box}: a letter is on its way; repeat this command in a quarter of an hour" for box in boxes]


def reblock(opened: Opened, path: Path, *, actor: str, now: datetime) -> tuple[int, list[str]]:
    """Block again who was erased, from an exported ledger; returns how many hashes were new, and who is back.

    For a restored back-up: it holds people who were erased since, and a ledger that does not know it yet.
    """
    hashes: dict[bytes, SuppressionReason] = {}
    for number, row in enumerate(audit_verify.read_lines(path), 1):
        try:
            if row["kind"] == SuppressionKind.ADDRESS and not row["value"]:
                hashes[_digest(row["hash"])] = SuppressionReason(row["reason"])
        except (KeyError, ValueError) as problem:
            raise PermanentError(f"{path}, line {number}: no entry of an exported ledger: {problem}") from problem

    def unit(connection: Connection) -> tuple[int, list[str]]:
        source = f"import:{path.name}"
        new = sum(erasure.block_hash(connection, one, why, source, actor=actor, now=now) for one, why in hashes.items())
        back = []
        for contact in contacts.all_contacts(connection):
            if suppression.hash_value(opened.secret, SuppressionKind.ADDRESS, contact.email) in hashes:
                stop_covered(connection, SuppressionKind.ADDRESS, contact.email, actor=actor, now=now)
                back.append(contact.email)
        return new, back

    return opened.store.write_now(unit)


def _digest(text: str) -> bytes:
    digest = bytes.fromhex(text)
    if len(digest) != 16:
        raise ValueError(f"a hash has 16 bytes, not {len(digest)}")
    return digest


def _block(
    connection: Connection, opened: Opened, address: str, source: str, note: str, actor: str, now: datetime
) -> bool:
    kind, reason = SuppressionKind.ADDRESS, SuppressionReason.LEGAL
    added = suppression.add(connection, opened.secret, kind, address, reason, source=source, evidence=note, actor=actor,
                            now=now)  # fmt: skip
    stop_covered(connection, kind, address, actor=actor, now=now)
    digest = suppression.hash_value(opened.secret, kind, address)
    action = "privacy.objected" if source == "objection" else "privacy.requested"
    audit.append(
        connection, now, actor, action, f"address:{digest.hex()}", {"added": added}, {"note": note} if note else None
    )
    return added


def processing_records(opened: Opened) -> dict[str, Any]:
    """Return the summary that a record of processing activities wants (GDPR, article 30)."""
    config = opened.config
    sources = opened.store.read_now(person.sources)
    return {
        "controller": {"name": config.company.name, "address": config.company.postal_address},
        "contact_for_rights": config.team.desk("compliance"),
        "purpose": "business-to-business outreach by mail, answering replies, honouring stops",
        "data_subjects": "business contacts; members of the own team as users",
        "data": "name, business address, role, company, country, source, legal basis; letters sent, replies received",
        "recipients": sorted(
            {box.smtp.host for box in config.mailbox if box.smtp} | {hook.url for hook in config.ownership.webhook}
        ),
        "sources_and_bases": sources,
        "retention": retention_table(opened),
        "measures": [
            "suppression asked in the transaction that commits a send",
            "audit log with signed checkpoints, personal data as commitments",
            "secrets by reference, TLS towards servers, no tracking of opens or clicks",
        ],
    }


def retention_table(opened: Opened) -> list[dict[str, Any]]:
    """Return what is kept how long and why, as configured."""
    return [{"what": rule.name, "keep": _spoken(_keep(opened, rule)), "why": rule.why} for rule in retention.RULES]


def retain(opened: Opened, *, apply: bool, actor: str, now: datetime) -> list[dict[str, Any]]:
    """Return what is older than the configuration keeps it; with `apply` it goes, in transactions of bounded size."""
    clean, rows = retention.Clean(opened.secret, actor, now), []
    for rule in retention.RULES:
        keep = _keep(opened, rule)
        due, oldest = opened.store.read_now(retention.look, rule, now - keep) if keep is not None else (0, None)
        if apply and keep is not None and due:
            while found := opened.store.read_now(retention.find_due, rule, now - keep, clean):
                opened.store.write_now(retention.carry_out, rule, now - keep, found, clean)
        rows.append({"what": rule.name, "keep": _spoken(keep), "due": due, "oldest": oldest, "why": rule.why})
    if apply and any(row["due"] for row in rows):
        erasure.scrub(opened.store)
    return rows


def _keep(opened: Opened, rule: retention.Rule) -> timedelta | None:
    found: timedelta | None = getattr(opened.config.retention, rule.name)
    return found


def _spoken(keep: timedelta | None) -> str:
    return "for ever" if keep is None else f"{keep.days} days"
