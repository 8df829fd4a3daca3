"""Commands of the public endpoint: serve it in a process of its own."""

import asyncio

from postroom.cli import ConfigOption, app
from postroom.clock import SystemClock
from postroom.config import find_config
from postroom.opened import open_unasked


@app.command()
def endpoint(config: ConfigOption = None) -> None:
    """Serve the public one-click endpoint alone, until SIGTERM; it works while the daemon or the database is down."""
    from postroom.endpoint import serve_alone

    opened = open_unasked(find_config(config))
    try:
        asyncio.run(serve_alone(opened, SystemClock()))
    finally:
        opened.store.close()
