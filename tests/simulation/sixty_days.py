"""Sixty days in memory: the production house with doors that behave like the real ones, a stepped clock, and faults.

What happened is written down by the world (`World.accepted`, what was delivered to us), not by the house, so that the
test can compare the two.
"""

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.parser import BytesHeaderParser
from pathlib import Path

from deliverability.resolver import DictResolver
from postroom.clock import SteppedClock
from postroom.import_contacts import import_contacts
from postroom.intake import enroll_contacts
from postroom.opened import Opened, open_all
from postroom.wiring import House, build_house
from sandbox.memory import MemoryMailbox, MemoryReader, MemoryTransport, RelayFault
from sandbox.people import Person, make_people
from sandbox.world import World
from store import enrollments
from store.errors import ConnectionLost

START = datetime(2026, 3, 9, 6, 0, tzinfo=UTC)  # a Monday; summer time begins on both sides of the Atlantic within
STEP, QUIET_STEP = timedelta(minutes=20), timedelta(hours=4)
DOMAIN, MAILBOXES, LIMIT = "out.test", 8, 20
SALES = ("sam@team.test", "rita@team.test", "theo@team.test")
MANAGER, COMPLIANCE = "mira@team.test", "cora@team.test"
TEAM = (*SALES, MANAGER, COMPLIANCE)
ZONE = {
    DOMAIN: {"TXT": ["v=spf1 ip4:192.0.2.1 -all"], "MX": [f"10 mx.{DOMAIN}"], "A": ["192.0.2.1"]},
    "1.2.0.192.in-addr.arpa": {"PTR": [f"mx.{DOMAIN}"]},
    f"mx.{DOMAIN}": {"A": ["192.0.2.1"]},
    f"_dmarc.{DOMAIN}": {"TXT": [f"v=DMARC1; p=reject; rua=mailto:d@{DOMAIN}"]},
    f"s1._domainkey.{DOMAIN}": {"TXT": ["v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="]},
}


@dataclass(slots=True)
class Played:
    """What is left when the days are over."""

    opened: Opened
    world: World
    people: list[Person]
    replied: dict[str, datetime] = field(default_factory=dict)  #: who wrote as a human -> when we had it
    restarts: int = 0
    told: list[tuple[str, str]] = field(default_factory=list)  #: (colleague, subject) of each notification

    def letters(self) -> list[tuple[datetime, str, str, str]]:
        """Return (instant, mailbox, recipient, Message-ID) of every letter that reached somebody."""
        parser, found = BytesHeaderParser(), []
        for at, recipient, raw in self.world.accepted:
            header = parser.parsebytes(raw)
            sender = str(header["From"]).rpartition("<")[2].rstrip(">")
            found.append((at, sender, recipient, str(header["Message-ID"])))
        return found


class Simulation:
    """One world, one house, one clock."""

    def __init__(self, folder: Path, seed: int, contacts: int, subject: str = "A question, {{ first_name }}") -> None:
        self.folder, self.chance = folder, random.Random(seed)
        self.clock = SteppedClock(START)
        self.boxes = {f"m{number}@{DOMAIN}": MemoryMailbox() for number in range(MAILBOXES)}
        self.boxes |= {address: MemoryMailbox() for address in TEAM}
        people = make_people(seed, contacts)
        self.world = World(people, self.clock.now, seed, self._put)
        for address in self.boxes:
            self.world.add_mailbox(address)
        self.world.add_mailbox(f"m0@{DOMAIN}", [f"sales@{DOMAIN}"])
        (folder / "config.toml").write_text(_config(folder, subject), encoding="utf-8")
        (folder / "secret").write_text("a secret of a simulation, long enough for keys", encoding="utf-8")
        self.played = Played(open_all(folder / "config.toml"), self.world, people)
        self.transports: dict[str, MemoryTransport] = {}
        self._polled: dict[str, int] = {}
        self.house = self._build()

    async def play(self, days: int) -> Played:
        """Import, enroll, activate, then live through the days."""
        self.fill()
        end = START + timedelta(days=days)
        while self.clock.now() < end:
            self._trouble()
            await self._answers()
            await self.run_pass()
            now = self.clock.now()
            self.clock.advance(STEP if now.weekday() < 5 and 6 <= now.hour < 22 else QUIET_STEP)
        for transport in self.transports.values():
            transport.faults.clear()
        for _ in range(4):  # what is still open settles: six hours are the last look into Sent
            self.clock.advance(timedelta(hours=7))
            await self.run_pass()
        self.close()
        return self.played

    def close(self) -> None:
        """End the child process of the house."""
        self.house.parsing.close()

    async def run_pass(self) -> None:
        """Run a pass of every worker; a mailbox is polled when IDLE would say so, and each noon."""
        now, house = self.clock.now(), self.house
        await house.domains.run_pass(now)
        for mailbox, poller in house.pollers.items():
            if self.boxes[mailbox].changes != self._polled.get(mailbox) or (now.hour, now.minute) == (12, 0):
                self._polled[mailbox] = self.boxes[mailbox].changes
                if (await poller.run_pass(now)).notes:
                    del self._polled[mailbox]
        for worker in (house.judge, house.sla, house.sent, house.sender, house.notices):
            await worker.run_pass(now)

    async def _put(self, mailbox: str, raw: bytes, at: datetime) -> None:
        self.boxes[mailbox].deliver("INBOX", raw, at)
        if mailbox in TEAM:
            self.played.told.append((mailbox, str(BytesHeaderParser().parsebytes(raw)["Subject"])))

    def _build(self) -> House:
        mailboxes = [one.address for one in self.played.opened.config.mailbox]
        self.transports = {name: MemoryTransport(self.world, self.boxes[name], self.clock.now) for name in mailboxes}
        readers = {name: MemoryReader(self.boxes[name]) for name in mailboxes}
        return build_house(
            self.played.opened,
            self.clock,
            resolver=DictResolver(ZONE),
            jitter=lambda key: random.Random(key).random(),
            doors=(dict(readers), dict(self.transports)),
        )

    def fill(self) -> None:
        """Import everybody, enroll half of them in each sequence and activate both."""
        opened, people = self.played.opened, self.played.people
        rows = ["email,first_name,last_name,company,country,timezone,language,title,source,legal_basis"]
        rows += [f"{one.email},{one.first_name},{one.last_name},{one.company},{one.country},{one.zone},{one.language},"
                 f"{one.role},{one.source},consent" for one in people]  # fmt: skip
        (self.folder / "contacts.csv").write_text("\n".join(rows), encoding="utf-8")
        import_contacts(opened, self.folder / "contacts.csv", self.folder / "errors.csv", START)
        for number, sequence in enumerate(opened.config.sequence):
            chosen = [one.email for one in people[number::2]]
            enroll_contacts(opened, sequence.name, chosen, START)
            opened.store.write_now(enrollments.activate_sequence, sequence.name, actor=MANAGER, now=START)

    def _trouble(self) -> None:
        """Break something now and then: a relay, an IMAP server, or the whole process."""
        for transport in self.transports.values():
            if not transport.faults and self.chance.random() < 0.02:
                transport.faults.append(self.chance.choice(list(RelayFault)))
        if self.chance.random() < 0.05:
            self.chance.choice(list(self.boxes.values())).faults.append(ConnectionLost("cable pulled"))
        if self.chance.random() < 0.005:
            self.house.parsing.close()  # all that a killed process takes along
            self.house = self._build()
            self.played.restarts += 1

    async def _answers(self) -> None:
        now = self.clock.now()
        for back in self.world.due_answers(now):
            recipient = self.world.find(back.rcpt_to)
            assert recipient is not None, f"an answer to {back.rcpt_to}, which is not ours"
            await self.world.take(recipient, back.raw)
            writer = str(BytesHeaderParser().parsebytes(back.raw)["From"]).rpartition("<")[2].rstrip(">")
            if back.kind == "reply" and "Auto-Submitted" not in back.raw.decode("utf-8", "replace"):
                self.played.replied.setdefault(writer, now)
        self.world.clicks.clear()  # the endpoint has tests of its own


def _config(folder: Path, subject: str) -> str:
    parts = [
        f'[postroom]\nsecret = {{ file = "{folder}/secret" }}\n[store]\nurl = "sqlite:///{folder}/postroom.db"\n',
        '[company]\nname = "Out"\npostal_address = "Out Ltd, 1 Road"\nunsubscribe_url = "https://u.out.test/u"\n',
        '[deliverability]\nrelays = ["192.0.2.1"]\nselectors = ["s1"]\n',
    ]
    for number in range(MAILBOXES):
        parts.append(
            f'[[mailbox]]\naddress = "m{number}@{DOMAIN}"\nname = "Mailbox {number}"\npassword = {{ file = "{folder}/secret" }}\n'
            + ('aliases = ["sales@out.test"]\n' if number == 0 else "")
            + f'smtp = {{ host = "x" }}\nimap = {{ host = "x" }}\nlimit = {{ per_day = "{LIMIT}/day", gap = "15m", jitter = "10m",'
            " ramp = { start = 5, add = 2 } }\n"
        )
    boxes = ", ".join(f'"m{number}@{DOMAIN}"' for number in range(MAILBOXES))
    for name, owner, backup in (("alpha", SALES[0], SALES[1]), ("beta", SALES[1], SALES[2])):
        parts.append(
            f'[[sequence]]\nname = "{name}"\nowner = "{owner}"\nbackup = "{backup}"\nmailboxes = [{boxes}]\n'
            'window = { hours = "09:00-17:00", days = "mon-fri", zone = "Europe/Berlin" }\n'
            f'[[sequence.step]]\nsubject = "{subject}"\n'
            'body = "Who answers at {{ company }}?"\n'
            '[[sequence.step]]\ndelay = "3 business days"\nbody = "Did this reach you?"\n'
            '[[sequence.step]]\ndelay = "5 business days"\nbody = "My last note."\n'
        )
    parts.append(f'[team]\ntriage = "{MANAGER}"\ncompliance = "{COMPLIANCE}"\nescalation = "{MANAGER}"\n')
    for address in TEAM:
        away = "absences = [{ from = 2026-03-23, to = 2026-04-03 }]\n" if address == SALES[0] else ""
        parts.append(f'[[team.person]]\nemail = "{address}"\nname = "{address.partition("@")[0].title()}"\n{away}')
    return "\n".join(parts)
