"""How does a process die at a chosen point, and how does its parent go on?

A crash point installs a wrapper that dies at its n-th passage. `Reaper` forks one child after another from a warm
parent and kills each, at a crash point or at a random instant.
"""

import gc
import os
import random
import select
import signal
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from outbound.dialogue import Dialogue

LONGEST_CHILD = 180.0  # seconds; a child that lives longer is a fault of the test


def die(left: list[int]) -> None:
    """Count down and kill this process at zero."""
    left[0] -= 1
    if left[0] <= 0:
        os.kill(os.getpid(), signal.SIGKILL)


def around(owner: object, name: str, *, after: bool) -> Callable[[int], None]:
    """Die before or after a plain function: inside the transaction, before its commit."""

    def install(times: int) -> None:
        original, left = getattr(owner, name), [times]

        def wrapped(*args: object, **kwargs: object) -> object:
            if not after:
                die(left)
            result = original(*args, **kwargs)
            if after:
                die(left)
            return result

        setattr(owner, name, wrapped)

    return install


def around_async(
    owner: object, name: str, *, after: bool, of: Callable[[bytes], bool] | None = None
) -> Callable[[int], None]:
    """Die before or after a coroutine; `of` picks by its first argument what counts."""

    def install(times: int) -> None:
        original, left = getattr(owner, name), [times]

        async def wrapped(self: object, *args: object, **kwargs: object) -> object:
            meant = of is None or (isinstance(args[0], bytes) and of(args[0]))
            if meant and not after:
                die(left)
            result = await original(self, *args, **kwargs)
            if meant and after:
                die(left)
            return result

        setattr(owner, name, wrapped)

    return install


def smtp_points() -> dict[str, Callable[[int], None]]:
    """Return the crash points of the dialogue with the server."""
    ask = partial(around_async, Dialogue, "ask")
    return {
        "before MAIL": ask(after=False, of=_begins(b"MAIL")),
        "after MAIL": ask(after=True, of=_begins(b"MAIL")),
        "after RCPT": ask(after=True, of=lambda said: b"RCPT TO:" in said[:1_000]),
        "claim committed, before DATA": ask(after=False, of=_begins(b"DATA")),
        "after 354": ask(after=True, of=_begins(b"DATA")),
        "in the middle of the message": partial(_in_the_message, lambda size: random.randint(0, size)),
        "message handed over, before the answer": partial(_in_the_message, lambda size: size),
        "after an answer, before it is recorded": ask(after=True, of=_is_message),
    }


def _begins(verb: bytes) -> Callable[[bytes], bool]:
    return lambda said: said.startswith(verb)


def _is_message(said: bytes) -> bool:
    return said.endswith(b"\r\n.\r\n")


def _in_the_message(part: Callable[[int], int], times: int) -> None:
    """Die with a part of the message handed over."""
    original, left = Dialogue.ask, [times]

    async def wrapped(self: Dialogue, said: bytes, *more: Any, **named: Any) -> Any:
        if _is_message(said) and left[0] <= 1:
            self._transport.write(said[: part(len(said))])
            os.kill(os.getpid(), signal.SIGKILL)
        left[0] -= _is_message(said)
        return await original(self, said, *more, **named)

    Dialogue.ask = wrapped  # type: ignore[method-assign]


class Reaper:
    """Runs children one after another and counts how they died."""

    def __init__(
        self, points: Mapping[str, Callable[[int], None]], always: Sequence[str], chance: random.Random
    ) -> None:
        self.points = points
        self.always = tuple(always)  # points that every child passes that has everything before it
        self.rehearsed = 0
        self.chance = chance
        self.kills = 0
        self.at_point: Counter[str] = Counter()
        self.life = 0.05  # seconds a child takes to do its work, as seen so far

    def rehearse(self, work: Callable[[], object]) -> None:
        """Kill a child that has everything before it at the next point in turn: one never reached proves nothing."""
        point = self.always[self.rehearsed % len(self.always)]
        self.rehearsed += 1
        if self._run(work, point, 1, at_random=False):
            raise SystemExit(f'the crash point "{point}" is never reached: does its function still exist?')

    def run_child(self, work: Callable[[], object], *, kill: bool, most_passages: int) -> bool:
        """Run one child; returns whether it came to its end alive."""
        name = self.chance.choice([*self.points, *[""] * (len(self.points) // 2)]) if kill else ""
        return self._run(work, name, self.chance.randint(1, most_passages), at_random=kill and not name)

    def _run(self, work: Callable[[], object], name: str, passages: int, *, at_random: bool) -> bool:
        start = time.monotonic()

        def live() -> None:
            gc.disable()  # its life is short
            if name:
                self.points[name](passages)
            work()

        process = fork(live)
        if at_random:
            time.sleep(self.chance.random() * self.life * 1.2)
            os.kill(process, signal.SIGKILL)
        status = wait_for(process)
        killed = os.WIFSIGNALED(status)
        if not killed and os.WEXITSTATUS(status):
            raise SystemExit("a child failed by itself, see above")
        self.kills += killed
        self.at_point[name or "random instant"] += killed
        if not killed:
            self.life = 0.9 * self.life + 0.1 * (time.monotonic() - start)
        return not killed

    def told(self) -> str:
        """Return where the children died, a line each."""
        names = [*self.points, "random instant"]
        return "\n".join(["  killed at:", *(f"    {self.at_point[name]:6d}  {name}" for name in names)])


def fork(work: Callable[[], object]) -> int:
    """Start a child that does this work and no more; returns its number. The parent decides when it ends."""
    gc.freeze()  # what the parent has is not looked at again, so that it need not be copied
    process = os.fork()
    if process:
        return process
    status = 1
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    try:
        work()
        status = 0
    finally:
        os._exit(status)


def wait_for(process: int) -> int:
    """Return the wait status of a child; one that outlives LONGEST_CHILD is killed and ends the run."""
    handle = os.pidfd_open(process)
    try:
        ended, *_ = select.select([handle], [], [], LONGEST_CHILD)
    finally:
        os.close(handle)
    if not ended:
        os.kill(process, signal.SIGKILL)
    _, status = os.waitpid(process, 0)
    if not ended:
        raise SystemExit(f"a child was still alive after {LONGEST_CHILD:.0f} s")
    return status
