"""How does aioimaplib survive real servers? Its protocol with framing, loss, literals and logins written anew.

aioimaplib keeps the commands, their states and tags. Replaced here: framing (iterative, linear, literals never looked
into), every way a connection can end (each fails the pending command at once), continuations, and all logging of what
goes over the wire. One command at a time: whoever uses a protocol holds a lock. After any failure it is dead.
"""

import asyncio
import contextlib
import re
import socket
from base64 import b64encode
from collections import deque

from aioimaplib.aioimaplib import AUTH, SELECTED, Command, CommandTimeout, IMAP4ClientProtocol, Response

from inbox.imap_syntax import LITERAL, Answer, Octets
from store.errors import ConnectionLost

HELD_MAX = 256 * 1024 * 1024  # octets that one command's answers may occupy
UPLOAD_RATE = 20_000  # octets a second that an upload is granted at least
_STATUS = re.compile(rb"\* (?:OK|NO|BAD|BYE|PREAUTH)\b", re.IGNORECASE)
_NEWS = re.compile(rb"\* (?:\d+ (?:EXISTS|EXPUNGE)|VANISHED)\b", re.IGNORECASE)
_KEEPALIVE = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 20, "TCP_KEEPCNT": 4}  # seconds, seconds, probes


class ImapProtocol(IMAP4ClientProtocol):  # type: ignore[misc]
    """One connection; `patience` is the longest silence in seconds, `literal_max` the octets kept of one literal."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, server: str, patience: float, literal_max: int = HELD_MAX
    ) -> None:
        super().__init__(loop)
        self.failure = ""  #: why the connection is dead; empty while it lives
        self.greeting = b""
        self.greeted, self.closed = asyncio.Event(), asyncio.Event()
        self.woken = asyncio.Event()  #: set by news, by a failure, and by whoever wants the connection to end its IDLE
        self.news = False  #: messages came or went
        self.misstates_sizes = False  #: RFC822.SIZE and the literal differed, and again
        self.challenge = b""  #: what the server asked when we had nothing more to say: the reason of a refusal
        self.literal_data: bytes | None = None  # what APPEND sends
        self._server, self._patience, self._literal_max = server, patience, literal_max
        self._buffer = bytearray()
        self._searched = 0  # octets of the buffer that are known to hold no line end
        self._answer: list[bytes | Octets] = []
        self._literal = Octets()
        self._literal_left = 0
        self._held = 0
        self._replies: deque[bytes] = deque()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the path through NATs alive."""
        super().connection_made(transport)
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _KEEPALIVE.items():
            if hasattr(socket, name):
                sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)

    def data_received(self, data: bytes) -> None:
        """Cut the stream into answers; every octet is looked at once."""
        if command := self._command:
            command._reset_timer()
        self._buffer += data
        position = 0
        while not self.failure:
            if self._literal_left:
                if position == len(self._buffer):
                    break
                position += self._take_literal(self._buffer[position : position + self._literal_left])
                continue
            end = self._buffer.find(b"\r\n", max(position, self._searched - 1))
            if end < 0:
                break
            self._take_line(bytes(self._buffer[position:end]))
            position = end + 2
        del self._buffer[:position]
        self._searched = len(self._buffer)
        if self._held + self._searched > HELD_MAX:
            self.fail(f"the server sent more than {HELD_MAX} octets in one answer")

    def _take_literal(self, chunk: bytearray) -> int:
        kept = chunk[: max(0, self._literal_max - len(self._literal))]
        self._literal += kept
        self._held += len(kept)
        self._literal_left -= len(chunk)
        return len(chunk)

    def _take_line(self, line: bytes) -> None:
        self._held += len(line)
        self._answer.append(line)
        first = self._answer[0]
        marker = LITERAL.search(line) if line.endswith(b"}") else None
        if marker and first.startswith(b"* ") and not _STATUS.match(first):  # human text may end in "{5}" too
            self._literal = Octets()
            self._literal_left = self._literal.size = int(marker[1])
            self._answer.append(self._literal)
            return
        answer, self._answer = self._answer, []
        self._dispatch(line, answer)

    def _dispatch(self, line: bytes, answer: list[bytes | Octets]) -> None:
        first, command = answer[0], self._command
        if not self.greeted.is_set():
            self.greeting = line
            self.greeted.set()
        elif first.startswith(b"* "):
            self._take_untagged(answer)
        elif line.startswith(b"+"):
            self._continuation(line)
        elif command is not None and line.startswith(command.tag.encode() + b" "):
            self._finish(command, line)
        elif line:
            self.fail("the server sent a line that answers no command")

    def _take_untagged(self, answer: list[bytes | Octets]) -> None:
        first = bytes(answer[0])
        if first[:5].upper() == b"* BYE":
            self.fail(f"the server said goodbye: {first[6:206].decode('utf-8', 'replace')}")
            return
        if _NEWS.match(first):
            self.news = True
            self.woken.set()
        if command := self._command:
            command.append_to_resp([first[2:], *answer[1:]])

    def _finish(self, command: Command, line: bytes) -> None:
        self.pending_sync_command = None
        self.pending_async_commands.clear()
        if command.name == "EXAMINE":
            self.news = False  # how many messages there are was its answer, not news
        _, _, status = line.partition(b" ")
        result, _, text = status.partition(b" ")
        command.close(text, result=result.decode("ascii", "replace").upper())
        self._idle_event.set()
        self.woken.set()

    def _continuation(self, line: bytes) -> None:
        name = self._command.name if self._command else ""
        if name in ("LOGIN", "AUTHENTICATE"):
            if not self._replies:
                self.challenge = line[1:].strip()  # XOAUTH2 says why it refuses, and waits for an empty line
            self.transport.write((self._replies.popleft() if self._replies else b"") + b"\r\n")
        elif name == "APPEND" and self.literal_data is not None:
            self.transport.write(self.literal_data + b"\r\n")
            self.literal_data = None
        elif name == "IDLE":
            self._idle_event.set()

    def send(self, line: str, scrub: str | None = None) -> None:
        """Write a line; never logs it."""
        if self.failure:
            raise ConnectionLost(self.failure)
        self.transport.write(f"{line}\r\n".encode())

    def fail(self, reason: str) -> None:
        """End the connection; whoever waits for an answer hears of it at once."""
        if not self.failure:
            self.failure = f"{self._server}: {reason}"
            self._buffer.clear()
            self._answer.clear()
            if command := self._command:
                command._exception = ConnectionLost(self.failure)
                command.close(b"", "KO")
            self.greeted.set()
            self._idle_event.set()
            self.woken.set()
            if self.transport is not None:
                self.transport.abort()

    def eof_received(self) -> None:
        """Fail what waits, even while our own octets still wait to be taken."""
        self.fail("the server closed the connection")

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail what waits."""
        self.fail(f"connection lost: {exc}" if exc else "the connection was closed")
        self.closed.set()

    async def execute(self, command: Command, scrub: str | None = None) -> Response:
        """Run one command; raises ConnectionLost when the server is silent for too long or goes away."""
        if self.failure:
            raise ConnectionLost(self.failure)
        self._held = 0
        command._timeout = self._patience + len(self.literal_data or b"") / UPLOAD_RATE
        command._reset_timer()
        try:
            return await super().execute(command)
        except CommandTimeout:  # its text is the command line
            raise ConnectionLost(f"{self._server}: no answer to {command.name} in {self._patience:.0f} s") from None

    async def examine(self, folder: str) -> Response:
        """EXAMINE a folder, its name quoted and encoded; no folder is selected after a refusal."""
        with_modseq = ["(CONDSTORE)"] if {"CONDSTORE", "QRESYNC"} & self.capabilities else []
        response = await self.simple_command("EXAMINE", folder, *with_modseq)
        self.state = SELECTED if response.result == "OK" else AUTH
        return response

    async def capability(self) -> None:
        """Ask what the server can do; upper-case words in `capabilities`."""
        response = await self.execute(Command("CAPABILITY", self.new_tag(), loop=self.loop))
        lines = [line.decode("ascii", "replace").upper().split() for line in first_lines(response)]
        self.capabilities = {word for words in lines if words[:1] == ["CAPABILITY"] for word in words[1:]}

    async def authenticate(self, mechanism: str, secret: str) -> Response:
        """AUTHENTICATE with one response (RFC 4616 and XOAUTH2)."""
        self._replies = deque([b64encode(secret.encode())])
        return await self._log_in(Command("AUTHENTICATE", self.new_tag(), mechanism, loop=self.loop))

    async def login(self, user: str, password: str) -> Response:
        """LOGIN with literals: any character may occur, and none stands in a command line."""
        name, secret = user.encode(), password.encode()
        self._replies = deque([name + b" {%d}" % len(secret), secret])
        return await self._log_in(Command("LOGIN", self.new_tag(), f"{{{len(name)}}}", loop=self.loop))

    async def _log_in(self, command: Command) -> Response:
        response = await self.execute(command)
        self._replies.clear()
        if response.result == "OK":
            self.state = AUTH
        return response

    async def idle_for(self, seconds: float) -> bool:
        """IDLE until news, a failure, `woken`, or `seconds` have passed (RFC 2177); False if the server refused."""
        if self.news:  # told since the folder was opened: the server will not say it again
            return True
        self.woken.clear()
        self._held = 0
        self._idle_event.clear()
        command = Command("IDLE", self.new_tag(), loop=self.loop)
        self.send(str(command))
        self.pending_sync_command = command
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.woken.wait()
        async with asyncio.timeout(self._patience):
            await self._idle_event.wait()  # DONE before the server's "+" would be a command of its own
            if self._command is command:
                self.idle_done()
            await command.wait()
        return bool(command.response.result == "OK")

    def forget_plaintext(self) -> None:
        """Drop whatever was said before TLS began."""
        self._buffer.clear()
        self._answer.clear()
        self.capabilities = set()

    async def hang_up(self) -> None:
        """Say LOGOUT and close, without waiting for the answer."""
        if not self.failure:
            self.send(f"{self.new_tag()} LOGOUT")
            self.transport.close()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(2):
                    await self.closed.wait()
            self.fail("closed by us")

    @property
    def _command(self) -> Command | None:
        return self.pending_sync_command or next(iter(self.pending_async_commands.values()), None)


def first_lines(response: Response) -> list[bytes]:
    """Return the line of each untagged answer, without its literals."""
    answers: list[Answer] = response.lines[:-1]
    return [bytes(answer[0]) for answer in answers]
