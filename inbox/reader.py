"""DOOR: what has arrived in the folders of a mailbox, and is our letter in Sent?

Read-only: EXAMINE and BODY.PEEK[]. New mail is a UID that we do not have; flags are reported, never relied on. IDLE
only wakes. One connection a mailbox, one user at a time; after any error, timeout or cancellation it is thrown away,
and the next call opens a new one.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol

from aioimaplib.aioimaplib import Months

from inbox.catch_up import Cursor as Cursor
from inbox.catch_up import FetchBatch as FetchBatch
from inbox.catch_up import FetchedMail as FetchedMail
from inbox.catch_up import Span, choose_uids, find_span
from inbox.imap_connection import Auth, SecretSource, is_passing, open_connection, refuse
from inbox.imap_folders import find_stand_in
from inbox.imap_protocol import ImapProtocol
from inbox.imap_session import Fetched, FolderState, fetch_mails, list_folders, read_state, search
from inbox.imap_syntax import encode_folder, quote
from inbox.settings import ImapSettings, InboxSettings
from store.errors import ConnectionLost

IDLE_ROUND = 8.5 * 60  # seconds; servers and NATs forget an idle connection after nine to ten minutes
SLICE = 20_000  # UIDs looked at in one search of a large backlog
UID_MAX = 2**32 - 1
HARMFUL = 3  # failures of one message, fetched alone, after which it is left out


class Reader(Protocol):
    """The seam: one mailbox to read."""

    async def fetch_since(
        self, cursor: Cursor, *, known_uids: Collection[int] = (), limit: int = 100, since: datetime | None = None
    ) -> FetchBatch | None:
        """Fetch what is new above the cursor, and what the trailing window shows that is not known.

        Everything from the start when UIDVALIDITY changed or was never known, then without what arrived before `since`.
        While `more` is true there is more to fetch.
        None: there is no such folder.
        """
        ...

    async def list_uids(self, folder: str) -> tuple[int, frozenset[int]] | None:
        """Return UIDVALIDITY and every UID of a folder; None: there is no such folder."""
        ...

    async def wait_for_news(self, folder: str, seconds: float) -> bool:
        """Wait until something happens in a folder, at most so many seconds. A hint only; one folder at a time."""
        ...

    async def find_in_sent(self, message_id: str, marker: tuple[str, str] | None = None) -> bool | None:
        """Tell whether Sent holds this Message-ID or this private header; None: there is no such folder."""
        ...

    async def append_sent(self, raw: bytes) -> bool:
        """Put a copy into Sent; False: there is no such folder."""
        ...

    async def close(self) -> None:
        """End the connection; a later call opens a new one."""
        ...


class ImapReader:
    """Reads one mailbox over IMAP. Calls raise ConnectionLost, AuthenticationFailed, TlsFailed or PermanentError.

    `secret` gives the password or access token for each new connection; of messages over `largest` octets only the
    beginning is fetched.
    """

    def __init__(
        self,
        settings: ImapSettings,
        username: str,
        secret: SecretSource,
        auth: Auth = "password",
        *,
        largest: int = InboxSettings().largest,
    ) -> None:
        self._settings, self._username, self._secret, self._auth = settings, username, secret, auth
        self._largest = largest
        self._live: ImapProtocol | None = None
        self._lock = asyncio.Lock()
        self._urgent = 0  # callers for whom an IDLE makes way
        self._names: dict[str, str] = {}  # configured folder -> its encoded name on the server
        self._seen: dict[str, FolderState] = {}
        self._pace: dict[str, int] = {}  # messages asked for at once after a failure
        self._failed: Counter[tuple[str, int, int]] = Counter()  # fetches of one message that ended the connection
        self._quiet: dict[str, tuple[Cursor, FolderState]] = {}  # questions that were answered with nothing

    async def fetch_since(
        self, cursor: Cursor, *, known_uids: Collection[int] = (), limit: int = 100, since: datetime | None = None
    ) -> FetchBatch | None:
        """See `Reader`; at most `limit` messages and 64 MB, yet at least one message."""
        async with self._turn() as session:
            state = await self._examine(session, cursor.folder)
            if state is None:
                return None
            if state.modseq and self._quiet.get(cursor.folder) == (cursor, state):
                return _nothing_new(cursor, state)
            span = find_span(cursor, state.uidvalidity, self._settings.window)
            found, end = await _look(session, state, span, since)
            wanted = choose_uids(span, found, known_uids)
            fetched = await self._fetch(session, cursor.folder, state.uidvalidity, wanted, limit)
            reached = max(span.last, *fetched.looked_at, 0)
            more = len(fetched.looked_at) < len(wanted) and (bool(fetched.mails) or reached > span.last)
            if not more:
                reached, more = max(reached, end), end < state.uidnext - 1
            floor = span.floor if since is None or not span.first else min(found, default=end + 1) - 1
            if not (more or fetched.mails or fetched.unreadable):
                self._quiet[cursor.folder] = (
                    replace(cursor, uidvalidity=state.uidvalidity, last_uid=reached, floor_uid=floor),
                    state,
                )
            return FetchBatch(
                folder=cursor.folder,
                uidvalidity=state.uidvalidity,
                mails=fetched.mails,
                uidnext=max(state.uidnext, end + 1),
                more=more,
                validity_changed=span.changed,
                reached=reached,
                floor_uid=floor,
                unreadable=fetched.unreadable,
            )

    async def list_uids(self, folder: str) -> tuple[int, frozenset[int]] | None:
        """See `Reader`."""
        async with self._turn() as session:
            state = await self._examine(session, folder)
            if state is None:
                return None
            return state.uidvalidity, await search(session, "ALL") if state.exists else frozenset()

    async def wait_for_news(self, folder: str, seconds: float) -> bool:
        """See `Reader`; makes way for every other call and goes on after it."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while (left := deadline - loop.time()) > 0:
            async with self._turn(urgent=False) as session:
                before = self._seen.get(folder)
                state = await self._examine(session, folder)
                if before is not None and state != before:
                    return True
                if state is None or "IDLE" not in session.capabilities:
                    break
                if not self._urgent:
                    answered = await session.idle_for(min(left, IDLE_ROUND))
                    if session.news:
                        return True
                    if not answered:
                        session.capabilities.discard("IDLE")
        await asyncio.sleep(max(0.0, deadline - loop.time()))
        return False

    async def find_in_sent(self, message_id: str, marker: tuple[str, str] | None = None) -> bool | None:
        """See `Reader`."""
        async with self._turn() as session:
            state = await self._examine(session, self._settings.sent)
            if state is None:
                return None
            criteria = ["HEADER", "Message-ID", quote(message_id)]
            if marker is not None:
                criteria = ["OR", *criteria, "HEADER", marker[0], quote(marker[1])]
            return bool(state.exists and await search(session, *criteria))

    async def append_sent(self, raw: bytes) -> bool:
        """See `Reader`; the bytes are taken as they are."""
        async with self._turn() as session:
            folder = self._settings.sent
            if folder is None or await self._examine(session, folder) is None:
                return False
            name = self._names.get(folder, encode_folder(folder))
            response = await session.append(raw, quote(name), flags="(\\Seen)")
            if response.result != "OK":
                refuse(response, f"copy into {folder}")
            return True

    async def close(self) -> None:
        """See `Reader`."""
        if self._live is not None:
            await self._live.hang_up()

    @contextlib.asynccontextmanager
    async def _turn(self, *, urgent: bool = True) -> AsyncIterator[ImapProtocol]:
        """Give the connection to one caller; it does not survive an error, a timeout or a cancellation."""
        self._urgent += urgent
        try:
            if urgent and self._live is not None:
                self._live.woken.set()
            async with self._lock:
                if self._live is None or self._live.failure:
                    self._live = await open_connection(
                        self._settings, self._username, self._secret, self._auth, self._largest
                    )
                try:
                    yield self._live
                except BaseException:
                    self._live.fail("given up after an error")
                    raise
        except TimeoutError as problem:
            raise ConnectionLost(f"{self._settings.host}: no answer in time") from problem
        finally:
            self._urgent -= urgent

    async def _fetch(
        self, session: ImapProtocol, folder: str, uidvalidity: int, wanted: Sequence[int], limit: int
    ) -> Fetched:
        """Fetch a batch, a smaller one after a failure; what fails alone several times does not stop the others."""
        place = (folder, uidvalidity)
        harmful = tuple(uid for uid in wanted if self._failed[(*place, uid)] >= HARMFUL)
        wanted = [uid for uid in wanted if uid not in harmful]
        pace = min(self._pace.get(folder, limit), limit)
        try:
            fetched = await fetch_mails(session, folder, uidvalidity, wanted[:pace], self._largest)
        except (ConnectionLost, TimeoutError):
            if pace == 1 and wanted:
                self._failed[(*place, wanted[0])] += 1
            self._pace[folder] = max(1, pace // 10)
            raise
        self._pace[folder] = pace * 2
        if len(fetched.looked_at) < len(wanted):
            return fetched
        return Fetched(fetched.mails, (*fetched.looked_at, *harmful), (*fetched.unreadable, *harmful))

    async def _examine(self, session: ImapProtocol, folder: str | None) -> FolderState | None:
        if folder is None:
            return None
        name = self._names.get(folder, encode_folder(folder))
        response = await session.examine(quote(name))
        if response.result != "OK":
            if is_passing(response):
                refuse(response, f"folder {folder}")
            stand_in = await self._stand_in(session, folder)
            if stand_in is None:
                self._seen.pop(folder, None)
                return None
            response = await session.examine(quote(stand_in))
            if response.result != "OK":
                refuse(response, f"folder {folder}")
            self._names[folder] = stand_in
        self._seen[folder] = state = read_state(folder, response)
        return state

    async def _stand_in(self, session: ImapProtocol, folder: str) -> str | None:
        configured = [*self._settings.folders, *([self._settings.sent] if self._settings.sent else [])]
        return find_stand_in(
            encode_folder(folder),
            await list_folders(session),
            is_sent=folder == self._settings.sent,
            taken={encode_folder(name) for name in configured},
        )


async def _look(
    session: ImapProtocol, state: FolderState, span: Span, since: datetime | None
) -> tuple[frozenset[int], int]:
    """Return UIDs of the folder, and up to which UID these are all that a client sees.

    A long way to go is looked at in slices, or each batch of a large backlog would list all that is left of it.
    """
    if not state.exists:
        return frozenset(), max(state.uidnext - 1, 0)
    first_days = _since(since) if span.first and since is not None else []
    end = span.last + SLICE
    if not first_days and end < state.uidnext - 1:
        found = await search(session, f"UID {span.low}:{end}")
        if any(span.last < uid <= end for uid in found):
            return found, end
    found = await search(session, f"UID {min(span.low, UID_MAX)}:*", *first_days)
    return found, max(state.uidnext - 1, *found, 0)


def _nothing_new(cursor: Cursor, state: FolderState) -> FetchBatch:
    return FetchBatch(
        folder=cursor.folder,
        uidvalidity=state.uidvalidity,
        mails=(),
        uidnext=max(state.uidnext, cursor.last_uid + 1),
        more=False,
        validity_changed=False,
        reached=cursor.last_uid,
        floor_uid=cursor.floor_uid,
    )


def _since(since: datetime) -> list[str]:
    """Return the search key for a first look; a day more, as the server compares dates in a zone of its own."""
    day = since - timedelta(days=1)
    return [f"SINCE {day.day}-{Months[day.month]}-{day.year}"]
