"""A house with its public endpoint on a real socket: configuration, store, uvicorn in a thread."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from postroom.clock import SystemClock
from postroom.endpoint import listen, make_server
from postroom.opened import Opened, open_unasked
from store import contacts, enrollments, schema
from tests.store.test_witness import CONFIG
from tests.workers.sending import NOW

SECRET_TEXT = "a secret that is long enough for keys"


def write_config(folder: Path, url: str, *, endpoint: str = "", postroom: str = "", name: str = "config.toml") -> Path:
    """Write a configuration whose endpoint takes a free port."""
    (folder / "secret").write_text(SECRET_TEXT, encoding="utf-8")
    text = CONFIG.format(folder=folder).replace("[company]", f"{postroom}\n[company]", 1)
    text += f'[store]\nurl = "{url}"\n[endpoint]\nlisten = "127.0.0.1:0"\n{endpoint}\n'
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@dataclass(slots=True)
class Site:
    """A running endpoint."""

    opened: Opened
    base: str  #: http://127.0.0.1:PORT/u
    port: int


@contextmanager
def serve(path: Path) -> Iterator[Site]:
    """Serve the endpoint of a configuration from a thread of this process."""
    opened = open_unasked(path)
    server, place = make_server(opened, SystemClock()), listen(opened.config.endpoint)
    port = place.getsockname()[1]
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[place])), daemon=True)
    thread.start()
    try:
        yield Site(opened, f"http://127.0.0.1:{port}/u", port)
    finally:
        server.should_exit = True
        thread.join(30)
        place.close()
        opened.store.close()


def enroll(opened: Opened, email: str, *sequences: str) -> list[int]:
    """Add a contact and enroll it; returns the enrollments."""

    def unit(connection: Any) -> list[int]:
        schema.claim_instance(connection, "here", NOW)
        contact = contacts.save_contact(connection, {"email": email, "language": "de"}, NOW)
        due = NOW + timedelta(days=1)
        return [enrollments.enroll(connection, contact, name, due, now=NOW) for name in sequences]

    return opened.store.write_now(unit)
