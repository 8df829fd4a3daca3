"""What can happen between an IMAP server and a client? A proxy that passes answers on, and now and then does harm."""

import asyncio
import contextlib
import random
import re
from collections import Counter
from collections.abc import Callable
from enum import StrEnum

_LITERAL = re.compile(rb"\{(\d+)\}\r\n\Z")


class Fault(StrEnum):
    """One kind of harm."""

    CUT = "cut"  #: the connection ends within an answer
    STALL = "stall"  #: nothing comes any more, the connection stays
    SPLIT = "split"  #: an answer comes octet by octet
    DOUBLE = "double"  #: an untagged answer comes twice
    GOODBYE = "goodbye"  #: the server says BYE and goes
    SHORT = "short"  #: a literal is shorter than announced, and the rest follows at once
    TRUNCATED = "truncated"  #: a literal is announced and sent too short
    RENEWED = "renewed"  #: the connection ends, and the folder's UIDs begin anew


class FaultyProxy:
    """Sits in front of a server on 127.0.0.1; every answer meets a fault with probability `rate`.

    `renew`, where given, changes the server's UIDVALIDITY. `happened` counts the faults.
    """

    def __init__(
        self,
        port: int,
        rate: float,
        chance: random.Random,
        *,
        renew: Callable[[], None] | None = None,
        renewals: int = 0,
    ) -> None:
        self.rate, self.happened = rate, Counter[Fault]()
        self._port, self._chance, self._renew, self._renewals = port, chance, renew, renewals
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> int:
        """Listen on a free port and return it."""
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Stop listening and end every connection."""
        if self._server is not None:
            self._server.close()
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self._server.wait_closed()

    def _connected(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._talk(client, to_client))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _talk(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        server, to_server = await asyncio.open_connection("127.0.0.1", self._port, limit=2**26)
        asking = asyncio.create_task(_copy(client, to_server))
        try:
            while answer := await _read_answer(server):
                fault = self._choose()
                if fault is None:
                    to_client.writelines(answer)
                elif not await self._harm(fault, answer, to_client):
                    return
                await to_client.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            to_server.close()
            to_client.close()

    def _choose(self) -> Fault | None:
        if self._chance.random() >= self.rate:
            return None
        return self._chance.choice(list(Fault))

    async def _harm(self, fault: Fault, answer: list[bytes], to_client: asyncio.StreamWriter) -> bool:
        """Do it; tells whether the connection goes on."""
        whole = b"".join(answer)
        if fault == Fault.RENEWED:
            if self._renew is None or not self._renewals:
                fault = Fault.CUT
            else:
                self._renewals -= 1
                self._renew()
        self.happened[fault] += 1
        literal = len(answer) == 3
        if fault == Fault.SPLIT:
            for at in range(min(len(whole), 300)):
                to_client.write(whole[at : at + 1])
                await asyncio.sleep(0)
            to_client.write(whole[300:])
        elif fault == Fault.DOUBLE:
            to_client.write(whole * (2 if whole.startswith(b"* ") else 1))
        elif fault == Fault.TRUNCATED and literal:
            kept = answer[1][: len(answer[1]) // 2]
            to_client.write(_LITERAL.sub(b"{%d}\r\n" % len(kept), answer[0]) + kept + answer[2])
        elif fault == Fault.SHORT and literal:
            to_client.write(answer[0] + answer[1][: len(answer[1]) // 2] + answer[2])
        elif fault == Fault.STALL:
            await asyncio.sleep(3600)
        else:
            to_client.write(b"* BYE going down\r\n" if fault == Fault.GOODBYE else whole[: len(whole) // 2])
            with contextlib.suppress(ConnectionError):
                await to_client.drain()
            return False
        return True


async def _read_answer(server: asyncio.StreamReader) -> list[bytes]:
    parts = [await server.readline()]
    while found := _LITERAL.search(parts[-1]):
        parts += [await server.readexactly(int(found[1])), await server.readline()]
    return parts if parts[0] else []


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while chunk := await source.read(65_536):
        target.write(chunk)
        await target.drain()
