"""What are a mailbox and a relay without servers? The doors' twins in memory, for simulations of months in seconds.

The reader's twin chooses UIDs by the rules of the real reader, so UIDVALIDITY, expunged mail, mail that shows up late
and the trailing window mean the same here. Faults are handed out one a call.
"""

from collections import deque
from collections.abc import Awaitable, Callable, Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.parser import BytesHeaderParser
from enum import StrEnum

from inbox.catch_up import Cursor, FetchBatch, FetchedMail, choose_uids, find_span
from inbox.imap_session import BEGINNING
from inbox.imap_syntax import UNKNOWN_AT
from inbox.settings import InboxSettings
from outbound.transport import Envelope, SendResult
from sandbox.world import World
from store.errors import ConnectionLost, PostroomError


@dataclass(frozen=True, slots=True)
class StoredMail:
    """One message in a folder."""

    raw: bytes
    internal_at: datetime
    flags: tuple[str, ...] = ()


@dataclass(slots=True)
class MemoryFolder:
    """A folder; `hidden` UIDs are given, but not to be seen yet."""

    uidvalidity: int = 1
    uidnext: int = 1
    mails: dict[int, StoredMail] = field(default_factory=dict)
    hidden: set[int] = field(default_factory=set)

    def visible(self) -> dict[int, StoredMail]:
        """Return what a client sees now."""
        return {uid: mail for uid, mail in self.mails.items() if uid not in self.hidden}


class MemoryMailbox:
    """An account with folders; `faults` are raised one a call, None lets a call pass."""

    def __init__(self, folders: Iterable[str] = ("INBOX", "Junk", "Sent")) -> None:
        self.folders = {name: MemoryFolder() for name in folders}
        self.faults: deque[PostroomError | None] = deque()
        self.changes = 0

    def deliver(self, folder: str, raw: bytes, at: datetime, *, flags: Iterable[str] = (), hidden: bool = False) -> int:
        """Put a message into a folder; returns its UID."""
        place = self.folders[folder]
        uid, place.uidnext = place.uidnext, place.uidnext + 1
        place.mails[uid] = StoredMail(raw, at, tuple(flags))
        if hidden:
            place.hidden.add(uid)
        self.changes += 1
        return uid

    def reveal(self, folder: str) -> None:
        """Show what was delivered hidden, under the UIDs it had all along."""
        self.folders[folder].hidden.clear()
        self.changes += 1

    def expunge(self, folder: str, uid: int) -> None:
        """Remove a message for good."""
        del self.folders[folder].mails[uid]
        self.changes += 1

    def move(self, folder: str, uid: int, target: str) -> int:
        """Move a message; returns its UID in the other folder."""
        mail = self.folders[folder].mails[uid]
        self.expunge(folder, uid)
        return self.deliver(target, mail.raw, mail.internal_at, flags=mail.flags)

    def renew(self, folder: str) -> None:
        """Give a folder another UIDVALIDITY and its messages new UIDs from 1."""
        old = self.folders[folder]
        mails = dict(enumerate(old.mails.values(), 1))
        self.folders[folder] = MemoryFolder(old.uidvalidity + 1, len(mails) + 1, mails)
        self.changes += 1


class MemoryReader:
    """Reads a `MemoryMailbox` as `inbox.reader.ImapReader` reads a server."""

    def __init__(
        self,
        mailbox: MemoryMailbox,
        *,
        window: int = 200,
        sent: str | None = "Sent",
        largest: int = InboxSettings().largest,
    ) -> None:
        self._mailbox, self._window, self._sent, self._largest = mailbox, window, sent, largest
        self._seen = mailbox.changes

    async def fetch_since(
        self, cursor: Cursor, *, known_uids: Collection[int] = (), limit: int = 100, since: datetime | None = None
    ) -> FetchBatch | None:
        """See `inbox.reader.Reader`."""
        folder = self._open(cursor.folder)
        if folder is None:
            return None
        self._seen = self._mailbox.changes
        visible = folder.visible()
        span = find_span(cursor, folder.uidvalidity, self._window)
        oldest = since - timedelta(days=1) if since is not None and span.first else None
        found = {uid for uid, mail in visible.items() if oldest is None or mail.internal_at >= oldest}
        wanted = choose_uids(span, found, known_uids)
        looked_at = wanted[:limit]
        more = len(wanted) > len(looked_at)
        reached = max(span.last, *looked_at, 0)
        return FetchBatch(
            folder=cursor.folder,
            uidvalidity=folder.uidvalidity,
            mails=tuple(self._mail(cursor.folder, folder.uidvalidity, uid, visible[uid]) for uid in looked_at),
            uidnext=folder.uidnext,
            more=more,
            validity_changed=span.changed,
            reached=reached if more else max(reached, folder.uidnext - 1),
            floor_uid=span.floor if since is None or not span.first else min(found, default=folder.uidnext) - 1,
        )

    def _mail(self, folder: str, uidvalidity: int, uid: int, mail: StoredMail) -> FetchedMail:
        truncated = len(mail.raw) > self._largest
        raw = mail.raw[: min(BEGINNING, self._largest)] if truncated else mail.raw
        return FetchedMail(folder, uidvalidity, uid, mail.internal_at, mail.flags, raw, truncated, len(mail.raw))

    async def list_uids(self, folder: str) -> tuple[int, frozenset[int]] | None:
        """See `inbox.reader.Reader`."""
        opened = self._open(folder)
        return None if opened is None else (opened.uidvalidity, frozenset(opened.visible()))

    async def wait_for_news(self, folder: str, seconds: float) -> bool:
        """Tell at once whether something happened since the last look; time does not pass here."""
        self._open(folder)
        news, self._seen = self._mailbox.changes != self._seen, self._mailbox.changes
        return news

    async def find_in_sent(self, message_id: str, marker: tuple[str, str] | None = None) -> bool | None:
        """See `inbox.reader.Reader`."""
        folder = self._open(self._sent)
        if folder is None:
            return None
        wanted = [("Message-ID", message_id), *([marker] if marker else [])]
        headers = [BytesHeaderParser().parsebytes(mail.raw) for mail in folder.visible().values()]
        return any(value in str(header.get(name, "")) for header in headers for name, value in wanted)

    async def append_sent(self, raw: bytes) -> bool:
        """See `inbox.reader.Reader`; its internal date is the latest one here, as there is no clock."""
        if self._open(self._sent) is None or self._sent is None:
            return False
        dates = [mail.internal_at for folder in self._mailbox.folders.values() for mail in folder.mails.values()]
        self._mailbox.deliver(self._sent, raw, max(dates, default=UNKNOWN_AT), flags=("\\Seen",))
        return True

    async def close(self) -> None:
        """See `inbox.reader.Reader`."""

    def _open(self, name: str | None) -> MemoryFolder | None:
        if self._mailbox.faults and (fault := self._mailbox.faults.popleft()) is not None:
            raise fault
        return self._mailbox.folders.get(name) if name else None


class RelayFault(StrEnum):
    """What may go wrong with one message on a relay."""

    CUT_BEFORE_DATA = "cut-before-data"  #: nothing was sent
    LATER = "later"  #: 451 to the recipient
    LOST_BEFORE_ACCEPT = "lost-before-accept"  #: no answer after DATA, and the message is gone
    LOST_AFTER_ACCEPT = "lost-after-accept"  #: no answer after DATA, but the message was taken


class MemoryTransport:
    """Sends into a `World` as `outbound.transport.SmtpTransport` sends to a server.

    A copy goes into Sent, as providers do. `faults` are handed out one a message, None lets one pass.
    """

    def __init__(self, world: World, mailbox: MemoryMailbox, now: Callable[[], datetime]) -> None:
        self._world, self._mailbox, self._now = world, mailbox, now
        self.faults: deque[RelayFault | None] = deque()

    async def send(self, envelope: Envelope, claim: Callable[[], Awaitable[bool]]) -> SendResult:
        """See `outbound.transport.Transport`."""
        fault = self.faults.popleft() if self.faults else None
        if fault == RelayFault.CUT_BEFORE_DATA:
            raise ConnectionLost("the relay hung up")
        recipient = self._world.find(envelope.recipient)
        if recipient is None:
            return SendResult("refused", "rcpt", 550, "5.1.1", "550 5.1.1 no such user here")
        if fault == RelayFault.LATER:
            return SendResult("deferred", "rcpt", 451, "4.3.2", "451 4.3.2 try again later")
        if not await claim():
            return SendResult("withdrawn", "claim")
        if fault == RelayFault.LOST_BEFORE_ACCEPT:
            return SendResult("unknown", "data", text="the connection was lost after DATA")
        self._mailbox.deliver("Sent", envelope.raw, self._now(), flags=("\\Seen",))
        await self._world.take(recipient, envelope.raw)
        if fault == RelayFault.LOST_AFTER_ACCEPT:
            return SendResult("unknown", "data", text="the connection was lost after DATA")
        return SendResult("sent", "data", 250, "", "250 2.0.0 accepted")

    async def close(self) -> None:
        """See `outbound.transport.Transport`."""
