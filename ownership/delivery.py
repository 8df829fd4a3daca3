"""SHELL: delivers the outbox of notices, each once for its event, channel and recipient, whatever crashes when.

A notice is claimed before it leaves: a mail between RCPT and DATA, a webhook before the request. A claim without an
outcome (a crash, a timeout) is settled by what its channel allows:

- Standard Webhooks: delivered again under the same id, by which the receiver drops doubles: exactly once.
- Mail: looked for in the Sent folder. Found: it left. Not found by a search that finds the notices before and after
  it: it did not, and is delivered again. Anything else: uncertain, never repeated by itself: at most once.
- Slack-compatible webhooks know no id and cannot be asked: uncertain, at most once.

What is uncertain or failed stands in `postroom notices`; the reminders of a thread that waits are notices of their own.
"""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from ownership.notify import Notifier
from store import notices, schema
from store.database import Store
from store.errors import PermanentError, TemporaryError
from store.records import PassReport

GIVE_UP_AFTER = timedelta(days=3)
FIRST_RETRY, LAST_RETRY = timedelta(seconds=30), timedelta(hours=4)
CHECKS = (timedelta(minutes=15), timedelta(hours=1), timedelta(hours=6))  # after the claim: looks into Sent
LAG = timedelta(hours=1)  # a Sent folder shows a mail within this time, or proves nothing
AGAIN = timedelta(minutes=15)
HOOK_PATIENCE = timedelta(minutes=2)  # longer than a request may take
Row = Mapping[str, Any]


class NoticeWorker:
    """Delivers what waits in the outbox, with back-off for three days, and settles what is in doubt."""

    def __init__(self, store: Store, notifier: Notifier) -> None:
        self._store = store
        self._notifier = notifier

    async def run_pass(self, now: datetime) -> PassReport:
        """Deliver every notice that is due; what waits for a digest goes out as one mail a person."""
        if await self._store.read(schema.hold_reason):
            return PassReport(0)
        doubtful = await self._doubt_forgotten(now)
        doubtful += await self._settle_doubts(now)
        waiting = await self._store.read(notices.waiting, now)
        single = [one for one in waiting if one["channel"] != "digest"]
        for notice in single:
            await self._deliver([notice], notice, now)
        bundled = sorted((one for one in waiting if one["channel"] == "digest"), key=lambda one: one["recipient"])
        for person, group in groupby(bundled, key=lambda one: one["recipient"]):
            parts = list(group)
            await self._deliver(parts, _digest(person, parts), now)
        next_at = await self._store.read(notices.next_at)
        return PassReport(len(waiting) + doubtful, next_at)

    async def _deliver(self, rows: Sequence[Row], notice: Row, now: datetime) -> None:
        ids = [row["id"] for row in rows]
        patience = CHECKS[0] if notice["channel"] == "mail" else HOOK_PATIENCE

        async def claim(sent_from: str = "", mail_id: str = "") -> bool:
            return await self._store.write(
                notices.claim, ids, now, look_at=now + patience, sent_from=sent_from, mail_id=mail_id
            )

        try:
            outcome = await self._notifier.notify(notice, now, claim)
        except TemporaryError as problem:
            for row in rows:
                pause = min(FIRST_RETRY * 2 ** min(row["attempts"], 16), LAST_RETRY)
                late = now - row["created_at"] > GIVE_UP_AFTER
                await self._store.write(notices.failed, row["id"], str(problem), None if late else now + pause)
        except PermanentError as problem:
            for row in rows:
                await self._store.write(notices.failed, row["id"], str(problem), None)
        else:
            if outcome == "sent":
                await self._store.write(notices.delivered, ids, now)

    async def _settle_doubts(self, now: datetime) -> int:
        doubts = await self._store.read(notices.in_doubt, now)
        doubts.sort(key=lambda row: (row["mail_id"], 0 if row["mail_id"] else row["id"]))
        for _, group in groupby(doubts, key=lambda row: (row["mail_id"], 0 if row["mail_id"] else row["id"])):
            rows = list(group)
            if rows[0]["channel"] == "webhook-standard":
                await self._store.write(notices.released, [row["id"] for row in rows], now)
            elif rows[0]["channel"].startswith("webhook"):
                said = "the webhook gave no answer, and there is no way to ask"
                await self._store.write(notices.uncertain, [row["id"] for row in rows], said)
            else:
                await self._settle_mail(rows, now)
        return len(doubts)

    async def _settle_mail(self, rows: Sequence[Row], now: datetime) -> None:
        row, ids = rows[0], [row["id"] for row in rows]
        checks = row["checks"] + 1
        last = checks >= len(CHECKS)
        try:
            found = await self._notifier.arrived(row["sent_from"], row["mail_id"])
            proved = found is False and last and await self._search_is_proved(row, now)
        except TemporaryError:
            if now - row["claimed_at"] < GIVE_UP_AFTER:
                await self._store.write(notices.look_again, ids, now + AGAIN, row["checks"])
                return
            found, proved = None, False
        except PermanentError:
            found, proved = None, False
        if found:
            await self._store.write(notices.delivered, ids, now)
        elif proved:
            await self._store.write(notices.released, ids, now)
        elif last or found is None:
            said = "the mail server gave no answer, and the Sent folder cannot tell"
            await self._store.write(notices.uncertain, ids, said)
        else:
            at = max(row["claimed_at"] + CHECKS[checks], now + timedelta(minutes=1))
            await self._store.write(notices.look_again, ids, at, checks)

    async def _search_is_proved(self, row: Row, now: datetime) -> bool:
        """Tell whether this search finds the notices that are known to have been sent around the one in doubt."""
        known = await self._store.read(notices.witnesses, row["sent_from"], row["claimed_at"], now - LAG)
        for mail_id in known:
            if not await self._notifier.arrived(row["sent_from"], mail_id):
                return False
        return bool(known)

    async def _doubt_forgotten(self, now: datetime) -> int:
        """Doubt what waited when a database was restored: it may have left since the copy was made."""
        restored_at = await self._store.read(schema.restored_at)
        if restored_at is None:
            return 0
        rows = await self._store.read(notices.waiting, now)
        old = [row for row in rows if row["created_at"] <= restored_at and row["claimed_at"] is None]
        for row in old:
            place = self._notifier.place(row) if row["channel"] == "mail" else ("", "")
            await self._store.write(
                notices.claim, [row["id"]], now, look_at=now, sent_from=place[0], mail_id=place[1],
                checks=len(CHECKS) - 1,
            )  # fmt: skip
        return len(old)


def _digest(person: str, parts: Sequence[Row]) -> dict[str, Any]:
    """Return several notices as one mail; its key follows from them."""
    texts = [
        f"{number}. {one['payload']['subject']}\n\n{one['payload']['text']}" for number, one in enumerate(parts, 1)
    ]
    many = f"{len(parts)} replies wait" if len(parts) > 1 else "1 reply waits"
    payload = {"subject": f"[triage] {many} in the triage queue", "text": "\n\n".join(texts)}
    name = hashlib.sha256(",".join(str(one["id"]) for one in parts).encode()).hexdigest()[:32]
    return {**parts[0], "channel": "mail", "event_key": f"digest:{person}:{name}", "payload": payload}
