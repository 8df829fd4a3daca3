"""How is the one-click endpoint served, beside the daemon or alone?"""

import uvicorn

from console.one_click import make_app
from outbound.unsubscribe import UNSUBSCRIBE, read_token
from postroom.clock import Clock
from postroom.opened import Opened


def make_server(opened: Opened, clock: Clock, host: str, port: int, prefix: str) -> uvicorn.Server:
    """Return the HTTP server of the public endpoint; port 0 takes a free one."""

    def known(token: str) -> int | None:
        return read_token([opened.secret], UNSUBSCRIBE, token)

    compliance = opened.config.team.desk("compliance")
    app = make_app(opened.store, opened.secret, known, clock.now, compliance, prefix)
    return uvicorn.Server(
        uvicorn.Config(app, host=host, port=port, log_level="warning", ws="none", lifespan="off", server_header=False)
    )


def port_of(server: uvicorn.Server) -> int:
    """Return the port that a started server listens on."""
    return int(server.servers[0].sockets[0].getsockname()[1])
