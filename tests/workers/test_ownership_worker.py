"""Does every notice arrive once, and does the ladder fire once, whatever fails in between?"""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ownership.delivery import GIVE_UP_AFTER, NoticeWorker
from ownership.settings import OwnershipSettings, TeamSettings
from ownership.worker import SlaWorker
from store import audit, notices, schema, threads
from store.database import Store
from store.errors import PermanentError, TemporaryError
from store.vocabulary import EventName, ThreadState
from tests.desks.postman import Postman

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
MAYA, JON, GINA = (f"{name}@team.example" for name in ("maya", "jon", "gina"))
TEAM = TeamSettings.model_validate(
    {
        "person": [{"email": MAYA, "backup": JON}, {"email": JON}, {"email": GINA}],
        "triage": GINA,
        "compliance": GINA,
        "escalation": GINA,
    }
)


def keys(postman: Postman) -> list[str]:
    return [key for _, key, _ in postman.delivered]


def tell(store: Store, key: str, at: datetime = NOW, channel: str = "mail") -> None:
    event = EventName.THREAD_ASSIGNED
    store.write_now(notices.enqueue, event, key, channel, MAYA, {"subject": "s", "text": "t"}, at)


def run(store: Store, postman: Postman, now: datetime) -> None:
    store.write_now(schema.claim_instance, "here", NOW)
    asyncio.run(NoticeWorker(store, postman).run_pass(now))


def settle(store: Store, postman: Postman) -> dict[str, int]:
    """Let a day pass and return what became of the notices."""
    for quarters in range(1, 97):
        run(store, postman, NOW + quarters * timedelta(minutes=15))
    return store.read_now(notices.counts)


def test_a_notice_arrives_once(store: Store) -> None:
    postman = Postman()
    tell(store, "a")
    tell(store, "a")
    for _ in range(3):
        run(store, postman, NOW)
    assert keys(postman) == ["a"]


def test_a_temporary_failure_is_tried_again_later(store: Store) -> None:
    postman = Postman([TemporaryError("down"), TemporaryError("down")])
    tell(store, "a")
    at = NOW
    for _ in range(6):
        run(store, postman, at)
        at += timedelta(seconds=25)
    assert keys(postman) == ["a"]


def test_after_three_days_it_is_given_up_and_visible(store: Store) -> None:
    postman = Postman([TemporaryError("down")])
    tell(store, "a")
    run(store, postman, NOW + GIVE_UP_AFTER + timedelta(seconds=1))
    assert store.read_now(notices.counts) == {"failed": 1}


def test_a_permanent_failure_is_final_and_stops_nobody_else(store: Store) -> None:
    postman = Postman([PermanentError("gone")])
    tell(store, "a")
    tell(store, "b")
    run(store, postman, NOW)
    assert keys(postman) == ["b"]
    assert store.read_now(notices.counts) == {"failed": 1, "sent": 1}


@pytest.mark.parametrize("channel", ["mail", "digest"])
def test_a_mail_that_left_without_an_answer_is_found_in_sent_and_not_repeated(store: Store, channel: str) -> None:
    postman = Postman(["lost"])
    tell(store, "a", channel=channel)
    run(store, postman, NOW)
    tell(store, "b", channel=channel)
    assert settle(store, postman) == {"sent": 2}
    assert len(postman.delivered) == 2


def test_a_mail_that_did_not_leave_is_repeated_when_the_search_of_sent_has_proved_itself(store: Store) -> None:
    postman = Postman()
    tell(store, "before")
    run(store, postman, NOW)
    postman.faults = ["vanished"]
    tell(store, "a")
    run(store, postman, NOW)
    assert settle(store, postman) == {"sent": 2}
    assert keys(postman) == ["before", "a"]


@pytest.mark.parametrize(("fault", "sent_folder"), [("lost", False), ("vanished", False), ("vanished", True)])
def test_otherwise_it_is_uncertain_and_never_repeated_but_by_a_person(
    store: Store, fault: str, sent_folder: bool
) -> None:
    postman = Postman([fault], sent_folder=sent_folder)
    tell(store, "a")
    run(store, postman, NOW)
    assert settle(store, postman) == {"uncertain": 1}
    assert len(postman.delivered) == (fault == "lost")
    (row,) = store.read_now(notices.stuck)
    assert store.write_now(notices.repeat, row["id"], NOW)
    assert not store.write_now(notices.repeat, row["id"], NOW)
    assert settle(store, postman) == {"sent": 1}


@pytest.mark.parametrize(
    ("channel", "state", "times"), [("webhook-standard", "sent", 2), ("webhook-slack", "uncertain", 1)]
)
def test_a_webhook_whose_answer_was_lost(store: Store, channel: str, state: str, times: int) -> None:
    postman = Postman(["lost"])
    tell(store, "a", channel=channel)
    run(store, postman, NOW)
    assert settle(store, postman) == {state: 1}
    assert keys(postman) == ["a"] * times  # under the same id: the receiver drops the second


def test_two_nodes_deliver_a_notice_once(store: Store) -> None:
    one, two = Postman(), Postman()
    store.write_now(schema.claim_instance, "here", NOW)
    for number in range(20):
        tell(store, f"n{number}", channel="digest" if number % 2 else "mail")

    async def both() -> None:
        await asyncio.gather(*(NoticeWorker(store, postman).run_pass(NOW) for postman in (one, two)))

    asyncio.run(both())
    arrived = keys(one) + keys(two)
    assert len(arrived) == len(set(arrived)) == 11
    assert store.read_now(notices.counts) == {"sent": 20}


def test_on_hold_nothing_leaves_and_what_waited_in_a_restored_copy_is_looked_for_first(store: Store) -> None:
    postman = Postman()
    tell(store, "known")
    run(store, postman, NOW)
    for key in ("left since", "waits still"):
        tell(store, key)
    tell(store, "hook", channel="webhook-standard")
    tell(store, "slack", channel="webhook-slack")
    postman.sent.append(f"<left since|{MAYA}>")
    store.write_now(schema.put_on_hold, "restored-or-cloned", NOW)
    assert settle(store, postman)["waiting"] == 4
    store.write_now(schema.release, "here", actor="operator", now=NOW + timedelta(days=1))
    for days in range(1, 5):
        run(store, postman, NOW + timedelta(days=days, hours=2))
    assert store.read_now(notices.counts) == {"sent": 4, "uncertain": 1}
    assert sorted(keys(postman)) == ["hook", "known", "waits still"]


def waiting_thread(store: Store) -> int:
    def unit(connection: Any) -> int:
        key = threads.create(
            connection,
            NOW,
            contact_id=None,
            account_id=None,
            enrollment_id=None,
            sequence="demo",
            mailbox="",
            subject="Hi",
        )
        threads.assign(
            connection,
            key,
            owner=MAYA,
            acting=MAYA,
            rule="r",
            reason="Because.",
            tried=[],
            facts={},
            actor="postroom",
            now=NOW,
        )
        threads.change(connection, key, state=ThreadState.OPEN, task_open=True, sla_due_at=NOW + timedelta(minutes=15))
        return key

    return store.write_now(unit)


def test_the_ladder_fires_once_in_order_also_after_downtime(store: Store) -> None:
    key = waiting_thread(store)
    settings = OwnershipSettings.model_validate({"sla": {"reassign": True}})
    worker = SlaWorker(store, TEAM, settings)
    for at in (
        NOW,
        NOW + timedelta(minutes=10),
        NOW + timedelta(minutes=10),
        NOW + timedelta(days=3),
        NOW + timedelta(days=4),
    ):
        asyncio.run(worker.run_pass(at))
    waiting = store.read_now(notices.waiting, NOW + timedelta(days=5))
    assert [(row["event"], row["recipient"]) for row in waiting] == [
        (EventName.SLA_WARNING, MAYA),
        (EventName.SLA_BREACHED, MAYA),
        (EventName.SLA_BREACHED, JON),
        (EventName.SLA_BREACHED, GINA),
    ]
    thread = store.read_now(threads.thread, key)
    assert thread is not None
    assert (thread.owner, thread.acting, thread.escalation) == (MAYA, JON, 4)
    moves = [row["action"] for row in store.read_now(lambda c: list(audit.entries(c, subject=f"thread:{key}")))]
    assert moves.count("thread.escalated") == 4
    assert "thread.acting" in moves


def test_the_worker_says_when_to_come_again(store: Store) -> None:
    waiting_thread(store)
    report = asyncio.run(SlaWorker(store, TEAM, OwnershipSettings()).run_pass(NOW))
    assert report.next_wake == NOW + timedelta(minutes=10)
