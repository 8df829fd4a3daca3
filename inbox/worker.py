"""SHELL: fetches what arrived, raw first; then judges and files it, stage by stage.

`MailboxWorker` moves bytes and cursor in one transaction. `JudgeWorker` takes stored messages, oldest first: parse,
evidence, new text, model, filing. A message that breaks parsing is quarantined and the mailbox goes on.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from classifier.model import Classifier
from deliverability.sender_proof import SenderProof
from inbox.bounces import original_id
from inbox.filing import Filed, file_message, find_match, set_aside
from inbox.forwards import forwarded_mail, is_forward
from inbox.glance import glance
from inbox.imap_syntax import UNKNOWN_AT
from inbox.judgement import FilingPolicy, Judgement
from inbox.parse import ParsedMail
from inbox.reader import Cursor, FetchBatch, Reader
from inbox.settings import ImapSettings, InboxSettings
from inbox.threads import address_tokens, referred_ids
from inbox.understand import understand
from store import mailboxes, messages, sends
from store.database import Store
from store.errors import AuthenticationFailed, ParseRefused, PermanentError, TemporaryError, TlsFailed
from store.records import PassReport
from store.vocabulary import Label, Tag

LEASE = timedelta(minutes=5)
COMPARE_EVERY = timedelta(hours=24)
DEATHS = 3
BATCH = 200
BATCHES = 20  # of one folder in one pass: the lease is renewed between passes, and other folders have their turn
FIRST_LOOK = timedelta(days=1)  # an answer may be there before the first poll; older mail is history
SKEW = timedelta(days=2)  # how far the server's clock may be behind ours
FIRST_BACKOFF, LAST_BACKOFF = timedelta(seconds=15), timedelta(minutes=30)
Parse = Callable[[bytes], Awaitable[ParsedMail | None]]
"""Reads a message; None when the process that read it died of it."""
Prove = Callable[[bytes, str], Awaitable[SenderProof]]
"""Tells whether a raw message really comes from this address."""
MARKER = "x-postroom-id"  # our letters carry the left part of their Message-ID, whatever a provider makes of it


class MailboxWorker:
    """Reads the folders of one mailbox; `jitter` gives 0 to 1, so that mailboxes do not all come at the same time."""

    def __init__(
        self,
        store: Store,
        mailbox: str,
        settings: ImapSettings,
        inbox: InboxSettings,
        reader: Reader,
        node: str,
        jitter: Callable[[], float] = lambda: 0.5,
    ):
        self._store = store
        self._mailbox = mailbox
        self._settings = settings
        self._inbox = inbox
        self._reader = reader
        self._node = node
        self._jitter = jitter

    async def run_pass(self, now: datetime) -> PassReport:
        """Fetch everything new; backs off with a stored instant when the server fails."""
        state = (await self._store.read(mailboxes.states)).get(self._mailbox, {})
        not_before = state.get("poll_not_before")
        if state.get("state") == "held" or (not_before is not None and not_before > now):
            return PassReport(0, not_before)
        epoch = await self._store.write(mailboxes.acquire_lease, self._mailbox, self._node, now, LEASE)
        if epoch is None:
            return PassReport(0, now + LEASE, ("another node reads this mailbox",))
        try:
            fetched, unfinished, notes = await self._read_folders(epoch, now)
        except (AuthenticationFailed, TlsFailed) as problem:
            await self._store.write(mailboxes.hold, self._mailbox, str(problem), actor="postroom", now=now)
            raise
        except TemporaryError as problem:
            pause = min(FIRST_BACKOFF * 2 ** min(state.get("failures", 0), 10), LAST_BACKOFF)
            retry = now + pause * (0.5 + self._jitter())
            await self._store.write(mailboxes.back_off, self._mailbox, str(problem), poll_not_before=retry)
            return PassReport(0, retry, (f"{self._mailbox}: {problem}; again at {retry:%H:%M:%S}",))
        await self._store.write(mailboxes.recovered, self._mailbox, polled_at=now, remark="; ".join(notes))
        pause = self._inbox.poll_every * (0.9 + 0.2 * self._jitter())
        return PassReport(fetched, now if unfinished else now + pause, tuple(notes), well=True)

    async def wait_for_news(self, seconds: float) -> bool:
        """Wait until something happens in the first folder, at most so many seconds; a hint only."""
        return await self._reader.wait_for_news(self._settings.folders[0], seconds)

    async def _read_folders(self, epoch: int, now: datetime) -> tuple[int, bool, list[str]]:
        """Read each folder in turn; one that cannot be opened does not stop the others."""
        fetched, unfinished, notes = 0, False, list[str]()
        folders = (*self._settings.folders, *([self._settings.sent] if self._settings.sent else []))
        for folder in folders:
            try:
                stored, more = await self._read_folder(folder, epoch, now, notes)
            except (AuthenticationFailed, TlsFailed):
                raise
            except PermanentError as problem:
                notes.append(str(problem))
            else:
                fetched, unfinished = fetched + stored, unfinished or more
        return fetched, unfinished, notes

    async def _read_folder(self, folder: str, epoch: int, now: datetime, notes: list[str]) -> tuple[int, bool]:
        """Fetch until nothing is left or the pass was long enough; each batch and its cursor are committed together."""
        position = await self._store.read(messages.cursor, self._mailbox, folder)
        compare = position.compared_at is not None and now - position.compared_at >= COMPARE_EVERY
        cursor = Cursor(self._mailbox, folder, position.uidvalidity, position.last_uid, position.floor_uid)
        known = await self._known(cursor, whole=compare)
        if compare:
            cursor = await self._back_to_first_gap(cursor, known)
        history = (position.first_at or now) - timedelta(days=self._settings.first_days)
        oldest = min(history, (position.first_at or now) - FIRST_LOOK)
        fetched = 0
        for _ in range(BATCHES):
            batch = await self._reader.fetch_since(cursor, known_uids=known, limit=BATCH, since=oldest)
            if batch is None:
                if position.first_at is None:
                    notes.append(f"{self._mailbox} has no folder {folder}")
                    await self._store.write(messages.ingest, self._mailbox, folder, None, [], now, last_uid=0)
                return fetched, False
            if batch.unreadable:
                notes.append(f"{folder}: the server does not hand out {len(batch.unreadable)} messages")
            if batch.validity_changed:
                known = set()
            first_look = cursor.uidvalidity != batch.uidvalidity
            ended = compare and not batch.more
            reached = replace(cursor, uidvalidity=batch.uidvalidity, last_uid=batch.reached, floor_uid=batch.floor_uid)
            if batch.mails or ended or reached != cursor or position.first_at is None:
                arrivals = [
                    messages.Arrival(
                        mail.uid, mail.internal_at, mail.raw, _is_news(mail.internal_at, history, first_look)
                    )
                    for mail in batch.mails
                ]
                fetched += await self._store.write(self._keep, epoch, batch, arrivals, now, compared=ended)
            known |= {mail.uid for mail in batch.mails}
            cursor = reached
            if not batch.more:
                return fetched, False
        return fetched, True

    def _keep(
        self, connection: Connection, epoch: int, batch: FetchBatch, arrivals: list[messages.Arrival], now: datetime,
        *, compared: bool,
    ) -> int:  # fmt: skip
        """Unit of work: bytes and cursor, if the mailbox is still ours."""
        mailboxes.require_lease(connection, self._mailbox, self._node, epoch)
        fresh = messages.ingest(
            connection, self._mailbox, batch.folder, batch.uidvalidity, arrivals, now,
            last_uid=batch.reached, floor_uid=batch.floor_uid, compared=compared,
        )  # fmt: skip
        return len(fresh)

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


def _is_news(internal_at: datetime, history: datetime, first_look: bool) -> bool:
    """Tell whether an arrival is announced: history found at the first connect, or moved in later, is not."""
    if internal_at == UNKNOWN_AT:
        return not first_look
    return internal_at >= (history if first_look else history - SKEW)


class JudgeWorker:
    """Judges and files stored messages; `sent_folders` names the Sent folder of each mailbox."""

    def __init__(
        self,
        store: Store,
        classifier: Classifier,
        policy: FilingPolicy,
        on_filed: Callable[[Judgement, Filed], None] | None = None,
        *,
        parse: Parse,
        prove: Prove,
        sent_folders: Mapping[str, str | None],
    ) -> None:
        self._store = store
        self._classifier = classifier
        self._policy = policy
        self._on_filed = on_filed
        self._parse = parse
        self._prove = prove
        self._sent_folders = sent_folders

    async def run_pass(self, now: datetime) -> PassReport:
        """Judge and file everything that waits."""
        waiting = await self._store.read(messages.waiting)
        for row in waiting:
            await self._judge(row, now)
        return PassReport(len(waiting), now if waiting else None)

    async def _judge(self, row: dict[str, Any], now: datetime) -> None:
        """Judge one message; a death or a fault of ours while it is in hand counts against it."""
        if await self._store.write(messages.count_death, row["id"]) > DEATHS:
            await self._set_aside(row, "broke-processing-three-times", now)
            return
        try:
            raw = await self._store.read(messages.raw, row["sha256"])
            mail = await self._parse(raw)
            if mail is None:
                return  # others have their turn before the next try
            found, mail = await self._look_inside(await self._describe(row, mail), row, mail, raw)
            inside = Tag.FORWARDED in found.tags  # a proof speaks for the mail around it
            if not found.ours and not found.report:
                found = await self._understand(found, row, mail)
            if not inside:
                found = await self._with_proof(found, raw)
            filed = await self._store.write(file_message, found, self._policy, now)
        except ParseRefused as problem:
            await self._set_aside(row, str(problem), now)
            return
        except TemporaryError:
            await self._store.write(messages.count_no_death, row["id"])
            raise
        if filed is not None and self._on_filed is not None:
            self._on_filed(found, filed)

    async def _set_aside(self, row: dict[str, Any], reason: str, now: datetime) -> None:
        """Quarantine what cannot be read; it may ask us to stop, so everything to its sender is held."""
        seen = glance(await self._store.read(messages.raw, row["sha256"]))
        found = Judgement(
            id=row["id"],
            mailbox=row["mailbox"],
            received_at=row["internal_at"],
            announce=row["announce"],
            mail_id="",
            from_address=seen.from_address,
            to_addresses=(),
            subject="",
            text="",
            ids=seen.ids,
            tokens=(),
            label=Label.OTHER,
            ours=row["folder"] == self._sent_folders.get(row["mailbox"]),
        )
        await self._store.write(set_aside, found, reason, self._policy, now)

    async def _look_inside(
        self, found: Judgement, row: dict[str, Any], mail: ParsedMail, raw: bytes
    ) -> tuple[Judgement, ParsedMail]:
        """Take the mail inside for the mail, where one of our people passed on somebody's."""
        if not found.ours or not is_forward(mail):
            return found, mail
        in_sent = row["folder"] == self._sent_folders.get(row["mailbox"])  # then the mail inside came to us anyway
        inner = None if in_sent else await asyncio.to_thread(forwarded_mail, mail, raw, self._policy.own_addresses())
        if inner is None:
            return replace(found, passed_on=True), mail
        return await self._describe(row, inner, forwarded=True), inner

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
        if Tag.COMPLAINT in meaning.tags and (original := original_id(mail)):
            ids = (original, *ids)
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
            notice=meaning.notice,
        )

    async def _with_proof(self, found: Judgement, raw: bytes) -> Judgement:
        """Ask who sent it where a forger would gain: a stop, and mail in the name of our own people."""
        forgeable = found.label == Label.UNSUBSCRIBE or (found.ours and not found.proven)
        if not forgeable:
            return found
        proof = await self._prove(raw, found.from_address)
        why = found.why if proof.proven else f"{found.why}; sender not proven: {proof.why}".removeprefix("; ")
        return replace(found, proven=proof.proven, denied=proof.denied, why=why)

    async def _describe(self, row: dict[str, Any], mail: ParsedMail, *, forwarded: bool = False) -> Judgement:
        writer = mail.from_address.lower()
        to = tuple(dict.fromkeys([*mail.to, *mail.cc, *mail.delivered_to]))
        in_sent = row["folder"] == self._sent_folders.get(row["mailbox"])
        ids = referred_ids(mail.in_reply_to, mail.references)
        if in_sent and await self._is_own_letter(row["mailbox"], mail):
            ids = ()  # a machine's letter is nobody's answer
        return Judgement(
            id=row["id"],
            mailbox=row["mailbox"],
            received_at=row["internal_at"],
            announce=row["announce"],
            mail_id=mail.message_id,
            from_address=writer,
            from_name=mail.from_name,
            to_addresses=to,
            subject=mail.subject,
            text="",
            ids=ids,
            tokens=address_tokens(to),
            label=Label.OTHER,
            tags=frozenset({Tag.FORWARDED}) if forwarded else frozenset(),
            proven=in_sent and not forwarded,
            ours=(in_sent and not forwarded)
            or (writer in self._policy.mailboxes and not mail.report)  # a report of our own filter is no letter
            or self._policy.team.find(writer) is not None,
            report="" if in_sent or forwarded else mail.report,
        )

    async def _is_own_letter(self, mailbox: str, mail: ParsedMail) -> bool:
        """Tell whether a copy in Sent is one of our letters; learns the Message-ID that a provider gave it."""
        marker = mail.get(MARKER)
        if not marker:
            return False
        planned = f"<{marker}@{mailbox.rpartition('@')[2]}>"
        if mail.message_id:
            await self._store.write(sends.learn_id, planned, mail.message_id)
        return True
