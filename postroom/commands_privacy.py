"""Commands for the rights of a person: export, show, object, erase; retention and the record of processing."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from postroom import output
from postroom.cli import ConfigOption, JsonOption, app
from postroom.commands_data import PersonOption
from postroom.config import find_config
from postroom.opened import open_all
from store import erasure

privacy_app = typer.Typer(no_args_is_help=True, help="The rights of a person, retention, the record of processing.")
app.add_typer(privacy_app, name="privacy")
NoteOption = Annotated[str, typer.Option(help="how the wish reached us, as evidence")]


@privacy_app.command(name="export")
def export(address: str, config: ConfigOption = None) -> None:
    """Print everything that is held about an address as JSON (GDPR, articles 15 and 20)."""
    from postroom import privacy

    about = privacy.all_about(open_all(find_config(config)), privacy.address_of(address))
    typer.echo(output.to_json(about))


@privacy_app.command(name="show")
def show(
    address: str,
    html: Annotated[Path | None, typer.Option(help="write the page as HTML to this file")] = None,
    config: ConfigOption = None,
) -> None:
    """Show everything about an address on one page."""
    from postroom import person_page, privacy

    about = privacy.all_about(open_all(find_config(config)), privacy.address_of(address))
    if html is None:
        typer.echo(person_page.render_text(about))
    else:
        html.write_text(person_page.render_html(about), encoding="utf-8")
        output.errors.print(f"{html} written; it holds personal data", markup=False)


@privacy_app.command(name="object")
def object_command(
    address: str, note: NoteOption = "", config: ConfigOption = None, person: PersonOption = "operator"
) -> None:
    """Carry out an objection: never written to again, every sequence ends."""
    from postroom import privacy

    written = privacy.address_of(address)
    added = privacy.object_to(open_all(find_config(config)), written, note, actor=person, now=datetime.now(UTC))
    output.console.print(f"{written}: {'never written to again' if added else 'was blocked already'}", markup=False)


@privacy_app.command(name="erase")
def erase(
    address: str,
    note: NoteOption = "",
    config: ConfigOption = None,
    person: PersonOption = "operator",
    as_json: JsonOption = False,
) -> None:
    """Erase a person from every table; only the keyed hash stays, which blocks every later import."""
    from postroom import privacy

    opened = open_all(find_config(config))
    done, elsewhere = privacy.erase(opened, privacy.address_of(address), note, actor=person, now=datetime.now(UTC))
    rows = [{"table": name, "rows": number} for name, number in done.items()]
    output.print_rows(rows, as_json=as_json, columns=("table", "rows"), title="erased")
    output.print_rows(
        ({"elsewhere": place} for place in elsewhere), as_json=as_json, columns=("elsewhere",),
        title="still in mailboxes, to be deleted by hand",
    )  # fmt: skip
    output.errors.print("back-ups and earlier exports are yours to clean: docs/compliance.md")


@privacy_app.command(name="reblock")
def reblock(file: Path, config: ConfigOption = None, person: PersonOption = "operator") -> None:
    """After a back-up was restored: block who was erased since, from suppression.jsonl of the newest package; exit 1
    when somebody erased is back in the tables.
    """
    from postroom import privacy

    new, back = privacy.reblock(open_all(find_config(config)), file, actor=person, now=datetime.now(UTC))
    output.console.print(f"{new} blocked")
    for address in back:
        output.console.print(f"{address} is back: postroom privacy erase {address}", markup=False, highlight=False)
    if back:
        raise typer.Exit(1)


@privacy_app.command(name="scrub")
def scrub(config: ConfigOption = None) -> None:
    """Rewrite the database file so that erased text is gone from its free pages; `erase` does it by itself."""
    erasure.scrub(open_all(find_config(config)).store)


@privacy_app.command(name="retention")
def retention(
    apply: Annotated[bool, typer.Option("--apply", help="let go what is due; without it nothing changes")] = False,
    config: ConfigOption = None,
    person: PersonOption = "operator",
    as_json: JsonOption = False,
) -> None:
    """Show what is older than the configuration lets us keep, by kind and reason; a dry run unless told otherwise."""
    from postroom import privacy

    rows = privacy.retain(open_all(find_config(config)), apply=apply, actor=person, now=datetime.now(UTC))
    columns = ("what", "keep", "due", "oldest", "why")
    output.print_rows(rows, as_json=as_json, columns=columns, title="let go" if apply else "due (nothing was changed)")


@privacy_app.command(name="records")
def records(config: ConfigOption = None) -> None:
    """Print the summary for the record of processing activities (GDPR, article 30) as JSON."""
    from postroom import privacy

    typer.echo(output.to_json(privacy.processing_records(open_all(find_config(config)))))
