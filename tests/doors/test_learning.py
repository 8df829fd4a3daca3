"""Do owners' corrections teach, nobody too much, and never at the cost of what was right before?"""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from classifier import embeddings
from classifier.feedback import MOST_OF_CORPUS, find_worse, learnable, with_corrections
from classifier.model import SHIPPED, load_model
from classifier.train import train
from classifier.versions import activate, active_folder, list_models, rollback
from postroom import learning
from store import messages
from store.database import Store
from store.errors import PermanentError
from store.vocabulary import Label
from tests.doors.small_corpus import small_corpus

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
CORPUS = small_corpus()


@pytest.fixture(autouse=True)
def words_only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(embeddings, "available", lambda: False)
    monkeypatch.chdir(tmp_path)


def said(text: str, label: str, person: str = "ann@us.example") -> dict[str, Any]:
    return {"text": text, "label": label, "tags": [], "language": "en", "person": person, "at": NOW}


def test_the_last_word_counts_and_no_person_weighs_more_than_their_share() -> None:
    rows = [said(f"odd text {n}", "other") for n in range(50)] + [said("odd text 1", "interested")]
    rows += [said("mine", "other", "bob@us.example"), said(CORPUS[0].text, "other", "bob@us.example")]
    learnt = learnable(rows, CORPUS, CORPUS[:1])
    assert len(learnt) == 51  # the frozen text never trains
    assert next(one.label for one in learnt if one.text == "odd text 1") == Label.INTERESTED
    ann = sum(one.weight for one in learnt if one.author == "person:ann@us.example")
    assert ann == pytest.approx(MOST_OF_CORPUS * len(CORPUS))
    assert next(one.weight for one in learnt if one.text == "mine") == 1.0


def test_a_correction_replaces_the_label_of_the_corpus() -> None:
    learnt = learnable([said(CORPUS[0].text, "other")], CORPUS, [])
    both = with_corrections(CORPUS, learnt)
    assert [one.label for one in both if one.text == CORPUS[0].text] == [Label.OTHER]
    assert len(both) == len(CORPUS)


def test_a_new_model_that_is_no_worse_is_used(tmp_path: Path) -> None:
    models = tmp_path / "models"
    train(CORPUS, models / "first")
    activate(models, "first")
    found = learning.learn(models, [said("kindly vamoose", "unsubscribe")], CORPUS, CORPUS[::2], NOW)
    assert found.worse == ()
    assert active_folder(models).name == found.name
    assert [(one.name, one.active, one.corrections) for one in list_models(models)] == [
        ("shipped", False, 0), (found.name, True, 1), ("first", False, 0),
    ]  # fmt: skip


def test_a_worse_model_is_left_aside_and_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models = tmp_path / "models"
    train(CORPUS, models / "first")
    activate(models, "first")
    monkeypatch.setattr("classifier.feedback.MOST_OF_CORPUS", 1.0)  # let one person do harm
    wrong = [said(one.text, "other") for one in CORPUS if one.label == Label.INTERESTED and one.author == "bob"]
    frozen = [replace(one, text=f"{one.text} today") for one in CORPUS]
    found = learning.learn(models, wrong, CORPUS, frozen, NOW)
    assert any(sentence.startswith("label interested:") and "before" in sentence for sentence in found.worse)
    assert active_folder(models).name == "first"


def test_the_same_model_is_no_worse() -> None:
    model = load_model()
    assert find_worse(model, model, CORPUS[:12]) == []


def test_nobody_corrected_anything(tmp_path: Path) -> None:
    with pytest.raises(PermanentError, match="nobody has corrected"):
        learning.learn(tmp_path, [], CORPUS, CORPUS[::2], NOW)


def test_activate_and_roll_back(tmp_path: Path) -> None:
    assert active_folder(tmp_path) == SHIPPED
    with pytest.raises(PermanentError, match="before this one"):
        rollback(tmp_path)
    with pytest.raises(PermanentError, match="there are shipped"):
        activate(tmp_path, "nothing")
    train(CORPUS, tmp_path / "mine")
    activate(tmp_path, "mine")
    assert active_folder(tmp_path).name == "mine"
    assert rollback(tmp_path) == "shipped"
    assert active_folder(tmp_path) == SHIPPED
    activate(tmp_path, "mine")
    (tmp_path / "mine" / "model.json").unlink()
    with pytest.raises(PermanentError, match="activate shipped"):
        active_folder(tmp_path)


def test_a_damaged_model_is_not_activated(tmp_path: Path) -> None:
    train(CORPUS, tmp_path / "mine")
    (tmp_path / "mine" / "weights.npz").write_bytes(b"nothing")
    with pytest.raises(PermanentError, match="no usable model"):
        activate(tmp_path, "mine")


def test_corrections_are_kept_with_who_and_when(store: Store) -> None:
    store.write_now(
        messages.ingest, "a@us.example", "INBOX", 1, [messages.Arrival(1, NOW, b"x", True)], NOW, last_uid=1
    )
    store.write_now(messages.correct, 1, Label.INTERESTED, [], person="ann@us.example", now=NOW)
    rows = store.read_now(messages.corrections)
    assert [(row["label"], row["person"], row["at"]) for row in rows] == [(Label.INTERESTED, "ann@us.example", NOW)]
