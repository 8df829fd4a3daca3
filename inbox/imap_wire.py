"""How does one IMAP connection speak without ever losing its place? aioimaplib's protocol with its parser replaced.

The stock parser recurses, corrupts literals and hides a lost connection. Here bytes are framed once, iteratively: a
response is a list of pieces, text lines and literals in turn. One command at a time (the caller holds a lock); a loss
fails the waiting command at once; nothing is ever logged, because commands carry secrets.
"""

import asyncio
import base64
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from aioimaplib.aioimaplib import IMAP4ClientProtocol

from store.errors import ConnectionLost

LARGEST_LITERAL = 64 * 1024 * 1024
LONGEST_LINE = 1024 * 1024
_LITERAL = re.compile(rb"\{(\d{1,12})\+?\}$")

Pieces = tuple[bytes, ...]
"""A response: text, literal, text, ..."""


@dataclass(slots=True)
class Answer:
    """What a command brought: OK, NO or BAD with its text, and the untagged responses in order."""

    status: str
    text: str
    untagged: list[Pieces] = field(default_factory=list)


class WireProtocol(IMAP4ClientProtocol):  # type: ignore[misc]
    """A connection's framing and its one command in flight."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.greeting: asyncio.Future[bytes] = loop.create_future()
        self.on_untagged: Callable[[Pieces], None] | None = None
        self.lost: ConnectionLost | None = None
        self._buffer = bytearray()
        self._pieces: list[bytes] = []
        self._literal_left: int | None = None
        self._scanned = 0
        self._tag = b""
        self._untagged: list[Pieces] = []
        self._done: asyncio.Future[Answer] | None = None
        self._go_ahead: asyncio.Future[bytes] | None = None

    def data_received(self, d: bytes) -> None:
        """Cut bytes into responses; whatever the server splits or joins, a response comes out whole."""
        self._buffer += d
        try:
            while self._next_piece():
                pass
        except ValueError as broken:
            self._fail(ConnectionLost(f"the IMAP server does not keep to the protocol: {broken}"))

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail whatever waits, at once."""
        self._fail(ConnectionLost(f"the IMAP connection was lost{f': {exc}' if exc else ''}"))

    def eof_received(self) -> bool:
        """Treat a half-closed connection as lost."""
        self._fail(ConnectionLost("the IMAP server closed the connection"))
        return False

    async def run(self, parts: Sequence[bytes], seconds: float) -> Answer:
        """Send a command (text, literal, text, ...) and wait for its tagged answer."""
        if self.lost is not None:
            raise self.lost
        tag = str(self.new_tag()).encode("ascii")
        self._tag, self._untagged, self._done = tag, [], asyncio.get_running_loop().create_future()
        async with asyncio.timeout(seconds):
            for number, part in enumerate(parts):
                if number % 2 == 1:
                    await self.continuation()
                    self.transport.write(part)
                    continue
                last = number + 1 == len(parts)
                if not last:
                    self.expect_continuation()
                marker = b"" if last else b"{%d}" % len(parts[number + 1])
                self.transport.write((tag + b" " if number == 0 else b"") + part + marker + b"\r\n")
            return await self._done

    def expect_continuation(self) -> None:
        """Prepare for the server's `+`."""
        self._go_ahead = asyncio.get_running_loop().create_future()

    async def continuation(self) -> bytes:
        """Wait for the server's `+`; raises ConnectionLost when the command ends without it."""
        if self._go_ahead is None:
            raise ConnectionLost("no continuation was expected")
        return await self._go_ahead

    def write_line(self, line: bytes) -> None:
        """Send a bare line: DONE, or the empty answer to a challenge."""
        self.transport.write(line + b"\r\n")

    def _next_piece(self) -> bool:
        if self._literal_left is not None:
            if len(self._buffer) < self._literal_left:
                return False
            self._pieces.append(bytes(self._buffer[: self._literal_left]))
            del self._buffer[: self._literal_left]
            self._literal_left = None
        end = self._buffer.find(b"\r\n", self._scanned)
        if end < 0:
            self._scanned = max(0, len(self._buffer) - 1)
            if len(self._buffer) > LONGEST_LINE:
                raise ValueError("a line has no end")
            return False
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        self._scanned = 0
        self._pieces.append(line)
        if found := _LITERAL.search(line):
            self._literal_left = int(found[1])
            if self._literal_left > LARGEST_LITERAL:
                raise ValueError("a literal is too large")
            return True
        pieces, self._pieces = tuple(self._pieces), []
        self._take(pieces)
        return True

    def _take(self, pieces: Pieces) -> None:
        head = pieces[0]
        if not self.greeting.done():
            self.greeting.set_result(head)
        elif head.startswith(b"+"):
            if self._go_ahead is not None and not self._go_ahead.done():
                self._go_ahead.set_result(head[2:])
        elif self._tag and head.startswith(self._tag + b" "):
            self._finish(head[len(self._tag) + 1 :])
        elif head.startswith(b"* "):
            untagged = (head[2:], *pieces[1:])
            self._untagged.append(untagged)
            if self.on_untagged is not None:
                self.on_untagged(untagged)
            if head[2:5].upper() == b"BYE" and (self._done is None or self._done.done()):
                self._fail(ConnectionLost("the IMAP server said BYE"))

    def _finish(self, line: bytes) -> None:
        status, _, text = line.partition(b" ")
        if self._go_ahead is not None and not self._go_ahead.done():
            self._go_ahead.set_exception(ConnectionLost("the IMAP server ended the command without asking for more"))
            self._go_ahead.exception()  # seen: it may be that nobody waits
        if self._done is not None and not self._done.done():
            word = status.decode("ascii", "replace").upper()
            self._done.set_result(Answer(word, text.decode("utf-8", "replace"), self._untagged))

    def _fail(self, reason: ConnectionLost) -> None:
        self.lost = self.lost or reason
        for waiting in (self.greeting, self._done, self._go_ahead):
            if waiting is not None and not waiting.done():
                waiting.set_exception(self.lost)
                waiting.exception()  # seen: it may be that nobody waits
        if self.transport is not None:
            self.transport.close()


def quoted(text: str) -> bytes | None:
    """Return a quoted string, None when the text needs a literal (RFC 9051, 4.3)."""
    if not text.isascii() or not text.isprintable() or len(text) > 900:
        return None
    return b'"' + text.replace("\\", "\\\\").replace('"', '\\"').encode("ascii") + b'"'


def folder_name(name: str) -> bytes:
    """Return a mailbox name in modified UTF-7 (RFC 3501, 5.1.3), quoted."""
    out = "".join(
        piece.replace("&", "&-")
        if piece.isascii()
        else "&" + base64.b64encode(piece.encode("utf-16-be")).decode().rstrip("=").replace("/", ",") + "-"
        for piece in re.findall(r"[ -~]+|[^ -~]+", name)
    )
    return b'"' + out.replace("\\", "\\\\").replace('"', '\\"').encode("ascii") + b'"'
