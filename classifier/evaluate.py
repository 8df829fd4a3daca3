"""How good is the model on texts whose authors it never saw? The figures; `card` publishes them."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from classifier.abstain import Thresholds, decide
from classifier.embeddings import embed_many
from classifier.features import extract
from classifier.labels import Example
from classifier.model import LinearModel, join, softmax
from classifier.train import HeldOut, label_scores
from store.vocabulary import Label

WORDS = "words"
FILED_AWAY = (Label.NOT_INTERESTED, Label.OUT_OF_OFFICE, Label.BOUNCE)
WANTED = (Label.INTERESTED, Label.OTHER)


class Judged:
    """What a temperature and bars make of raw scores."""

    def __init__(self, held: HeldOut, temperature: float, bars: Thresholds) -> None:
        self.labels = held.labels
        self.examples = held.examples
        self.chances = softmax(held.scores / temperature)
        labels = [Label(name) for name in held.labels]
        rows = [dict(zip(labels, row, strict=True)) for row in self.chances.tolist()]
        self.decisions = [decide(row, bars) for row in rows]
        self.said = [decision.label for decision in self.decisions]
        self.truth = [example.label for example in held.examples]
        self.languages = [example.language for example in held.examples]
        self.best = [decision.best for decision in self.decisions]
        self.best_of_all = [labels[column] for column in self.chances.argmax(axis=1)]


def judge_scores(held: HeldOut, temperature: float, bars: Thresholds | None = None) -> Judged:
    """Judge held-out scores with these bars, else with the usual ones."""
    return Judged(held, temperature, bars or Thresholds())


def judge_held(held: HeldOut, model: LinearModel, *, sense: bool) -> Judged:
    """Judge held-out scores with the temperature and bars of a model."""
    judge = model.sense if sense and model.sense is not None else model
    return judge_scores(held, judge.temperature, judge.thresholds)


def macro_f1(truth: list[Label], said: list[Label]) -> float:
    """Return the mean over labels of the harmonic mean of precision and recall."""
    return float(np.mean([scores_of(truth, said, label)[2] for label in Label if label in truth]))


def scores_of(truth: list[Label], said: list[Label], label: Label) -> tuple[float, float, float]:
    """Return precision, recall and F1 of a label."""
    hits = sum(one == other == label for one, other in zip(truth, said, strict=True))
    precision = hits / max(said.count(label), 1)
    recall = hits / max(truth.count(label), 1)
    return precision, recall, 2 * precision * recall / max(precision + recall, 1e-12)


def interval(hits: int, of: int) -> tuple[float, float]:
    """Return the 95 % Wilson interval of a share."""
    if of == 0:
        return 0.0, 1.0
    z, share = 1.96, hits / of
    middle = (share + z * z / (2 * of)) / (1 + z * z / of)
    half = z * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of)) / (1 + z * z / of)
    return max(0.0, middle - half), min(1.0, middle + half)


def judge_apart(model: LinearModel, examples: list[Example], *, sense: bool) -> Judged:
    """Judge texts that took no part in training at all, by words alone or by words and sense."""
    scores = label_scores(model, [extract(example.text) for example in examples])
    if sense and model.sense is not None:
        points = embed_many([example.text for example in examples])
        scores = join(scores, model.sense.log_probabilities(points))
    return judge_held(HeldOut(examples, scores, model.heads["label"][0]), model, sense=sense)


def figures(judged: Judged) -> dict[str, float]:
    """Return the headline figures."""
    said = judged.said
    decided = [row for row, decision in enumerate(judged.decisions) if not decision.abstained]
    stops = [row for row, label in enumerate(judged.truth) if label == Label.UNSUBSCRIBE]
    others = [row for row, label in enumerate(judged.truth) if label != Label.UNSUBSCRIBE]
    suppressed = [row for row, label in enumerate(said) if label == Label.UNSUBSCRIBE]
    wanted = [row for row, label in enumerate(judged.truth) if label in WANTED]
    return {
        "texts": float(len(judged.truth)),
        "accuracy before abstaining": float(np.mean([a == b for a, b in zip(judged.truth, judged.best, strict=True)])),
        "macro F1 before abstaining": macro_f1(judged.truth, judged.best),
        "macro F1": macro_f1(judged.truth, said),
        "coverage": len(decided) / len(judged.truth),
        "error among decided": float(np.mean([judged.truth[row] != said[row] for row in decided])),
        "unsubscribe held or suppressed": float(np.mean([judged.decisions[row].hold for row in stops])),
        "false holds": float(np.mean([judged.decisions[row].hold for row in others])),
        "precision of suppressions": float(
            np.mean([judged.truth[row] == Label.UNSUBSCRIBE for row in suppressed] or [True])
        ),
        "silent loss": float(np.mean([said[row] in FILED_AWAY and not judged.decisions[row].hold for row in wanted])),
        "expected calibration error": calibration_error(judged),
    }


def reliability(judged: Judged, bins: int = 10) -> list[tuple[float, float, int]]:
    """Return (mean probability, share right, texts) of the most probable label over equal-width bins."""
    top = judged.chances.max(axis=1)
    right = np.array([one == other for one, other in zip(judged.best_of_all, judged.truth, strict=True)])
    found = []
    for low in np.linspace(0, 1, bins, endpoint=False):
        inside = (top > low) & (top <= low + 1 / bins)
        if inside.any():
            found.append((float(top[inside].mean()), float(right[inside].mean()), int(inside.sum())))
    return found


def calibration_error(judged: Judged) -> float:
    """Return the expected calibration error of the most probable label."""
    return sum(count * abs(said - right) for said, right, count in reliability(judged)) / len(judged.truth)


def risk_coverage(confidence: Sequence[float], right: Sequence[bool]) -> list[tuple[float, float]]:
    """Return (share decided, share wrong among them), the surest first."""
    order = np.argsort(-np.asarray(confidence), kind="stable")
    wrong = np.cumsum(~np.asarray(right)[order])
    count = np.arange(1, len(order) + 1)
    return list(zip((count / len(order)).tolist(), (wrong / count).tolist(), strict=True))


def coverage_at(curve: Sequence[tuple[float, float]], most_errors: float) -> float:
    """Return the largest share that can be decided with at most this share of errors."""
    return max((coverage for coverage, error in curve if error <= most_errors), default=0.0)


def resampled(
    truth: Sequence[Label], said: Sequence[Label], rounds: int = 300
) -> dict[str, tuple[float, float, float]]:
    """Return (value, low, high) of macro precision, recall and F1; 95 % bootstrap intervals over texts, fixed seed."""
    labels = [label for label in Label if label in truth]
    rows = np.array([labels.index(one) for one in truth])
    columns = np.array([labels.index(one) if one in labels else len(labels) for one in said])
    chance = np.random.default_rng(7)
    picks = [np.arange(len(rows)), *(chance.integers(0, len(rows), len(rows)) for _ in range(rounds))]
    found = np.array([_macro(rows[pick], columns[pick], len(labels)) for pick in picks])
    low, high = np.percentile(found[1:], [2.5, 97.5], axis=0)
    names = ("precision", "recall", "F1")
    return {name: (float(found[0, n]), float(low[n]), float(high[n])) for n, name in enumerate(names)}


def _macro(rows: np.ndarray, columns: np.ndarray, count: int) -> tuple[float, float, float]:
    table = np.bincount(rows * (count + 1) + columns, minlength=count * (count + 1)).reshape(count, count + 1)
    hits = np.diag(table)
    precision = hits / np.maximum(table[:, :count].sum(axis=0), 1)
    recall = hits / np.maximum(table.sum(axis=1), 1)
    score = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    there = table.sum(axis=1) > 0
    return float(precision[there].mean()), float(recall[there].mean()), float(score[there].mean())


def judge_all(model: LinearModel, held: Mapping[str, HeldOut], mirror: list[Example]) -> dict[str, Judged]:
    """Return every judgement that the card shows, the mirror first."""
    found = {f"mirror, {name}": judge_apart(model, mirror, sense=name != WORDS) for name in held}
    return found | {f"authors, {name}": judge_held(one, model, sense=name != WORDS) for name, one in held.items()}


def headline(everything: Mapping[str, Judged]) -> list[str]:
    """Return the headline figures as lines of a Markdown table, a column a judgement."""
    columns = {name: figures(judged) for name, judged in everything.items()}
    lines = ["| figure | " + " | ".join(columns) + " |", "|---|" + "---|" * len(columns)]
    names = next(iter(columns.values()))
    for name in names:
        lines.append(f"| {name} | " + " | ".join(f"{round(one[name], 4):g}" for one in columns.values()) + " |")
    return lines
