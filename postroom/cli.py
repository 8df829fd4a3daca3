"""The command line: every command, its options, its exit status.

0 done, 1 the answer is "no", 2 wrong usage or configuration. With `--json`, stdout holds only data.
"""

import importlib
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.logging import RichHandler

from postroom import output
from store.errors import ConfigError, PermanentError, PostroomError

COMMANDS = (
    "ask",
    "check",
    "classify",
    "data",
    "model",
    "endpoint",
    "import",
    "launch",
    "notices",
    "ownership",
    "privacy",
    "run",
    "sending",
    "sequences",
    "suppression",
)
app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
                  help="The post room of an outbound sales team.")  # fmt: skip
ConfigOption = Annotated[
    Path | None, typer.Option("--config", help="configuration file; default: POSTROOM_CONFIG or config.toml")
]
JsonOption = Annotated[bool, typer.Option("--json", help="one JSON object a line")]


def main() -> None:
    """Run the program; errors become a message on stderr and an exit status."""
    for name in COMMANDS:
        importlib.import_module(f"postroom.commands_{name}")  # each registers its commands

    logging.basicConfig(
        level=logging.INFO, format="%(name)s: %(message)s", datefmt="%H:%M:%S",
        handlers=[RichHandler(console=output.errors, show_path=False, markup=False)],
    )  # fmt: skip
    for name in ("aioimaplib", "apscheduler", "httpx", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("mail.log").setLevel(logging.ERROR)  # the sandbox's SMTP server warns about itself
    sys.exit(run_guarded(app))


def run_guarded(program: Callable[[], object]) -> int:
    """Run a program and return its exit status."""
    try:
        program()
    except ConfigError as problem:
        for sentence in problem.problems:
            output.errors.print(sentence, markup=False, highlight=False, soft_wrap=True)
        return 2
    except PostroomError as problem:
        output.errors.print(f"postroom: {problem}", markup=False, highlight=False, soft_wrap=True)
        return 1 if isinstance(problem, PermanentError) else 3
    except SystemExit as leaving:
        return int(leaving.code or 0)
    return 0
