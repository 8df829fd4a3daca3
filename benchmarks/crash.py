"""How does a process kill itself at a chosen point? A crash point installs a wrapper that dies at its n-th passage.

`wait_for` is what the parent does meanwhile.
"""

import os
import random
import signal
import time
from collections.abc import Callable

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


def around_async(owner: object, name: str, *, after: bool, verb: bytes = b"") -> Callable[[int], None]:
    """Die before or after a coroutine; with a verb, only of this SMTP command."""

    def install(times: int) -> None:
        original, left = getattr(owner, name), [times]

        async def wrapped(self: object, *args: object, **kwargs: object) -> object:
            meant = not verb or (args and args[0] == verb)
            if meant and not after:
                die(left)
            result = await original(self, *args, **kwargs)
            if meant and after:
                die(left)
            return result

        setattr(owner, name, wrapped)

    return install


def in_the_body(times: int) -> None:
    """Die with a part of the message handed over."""
    from aiosmtplib.protocol import SMTPProtocol

    original, left = SMTPProtocol.write, [times]

    def wrapped(self: SMTPProtocol, text: bytes) -> None:
        if text.endswith(b"\r\n.\r\n") and left[0] <= 1:
            original(self, text[: random.randint(0, len(text))])
            os.kill(os.getpid(), signal.SIGKILL)
        left[0] -= text.endswith(b"\r\n.\r\n")
        original(self, text)

    SMTPProtocol.write = wrapped  # type: ignore[method-assign,assignment]


def wait_for(process: int) -> int:
    """Return the wait status of a child; one that outlives LONGEST_CHILD is killed and ends the run."""
    deadline = time.monotonic() + LONGEST_CHILD
    while time.monotonic() < deadline:
        found, status = os.waitpid(process, os.WNOHANG)
        if found:
            return status
        time.sleep(0.001)
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    raise SystemExit(f"a child was still alive after {LONGEST_CHILD:.0f} s")
