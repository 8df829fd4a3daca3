"""Does news wake a worker at once, does a broken connection not, and does a stop end everything?"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import pytest

import postroom.supervisor
from postroom.clock import SystemClock
from postroom.supervisor import Station, Supervisor
from sandbox.memory import MemoryMailbox, MemoryReader
from store.errors import ConnectionLost, PermanentError
from store.records import PassReport

LONG = timedelta(hours=1)


class Counting:
    """A worker that has nothing to do until `reports` or `faults` say otherwise."""

    def __init__(self, *, well: bool = True) -> None:
        self.passes, self.well, self.faults = 0, well, list[Exception]()
        self.reports = list[PassReport]()

    async def run_pass(self, now: datetime) -> PassReport:
        self.passes += 1
        if self.faults:
            raise self.faults.pop(0)
        return self.reports.pop(0) if self.reports else PassReport(0, None, well=self.well)


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.001)


def supervised(stations: list[Station], story: Callable[[Supervisor], Awaitable[None]]) -> None:
    async def run() -> None:
        supervisor = Supervisor(SystemClock(), stations)
        async with asyncio.timeout(10):
            going = asyncio.create_task(supervisor.run())
            await story(supervisor)
            supervisor.stop()
            await going

    asyncio.run(run())


def test_news_is_followed_by_a_pass_and_by_whoever_has_work_then() -> None:
    poller, judge, heard = Counting(), Counting(), asyncio.Queue[bool]()

    async def wait_for_news(_seconds: float) -> bool:
        return await heard.get()

    async def story(_supervisor: Supervisor) -> None:
        await until(lambda: poller.passes == judge.passes == 1)
        poller.reports.append(PassReport(3, None, well=True))
        await heard.put(True)
        await until(lambda: poller.passes == judge.passes == 2)
        await heard.put(False)  # the time of one wait was over: no news
        await heard.put(True)
        await until(lambda: poller.passes == 3)
        assert judge.passes == 2  # there was nothing to judge

    supervised(
        [Station("poll", poller, LONG, news=wait_for_news, wakes=("judge",)), Station("judge", judge, LONG)], story
    )


def test_nobody_listens_at_a_door_that_does_not_work() -> None:
    poller, waits = Counting(well=False), Counter[str]()

    async def wait_for_news(_seconds: float) -> bool:
        waits["begun"] += 1
        return await asyncio.Future()

    async def story(supervisor: Supervisor) -> None:
        await until(lambda: poller.passes == 1)
        supervisor.wake("poll")
        await until(lambda: poller.passes == 2)
        assert not waits
        poller.well = True
        supervisor.wake("poll")
        await until(lambda: waits["begun"] == 1)
        poller.faults.append(PermanentError("held"))
        supervisor.wake("poll")
        await until(lambda: poller.passes == 4)
        assert not station.well.is_set()

    station = Station("poll", poller, LONG, news=wait_for_news)
    supervised([station], story)


def test_a_connection_lost_while_listening_is_followed_by_a_pass_that_connects_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(postroom.supervisor, "FIRST_BACKOFF", 0.001)
    poller, fates = Counting(), [ConnectionLost("cut"), ConnectionLost("cut"), None]

    async def wait_for_news(_seconds: float) -> bool:
        if fates and (fate := fates.pop(0)) is not None:
            raise fate
        return await asyncio.Future()

    async def story(_supervisor: Supervisor) -> None:
        await until(lambda: not fates)
        assert poller.passes == 3

    supervised([Station("poll", poller, LONG, news=wait_for_news)], story)


def test_mail_that_comes_while_the_supervisor_runs_is_read_by_hint() -> None:
    """With the memory twin as the door: what the reader says is enough, no poll is due for an hour."""
    mailbox = MemoryMailbox()
    reader = MemoryReader(mailbox)
    seen: list[int] = []

    class Poller:
        async def run_pass(self, now: datetime) -> PassReport:
            seen.append(len(mailbox.folders["INBOX"].mails))
            return PassReport(0, now + LONG, well=True)

    async def wait_for_news(_seconds: float) -> bool:
        await asyncio.sleep(0.001)
        return await reader.wait_for_news("INBOX", 0)

    async def story(_supervisor: Supervisor) -> None:
        await until(lambda: seen == [0])
        mailbox.deliver("INBOX", b"x", SystemClock().now())
        await until(lambda: seen == [0, 1])

    supervised([Station("poll", Poller(), LONG, news=wait_for_news)], story)
