"""How are commands and answers exchanged once the server has let us in? Part of the DOOR, beneath `transport`.

aiosmtplib connects, negotiates TLS and logs in; then its connection is taken over by this protocol, which costs a
third and lets several commands leave in one write (PIPELINING, RFC 2920). It is strict: an answer that nobody asked
for, or that is none, ends the dialogue, because the next one would be taken for the answer to something else.
"""

import asyncio
import re
from collections.abc import Mapping
from typing import cast

import aiosmtplib

from store.errors import TemporaryError

LONGEST_ANSWER = 65_536  # octets that wait to be read
_ANSWER = re.compile(rb"(?:[2-5]\d\d-[^\n]*\n)*([2-5]\d\d)(?:[ \r][^\n]*)?\n")


class DialogueEnded(TemporaryError):
    """The server hung up, was silent for too long, or said what is no answer."""


class Dialogue(asyncio.Protocol):
    """A connection that is logged in; one question at a time."""

    def __init__(self, client: aiosmtplib.SMTP, timeout: float) -> None:
        if client.transport is None:
            raise DialogueEnded("the connection was lost")
        self.extensions: Mapping[str, str] = dict(client.esmtp_extensions)
        self._client = client  # closes the socket with its last reference
        self._transport = cast(asyncio.Transport, client.transport)  # uvloop's is one without being called so
        self._timeout = timeout
        self._loop = asyncio.get_running_loop()
        self._buffer = bytearray()
        self._answers: list[tuple[int, str]] = []
        self._wanted = 0
        self._waiter: asyncio.Future[None] | None = None
        self._ended = ""
        self._transport.set_protocol(self)

    @property
    def is_open(self) -> bool:
        """Tell whether the connection can still be asked something."""
        return not self._ended and not self._transport.is_closing()

    async def ask(self, said: bytes, answers: int = 1, patience: float | None = None) -> list[tuple[int, str]]:
        """Write, and return so many answers as (code, text); fewer when the connection ends after the first.

        Raises DialogueEnded when there was not even one. `patience` is in seconds, for all answers together.
        """
        if not self.is_open:
            raise DialogueEnded(self._ended or "the connection was lost")
        self._answers, self._wanted = [], answers
        self._waiter = self._loop.create_future()
        timer = self._loop.call_later(patience or self._timeout, self._end, "no answer in time")
        try:
            self._transport.write(said)
            await self._waiter
        finally:
            timer.cancel()
            self._waiter = None
        if not self._answers:
            raise DialogueEnded(self._ended)
        return self._answers

    async def quit(self) -> None:
        """Say goodbye and close."""
        try:
            await self.ask(b"QUIT\r\n", patience=5)
        except DialogueEnded:
            pass
        finally:
            self.close()

    def close(self) -> None:
        """Close at once."""
        self._end("closed")

    def data_received(self, data: bytes) -> None:
        """Collect answers; wake whoever asked when all are there."""
        self._buffer += data
        while found := _ANSWER.match(self._buffer):
            self._answers.append((int(found[1]), "\n".join(_text(line) for line in found[0].split(b"\n")[:-1])))
            del self._buffer[: len(found[0])]
        waits = self._waiter is not None and not self._waiter.done()
        complete = len(self._answers) >= self._wanted
        if not waits or _no_answer(self._buffer) or (complete and (self._buffer or len(self._answers) > self._wanted)):
            del self._answers[self._wanted :]
            self._end("the server said what it was not asked")
        elif complete and self._waiter is not None:
            self._waiter.set_result(None)

    def connection_lost(self, problem: Exception | None) -> None:
        """Note that nothing more will be said."""
        self._end(str(problem or "the server hung up"))

    def _end(self, why: str) -> None:
        self._ended = self._ended or why
        self._client.close()
        self._transport.close()
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def _text(line: bytes) -> str:
    return line[4:].strip(b" \t\r\n").decode("utf-8", "surrogateescape")


def _no_answer(rest: bytearray) -> bool:
    """Tell whether what waits can never become an answer: too long, or a line that does not begin with a code."""
    line = rest[: rest.find(b"\n") + 1]
    return len(rest) > LONGEST_ANSWER or (bool(line) and not re.match(rb"[2-5]\d\d[ \r\n-]", line))
