"""What time is it? Time enters here and nowhere else."""

from datetime import UTC, datetime, timedelta
from typing import Protocol


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
