"""Commands about who is never mailed: suppression list, export, add, import, remove."""

from datetime import UTC, datetime, time
from typing import Annotated, Any

import typer

from ownership.absence import is_member
from postroom import output
from postroom.cli import ConfigOption, JsonOption, app
from postroom.commands_data import PersonOption
from postroom.commands_import import suppression_command
from postroom.config import find_config
from postroom.opened import Opened, open_all
from postroom.stopping import stop_covered
from store import suppression
from store.errors import PermanentError
from store.vocabulary import WISHES, SuppressionKind, SuppressionReason

suppression_app = typer.Typer(no_args_is_help=True, help="The ledger of who is never mailed.")
app.add_typer(suppression_app, name="suppression")


@suppression_app.command(name="list")
def suppression_list(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List the ledger."""
    opened = open_all(find_config(config))
    names = ("kind", "value", "reason", "source", "evidence", "created_at", "expires_at", "hash")
    opened.store.read_now(lambda c: output.print_rows(suppression.ledger(c), as_json=as_json, columns=names[:-1]))


@suppression_app.command(name="export")
def suppression_export(config: ConfigOption = None, as_json: JsonOption = True) -> None:
    """Print the ledger as JSON lines; `suppression import` reads them, the erased ones too."""
    suppression_list(config, as_json)


@suppression_app.command(name="add")
def suppression_add(
    value: str,
    kind: SuppressionKind = SuppressionKind.ADDRESS,
    reason: SuppressionReason = SuppressionReason.MANUAL,
    note: Annotated[str, typer.Option(help="the evidence: who said so, where it stands")] = "",
    until: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="first day without it; only manual, customer, competitor"),
    ] = None,
    config: ConfigOption = None,
    person: PersonOption = "operator",
    as_json: JsonOption = False,
) -> None:
    """Never mail an address, domain or account again."""
    opened, now = open_all(find_config(config)), datetime.now(UTC)
    ends = datetime.combine(until.date(), time(), UTC) if until else None

    def unit(connection: Any) -> bool:
        added = suppression.add(connection, opened.secret, kind, value, reason, source=f"command:{person}",
                                evidence=note, actor=person, now=now, expires_at=ends)  # fmt: skip
        stop_covered(connection, kind, value, actor=person, now=now)
        return added

    added = opened.store.write_now(unit)
    output.console.print(f"{value}: {'suppressed' if added else 'was suppressed already'}", markup=False)


@suppression_app.command(name="remove")
def suppression_remove(
    value: str,
    person: PersonOption,
    because: Annotated[str, typer.Option(help="why, for the audit log")],
    kind: SuppressionKind = SuppressionKind.ADDRESS,
    config: ConfigOption = None,
) -> None:
    """Take an entry away; what somebody asked for themselves, only the compliance owner takes away."""
    opened, now = open_all(find_config(config)), datetime.now(UTC)

    def unit(connection: Any) -> str:
        old = suppression.remove(connection, opened.secret, kind, value, actor=person, because=because, now=now)
        _may_remove(opened, person, old.reason, now)
        return old.reason

    reason = opened.store.write_now(unit)
    output.console.print(f"{value}: no longer suppressed ({reason}); ended sequences stay ended", markup=False)


def _may_remove(opened: Opened, person: str, reason: SuppressionReason, now: datetime) -> None:
    team = opened.config.team
    known = team.find(person)
    if known is None or not is_member(team, person, now):
        raise PermanentError(f"{person} is no present member of the team; only a named colleague removes an entry")
    if reason in WISHES and known.email != team.compliance:
        raise PermanentError(f"{reason}: they asked for it themselves; only {team.compliance} (compliance) may decide")


suppression_app.command(name="import")(suppression_command)
