"""Commands before a start: launch check."""

from datetime import UTC, datetime

import typer
from rich.markup import escape

from postroom import output
from postroom.cli import ConfigOption, JsonOption, app
from postroom.config import find_config
from postroom.launch import check_launch
from postroom.opened import open_all

launch_app = typer.Typer(no_args_is_help=True, help="Before a new segment is written to.")
app.add_typer(launch_app, name="launch")


@launch_app.command(name="check")
def launch_check(sequence: str, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Go through the checklist of a start, each line with its evidence; exit 1 with what is missing."""
    opened = open_all(find_config(config))
    rows = check_launch(opened, sequence, datetime.now(UTC))
    if as_json:
        output.print_rows(rows, as_json=True, columns=())
    for row in [] if as_json else rows:
        mark = "[green]+[/]" if row["ok"] else "[red]x[/]"
        output.console.print(f"{mark} [bold]{row['check']}[/]  {escape(row['evidence'])}", highlight=False)
        if not row["ok"]:
            output.console.print(f"    [red]{escape(row['missing'])}[/]", highlight=False)
    if missing := [row["check"] for row in rows if not row["ok"]]:
        if not as_json:
            output.console.print(f"\n{sequence}: not yet, {len(missing)} of {len(rows)} are missing")
        raise typer.Exit(1)
    if not as_json:
        output.console.print(f"\n{sequence}: go")
