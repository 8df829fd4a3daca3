"""How good is the model on families of texts that it never saw? Figures, and the card that is published."""

import json
import math
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from classifier.abstain import decide
from classifier.embeddings import embed
from classifier.features import extract
from classifier.labels import Example, count_labels
from classifier.model import LinearModel, join, softmax
from classifier.train import HeldOut, label_scores
from store.vocabulary import Label

WORDS = "words"
HUMAN = (Label.INTERESTED, Label.NOT_INTERESTED, Label.UNSUBSCRIBE, Label.OTHER)
FILED_AWAY = (Label.NOT_INTERESTED, Label.OUT_OF_OFFICE, Label.BOUNCE)
WANTED = (Label.INTERESTED, Label.OTHER)
INTRODUCTION = """\
# The reply classifier

Words: a linear model over words and character n-grams. Sense: small networks over multilingual sentence embeddings,
where the extra `embeddings` is installed; their log probabilities are averaged. Trained by `postroom train`.

*Mirror* is a set of mostly hard texts by another author, never trained on and never used for a choice: read it first.
*Families* are training texts whose family (idea or wording pattern) the scoring model had not seen (five folds),
written by the same authors as the rest: expect lower figures on other people's mail.

"""
LIMITS = (
    "Limits: languages with few texts are weak; irony and mixed languages are the hardest; it abstains rather than "
    "file a human's message away."
)


class Judged:
    """What the bars make of held-out probabilities."""

    def __init__(self, held: HeldOut, model: LinearModel, *, sense: bool = False) -> None:
        judge = model.sense if sense and model.sense is not None else model
        self.labels = held.labels
        self.chances = softmax(held.scores / judge.temperature)
        labels = [Label(name) for name in held.labels]
        rows = [dict(zip(labels, row, strict=True)) for row in self.chances.tolist()]
        self.decisions = [decide(row, judge.thresholds) for row in rows]
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


def judge_apart(model: LinearModel, examples: list[Example], *, sense: bool) -> Judged:
    """Judge texts that took no part in training at all, by words alone or by words and sense."""
    scores = label_scores(model, [extract(example.text) for example in examples])
    if sense and model.sense is not None:
        points = np.array([embed(example.text) for example in examples])
        scores = join(scores, model.sense.log_probabilities(points))
    return Judged(HeldOut(examples, scores, model.heads["label"][0]), model, sense=sense)


def figures(judged: Judged) -> dict[str, float]:
    """Return the headline figures."""
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
        "expected calibration error": calibration_error(judged),
    }


def calibration_error(judged: Judged, bins: int = 10) -> float:
    """Return the expected calibration error of the most probable label over equal-width bins."""
    top = judged.chances.max(axis=1)
    right = np.array([judged.labels[i] for i in judged.chances.argmax(axis=1)]) == np.array(
        [str(one) for one in judged.truth]
    )
    error = 0.0
    for low in np.linspace(0, 1, bins, endpoint=False):
        inside = (top > low) & (top <= low + 1 / bins)
        if inside.any():
            error += float(inside.mean() * abs(top[inside].mean() - right[inside].mean()))
    return error


def judge_all(model: LinearModel, held: Mapping[str, HeldOut], mirror: list[Example]) -> dict[str, Judged]:
    """Return every judgement that the card shows, the mirror first."""
    found = {f"mirror, {name}": judge_apart(model, mirror, sense=name != WORDS) for name in held}
    return found | {f"families, {name}": Judged(one, model, sense=name != WORDS) for name, one in held.items()}


def headline(everything: Mapping[str, Judged]) -> list[str]:
    """Return the headline figures as lines of a Markdown table, a column a judgement."""
    columns = {name: figures(judged) for name, judged in everything.items()}
    lines = ["| figure | " + " | ".join(columns) + " |", "|---|" + "---|" * len(columns)]
    names = next(iter(columns.values()))
    for name in names:
        lines.append(f"| {name} | " + " | ".join(f"{one[name]:.4g}" for one in columns.values()) + " |")
    return lines


def write_card(folder: Path, model: LinearModel, held: Mapping[str, HeldOut], mirror: list[Example]) -> str:
    """Write `CARD.md` beside the weights; returns its headline."""
    everything = judge_all(model, held, mirror)
    judged = list(everything.values())[-1]
    said = [decision.label for decision in judged.decisions]
    top = headline(everything)
    lines = [*INTRODUCTION.splitlines(), *top]
    for title, one in everything.items():
        lines += [
            "",
            f"## Per language: {title}",
            "",
            "| language | texts | macro F1 before abstaining |",
            "|---|---|---|",
        ]
        for language in sorted(set(one.languages)):
            rows = [row for row, spoken in enumerate(one.languages) if spoken == language]
            score = macro_f1([one.truth[row] for row in rows], [one.best[row] for row in rows])
            lines.append(f"| {language} | {len(rows)} | {score:.3f} |")
    lines += [
        "",
        f"## Per label (after abstaining): {list(everything)[-1]}",
        "",
        "| label | texts | precision | recall (95 % interval) |",
        "|---|---|---|---|",
    ]
    for label in Label:
        precision, recall, _ = _scores(judged.truth, said, label)
        of = judged.truth.count(label)
        low, high = interval(round(recall * of), of)
        lines.append(f"| {label} | {of} | {precision:.3f} | {recall:.3f} ({low:.3f}-{high:.3f}) |")
    lines += ["", "## Confusions (rows: truth, columns: decision)", "", "| | " + " | ".join(Label) + " |",
              "|---|" + "---|" * len(Label)]  # fmt: skip
    pairs = Counter(zip(judged.truth, said, strict=True))
    lines += [f"| {truth} | " + " | ".join(str(pairs[truth, label]) for label in Label) + " |" for truth in Label]
    lines += ["", "## Trained on", "", "| language | " + " | ".join(Label) + " |", "|---|" + "---|" * len(Label)]
    for language, counts in sorted(count_labels(held[WORDS].examples).items()):
        lines.append(f"| {language} | " + " | ".join(str(counts[label]) for label in Label) + " |")
    for name, judge in ((WORDS, model), ("words and sense", model.sense)):
        if judge is not None:
            bars = ", ".join(f"{bar} {value}" for bar, value in judge.thresholds.as_dict().items())
            lines += ["", f"Bars of {name}, chosen on held-out families: {bars}. Temperature {judge.temperature}."]
    digest = json.loads((folder / "model.json").read_text(encoding="utf-8"))["arrays_sha256"]
    lines += ["", LIMITS, "", f"Model: {digest}"]
    (folder / "CARD.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return "\n".join(top) + "\n"
