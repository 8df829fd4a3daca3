"""Which texts train and which are judged? Whole authors are left out, and their families with them.

Authors repeat themselves in other words than family slugs show; figures on folds by family alone flatter.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from classifier.labels import Example
from store.errors import PermanentError

FOLDS = 5
SEED = 7


def folds(corpus: Sequence[Example], most: int = FOLDS) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield (training rows, judged rows): no author and no family stands on both sides, every text is judged once."""
    authors = [one.author for one in corpus]
    count = min(most, len(set(authors)))
    if count < 2:
        raise PermanentError("training needs texts of two authors at least: see authors.toml in the corpus")
    targets = [f"{one.language}:{one.label}" for one in corpus]
    families = np.array([one.family for one in corpus])
    for inside, outside in StratifiedGroupKFold(count, shuffle=True, random_state=SEED).split(
        targets, targets, authors
    ):
        yield inside[~np.isin(families[inside], families[outside])], outside
