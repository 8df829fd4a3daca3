"""How many replies a second does the classifier label on one core, with and without embeddings?

    python benchmarks/classify.py

The peer in the same run is a plain scikit-learn pipeline of the same kind (TF-IDF of words and of characters, logistic
regression), trained on the same texts, `predict_proba` one text at a time. The texts are the mirror's.
"""

import statistics
import time
from collections.abc import Callable

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline, make_union
from threadpoolctl import threadpool_limits

from classifier import embeddings
from classifier.labels import MIRROR, read_corpus
from classifier.model import load_model

ROUNDS = 7


def rate(work: Callable[[], object], count: int) -> float:
    """Return texts a second of processor time."""
    begin = time.process_time()
    work()
    return count / (time.process_time() - begin)


def main() -> None:
    """Print the table; each round measures every candidate, one after the other."""
    corpus, texts = read_corpus(), [one.text for one in read_corpus(MIRROR)]
    peer = make_pipeline(
        make_union(
            TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True),
            TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), min_df=4, sublinear_tf=True),
        ),
        LogisticRegression(C=8.0, max_iter=50, tol=1e-2),
    ).fit([one.text for one in corpus], [str(one.label) for one in corpus])
    model, words = load_model(), load_model()
    words.sense = None
    few = texts[:40]  # 25 ms each with embeddings
    works: dict[str, tuple[Callable[[], object], int]] = {
        "scikit-learn pipeline, one at a time": (lambda: [peer.predict_proba([text]) for text in texts], len(texts)),
        "postroom, words, one at a time": (lambda: [words.classify(text) for text in texts], len(texts)),
    }
    if embeddings.available():
        works["postroom, words and sense, one at a time"] = (lambda: [model.classify(text) for text in few], len(few))
        works["postroom, words and sense, together"] = (lambda: model.classify_many(few), len(few))
    model.classify(texts[0])  # the wheel's engine is loaded now, so that the limit below holds for it too
    threadpool_limits(1)
    found: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(ROUNDS):
        for name, (work, count) in works.items():
            found[name].append(rate(work, count))
    base = statistics.median(found["scikit-learn pipeline, one at a time"])
    for name, rates in found.items():
        middle = statistics.median(rates)
        print(f"{name:44} {middle:8.0f}/s   x {middle / base:.2f}")


if __name__ == "__main__":
    main()
