"""One team with its real store and the real filing path; labels are given, so that routing alone is judged."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from sqlalchemy import update

from inbox.campaigns import end_campaigns
from inbox.filing import Filed, file_message
from inbox.judgement import FilingPolicy, Judgement
from outbound.risk import FREE_MAIL
from outbound.settings import SequenceSettings
from ownership.duties import DutyWorker
from ownership.passing_desk import PassingPolicy
from ownership.settings import OwnershipSettings, TeamSettings
from ownership.worker import SlaWorker
from store import audit, contacts, decisions, enrollments, messages, notices, schema, sends, suppression, threads
from store.database import Store
from store.records import Thread
from store.tables import Send, core
from store.vocabulary import Label, SendState, Tag

NOW = datetime(2026, 3, 2, 10, tzinfo=UTC)  # a Monday
SECRET = b"a secret that only tests know, long enough"
BOX, SALES = "hello@out.example", "sales@out.example"
M, J, A, T, C, G, O, K = (
    f"{name}@team.example" for name in ("maya", "jon", "ann", "tom", "carl", "gina", "olga", "kim")
)
PEOPLE: dict[str, dict[str, Any]] = {
    M: {"name": "Maya Stone", "backup": J, "countries": ["DE", "AT"], "languages": ["de"]},
    J: {"name": "Jon Field", "backup": M, "countries": ["US", "CA"], "languages": ["en"]},
    A: {"name": "Ann Keller", "role": "ae", "backup": G},
    T: {"name": "Tom Berg", "role": "manager"},
    C: {"name": "Carl Roth", "role": "compliance", "backup": T},
    G: {"name": "Gina Holt", "role": "manager"},
    O: {"name": "Olga Wirth", "role": "operations"},
    K: {"name": "Kim Lund", "role": "csm", "backup": A},
}
DESKS = {"triage": T, "compliance": C, "escalation": G, "operations": O}
AWAY = {"absences": [{"from": "2026-03-01", "to": "2026-03-07"}]}
LEFT = {"left_on": "2026-02-01"}
OPENED: list["Desk"] = []  # closed by conftest.py


@lru_cache(maxsize=1)
def _template() -> Path:
    path = Path(mkdtemp(prefix="postroom-desk-")) / "empty.db"
    empty = Store(f"sqlite:///{path}", inline=True)
    schema.upgrade(empty)
    empty.write_now(schema.claim_instance, "here", NOW)
    empty.close()
    return path


def make_team(people: dict[str, dict[str, Any]] | None = None, **more: Any) -> TeamSettings:
    """Return the team with changes to single people."""
    persons = [{"email": email} | values | (people or {}).get(email, {}) for email, values in PEOPLE.items()]
    return TeamSettings.model_validate({"person": persons} | DESKS | more)


@dataclass
class Desk:
    """A store, a policy, and a small language for stories."""

    folder: Path
    people: dict[str, dict[str, Any]] = field(default_factory=dict)
    team_more: dict[str, Any] = field(default_factory=dict)
    rules: dict[str, Any] = field(default_factory=dict)
    sequences: dict[str, dict[str, Any]] = field(default_factory=lambda: {"demo": {"owner": J, "backup": A}})
    now: datetime = NOW

    def __post_init__(self) -> None:
        path = self.folder / "desk.db"
        shutil.copy(_template(), path)
        self.store = Store(f"sqlite:///{path}", inline=True)
        self._uid = 0
        OPENED.append(self)
        self.configure()

    def configure(self) -> None:
        """Build the policy anew from what the fields say now."""
        steps = [{"subject": "Hello", "body": "Hello"}, {"body": "Again?"}]
        made = {name: SequenceSettings.model_validate({"name": name, "mailboxes": [BOX], "step": steps} | values)
                for name, values in self.sequences.items()}  # fmt: skip
        self.policy = FilingPolicy(
            secret=SECRET,
            team=make_team(self.people, **self.team_more),
            ownership=OwnershipSettings.model_validate(self.rules),
            sequences=made,
            mailboxes=frozenset({BOX, SALES}),
            shared_domains=FREE_MAIL,
        )

    def account(self, **values: Any) -> int:
        """Know a company."""
        return self.store.write_now(contacts.save_account, values)

    def contact(self, email: str, **values: Any) -> int:
        """Know a person."""
        return self.store.write_now(contacts.save_contact, {"email": email} | values, NOW)

    def letter(self, to: str, sequence: str = "demo", step: int = 0, *, days_ago: int = 1, mailbox: str = BOX) -> str:
        """Send a letter of a sequence; returns its Message-ID."""

        def unit(connection: Any) -> str:
            person = contacts.contact_by_address(connection, to)
            key = person.id if person else contacts.save_contact(connection, {"email": to}, NOW)
            running = [one for one in enrollments.enrollments_of(connection, [key]) if one.sequence == sequence]
            enrollment = running[0].id if running else enrollments.enroll(connection, key, sequence, NOW, now=NOW)
            message_id = f"<{sequence}-{step}-{key}@out.example>"
            at = self.now - timedelta(days=days_ago)
            new = sends.NewSend(
                enrollment_id=enrollment, contact_id=key, account_id=person.account_id if person else None,
                sequence=sequence, step=step, variant="", mailbox=mailbox, recipient=to, message_id=message_id,
                subject="Hello", text="Hello", raw=b"x", sha256="0", token=f"t-{enrollment}-{step}",
                not_before=at, not_after=at + timedelta(hours=8),
            )  # fmt: skip
            send = sends.plan(connection, new, at)
            row = core(Send)
            values = {"state": SendState.SENT, "sent_at": at, "claimed_at": at}
            connection.execute(update(row).where(row.c.id == send).values(**values))
            return message_id

        return self.store.write_now(unit)

    def reply(
        self,
        sender: str,
        label: Label | str = Label.INTERESTED,
        text: str = "yes",
        *,
        to: str | Sequence[str] = (),
        tags: Sequence[Tag] = (),
        at: datetime | None = None,
        mailbox: str = BOX,
        mail_id: str = "",
        subject: str = "Re: Hello",
        recipients: Sequence[str] = (BOX,),
        **more: Any,
    ) -> Filed | None:
        """File an arrival; `to` are the Message-IDs it refers to."""
        self._uid += 1
        received = at or self.now
        ids = (to,) if isinstance(to, str) else tuple(to)
        arrival = messages.Arrival(self._uid, received, f"{self._uid}|{sender}|{text}".encode())
        (key,) = self.store.write_now(messages.ingest, mailbox, "INBOX", 1, [arrival], self.now, last_uid=self._uid)
        ours = self.policy.team.find(sender) is not None or sender in self.policy.mailboxes
        found = Judgement(
            id=key, mailbox=mailbox, received_at=received, announce=True, mail_id=mail_id or f"<in-{key}@x.example>",
            from_address=sender, to_addresses=tuple(recipients), subject=subject, text=text, ids=ids, tokens=(),
            label=Label(label), tags=frozenset(tags), decided_by="model", confidence=0.9, why="words",
            ours=ours, proven=ours, **more,
        )  # fmt: skip
        return self.store.write_now(file_message, found, self.policy, self.now)

    def thread(self, key: int = 1) -> Thread:
        """Return a thread."""
        found = self.store.read_now(threads.thread, key)
        assert found is not None
        return found

    def owner(self, key: int = 1) -> str:
        """Return a thread's owner."""
        return self.thread(key).owner

    def desk(self, key: int = 1) -> tuple[str, str]:
        """Return (owner, acting) of a thread."""
        return self.thread(key).owner, self.thread(key).acting

    def told(self, event: str = "") -> list[tuple[str, str]]:
        """Return (recipient, subject) of every notice, oldest first."""
        rows = self.store.read_now(notices.waiting, NOW + timedelta(days=999), 9999)
        return [(row["recipient"], row["payload"].get("subject", "")) for row in rows if event in ("", row["event"])]

    def entries(self, action: str) -> list[dict[str, Any]]:
        """Return the audit entries with an action."""
        return [row for row in self.store.read_now(lambda c: list(audit.entries(c))) if row["action"] == action]

    def suppressed(self) -> set[str]:
        """Return every suppressed address."""
        return {one.value for one in self.store.read_now(suppression.entries)}

    def states(self, email: str) -> set[str]:
        """Return the states of a contact's enrollments."""

        def read(connection: Any) -> set[str]:
            person = contacts.contact_by_address(connection, email)
            assert person is not None
            return {str(one.state) for one in enrollments.enrollments_of(connection, [person.id])}

        return self.store.read_now(read)

    def message_owner(self, key: int = 1) -> str:
        """Return whose the last message on a thread is."""
        return str(self.store.read_now(decisions.decisions, key)[-1]["owner"])

    def passing(self) -> PassingPolicy:
        """Return what passing a lead needs."""
        return PassingPolicy(self.policy.ownership, self.policy.team, end_campaigns)

    async def duties(self) -> None:
        """Run the pass between replies."""
        people = {name: (one.owner, one.backup) for name, one in self.policy.sequences.items()}
        await DutyWorker(self.store, self.policy.team, self.policy.ownership, people).run_pass(self.now)

    async def ladder(self) -> None:
        """Run the ladder's pass."""
        await SlaWorker(self.store, self.policy.team, self.policy.ownership).run_pass(self.now)
