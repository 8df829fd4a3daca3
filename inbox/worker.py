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
from inbox.forwards import forwarded_mail, is_forward
from inbox.imap_syntax import UNKNOWN_AT
from inbox.judgement import FilingPolicy, Judgement
from inbox.parse import ParsedMail, parse_mail
from inbox.reader import Cursor, FetchedMail, Reader
from inbox.settings import ImapSettings, InboxSettings
from inbox.threads import address_tokens, referred_ids
from inbox.understand import understand
from store import mailboxes, messages, sends
from store.database import Store
from store.errors import AuthenticationFailed, ParseRefused, TemporaryError, TlsFailed
from store.records import PassReport
from store.vocabulary import Label, Tag

LEASE = timedelta(minutes=5)
COMPARE_EVERY = timedelta(hours=24)
DEATHS = 3
BATCH = 100
FIRST_LOOK = timedelta(days=1)  # an answer may be there before the first poll; older mail is history
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
        """Fetch until nothing is left; each batch and its cursor are committed together."""
        position = await self._store.read(messages.cursor, self._mailbox, folder)
        compare = position.compared_at is not None and now - position.compared_at >= COMPARE_EVERY
        cursor = Cursor(self._mailbox, folder, position.uidvalidity, position.last_uid, position.floor_uid)
        known = await self._known(cursor, whole=compare)
        if compare:
            cursor = await self._back_to_first_gap(cursor, known)
        first_at = position.first_at or now
        history = first_at - timedelta(days=self._settings.first_days)
        oldest = min(history, first_at - FIRST_LOOK)
        fetched, more = 0, True
        while more:
            batch = await self._reader.fetch_since(cursor, known_uids=known, limit=BATCH, since=oldest)
            if batch is None:
                if position.first_at is None:
                    await self._store.write(messages.ingest, self._mailbox, folder, None, [], now, last_uid=0)
                return fetched
            if batch.validity_changed:
                known = set()
            arrivals = [self._arrival(mail, history) for mail in batch.mails]
            fetched += len(
                await self._store.write(
                    messages.ingest, self._mailbox, folder, batch.uidvalidity, arrivals, now,
                    last_uid=batch.reached, floor_uid=batch.floor_uid, compared=compare and not batch.more,
                )
            )  # fmt: skip
            known |= {mail.uid for mail in batch.mails}
            cursor = replace(cursor, uidvalidity=batch.uidvalidity, last_uid=batch.reached, floor_uid=batch.floor_uid)
            more = batch.more
        return fetched

    def _arrival(self, mail: FetchedMail, history: datetime) -> messages.Arrival:
        return messages.Arrival(
            uid=mail.uid,
            internal_at=mail.internal_at,
            raw=mail.raw,
            announce=mail.internal_at >= history or mail.internal_at == UNKNOWN_AT,
            quarantine="too-large" if mail.truncated else "",
        )

    async def _known(self, cursor: Cursor, *, whole: bool) -> set[int]:
        if cursor.uidvalidity is None:
            return set()
        low = 0 if whole else max(0, cursor.last_uid - self._settings.window)
        return await self._store.read(messages.known_uids, self._mailbox, cursor.folder, cursor.uidvalidity, low)

    async def _back_to_first_gap(self, cursor: Cursor, known: set[int]) -> Cursor:
        """Compare the folder's whole UID list with ours once a day; step back to the first one we lack."""
        listed = await self._reader.list_uids(cursor.folder)
        if listed is None or listed[0] != cursor.uidvalidity:
            return cursor
        missing = [uid for uid in listed[1] if cursor.floor_uid < uid <= cursor.last_uid and uid not in known]
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
        if found.ours and is_forward(mail):
            inner = forwarded_mail(mail, row["raw"], self._policy.own_addresses())
            if inner is not None:  # a bare forward counts as the mail inside
                mail, found = inner, self._describe(row, inner, forwarded=True)
            else:
                found = replace(found, passed_on=True)
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
            tags=meaning.tags | found.tags,
            decided_by=meaning.decided_by,
            why=meaning.why,
            text=meaning.text,
            language=meaning.language,
            held=meaning.hold,
            return_on=meaning.return_on,
            bounce=bounce.kind if bounce else None,
            failed_recipients=tuple(one.address for one in bounce.recipients) if bounce else (),
            trusted_stop=meaning.trusted_stop,
            notice=meaning.notice,
        )

    def _describe(self, row: dict[str, Any], mail: ParsedMail, *, forwarded: bool = False) -> Judgement:
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
            tags=frozenset({Tag.FORWARDED}) if forwarded else frozenset(),
            ours=writer in self._policy.mailboxes or self._policy.team.find(writer) is not None,
        )
