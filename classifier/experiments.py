"""Which other models were tried, and what would more texts bring? The same folds by author for all.

scikit-learn's models as they come, on our features; calibrated by one temperature each. Nothing here is shipped.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression

from classifier.evaluate import calibration_error, coverage_at, judge_scores, macro_f1, risk_coverage
from classifier.features import extract
from classifier.folds import folds
from classifier.labels import Example
from classifier.model import join, softmax
from classifier.train import (
    Blocks,
    HeldOut,
    cross_validate,
    feature_matrix,
    fit_temperature,
    label_weights,
    sense_held_out,
)
from store.vocabulary import Label

SHARES = (0.125, 0.25, 0.5)  # of the texts, for the learning curve
LEAST = 300  # texts that can be parted into folds with every label on both sides
TOLERATED = 0.03  # errors among the decided, at which coverage is compared


@dataclass(frozen=True, slots=True)
class Tried:
    """How a model did on folds by author."""

    name: str
    macro_f1: float  #: of the most probable label
    calibration: float  #: expected calibration error
    coverage: float  #: share that can be decided with `TOLERATED` errors


def try_models(corpus: Sequence[Example], blocks: Sequence[Blocks], held: dict[str, HeldOut]) -> list[Tried]:
    """Return the figures of the shipped models and of those that were not chosen."""
    labels = held["words"].labels
    regression = np.zeros((len(corpus), len(labels)))
    truth = np.array([str(one.label) for one in corpus])
    for inside, outside in folds(corpus):
        weights = label_weights([corpus[i].label for i in inside])
        train, test = feature_matrix([blocks[i] for i in inside], [blocks[i] for i in outside])
        line = LogisticRegression(C=8.0, max_iter=400, tol=1e-3).fit(train, truth[inside], weights)
        regression[outside] = line.decision_function(test)
    scores = {
        "words: linear support vectors (shipped)": held["words"].scores,
        "words: logistic regression": regression,
    }
    if "words and sense" not in held:
        return [_figures(name, _judged(corpus, found, labels)) for name, found in scores.items()]
    texts = [one.text for one in corpus]
    plain, tuned = sense_held_out(texts, "untuned"), sense_held_out(texts)
    scores["sense: small networks over the untuned encoder"] = plain
    scores["sense: tuned encoder"] = tuned
    scores["words and sense: untuned, mean of log probabilities"] = join(held["words"].scores, plain)
    scores["words and sense: tuned, mean of log probabilities (shipped)"] = held["words and sense"].scores
    tried = [_figures(name, _judged(corpus, found, labels)) for name, found in scores.items()]
    return [*tried, _agreement(held, tuned)]


def _judged(corpus: Sequence[Example], scores: np.ndarray, labels: tuple[str, ...]) -> HeldOut:
    """Return the scores of those texts that were judged at all."""
    rows = np.flatnonzero(~np.isnan(scores).any(axis=1)).tolist()
    return HeldOut([corpus[row] for row in rows], scores[rows], labels)


def _figures(name: str, held: HeldOut) -> Tried:
    judged = judge_scores(held, fit_temperature(held))
    right = [one == other for one, other in zip(judged.best_of_all, judged.truth, strict=True)]
    curve = risk_coverage(judged.chances.max(axis=1).tolist(), right)
    score = macro_f1(judged.truth, judged.best_of_all)
    return Tried(name, score, calibration_error(judged), coverage_at(curve, TOLERATED))


def _agreement(held: dict[str, HeldOut], sense: np.ndarray) -> Tried:
    """Judge by words and sense together, but only where each alone says the same; else `other`, undecided."""
    joint = judge_scores(held["words and sense"], fit_temperature(held["words and sense"]))
    agreed = held["words"].scores.argmax(axis=1) == sense.argmax(axis=1)
    said = [best if both else Label.OTHER for best, both in zip(joint.best_of_all, agreed, strict=True)]
    right = [one == other for one, other in zip(said, joint.truth, strict=True)]
    sure = np.where(agreed, joint.chances.max(axis=1), 0.0)
    curve = risk_coverage(sure.tolist(), right)
    coverage = min(coverage_at(curve, TOLERATED), float(agreed.mean()))
    return Tried("words and sense: both must agree", macro_f1(joint.truth, said), calibration_error(joint), coverage)


def learning_curve(corpus: Sequence[Example], held: dict[str, HeldOut]) -> dict[str, list[tuple[float, float]]]:
    """Return (texts, macro F1 by words on folds by author) for growing shares of the families."""
    curve: list[tuple[float, float]] = []
    for share in SHARES:
        part = [one for one in corpus if _lot(one.family) < share]
        if len(part) >= LEAST:
            found = cross_validate(part, [extract(one.text) for one in part])
            curve.append((float(len(part)), _best_f1(found)))
    return {"words": [*curve, (float(len(corpus)), _best_f1(held["words"]))]}


def _best_f1(held: HeldOut) -> float:
    chances = softmax(held.scores)
    return macro_f1([one.label for one in held.examples], [Label(held.labels[n]) for n in chances.argmax(axis=1)])


def _lot(family: str) -> float:
    """Return a number from 0 to 1 that depends on the family's name alone."""
    return int(hashlib.sha256(family.encode()).hexdigest()[:8], 16) / 2**32
