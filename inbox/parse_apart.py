"""DOOR: what if reading a message takes all memory or never ends? It is read in a process that may die.

One child for all messages, started when first needed and anew after each death. It holds no secret and no open file,
has a memory and a CPU limit of its own, and is killed when an answer takes too long. Frames on its standard input and
output: eight octets of length, then a raw message, or its `ParsedMail` as JSON.
"""

import asyncio
import json
import logging
import os
import subprocess
import sys
import threading
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from inbox.parse import ParsedMail, parse_mail
from store.errors import ParseRefused

MEMORY_MAX = 1024 * 1024 * 1024  # octets of address space; the largest message takes a quarter of it
CPU_MAX = 10  # seconds for one message
PATIENCE = 60.0  # seconds until an answer, however busy the machine is
_LENGTH = 8
_ROOT = str(Path(__file__).parents[1])
log = logging.getLogger("postroom.inbox")


class ParsingProcess:
    """Reads messages one at a time in a child process; `close` ends it."""

    def __init__(self, *, patience: float = PATIENCE) -> None:
        self._patience = patience
        self._child: subprocess.Popen[bytes] | None = None
        self._turn = threading.Lock()

    async def parse(self, raw: bytes) -> ParsedMail | None:
        """Read a message; None when the child died of it. Raises ParseRefused as `parse_mail` does."""
        return await asyncio.to_thread(self.parse_now, raw)

    def parse_now(self, raw: bytes) -> ParsedMail | None:
        """Read a message in this thread's time."""
        with self._turn:
            child = self._child or self._start()
            given, taken = child.stdin, child.stdout
            if given is None or taken is None:
                raise AssertionError("both ends are pipes")
            watchdog = threading.Timer(self._patience, child.kill)
            watchdog.start()
            try:
                _write_frame(given, raw)
                answer = _read_frame(taken)
            except BrokenPipeError:
                answer = None
            finally:
                watchdog.cancel()
            if answer is None:
                self._end()
                log.warning("reading a message of %d octets ended its process: %s", len(raw), child.returncode)
                return None
        return _read_answer(answer)

    def close(self) -> None:
        """End the child."""
        with self._turn:
            self._end()

    def _start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "inbox.parse_apart"]
        bare = {"PYTHONPATH": _ROOT, "PYTHONDONTWRITEBYTECODE": "1"}
        self._child = subprocess.Popen(  # noqa: S603 - our own module
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=bare, cwd="/"
        )
        return self._child

    def _end(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child.communicate()
            self._child = None


def _write_frame(stream: IO[bytes], frame: bytes) -> None:
    stream.write(len(frame).to_bytes(_LENGTH, "big"))
    stream.write(frame)
    stream.flush()


def _read_frame(stream: IO[bytes]) -> bytes | None:
    head = stream.read(_LENGTH)
    length = int.from_bytes(head, "big")
    frame = stream.read(length) if len(head) == _LENGTH else b""
    return frame if len(head) == _LENGTH and len(frame) == length else None


def _write_answer(raw: bytes) -> bytes:
    try:
        found: dict[str, Any] = asdict(parse_mail(raw))
    except ParseRefused as problem:
        found = {"refused": str(problem)}
    return json.dumps(found, default=_write_instant).encode("ascii")


def _write_instant(value: object) -> dict[str, str]:
    if isinstance(value, datetime):
        return {"at": value.isoformat()}
    raise TypeError(f"a ParsedMail cannot hold {type(value)}")


def _read_answer(answer: bytes) -> ParsedMail:
    found: dict[str, Any] = json.loads(answer)
    if "refused" in found:
        raise ParseRefused(found["refused"])
    return ParsedMail(**{name: _read_value(value) for name, value in found.items()})


def _read_value(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_read_value(one) for one in value)
    return datetime.fromisoformat(value["at"]) if isinstance(value, dict) else value


def main() -> None:
    """Be the child: answer frames until the input ends."""
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_MAX, MEMORY_MAX))
    for limit in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE):
        resource.setrlimit(limit, (0, 0))
    given, taken = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    while (raw := _read_frame(given)) is not None:
        used = resource.getrusage(resource.RUSAGE_SELF)
        limit = int(used.ru_utime + used.ru_stime) + CPU_MAX + 1
        resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.RLIM_INFINITY))  # SIGXCPU ends the process
        _write_frame(taken, _write_answer(raw))


if __name__ == "__main__":
    main()
