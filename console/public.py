"""What may the whole internet ask of us? One small app made of routes, each door in a file of its own.

A door (`one_click.py`) returns its routes; `make_app` puts them together under a cap on what anybody may send. Pages
are plain, need no script, and may neither be framed, stored nor indexed. `postroom/endpoint.py` serves the app.
"""

import asyncio
import html
from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LANGUAGES = ("en", "de", "fr", "es", "it", "nl", "pt")
BEAT = 0.25  #: seconds; every answer to a POST comes on a beat, so that its time does not tell what was done
PAGE = """<!doctype html><html lang="{language}"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width"><meta name="robots" content="noindex"></head>
<body style="font:18px sans-serif;max-width:32em;margin:15vh auto;padding:0 1em"><h1>{title}</h1>{body}</body></html>"""
HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'",
    "X-Frame-Options": "DENY",
}


def make_app(routes: Sequence[BaseRoute], largest_head: int, largest_body: int) -> ASGIApp:
    """Return the app of these routes; what is above the caps (bytes) is refused with 431 or 413."""
    return Caps(Starlette(routes=routes), largest_head, largest_body)


class Caps:
    """Refuses a request whose head or body is too large, whether it says so beforehand or not."""

    def __init__(self, app: ASGIApp, largest_head: int, largest_body: int) -> None:
        self._app = app
        self._head, self._body = largest_head, largest_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, counting its body."""
        head = len(scope["raw_path"]) + sum(len(name) + len(value) for name, value in scope["headers"])
        said = Headers(scope=scope).get("content-length", "0")
        if head > self._head or not said.isdigit() or int(said) > self._body:
            await PlainTextResponse("too large\n", 431 if head > self._head else 413)(scope, receive, send)
            return
        read = 0

        async def counted() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > self._body:
                raise HTTPException(413)
            return message

        await self._app(scope, counted, send)


def page(language: str, title: str, body: str = "") -> Response:
    """Return a page; `title` is text, `body` is HTML."""
    return HTMLResponse(PAGE.format(language=language, title=html.escape(title), body=body), headers=HEADERS)


def language_of(request: Request) -> str:
    """Return the language that the link names, else the first of the browser's that we speak, else English."""
    named = str(request.path_params.get("language", ""))
    asked = request.headers.get("accept-language", "").lower().split(",")
    return next((code for code in (named, *(one.strip()[:2] for one in asked)) if code in LANGUAGES), "en")


async def on_the_beat(began: float) -> None:
    """Wait for the next beat since `began` (the loop's time), so that nobody learns from the time an answer took."""
    passed = asyncio.get_running_loop().time() - began
    await asyncio.sleep(BEAT - passed % BEAT)
