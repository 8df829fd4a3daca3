"""How is the public endpoint served, in the daemon or in a process of its own?

It needs the configuration and the keys, not the daemon, and not even the database: what that cannot take is spooled.
Whoever sends slowly, too much or on too many connections is cut off, so that one stranger cannot keep the others out.
"""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import uvicorn
from sqlalchemy import Connection
from starlette.routing import BaseRoute
from uvicorn.protocols.http.h11_impl import H11Protocol

from console import handover_links, one_click
from console.handover_links import AnswerDesk
from console.public import make_app
from console.settings import EndpointSettings
from console.wishes import WishDesk
from inbox.campaigns import end_campaigns
from outbound.unsubscribe import UNSUBSCRIBE, read_token
from ownership.passing_desk import PassingPolicy
from postroom import systemd
from postroom.clock import Clock
from postroom.opened import Opened
from store import absences
from store.errors import PermanentError
from store.vocabulary import StopEvent


def wish_desk(opened: Opened, clock: Clock) -> WishDesk:
    """Return what takes and drains wishes to stop."""
    compliance, spool = opened.config.team.desk("compliance"), opened.folder / opened.config.endpoint.spool
    wide = frozenset(one.name for one in opened.config.sequence if StopEvent.UNSUBSCRIBE in one.stop_account_on)
    return WishDesk(opened.store, opened.secret, compliance, spool, clock.now, wide)


def answer_desk(opened: Opened, clock: Clock) -> AnswerDesk:
    """Return what takes answers to handovers by link."""

    def policy(connection: Connection) -> PassingPolicy:
        team = opened.config.team.with_absences(absences.all_spans(connection))
        return PassingPolicy(opened.config.ownership, team, end_campaigns)

    return AnswerDesk(opened.store, opened.keys, policy, clock.now)


def make_server(opened: Opened, clock: Clock) -> uvicorn.Server:
    """Return the HTTP server of the public endpoint, to be given a listening socket."""
    settings = opened.config.endpoint
    prefix = settings.path or urlsplit(opened.config.company.unsubscribe_url).path.rstrip("/")

    def known(token: str) -> int | None:
        return read_token(opened.keys, UNSUBSCRIBE, token)

    doors: list[BaseRoute] = []
    if links := opened.config.ownership.handover.links:
        doors += handover_links.routes(answer_desk(opened, clock), urlsplit(links).path)
    doors += one_click.routes(known, wish_desk(opened, clock).take, clock.now, prefix)
    return _Server(
        uvicorn.Config(
            make_app(doors, settings.largest_head, settings.largest_body),
            http=_protocol(settings),
            h11_max_incomplete_event_size=settings.largest_head,
            forwarded_allow_ips=list(settings.proxies),
            timeout_graceful_shutdown=30,
            log_config=None,
            access_log=False,  # a path holds a token
            ws="none",
            lifespan="off",
            server_header=False,
        )
    )


def listen(settings: EndpointSettings) -> socket.socket:
    """Return the listening socket; raises PermanentError when the place is taken."""
    host, _, port = settings.listen.rpartition(":")
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, int(port)), family=family, backlog=1024)
    except OSError as problem:
        raise PermanentError(f"endpoint.listen: {settings.listen}: {problem.strerror}") from problem


async def serve_alone(opened: Opened, clock: Clock) -> None:
    """Serve until SIGTERM; requests in hand are answered."""
    server, place = make_server(opened, clock), listen(opened.config.endpoint)

    def stop() -> None:
        systemd.notify("STOPPING=1")
        server.should_exit = True

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    systemd.notify("READY=1")
    with place:
        await server.serve(sockets=[place])


class _Server(uvicorn.Server):
    """Leaves signals to whoever runs it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _protocol(settings: EndpointSettings) -> type[H11Protocol]:
    patience = settings.patience.total_seconds()

    class PatientProtocol(H11Protocol):
        """Cuts a connection that does not bring a whole request in time, and those that are too many."""

        deadline: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            if len(self.connections) > settings.connections:
                transport.abort()
            else:
                self._set_deadline()

        def connection_lost(self, exc: Exception | None) -> None:
            if self.deadline is not None:
                self.deadline.cancel()
            super().connection_lost(exc)

        def on_response_complete(self) -> None:
            super().on_response_complete()
            self._set_deadline()

        def _set_deadline(self) -> None:
            if self.deadline is not None:
                self.deadline.cancel()
            self.deadline = self.loop.call_later(patience, self._too_slow)

        def _too_slow(self) -> None:
            answering = self.cycle is not None and not self.cycle.more_body and not self.cycle.response_complete
            if answering:
                self._set_deadline()
            else:
                self.transport.abort()

    return PatientProtocol
