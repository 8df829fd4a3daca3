"""Where does mail to our own mailboxes wait? An in-memory IMAP server in the same loop, pymap on a free port."""

import asyncio
import contextlib
import logging
from argparse import Namespace
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from proxyprotocol.sock import SocketInfo
from pymap.backend.dict import Config, Login
from pymap.backend.dict.filter import FilterSet
from pymap.backend.dict.mailbox import MailboxData, MailboxSet
from pymap.concurrent import Subsystem
from pymap.imap import IMAPServer
from pymap.parsing.message import AppendMessage
from pymap.parsing.specials import ObjectId
from pymap.parsing.specials.flag import Flag, Wildcard
from pymap.user import UserMetadata
from pysasl.hashing import Cleartext

FOLDERS = ("Junk", "Sent")
_ARGUMENTS: dict[str, object] = {
    "host": "127.0.0.1",
    "port": 0,
    "debug": False,
    "tls": False,
    "demo_data": False,
    **dict.fromkeys(("demo_user", "demo_password"), "nobody"),
    **dict.fromkeys(("cert", "key", "passlib_cfg", "proxy_protocol")),
}


class _Config(Config):
    @property
    def greeting(self) -> bytes:
        return b"sandbox ready"  # pymap's own one looks up this machine's name


class _Folder(MailboxData):
    @property
    def permanent_flags(self) -> frozenset[Flag]:
        return frozenset(super().permanent_flags | {Wildcard})  # keywords such as $Forwarded


class _Folders(MailboxSet):
    def __init__(self) -> None:
        super().__init__()
        self._inbox = self._new()
        self._set = {name: self._new() for name in FOLDERS}

    def _new(self) -> _Folder:
        return _Folder(self._content_cache, self._thread_cache)

    async def add_mailbox(self, name: str) -> ObjectId:
        if name in self._set:
            raise ValueError(name)
        self._set[name] = self._new()
        return self._set[name].mailbox_id


class ImapServer:
    """IMAP on 127.0.0.1 with one account a mailbox; INBOX, Junk and Sent exist."""

    def __init__(self) -> None:
        for name in ("pymap", "pysasl", "proxyprotocol"):
            logging.getLogger(name).setLevel(logging.WARNING)
        self._config = _Config.from_args(
            Namespace(**_ARGUMENTS),
            secure_auth=False,
            reject_dnsbl=False,
            invalid_user_sleep=0.0,
            hash_context=Cleartext(),
            cpu_subsystem=Subsystem.for_asyncio(),
        )
        self._login = Login(self._config)
        self._serve = IMAPServer(self._login, self._config)
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[Any]] = set()

    def add_user(self, name: str, password: str) -> None:
        """Give a mailbox an account, at any time."""
        self._login.users_dict[name] = UserMetadata(self._config, name, password=password)
        self._config.set_cache[name] = (_Folders(), FilterSet())

    async def start(self) -> tuple[str, int]:
        """Listen on a free port; returns (host, port)."""
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        host, port = self._server.sockets[0].getsockname()[:2]
        return str(host), int(port)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._talk(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, EOFError):
            await self._serve(reader, writer, SocketInfo.get(writer, None))
        writer.close()

    async def deliver(self, user: str, folder: str, raw: bytes, at: datetime, flags: Iterable[str] = ()) -> None:
        """Put a message into a folder, with this internal date; raises KeyError for unknown ones."""
        chosen = frozenset(Flag(flag.encode()) for flag in flags)
        place = await self._folder(user, folder)
        await place.append(AppendMessage(raw, at.astimezone(UTC), chosen), recent=True)

    async def count(self, user: str, folder: str) -> int:
        """Return how many messages a folder holds."""
        place = await self._folder(user, folder)
        return len([message async for message in place.messages()])

    async def _folder(self, user: str, folder: str) -> MailboxData:
        folders, _ = self._config.set_cache[user]
        return await folders.get_mailbox(folder)

    async def close(self) -> None:
        """Stop listening and drop every connection."""
        if self._server is not None:
            self._server.close()
            for task in list(self._connections):
                task.cancel()
            await asyncio.gather(*self._connections, return_exceptions=True)
            await self._server.wait_closed()
