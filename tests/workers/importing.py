"""A team with a configuration and an empty database, to bring lists into."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from postroom.config import parse_config
from postroom.import_run import Job, Outcome
from postroom.opened import Opened
from store import contacts
from store.database import Store
from store.records import Account, Contact

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
CARL, MAYA, JON = "carl@team.example", "maya@team.example", "jon@team.example"


def settings() -> dict[str, Any]:
    """Return a configuration that a test may change before it is parsed."""
    people = [("maya", "sdr", "Maya Stone"), ("jon", "ae", "Jon Field"), ("carl", "compliance", "Carl Roth")]
    return {
        "postroom": {"secret": {"env": "UNUSED"}},
        "company": {"name": "E", "postal_address": "1 E Street", "unsubscribe_url": "https://u.team.example/u"},
        "mailbox": [
            {"address": "maya@out.example", "password": {"env": "UNUSED"}, "smtp": {"host": "127.0.0.1"},
             "limit": {"per_day": "40/day", "ramp": {"start": 5, "add": 2}}},
        ],
        "sequence": [
            {"name": "demo", "owner": MAYA, "backup": JON, "mailboxes": ["maya@out.example"], "segment": "midmarket",
             "step": [{"subject": "Hi", "body": "Hello {{first_name}}"}], "pilot": 50, "go_no_go": {}},
        ],
        "team": {
            "triage": MAYA, "compliance": CARL, "escalation": JON,
            "person": [{"email": f"{name}@team.example", "role": role, "name": title} for name, role, title in people],
        },
    }  # fmt: skip


class Desk:
    """Brings lists in and reads back what they did."""

    def __init__(self, store: Store, folder: Path, config: dict[str, Any] | None = None) -> None:
        secret = b"a secret of a test, long enough for every key"
        self.opened = Opened(parse_config(config or settings()), store, secret, folder, (secret,))
        self.store, self.folder = store, folder

    def job(self, text: str | bytes, **more: Any) -> Job:
        path = self.folder / "list.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        words: dict[str, Any] = {"now": NOW, "errors": self.folder / "errors.csv", "actor": CARL} | more
        return Job(self.opened, path, **words)

    def contacts(self) -> dict[str, Contact]:
        return {one.email: one for one in self.store.read_now(contacts.all_contacts)}

    def account(self, **values: Any) -> int:
        return self.store.write_now(contacts.save_account, values)

    def account_of(self, email: str) -> Account | None:
        key = self.contacts()[email].account_id
        return self.store.read_now(contacts.account, key) if key else None


def told(rows: list[Outcome]) -> list[tuple[str, str]]:
    """Return (outcome, reason) of each row."""
    return [(row["outcome"], row["reason"]) for row in rows]
