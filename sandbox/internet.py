"""What is the world that the demo sends into? A small internet on loopback: SMTP, IMAP and DNS with people behind them.

Real sockets on free ports; what the people do is `sandbox.world`.
"""

import asyncio
from collections.abc import Callable, Iterable
from datetime import datetime
from email.parser import BytesHeaderParser
from typing import Any

import aiosmtplib
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from sandbox.dns import NameServer
from sandbox.imap import ImapServer
from sandbox.people import Person
from sandbox.world import World

_PUBLIC_KEY = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="  # the test key of RFC 8463, appendix A.2


class Internet(World):
    """SMTP, IMAP and DNS servers on loopback with the people behind them."""

    def __init__(self, people: Iterable[Person], now: Callable[[], datetime], seed: int) -> None:
        super().__init__(people, now, seed, self._deliver)
        self.dns = NameServer()
        self.imap = ImapServer()
        self._passwords: dict[str, str] = {}
        self._smtp: asyncio.Server | None = None

    async def start(self) -> None:
        """Start the three servers on free ports of 127.0.0.1."""
        loop = asyncio.get_running_loop()
        self._smtp = await loop.create_server(
            lambda: SMTP(
                _Handler(self), hostname="mx.sandbox.test", authenticator=self._log_in, auth_require_tls=False
            ),
            "127.0.0.1",
            0,
        )
        self.smtp_port: int = self._smtp.sockets[0].getsockname()[1]
        _, self.imap_port = await self.imap.start()
        self.dns_address = await self.dns.start()

    async def close(self) -> None:
        """Stop the servers."""
        if self._smtp is not None:
            self._smtp.close()
            await self._smtp.wait_closed()
        await self.imap.close()
        await self.dns.close()

    def add_account(self, address: str, password: str, aliases: Iterable[str] = ()) -> None:
        """Give one of our mailboxes an account on the IMAP and SMTP servers."""
        self.imap.add_user(address, password)
        self._passwords[address] = password
        self.add_mailbox(address, aliases)

    def add_ready_domain(
        self, domain: str, *, dmarc: str = "v=DMARC1; p=quarantine; rua=mailto:dmarc@{domain}"
    ) -> None:
        """Publish SPF, DKIM, DMARC, MX and the relay's PTR for a sending domain."""
        self.dns.set(domain, "TXT", ["v=spf1 ip4:127.0.0.1 -all"])
        self.dns.set(domain, "MX", ["10 mx.sandbox.test."])
        self.dns.set(domain, "A", ["127.0.0.1"])
        self.dns.set(f"sandbox._domainkey.{domain}", "TXT", [f"v=DKIM1; k=ed25519; p={_PUBLIC_KEY}"])
        self.dns.set(f"_dmarc.{domain}", "TXT", [dmarc.format(domain=domain)])
        self.dns.set("mx.sandbox.test", "A", ["127.0.0.1"])
        self.dns.set("1.0.0.127.in-addr.arpa", "PTR", ["mx.sandbox.test."])

    async def pass_time(self, now: datetime) -> None:
        """Let everything come back that is due by now."""
        for back in self.due_answers(now):
            await self.send(back.mail_from, back.rcpt_to, back.raw)

    async def send(self, mail_from: str, rcpt_to: str, raw: bytes) -> None:
        """Send a message of the outside world through the SMTP server."""
        client = aiosmtplib.SMTP(hostname="127.0.0.1", port=self.smtp_port, use_tls=False, start_tls=False)
        async with client:
            await client.mail(mail_from)
            await client.rcpt(rcpt_to)
            await client.data(raw)

    async def _deliver(self, mailbox: str, raw: bytes, at: datetime) -> None:
        await self.imap.deliver(mailbox, "INBOX", raw, at)

    def _log_in(self, _server: Any, _session: Any, _envelope: Any, mechanism: str, data: Any) -> AuthResult:
        if mechanism not in ("PLAIN", "LOGIN") or not isinstance(data, LoginPassword):
            return AuthResult(success=False, handled=False)
        fine = self._passwords.get(data.login.decode()) == data.password.decode()
        return AuthResult(success=fine)


class _Handler:
    def __init__(self, internet: Internet) -> None:
        self._internet = internet

    async def handle_RCPT(
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        found = self._internet.find(address)
        if found is None:
            return "550 5.1.1 no such user here"
        envelope.rcpt_tos.append(found)
        return "250 2.1.5 ok"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:
        content = envelope.content
        raw = content if isinstance(content, bytes) else (content or "").encode()
        for recipient in envelope.rcpt_tos:
            await self._internet.take(recipient, raw)
        name = BytesHeaderParser().parsebytes(raw).get("Message-ID", "")
        return f"250 2.0.0 accepted {name}".replace("\r", "").replace("\n", "")
