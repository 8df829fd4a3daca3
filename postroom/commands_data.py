"""Commands that change what postroom knows: init, config, enroll, activate, audit, desk work."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from ownership.calendar_source import check_files
from postroom import output, witness
from postroom.cli import ConfigOption, JsonOption, app
from postroom.config import cross_check, find_config, load_config
from postroom.intake import enroll_contacts
from postroom.opened import open_all
from postroom.starter import write_starter
from store import audit, audit_verify, enrollments, mailboxes, messages, schema
from store.errors import PermanentError
from store.vocabulary import Label

config_app = typer.Typer(no_args_is_help=True, help="The configuration.")
audit_app = typer.Typer(no_args_is_help=True, help="The append-only audit log.")
hold_app = typer.Typer(no_args_is_help=True, help="Hold and release mailboxes and the whole database.")
for name, group in (("config", config_app), ("audit", audit_app), ("hold", hold_app)):
    app.add_typer(group, name=name)
PersonOption = Annotated[str, typer.Option("--as", help="who you are: your address, for the audit log")]


def _now() -> datetime:
    return datetime.now(UTC)


@app.command()
def init(folder: Annotated[Path, typer.Argument()] = Path()) -> None:
    """Write a first config.toml and a secret into a folder; nothing that exists is overwritten."""
    for line in write_starter(folder):
        output.console.print(line, markup=False, highlight=False)


@config_app.command(name="check")
def check_config(config: ConfigOption = None) -> None:
    """Check the configuration: every error with its TOML path, exit 2; warnings otherwise."""
    path = find_config(config)
    loaded = load_config(path)
    warnings = [sentence for is_error, sentence in cross_check(loaded, _now()) if not is_error]
    warnings += check_files(loaded.team, path.resolve().parent, _now().date())
    for sentence in warnings:
        output.console.print(f"warning: {sentence}", markup=False, highlight=False)
    output.console.print(f"{path}: {len(loaded.mailbox)} mailboxes, {len(loaded.sequence)} sequences, no errors")


@app.command()
def enroll(
    sequence: str,
    addresses: Annotated[list[str] | None, typer.Argument(metavar="[ADDRESS...]")] = None,
    everybody: Annotated[bool, typer.Option("--all", help="every contact that may be written to")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Enroll contacts in a sequence; nothing is mailed before `activate`."""
    if not addresses and not everybody:
        raise typer.BadParameter("name addresses, or say --all")
    opened = open_all(find_config(config))
    rows = enroll_contacts(opened, sequence, addresses or [], _now())
    output.print_rows(rows, as_json=as_json, columns=("email", "outcome", "reason"))


@app.command()
def activate(sequence: str, config: ConfigOption = None, person: PersonOption = "operator") -> None:
    """Let a sequence send. `preview` shows beforehand what would leave and when."""
    opened = open_all(find_config(config))
    if opened.config.find_sequence(sequence) is None:
        raise PermanentError(f'no sequence is called "{sequence}" in the configuration')
    opened.store.write_now(enrollments.activate_sequence, sequence, actor=person, now=_now())
    output.console.print(f"{sequence} is active; `postroom run` sends it")


@app.command()
def pause(
    sequence: str, reason: str = "paused by hand", config: ConfigOption = None, person: PersonOption = "operator"
) -> None:
    """Pause a whole sequence."""
    opened = open_all(find_config(config))
    opened.store.write_now(enrollments.pause_sequence, sequence, reason, actor=person, now=_now())


@audit_app.command(name="list")
def audit_list(
    subject: Annotated[str, typer.Option(help="for example thread:12")] = "",
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List entries."""
    opened = open_all(find_config(config))
    rows = opened.store.read_now(lambda connection: list(audit.entries(connection, subject=subject)))
    names = ("seq", "at", "actor", "action", "subject", "detail")
    output.print_rows(({**row, "detail": row["detail"]} for row in rows), as_json=as_json, columns=names)


@audit_app.command(name="export")
def audit_export(
    checkpoints: Annotated[bool, typer.Option(help="the signed heads instead of the entries")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = True,
) -> None:
    """Print entries (or checkpoints) as JSON lines for `audit_verify.py`."""
    opened = open_all(find_config(config))
    read = audit.checkpoints if checkpoints else lambda connection: list(audit.entries(connection))
    output.print_rows(opened.store.read_now(read), as_json=as_json, columns=("seq", "at", "hash"))


@audit_app.command(name="package")
def audit_package(
    folder: Path,
    private: Annotated[bool, typer.Option("--private", help="with the personal data behind the log's entries")] = False,
    config: ConfigOption = None,
) -> None:
    """Write ledger and log for an auditor: CSV, JSON, signed heads, verifier and a signed manifest."""
    from postroom.keys import checkpoint_key
    from postroom.package import write_package

    opened = open_all(find_config(config))
    key = checkpoint_key(opened.folder / opened.config.postroom.checkpoint_key)
    made = write_package(opened, key, folder, _now(), private=private)
    output.console.print(
        f"{folder}: {len(made['files'])} files; tell the auditor this key by another way:", markup=False
    )
    output.console.print(made["public_key"], markup=False, highlight=False)
    words = "python audit_verify.py audit.jsonl --checkpoints checkpoints.jsonl --manifest manifest.json --key KEY"
    output.console.print(f"there: {words}", markup=False, highlight=False, soft_wrap=True)


@audit_app.command(name="verify")
def audit_check(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Check the whole chain and every checkpoint; exit 1 when anything was changed."""
    opened = open_all(find_config(config))
    findings = opened.store.read_now(verify)
    if findings or as_json:
        output.print_rows(({"finding": one} for one in findings), as_json=as_json, columns=("finding",))
    if not as_json and not findings:
        output.console.print("the audit log is whole")
    if findings:
        raise typer.Exit(1)


def verify(connection: Any) -> list[str]:
    """Return every problem of the audit chain of this database."""
    heads = audit.checkpoints(connection)
    problems = list(audit_verify.verify_entries(audit.entries(connection), heads))
    for key in sorted({str(head["public_key"]) for head in heads}):
        problems += audit_verify.verify_signatures((head for head in heads if head["public_key"] == key), key)
    return problems


@audit_app.command(name="checkpoint")
def audit_checkpoint(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Sign the head of the chain now; store the printed line elsewhere."""
    from postroom.keys import checkpoint_key

    opened = open_all(find_config(config))
    key = checkpoint_key(opened.folder / opened.config.postroom.checkpoint_key)
    signed = opened.store.write_now(audit.checkpoint, key, _now())
    if signed is None:
        signed = next(reversed(opened.store.read_now(audit.checkpoints)), None)
    if signed is not None:
        sys.stdout.write(output.to_json(signed) + "\n")


@app.command()
def label(
    thread: int, new_label: Annotated[Label, typer.Argument(metavar="LABEL")], config: ConfigOption = None,
    person: PersonOption = "operator",
) -> None:  # fmt: skip
    """Correct the label of a thread's last reply: a training candidate; the owner stays."""
    opened = open_all(find_config(config))
    rows = [row for row in opened.store.read_now(messages.messages_of_thread, thread) if row["label"]]
    if not rows:
        raise PermanentError(f"thread {thread} has no labelled reply; `postroom threads` lists threads")
    opened.store.write_now(messages.correct, rows[-1]["id"], new_label, [], person=person, now=_now())


@hold_app.command(name="mailbox")
def hold_mailbox(
    address: str, reason: str = "held by hand", config: ConfigOption = None, person: PersonOption = "operator"
) -> None:
    """Stop using a mailbox."""
    opened = open_all(find_config(config))
    opened.store.write_now(mailboxes.hold, address, reason, actor=person, now=_now())


@hold_app.command(name="release")
def release(
    address: Annotated[str, typer.Argument(help="a mailbox; none: the whole database")] = "",
    config: ConfigOption = None,
    person: PersonOption = "operator",
) -> None:
    """Let a held mailbox, or a restored database, send again.

    Before a restored one: import the newest suppression export. Steps that it may have forgotten are looked up in Sent.
    """
    opened = open_all(find_config(config))
    now = _now()
    if address:
        opened.store.write_now(mailboxes.release, address, actor=person, now=now)
        return
    if not opened.store.read_now(schema.hold_reason):
        raise PermanentError("the database is not on hold; name a mailbox to release one")
    opened.store.write_now(schema.release, schema.fingerprint(opened.store), actor=person, now=now)
    witness.remember(opened.folder / opened.config.postroom.witness, *opened.store.read_now(schema.progress))
