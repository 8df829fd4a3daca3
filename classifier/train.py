"""How is the shipped model made from the corpus, the same every time?

Choices are made on held-out groups: folds leave whole authors and families out. The encoder's part is made before, by
`tune`, which also writes down what encoders said that had not seen a text's author.
scikit-learn is imported here and nowhere on the way of a reply.
"""

import hashlib
import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from classifier import embeddings
from classifier.abstain import Thresholds, choose_bar, decide
from classifier.features import NUMBERS, extract, weighted
from classifier.folds import SEED, folds
from classifier.labels import CORPUS, Example, corpus_hash
from classifier.model import SHIPPED, LinearModel, Sense, join, save_model, softmax
from store.errors import PermanentError
from store.vocabulary import Label, Tag

LEAST_DOCUMENTS = {"w": 2, "c": 4}  # texts that must share a term, by kind
STRENGTH = 1.0  # inverse regularisation of the label head
LOG_ODDS = 3.0  # what a margin of 1 is worth beside the log probabilities of sense; a temperature follows
MISSED_WISHES, FALSE_HOLDS = 0.005, 0.08  # shares the hold bar may leave
SHOW_BARS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
DECIDED = 0.8  # share of the texts on which the model does not abstain, at least, where the show bar has a choice
LEAST_TAG_TEXTS = 12  # a tag seen less often is left to the evidence rules

HELD_CACHE = Path("out/held_out.npz")  # what folds said when the last model was trained
SENSE_HELD_OUT = CORPUS / "sense_held_out.npz"  # log probabilities by encoders that had not seen the author

Blocks = dict[str, dict[str, float]]


@dataclass(frozen=True, slots=True)
class HeldOut:
    """What models said about texts whose authors and families they had not seen."""

    examples: list[Example]
    scores: np.ndarray  #: (texts, labels), uncalibrated
    labels: tuple[str, ...]


def train(corpus: Sequence[Example], folder: Path = SHIPPED) -> tuple[LinearModel, dict[str, HeldOut]]:
    """Train, choose temperature and bars on held-out authors, write the model to `folder`.

    What was held out comes back by who judged: "words" and, where the wheel is installed, "words and sense".
    """
    if len({example.label for example in corpus}) < len(Label):
        raise PermanentError("the corpus lacks a label: it needs texts of all six")
    blocks = [extract(example.text) for example in corpus]
    held = judge_unseen(corpus, blocks)
    temperature = fit_temperature(held["words"])
    model = fit(corpus, blocks, temperature, _thresholds(held["words"], temperature))
    if joint := held.get("words and sense"):
        temperature = fit_temperature(joint)
        model.sense = Sense(temperature, _thresholds(joint, temperature))
    about = {
        "texts": len(corpus),
        "families": len({example.family for example in corpus}),
        "authors": len({example.author for example in corpus}),
        "corrections": sum(example.batch == "corrections" for example in corpus),
        "corpus_sha256": corpus_hash(corpus),
        "seed": SEED,
    }
    digest = save_model(model, folder, about)
    _keep(held, digest)
    return model, held


def held_out(corpus: Sequence[Example], folder: Path = SHIPPED) -> dict[str, HeldOut]:
    """Return what folds said when the model in `folder` was trained, from the cache or once more."""
    digest = json.loads((folder / "model.json").read_text(encoding="utf-8"))["arrays_sha256"]
    if HELD_CACHE.exists():
        with np.load(HELD_CACHE, allow_pickle=False) as stored:
            if str(stored["model"]) == digest and str(stored["corpus"]) == corpus_order(corpus):
                labels = tuple(stored["labels"].tolist())
                names = [name for name in stored.files if name.startswith("words")]
                return {name: HeldOut(list(corpus), stored[name], labels) for name in names}
    held = judge_unseen(corpus, [extract(one.text) for one in corpus])
    _keep(held, digest)
    return held


def corpus_order(corpus: Sequence[Example]) -> str:
    """Return the SHA-256 of corpus and order, which cached rows depend on."""
    return hashlib.sha256("\0".join([corpus_hash(corpus), *(one.text for one in corpus)]).encode()).hexdigest()


def _keep(held: Mapping[str, HeldOut], digest: str) -> None:
    first = held["words"]
    HELD_CACHE.parent.mkdir(parents=True, exist_ok=True)
    np.savez(
        HELD_CACHE,
        allow_pickle=False,
        model=np.array(digest),
        corpus=np.array(corpus_order(first.examples)),
        labels=np.array(first.labels),
        **{name: one.scores for name, one in held.items()},
    )


def fit(
    corpus: Sequence[Example], blocks: Sequence[Blocks], temperature: float = 1.0, bars: Thresholds | None = None
) -> LinearModel:
    """Fit all three heads on these texts."""
    terms, idf = _vocabulary(blocks)
    index = {term: column for column, term in enumerate(terms)}
    matrix = _matrix(blocks, index, idf)
    heads = {
        "label": _label_head(matrix, corpus),
        "tags": _tag_head(matrix, corpus),
        "language": _head(matrix, [example.language for example in corpus], 5.0),
    }
    return LinearModel(terms, idf, heads, temperature, bars or Thresholds())


def judge_unseen(corpus: Sequence[Example], blocks: Sequence[Blocks]) -> dict[str, HeldOut]:
    """Score every text with models that saw neither its author nor its family: by words, and by words and sense."""
    words = cross_validate(corpus, blocks)
    if not embeddings.available():
        return {"words": words}
    joint = join(words.scores, sense_held_out([one.text for one in corpus]))
    return {"words": words, "words and sense": HeldOut(list(corpus), joint, words.labels)}


def cross_validate(corpus: Sequence[Example], blocks: Sequence[Blocks]) -> HeldOut:
    """Score every text by the words, with models that saw neither its author nor its family."""
    labels = tuple(sorted({str(example.label) for example in corpus}))
    scores = np.zeros((len(corpus), len(labels)))
    for inside, outside in folds(corpus):
        model = fit_label([corpus[i] for i in inside], [blocks[i] for i in inside])
        scores[outside] = label_scores(model, [blocks[i] for i in outside])
    return HeldOut(list(corpus), scores, labels)


def sense_held_out(texts: Sequence[str], kind: str = "tuned") -> np.ndarray:
    """Return log probabilities, shape (texts, labels), by encoders that never saw a text's author.

    `tune` wrote them down for the texts that it knew; of others the shipped encoder saw nothing. Kind "untuned": by
    small networks over the wheel's own points, for comparison; not a number for newer texts.
    """
    with np.load(SENSE_HELD_OUT, allow_pickle=False) as stored:
        packed = stored["keys"].tobytes()
        known = {packed[32 * row : 32 * row + 32]: said for row, said in enumerate(stored[kind].astype(np.float64))}
    keys = [hashlib.sha256(text.encode()).digest() for text in texts]
    fresh = [key for key in keys if key not in known]
    if fresh and kind == "tuned":
        points = embeddings.embed_many([text for key, text in zip(keys, texts, strict=True) if key not in known])
        known.update(zip(fresh, Sense().log_probabilities(points), strict=True))
    return np.array([known.get(key, np.full(len(Label), np.nan)) for key in keys])


def fit_label(corpus: Sequence[Example], blocks: Sequence[Blocks]) -> LinearModel:
    """Fit the label head alone, for folds."""
    terms, idf = _vocabulary(blocks)
    matrix = _matrix(blocks, {term: column for column, term in enumerate(terms)}, idf)
    return LinearModel(terms, idf, {"label": _label_head(matrix, corpus)}, 1.0, Thresholds())


def label_scores(model: LinearModel, blocks: Sequence[Blocks]) -> np.ndarray:
    """Return the label head's raw scores, shape (texts, labels)."""
    _, coefficients, intercept = model.heads["label"]
    matrix = _matrix(blocks, model.index, model.idf)
    return np.asarray(matrix @ coefficients + intercept)


def feature_matrix(inside: Sequence[Blocks], outside: Sequence[Blocks]) -> tuple[csr_matrix, csr_matrix]:
    """Return the features of training texts and of others, over the terms of the training texts."""
    terms, idf = _vocabulary(inside)
    index = {term: column for column, term in enumerate(terms)}
    return _matrix(inside, index, idf), _matrix(outside, index, idf)


def _vocabulary(blocks: Sequence[Blocks]) -> tuple[list[str], np.ndarray]:
    documents = Counter(term for found in blocks for name in ("word", "char") for term in found[name])
    terms = sorted(term for term, count in documents.items() if count >= LEAST_DOCUMENTS[term[0]])
    idf = [math.log((1 + len(blocks)) / (1 + documents[term])) + 1 for term in terms] + [1.0] * len(NUMBERS)
    return [*terms, *NUMBERS], np.array(idf)


def _matrix(blocks: Sequence[Blocks], index: dict[str, int], idf: np.ndarray) -> csr_matrix:
    values, columns, starts = [], [], [0]
    weights = dict(enumerate(idf.tolist()))
    for found in blocks:
        for column, value in weighted(found, index, weights):
            columns.append(column)
            values.append(value)
        starts.append(len(columns))
    return csr_matrix((values, columns, starts), shape=(len(blocks), len(index)))


def _label_head(matrix: csr_matrix, corpus: Sequence[Example]) -> tuple[tuple[str, ...], np.ndarray, np.ndarray]:
    """Fit support vectors, one label against the others."""
    own = np.array([one.weight for one in corpus])
    labels = [str(example.label) for example in corpus]
    fitted = LinearSVC(C=STRENGTH, random_state=0).fit(matrix, labels, label_weights(labels) * own)
    return tuple(map(str, fitted.classes_)), LOG_ODDS * fitted.coef_.T, LOG_ODDS * fitted.intercept_


def _head(
    matrix: csr_matrix, targets: Sequence[str], strength: float
) -> tuple[tuple[str, ...], np.ndarray, np.ndarray]:
    fitted = LogisticRegression(C=strength, max_iter=400, tol=1e-3).fit(matrix, list(map(str, targets)))
    names = tuple(map(str, fitted.classes_))
    if len(names) == 2:  # scikit-learn keeps one column for two classes
        zeros = np.zeros_like(fitted.coef_)
        return names, np.vstack([zeros, fitted.coef_]).T, np.array([0.0, float(fitted.intercept_[0])])
    return names, fitted.coef_.T, fitted.intercept_


def _tag_head(matrix: csr_matrix, corpus: Sequence[Example]) -> tuple[tuple[str, ...], np.ndarray, np.ndarray]:
    counts = Counter(tag for example in corpus for tag in example.tags)
    names = tuple(sorted(str(tag) for tag in Tag if counts[tag] >= LEAST_TAG_TEXTS))
    columns, intercepts = [np.zeros((matrix.shape[1], 0))], []
    for name in names:
        has_tag = np.array([Tag(name) in example.tags for example in corpus])
        fitted = LogisticRegression(C=20.0, max_iter=300, tol=1e-3, class_weight={False: 1.0, True: 2.0})
        fitted.fit(matrix, has_tag)
        columns.append(fitted.coef_.T)
        intercepts.append(float(fitted.intercept_[0]))
    return names, np.hstack(columns), np.array(intercepts)


def label_weights(labels: Sequence[str]) -> np.ndarray:
    """Return a weight a text: rare labels count more, by the square root."""
    counts = Counter(labels)
    return np.array([math.sqrt(len(labels) / (len(counts) * counts[label])) for label in labels])


def fit_temperature(held: HeldOut) -> float:
    """Return the temperature under which the held-out truth is most probable."""
    truth = np.array([held.labels.index(example.label) for example in held.examples])

    def loss(log_temperature: float) -> float:
        chances = softmax(held.scores / math.exp(log_temperature))
        return float(-np.log(np.maximum(chances[np.arange(len(truth)), truth], 1e-12)).mean())

    return round(math.exp(minimize_scalar(loss, bounds=(-2.0, 3.0), method="bounded").x), 4)


def _thresholds(held: HeldOut, temperature: float) -> Thresholds:
    """Choose the bars: hold nearly every wish to stop, suppress almost only those, file away almost no human."""
    chances = softmax(held.scores / temperature)
    stop = chances[:, held.labels.index(Label.UNSUBSCRIBE)]
    is_stop = [example.label == Label.UNSUBSCRIBE for example in held.examples]
    best = chances.argmax(axis=1)
    suppress = choose_bar(stop.tolist(), is_stop, most_errors=0.02)
    wishes, rest = np.sort(stop[np.array(is_stop)]), np.sort(stop[~np.array(is_stop)])
    # Nearly every wish is held, as long as that does not hold too many others as well.
    hold = max(float(wishes[int(MISSED_WISHES * len(wishes))]), float(rest[int((1 - FALSE_HOLDS) * len(rest))]))
    filing = [held.labels.index(label) for label in (Label.NOT_INTERESTED, Label.OUT_OF_OFFICE, Label.BOUNCE)]
    filed = [row for row in range(len(best)) if best[row] in filing]
    fine = [held.examples[row].label in (Label.NOT_INTERESTED, Label.OUT_OF_OFFICE, Label.BOUNCE) for row in filed]
    file_bar = choose_bar([float(chances[row, best[row]]) for row in filed], fine, most_errors=0.02)
    bars = Thresholds(
        hold=round(min(max(hold, 0.02), 0.5), 4),
        suppress=round(min(max(suppress, 0.5), 0.92), 4),
        show=SHOW_BARS[0],
        file=round(min(max(file_bar, 0.45), 0.7), 4),
    )
    rows = [dict(zip(map(Label, held.labels), row, strict=True)) for row in chances.tolist()]
    # What is shown to a person may be as sure as it can be while enough is decided at all.
    for show in SHOW_BARS[1:]:
        surer = replace(bars, show=show)
        if sum(not decide(row, surer).abstained for row in rows) >= DECIDED * len(rows):
            bars = surer
    return bars
