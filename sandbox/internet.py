"""What is the world that the demo sends into? A small internet on loopback: SMTP, IMAP, DNS, HTTP clicks, people.

Real sockets on free ports. Mail to our own domains lands in IMAP mailboxes, mail to everybody else goes to the people,
whose answers come back through the same SMTP server when their time has come. Time is passed in; nothing here sleeps.
"""

import asyncio
import heapq
import itertools
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.parser import BytesHeaderParser
from typing import Any

import aiosmtplib
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from sandbox.dns import NameServer
from sandbox.imap import ImapServer
from sandbox.people import Answer, Person, answer

_PUBLIC_KEY = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="  # the test key of RFC 8463, appendix A.2


@dataclass(order=True, slots=True)
class _Due:
    at: datetime
    number: int
    answer: Answer = field(compare=False)


class Internet:
    """SMTP, IMAP and DNS servers on loopback with the people behind them."""

    def __init__(self, people: Iterable[Person], now: Callable[[], datetime], seed: int) -> None:
        self.people = {person.email: person for person in people}
        self.accepted: list[tuple[datetime, str, bytes]] = []  #: (instant, recipient, message) of mail to people
        self.clicks: list[str] = []  #: one-click addresses that people pressed
        self.dns = NameServer()
        self.imap = ImapServer()
        self._now = now
        self._chance = random.Random(seed)
        self._steps: dict[str, int] = {}
        self._due: list[_Due] = []
        self._numbers = itertools.count()
        self._mailboxes: dict[str, str] = {}  # address or alias -> mailbox
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

    def add_mailbox(self, address: str, password: str, aliases: Iterable[str] = ()) -> None:
        """Give one of our mailboxes an account on the IMAP and SMTP servers."""
        self.imap.add_user(address, password)
        self._passwords[address] = password
        for name in (address, *aliases):
            self._mailboxes[name] = address

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

    async def pass_time(self, now: datetime) -> int:
        """Let everything happen that is due by now; returns how much that was."""
        happened = 0
        while self._due and self._due[0].at <= now:
            due = heapq.heappop(self._due)
            happened += 1
            if due.answer.kind == "click":
                self.clicks.append(due.answer.url)
            else:
                await self.send(due.answer.mail_from, due.answer.rcpt_to, due.answer.raw)
        return happened

    def next_at(self) -> datetime | None:
        """Return when the next answer comes back."""
        return self._due[0].at if self._due else None

    async def send(self, mail_from: str, rcpt_to: str, raw: bytes) -> None:
        """Send a message of the outside world through the SMTP server."""
        client = aiosmtplib.SMTP(hostname="127.0.0.1", port=self.smtp_port, use_tls=False, start_tls=False)
        async with client:
            await client.mail(mail_from)
            await client.rcpt(rcpt_to)
            await client.data(raw)

    def knows(self, address: str) -> bool:
        """Tell whether mail to this address is accepted at SMTP time."""
        return address in self._mailboxes or address in self.people

    async def take(self, recipient: str, raw: bytes) -> None:
        """Take one accepted message: into a mailbox of ours, or to the person it is for."""
        now = self._now()
        if recipient in self._mailboxes:
            await self.imap.deliver(self._mailboxes[recipient], "INBOX", raw, now)
            return
        self.accepted.append((now, recipient, raw))
        step = self._steps.get(recipient, 0)
        self._steps[recipient] = step + 1
        for back in answer(self.people[recipient], raw, step, now.astimezone(UTC), self._chance):
            heapq.heappush(self._due, _Due(now + back.after, next(self._numbers), back))

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
        if "+" in address.partition("@")[0]:
            local, _, domain = address.partition("@")
            plain = f"{local.partition('+')[0]}@{domain}"
        else:
            plain = address
        if not self._internet.knows(plain.lower()):
            return "550 5.1.1 no such user here"
        envelope.rcpt_tos.append(plain.lower())
        return "250 2.1.5 ok"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:
        content = envelope.content
        raw = content if isinstance(content, bytes) else (content or "").encode()
        for recipient in envelope.rcpt_tos:
            await self._internet.take(recipient, raw)
        name = BytesHeaderParser().parsebytes(raw).get("Message-ID", "")
        return f"250 2.0.0 accepted {name}".replace("\r", "").replace("\n", "")
