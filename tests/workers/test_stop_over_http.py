"""Does a DATA ever begin after the unsubscribe page has said "done"? The endpoint is a process of its own."""

import asyncio
from pathlib import Path

from benchmarks.stop_race_http import race
from store.database import Store


def test_no_data_after_the_answer(store: Store, tmp_path: Path) -> None:
    found = asyncio.run(race(tmp_path, store.url, 200))  # the long form: benchmarks/stop_race_http.py
    assert found.late == 0
    assert found.answered >= 20
    assert found.prevented >= 5
    assert found.letters + found.prevented == 200
