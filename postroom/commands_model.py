"""Commands about the classifier's model: train it, publish how good it is."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from postroom.cli import app


@app.command()
def train(
    into: Annotated[Path | None, typer.Option(help="folder of the model; default: the shipped one")] = None,
) -> None:
    """Train the classifier from the corpus in this repository, the same every time; `evaluate` writes its card."""
    from classifier.labels import read_corpus
    from classifier.model import SHIPPED
    from classifier.train import train as train_model

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
    from classifier.card import CARD
    from classifier.model import SHIPPED
    from classifier.publish import publish

    sys.stdout.write(publish(model or SHIPPED, card or CARD))
