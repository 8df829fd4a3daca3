"""Is every message ingested exactly once through faults and kills? The benchmark of the same name, 20,000 messages."""

import asyncio

import pytest

from benchmarks.read_faults import measure

pytestmark = pytest.mark.acceptance


def test_twenty_thousand_messages_through_faults_and_kills_are_ingested_exactly_once() -> None:
    found = asyncio.run(measure(20_000))
    assert (found["stored"], found["missing"], found["doubled"]) == (20_000, 0, 0)
    assert (found["differing"], found["at another UID"]) == (0, 0)
    assert found["kills"] >= 3  # or it would prove little
    assert len(found["faults"]) == 8
