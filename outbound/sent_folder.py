"""SHELL: did a letter without an answer leave after all, and does Sent hold a copy of every letter?

An open claim is looked for in the Sent folder after a quarter of an hour, an hour and six hours. Found: it was sent.
Not found at the last look, and the same search finds what is known to be sent before and after it: it was not, and it
is planned again. Anything else: uncertain, for a person. Where *we* put the copies into Sent, their absence proves
nothing, so there such a claim always becomes uncertain.
"""

from collections.abc import Awaitable, Callable, Collection
from datetime import datetime, timedelta
from typing import Any

from outbound.compose import MARKER
from outbound.results import Results, Step
from store import mailboxes, open_sends, sends
from store.database import Store
from store.errors import PermanentError, TemporaryError
from store.records import PassReport

CHECKS: tuple[timedelta, ...] = (timedelta(minutes=15), timedelta(hours=1), timedelta(hours=6))  # after the claim
LAG = timedelta(hours=1)  # a Sent folder shows a letter within this time, or proves nothing
PATIENCE = timedelta(days=3)  # a Sent folder that cannot be reached for so long leaves it to a person
AGAIN = timedelta(minutes=15)

Marker = tuple[str, str]
FindInSent = Callable[[str, str, Marker | None], Awaitable[bool | None]]
"""(mailbox, Message-ID, private header) -> found; None when this mailbox has no Sent folder to search."""
AppendSent = Callable[[str, bytes], Awaitable[bool]]
"""(mailbox, message) -> done; False when there is no Sent folder."""


def marker_of(message_id: str) -> Marker:
    """Return the private header of a letter: it survives a provider that rewrites the Message-ID."""
    return MARKER, message_id.strip("<>").partition("@")[0]


class SentFolderWorker:
    """Settles open claims and keeps the copies that we owe, for the mailboxes this node holds."""

    def __init__(
        self,
        store: Store,
        results: Results,
        node: str,
        mailboxes_here: Collection[str],
        find_in_sent: FindInSent,
        append_sent: AppendSent,
    ) -> None:
        self._store = store
        self._results = results
        self._node = node
        self._mailboxes = tuple(mailboxes_here)
        self._find = find_in_sent
        self._append = append_sent

    async def run_pass(self, now: datetime) -> PassReport:
        """Look for every open claim that is due and make every copy that is due."""
        held = [one for one in self._mailboxes if await self._store.read(mailboxes.may_take, one, self._node, now)]
        claims = await self._store.read(open_sends.open_claims, now, CHECKS[0], held)
        notes = [note for row in claims if (note := await self._settle(row, now))]
        copies = [row for row in await self._store.read(open_sends.copies_due, now) if row.mailbox in held]
        for row in copies:
            await self._copy(row, now)
        next_at = await self._store.read(open_sends.next_check_at, CHECKS[0])
        return PassReport(len(claims) + len(copies), next_at, tuple(notes))

    async def _settle(self, row: Any, now: datetime) -> str:
        try:
            found = await self._find(row.mailbox, row.message_id, marker_of(row.message_id))
            last = row.checks + 1 >= len(CHECKS) and now >= row.claimed_at + CHECKS[-1]
            proved = found is False and last and await self._search_is_proved(row, now)
        except TemporaryError:
            if now - row.claimed_at < PATIENCE:
                await self._look_again(row, now + AGAIN, row.checks)
                return ""
            found, last, proved = None, True, False
        except PermanentError:
            found, last, proved = None, True, False
        if found:
            step = Step(row.enrollment_id, row.contact_id, row.sequence, row.step, row.mailbox, row.recipient)
            await self._store.write(self._results.sent, row.id, step, now, answer="found in Sent", copied=True)
        elif proved:
            await self._store.write(open_sends.record_not_sent, row.id, now)
        elif last or found is None:
            await self._store.write(open_sends.record_uncertain, row.id, now)
            return (
                f"send {row.id} from {row.mailbox} is uncertain: look into its Sent folder, "
                f"then `postroom settle {row.id} sent` or `not-sent`"
            )
        else:
            checks = min(row.checks + 1, len(CHECKS) - 1)
            await self._look_again(row, max(row.claimed_at + CHECKS[checks], now + timedelta(minutes=1)), checks)
        return ""

    async def _look_again(self, row: Any, at: datetime, checks: int) -> None:
        await self._store.write(open_sends.record_unknown, row.id, next_check_at=at, checks=checks)

    async def _search_is_proved(self, row: Any, now: datetime) -> bool:
        """Tell whether this search finds the letters that are known to have been sent around the one in doubt."""
        if row.mailbox in self._results.copies:
            return False
        known = await self._store.read(open_sends.witnesses, row.mailbox, row.claimed_at, now - LAG)
        for witness in known:
            if not await self._find(row.mailbox, witness.message_id, marker_of(witness.message_id)):
                return False
        if known:
            await self._store.write(mailboxes.prove_sent_search, row.mailbox, now)
        return bool(known)

    async def _copy(self, row: Any, now: datetime) -> None:
        """Put a copy into Sent unless it is there: no crash after APPEND and no lost answer makes a second one.

        The next look is written down before, as late as Sent may need to show what came in.
        """
        try:
            there = await self._find(row.mailbox, row.message_id, marker_of(row.message_id))
            if there is False:
                raw = await self._store.read(sends.raw_of, row.id)
                await self._store.write(open_sends.copied, row.id, now + LAG)
                await self._append(row.mailbox, raw)
        except TemporaryError:
            late = now - row.sent_at > PATIENCE
            await self._store.write(open_sends.copied, row.id, None if late else now + LAG)
            return
        except PermanentError:
            await self._store.write(open_sends.copied, row.id, None)
            return
        await self._store.write(open_sends.copied, row.id)
