"""Commands about the classifier's model: train, evaluate, learn from owners, choose which is in use."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from postroom import output
from postroom.cli import ConfigOption, JsonOption, app
from postroom.config import find_config
from postroom.opened import open_all
from store import audit, messages

model_app = typer.Typer(no_args_is_help=True, help="Which trained model is in use.")
app.add_typer(model_app, name="model")
PersonOption = Annotated[str, typer.Option("--as", help="who you are: your address, for the audit log")]
RESTART = "the daemon takes it at its next start"


@app.command()
def train(
    into: Annotated[Path | None, typer.Option(help="folder of the model; default: the shipped one")] = None,
    with_feedback: Annotated[bool, typer.Option(help="learn from owners' corrections too, in this database")] = False,
    config: ConfigOption = None,
    person: PersonOption = "operator",
) -> None:
    """Train the classifier from the corpus in this repository, the same every time; `evaluate` writes its card.

    With feedback: into a folder beside the configuration, in use only if it is no worse on texts that never train;
    exit 1 with the reasons when it is.
    """
    if with_feedback:
        _learn(config, person)
        return
    from threadpoolctl import threadpool_limits

    from classifier.labels import read_corpus
    from classifier.model import SHIPPED
    from classifier.train import train as train_model

    with threadpool_limits(1, user_api="blas"):  # small matrices: more threads only wait for each other
        model, _ = train_model(read_corpus(), into or SHIPPED)
    for name, judge in (("words", model), ("words and sense", model.sense)):
        if judge is not None:
            bars = ", ".join(f"{bar} {value}" for bar, value in judge.thresholds.as_dict().items())
            sys.stdout.write(f"{name}: temperature {judge.temperature}, {bars}\n")


@app.command()
def evaluate(
    model: Annotated[Path | None, typer.Option(help="folder of the model; default: the shipped one")] = None,
    card: Annotated[Path | None, typer.Option(help="file of the card; default: the shipped one")] = None,
) -> None:
    """Judge the model on the mirror and on authors it never saw; writes the card and its charts."""
    from threadpoolctl import threadpool_limits

    from classifier.card import CARD
    from classifier.model import SHIPPED
    from classifier.publish import publish

    with threadpool_limits(1, user_api="blas"):
        sys.stdout.write(publish(model or SHIPPED, card or CARD))


def _learn(config: Path | None, person: str) -> None:
    from threadpoolctl import threadpool_limits

    from classifier.labels import MIRROR, read_corpus
    from classifier.versions import FOLDER
    from postroom.learning import learn

    opened, now = open_all(find_config(config)), datetime.now(UTC)
    corrections = opened.store.read_now(messages.corrections)
    with threadpool_limits(1, user_api="blas"):
        learnt = learn(opened.folder / FOLDER, corrections, read_corpus(), read_corpus(MIRROR), now)
    detail = {"corrections": learnt.corrections, "worse": list(learnt.worse)}
    action = "model.refused" if learnt.worse else "model.activated"
    opened.store.write_now(audit.append, now, person, action, f"model:{learnt.name}", detail)
    if learnt.worse:
        output.errors.print(f"{learnt.name} is not used, the old model stays:", markup=False)
        for sentence in learnt.worse:
            output.errors.print(f"  {sentence}", markup=False)
        raise typer.Exit(1)
    sys.stdout.write(f"{learnt.name}, with {learnt.corrections} corrections, is in use: {RESTART}\n")


@model_app.command(name="list")
def list_all(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show every model, and which is in use."""
    from classifier.versions import FOLDER, list_models

    rows = (
        {"name": one.name, "active": one.active, "texts": one.texts, "corrections": one.corrections,
         "arrays_sha256": one.arrays_sha256}
        for one in list_models(find_config(config).resolve().parent / FOLDER)
    )  # fmt: skip
    output.print_rows(rows, as_json=as_json, columns=("name", "active", "texts", "corrections", "arrays_sha256"))


@model_app.command(name="activate")
def activate_model(name: str, config: ConfigOption = None, person: PersonOption = "operator") -> None:
    """Use a model; `shipped` is the one that came with this version."""
    from classifier.versions import FOLDER, activate

    opened = open_all(find_config(config))
    activate(opened.folder / FOLDER, name)
    opened.store.write_now(audit.append, datetime.now(UTC), person, "model.activated", f"model:{name}", {})
    sys.stdout.write(f"{name} is in use: {RESTART}\n")


@model_app.command(name="rollback")
def roll_back(config: ConfigOption = None, person: PersonOption = "operator") -> None:
    """Return to the model that was in use before."""
    from classifier.versions import FOLDER, rollback

    opened = open_all(find_config(config))
    name = rollback(opened.folder / FOLDER)
    opened.store.write_now(
        audit.append, datetime.now(UTC), person, "model.activated", f"model:{name}", {"rollback": True}
    )
    sys.stdout.write(f"{name} is in use: {RESTART}\n")
