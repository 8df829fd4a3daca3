"""How does one message reach a server, and what exactly became of it? DOOR: aiosmtplib connects, `dialogue` talks.

Connect, log in, MAIL and RCPT (in one write where the server offers PIPELINING); then the caller's claim; then DATA.
A loss before the server asked for the message is an error or a "not yet", and nothing was sent; a loss after that is
`unknown`, because nobody can tell. A connection is kept for the next message while it is fresh, closed after any
doubt, and opened again once when it died while idle.
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

from outbound.dialogue import Dialogue, DialogueEnded
from outbound.mail_settings import SmtpSettings
from store.errors import AuthenticationFailed, ConnectionLost, PermanentError, TlsFailed, UnsafeMessage

Outcome = Literal["sent", "refused", "deferred", "withdrawn", "unknown"]
Claim = Callable[[], Awaitable[bool]]
_ENHANCED = re.compile(r"\b([245]\.\d{1,3}\.\d{1,3})\b")
_NAMED = re.compile(r"<([^<>\s@]{1,200}@[^<>\s@]{1,200})>")
_SES = re.compile(r"^(?:2\.0\.0 )?Ok ([0-9a-f]{16}-[0-9a-f-]{20,60})", re.IGNORECASE)
_SES_HOST = re.compile(r"email-smtp\.([a-z0-9-]+)\.amazonaws\.com")
_UNSAFE_PATH = re.compile(r"[\x00-\x1f\x7f<>]")
BYTES_PER_SECOND = 20_000  # the slowest upload that DATA waits for
Answer = tuple[int, str]
LOST_BEFORE_ASKED = (421, "4.4.2", "the connection was lost before the server asked for the message")


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

    async def send(self, envelope: Envelope, claim: Claim) -> SendResult:
        """Send one message; raises ConnectionLost, AuthenticationFailed or TlsFailed before the claim."""
        ...

    async def close(self) -> None:
        """Close the connection."""
        ...


class SmtpTransport:
    """One mailbox's connection to its submission server.

    `secret` gives the password or access token for each login; `renew`, for access tokens, makes the next one fresh.
    """

    def __init__(
        self,
        settings: SmtpSettings,
        mailbox: str,
        username: str,
        secret: Callable[[], Awaitable[str]],
        renew: Callable[[], None] | None = None,
    ) -> None:
        self._settings = settings
        self._mailbox = mailbox
        self._username = username
        self._secret = secret
        self._renew = renew
        self._tls: ssl.SSLContext | None = None
        self._talk: Dialogue | None = None
        self._used = 0
        self._last = 0.0
        self._lock = asyncio.Lock()

    async def send(self, envelope: Envelope, claim: Claim) -> SendResult:
        """Send one message; raises ConnectionLost, AuthenticationFailed or TlsFailed before the claim."""
        wire = _on_the_wire(envelope.raw)
        async with self._lock:
            try:
                return await self._send(envelope, wire, claim)
            except BaseException:
                await self._drop()
                raise

    async def close(self) -> None:
        """Close the connection."""
        async with self._lock:
            talk, self._talk = self._talk, None
            if talk is not None:
                await talk.quit()

    async def _send(self, envelope: Envelope, wire: bytes, claim: Claim) -> SendResult:
        talk = await self._open()
        if refused := self._cannot_take(talk, envelope, len(wire)):
            return refused
        talk, mail, rcpt = await self._address(talk, envelope, len(wire))
        if rcpt[0] not in (250, 251):
            await self._reset(talk)
            return _definite(rcpt, "mail" if rcpt is mail else "rcpt")
        if not await claim():
            await self._reset(talk)
            return SendResult("withdrawn", "claim")
        return await self._data(talk, envelope, wire)

    async def _address(self, talk: Dialogue, envelope: Envelope, size: int) -> tuple[Dialogue, Answer, Answer]:
        """Say MAIL and RCPT; on a connection that was used before and has died meanwhile, once more on a new one.

        Returns the connection with both answers; a refusal of MAIL stands for both.
        """
        try:
            mail, rcpt = await self._say_both(talk, envelope, size)
        except ConnectionLost:
            if not self._used:
                raise
        else:
            if mail[0] != 421 or not self._used:
                return talk, mail, rcpt
        await self._drop()
        talk = await self._open()
        return talk, *(await self._say_both(talk, envelope, size))

    async def _say_both(self, talk: Dialogue, envelope: Envelope, size: int) -> tuple[Answer, Answer]:
        mail, rcpt = _commands(talk, envelope, size)
        try:
            if "pipelining" in talk.extensions:
                said = await talk.ask(mail + rcpt, 2)
            else:
                said = await talk.ask(mail)
                said += await talk.ask(rcpt) if said[0][0] == 250 else []
        except DialogueEnded as lost:
            raise ConnectionLost(f"{self._settings.host}: {lost}") from lost
        if said[0][0] != 250:
            return said[0], said[0]
        if len(said) < 2 or (said[1][0] < 400 and not talk.is_open):
            raise ConnectionLost(f"{self._settings.host}: the connection was lost at RCPT")
        return said[0], said[1]

    async def _data(self, talk: Dialogue, envelope: Envelope, wire: bytes) -> SendResult:
        """Hand over the message; from the moment its bytes are on the way, silence is `unknown`."""
        try:
            asked = (await talk.ask(b"DATA\r\n"))[0]
        except DialogueEnded:
            await self._drop()
            return SendResult("deferred", "data", *LOST_BEFORE_ASKED)
        if asked[0] != 354 or not talk.is_open:
            await self._reset(talk)
            return _definite(asked, "data") if asked[0] >= 400 else SendResult("deferred", "data", *LOST_BEFORE_ASKED)
        patience = self._settings.data_timeout.total_seconds() + len(wire) / BYTES_PER_SECOND
        try:
            code, text = (await talk.ask(wire, patience=patience))[0]
        except DialogueEnded as lost:
            await self._drop()
            return SendResult("unknown", "data", text=str(lost))
        if code // 100 == 2:
            self._used += 1
            self._last = monotonic()
            return SendResult("sent", "data", code, "", text, learn_id(text, self._settings.host, envelope))
        if code < 400:
            await self._drop()
            return SendResult("unknown", "data", code, "", text)
        await self._reset(talk)
        return _definite((code, text), "data")

    def _cannot_take(self, talk: Dialogue, envelope: Envelope, size: int) -> SendResult | None:
        """Tell in advance what this server would refuse, None when nothing speaks against the letter."""
        said = talk.extensions.get("size", "").strip()
        theirs = int(said) if said.isdigit() else 0  # 0: no fixed limit (RFC 1870, 4)
        limit = min(theirs or self._settings.max_size, self._settings.max_size)
        if size > limit:
            return SendResult("refused", "mail", 552, "5.3.4", f"the message has {size} bytes, {limit} are the most")
        if not envelope.recipient.isascii() and "smtputf8" not in talk.extensions:
            return SendResult("refused", "mail", 553, "5.6.7", "the server takes no international addresses")
        return None

    async def _open(self) -> Dialogue:
        """Return the connection, a new one where the old one is gone, stale or used up."""
        talk = self._talk
        fresh = monotonic() - self._last < self._settings.idle_limit.total_seconds()
        if talk is not None and talk.is_open and fresh and self._used < self._settings.messages_per_connection:
            return talk
        await self._drop()
        try:
            self._talk = talk = await self._connect()
        except AuthenticationFailed:
            if self._renew is None:
                raise
            self._renew()  # the access token was withdrawn before its time: once more with a fresh one
            self._talk = talk = await self._connect()
        self._used, self._last = 0, monotonic()
        return talk

    async def _connect(self) -> Dialogue:
        settings = self._settings
        client = aiosmtplib.SMTP(
            hostname=settings.host,
            port=settings.port,
            timeout=settings.timeout.total_seconds(),
            local_hostname=settings.helo or self._mailbox.rpartition("@")[2],
            source_address=(settings.source_address, 0) if settings.source_address else None,
            use_tls=settings.security == "tls",
            start_tls=False,
            tls_context=self._tls_context() if settings.security != "none" else None,
        )
        try:
            await client.connect()
            await client.ehlo()
            if settings.security == "starttls":
                if not client.supports_extension("starttls"):
                    raise TlsFailed(f"{settings.host} offers no STARTTLS: nothing is sent in plaintext")
                await client.starttls(tls_context=self._tls_context())
                await client.ehlo()  # what was said before TLS counts no more (RFC 3207, 4.2)
            await self._log_in(client)
            return Dialogue(client, settings.timeout.total_seconds())
        except ssl.SSLError as problem:
            client.close()
            raise TlsFailed(f"{settings.host}: TLS failed: {problem.reason or problem}") from problem
        except (SMTPException, OSError, DialogueEnded) as problem:
            client.close()
            if isinstance(problem.__cause__, ssl.SSLError):
                raise TlsFailed(f"{settings.host}: TLS failed: {problem.__cause__}") from problem
            raise ConnectionLost(f"{settings.host}:{settings.port}: {problem}") from problem
        except BaseException:
            client.close()
            raise

    def _tls_context(self) -> ssl.SSLContext:
        if self._tls is None:
            path = self._settings.ca_file
            self._tls = ssl.create_default_context(cafile=str(path) if path else None)
            self._tls.minimum_version = ssl.TLSVersion.TLSv1_2
        return self._tls

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
            raise SMTPResponseException(answer.code if answer.code >= 400 else 535, answer.message)

    async def _reset(self, talk: Dialogue) -> None:
        """End the transaction; a connection that cannot even do that is closed."""
        try:
            await talk.ask(b"RSET\r\n")
            self._last = monotonic()
        except DialogueEnded:
            await self._drop()

    async def _drop(self) -> None:
        talk, self._talk = self._talk, None
        if talk is not None:
            talk.close()


def learn_id(answer: str, host: str, envelope: Envelope) -> str:
    """Return the Message-ID that the server says it gave the letter, with angle brackets; empty when it kept ours.

    Amazon SES names its id without brackets. An address of the envelope in brackets is no Message-ID.
    """
    place = _SES_HOST.fullmatch(host.lower())
    if place and (found := _SES.match(answer)):
        region = "email" if place[1] == "us-east-1" else place[1]
        return f"<{found[1]}@{region}.amazonses.com>"
    addresses = (envelope.mail_from.lower(), envelope.recipient.lower())
    header = envelope.raw.partition(b"\r\n\r\n")[0]
    named = [one for one in _NAMED.findall(answer) if one.lower() not in addresses]
    fresh = [one for one in named if f"<{one}>".encode() not in header]
    return f"<{fresh[0]}>" if fresh and len(fresh) == len(named) else ""


def _on_the_wire(raw: bytes) -> bytes:
    """Return the message with its dots doubled and its end marked (RFC 5321, 4.5.2); bare line ends are refused."""
    if not raw.count(b"\r\n") == raw.count(b"\n") == raw.count(b"\r"):
        raise UnsafeMessage("the message holds a bare line end: a server could read it as two messages")
    end = b".\r\n" if raw.endswith(b"\r\n") else b"\r\n.\r\n"
    doubled = raw.replace(b"\r\n.", b"\r\n..")
    return (b"." if raw.startswith(b".") else b"") + doubled + end


def _commands(talk: Dialogue, envelope: Envelope, size: int) -> tuple[bytes, bytes]:
    """Return MAIL and RCPT; an address that would say more than itself is refused."""
    for address in (envelope.mail_from, envelope.recipient):
        if _UNSAFE_PATH.search(address):
            raise UnsafeMessage(f"{address!r} is not exactly one plain address")
    options = f" SIZE={size}" if "size" in talk.extensions else ""
    options += "" if envelope.recipient.isascii() else " SMTPUTF8"
    return f"MAIL FROM:<{envelope.mail_from}>{options}\r\n".encode(), f"RCPT TO:<{envelope.recipient}>\r\n".encode()


def _definite(answer: Answer, phase: str) -> SendResult:
    code, text = answer
    found = _ENHANCED.search(text)
    outcome: Outcome = "refused" if code >= 500 else "deferred"
    return SendResult(outcome, phase, code, found[1] if found else "", text)
