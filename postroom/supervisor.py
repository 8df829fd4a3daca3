"""Who keeps the workers going, and what happens when one fails?

Only the supervisor sleeps. A worker whose door can tell of news (IDLE) is called when there are some, and by the
clock all the same. Each worker runs its passes in a loop of its own: a temporary error backs off, a permanent
one is logged, alerted and tried again at the longest pause, anything else is a fault of ours: traceback, and a
restart with back-off. At a stop the pass in hand finishes; no new one begins.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from apscheduler.schedulers.asyncio import AsyncIOScheduler

from postroom.clock import Clock
from store.errors import PermanentError, TemporaryError
from store.records import PassReport

log = logging.getLogger("postroom.supervisor")
LONGEST_PAUSE = timedelta(seconds=60)
LISTEN_FOR = 120.0  # seconds
FIRST_BACKOFF, LAST_BACKOFF = 1.0, 300.0


class Worker(Protocol):
    """Anything that works in passes and never sleeps."""

    async def run_pass(self, now: datetime) -> PassReport:
        """Do what is due at `now` and say when to come again."""
        ...


@dataclass(slots=True)
class Station:
    """One worker with its wake-up bell."""

    name: str
    worker: Worker
    longest_pause: timedelta = LONGEST_PAUSE
    news: Callable[[float], Awaitable[bool]] | None = None  #: waits so many seconds for news; a hint only
    wakes: tuple[str, ...] = ()  #: stations that have work after this one did some
    well: asyncio.Event = field(default_factory=asyncio.Event)  #: its door works and the last pass saw all there was
    bell: asyncio.Event = field(default_factory=asyncio.Event)
    failures: int = 0
    last_error: str = ""


class Supervisor:
    """Runs stations until told to stop, and a few ticks on a schedule."""

    def __init__(self, clock: Clock, stations: list[Station]) -> None:
        self._clock = clock
        self.stations = stations
        self._stopping = asyncio.Event()
        self._ticks = AsyncIOScheduler(
            timezone="UTC", job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
        )

    def every(self, span: timedelta, name: str, tick: Callable[[], Awaitable[object]]) -> None:
        """Run a small job on a schedule; ticks live in memory, what they do is decided from the store."""

        async def guarded() -> None:
            try:
                await tick()
            except (TemporaryError, PermanentError) as problem:
                log.warning("%s: %s", name, problem)

        self._ticks.add_job(guarded, "interval", seconds=span.total_seconds(), id=name)

    def stop(self) -> None:
        """Begin no new pass; `run` returns when the passes in hand are done."""
        self._stopping.set()
        for station in self.stations:
            station.bell.set()

    def wake(self, name: str) -> None:
        """Ring a station's bell: something for it may have happened."""
        for station in self.stations:
            if station.name == name:
                station.bell.set()

    async def run(self) -> None:
        """Run until `stop`."""
        self._ticks.start()
        try:
            async with asyncio.TaskGroup() as group:
                going = [group.create_task(self._keep_going(one), name=one.name) for one in self.stations]
                listening = [group.create_task(self._listen(one, one.news)) for one in self.stations if one.news]
                await asyncio.wait(going)
                for task in listening:
                    task.cancel()
        finally:
            self._ticks.shutdown(wait=False)

    async def _keep_going(self, station: Station) -> None:
        while not self._stopping.is_set():
            station.bell.clear()
            pause = await self._one_pass(station)
            try:
                await asyncio.wait_for(station.bell.wait(), timeout=pause)
            except TimeoutError:
                continue

    async def _listen(self, station: Station, wait_for_news: Callable[[float], Awaitable[bool]]) -> None:
        """Ring the station's bell at news; after a failure the next pass connects anew, later each time."""
        loop, failures = asyncio.get_running_loop(), 0
        while True:
            await station.well.wait()
            began = loop.time()
            try:
                if not await wait_for_news(LISTEN_FOR):
                    continue
            except (TemporaryError, PermanentError) as problem:
                failures = 0 if loop.time() - began > LISTEN_FOR / 2 else failures + 1
                pause = min(FIRST_BACKOFF * 2.0**failures, LAST_BACKOFF) * random.uniform(0.5, 1.5)
                log.info("%s: no news for now: %s; looking again in %.0f s", station.name, problem, pause)
                await asyncio.sleep(pause)
            station.well.clear()
            station.bell.set()

    async def _one_pass(self, station: Station) -> float:
        """Run one pass and return how long to wait, in seconds."""
        try:
            report = await station.worker.run_pass(self._clock.now())
            if report.well:
                station.well.set()
            else:
                station.well.clear()
        except TemporaryError as problem:
            return self._failed(station, f"{problem}", logging.WARNING)
        except PermanentError as problem:
            self._failed(station, f"{problem}", logging.ERROR)
            return LAST_BACKOFF
        except Exception:
            log.exception("%s: a fault of ours; starting again", station.name)
            return self._failed(station, "internal error, see the log", logging.ERROR)
        station.failures, station.last_error = 0, ""
        for name in station.wakes if report.done else ():
            self.wake(name)
        for note in report.notes:
            log.info("%s: %s", station.name, note)
        longest = station.longest_pause.total_seconds()
        if report.next_wake is None:
            return longest
        return min(max((report.next_wake - self._clock.now()).total_seconds(), 0.05), longest)

    def _failed(self, station: Station, sentence: str, level: int) -> float:
        station.failures += 1
        station.well.clear()
        station.last_error = sentence
        pause: float = min(FIRST_BACKOFF * 2.0 ** (station.failures - 1), LAST_BACKOFF)
        log.log(level, "%s: %s; again in %.0f s", station.name, sentence, pause)
        return pause
