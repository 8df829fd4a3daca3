"""A faulty IMAP server on loopback: it behaves well, except where a test scripts one of its answers."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from inbox.reader import ImapReader
from inbox.settings import ImapSettings

Script = Callable[["Talk", str, bytes], Awaitable[None]]
_LITERAL = re.compile(rb"\{(\d+)\}\r\n$")


@dataclass
class Talk:
    """One connection, as a script sees it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def send(self, *lines: bytes) -> None:
        for line in lines:
            self.writer.write(line + b"\r\n")

    def ok(self, tag: str, text: bytes = b"done") -> None:
        self.send(tag.encode() + b" OK " + text)

    def drop(self) -> None:
        self.writer.transport.abort()

    async def line(self) -> bytes:
        return await self.reader.readline()

    async def forever(self) -> None:
        """Say nothing until the client goes."""
        while await self.reader.read(1000):
            pass


@dataclass
class ScriptedServer:
    """INBOX with `mails`; `scripts` replace the answer to a command, `heard` holds every line of the client."""

    mails: dict[int, bytes] = field(default_factory=dict)
    uidvalidity: int = 7
    greeting: bytes = b"* OK ready"
    capabilities: bytes = b"IMAP4rev1 IDLE"
    scripts: dict[str, Script] = field(default_factory=dict)
    folders: tuple[bytes, ...] = (b'(\\HasNoChildren) "/" INBOX',)
    heard: list[bytes] = field(default_factory=list)
    talks: list[Talk] = field(default_factory=list)
    overlapping: bool = False
    _busy: bool = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talk = Talk(reader, writer)
        self.talks.append(talk)
        try:
            talk.send(self.greeting)
            while line := await self._read_command(talk):
                tag, _, rest = line.partition(b" ")
                words = rest.upper().split()
                name = (b" ".join(words[:2]) if words[:1] == [b"UID"] else words[0]).decode()
                script = self.scripts.get(name)
                if script is not None:
                    await script(talk, tag.decode(), rest.strip())
                else:
                    await self.answer(talk, tag.decode(), name, rest.strip())
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _read_command(self, talk: Talk) -> bytes:
        line = rest = await talk.line()
        while found := _LITERAL.search(rest):
            talk.send(b"+ go on")
            line += await talk.reader.readexactly(int(found[1]))
            rest = await talk.line()
            line += rest
        if line:
            self.heard.append(line)
        return line

    async def answer(self, talk: Talk, tag: str, name: str, rest: bytes) -> None:
        """Answer as a sane server does."""
        self._busy, self.overlapping = True, self.overlapping or self._busy
        await asyncio.sleep(0)  # lets a second command of the client come in, if it sends one
        if name == "CAPABILITY":
            talk.send(b"* CAPABILITY " + self.capabilities)
        elif name in ("EXAMINE", "SELECT"):
            uidnext = max(self.mails, default=0) + 1
            talk.send(b"* %d EXISTS" % len(self.mails), b"* OK [UIDVALIDITY %d] valid" % self.uidvalidity)
            talk.send(b"* OK [UIDNEXT %d] next" % uidnext)
        elif name == "LIST":
            talk.send(*(b"* LIST " + folder for folder in self.folders))
        elif name == "UID SEARCH":
            talk.send(b"* SEARCH " + b" ".join(b"%d" % uid for uid in sorted(self.mails)))
        elif name == "UID FETCH":
            self.fetch(talk, rest)
        elif name == "IDLE":
            talk.send(b"+ idling")
            await talk.line()
        elif name == "LOGOUT":
            talk.send(b"* BYE bye")
        self._busy = False
        talk.ok(tag)

    def fetch(self, talk: Talk, rest: bytes) -> None:
        wanted = read_set(rest.split()[2], self.mails)
        for number, uid in enumerate(sorted(self.mails), 1):
            if uid in wanted:
                talk.send(fetch_answer(number, uid, self.mails[uid], b"BODY" in rest))


def read_set(text: bytes, mails: Mapping[int, bytes]) -> set[int]:
    """Return the UIDs of a sequence set."""
    uids: set[int] = set()
    for span in text.split(b","):
        first, _, last = span.partition(b":")
        uids |= {uid for uid in mails if int(first) <= uid <= int(last or first)}
    return uids


def fetch_answer(number: int, uid: int, raw: bytes, with_body: bool) -> bytes:
    """Return one FETCH answer."""
    facts = b'* %d FETCH (UID %d RFC822.SIZE %d INTERNALDATE " 2-Mar-2026 10:00:00 +0100" FLAGS (\\Recent)'
    said = facts % (number, uid, len(raw))
    return said + (b" BODY[] {%d}\r\n%s)" % (len(raw), raw) if with_body else b")")


@asynccontextmanager
async def running(server: ScriptedServer, **settings: Any) -> AsyncIterator[ImapReader]:
    """Start the server and give a reader for it; all has to be over in ten seconds."""
    async with asyncio.timeout(10):
        started = await asyncio.start_server(server.serve, "127.0.0.1", 0)
        port = started.sockets[0].getsockname()[1]
        reader = make_reader(port, **settings)
        try:
            yield reader
        finally:
            await reader.close()
            for talk in server.talks:
                talk.drop()
            started.close()
            await started.wait_closed()


def make_reader(port: int, **settings: Any) -> ImapReader:
    """Return a reader for a server on this machine; `settings` may name secret, auth and largest too."""
    secret: str = settings.pop("secret", "right")

    async def give() -> str:
        return secret

    auth, largest = settings.pop("auth", "password"), settings.pop("largest", 30_000_000)
    chosen = ImapSettings.model_validate({"host": "127.0.0.1", "port": port, "security": "none", **settings})
    return ImapReader(chosen, "maya@example.com", give, auth, largest=largest)
