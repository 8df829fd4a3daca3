"""Commands about sequences: what would leave."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from postroom import output
from postroom.cli import ConfigOption, JsonOption, app
from postroom.config import find_config
from postroom.opened import open_all
from postroom.previewing import preview_rows


@app.command()
def preview(
    sequence: str,
    refused: Annotated[bool, typer.Option("--refused", help="only who gets nothing, and why")] = False,
    texts: Annotated[bool, typer.Option("--texts", help="print the rendered letters too")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show every send that is to come under all limits, with its text, and every contact that is refused and why."""
    opened = open_all(find_config(config))
    found = preview_rows(opened, sequence, datetime.now(UTC))
    if not refused:
        columns = ("at", "contact", "step", "variant", "mailbox", "subject")
        output.print_rows(found.rows, as_json=as_json, columns=columns)
        for row in found.rows if texts and not as_json else []:
            head = f"\n{row['at']:%a %d %b %Y %H:%M} UTC  {row['contact']}  {row['subject']}\n"
            output.console.print(head + row["text"], markup=False, highlight=False)
    if refused or not as_json:
        output.print_rows(found.refused, as_json=as_json, columns=("contact", "reason"), title="refused")
    if found.rows and not as_json:
        output.console.print(
            f"{len(found.rows)} sends to {len({row['contact'] for row in found.rows})} contacts; "
            f"{len(found.refused)} refused; the last one leaves on {found.rows[-1]['at']:%A, %d %B %Y}"
        )
