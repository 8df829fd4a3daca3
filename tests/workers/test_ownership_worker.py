"""Does every notice arrive once, and does the ladder fire once, whatever fails in between?"""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from ownership.settings import OwnershipSettings, TeamSettings
from ownership.worker import GIVE_UP_AFTER, NoticeWorker, SlaWorker
from store import audit, notices, threads
from store.database import Store
from store.errors import PermanentError, TemporaryError
from store.vocabulary import EventName, ThreadState

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


class Postman:
    """Delivers, or fails as told: a twin of the production notifier that keeps what arrived."""

    def __init__(self, failures: list[Exception] | None = None) -> None:
        self.failures = failures or []
        self.delivered: list[tuple[str, str]] = []

    async def notify(self, notice: Mapping[str, Any], now: datetime) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.delivered.append((notice["recipient"], notice["event_key"]))


def tell(store: Store, key: str, at: datetime = NOW) -> None:
    event = EventName.THREAD_ASSIGNED
    store.write_now(notices.enqueue, event, key, "mail", MAYA, {"subject": "s", "text": "t"}, at)


def run(store: Store, postman: Postman, now: datetime) -> None:
    asyncio.run(NoticeWorker(store, postman).run_pass(now))


def test_a_notice_arrives_once(store: Store) -> None:
    postman = Postman()
    tell(store, "a")
    tell(store, "a")
    for _ in range(3):
        run(store, postman, NOW)
    assert postman.delivered == [(MAYA, "a")]


def test_a_temporary_failure_is_tried_again_later(store: Store) -> None:
    postman = Postman([TemporaryError("down"), TemporaryError("down")])
    tell(store, "a")
    at = NOW
    for _ in range(6):
        run(store, postman, at)
        at += timedelta(seconds=25)
    assert postman.delivered == [(MAYA, "a")]


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
    assert postman.delivered == [(MAYA, "b")]
    assert store.read_now(notices.counts) == {"failed": 1, "sent": 1}


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
