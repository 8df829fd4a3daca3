"""How does a whole list get in: batch by batch, with a bar, a file of errors and a summary?

Every batch is one unit of work, so memory and the time that the writer is held are bounded however long the list is.
A dry run asks the same questions and writes nothing.
"""

import csv
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from outbound.columns import Columns
from outbound.contacts import RowError
from outbound.csv_rows import Record
from postroom.list_file import ListFile
from postroom.opened import Opened
from postroom.output import harmless
from store import audit
from store.errors import PermanentError

BATCH = 250  # rows of one unit of work
ERROR_HEADER = ("line", "email", "reason")
Row = TypeVar("Row")
Outcome = dict[str, Any]


@dataclass(slots=True)
class Job:
    """One list, how to bring it in, and what has come of it so far."""

    opened: Opened
    path: Path
    now: datetime
    errors: Path | None = None  #: where refused rows go; None: nowhere
    mapping: Mapping[str, str] = field(default_factory=dict)
    actor: str = "import"
    dry_run: bool = False
    watch: Callable[[int, int], None] = lambda _done, _size: None  #: bytes read, bytes in all
    every_row: bool = True  #: whoever reads the outcomes wants those of rows without a fault too
    counts: Counter[str] = field(default_factory=Counter)  #: by outcome
    flags: Counter[str] = field(default_factory=Counter)  #: by what the rows' reasons name

    @property
    def origin(self) -> str:
        """How the list is named where a value's origin is kept."""
        return self.path.name


def read_rows(
    columns: Columns, records: Iterator[Record],
    read: Callable[[int, Mapping[str, str], Mapping[str, str]], Row | RowError],
) -> Iterator[Row | RowError]:  # fmt: skip
    """Yield every record of a list as what it describes."""
    for line, cells in records:
        if isinstance(cells, str):
            yield RowError(line, "", cells)
        else:
            yield read(line, *columns.read(cells))


def need_columns(found: Columns | None, path: Path, what: str) -> Columns:
    """Return the columns of a list; raises PermanentError when no header was found."""
    if found is None:
        raise PermanentError(f"{path}: {what}")
    return found


def run_batches(
    job: Job, file: ListFile, what: str, rows: Iterator[Row | RowError],
    unit: Callable[[Any, Sequence[Row]], list[Outcome]], size: int = BATCH,
) -> Iterator[Outcome]:  # fmt: skip
    """Yield one outcome a row in the order of the list; `unit` decides a batch and, in earnest, writes it."""
    store = job.opened.store
    forget_old_errors(job.errors)
    finished = False
    try:
        for batch in batches(rows, size):
            good = [row for row in batch if not isinstance(row, RowError)]
            outcomes = [refused(row) for row in batch if isinstance(row, RowError)]
            if good:
                outcomes += (store.read_now if job.dry_run else store.write_now)(unit, good)
            outcomes.sort(key=lambda one: one["line"])
            count_outcomes(job, outcomes)
            job.watch(file.position, file.size)
            yield from outcomes
        finished = True
    finally:
        if not job.dry_run:
            tell_audit(job, file, what, finished=finished)


def batches(rows: Iterator[Row], size: int) -> Iterator[list[Row]]:
    """Yield lists of so many rows."""
    batch: list[Row] = []
    for row in rows:
        batch.append(row)
        if len(batch) >= size:
            yield batch
            batch = []
    if batch:
        yield batch


def refused(row: RowError) -> Outcome:
    """Return the outcome of a row that cannot be read."""
    return {"line": row.line, "email": row.email, "outcome": "refused", "reason": row.reason}


def count_outcomes(job: Job, outcomes: Sequence[Outcome]) -> None:
    """Count what became of rows, and write the refused ones down."""
    bad = [one for one in outcomes if one["outcome"] == "refused"]
    job.counts.update(one["outcome"] for one in outcomes)
    for one in outcomes:
        if one["outcome"] != "refused":
            job.flags.update(reason.partition(":")[0] for reason in one["reason"].split(", ") if reason)
    if bad and job.errors is not None:
        fresh = not job.errors.exists()
        with job.errors.open("a", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            if fresh:
                writer.writerow(ERROR_HEADER)
            writer.writerows([one["line"], harmless(one["email"]), harmless(one["reason"])] for one in bad)


def forget_old_errors(errors: Path | None) -> None:
    """Remove the errors of the last run, and nothing that is not ours."""
    with suppress(FileNotFoundError):
        if errors is not None and errors.read_text(encoding="utf-8", errors="replace").startswith(
            ",".join(ERROR_HEADER)
        ):
            errors.unlink()


def tell_audit(job: Job, file: ListFile, what: str, *, finished: bool) -> None:
    """Write down that a list came in, which one, and what became of its rows."""
    detail = {"sha256": file.sha256, "rows": dict(sorted(job.counts.items())), "finished": finished}
    private = {"file": job.path.name}
    job.opened.store.write_now(audit.append, job.now, job.actor, f"import.{what}", "import", detail, private)
