"""What does a reply mean, how sure are we, and which words say so?

The shipped model is a JSON file and an array file (no pickle), loaded in a moment and evaluated with numpy; `memo`
finds the same features as `features.extract` did for training, quicker. scikit-learn is needed for training only.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from classifier import embeddings
from classifier.abstain import Thresholds, decide
from classifier.memo import Memo
from classifier.why import explain
from store.errors import PermanentError
from store.vocabulary import Label, Tag

SHIPPED = Path(__file__).parent / "weights"
FORMAT = 3
Heads = Mapping[str, tuple[tuple[str, ...], np.ndarray, np.ndarray]]


@dataclass(frozen=True, slots=True)
class Classification:
    """What a text means: one label, tags, and how it was decided."""

    label: Label
    confidence: float  #: calibrated probability of the label
    tags: frozenset[Tag]
    abstained: bool  #: nothing was certain enough: `other`
    hold: bool  #: a wish to stop is likely enough to hold every sequence
    why: str  #: the strongest words, for people
    language: str  #: ISO 639-1, the model's guess
    probabilities: Mapping[Label, float]


@dataclass(frozen=True, slots=True)
class Hints:
    """What is known besides the text."""

    automatic: bool = False  #: a header hints at a machine, without proof (X-Auto-Response-Suppress)


NO_HINTS = Hints()


class Classifier(Protocol):
    """The seam: text in, meaning out. It computes: call it in a thread, never on the event loop."""

    def classify(self, text: str, hints: Hints = NO_HINTS) -> Classification:
        """Classify the sender's new text."""
        ...


@dataclass(frozen=True, slots=True)
class Sense:
    """The tuned encoder's own judgement, with the temperature and bars that hold when it joins in."""

    temperature: float = 1.0
    thresholds: Thresholds = field(default_factory=Thresholds)

    def log_probabilities(self, points: np.ndarray) -> np.ndarray:
        """Return log probabilities of the labels in order of name, shape (texts, labels), of points (texts, 384)."""
        head = embeddings.tuned()
        seen = np.maximum((points - head["mean"]) / head["scale"] @ head["hidden"][:-1] + head["hidden"][-1], 0.0)
        return np.asarray(np.log(np.maximum(softmax(seen @ head["out"][:-1] + head["out"][-1]), 1e-9)))


class LinearModel:
    """A linear model over the shared features with three heads: label, tags, language; `sense` joins in if it can."""

    def __init__(
        self,
        terms: Iterable[str],
        idf: np.ndarray,
        heads: Heads,
        temperature: float,
        thresholds: Thresholds,
        sense: Sense | None = None,
    ) -> None:
        self.terms = tuple(terms)
        self.index = {term: column for column, term in enumerate(self.terms)}
        self.idf = idf
        self.temperature = temperature
        self.thresholds = thresholds
        self.sense = sense
        self._memo = Memo(self.index, idf)
        self._all = np.hstack([coefficients for _, coefficients, _ in heads.values()])  # one look-up for all heads
        self._constant = np.concatenate([np.asarray(intercept, dtype=np.float64) for _, _, intercept in heads.values()])
        self._part: dict[str, slice] = {}
        self.heads: dict[str, tuple[tuple[str, ...], np.ndarray, np.ndarray]] = {}
        start = 0
        for name, (names, _, intercept) in heads.items():
            part = self._part[name] = slice(start, start + len(names))
            self.heads[name] = (names, self._all[:, part], intercept)
            start = part.stop

    def classify(self, text: str, hints: Hints = NO_HINTS) -> Classification:
        """Classify the sender's new text; an empty one is `other`."""
        return self.classify_many([text], [hints])[0]

    def classify_many(self, texts: Sequence[str], hints: Sequence[Hints] = ()) -> list[Classification]:
        """Classify many texts, as one at a time but quicker: their points are found together."""
        points = embeddings.embed_many(texts) if self.sense is not None and embeddings.available() else None
        known = hints or [NO_HINTS] * len(texts)
        return [
            self._classify(text, None if points is None else points[row], known[row]) for row, text in enumerate(texts)
        ]

    def tags(self, text: str) -> frozenset[Tag]:
        """Return the tags of a text, by its words."""
        columns, values = self._memo.vector(text)
        return self._tags(values @ self._all[columns] + self._constant)

    def _classify(self, text: str, point: np.ndarray | None, hints: Hints) -> Classification:
        if not text.strip():
            return Classification(Label.OTHER, 1.0, frozenset(), True, False, "no new text", "", {Label.OTHER: 1.0})
        columns, values = self._memo.vector(text)
        found = values @ self._all[columns] + self._constant
        names = self.heads["label"][0]
        scores = by_words = found[self._part["label"]]
        temperature, bars = self.temperature, self.thresholds
        if self.sense is not None and point is not None:
            scores = join(scores[None, :], self.sense.log_probabilities(point[None, :]))[0]
            temperature, bars = self.sense.temperature, self.sense.thresholds
        chances = dict(zip(map(Label, names), softmax(scores / temperature).tolist(), strict=True))
        decision = decide(chances, bars)
        if hints.automatic and decision.abstained and decision.best == Label.OUT_OF_OFFICE and not decision.hold:
            decision = replace(decision, label=decision.best, abstained=False)  # the header settles the doubt
        agree = names[int(np.argmax(by_words))] == decision.best
        pushes = self._pushes(columns, values, names.index(decision.best)) if agree else ()
        return Classification(
            label=decision.label,
            confidence=chances[decision.label],
            tags=self._tags(found),
            abstained=decision.abstained,
            hold=decision.hold,
            why=explain(pushes, decision, chances, words_agree=agree),
            language=self.heads["language"][0][int(np.argmax(found[self._part["language"]]))],
            probabilities=chances,
        )

    def _tags(self, found: np.ndarray) -> frozenset[Tag]:
        scores = found[self._part["tags"]]
        return frozenset(Tag(name) for name, score in zip(self.heads["tags"][0], scores, strict=True) if score > 0)

    def _pushes(self, columns: np.ndarray, values: np.ndarray, label: int) -> list[tuple[float, str]]:
        """Return the words and phrases that speak for a label more than for the others."""
        rows = self._all[columns, self._part["label"]]
        pushes = values * (rows[:, label] - rows.mean(axis=1))
        return [
            (push, self.terms[column])
            for column, push in zip(columns.tolist(), pushes.tolist(), strict=True)
            if push > 0 and self.terms[column][:2] != "c:"
        ]


def softmax(scores: np.ndarray) -> np.ndarray:
    """Return probabilities along the last axis."""
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def join(scores: np.ndarray, sense: np.ndarray) -> np.ndarray:
    """Return the mean of what words and sense say, as log probabilities, shape (texts, labels)."""
    return np.asarray((np.log(np.maximum(softmax(scores), 1e-9)) + sense) / 2)


def save_model(model: LinearModel, folder: Path, about: Mapping[str, object]) -> str:
    """Write `model.json` and `weights.npz`; returns the SHA-256 of the arrays, which the JSON names."""
    folder.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, np.ndarray] = {"idf": model.idf.astype(np.float32)}
    for name, (_, coefficients, intercept) in model.heads.items():
        arrays[f"{name}_coefficients"] = coefficients.astype(np.float16)
        arrays[f"{name}_intercept"] = intercept.astype(np.float32)
    np.savez_compressed(folder / "weights.npz", allow_pickle=False, **arrays)
    digest = array_hash(arrays)
    described = {
        "format": FORMAT,
        "arrays_sha256": digest,
        "temperature": model.temperature,
        "thresholds": model.thresholds.as_dict(),
        "heads": {name: list(names) for name, (names, _, _) in model.heads.items()},
        "sense": model.sense
        and {
            "temperature": model.sense.temperature,
            "thresholds": model.sense.thresholds.as_dict(),
            "encoder_sha256": embeddings.tuned_hash(),
        },
        "about": dict(about),
        "terms": list(model.terms),
    }
    text = json.dumps(described, ensure_ascii=False, sort_keys=True, indent=0, separators=(",", ":"))
    (folder / "model.json").write_text(text + "\n", encoding="utf-8")
    return digest


def array_hash(arrays: Mapping[str, np.ndarray]) -> str:
    """Return one SHA-256 over names, shapes, types and bytes of several arrays."""
    digest = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        digest.update(f"{name}|{array.dtype.str}|{array.shape}|".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def load_model(folder: Path = SHIPPED) -> LinearModel:
    """Load a model without pickle; raises PermanentError when a file is missing, foreign or damaged."""
    try:
        described = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        with np.load(folder / "weights.npz", allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
    except (OSError, ValueError) as problem:
        raise PermanentError(f"no usable model in {folder}: {problem}; run `postroom train`") from problem
    if described.get("format") != FORMAT or array_hash(arrays) != described["arrays_sha256"]:
        raise PermanentError(f"the model in {folder} does not match its own description; run `postroom train`")
    heads = {
        name: (
            tuple(names),
            arrays[f"{name}_coefficients"].astype(np.float64),
            arrays[f"{name}_intercept"].astype(np.float64),
        )
        for name, names in described["heads"].items()
    }
    thresholds = Thresholds.from_dict(described["thresholds"])
    idf = arrays["idf"].astype(np.float64)
    sense = _sense(described["sense"], folder)
    return LinearModel(described["terms"], idf, heads, described["temperature"], thresholds, sense)


def _sense(described: Mapping[str, Any] | None, folder: Path) -> Sense | None:
    if described is None:
        return None
    if described["encoder_sha256"] != embeddings.tuned_hash():
        raise PermanentError(
            f"the model in {folder} belongs to another version's encoder: `postroom model activate shipped`, "
            "then `postroom train --with-feedback`"
        )
    return Sense(described["temperature"], Thresholds.from_dict(described["thresholds"]))
