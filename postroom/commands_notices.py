"""Commands about notices that did not arrive for certain: list, repeat."""

from datetime import UTC, datetime

import typer

from postroom import output
from postroom.cli import ConfigOption, JsonOption, app
from postroom.config import find_config
from postroom.opened import open_all
from store import notices
from store.errors import PermanentError

notices_app = typer.Typer(no_args_is_help=True, help="Notices that failed, or of which nobody can tell.")
app.add_typer(notices_app, name="notices")


@notices_app.command(name="list")
def list_notices(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List notices that failed for good or are uncertain; they are not repeated by themselves."""
    opened = open_all(find_config(config))
    names = ("id", "state", "event", "channel", "recipient", "subject", "claimed_at", "mail_id", "error")
    rows = [{**row, "subject": row["payload"].get("subject", "")} for row in opened.store.read_now(notices.stuck)]
    output.print_rows([{name: row[name] for name in names} for row in rows], as_json=as_json, columns=names)


@notices_app.command(name="repeat")
def repeat(notice: int, config: ConfigOption = None) -> None:
    """Deliver a failed or uncertain notice again."""
    opened = open_all(find_config(config))
    if not opened.store.write_now(notices.repeat, notice, datetime.now(UTC)):
        raise PermanentError(f"notice {notice} is neither failed nor uncertain; `postroom notices list` lists those")
