"""What do we publish about the classifier? `CARD.md` and its charts, the mirror first, nothing left out that is bad."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from classifier.agreement import Reading, agreement_lines
from classifier.charts import interval_chart, line_chart, matrix_chart
from classifier.evaluate import (
    WORDS,
    Judged,
    coverage_at,
    headline,
    interval,
    reliability,
    resampled,
    risk_coverage,
    scores_of,
)
from classifier.experiments import TOLERATED, Tried
from classifier.labels import Example, corpus_hash, count_labels
from classifier.model import LinearModel
from store.vocabulary import Label, Tag

CARD = Path(__file__).parent / "CARD.md"
_STOP = Label.UNSUBSCRIBE
SHOWN = 100  # characters of a text that was confused
INTRODUCTION = """\
# The reply classifier

Words: a linear model over words and character n-grams. Sense: a multilingual sentence encoder whose last layers were
tuned to replies (`python -m classifier.tune`), where the extra `embeddings` is installed; their log probabilities are
averaged. `postroom train` makes the weights, `postroom evaluate` this page.

*Mirror* is a set of mostly hard texts, never trained on and never used for a choice: read it first.
*Authors* are training texts judged by models that had seen neither their author nor their family (five folds by words,
three by sense). Bars and temperature were chosen on these folds, so these columns flatter a little; the mirror's do
not.
Intervals are 95 %: Wilson's for shares, bootstrap over texts (300 rounds, fixed seed) for macro figures.
"""
LIMITS = """\
Limits: seven languages; another one gets little more than its set phrases and, with the wheel, its sense. Irony, mixed
languages and two-word replies are the hardest. Every text was written for this project: no real prospect's mail was
read, so the mix of labels is not that of anybody's mailbox. Where it is unsure it says `other` rather than file a
human's message away.
"""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Everything that the card shows."""

    model: LinearModel
    digest: str
    trained_on: str  #: corpus hash
    corpus: Sequence[Example]
    judged: Mapping[str, Judged]  #: the mirror first
    tags: Mapping[Tag, tuple[int, int, int]]  #: on the mirror: texts, found, found rightly
    tried: Sequence[Tried]
    curve: Mapping[str, Sequence[tuple[float, float]]]
    readings: Sequence[Reading]


def write_card(found: Evaluation, path: Path = CARD) -> str:
    """Write the card to `path` and its charts beside it in `charts/`; returns the headline."""
    folder = path.parent / "charts"
    folder.mkdir(parents=True, exist_ok=True)
    for name, drawing in draw(found).items():
        (folder / f"{name}.svg").write_text(drawing, encoding="utf-8")
    top = "\n".join(headline(found.judged))
    best = list(found.judged)[-1]
    mirror = [name for name in found.judged if name.startswith("mirror")][-1]
    parts = [
        INTRODUCTION,
        top + "\n",
        *(_per_label(name, found.judged[name]) for name in (mirror, best)),
        *(_per_language(name, one) for name, one in found.judged.items()),
        _confusions(best, found.judged[best]),
        _sureness(found.judged),
        _choice(found),
        _tags(found.tags),
        _texts(found),
        _bars(found),
        LIMITS,
        f"Model: {found.digest}\nCorpus: {found.trained_on}\n",
    ]
    path.write_text("\n".join(parts), encoding="utf-8")
    return top + "\n"


def draw(found: Evaluation) -> dict[str, str]:
    """Return the charts, SVG by name."""
    name, judged = list(found.judged.items())[-1]
    pairs = Counter(zip(judged.truth, judged.said, strict=True))
    curves = {title: risk_coverage(*_sure(one)) for title, one in found.judged.items()}
    texts = max(x for points in found.curve.values() for x, _ in points)
    shares: list[tuple[str, float, float, float]] = []
    for label in Label:
        precision, recall, _ = scores_of(judged.truth, judged.said, label)
        said, there = judged.said.count(label), judged.truth.count(label)
        shares.append((f"{label} precision", precision, *interval(round(precision * said), said)))
        shares.append((f"{label} recall", recall, *interval(round(recall * there), there)))
    spoken = [
        (f"{title.partition(',')[0]}, {language}", *macro["F1"])
        for title, one in found.judged.items()
        if title.endswith(name.partition(", ")[2])
        for language, macro in _languages(one)
    ]
    counts = [[pairs[truth, said] for said in Label] for truth in Label]
    return {
        "confusion": matrix_chart(f"What it decides ({name})", list(Label), counts),
        "labels": interval_chart(f"Per label, after abstaining ({name})", shares),
        "languages": interval_chart("Macro F1 per language, before abstaining", spoken),
        "risk_coverage": line_chart(
            "Errors among the decided", ("share decided, the surest first", "share wrong"),
            {title: curve[:: max(1, len(curve) // 200)] for title, curve in curves.items()}, (0, 1, 0, 0.4),
        ),
        "reliability": line_chart(
            "Is it as sure as it should be?", ("probability it gave", "share right"),
            {title: [(said, right) for said, right, _ in reliability(one)] for title, one in found.judged.items()},
            diagonal=True,
        ),
        "learning_curve": line_chart(
            "What more texts bring (folds by author)", ("texts", "macro F1"), found.curve, (0, texts, 0.4, 1)
        ),
    }  # fmt: skip


def _table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines) + "\n"


def _share(hits: int, of: int) -> str:
    low, high = interval(hits, of)
    return f"{hits / of:.3f} ({low:.3f}-{high:.3f})" if of else "none"


def _per_label(name: str, judged: Judged) -> str:
    rows = []
    for label in Label:
        hits = sum(one == other == label for one, other in zip(judged.truth, judged.said, strict=True))
        said, there = judged.said.count(label), judged.truth.count(label)
        rows.append((label, there, _share(hits, said), _share(hits, there)))
    table = _table(("label", "texts", "precision", "recall"), rows)
    chart = "" if name.startswith("mirror") else "![per label](charts/labels.svg)\n"
    return f"## Per label, after abstaining: {name}\n\n{table}\n{chart}"


def _languages(judged: Judged) -> list[tuple[str, dict[str, tuple[float, float, float]]]]:
    found = []
    for language in sorted(set(judged.languages)):
        rows = [row for row, spoken in enumerate(judged.languages) if spoken == language]
        found.append((language, resampled([judged.truth[r] for r in rows], [judged.best_of_all[r] for r in rows])))
    return found


def _per_language(name: str, judged: Judged) -> str:
    counts = Counter(judged.languages)
    rows = [
        (language, counts[language], *(f"{value:.3f} ({low:.3f}-{high:.3f})" for value, low, high in macro.values()))
        for language, macro in _languages(judged)
    ]
    table = _table(("language", "texts", "macro precision", "macro recall", "macro F1"), rows)
    chart = "![per language](charts/languages.svg)\n" if name == f"mirror, {WORDS}" else ""
    return f"## Per language, before abstaining: {name}\n\n{chart}\n{table}"


def _confusions(name: str, judged: Judged) -> str:
    pairs = Counter(zip(judged.truth, judged.said, strict=True))
    table = _table(("truth", *Label), [(truth, *(pairs[truth, said] for said in Label)) for truth in Label])
    lines = [f"## What it confuses: {name}", "", "![confusion](charts/confusion.svg)", "", table, ""]
    wrong = Counter(pair for pair in zip(judged.truth, judged.best_of_all, strict=True) if pair[0] != pair[1])
    for (truth, said), count in wrong.most_common(8):
        rows = [
            row
            for row, (one, other) in enumerate(zip(judged.truth, judged.best_of_all, strict=True))
            if (one, other) == (truth, said)
        ]
        rows.sort(key=lambda row: -float(judged.chances[row].max()))
        lines.append(f"- {truth}, taken for {said} before abstaining: {count} texts, for example")
        lines += [f"  - {_short(judged.examples[row].text)}" for row in rows[:2]]
    return "\n".join(lines) + "\n"


def _short(text: str) -> str:
    words = " ".join(text.replace("`", "'").split())
    return f"`{words[:SHOWN]}{'…' if len(words) > SHOWN else ''}`"


def _sure(judged: Judged) -> tuple[list[float], list[bool]]:
    right = [one == other for one, other in zip(judged.best_of_all, judged.truth, strict=True)]
    return judged.chances.max(axis=1).tolist(), right


def _sureness(everything: Mapping[str, Judged]) -> str:
    curves = {name: risk_coverage(*_sure(one)) for name, one in everything.items()}
    rows = [
        (f"at most {most:.0%} errors", *(f"{coverage_at(curve, most):.3f}" for curve in curves.values()))
        for most in (0.01, 0.03, 0.05, 0.1)
    ]
    charts = "![risk and coverage](charts/risk_coverage.svg)\n\n![reliability](charts/reliability.svg)\n"
    return f"## How much it can decide\n\n{charts}\n{_table(('share decided', *curves), rows)}"


def _choice(found: Evaluation) -> str:
    columns = ("model", "macro F1", "calibration error", f"share decided at most {TOLERATED:.0%} wrong")
    tried = [(one.name, f"{one.macro_f1:.3f}", f"{one.calibration:.3f}", f"{one.coverage:.3f}") for one in found.tried]
    sizes = [f"{int(texts)} texts" for texts, _ in next(iter(found.curve.values()))]
    curve = [(name, *(f"{score:.3f}" for _, score in points)) for name, points in found.curve.items()]
    return (
        f"## Models tried (folds by author, most probable label)\n\n{_table(columns, tried)}\n"
        "## What more texts bring\n\n![learning curve](charts/learning_curve.svg)\n\n"
        f"{_table(('macro F1', *sizes), curve)}"
    )


def _tags(tags: Mapping[Tag, tuple[int, int, int]]) -> str:
    rows = [(tag, there, _share(right, said), _share(right, there)) for tag, (there, said, right) in tags.items()]
    return f"## Tags, on the mirror\n\n{_table(('tag', 'texts', 'precision', 'recall'), rows)}"


def _texts(found: Evaluation) -> str:
    counts = sorted(count_labels(found.corpus).items())
    rows = [(language, *(of[label] for label in Label), sum(of.values())) for language, of in counts]
    labels = Counter(one.label for one in found.corpus)
    rows.append(("all", *(labels[label] for label in Label), len(found.corpus)))
    authors = Counter(one.author for one in found.corpus)
    styles = Counter(one.style for one in found.corpus)
    wrote = ", ".join(f"{author} {count}" for author, count in sorted(authors.items()))
    often = ", ".join(f"{style} {count}" for style, count in styles.most_common(20))
    differs = corpus_hash(found.corpus) != found.trained_on
    warning = (
        "The corpus has changed since this model was trained: these are the texts as they are now.\n\n"
        if differs
        else ""
    )
    return (
        f"## Trained on\n\n{warning}{_table(('language', *Label, 'all'), rows)}\n"
        f"{len({one.family for one in found.corpus})} families; texts by author: {wrote}.\n"
        f"{len(styles)} styles, the most frequent: {often}.\n\n"
        + "\n".join(agreement_lines(found.readings, [one.text for one in found.corpus]))
        + "\n"
    )


def _bars(found: Evaluation) -> str:
    lines = ["## Bars", ""]
    for name, judge in ((WORDS, found.model), ("words and sense", found.model.sense)):
        if judge is None:
            continue
        bars = ", ".join(f"{bar} {value}" for bar, value in judge.thresholds.as_dict().items())
        lines += [f"{name}, chosen on folds by author: {bars}. Temperature {judge.temperature}.", ""]
        for title, judged in found.judged.items():
            if title.endswith(f", {name}"):
                lines.append(f"- {title.partition(',')[0]}, with 95 % intervals: {_kept(judged)}")
        lines.append("")
    return "\n".join(lines)


def _kept(judged: Judged) -> str:
    """Say what the two bars for wishes to stop hold to."""
    wishes = [decision.hold for decision, truth in zip(judged.decisions, judged.truth, strict=True) if truth == _STOP]
    others = [decision.hold for decision, truth in zip(judged.decisions, judged.truth, strict=True) if truth != _STOP]
    right = [truth == _STOP for said, truth in zip(judged.said, judged.truth, strict=True) if said == _STOP]
    return (
        f"of the wishes to stop {_share(sum(wishes), len(wishes))} are held or suppressed, of all else "
        f"{_share(sum(others), len(others))}; of the suppressions {_share(sum(right), len(right))} are right"
    )
