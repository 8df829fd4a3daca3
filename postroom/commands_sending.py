"""Commands about letters without an answer: uncertain, settle."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from outbound.results import Results, settle_by_person
from postroom import output
from postroom.cli import ConfigOption, JsonOption, app
from postroom.config import find_config
from postroom.opened import Opened, open_all
from store import open_sends
from store.errors import PermanentError

OUTCOMES = {"sent": True, "not-sent": False}


@app.command(name="uncertain")
def list_uncertain(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List letters of which nobody can tell whether they left; they are never sent again by themselves."""
    opened = open_all(find_config(config))
    rows = [
        {"send": row.id, "mailbox": row.mailbox, "contact": row.recipient, "sequence": row.sequence,
         "step": row.step + 1, "claimed_at": row.claimed_at, "message_id": row.message_id}
        for row in opened.store.read_now(open_sends.uncertain)
    ]  # fmt: skip
    columns = ("send", "mailbox", "contact", "sequence", "step", "claimed_at", "message_id")
    output.print_rows(rows, as_json=as_json, columns=columns)


@app.command()
def settle(
    send: int,
    outcome: Annotated[str, typer.Argument(help="sent, or not-sent (which ends the enrollment)")],
    config: ConfigOption = None,
    person: Annotated[str, typer.Option("--as", help="who you are: your address, for the audit log")] = "operator",
) -> None:
    """Say what became of an uncertain letter, after a look into its mailbox's Sent folder."""
    if outcome not in OUTCOMES:
        raise typer.BadParameter(f'"{outcome}" is no outcome: sent or not-sent')
    opened = open_all(find_config(config))
    settled = opened.store.write_now(
        settle_by_person, results_of(opened), send, was_sent=OUTCOMES[outcome], actor=person, now=datetime.now(UTC)
    )
    if not settled:
        raise PermanentError(f"send {send} is not uncertain; `postroom uncertain` lists those that are")


def results_of(opened: Opened) -> Results:
    """Return what writes results down, without anybody to tell."""
    return Results(opened.secret, {sequence.name: sequence for sequence in opened.config.sequence})
