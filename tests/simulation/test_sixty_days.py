"""Do the promises hold over sixty days with five hundred contacts, broken relays, lost answers and restarts?"""

import asyncio
from bisect import bisect_left
from collections import Counter, defaultdict
from datetime import timedelta
from pathlib import Path

import pytest

from postroom.commands_data import verify
from store import audit, decisions, messages, sends, suppression, threads
from store.vocabulary import Label, SendState
from tests.simulation.sixty_days import LIMIT, MAILBOXES, START, Played, Simulation


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    simulation = Simulation(tmp_path_factory.mktemp("sixty"), seed=11, contacts=500)
    return asyncio.run(simulation.play(60))


def test_there_was_something_to_see(played: Played) -> None:
    assert len(played.letters()) > 900
    assert played.restarts > 3
    assert len(played.replied) > 100
    labels = {row["label"] for row in played.opened.store.read_now(messages.labelled_since, START)}
    assert labels == set(Label)


def test_no_letter_leaves_twice(played: Played) -> None:
    names = Counter(message_id for *_, message_id in played.letters())
    assert max(names.values()) == 1
    assert max(Counter(recipient for _, _, recipient, _ in played.letters()).values()) <= 3


def test_no_mailbox_is_ever_over_its_day(played: Played) -> None:
    by_mailbox: defaultdict[str, list[float]] = defaultdict(list)
    for at, mailbox, _, _ in played.letters():
        by_mailbox[mailbox].append(at.timestamp())
    assert len(by_mailbox) == MAILBOXES
    day = timedelta(hours=24).total_seconds()
    for times in by_mailbox.values():
        assert max(index + 1 - bisect_left(times, at - day + 1) for index, at in enumerate(times)) <= LIMIT


def test_nothing_goes_to_a_suppressed_address(played: Played) -> None:
    since = {entry.value: entry.created_at for entry in played.opened.store.read_now(suppression.entries)}
    assert since
    late = [(recipient, at) for at, _, recipient, _ in played.letters() if recipient in since and at > since[recipient]]
    assert late == []


def test_no_step_follows_a_human_reply(played: Played) -> None:
    late = [recipient for at, _, recipient, _ in played.letters() if at > played.replied.get(recipient, at)]
    assert late == []


def test_every_human_thread_has_one_explained_owner(played: Played) -> None:
    store = played.opened.store
    owned = [thread for thread in store.read_now(threads.find) if thread.owner]
    assert len(owned) >= 100
    for thread in owned:
        made = store.read_now(decisions.of_thread, thread.id)
        assert made[-1]["owner"] == thread.owner
        assert made[-1]["reason"].endswith(".")
        assert sum(step["matched"] for step in made[-1]["tried"]) >= 1


def test_each_change_of_owner_has_an_audit_entry(played: Played) -> None:
    store = played.opened.store
    entries = store.read_now(lambda connection: list(audit.entries(connection)))
    moves = ("thread.assigned", "thread.moved")
    written = Counter(entry["subject"] for entry in entries if entry["action"] in moves)
    for thread in store.read_now(threads.find):
        owners = [one["owner"] for one in store.read_now(decisions.of_thread, thread.id)]
        changes = sum(1 for before, after in zip(["", *owners], owners, strict=False) if before != after)
        assert written[f"thread:{thread.id}"] == changes
    assert store.read_now(verify) == []


def test_every_send_is_accounted_for(played: Played) -> None:
    store = played.opened.store
    reached = {message_id for *_, message_id in played.letters()}
    ledger = store.read_now(sends.all_sends)
    assert reached <= {row["message_id"] for row in ledger}
    for row in ledger:
        assert row["state"] != SendState.CLAIMED
        if row["state"] == SendState.SENT:
            assert row["message_id"] in reached
        elif row["state"] in (SendState.PLANNED, SendState.DEFERRED, SendState.REFUSED):
            assert row["message_id"] not in reached


def test_the_same_seed_plays_the_same_days(tmp_path: Path) -> None:
    def play(name: str) -> object:
        (tmp_path / name).mkdir()
        done = asyncio.run(Simulation(tmp_path / name, seed=5, contacts=60).play(12))
        found = [(thread.id, thread.owner, thread.reason) for thread in done.opened.store.read_now(threads.find)]
        return done.letters(), found

    assert play("one") == play("two")
