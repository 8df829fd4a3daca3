"""Is the training text as large, as varied and as well formed as promised?"""

import json
from pathlib import Path

import pytest

from classifier.agreement import Reading, agreement_lines, kappa, read_second_reading, text_hash
from classifier.corpus_check import find_faults, near_doubles
from classifier.folds import folds
from classifier.labels import MIRROR, read_corpus
from store.errors import PermanentError
from store.vocabulary import Label


def test_the_corpus_is_as_promised() -> None:
    assert find_faults(read_corpus(), read_corpus(MIRROR)) == []


def test_near_doubles_are_found() -> None:
    texts = [
        "Please send me the price list for forty seats.",
        "please send me the price-list for forty seats!!",
        "Nein.",
    ]
    assert near_doubles(texts) == [(0, 1)]


def test_faults_are_named() -> None:
    corpus = read_corpus()
    few = [one for one in corpus if one.language == "de"]
    found = find_faults([*few, *read_corpus(MIRROR)[:1]], read_corpus(MIRROR))
    assert any("6000 are promised" in one for one in found)
    assert any("texts in fr" in one for one in found)
    assert any("stands in the mirror" in one for one in found)


def test_no_author_and_no_family_stands_on_both_sides() -> None:
    corpus = read_corpus()
    judged: list[int] = []
    for inside, outside in folds(corpus):
        assert not {corpus[i].author for i in inside} & {corpus[i].author for i in outside}
        assert not {corpus[i].family for i in inside} & {corpus[i].family for i in outside}
        judged += outside.tolist()
    assert sorted(judged) == list(range(len(corpus)))


def write_batch(folder: Path, name: str, *texts: str) -> None:
    rows = [{"text": text, "label": "other", "language": "en", "style": "phone", "family": text} for text in texts]
    (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")


def test_a_batch_that_nobody_wrote_is_refused(tmp_path: Path) -> None:
    (tmp_path / "authors.toml").write_text('[authors]\nann = ["first"]\n', encoding="utf-8")
    write_batch(tmp_path, "first", "hm")
    assert [one.author for one in read_corpus(tmp_path)] == ["ann"]
    write_batch(tmp_path, "second", "hm again")
    with pytest.raises(PermanentError, match=r"does not say who wrote second\.jsonl"):
        read_corpus(tmp_path)


def test_a_second_reading_gives_kappa(tmp_path: Path) -> None:
    assert read_second_reading(tmp_path) == []
    assert "yet" in agreement_lines([], ["0"])[0]
    rows = [("interested", "interested"), ("other", "other"), ("other", "interested"), ("interested", "interested")]
    lines = [
        json.dumps({"text_sha256": text_hash(str(n)), "batch": "b", "first": first, "second": second})
        for n, (first, second) in enumerate(rows)
    ]
    (tmp_path / "second_reading.jsonl").write_text("\n".join(lines), encoding="utf-8")
    found = read_second_reading(tmp_path)
    assert kappa(found) == pytest.approx((0.75 - 0.5) / 0.5)  # by hand: agree 3 of 4; by chance 2/4*3/4 + 2/4*1/4
    said = agreement_lines(found, ["0", "never read"])[0]
    assert "other / interested (1)" in said
    assert said.startswith("50.0% of the texts")  # the other three readings are of texts that are gone
    assert kappa([Reading("x", "b", Label.OTHER, Label.OTHER)]) == 1.0


def test_a_second_reading_with_an_unknown_label_names_its_line(tmp_path: Path) -> None:
    (tmp_path / "second_reading.jsonl").write_text('{"text_sha256": "x", "batch": "b", "first": "maybe"}', "utf-8")
    with pytest.raises(PermanentError, match=r"second_reading\.jsonl, line 1"):
        read_second_reading(tmp_path)
