"""A weekend with an owner whose calendar says away, played by the production house: who acts, who is warned, until when?

Stepped clock, doors in memory, the shipped classifier, a restart in between. Times in the story are Berlin's.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import SMTP, default
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from deliverability.resolver import DictResolver
from postroom.clock import SteppedClock
from postroom.commands_ownership import explain_rows
from postroom.intake import enroll_contacts
from postroom.opened import open_all
from postroom.wiring import House, build_house, pass_all
from sandbox.memory import MemoryMailbox, MemoryReader, MemoryTransport
from sandbox.world import World
from store import contacts, enrollments, threads
from tests.simulation.sixty_days import ZONE

BERLIN = ZoneInfo("Europe/Berlin")
BOX, MAYA, JON, GINA, CHRIS = (
    "hello@out.test",
    "maya@team.test",
    "jon@team.test",
    "gina@team.test",
    "chris@acme.example",
)
CONFIG = """
[postroom]
secret = {{ file = "{folder}/secret" }}
[store]
url = "sqlite:///{folder}/postroom.db"
[company]
name = "Out"
postal_address = "Out Ltd, 1 Road"
unsubscribe_url = "https://u.out.test/u"
[deliverability]
relays = ["192.0.2.1"]
selectors = ["s1"]
[[mailbox]]
address = "hello@out.test"
password = {{ file = "{folder}/secret" }}
smtp = {{ host = "x" }}
imap = {{ host = "x" }}
limit = {{ per_day = "40/day", gap = "0s", jitter = "0s" }}
[[sequence]]
name = "demo"
owner = "maya@team.test"
backup = "jon@team.test"
mailboxes = ["hello@out.test"]
window = {{ hours = "08:00-18:00", zone = "Europe/Berlin" }}
[[sequence.step]]
subject = "A question"
body = "Who answers your replies?"
[[sequence.step]]
delay = "3 business days"
body = "Did this reach you?"
[team]
triage = "gina@team.test"
compliance = "gina@team.test"
escalation = "gina@team.test"
calendar_every = "12h"
[[team.person]]
email = "maya@team.test"
name = "Maya Stone"
zone = "Europe/Berlin"
backup = "jon@team.test"
calendar = "maya.ics"
[[team.person]]
email = "jon@team.test"
name = "Jon Field"
zone = "Europe/Berlin"
backup = "maya@team.test"
[[team.person]]
email = "gina@team.test"
name = "Gina Holt"
zone = "Europe/Berlin"
"""


AWAY = """BEGIN:VCALENDAR
VERSION:2.0
BEGIN:VEVENT
UID:1
SUMMARY:Out of office
DTSTART;TZID=Europe/Berlin:20260306T000000
DTEND;TZID=Europe/Berlin:20260310T000000
END:VEVENT
END:VCALENDAR
"""


def berlin(day: int, clock: str) -> datetime:
    return datetime.fromisoformat(f"2026-03-{day:02d}T{clock}").replace(tzinfo=BERLIN).astimezone(UTC)


@dataclass(frozen=True)
class Told:
    """One notification as it arrived."""

    at: str
    person: str
    subject: str
    in_reply_to: str


class Weekend:
    """The house, its clock and its one mailbox."""

    def __init__(self, folder: Path) -> None:
        (folder / "secret").write_text("a secret of a weekend, long enough for keys", encoding="utf-8")
        (folder / "maya.ics").write_text(AWAY, encoding="utf-8")
        (folder / "config.toml").write_text(CONFIG.format(folder=folder), encoding="utf-8")
        self.clock, self.box, self.told = SteppedClock(berlin(6, "08:30")), MemoryMailbox(), list[Told]()
        self.letters: list[str] = []
        self.world = World((), self.clock.now, 1, self._put)
        for address in (BOX, MAYA, JON, GINA, CHRIS):
            self.world.add_mailbox(address)
        self.opened = open_all(folder / "config.toml")
        self.opened.store.write_now(contacts.save_contact, {"email": CHRIS, "legal_basis": "consent"}, self.clock.now())
        enroll_contacts(self.opened, "demo", [CHRIS], self.clock.now())
        self.opened.store.write_now(enrollments.activate_sequence, "demo", actor=GINA, now=self.clock.now())
        self.house = self.build()

    def build(self) -> House:
        doors = ({BOX: MemoryReader(self.box)}, {BOX: MemoryTransport(self.world, self.box, self.clock.now)})
        return build_house(self.opened, self.clock, resolver=DictResolver(ZONE), jitter=lambda _: 0.5, doors=doors)  # type: ignore[arg-type]

    async def _put(self, mailbox: str, raw: bytes, at: datetime) -> None:
        mail = BytesParser(policy=default).parsebytes(raw)
        if mailbox == CHRIS:
            self.letters.append(str(mail["Message-ID"]))
        else:
            when = f"{at.astimezone(BERLIN):%a %H:%M}"
            self.told.append(Told(when, mailbox.partition("@")[0], str(mail["Subject"]), str(mail["In-Reply-To"])))

    def mail(self, sender: str, to: str, text: str, answers: str, folder: str = "INBOX") -> str:
        mail = EmailMessage(policy=SMTP)
        mail["From"], mail["To"], mail["Subject"] = sender, to, "Re: A question"
        mail["Message-ID"] = f"<{len(self.box.folders[folder].mails)}-{folder}@{sender.partition('@')[2]}>"
        mail["In-Reply-To"], mail["References"] = answers, answers
        mail.set_content(text)
        self.box.deliver(folder, mail.as_bytes(), self.clock.now())
        return str(mail["Message-ID"])

    async def until(self, day: int, clock: str, every: int = 5) -> None:
        while self.clock.now() < berlin(day, clock):
            self.clock.advance(timedelta(minutes=every))
            await pass_all(self.house, self.clock.now())


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Weekend]:
    story = Weekend(tmp_path_factory.mktemp("weekend"))

    async def play() -> None:
        await story.until(6, "17:20")
        reply = story.mail(CHRIS, BOX, "Yes, I am interested. Can we have a call this week?", story.letters[0])
        await story.until(6, "18:00")
        await story.until(7, "12:00", every=30)
        story.house.parsing.close()
        story.house = story.build()  # the machine was off until Sunday night
        story.clock.set(berlin(8, "23:00"))
        await story.until(9, "09:20")
        story.mail(BOX, CHRIS, "Gladly, tomorrow at ten?", reply, "Sent")
        await story.until(10, "10:00")
        story.mail(CHRIS, BOX, "Ten is perfect, please send an invitation.", story.letters[0])
        await story.until(10, "10:10")

    asyncio.run(play())
    yield story
    story.house.parsing.close()
    story.opened.store.close()


def test_the_backup_is_told_on_friday_and_the_ladder_climbs_on_monday_morning(played: Weekend) -> None:
    said = [(one.at, one.person, one.subject.partition("]")[0] + "]") for one in played.told]
    assert said == [
        ("Fri 17:25", "jon", "[interested]"),
        ("Mon 08:00", "gina", "[weekly audit]"),
        ("Mon 09:00", "jon", "[due soon]"),
        ("Mon 09:05", "jon", "[overdue]"),
        ("Mon 09:05", "maya", "[overdue]"),
        ("Tue 10:05", "maya", "[interested]"),
        ("Tue 10:10", "maya", "[due soon]"),
    ]


def test_all_notices_of_the_conversation_are_one_thread_for_each_reader(played: Weekend) -> None:
    for person in ("jon", "maya"):
        assert len({one.in_reply_to for one in played.told if one.person == person} - {"None"}) == 1


def test_ownership_stayed_and_the_owner_acts_since_the_return(played: Weekend) -> None:
    (thread,) = played.opened.store.read_now(threads.find)
    assert (thread.owner, thread.acting) == (MAYA, MAYA)
    assert thread.touched_at == berlin(9, "09:20")
    assert thread.reason == (
        "This goes to Maya Stone, who owns the sequence demo; Jon Field acts until Maya Stone is back on Tuesday, 10 March."
    )


def test_no_follow_up_left_after_the_reply(played: Weekend) -> None:
    assert len(played.letters) == 1


def test_explain_comes_to_the_same_decision(played: Weekend) -> None:
    rows = played.opened.store.read_now(explain_rows, 1)
    assert (rows[-1]["owner"], rows[-1]["replay"]) == (MAYA, "the same again from the stored facts")
    assert {key: rows[-4][key] for key in ("rule", "matched")} == {"rule": "sequence owner", "matched": True}
