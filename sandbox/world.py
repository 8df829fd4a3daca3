"""What is the world that our mail goes out into, without any wire? Our mailboxes, people, what is still on its way.

Mail to our own addresses lands in mailboxes, mail to everybody else goes to the people, whose answers come back when
their time has come. Time is passed in; nothing here sleeps. How a message travels is the heir's business.
"""

import heapq
import itertools
import random
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sandbox.people import Answer, Person, answer


@dataclass(order=True, slots=True)
class _Due:
    at: datetime
    number: int
    answer: Answer = field(compare=False)


class World:
    """People who answer, and our mailboxes; `put` places a message in a mailbox's INBOX."""

    def __init__(
        self,
        people: Iterable[Person],
        now: Callable[[], datetime],
        seed: int,
        put: Callable[[str, bytes, datetime], Awaitable[None]],
    ) -> None:
        self.people = {person.email: person for person in people}
        self.accepted: list[tuple[datetime, str, bytes]] = []  #: (instant, recipient, message) of mail to people
        self.clicks: list[str] = []  #: one-click addresses that people pressed
        self.mailboxes: dict[str, str] = {}  #: address or alias -> mailbox
        self._now = now
        self._put = put
        self._chance = random.Random(seed)
        self._steps: dict[str, int] = {}
        self._due: list[_Due] = []
        self._numbers = itertools.count()

    def add_mailbox(self, address: str, aliases: Iterable[str] = ()) -> None:
        """Let mail to an address and its aliases land in a mailbox of ours."""
        for name in (address, *aliases):
            self.mailboxes[name] = address

    def due_answers(self, now: datetime) -> list[Answer]:
        """Take what comes back by now off the way; clicks are kept in `clicks`."""
        found: list[Answer] = []
        while self._due and self._due[0].at <= now:
            back = heapq.heappop(self._due).answer
            if back.kind == "click":
                self.clicks.append(back.url)
            else:
                found.append(back)
        return found

    def next_at(self) -> datetime | None:
        """Return when the next answer comes back."""
        return self._due[0].at if self._due else None

    def find(self, address: str) -> str | None:
        """Return the address that mail to `local+token@domain` is for, None when nobody here has it."""
        local, _, domain = address.lower().partition("@")
        plain = f"{local.partition('+')[0]}@{domain}"
        return plain if plain in self.mailboxes or plain in self.people else None

    async def take(self, recipient: str, raw: bytes) -> None:
        """Take one accepted message: into a mailbox of ours, or to the person it is for."""
        now = self._now()
        if recipient in self.mailboxes:
            await self._put(self.mailboxes[recipient], raw, now)
            return
        self.accepted.append((now, recipient, raw))
        step = self._steps.get(recipient, 0)
        self._steps[recipient] = step + 1
        for back in answer(self.people[recipient], raw, step, now.astimezone(UTC), self._chance):
            heapq.heappush(self._due, _Due(now + back.after, next(self._numbers), back))
