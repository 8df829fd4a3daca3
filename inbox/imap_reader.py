"""Which messages are new in a folder? DOOR: IMAP, read-only (EXAMINE, BODY.PEEK), through the hardened protocol.

One connection, one lock. After any timeout, cancellation or anomaly the connection is closed and the next call opens a
new one and looks at UIDVALIDITY again. IDLE only wakes up; polling decides.
"""

import asyncio
import base64
import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol, TypeVar

from inbox.imap_wire import Answer, Pieces, WireProtocol, folder_name, quoted
from inbox.settings import ImapSettings
from store.errors import AuthenticationFailed, ConnectionLost, PermanentError, TlsFailed

T = TypeVar("T")
LARGEST = 30 * 1024 * 1024
IDLE_SECONDS = 8 * 60.0  # before the nine minutes after which routers forget a connection
_FETCH = re.compile(rb"^(\d+) FETCH \(")
_UID = re.compile(rb"\bUID (\d+)")
_SIZE = re.compile(rb"\bRFC822\.SIZE (\d+)")
_INTERNAL = re.compile(rb'\bINTERNALDATE "([^"]{20,32})"')
_FLAGS = re.compile(rb"\bFLAGS \(([^)]*)\)")
_VALIDITY = re.compile(rb"\[UIDVALIDITY (\d+)\]", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a folder has been read."""

    mailbox: str
    folder: str
    uidvalidity: int | None
    last_uid: int


@dataclass(frozen=True, slots=True)
class FetchedMail:
    """One message as the server holds it."""

    folder: str
    uidvalidity: int
    uid: int
    internal_at: datetime
    flags: tuple[str, ...]
    raw: bytes
    truncated: bool  #: too large: only the header was fetched
    size: int


@dataclass(frozen=True, slots=True)
class FetchBatch:
    """What one look at a folder brought."""

    folder: str
    uidvalidity: int
    mails: tuple[FetchedMail, ...]
    more: bool
    validity_changed: bool


class Reader(Protocol):
    """The seam: a mailbox that can be read."""

    async def fetch_since(
        self, cursor: Cursor, *, known_uids: Collection[int] = (), limit: int = 100
    ) -> FetchBatch | None:
        """Return new messages in UID order, None when the folder does not exist."""
        ...

    async def list_uids(self, folder: str) -> tuple[int, tuple[int, ...]] | None:
        """Return (UIDVALIDITY, every UID), None when the folder does not exist."""
        ...

    async def wait_for_news(self, folder: str, seconds: float) -> bool:
        """Wait with IDLE until something may have happened; a hint only."""
        ...

    async def find_in_sent(self, message_id: str) -> bool | None:
        """Tell whether the Sent folder holds a Message-ID, None when there is no such folder."""
        ...

    async def close(self) -> None:
        """Close the connection."""
        ...


class ImapReader:
    """Reads one mailbox over one connection."""

    def __init__(
        self, settings: ImapSettings, username: str, secret: Callable[[], Awaitable[str]], auth: str = "password"
    ) -> None:
        self._settings = settings
        self._username = username
        self._secret = secret
        self._auth = auth
        self._timeout = settings.timeout.total_seconds()
        self._lock = asyncio.Lock()
        self._protocol: WireProtocol | None = None
        self._selected = ""
        self._capabilities: frozenset[str] = frozenset()

    async def fetch_since(
        self, cursor: Cursor, *, known_uids: Collection[int] = (), limit: int = 100
    ) -> FetchBatch | None:
        """Return messages above the cursor and unknown ones of the trailing window, oldest UID first."""
        async with self._lock:
            return await self._guarded(self._fetch(cursor, known_uids, limit))

    async def list_uids(self, folder: str) -> tuple[int, tuple[int, ...]] | None:
        """Return (UIDVALIDITY, every UID), None when the folder does not exist."""
        async with self._lock:
            return await self._guarded(self._list(folder))

    async def find_in_sent(self, message_id: str) -> bool | None:
        """Tell whether the Sent folder holds a Message-ID, None when there is no such folder."""
        async with self._lock:
            return await self._guarded(self._find(message_id))

    async def wait_for_news(self, folder: str, seconds: float) -> bool:
        """Wait with IDLE until something may have happened; a hint only."""
        async with self._lock:
            return await self._guarded(self._idle(folder, min(seconds, IDLE_SECONDS)))

    async def append_sent(self, raw: bytes) -> bool:
        """Copy a sent message into the Sent folder; False when there is none."""
        if not self._settings.sent:
            return False
        async with self._lock:
            command = [b"APPEND " + folder_name(self._settings.sent) + b" (\\Seen) ", raw, b""]
            return (await self._guarded(self._run(command))).status == "OK"

    async def close(self) -> None:
        """Close the connection."""
        self._drop()

    async def _guarded(self, work: Awaitable[T]) -> T:
        """Run one piece of work; after any trouble the connection is not used again."""
        try:
            return await work
        except TimeoutError as late:
            self._drop()
            raise ConnectionLost(f"{self._settings.host} did not answer within {self._timeout:.0f} s") from late
        except BaseException:
            self._drop()
            raise

    async def _fetch(self, cursor: Cursor, known: Collection[int], limit: int) -> FetchBatch | None:
        validity = await self._examine(cursor.folder)
        if validity is None:
            return None
        changed = cursor.uidvalidity not in (None, validity)
        last = 0 if changed or cursor.uidvalidity is None else cursor.last_uid
        have = () if changed else known
        low = max(1, last - self._settings.window + 1) if last else 1
        answer = await self._ok([b"UID SEARCH UID %d:*" % low], "search")
        wanted = sorted(uid for uid in _search_result(answer) if uid not in have and (uid > last or uid >= low))
        chosen = wanted[:limit]
        mails = await self._fetch_uids(cursor.folder, validity, chosen) if chosen else ()
        return FetchBatch(cursor.folder, validity, mails, len(wanted) > limit, changed)

    async def _fetch_uids(self, folder: str, validity: int, uids: Sequence[int]) -> tuple[FetchedMail, ...]:
        items = b"UID RFC822.SIZE INTERNALDATE FLAGS"
        answer = await self._ok([b"UID FETCH %s (%s)" % (_uid_set(uids), items)], "fetch")
        sizes = {}
        for pieces in answer.untagged:
            uid, size = _UID.search(pieces[0]), _SIZE.search(pieces[0])
            if uid and size:
                sizes[int(uid[1])] = int(size[1])
        mails: list[FetchedMail] = []
        for section, chosen in (
            (b"BODY.PEEK[]", [uid for uid in uids if uid in sizes and sizes[uid] <= LARGEST]),
            (b"BODY.PEEK[HEADER]", [uid for uid in uids if uid in sizes and sizes[uid] > LARGEST]),
        ):
            if chosen:
                answer = await self._ok([b"UID FETCH %s (%s %s)" % (_uid_set(chosen), items, section)], "fetch")
                found = (_mail(folder, validity, pieces, section, sizes) for pieces in answer.untagged)
                mails.extend(mail for mail in found if mail is not None and mail.uid in chosen)
        return tuple(sorted({mail.uid: mail for mail in mails}.values(), key=lambda mail: mail.uid))

    async def _list(self, folder: str) -> tuple[int, tuple[int, ...]] | None:
        validity = await self._examine(folder)
        if validity is None:
            return None
        answer = await self._ok([b"UID SEARCH ALL"], "search")
        return validity, tuple(sorted(_search_result(answer)))

    async def _find(self, message_id: str) -> bool | None:
        if not self._settings.sent or await self._examine(self._settings.sent) is None:
            return None
        value = quoted(message_id)
        if value is None:
            return None
        return bool(_search_result(await self._ok([b"UID SEARCH HEADER Message-ID " + value], "search")))

    async def _idle(self, folder: str, seconds: float) -> bool:
        if await self._examine(folder) is None or "IDLE" not in self._capabilities:
            await asyncio.sleep(seconds)
            return False
        protocol = await self._connected()
        news = asyncio.Event()

        def heard(pieces: Pieces) -> None:
            if re.search(rb"\b(EXISTS|EXPUNGE|VANISHED|RECENT)\b", pieces[0]):
                news.set()

        protocol.on_untagged = heard
        protocol.expect_continuation()
        running = asyncio.ensure_future(protocol.run([b"IDLE"], seconds + self._timeout))
        waiting = asyncio.ensure_future(news.wait())
        try:
            async with asyncio.timeout(self._timeout):
                await protocol.continuation()
            await asyncio.wait({running, waiting}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if not running.done():
                protocol.write_line(b"DONE")
            await running
            return news.is_set()
        finally:
            protocol.on_untagged = None
            waiting.cancel()
            running.cancel()

    async def _examine(self, folder: str) -> int | None:
        await self._connected()
        answer = await self._run([b"EXAMINE " + folder_name(folder)])
        if answer.status != "OK":
            self._selected = ""
            if re.search(r"nonexistent|not (?:exist|found)|doesn't exist|unknown|no such", answer.text, re.IGNORECASE):
                return None
            raise PermanentError(f"{self._username}: folder {folder} cannot be opened: {answer.text}")
        validities = [int(found[1]) for pieces in answer.untagged if (found := _VALIDITY.search(pieces[0]))]
        if not validities:
            raise PermanentError(f"{self._settings.host} names no UIDVALIDITY for {folder}")
        return validities[-1]

    async def _ok(self, command: Sequence[bytes], what: str) -> Answer:
        answer = await self._run(command)
        if answer.status != "OK":
            raise ConnectionLost(f"{self._settings.host}: {what} refused: {answer.text}")
        return answer

    async def _run(self, command: Sequence[bytes]) -> Answer:
        protocol = await self._connected()
        return await protocol.run(command, self._timeout)

    async def _connected(self) -> WireProtocol:
        if self._protocol is not None and self._protocol.lost is None:
            return self._protocol
        self._drop()
        protocol = await self._connect()
        self._protocol = protocol
        return protocol

    async def _connect(self) -> WireProtocol:
        settings, loop = self._settings, asyncio.get_running_loop()
        context = self._tls() if settings.security != "none" else None
        try:
            async with asyncio.timeout(self._timeout):
                transport, protocol = await loop.create_connection(
                    lambda: WireProtocol(loop),
                    settings.host,
                    settings.port,
                    ssl=context if settings.security == "tls" else None,
                )
                raw = transport.get_extra_info("socket")
                if raw is not None:
                    raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                await protocol.greeting
                if settings.security == "starttls":
                    if (await protocol.run([b"STARTTLS"], self._timeout)).status != "OK":
                        raise TlsFailed(f"{settings.host} offers no STARTTLS: nothing is read in plaintext")
                    secured = await loop.start_tls(
                        transport, protocol, context or self._tls(), server_hostname=settings.host
                    )
                    protocol.transport = secured
                await self._log_in(protocol)
        except ssl.SSLError as problem:
            raise TlsFailed(f"{settings.host}: TLS failed: {problem.reason or problem}") from problem
        except OSError as problem:
            raise ConnectionLost(f"{settings.host}:{settings.port}: {problem.strerror or problem}") from problem
        return protocol

    async def _log_in(self, protocol: WireProtocol) -> None:
        secret = await self._secret()
        if self._auth == "xoauth2":
            said = base64.b64encode(f"user={self._username}\1auth=Bearer {secret}\1\1".encode())
            protocol.expect_continuation()
            running = asyncio.ensure_future(protocol.run([b"AUTHENTICATE XOAUTH2 " + said], self._timeout))
            waiting = asyncio.ensure_future(protocol.continuation())
            await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
            if not running.done():
                protocol.write_line(b"")  # the reason stands in the challenge; an empty line ends it
            answer = await running
            waiting.cancel()
        else:
            user, password = quoted(self._username), quoted(secret)
            if user is not None and password is not None:
                answer = await protocol.run([b"LOGIN " + user + b" " + password], self._timeout)
            else:
                command = [b"LOGIN ", self._username.encode(), b" ", secret.encode(), b""]
                answer = await protocol.run(command, self._timeout)
        if answer.status != "OK":
            temporary = re.search(r"\[(UNAVAILABLE|INUSE|LIMIT|SERVERBUG)\]", answer.text, re.IGNORECASE)
            failure = ConnectionLost if temporary else AuthenticationFailed
            raise failure(f"{self._settings.host} refused the login of {self._username}: {answer.text}")
        known = await protocol.run([b"CAPABILITY"], self._timeout)
        words = b" ".join(pieces[0] for pieces in known.untagged if pieces[0].upper().startswith(b"CAPABILITY"))
        self._capabilities = frozenset(words.decode("ascii", "replace").upper().split())

    def _tls(self) -> ssl.SSLContext:
        path = self._settings.ca_file
        context = ssl.create_default_context(cafile=str(path) if path else None)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return context

    def _drop(self) -> None:
        protocol, self._protocol = self._protocol, None
        if protocol is not None and protocol.transport is not None:
            protocol.transport.close()


def _search_result(answer: Answer) -> set[int]:
    found: set[int] = set()
    for pieces in answer.untagged:
        if pieces[0].upper().startswith(b"SEARCH"):
            found |= {int(one) for one in pieces[0].split()[1:] if one.isdigit()}
    return found


def _uid_set(uids: Sequence[int]) -> bytes:
    return b",".join(b"%d" % uid for uid in uids)


def _mail(folder: str, validity: int, pieces: Pieces, section: bytes, sizes: dict[int, int]) -> FetchedMail | None:
    """Read one FETCH response; its literal is the message, whatever stands around it."""
    if not _FETCH.match(pieces[0]) or len(pieces) < 2:
        return None
    around = b" ".join(pieces[::2])
    uid, internal = _UID.search(around), _INTERNAL.search(around)
    if uid is None or internal is None:
        return None
    flags = _FLAGS.search(around)
    number = int(uid[1])
    return FetchedMail(
        folder=folder,
        uidvalidity=validity,
        uid=number,
        internal_at=_instant(internal[1]),
        flags=tuple((flags[1] if flags else b"").decode("ascii", "replace").split()),
        raw=pieces[1],
        truncated=section != b"BODY.PEEK[]",
        size=sizes.get(number, len(pieces[1])),
    )


def _instant(internal: bytes) -> datetime:
    return datetime.strptime(internal.decode("ascii").strip(), "%d-%b-%Y %H:%M:%S %z").astimezone(UTC)
