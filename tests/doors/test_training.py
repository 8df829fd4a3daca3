"""Does training give the same model every time, and does the card say what the figures are?"""

from pathlib import Path

import pytest

from classifier import embeddings
from classifier.evaluate import coverage_at, interval, resampled, risk_coverage
from classifier.labels import corpus_hash
from classifier.model import load_model
from classifier.publish import publish
from classifier.train import train
from store.vocabulary import Label
from tests.doors.small_corpus import small_corpus


@pytest.fixture(autouse=True)
def words_only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(embeddings, "available", lambda: False)
    monkeypatch.chdir(tmp_path)  # caches are written below the working directory


def test_the_same_corpus_gives_the_same_model_and_the_same_card(tmp_path: Path) -> None:
    corpus = small_corpus()
    cards = []
    for name in ("one", "two"):
        folder = tmp_path / name
        train(corpus, folder)
        if name == "two":
            (tmp_path / "out" / "held_out.npz").unlink()  # then the folds are trained again
        publish(folder, folder / "CARD.md", corpus, corpus[::3])
        cards.append((folder / "CARD.md").read_text(encoding="utf-8"))
    assert cards[0] == cards[1]
    assert f"Corpus: {corpus_hash(corpus)}" in cards[0]
    assert "mirror, words" in cards[0]
    drawn = sorted(path.stem for path in (tmp_path / "one" / "charts").iterdir())
    assert drawn == ["confusion", "labels", "languages", "learning_curve", "reliability", "risk_coverage"]


def test_a_trained_model_judges_what_it_was_taught(tmp_path: Path) -> None:
    train(small_corpus(), tmp_path)
    said = load_model(tmp_path).classify("hello, please stop writing to me, unsubscribe me now")
    assert said.probabilities[Label.UNSUBSCRIBE] == max(said.probabilities.values())


def test_risk_and_coverage_by_hand() -> None:
    curve = risk_coverage([0.9, 0.8, 0.7, 0.6], [True, True, False, True])
    assert curve == [(0.25, 0.0), (0.5, 0.0), (0.75, pytest.approx(1 / 3)), (1.0, 0.25)]
    assert coverage_at(curve, 0.25) == 1.0
    assert coverage_at(curve, 0.2) == 0.5


def test_intervals_hold_the_figure() -> None:
    low, high = interval(90, 100)
    assert (round(low, 3), round(high, 3)) == (0.826, 0.945)  # Wilson, computed elsewhere
    truth = [Label.INTERESTED, Label.OTHER] * 20
    value, low, high = resampled(truth, [Label.INTERESTED] * 20 + truth[20:])["F1"]
    assert low < value < high
