"""How does the published card come about? Gathers every figure for `card`, the same every time."""

import json
from collections.abc import Sequence
from pathlib import Path

from classifier.agreement import read_second_reading
from classifier.card import CARD, Evaluation, write_card
from classifier.evaluate import judge_all
from classifier.experiments import learning_curve, try_models
from classifier.features import extract
from classifier.labels import MIRROR, Example, read_corpus
from classifier.model import SHIPPED, LinearModel, load_model
from classifier.train import held_out
from store.vocabulary import Tag


def publish(
    folder: Path = SHIPPED, card: Path = CARD, corpus: list[Example] | None = None, mirror: list[Example] | None = None
) -> str:
    """Evaluate the model in `folder` and write its card; returns the headline.

    Folds are trained anew when this model was not trained here last; sense is judged where its wheel is installed.
    """
    model = load_model(folder)
    described = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    corpus, mirror = corpus or read_corpus(), mirror or read_corpus(MIRROR)
    blocks = [extract(one.text) for one in corpus]
    held = held_out(corpus, folder)
    found = Evaluation(
        model=model,
        digest=described["arrays_sha256"],
        trained_on=described["about"]["corpus_sha256"],
        corpus=corpus,
        judged=judge_all(model, held, mirror),
        tags=tag_figures(model, mirror),
        tried=try_models(corpus, blocks, held),
        curve=learning_curve(corpus, held),
        readings=read_second_reading(),
    )
    return write_card(found, card)


def tag_figures(model: LinearModel, examples: Sequence[Example]) -> dict[Tag, tuple[int, int, int]]:
    """Return for each tag: texts that have it, texts that the model gives it, and how many of these rightly."""
    said = [model.tags(one.text) for one in examples]
    return {
        tag: (
            sum(tag in one.tags for one in examples),
            sum(tag in tags for tags in said),
            sum(tag in one.tags and tag in tags for one, tags in zip(examples, said, strict=True)),
        )
        for tag in Tag
    }
