"""How does a connection to an IMAP server become a logged-in one, and what does its refusal mean?"""

import asyncio
import re
import ssl
from base64 import b64decode
from collections.abc import Awaitable, Callable
from functools import cache
from pathlib import Path
from typing import Literal, NoReturn

from aioimaplib.aioimaplib import AUTH, NONAUTH, Command, Response

from inbox.imap_protocol import HELD_MAX, ImapProtocol
from inbox.settings import ImapSettings
from store.errors import AuthenticationFailed, ConnectionLost, PermanentError, TemporaryError, TlsFailed

Auth = Literal["password", "xoauth2"]
SecretSource = Callable[[], Awaitable[str]]

_PASSING = re.compile(
    rb"\[(?:UNAVAILABLE|INUSE|LIMIT|SERVERBUG|THROTTLED)|temporar|throttl|too many|bandwidth|try again|server busy",
    re.IGNORECASE,
)


async def open_connection(
    settings: ImapSettings, username: str, secret: SecretSource, auth: Auth, literal_max: int = HELD_MAX
) -> ImapProtocol:
    """Connect and log in; `secret` gives the password or the access token, asked anew for each connection.

    Raises ConnectionLost, TlsFailed, AuthenticationFailed, or TemporaryError when the server is merely busy.
    """
    loop, server = asyncio.get_running_loop(), f"{settings.host}:{settings.port}"
    session = ImapProtocol(loop, server, settings.timeout.total_seconds(), literal_max)
    opened = False
    try:
        async with asyncio.timeout(settings.timeout.total_seconds()):
            await _greet(session, settings)
        if session.state != AUTH:
            await _log_in(session, username, await secret(), auth)
        await session.capability()  # there is more to be had after the login
        opened = True
    except ssl.SSLEOFError as problem:
        raise ConnectionLost(f"{server}: went away within the TLS handshake") from problem
    except ssl.SSLError as problem:
        raise TlsFailed(f"{server}: TLS failed: {problem}; check host, port, security and ca_file") from problem
    except TimeoutError as problem:
        raise ConnectionLost(f"{server}: did not answer in {settings.timeout.total_seconds():.0f} s") from problem
    except OSError as problem:
        raise ConnectionLost(f"{server}: cannot be reached: {problem}") from problem
    finally:
        if not opened:
            session.fail("the login did not succeed")
    return session


async def _greet(session: ImapProtocol, settings: ImapSettings) -> None:
    loop = session.loop
    context = None if settings.security == "none" else tls_context(settings.ca_file)
    implicit = context if settings.security == "tls" else None
    await loop.create_connection(lambda: session, settings.host, settings.port, ssl=implicit)
    await session.greeted.wait()
    greeting = session.greeting.upper()
    if session.failure or not greeting.startswith((b"* OK", b"* PREAUTH")):
        text = session.failure or f"{settings.host}: refused: {session.greeting.decode('utf-8', 'replace')}"
        raise ConnectionLost(text)
    session.state = AUTH if greeting.startswith(b"* PREAUTH") else NONAUTH
    if settings.security == "starttls" and context is not None:
        await _start_tls(session, settings.host, context)
    await session.capability()


async def _start_tls(session: ImapProtocol, host: str, context: ssl.SSLContext) -> None:
    if session.state == AUTH:  # whoever sits between us and the server can greet so, to keep us in plaintext
        session.state = NONAUTH
        raise TlsFailed(f"{host}: greets with PREAUTH, so TLS cannot begin; use security = 'tls'")
    response = await session.execute(Command("STARTTLS", session.new_tag(), loop=session.loop))
    if response.result != "OK":
        raise TlsFailed(f"{host}: refuses STARTTLS: {read_text(response)}; use security = 'tls'")
    session.forget_plaintext()
    session.transport = await session.loop.start_tls(session.transport, session, context, server_hostname=host)


async def _log_in(session: ImapProtocol, username: str, secret: str, auth: Auth) -> None:
    if auth == "xoauth2":
        response = await session.authenticate("XOAUTH2", f"user={username}\1auth=Bearer {secret}\1\1")
    elif "AUTH=PLAIN" in session.capabilities:
        response = await session.authenticate("PLAIN", f"\0{username}\0{secret}")
    else:
        response = await session.login(username, secret)
    if response.result == "OK":
        return
    text = f"{read_text(response)} {_read_challenge(session.challenge)}".replace(secret, "(secret)").strip()
    if is_passing(response):
        raise TemporaryError(f"the server does not let {username} in now: {text}")
    raise AuthenticationFailed(f"the server does not let {username} in: {text}; renew the password or the consent")


def _read_challenge(challenge: bytes) -> str:
    try:
        return b64decode(challenge, validate=True).decode("utf-8", "replace")[:300]
    except ValueError:
        return ""


@cache
def tls_context(ca_file: Path | None) -> ssl.SSLContext:
    """Return the context for these certificates, one for all connections: each costs a megabyte."""
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as problem:  # also ssl.SSLError, for a file without certificates
        raise TlsFailed(f"ca_file {ca_file} cannot be used: {problem}") from problem


def read_text(response: Response) -> str:
    """Return what the server said for people in the tagged answer, at most 300 characters."""
    return bytes(response.lines[-1]).decode("utf-8", "replace")[:300]


def is_passing(response: Response) -> bool:
    """Tell whether a refusal will pass by itself (RFC 5530 and what large providers say)."""
    return _PASSING.search(response.lines[-1]) is not None


def refuse(response: Response, what: str) -> NoReturn:
    """Raise what a NO or BAD means."""
    text = f"{what}: the server says {response.result} {read_text(response)}"
    raise TemporaryError(text) if is_passing(response) else PermanentError(text)
