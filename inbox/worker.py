"""SHELL: fetches what arrived, raw first; then judges and files it, stage by stage.

`MailboxWorker` moves bytes and cursor in one transaction. `JudgeWorker` takes stored messages, oldest first: parse,
evidence, new text, model, filing. A message that breaks parsing is quarantined and the mailbox goes on.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from classifier.model import Classifier
from inbox.filing import Filed, file_message, find_match
from inbox.imap_reader import Cursor, Reader
from inbox.judgement import FilingPolicy, Judgement
from inbox.parse import ParsedMail, parse_mail
from inbox.settings import ImapSettings, InboxSettings
from inbox.threads import address_tokens, referred_ids
from inbox.understand import understand
from store import mailboxes, messages, sends
from store.database import Store
from store.errors import AuthenticationFailed, ParseRefused, TemporaryError, TlsFailed
from store.records import PassReport
from store.vocabulary import Label

LEASE = timedelta(minutes=5)
COMPARE_EVERY = timedelta(hours=24)
DEATHS = 3
BATCH = 100
FIRST_BACKOFF, LAST_BACKOFF = timedelta(seconds=15), timedelta(minutes=30)


class MailboxWorker:
    """Reads the folders of one mailbox."""

    def __init__(
        self, store: Store, mailbox: str, settings: ImapSettings, inbox: InboxSettings, reader: Reader, node: str
    ):
        self._store = store
        self._mailbox = mailbox
        self._settings = settings
        self._inbox = inbox
        self._reader = reader
        self._node = node

    async def run_pass(self, now: datetime) -> PassReport:
        """Fetch everything new; backs off with a stored instant when the server fails."""
        state = (await self._store.read(mailboxes.states)).get(self._mailbox, {})
        not_before = state.get("poll_not_before")
        if state.get("state") == "held" or (not_before is not None and not_before > now):
            return PassReport(0, not_before)
        if await self._store.write(mailboxes.acquire_lease, self._mailbox, self._node, now, LEASE) is None:
            return PassReport(0, now + LEASE, ("another node reads this mailbox",))
        try:
            fetched = sum([await self._read_folder(folder, now) for folder in self._folders()])
        except (AuthenticationFailed, TlsFailed) as problem:
            await self._store.write(mailboxes.hold, self._mailbox, str(problem), actor="postroom", now=now)
            raise
        except TemporaryError as problem:
            pause = min(FIRST_BACKOFF * 2 ** min(state.get("failures", 0), 10), LAST_BACKOFF)
            retry = now + pause
            await self._store.write(mailboxes.back_off, self._mailbox, str(problem), poll_not_before=retry)
            return PassReport(0, retry, (f"{self._mailbox}: {problem}; again at {retry:%H:%M:%S}",))
        await self._store.write(mailboxes.recovered, self._mailbox, polled_at=now)
        return PassReport(fetched, now + self._inbox.poll_every)

    def _folders(self) -> tuple[str, ...]:
        return (*self._settings.folders, *([self._settings.sent] if self._settings.sent else []))

    async def _read_folder(self, folder: str, now: datetime) -> int:
        position = await self._store.read(messages.cursor, self._mailbox, folder)
        if position.uidvalidity is None and self._settings.first_days == 0:
            return await self._start_here(folder, now)
        compare = position.compared_at is None or now - position.compared_at >= COMPARE_EVERY
        low = 0 if compare else max(0, position.last_uid - self._settings.window)
        known: set[int] = set()
        if position.uidvalidity is not None:
            known = await self._store.read(messages.known_uids, self._mailbox, folder, position.uidvalidity, low)
        cursor = Cursor(self._mailbox, folder, position.uidvalidity, position.last_uid)
        if compare and position.uidvalidity is not None:
            cursor = await self._back_to_first_gap(cursor, known, position)
        fetched, oldest = 0, now - timedelta(days=self._settings.first_days)
        more = True
        while more:
            batch = await self._reader.fetch_since(cursor, known_uids=known, limit=BATCH)
            if batch is None:
                return fetched
            arrivals = [
                messages.Arrival(
                    uid=mail.uid,
                    internal_at=mail.internal_at,
                    raw=mail.raw,
                    announce=position.first_at is not None or mail.internal_at >= oldest,
                    quarantine="too-large" if mail.truncated else "",
                )
                for mail in batch.mails
            ]
            fresh = await self._store.write(
                messages.ingest, self._mailbox, folder, batch.uidvalidity, arrivals, now, compared=compare
            )
            fetched += len(fresh)
            known |= {mail.uid for mail in batch.mails}
            last = max(
                [cursor.last_uid if cursor.uidvalidity == batch.uidvalidity else 0, *(m.uid for m in batch.mails)]
            )
            cursor = replace(cursor, uidvalidity=batch.uidvalidity, last_uid=last)
            more = batch.more
        return fetched

    async def _start_here(self, folder: str, now: datetime) -> int:
        """First connect: begin at the present end of the folder, import nothing."""
        listed = await self._reader.list_uids(folder)
        if listed is not None:
            uidvalidity, uids = listed
            last = max(uids, default=0)
            await self._store.write(messages.ingest, self._mailbox, folder, uidvalidity, [], now, last_uid=last)
        return 0

    async def _back_to_first_gap(self, cursor: Cursor, known: set[int], position: Any) -> Cursor:
        """Compare the folder's whole UID list with ours once a day; step back to the first one we lack."""
        listed = await self._reader.list_uids(cursor.folder)
        if listed is None or listed[0] != cursor.uidvalidity:
            return cursor
        first_known = min(known, default=cursor.last_uid + 1)
        missing = [uid for uid in listed[1] if first_known < uid <= cursor.last_uid and uid not in known]
        return replace(cursor, last_uid=min(missing) - 1) if missing else cursor


class JudgeWorker:
    """Judges and files stored messages."""

    def __init__(
        self,
        store: Store,
        classifier: Classifier,
        policy: FilingPolicy,
        on_filed: Callable[[Judgement, Filed], None] | None = None,
    ) -> None:
        self._store = store
        self._classifier = classifier
        self._policy = policy
        self._on_filed = on_filed

    async def run_pass(self, now: datetime) -> PassReport:
        """Judge and file everything that waits."""
        waiting = await self._store.read(messages.waiting)
        for row in waiting:
            await self._judge(row, now)
        return PassReport(len(waiting), now if waiting else None)

    async def _judge(self, row: dict[str, Any], now: datetime) -> None:
        if await self._store.write(messages.count_death, row["id"]) > DEATHS:
            await self._store.write(messages.quarantine, row["id"], "broke-processing-three-times", now)
            return
        try:
            mail = await asyncio.to_thread(parse_mail, row["raw"])
        except ParseRefused as problem:
            await self._store.write(messages.quarantine, row["id"], str(problem), now)
            return
        found = self._describe(row, mail)
        if not found.ours:
            found = await self._understand(found, row, mail)
        filed = await self._store.write(file_message, found, self._policy, now)
        if filed is not None and self._on_filed is not None:
            self._on_filed(found, filed)

    async def _understand(self, found: Judgement, row: dict[str, Any], mail: ParsedMail) -> Judgement:
        match = await self._store.read(find_match, found, self._policy)
        earlier = await self._store.read(sends.find_sent, recipient=[match.sent.recipient]) if match.sent else []
        meaning = await asyncio.to_thread(
            understand,
            mail,
            self._classifier.classify,
            received_at=row["internal_at"],
            sent_texts=[sent.text for sent in earlier],
            own_addresses=self._policy.mailboxes,
        )
        ids, bounce = found.ids, meaning.bounce
        if bounce is not None and bounce.original_message_id:
            ids = (bounce.original_message_id, *ids)
        return replace(
            found,
            ids=ids,
            label=meaning.label,
            confidence=meaning.confidence,
            tags=meaning.tags,
            decided_by=meaning.decided_by,
            why=meaning.why,
            text=meaning.text,
            language=meaning.language,
            held=meaning.hold,
            return_on=meaning.return_on,
            bounce=bounce.kind if bounce else None,
            failed_recipients=tuple(one.address for one in bounce.recipients) if bounce else (),
            trusted_stop=meaning.trusted_stop,
        )

    def _describe(self, row: dict[str, Any], mail: ParsedMail) -> Judgement:
        writer = mail.from_address.lower()
        to = tuple(dict.fromkeys([*mail.to, *mail.cc, *mail.delivered_to]))
        return Judgement(
            id=row["id"],
            mailbox=row["mailbox"],
            received_at=row["internal_at"],
            announce=row["announce"],
            mail_id=mail.message_id,
            from_address=writer,
            to_addresses=to,
            subject=mail.subject,
            text="",
            ids=referred_ids(mail.in_reply_to, mail.references),
            tokens=address_tokens(to),
            label=Label.OTHER,
            ours=writer in self._policy.mailboxes or self._policy.team.find(writer) is not None,
        )
