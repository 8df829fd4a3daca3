"""Is the shipped model the one that the card describes, and does it judge with and without the embeddings wheel?"""

import json
from hashlib import sha256
from itertools import takewhile
from pathlib import Path

import numpy as np
import pytest

from classifier import embeddings
from classifier.card import CARD
from classifier.evaluate import figures, judge_apart, macro_f1
from classifier.features import extract, weighted
from classifier.labels import CORPUS, MIRROR, corpus_hash, read_corpus
from classifier.memo import Memo
from classifier.model import SHIPPED, Classification, Hints, load_model
from classifier.train import SENSE_HELD_OUT, sense_held_out
from store.errors import PermanentError
from store.vocabulary import Label

MODEL = load_model()


def test_the_card_describes_the_shipped_model() -> None:
    described = json.loads((SHIPPED / "model.json").read_text(encoding="utf-8"))
    card = CARD.read_text(encoding="utf-8")
    assert f"Model: {described['arrays_sha256']}" in card
    assert f"Corpus: {described['about']['corpus_sha256']}" in card
    assert described["about"]["corpus_sha256"] == corpus_hash(read_corpus())


@pytest.mark.parametrize("column", ["mirror, words", "mirror, words and sense"])
def test_the_figures_on_the_card_are_those_of_the_mirror_today(column: str) -> None:
    sense = column != "mirror, words"
    if sense and not embeddings.available():
        pytest.skip("the extra `embeddings` is not installed")
    rows = [line.strip("| ").split(" | ") for line in CARD.read_text(encoding="utf-8").splitlines()]
    head = next(row for row in rows if row[0] == "figure")
    table = takewhile(lambda row: len(row) == len(head), rows[rows.index(head) + 2 :])
    published = {row[0]: float(row[head.index(column)]) for row in table}
    for name, value in figures(judge_apart(MODEL, read_corpus(MIRROR), sense=sense)).items():
        assert published[name] == pytest.approx(value, abs=0.002), name


def test_what_unseen_authors_were_judged_is_kept_for_the_corpus_as_it_is() -> None:
    texts = [one.text for one in read_corpus()]
    with np.load(SENSE_HELD_OUT, allow_pickle=False) as stored:
        packed = stored["keys"].tobytes()
    kept = {packed[start : start + 32] for start in range(0, len(packed), 32)}
    known = [sha256(text.encode()).digest() in kept for text in texts]
    assert np.mean(known) > 0.9  # the others are judged by the shipped encoder, which has not seen them
    chances = np.exp(sense_held_out([text for text, there in zip(texts, known, strict=True) if there]))
    assert chances.sum(axis=1) == pytest.approx(1.0, abs=0.01)


def test_a_model_of_another_encoder_is_refused(tmp_path: Path) -> None:
    for name in ("model.json", "weights.npz"):
        (tmp_path / name).write_bytes((SHIPPED / name).read_bytes())
    text = (tmp_path / "model.json").read_text(encoding="utf-8")
    text = text.replace(embeddings.tuned_hash(), "0" * 64)
    (tmp_path / "model.json").write_text(text, encoding="utf-8")
    with pytest.raises(PermanentError, match="another version's encoder"):
        load_model(tmp_path)


def test_no_text_of_the_mirror_is_in_the_corpus() -> None:
    known = {" ".join(one.text.casefold().split()) for one in read_corpus(CORPUS)}
    assert not [one for one in read_corpus(MIRROR) if " ".join(one.text.casefold().split()) in known]


def test_a_damaged_model_is_refused(tmp_path: Path) -> None:
    for name in ("model.json", "weights.npz"):
        (tmp_path / name).write_bytes((SHIPPED / name).read_bytes())
    text = (tmp_path / "model.json").read_text(encoding="utf-8")
    (tmp_path / "model.json").write_text(text.replace('"arrays_sha256":"', '"arrays_sha256":"0'), encoding="utf-8")
    with pytest.raises(PermanentError, match="does not match its own description"):
        load_model(tmp_path)


@pytest.mark.parametrize("wheel", [True, False])
@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("Please take me off your list.", Label.UNSUBSCRIBE),
        ("What would it cost for forty users? Could we talk on Thursday?", Label.INTERESTED),
        ("?", Label.OTHER),
    ],
)
def test_it_judges_with_and_without_the_wheel(
    monkeypatch: pytest.MonkeyPatch, wheel: bool, text: str, label: Label
) -> None:
    if wheel and not embeddings.available():
        pytest.skip("the extra `embeddings` is not installed")
    monkeypatch.setattr(embeddings, "available", lambda: wheel)
    assert MODEL.classify(text).label == label


def test_one_text_is_judged_as_many_are() -> None:
    mirror = read_corpus(MIRROR)[:20]
    judged = judge_apart(MODEL, mirror, sense=embeddings.available())
    assert [MODEL.classify(one.text).label for one in mirror] == [decision.label for decision in judged.decisions]


def test_figures_are_those_of_a_hand_count() -> None:
    truth = [Label.INTERESTED, Label.INTERESTED, Label.OTHER]
    assert macro_f1(truth, [Label.INTERESTED, Label.OTHER, Label.OTHER]) == pytest.approx(2 / 3)


def test_many_are_classified_as_one_at_a_time() -> None:
    texts = ["", *(one.text for one in read_corpus(MIRROR)[:8])]
    assert MODEL.classify_many(texts) == [MODEL.classify(text) for text in texts]


def test_the_memo_finds_the_features_of_training() -> None:
    idf = dict(enumerate(MODEL.idf.tolist()))
    memo = Memo(MODEL.index, MODEL.idf)
    for one in [*read_corpus(MIRROR)[::10], *read_corpus(MIRROR)[:3]]:
        columns, values = memo.vector(one.text)
        found = dict(zip(columns.tolist(), values.tolist(), strict=True))
        assert found == pytest.approx(dict(weighted(extract(one.text), MODEL.index, idf)))


def test_a_header_of_a_machine_settles_a_doubtful_absence_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embeddings, "available", lambda: False)
    absent = [one.text for one in read_corpus(MIRROR) if one.label == Label.OUT_OF_OFFICE]
    doubtful = [text for text in absent if _doubtful(MODEL.classify(text))]
    assert doubtful
    for text in doubtful:
        assert MODEL.classify(text, Hints(automatic=True)).label == Label.OUT_OF_OFFICE
    yes = "What would it cost for forty users? Could we talk on Thursday?"
    assert MODEL.classify(yes, Hints(automatic=True)) == MODEL.classify(yes)


def _doubtful(said: Classification) -> bool:
    best = max(said.probabilities, key=lambda label: said.probabilities[label])
    return said.abstained and best == Label.OUT_OF_OFFICE and not said.hold


def test_why_names_words_a_colleague_understands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embeddings, "available", lambda: False)
    why = MODEL.classify("Please remove me from your list, see https://a.example/x").why
    assert "wants us to stop" in why
    assert '"remove' in why
    assert "<" not in why
