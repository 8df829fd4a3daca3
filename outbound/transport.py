"""How does one message reach a server, and what exactly became of it? DOOR: aiosmtplib, its phases driven by hand.

Connect, log in, MAIL, RCPT; then the caller's claim; then DATA. A loss before DATA is an error and nothing was sent;
a loss after DATA began is `unknown`, because nobody can tell. A connection is kept for the next message while it is
fresh, and closed after any doubt.
"""

import asyncio
import base64
import re
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from time import monotonic
from typing import Literal, Protocol

import aiosmtplib
from aiosmtplib.errors import SMTPException, SMTPResponseException
from aiosmtplib.response import SMTPResponse

from outbound.mail_settings import SmtpSettings
from store.errors import AuthenticationFailed, ConnectionLost, PermanentError, TlsFailed

Outcome = Literal["sent", "refused", "deferred", "withdrawn", "unknown"]
_ENHANCED = re.compile(r"\b([245]\.\d{1,3}\.\d{1,3})\b")
_REWRITTEN = re.compile(r"<[^<>\s@]{1,200}@[^<>\s@]{1,200}>")
BYTES_PER_SECOND = 20_000  # the slowest upload that DATA waits for


@dataclass(frozen=True, slots=True)
class Envelope:
    """One message for one recipient."""

    mail_from: str
    recipient: str
    raw: bytes


@dataclass(frozen=True, slots=True)
class SendResult:
    """What became of a message."""

    outcome: Outcome
    phase: str  #: mail, rcpt, claim or data
    code: int | None = None
    enhanced: str = ""
    text: str = ""
    message_id_learnt: str = ""  #: as the server says it rewrote it


class Transport(Protocol):
    """The seam: one message out, with a claim between RCPT and DATA."""

    async def send(self, envelope: Envelope, claim: Callable[[], Awaitable[bool]]) -> SendResult:
        """Send one message; raises ConnectionLost, AuthenticationFailed or TlsFailed before DATA."""
        ...

    async def close(self) -> None:
        """Close the connection."""
        ...


class SmtpTransport:
    """One mailbox's connection to its submission server."""

    def __init__(
        self, settings: SmtpSettings, mailbox: str, username: str, secret: Callable[[], Awaitable[str]]
    ) -> None:
        self._settings = settings
        self._mailbox = mailbox
        self._username = username
        self._secret = secret
        self._client: aiosmtplib.SMTP | None = None
        self._used = 0
        self._last = 0.0
        self._lock = asyncio.Lock()

    async def send(self, envelope: Envelope, claim: Callable[[], Awaitable[bool]]) -> SendResult:
        """Send one message; raises ConnectionLost, AuthenticationFailed or TlsFailed before DATA."""
        async with self._lock:
            try:
                return await self._send(envelope, claim)
            except BaseException:
                await self._drop()
                raise

    async def close(self) -> None:
        """Close the connection."""
        async with self._lock:
            client, self._client = self._client, None
            if client is not None and client.is_connected:
                try:
                    await client.quit(timeout=5)
                except (SMTPException, OSError):
                    client.close()

    async def _send(self, envelope: Envelope, claim: Callable[[], Awaitable[bool]]) -> SendResult:
        client = await self._ready_client()
        try:
            options = ["SMTPUTF8"] if not envelope.recipient.isascii() else []
            if options and not client.supports_extension("smtputf8"):
                return SendResult("refused", "mail", 553, "5.6.7", "the server takes no international addresses")
            if client.supports_extension("size"):
                options.append(f"SIZE={len(envelope.raw)}")
            answer = await client.mail(envelope.mail_from, options=options, encoding="utf-8" if options else "ascii")
            answer = await client.rcpt(envelope.recipient, encoding="utf-8")
        except SMTPResponseException as refused:
            await self._reset(client)
            return _definite(refused.code, refused.message, "rcpt")
        except (SMTPException, OSError) as lost:
            raise ConnectionLost(f"{self._settings.host}: {lost}") from lost
        if answer.code >= 400:
            await self._reset(client)
            return _definite(answer.code, answer.message, "rcpt")
        if not await claim():
            await self._reset(client)
            return SendResult("withdrawn", "claim")
        return await self._data(client, envelope.raw)

    async def _data(self, client: aiosmtplib.SMTP, raw: bytes) -> SendResult:
        patience = self._settings.data_timeout.total_seconds() + len(raw) / BYTES_PER_SECOND
        try:
            answer: SMTPResponse = await client.data(raw, timeout=patience)
        except SMTPResponseException as refused:
            if refused.code == -1:
                await self._drop()
                return SendResult("unknown", "data", text="the connection was lost after DATA")
            await self._reset(client)
            return _definite(refused.code, refused.message, "data")
        except (SMTPException, OSError) as lost:
            await self._drop()
            return SendResult("unknown", "data", text=str(lost))
        self._used += 1
        self._last = monotonic()
        found = _REWRITTEN.search(answer.message)
        return SendResult("sent", "data", answer.code, "", answer.message, found[0] if found else "")

    async def _ready_client(self) -> aiosmtplib.SMTP:
        client = self._client
        fresh = monotonic() - self._last < self._settings.idle_limit.total_seconds()
        if client is not None and client.is_connected and fresh and self._used < self._settings.messages_per_connection:
            return client
        await self._drop()
        self._client = client = await self._connect()
        self._used, self._last = 0, monotonic()
        return client

    async def _connect(self) -> aiosmtplib.SMTP:
        settings = self._settings
        client = aiosmtplib.SMTP(
            hostname=settings.host,
            port=settings.port,
            timeout=settings.timeout.total_seconds(),
            local_hostname=settings.helo or self._mailbox.rpartition("@")[2],
            source_address=(settings.source_address, 0) if settings.source_address else None,
            use_tls=settings.security == "tls",
            start_tls=False,
            tls_context=self._tls() if settings.security != "none" else None,
        )
        try:
            await client.connect()
            await client.ehlo()
            if settings.security == "starttls":
                if not client.supports_extension("starttls"):
                    raise TlsFailed(f"{settings.host} offers no STARTTLS: nothing is sent in plaintext")
                await client.starttls(tls_context=self._tls())
                await client.ehlo()  # what was said before TLS counts no more (RFC 3207, 4.2)
            await self._log_in(client)
        except ssl.SSLError as problem:
            client.close()
            raise TlsFailed(f"{settings.host}: TLS failed: {problem.reason or problem}") from problem
        except (SMTPException, OSError) as problem:
            client.close()
            if isinstance(problem.__cause__, ssl.SSLError):
                raise TlsFailed(f"{settings.host}: TLS failed: {problem.__cause__}") from problem
            raise ConnectionLost(f"{settings.host}:{settings.port}: {problem}") from problem
        except BaseException:
            client.close()
            raise
        return client

    def _tls(self) -> ssl.SSLContext:
        path = self._settings.ca_file
        context = ssl.create_default_context(cafile=str(path) if path else None)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return context

    async def _log_in(self, client: aiosmtplib.SMTP) -> None:
        if self._settings.auth == "none":
            return
        secret = await self._secret()
        try:
            if self._settings.auth == "xoauth2":
                await self._xoauth2(client, secret)
            elif "plain" in client.server_auth_methods:
                await client.auth_plain(self._username, secret)
            elif "login" in client.server_auth_methods:
                await client.auth_login(self._username, secret)
            else:
                raise PermanentError(f"{self._settings.host} offers neither PLAIN nor LOGIN: use xoauth2")
        except SMTPResponseException as refused:
            if refused.code >= 500:
                raise AuthenticationFailed(
                    f"{self._settings.host} refused the login of {self._mailbox}: {refused.code} {refused.message}"
                ) from refused
            raise

    async def _xoauth2(self, client: aiosmtplib.SMTP, token: str) -> None:
        said = base64.b64encode(f"user={self._username}\1auth=Bearer {token}\1\1".encode())
        answer = await client.execute_command(b"AUTH", b"XOAUTH2", said)
        if answer.code == 334:  # the reason stands in the challenge; an empty line ends it
            answer = await client.execute_command(b"")
        if answer.code != 235:
            raise SMTPResponseException(max(answer.code, 535), answer.message)

    async def _reset(self, client: aiosmtplib.SMTP) -> None:
        """End the transaction; a connection that cannot even do that is closed."""
        try:
            await client.rset()
            self._last = monotonic()
        except (SMTPException, OSError):
            await self._drop()

    async def _drop(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()


def _definite(code: int, text: str, phase: str) -> SendResult:
    found = _ENHANCED.search(text)
    outcome: Outcome = "refused" if code >= 500 else "deferred"
    return SendResult(outcome, phase, code, found[1] if found else "", text)
