"""Where does mail to our own mailboxes wait? An in-memory IMAP server in the same loop, pymap on a free port."""

import asyncio
import logging
from argparse import Namespace
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from proxyprotocol.reader import ProxyProtocolReader
from pymap.backend.dict import Config, Identity, Login
from pymap.backend.dict.mailbox import MailboxData
from pymap.imap import IMAPServer
from pymap.parsing.message import AppendMessage
from pymap.parsing.specials.flag import Flag
from pymap.user import Passwords, UserMetadata

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


class ImapServer:
    """IMAP on 127.0.0.1 with one account a mailbox; INBOX, Junk and Sent exist."""

    def __init__(self) -> None:
        logging.getLogger("pymap").setLevel(logging.WARNING)
        self._passwords: dict[str, str] = {}
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[Any]] = set()

    def add_user(self, name: str, password: str) -> None:
        """Give a mailbox an account; before `start`."""
        self._passwords[name] = password

    async def start(self) -> tuple[str, int]:
        """Listen on a free port; returns (host, port)."""
        arguments = Namespace(**_ARGUMENTS)
        config = Config.from_args(arguments, secure_auth=False, reject_dnsbl=False, invalid_user_sleep=0.0)
        self._login = Login(config)
        self._config = config
        config.apply_context()
        serve = ProxyProtocolReader(config.proxy_protocol).get_callback(IMAPServer(self._login, config))
        self._serve = serve
        for name, password in self._passwords.items():
            await self._open(name, password)
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        host, port = self._server.sockets[0].getsockname()[:2]
        return str(host), int(port)

    async def _open(self, name: str, password: str) -> None:
        hashed = await Passwords(self._config).hash_password(password)
        self._login.users_dict[name] = UserMetadata(self._config, name, password=hashed)
        for folder in FOLDERS:
            await self._folder(name, folder, create=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)
        await self._serve(reader, writer)

    async def deliver(self, name: str, folder: str, raw: bytes, at: datetime, flags: Iterable[str] = ()) -> None:
        """Put a message into a folder with an internal date."""
        data = await self._folder(name, folder)
        chosen = frozenset(Flag(flag.encode()) for flag in flags)
        await data.append(AppendMessage(raw, at, chosen))

    async def count(self, name: str, folder: str) -> int:
        """Return how many messages a folder holds."""
        data = await self._folder(name, folder)
        return len([message async for message in data.messages()])

    async def _folder(self, name: str, folder: str, *, create: bool = False) -> MailboxData:
        async with self._session(name) as session:
            if create:
                await session.mailbox_set.add_mailbox(folder)
            found: MailboxData = await session.mailbox_set.get_mailbox(folder)
            return found

    def _session(self, name: str) -> Any:
        return Identity(name, self._login, None, frozenset()).new_session()

    async def close(self) -> None:
        """Stop listening and drop every connection."""
        if self._server is not None:
            self._server.close()
            for task in list(self._connections):
                task.cancel()
            await asyncio.gather(*self._connections, return_exceptions=True)
            await self._server.wait_closed()
