"""What do the sending benchmarks send? A database with contacts in a running sequence, and the real workers on it."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from json import loads
from pathlib import Path
from typing import Any

from outbound.delivery import WaitingStops
from outbound.dkim_sign import Signer
from outbound.letter import LetterWriter
from outbound.mail_settings import CompanySettings, GuardrailSettings, SmtpSettings
from outbound.results import Results
from outbound.sent_folder import Marker, SentFolderWorker
from outbound.settings import HealthSettings, LimitSettings, SequenceSettings
from outbound.transport import SmtpTransport, Transport
from outbound.worker import SendingPolicy, SendWorker
from store import contacts, domains, enrollments, schema
from store.database import Store
from store.vocabulary import VerdictLevel

MAILBOXES, DOMAIN, NODE = 4, "out.example", "node-1"
SECRET = b"a secret of a benchmark, long enough for keys"
COMPANY = CompanySettings(name="Out", postal_address="Out Ltd, 1 Road", unsubscribe_url="https://u.out.example/u")
BODY = (
    "Hi {{ first_name }},\n\nwho at {{ company }} answers the replies to your outbound mail? We put each one on "
    "exactly one desk, with the reason.\n\nIs that worth fifteen minutes next week?\n\nMaya"
)


@dataclass(slots=True)
class House:
    """The sending workers of one process."""

    sender: SendWorker
    sent: SentFolderWorker
    store: Store
    transports: dict[str, Transport]

    async def close(self) -> None:
        """Close connections and database."""
        await self.sender.close()
        await asyncio.gather(*(one.close() for one in self.transports.values()))
        self.store.close()


@dataclass(frozen=True, slots=True)
class Site:
    """A database file with a server to send to."""

    path: Path
    port: int
    mailboxes: tuple[str, ...]
    steps: int
    search: bool = True  #: there is a Sent folder
    database: str = ""  #: URL of another database than the file
    node: str = NODE
    per_day: int = 10**6  #: limit of each mailbox

    @property
    def url(self) -> str:
        """The database's URL."""
        return self.database or f"sqlite:///{self.path}"

    def moved(self, path: Path, *, search: bool = True) -> "Site":
        """Return the site of a copied file."""
        return replace(self, path=path, search=search)

    def open(
        self,
        now: datetime,
        *,
        clock: Callable[[], datetime] | None = None,
        signer: Signer | None = None,
        warm: Store | None = None,
        stops: WaitingStops | None = None,
    ) -> House:
        """Build the real workers; `warm` is a closed store of the same path that has compiled the statements."""
        store = Store(self.url)
        if warm is not None:
            store.engine, store._read_engine = warm.engine, warm._read_engine
        smtp = SmtpSettings.model_validate(
            {"host": "127.0.0.1", "port": self.port, "security": "none", "auth": "none", "timeout": "5s",
             "data_timeout": "5s", "messages_per_connection": 10_000}
        )  # fmt: skip

        async def no_secret() -> str:
            return ""

        transports: dict[str, Transport] = {name: SmtpTransport(smtp, name, name, no_secret) for name in self.mailboxes}
        sequences = {"demo": sequence(self.mailboxes, self.steps)}
        limit = LimitSettings.model_validate({"per_day": self.per_day, "gap": "0s", "jitter": "0s"})
        policy = SendingPolicy(
            node=self.node, secret=SECRET, sequences=sequences, limits=dict.fromkeys(self.mailboxes, limit),
            health=HealthSettings(floor=10**6), domain_caps={}, guardrails=GuardrailSettings(silence_days=0),
        )  # fmt: skip
        results = Results(SECRET, sequences)
        writer = LetterWriter(SECRET, COMPANY, {}, {DOMAIN: signer} if signer else {})
        find = self._finder()
        sender = SendWorker(
            store,
            policy,
            writer,
            transports,
            lambda _key: 0.5,
            find,
            results=results,
            clock=clock or (lambda: now),
            stops=stops,
        )
        sent = SentFolderWorker(store, results, self.node, self.mailboxes, find, _no_append)
        return House(sender, sent, store, transports)

    def _finder(self) -> Callable[[str, str, Marker | None], Awaitable[bool | None]]:
        async def find(_mailbox: str, message_id: str, _marker: Marker | None) -> bool | None:
            if not self.search:
                return None
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            await reader.readline()
            writer.write(f"XFIND {message_id}\r\n".encode())
            answer = await reader.readline()
            writer.close()
            return answer.startswith(b"250")

        return find


def sequence(mailboxes: tuple[str, ...], steps: int) -> SequenceSettings:
    """Return a sequence whose window is always open."""
    more = [{"delay": "30m", "body": "Hi {{ first_name }}, did my note reach you?"}] * (steps - 1)
    return SequenceSettings.model_validate(
        {"name": "demo", "mailboxes": mailboxes, "per_account_per_day": None,
         "window": {"hours": "00:00-23:59", "days": "mon-sun", "holidays": False},
         "step": [{"subject": "{{ first_name }}, a question about {{ company }}", "body": BODY}, *more]}
    )  # fmt: skip


def make_site(
    path: Path, port: int, *, letters: int, mailboxes: int, at: datetime, steps: int = 1, database: str = ""
) -> Site:
    """Make a database with so many enrollments that are due, everything in order."""
    names = tuple(f"m{number}@{DOMAIN}" for number in range(mailboxes))
    site = Site(path, port, names, steps, database=database)
    store = Store(site.url, inline=True)
    schema.upgrade(store)

    def unit(connection: Any) -> None:
        schema.claim_instance(connection, "here", at)
        enrollments.activate_sequence(connection, "demo", actor="bench", now=at)
        domains.save_verdict(connection, DOMAIN, VerdictLevel.READY, [], {}, at)
        for number in range(letters):
            values = {"email": f"p{number}@acme{number}.example", "first_name": f"Chris{number}",
                      "fields": {"company": f"Acme {number}"}}  # fmt: skip
            contact = contacts.save_contact(connection, values, at)
            enrollments.enroll(connection, contact, "demo", at - timedelta(minutes=1), now=at)

    store.write_now(unit)
    store.close()
    return site


def ask(port: int, line: str) -> Any:
    """Ask the faulty server something from outside, and return what it said, as JSON where it is."""
    with socket.create_connection(("127.0.0.1", port)) as talk, talk.makefile("rwb") as file:
        file.readline()
        file.write(f"{line}\r\n".encode())
        file.flush()
        answer = file.readline().decode()
    return loads(answer[4:]) if answer.startswith("250 [") else answer.strip()


async def _no_append(_mailbox: str, _raw: bytes) -> bool:
    return False
