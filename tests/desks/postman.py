"""A twin of the production notifier: it keeps what arrived, fails or loses its answer as told, and has a Sent folder."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from ownership.notify import Claim, Outcome

Fault = Exception | str  #: raised, or "lost": arrived without an answer, or "vanished": claimed and never arrived


class Postman:
    """Delivers, or fails as told."""

    def __init__(self, faults: Sequence[Fault] = (), *, sent_folder: bool = True) -> None:
        self.faults = list(faults)
        self.sent_folder = sent_folder
        self.delivered: list[tuple[str, str, str]] = []  #: (recipient, event key, text)
        self.sent: list[str] = []

    async def notify(self, notice: Mapping[str, Any], now: datetime, claim: Claim) -> Outcome:
        fault = self.faults.pop(0) if self.faults else None
        if isinstance(fault, Exception):
            raise fault
        sent_from, mail_id = self.place(notice)
        if not await claim(sent_from, mail_id):
            return "withdrawn"
        if fault == "vanished":
            return "unknown"
        self.sent.append(mail_id)
        self.delivered.append((notice["recipient"], notice["event_key"], str(notice["payload"]["text"])))
        return "unknown" if fault == "lost" else "sent"

    def place(self, notice: Mapping[str, Any]) -> tuple[str, str]:
        return "notes@out.example", f"<{notice['event_key']}|{notice['recipient']}>"

    async def arrived(self, sent_from: str, mail_id: str) -> bool | None:
        return mail_id in self.sent if self.sent_folder and mail_id else None
