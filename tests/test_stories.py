"""Does every failure story of docs/stories.md still have its test?"""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_every_story_names_a_test_that_is_there() -> None:
    lines = (ROOT / "docs/stories.md").read_text().splitlines()
    rows = [line for line in lines if line.startswith("| ") and "Test here" not in line]
    named = [re.fullmatch(r"\| [^|]+ \| `(tests/[\w/]+\.py)::(\w+)` \|", row) for row in rows]
    assert len(rows) >= 25
    for row, found in zip(rows, named, strict=True):
        assert found, row
        text = (ROOT / found[1]).read_text()
        assert re.search(rf"^(def {found[2]}\(|{found[2]} = )", text, re.MULTILINE), row
