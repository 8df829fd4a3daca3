"""What does a reply mean, how sure are we, and which words say so?

The shipped model is a JSON file and an array file (no pickle), loaded in a moment and evaluated with numpy; the same
`features.extract` made its training data. scikit-learn is needed for training only.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from classifier import embeddings
from classifier.abstain import Thresholds, decide
from classifier.features import extract, weighted
from store.errors import PermanentError
from store.vocabulary import Label, Tag

SHIPPED = Path(__file__).parent / "weights"
FORMAT = 2
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


class Classifier(Protocol):
    """The seam: text in, meaning out."""

    def classify(self, text: str) -> Classification:
        """Classify the sender's new text."""
        ...


@dataclass(frozen=True, slots=True)
class Sense:
    """Small networks over sentence embeddings, with the temperature and bars that hold when they judge too.

    Shapes: `mean`, `scale` (384,); `hidden` (networks, 385, units), `out` (networks, units + 1, labels), last row bias.
    """

    mean: np.ndarray
    scale: np.ndarray
    hidden: np.ndarray
    out: np.ndarray
    temperature: float = 1.0
    thresholds: Thresholds = field(default_factory=Thresholds)

    def log_probabilities(self, points: np.ndarray) -> np.ndarray:
        """Return log probabilities of the labels, shape (texts, labels), of points (texts, 384)."""
        scaled = (points - self.mean) / self.scale
        found = [
            softmax(np.maximum(scaled @ first[:-1] + first[-1], 0.0) @ second[:-1] + second[-1])
            for first, second in zip(self.hidden, self.out, strict=True)
        ]
        return np.asarray(np.log(np.maximum(np.mean(found, axis=0), 1e-9)))


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
        self._idf = dict(enumerate(idf.tolist()))
        self.heads = dict(heads)
        self.temperature = temperature
        self.thresholds = thresholds
        self.sense = sense

    def classify(self, text: str) -> Classification:
        """Classify the sender's new text; an empty one is `other`."""
        if not text.strip():
            return Classification(Label.OTHER, 1.0, frozenset(), True, False, "no new text", "", {Label.OTHER: 1.0})
        columns, values = self._vector(text)
        names, coefficients, intercept = self.heads["label"]
        scores = values @ coefficients[columns] + intercept
        temperature, bars = self.temperature, self.thresholds
        if self.sense is not None and embeddings.available():
            scores = join(scores[None, :], self.sense.log_probabilities(embeddings.embed(text)[None, :]))[0]
            temperature, bars = self.sense.temperature, self.sense.thresholds
        probabilities = dict(zip(map(Label, names), softmax(scores / temperature).tolist(), strict=True))
        decision = decide(probabilities, bars)
        return Classification(
            label=decision.label,
            confidence=probabilities[decision.label],
            tags=self._tags(columns, values),
            abstained=decision.abstained,
            hold=decision.hold,
            why=self._why(columns, values, coefficients, names.index(decision.best)),
            language=self._language(columns, values),
            probabilities=probabilities,
        )

    def tags(self, text: str) -> frozenset[Tag]:
        """Return the tags of a text, by its words."""
        return self._tags(*self._vector(text))

    def _vector(self, text: str) -> tuple[np.ndarray, np.ndarray]:
        pairs = list(weighted(extract(text), self.index, self._idf))
        return np.array([column for column, _ in pairs], dtype=np.intp), np.array([value for _, value in pairs])

    def _tags(self, columns: np.ndarray, values: np.ndarray) -> frozenset[Tag]:
        names, coefficients, intercept = self.heads["tags"]
        scores = values @ coefficients[columns] + intercept
        return frozenset(Tag(name) for name, score in zip(names, scores, strict=True) if score > 0)

    def _language(self, columns: np.ndarray, values: np.ndarray) -> str:
        names, coefficients, intercept = self.heads["language"]
        return names[int(np.argmax(values @ coefficients[columns] + intercept))]

    def _why(self, columns: np.ndarray, values: np.ndarray, coefficients: np.ndarray, label: int) -> str:
        pushes = values * (coefficients[columns, label] - coefficients[columns].mean(axis=1))
        words = [
            (push, self.terms[column][2:])
            for column, push in zip(columns.tolist(), pushes.tolist(), strict=True)
            if push > 0 and self.terms[column].startswith("w:")
        ]
        best = [word.replace("<s>", "").replace("</s>", "").strip() for _, word in sorted(words, reverse=True)[:6]]
        shown = [word for word in dict.fromkeys(best) if word][:3]
        return "strongest words: " + ", ".join(f'"{word}"' for word in shown) if shown else "no single word decided"


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
    if model.sense is not None:
        for name in ("mean", "scale", "hidden", "out"):
            arrays[f"sense_{name}"] = getattr(model.sense, name).astype(np.float32)
    np.savez_compressed(folder / "weights.npz", allow_pickle=False, **arrays)
    digest = array_hash(arrays)
    described = {
        "format": FORMAT,
        "arrays_sha256": digest,
        "temperature": model.temperature,
        "thresholds": model.thresholds.as_dict(),
        "heads": {name: list(names) for name, (names, _, _) in model.heads.items()},
        "sense": model.sense
        and {"temperature": model.sense.temperature, "thresholds": model.sense.thresholds.as_dict()},
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
    return LinearModel(
        described["terms"], idf, heads, described["temperature"], thresholds, _sense(described["sense"], arrays)
    )


def _sense(described: Mapping[str, Any] | None, arrays: Mapping[str, np.ndarray]) -> Sense | None:
    if described is None:
        return None
    parts = {name: arrays[f"sense_{name}"] for name in ("mean", "scale", "hidden", "out")}
    return Sense(
        **parts, temperature=described["temperature"], thresholds=Thresholds.from_dict(described["thresholds"])
    )
