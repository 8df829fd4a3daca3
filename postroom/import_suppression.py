"""How does a list of who is never mailed get in: plain lines, CSV, or JSON lines as `export` prints them?"""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import Connection

from outbound.columns import ListKind
from outbound.contacts import RowError
from outbound.listed import ListDefaults, Listed, read_listed
from postroom.import_run import Job, Outcome, batches, count_outcomes, forget_old_errors, refused, tell_audit
from postroom.list_file import ListFile
from postroom.stopping import stop_contacts
from store import enrollments, suppression
from store.database import Store
from store.suppression_import import UNIT, Stage, count_changes, merge
from store.vocabulary import StopEvent, SuppressionReason

PAGE = 500  # people looked at in one unit


def import_suppression(job: Job, reason: SuppressionReason = SuppressionReason.MANUAL) -> Iterator[Outcome]:
    """Yield an object for each entry as it was read; afterwards all of them are in the ledger, which only ever grows.

    `reason` is of rows that name none.
    """
    file = ListFile(job.path)
    defaults = ListDefaults(reason, f"import:{job.origin}", job.now, suppression.EXPIRING)
    forget_old_errors(job.errors)
    with Stage(job.opened.secret) as stage:
        for page in batches(read_list(file, job, defaults), PAGE):
            good = [row for row in page if not isinstance(row, RowError)]
            stage.add(good)
            bad = [refused(row) for row in page if isinstance(row, RowError)]
            count_outcomes(job, bad)
            job.watch(file.position, file.size)
            if job.every_row:
                yield from (refused(row) if isinstance(row, RowError) else _shown(row) for row in page)
            else:
                yield from bad
        job.counts += bring_in(job.opened.store, stage, actor=job.actor, now=job.now, dry_run=job.dry_run)
    if not job.dry_run:
        stop_everybody_covered(job)
        tell_audit(job, file, "suppression", finished=True)


def _shown(row: Listed) -> Outcome:
    entry = row[0]
    names = ("kind", "value", "reason", "source", "evidence", "created_at")
    return {name: getattr(entry, name) for name in names} | {"outcome": "read"}


def read_list(file: ListFile, job: Job, defaults: ListDefaults) -> Iterator[Listed | RowError]:
    """Yield every entry of a list, whatever its form."""
    first = next((line for line in file.lines() if line.strip()), "")
    if first.lstrip().startswith("{"):
        yield from (_from_json(number, line, defaults) for number, line in enumerate(file.lines(), 1) if line.strip())
        return
    columns, records = file.records(ListKind.SUPPRESSION, job.mapping)
    for line, cells in records:
        if isinstance(cells, str):
            yield RowError(line, "", cells)
        else:
            yield read_listed(line, columns.read(cells)[0] if columns else {"value": cells[0]}, defaults)


def _from_json(line: int, text: str, defaults: ListDefaults) -> Listed | RowError:
    try:
        found = json.loads(text)
    except ValueError as problem:
        return RowError(line, "", f"no JSON object: {problem}")
    if not isinstance(found, dict):
        return RowError(line, "", "no JSON object")
    return read_listed(line, {name: str(value) for name, value in found.items() if value is not None}, defaults)


def bring_in(store: Store, stage: Stage, *, actor: str, now: datetime, dry_run: bool = False) -> Counter[str]:
    """Merge what was staged into the ledger, unit by unit; returns how many were added, strengthened, unchanged."""
    counts: Counter[str] = Counter()
    for batch in stage.batches(UNIT[store.dialect]):
        if dry_run:
            counts += store.read_now(count_changes, batch, now)
        else:
            counts += store.write_now(merge, batch, actor=actor, now=now)
    return counts


def stop_everybody_covered(job: Job) -> int:
    """End the enrollments of everybody whom the ledger covers now; returns how many moved."""
    store, moved, after = job.opened.store, 0, 0

    def covered(connection: Connection) -> tuple[list[int], int]:
        people = enrollments.live_people(connection, after, PAGE)
        asked = [(email, account) for _, email, account in people]
        entries = suppression.find_covering_many(connection, job.opened.secret, asked, job.now)
        found = [person[0] for person, entry in zip(people, entries, strict=True) if entry is not None]
        return found, people[-1][0] if people else 0

    while True:
        people, after = store.read_now(covered)
        if people:
            moved += store.write_now(stop_contacts, people, StopEvent.SUPPRESSED, actor=job.actor, now=job.now)
        if not after:
            return moved
