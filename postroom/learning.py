"""How does a model that learnt from corrections come into use? Trained, compared, then activated or left aside."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from classifier.feedback import find_worse, learnable, with_corrections
from classifier.labels import Example
from classifier.model import load_model
from classifier.train import train
from classifier.versions import activate, active_folder
from store.errors import PermanentError


@dataclass(frozen=True, slots=True)
class Learnt:
    """What came of a training with corrections."""

    name: str
    corrections: int
    worse: tuple[str, ...]  #: why it was not activated; empty: it is in use


def learn(
    models: Path, corrections: Sequence[Mapping[str, Any]], corpus: Sequence[Example], frozen: Sequence[Example],
    now: datetime,
) -> Learnt:  # fmt: skip
    """Train on corpus and corrections; the new model replaces the active one only if it is no worse on frozen texts."""
    learnt = learnable(corrections, corpus, frozen)
    if not learnt:
        raise PermanentError("nobody has corrected a label yet: `postroom label THREAD LABEL`")
    old = load_model(active_folder(models))
    name = f"{now:%Y%m%d-%H%M%S}"
    train(with_corrections(corpus, learnt), models / name)
    worse = tuple(find_worse(old, load_model(models / name), frozen))
    if not worse:
        activate(models, name)
    return Learnt(name, len(learnt), worse)
