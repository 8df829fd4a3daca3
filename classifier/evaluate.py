"""How good is the model on families of texts that it never saw? Figures, and the card that is published."""

import math
from collections import Counter
from pathlib import Path

import numpy as np

from classifier.abstain import decide
from classifier.labels import count_labels
from classifier.model import LinearModel, softmax
from classifier.train import HeldOut
from store.vocabulary import Label

HUMAN = (Label.INTERESTED, Label.NOT_INTERESTED, Label.UNSUBSCRIBE, Label.OTHER)
FILED_AWAY = (Label.NOT_INTERESTED, Label.OUT_OF_OFFICE, Label.BOUNCE)
WANTED = (Label.INTERESTED, Label.OTHER)
INTRODUCTION = """\
# The reply classifier

Linear model over words and character n-grams; trained by `postroom train`. Every figure is on texts whose *family*
(idea or wording pattern) the scoring model had not seen (five folds), written by the same authors as the training
texts: expect lower figures on other people's mail.

"""
LIMITS = (
    "Limits: languages with few texts are weak; irony and mixed languages are the hardest; it abstains rather than "
    "file a human's message away."
)


class Judged:
    """What the bars make of held-out probabilities."""

    def __init__(self, held: HeldOut, model: LinearModel) -> None:
        self.chances = softmax(held.scores / model.temperature)
        labels = [Label(name) for name in held.labels]
        rows = [dict(zip(labels, row, strict=True)) for row in self.chances.tolist()]
        self.decisions = [decide(row, model.thresholds) for row in rows]
        self.truth = [example.label for example in held.examples]
        self.languages = [example.language for example in held.examples]
        self.confidence = [row[decision.label] for row, decision in zip(rows, self.decisions, strict=True)]
        self.best = [decision.best for decision in self.decisions]


def macro_f1(truth: list[Label], said: list[Label]) -> float:
    """Return the mean over labels of the harmonic mean of precision and recall."""
    return float(np.mean([_scores(truth, said, label)[2] for label in Label if label in truth]))


def _scores(truth: list[Label], said: list[Label], label: Label) -> tuple[float, float, float]:
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


def figures(held: HeldOut, model: LinearModel) -> dict[str, float]:
    """Return the headline figures on held-out families."""
    judged = Judged(held, model)
    said = [decision.label for decision in judged.decisions]
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
        "expected calibration error": calibration_error(held, judged),
    }


def calibration_error(held: HeldOut, judged: Judged, bins: int = 10) -> float:
    """Return the expected calibration error of the most probable label over equal-width bins."""
    top = judged.chances.max(axis=1)
    right = np.array([held.labels[i] for i in judged.chances.argmax(axis=1)]) == np.array(
        [str(one) for one in judged.truth]
    )
    error = 0.0
    for low in np.linspace(0, 1, bins, endpoint=False):
        inside = (top > low) & (top <= low + 1 / bins)
        if inside.any():
            error += float(inside.mean() * abs(top[inside].mean() - right[inside].mean()))
    return error


def describe(held: HeldOut, model: LinearModel) -> str:
    """Return the headline figures as text."""
    return "".join(f"{name:34s} {value:8.4f}\n" for name, value in figures(held, model).items())


def write_card(folder: Path, model: LinearModel, held: HeldOut) -> None:
    """Write `CARD.md` beside the weights."""
    judged = Judged(held, model)
    said = [decision.label for decision in judged.decisions]
    lines = INTRODUCTION.splitlines()
    lines += ["| figure | value |", "|---|---|"]
    lines += [f"| {name} | {value:.4g} |" for name, value in figures(held, model).items()]
    lines += [
        "",
        "## Per label (after abstaining)",
        "",
        "| label | texts | precision | recall (95 % interval) |",
        "|---|---|---|---|",
    ]
    for label in Label:
        precision, recall, _ = _scores(judged.truth, said, label)
        of = judged.truth.count(label)
        low, high = interval(round(recall * of), of)
        lines.append(f"| {label} | {of} | {precision:.3f} | {recall:.3f} ({low:.3f}-{high:.3f}) |")
    lines += ["", "## Per language", "", "| language | texts | macro F1 before abstaining |", "|---|---|---|"]
    for language in sorted(set(judged.languages)):
        rows = [row for row, one in enumerate(judged.languages) if one == language]
        score = macro_f1([judged.truth[row] for row in rows], [judged.best[row] for row in rows])
        lines.append(f"| {language} | {len(rows)} | {score:.3f} |")
    lines += ["", "## Confusions (rows: truth, columns: decision)", "", "| | " + " | ".join(Label) + " |",
              "|---|" + "---|" * len(Label)]  # fmt: skip
    pairs = Counter(zip(judged.truth, said, strict=True))
    lines += [f"| {truth} | " + " | ".join(str(pairs[truth, label]) for label in Label) + " |" for truth in Label]
    lines += ["", "## Trained on", "", "| language | " + " | ".join(Label) + " |", "|---|" + "---|" * len(Label)]
    for language, counts in sorted(count_labels(held.examples).items()):
        lines.append(f"| {language} | " + " | ".join(str(counts[label]) for label in Label) + " |")
    bars = ", ".join(f"{name} {value}" for name, value in model.thresholds.as_dict().items())
    lines += ["", f"Bars, chosen on held-out families: {bars}. Temperature {model.temperature}.", "", LIMITS]
    (folder / "CARD.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
