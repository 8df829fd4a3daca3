"""What does a reply mean, how sure are we, and which words say so?

The shipped model is a JSON file and an array file (no pickle), loaded in a moment and evaluated with numpy; the same
`features.extract` made its training data. scikit-learn is needed for training only.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from classifier.abstain import Thresholds, decide
from classifier.features import extract, weighted
from store.errors import PermanentError
from store.vocabulary import Label, Tag

SHIPPED = Path(__file__).parent / "weights"
FORMAT = 1


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


class LinearModel:
    """A linear model over the shared features with three heads: label, tags, language."""

    def __init__(
        self,
        terms: Iterable[str],
        idf: np.ndarray,
        heads: Mapping[str, tuple[tuple[str, ...], np.ndarray, np.ndarray]],
        temperature: float,
        thresholds: Thresholds,
    ) -> None:
        self.terms = tuple(terms)
        self.index = {term: column for column, term in enumerate(self.terms)}
        self.idf = idf
        self._idf = dict(enumerate(idf.tolist()))
        self.heads = dict(heads)
        self.temperature = temperature
        self.thresholds = thresholds

    def classify(self, text: str) -> Classification:
        """Classify the sender's new text; an empty one is `other`."""
        if not text.strip():
            return Classification(Label.OTHER, 1.0, frozenset(), True, False, "no new text", "", {Label.OTHER: 1.0})
        columns, values = self._vector(text)
        names, coefficients, intercept = self.heads["label"]
        scores = values @ coefficients[columns] + intercept
        probabilities = dict(zip(map(Label, names), softmax(scores / self.temperature).tolist(), strict=True))
        decision = decide(probabilities, self.thresholds)
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
    return LinearModel(
        described["terms"], arrays["idf"].astype(np.float64), heads, described["temperature"], thresholds
    )
