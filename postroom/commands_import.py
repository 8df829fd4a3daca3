"""Commands that bring lists in: import contacts, accounts, customers, opportunities, suppression."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from deliverability.resolver import DnsResolver
from outbound.account_rows import AccountList
from postroom import output
from postroom.cli import ConfigOption, JsonOption, app
from postroom.commands_data import PersonOption
from postroom.config import find_config
from postroom.import_accounts import each_account
from postroom.import_contacts import ContactOptions, each_contact
from postroom.import_run import Job, Outcome
from postroom.import_suppression import import_suppression
from postroom.list_file import read_mapping
from postroom.mail_domains import find_undeliverable
from postroom.opened import open_all
from store.vocabulary import SuppressionReason

import_app = typer.Typer(
    no_args_is_help=True, help="Bring lists in: any delimiter, any encoding, headers of the common tools."
)
app.add_typer(import_app, name="import")
SHOWN = 20  # refused rows on the screen; all of them are in the file of errors

MapOption = Annotated[
    Path | None, typer.Option("--map", help='TOML file of lines "Header" = "field", "" for a column to ignore')
]
ErrorsOption = Annotated[Path | None, typer.Option(help="CSV of refused rows; default: FILE.errors.csv")]
DryOption = Annotated[bool, typer.Option("--dry-run", help="say what would happen and write nothing")]


@import_app.command(name="contacts")
def contacts_command(
    file: Path,
    config: ConfigOption = None,
    errors: ErrorsOption = None,
    mapping: MapOption = None,
    dry_run: DryOption = False,
    owner_wins: Annotated[bool, typer.Option("--owner-wins", help="the list's owners replace those we know")] = False,
    lead_source: Annotated[str, typer.Option(help="lead source of rows that name none")] = "",
    as_of: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="day of the list: newer values stay; default: today")
    ] = None,
    check_mx: Annotated[
        bool, typer.Option("--check-mx", help="refuse domains that take no mail (asks the DNS)")
    ] = False,
    person: PersonOption = "operator",
    as_json: JsonOption = False,
) -> None:
    """Import contacts: only `email` is required, broken rows are reported, the rest is imported."""
    as_of = as_of.replace(tzinfo=UTC) if as_of else None
    options: dict[str, Any] = {"owner_wins": owner_wins, "lead_source": lead_source, "as_of": as_of}
    import_list("contacts", file, config, mapping, errors, person, dry_run=dry_run, as_json=as_json,
                check_mx=check_mx, options=options)  # fmt: skip


def _account_command(kind: AccountList, told: str) -> None:
    @import_app.command(name=kind, help=told)
    def command(
        file: Path,
        config: ConfigOption = None,
        errors: ErrorsOption = None,
        mapping: MapOption = None,
        dry_run: DryOption = False,
        owner_wins: Annotated[bool, typer.Option("--owner-wins", help="the list's owners replace ours")] = False,
        person: PersonOption = "operator",
        as_json: JsonOption = False,
    ) -> None:
        options = {"owner_wins": owner_wins}
        import_list(kind, file, config, mapping, errors, person, dry_run=dry_run, as_json=as_json, options=options)


_account_command(AccountList.ACCOUNTS, "Import companies: owner, stage, segment, parent, named lists.")
_account_command(AccountList.CUSTOMERS, "Import who buys from us: their domains join the suppression ledger.")
_account_command(
    AccountList.OPPORTUNITIES, "Import deals: an open one gives its owner the messaging, a lost one a pause."
)


@import_app.command(name="suppression")
def suppression_command(
    file: Path,
    config: ConfigOption = None,
    reason: Annotated[SuppressionReason, typer.Option(help="of rows that name none")] = SuppressionReason.MANUAL,
    mapping: MapOption = None,
    errors: ErrorsOption = None,
    dry_run: DryOption = False,
    person: PersonOption = "operator",
    as_json: JsonOption = False,
) -> None:
    """Import who is never mailed (plain lines, CSV, or what `suppression export` prints); it only ever adds."""
    import_list("suppression", file, config, mapping, errors, person, reason=reason, dry_run=dry_run, as_json=as_json)


def import_list(
    what: str, file: Path, config: Path | None, mapping: Path | None, errors: Path | None, person: str, *,
    dry_run: bool, as_json: bool, reason: SuppressionReason = SuppressionReason.MANUAL, check_mx: bool = False,
    options: Mapping[str, Any] | None = None,
) -> None:  # fmt: skip
    """Bring a list in, show how far it is, print its outcomes and a summary; exit 1 when rows were refused."""
    opened = open_all(find_config(config))
    errors = None if dry_run and errors is None else errors or file.with_suffix(".errors.csv")
    job = Job(opened, file, datetime.now(UTC), errors, read_mapping(mapping), person, dry_run, every_row=as_json)

    def undeliverable(domains: Sequence[str]) -> Mapping[str, str]:
        resolver = DnsResolver(opened.config.deliverability.nameserver)
        return asyncio.run(find_undeliverable(resolver, domains)) if check_mx else {}

    if what == "contacts":
        rows = each_contact(job, ContactOptions(**options or {}, undeliverable=undeliverable))
    elif what in list(AccountList):
        rows = each_account(job, AccountList(what), ContactOptions(**options or {}))
    else:
        rows = import_suppression(job, reason)
    show(job, what, rows, as_json=as_json)
    if job.counts["refused"]:
        raise typer.Exit(1)


def show(job: Job, what: str, rows: Iterator[Outcome], *, as_json: bool) -> None:
    """Print every outcome as JSON, or the first refused rows and a summary; a bar on stderr shows the progress."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    refused: list[Outcome] = []
    with Progress(*columns, console=output.errors, transient=True, disable=not output.errors.is_terminal) as bar:
        task = bar.add_task(f"importing {what}", total=None)
        job.watch = lambda done, size: bar.update(task, completed=done, total=size)
        for row in rows:
            if as_json:
                output.print_rows([row], as_json=True, columns=())
            elif row["outcome"] == "refused" and len(refused) < SHOWN:
                refused.append(row)
    if as_json:
        return
    if refused:
        output.print_rows(refused, as_json=False, columns=("line", "email", "reason"), title="refused rows")
    if job.counts["refused"] and job.errors is not None:
        output.console.print(f"all {job.counts['refused']} refused rows: {job.errors}", markup=False, highlight=False)
    told = ", ".join(f"{number} {name}" for name, number in job.counts.items() if number)
    output.console.print(f"{'would be: ' if job.dry_run else ''}{told or 'no rows'}", markup=False)
    if job.flags:
        flags = ", ".join(f"{number} {name}" for name, number in job.flags.most_common())
        output.console.print(f"to look at: {flags}", markup=False)
