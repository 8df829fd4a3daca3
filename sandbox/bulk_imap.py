"""What does a mailbox with very many messages answer? A small IMAP server that makes its messages up from their number.

For load and fault tests: one account, one folder, read-only, no IDLE. `renew` gives the folder another UIDVALIDITY and
every message another UID.
"""

import asyncio
import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

FIRST_AT = datetime(2026, 3, 2, 9, tzinfo=UTC)
_LITERAL = re.compile(rb"\{(\d+)\}\r\n\Z")


def bulk_mail(number: int) -> bytes:
    """Return message `number`; lengths differ, and bodies hold what looks like the protocol."""
    text = b"* %d EXISTS\r\n)\r\n{9}\r\n" % number * (number % 7)
    head = b"From: a%d@example.com\r\nMessage-ID: <%d@example.com>\r\nSubject: %d\r\n\r\n"
    return head % (number, number // 2, number) + text + b"x" * (number % 400) + b"\r\n"  # ids are used twice


class BulkServer:
    """INBOX with messages 0 to `size` - 1; UIDs have gaps."""

    def __init__(self, size: int) -> None:
        self.size, self.uidvalidity, self.visible = size, 1_000, size
        self.uids: Sequence[int] = range(5, 5 + 3 * size, 3)
        self.port = 0
        self._server: asyncio.Server | None = None

    def renew(self) -> None:
        """Give every message another UID, as a restored mailbox does."""
        self.uidvalidity += 1
        self.uids = range(1, 1 + 2 * self.size, 2)

    def listed(self) -> Sequence[int]:
        """Return the UIDs that a client sees now."""
        return self.uids[: self.visible]

    async def start(self) -> int:
        """Listen on a free port of 127.0.0.1 and return it."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return int(self.port)

    async def close(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(b"* OK bulk\r\n")
            while line := await reader.readline():
                while found := _LITERAL.search(line):
                    writer.write(b"+ go on\r\n")
                    line = line[: found.start()] + await reader.readexactly(int(found[1])) + await reader.readline()
                tag, _, rest = line.strip().partition(b" ")
                self._answer(writer, rest.split())
                writer.write(tag + b" OK done\r\n")
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()

    def _answer(self, writer: asyncio.StreamWriter, words: list[bytes]) -> None:
        name = b" ".join(words[:2]).upper() if words[0].upper() == b"UID" else words[0].upper()
        uids = self.listed()
        if name == b"CAPABILITY":
            writer.write(b"* CAPABILITY IMAP4rev1\r\n")
        elif name == b"EXAMINE":
            said = b"* %d EXISTS\r\n* OK [UIDVALIDITY %d] v\r\n* OK [UIDNEXT %d] n\r\n"
            writer.write(said % (len(uids), self.uidvalidity, uids[-1] + 1 if uids else 1))
        elif name == b"UID SEARCH":
            wanted = uids if words[2] != b"UID" else self._between(words[3]) or uids[-1:]
            writer.write(b"* SEARCH " + b" ".join(b"%d" % uid for uid in wanted) + b"\r\n")
        elif name == b"UID FETCH":
            for span in words[2].split(b","):
                for uid in self._between(span):
                    self._fetch(writer, uid, with_body=any(b"BODY" in word for word in words))

    def _between(self, span: bytes) -> Sequence[int]:
        low, _, high = span.partition(b":")
        uids = self.listed()
        last = len(uids) if high == b"*" else bisect_right(uids, int(high or low))
        return uids[bisect_left(uids, int(low)) : last]

    def _fetch(self, writer: asyncio.StreamWriter, uid: int, *, with_body: bool) -> None:
        number = bisect_left(self.uids, uid)
        raw, at = bulk_mail(number), FIRST_AT + timedelta(seconds=number // 100)
        if with_body:
            writer.write(b"* %d FETCH (UID %d BODY[] {%d}\r\n%s)\r\n" % (number + 1, uid, len(raw), raw))
        else:
            facts = (
                f'* {number + 1} FETCH (UID {uid} RFC822.SIZE {len(raw)} INTERNALDATE "{at:%d-%b-%Y %H:%M:%S} +0000"'
            )
            writer.write(facts.encode() + b" FLAGS (\\Recent))\r\n")
