"""Every desk's store is closed when its story ends."""

from collections.abc import Iterator

import pytest

from tests.desks.desk import OPENED


@pytest.fixture(autouse=True)
def _close_desks() -> Iterator[None]:
    yield
    while OPENED:
        OPENED.pop().store.close()
