"""What does a submission server look like that drops, delays and loses its answers? A small SMTP server with faults.

It keeps what it accepted and when it shows in Sent. `faults` says what goes wrong with one transaction; for processes
that test from outside, the port also answers XTIME, XFIND and XTAKE.
"""

import asyncio
import json
import random
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.parser import BytesHeaderParser
from enum import StrEnum

READ_LIMIT = 20_000_000  # bytes of one line or message


class Fault(StrEnum):
    """What goes wrong with one transaction."""

    NONE = "none"
    DROP_AT_MAIL = "drop-at-mail"  #: closed instead of an answer to MAIL
    DROP_AT_RCPT = "drop-at-rcpt"
    DROP_AT_DATA = "drop-at-data"  #: closed instead of 354
    DROP_IN_BODY = "drop-in-body"  #: closed before the final dot is read: not accepted
    LOSE_ANSWER = "lose-answer"  #: accepted, then closed without an answer
    LATE_ANSWER = "late-answer"  #: accepted, answered after `delay`
    LATER_AT_RCPT = "later-at-rcpt"  #: 451
    LATER_AT_DOT = "later-at-dot"  #: 451 after the message: not accepted
    NEVER_AT_DOT = "never-at-dot"  #: 554 after the message: not accepted


@dataclass(slots=True)
class Accepted:
    """One message that was taken."""

    message_id: str
    mail_from: str
    recipient: str
    raw: bytes
    at: datetime
    seen_at: datetime  #: when a search of Sent finds it
    options: str = ""  #: of MAIL


@dataclass(slots=True)
class Relay:
    """A server on loopback; use `start` and `close`."""

    faults: Callable[[], Fault] = lambda: Fault.NONE
    lag: Callable[[], timedelta] = timedelta
    delay: float = 0.05  #: seconds of a late answer
    extensions: tuple[str, ...] = ("PIPELINING", "SIZE 10000000", "8BITMIME", "SMTPUTF8")
    answers: dict[str, str] = field(default_factory=dict)  #: verb -> answer instead of the usual one
    login: Callable[[str, str], str] | None = None  #: (mechanism, decoded words) -> answer
    tls: ssl.SSLContext | None = None
    implicit_tls: bool = False
    accepted: list[Accepted] = field(default_factory=list)
    connections: int = 0
    now: datetime = datetime(2026, 3, 2, 9, tzinfo=UTC)
    _server: asyncio.Server | None = None
    _tasks: set["asyncio.Task[None]"] = field(default_factory=set)

    async def start(self, host: str = "127.0.0.1") -> int:
        """Listen on a free port and return it."""
        tls = self.tls if self.implicit_tls else None
        self._server = await asyncio.start_server(self._connected, host, 0, limit=READ_LIMIT, ssl=tls)
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Stop listening and drop every connection."""
        if self._server is not None:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def shows(self, message_id: str) -> bool:
        """Tell whether a search of Sent finds this message now."""
        return any(one.message_id == message_id and one.seen_at <= self.now for one in self.accepted)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.create_task(_Session(self, reader, writer).talk())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class _Dropped(Exception):
    """The server hangs up."""


class _Session:
    def __init__(self, relay: Relay, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._relay, self._reader, self._writer = relay, reader, writer
        self._mail_from, self._recipient, self._options, self._fault = "", "", "", Fault.NONE

    async def talk(self) -> None:
        """Answer until the other side leaves or a fault hangs up."""
        try:
            await self._say("220 relay ready")
            while line := await self._reader.readline():
                await self._answer(line.decode("utf-8", "replace").strip())
        except (_Dropped, ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass
        finally:
            with suppress(ConnectionError, ssl.SSLError):
                await self._writer.drain()
            self._writer.close()

    async def _say(self, text: str) -> None:
        self._writer.write(f"{text}\r\n".encode())
        await self._writer.drain()

    async def _answer(self, line: str) -> None:
        verb, _, words = line.partition(" ")
        verb = verb.upper()
        if verb in self._relay.answers:
            await self._say(self._relay.answers[verb])
            if self._relay.answers[verb].startswith("421"):
                raise _Dropped
            return
        match verb:
            case "EHLO":
                offered = [*self._relay.extensions]
                offered += ["AUTH PLAIN LOGIN XOAUTH2"] if self._relay.login else []
                encrypted = self._writer.get_extra_info("sslcontext") is not None
                offered += ["STARTTLS"] if self._relay.tls and not encrypted else []
                lines = ["relay", *offered]
                await self._say("\r\n".join(f"250{'-' if one is not lines[-1] else ' '}{one}" for one in lines))
            case "STARTTLS":
                await self._say("220 go ahead")
                await self._writer.start_tls(self._relay.tls, ssl_handshake_timeout=5.0)  # type: ignore[arg-type]
            case "AUTH":
                await self._log_in(words)
            case "MAIL":
                await self._begin(words)
            case "RCPT":
                await self._recipient_named(words)
            case "DATA":
                await self._take()
            case "XTIME":
                self._relay.now = datetime.fromisoformat(words)
                await self._say("250 set")
            case "XFIND":
                await self._say("250 found" if self._relay.shows(words) else "550 not found")
            case "XTAKE":
                taken = [(one.message_id, one.recipient) for one in self._relay.accepted]
                self._relay.accepted.clear()
                await self._say(f"250 {json.dumps(taken)}")
            case "QUIT":
                await self._say("221 bye")
                raise _Dropped
            case _:
                await self._say("250 ok")

    async def _log_in(self, words: str) -> None:
        mechanism, _, said = words.partition(" ")
        if mechanism == "LOGIN":
            await self._say("334 UGFzc3dvcmQ6")
            said += " " + (await self._reader.readline()).decode().strip()
        answer = self._relay.login(mechanism, said) if self._relay.login else "502 no login here"
        await self._say(answer)
        if answer.startswith("334"):  # XOAUTH2: the reason; an empty line follows
            await self._reader.readline()
            await self._say("535 5.7.8 access token refused")

    async def _begin(self, words: str) -> None:
        self._fault = self._relay.faults()
        if self._fault == Fault.DROP_AT_MAIL:
            raise _Dropped
        address, _, self._options = words.partition("<")[2].partition(">")
        self._mail_from = address
        await self._say("250 ok")

    async def _recipient_named(self, words: str) -> None:
        if self._fault == Fault.DROP_AT_RCPT:
            raise _Dropped
        if self._fault == Fault.LATER_AT_RCPT:
            await self._say("451 4.2.0 come back later")
            return
        self._recipient = words.partition("<")[2].partition(">")[0]
        await self._say("250 ok")

    async def _take(self) -> None:
        if self._fault == Fault.DROP_AT_DATA:
            raise _Dropped
        await self._say("354 go on")
        if self._fault == Fault.DROP_IN_BODY:
            await self._reader.read(random.randint(1, 200))
            raise _Dropped
        wire = await self._reader.readuntil(b"\r\n.\r\n")
        if self._fault == Fault.LATER_AT_DOT:
            await self._say("451 4.3.0 not now")
            return
        if self._fault == Fault.NEVER_AT_DOT:
            await self._say("554 5.6.0 not this one")
            return
        raw = wire[:-3].replace(b"\r\n..", b"\r\n.")
        message_id = str(BytesHeaderParser().parsebytes(raw)["Message-ID"])
        seen_at = self._relay.now + self._relay.lag()
        self._relay.accepted.append(
            Accepted(message_id, self._mail_from, self._recipient, raw, self._relay.now, seen_at, self._options.strip())
        )
        if self._fault == Fault.LOSE_ANSWER:
            raise _Dropped
        if self._fault == Fault.LATE_ANSWER:
            await asyncio.sleep(self._relay.delay)
        await self._say("250 2.0.0 queued as 4711")
