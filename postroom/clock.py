"""What time is it? Time enters here and nowhere else."""

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

LARGEST_JUMP = timedelta(minutes=15)


class Clock(Protocol):
    """The seam: an aware UTC instant."""

    def now(self) -> datetime:
        """Return the present instant."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the present instant."""
        return datetime.now(UTC)


class ClockWatch:
    """Notices when the machine's clock was set: by a wrong time source, or because a snapshot of the machine woke up.

    Sleep is no jump: the clock since boot goes on through it.
    """

    def __init__(self) -> None:
        self._start = self._offset()

    def reason(self) -> str:
        """Return a hold reason once the clock is more than a quarter of an hour off since the start."""
        return "clock-jumped" if abs(self._offset() - self._start) > LARGEST_JUMP.total_seconds() else ""

    def _offset(self) -> float:
        since_boot = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
        return time.time() - time.clock_gettime(since_boot)


class SteppedClock:
    """A clock that only moves when told to: the demo's and the simulator's."""

    def __init__(self, start: datetime) -> None:
        self._now = start

    def now(self) -> datetime:
        """Return the instant it was last set to."""
        return self._now

    def advance(self, span: timedelta) -> None:
        """Move forward."""
        self._now += span

    def set(self, at: datetime) -> None:
        """Move to an instant that is not before the present one."""
        self._now = max(self._now, at)
