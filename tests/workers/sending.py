"""One sending house without wires: the real store, planner, letters and worker; a relay that hands letters to a list."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from outbound.delivery import WaitingStops
from outbound.letter import LetterWriter
from outbound.mail_settings import CompanySettings, GuardrailSettings
from outbound.settings import HealthSettings, LimitSettings, SequenceSettings
from outbound.worker import SendingPolicy, SendWorker
from sandbox.memory import MemoryMailbox, MemoryTransport
from sandbox.world import World
from store import contacts, domains, enrollments, schema
from store.database import Store
from store.records import Enrollment
from store.vocabulary import VerdictLevel

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)  # a Monday
SECRET = b"a secret that only tests know, long enough"
BOX = "maya@out.example"
COMPANY = CompanySettings(name="Out", postal_address="Out Ltd, 1 Road", unsubscribe_url="https://u.out.example/u")
STEPS = (
    {"subject": "Hi {{ first_name }}", "body": "Who answers at {{ company }}?"},
    {"delay": "3 business days", "body": "Did this reach you?"},
    {"delay": "5 business days", "body": "My last note."},
)


def make_sequence(name: str = "demo", **changes: Any) -> SequenceSettings:
    """Return a sequence of three steps from one mailbox."""
    return SequenceSettings.model_validate({"name": name, "mailboxes": [BOX], "step": STEPS} | changes)


class Everybody(World):
    """A world in which every address exists and nobody answers."""

    def find(self, address: str) -> str | None:
        """Take any address."""
        return address

    async def take(self, recipient: str, raw: bytes) -> None:
        """Keep the letter."""
        self.accepted.append((self._now(), recipient, raw))


@dataclass(slots=True)
class Post:
    """The house and its clock; `letters` is what really arrived."""

    store: Store
    sequences: dict[str, SequenceSettings]
    guardrails: GuardrailSettings = field(default_factory=GuardrailSettings)
    limit: LimitSettings = field(default_factory=lambda: LimitSettings(gap=timedelta(), jitter=timedelta()))
    now: datetime = NOW
    before_data: Callable[[], Awaitable[None]] | None = None  #: what happens between RCPT and the claim
    stops: WaitingStops | None = None
    world: World = field(init=False)
    worker: SendWorker = field(init=False)

    def __post_init__(self) -> None:
        async def nowhere(*_: object) -> None:
            raise AssertionError("nothing comes back here")

        async def not_searchable(*_: object) -> None:
            return None

        self.world = Everybody((), lambda: self.now, 1, nowhere)
        boxes = {one for sequence in self.sequences.values() for one in sequence.mailboxes}
        policy = SendingPolicy("node-1", SECRET, self.sequences, dict.fromkeys(boxes, self.limit), HealthSettings(),
                               {}, self.guardrails)  # fmt: skip
        transports = {box: Slow(self.world, MemoryMailbox(), lambda: self.now, self) for box in boxes}
        writer = LetterWriter(SECRET, COMPANY, dict.fromkeys(boxes, "Maya"), {})
        self.worker = SendWorker(self.store, policy, writer, dict(transports), lambda _key: 0.5, not_searchable,
                                 stops=self.stops)  # fmt: skip

        def unit(connection: Any) -> None:
            schema.claim_instance(connection, "here", NOW)
            for domain in {box.rpartition("@")[2] for box in boxes}:
                domains.save_verdict(connection, domain, VerdictLevel.READY, [], {}, NOW)
            for name in self.sequences:
                enrollments.activate_sequence(connection, name, actor="maya", now=NOW)

        self.store.write_now(unit)

    def letters(self) -> list[tuple[datetime, str]]:
        """Return (instant, recipient) of every letter that arrived."""
        return [(at, recipient) for at, recipient, _ in self.world.accepted]

    def add(self, email: str, sequence: str = "demo", due_at: datetime = NOW, **changes: Any) -> int:
        """Add a contact with an account of its domain and enroll it; returns the enrollment."""

        def unit(connection: Any) -> int:
            domain = email.rpartition("@")[2]
            known = contacts.accounts_by_domain(connection, domain)
            account = known[0].id if known else contacts.save_account(connection, {"name": "Acme", "domain": domain})
            values = {"email": email, "first_name": "Chris", "account_id": account} | changes
            contact = contacts.save_contact(connection, values, NOW)
            return enrollments.enroll(connection, contact, sequence, due_at, now=NOW)

        return self.store.write_now(unit)

    def enrollment(self, key: int) -> Enrollment:
        """Return an enrollment as it stands."""
        found = self.store.read_now(enrollments.enrollment, key)
        assert found is not None
        return found

    async def run(self, until: datetime | None = None, every: timedelta = timedelta(hours=1)) -> None:
        """Run one pass now, or passes until an instant."""
        await self.worker.run_pass(self.now)
        while until is not None and self.now + every <= until:
            self.now += every
            await self.worker.run_pass(self.now)


class Slow(MemoryTransport):
    """A relay that lets something happen between RCPT and DATA."""

    def __init__(self, world: World, mailbox: MemoryMailbox, now: Callable[[], datetime], post: Post) -> None:
        super().__init__(world, mailbox, now)
        self._post = post

    async def send(self, envelope: Any, claim: Callable[[], Awaitable[bool]]) -> Any:
        """See `MemoryTransport`."""

        async def later() -> bool:
            if self._post.before_data is not None:
                await self._post.before_data()
            return await claim()

        return await super().send(envelope, later)
