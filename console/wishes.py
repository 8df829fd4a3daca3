"""What happens when a recipient says stop on our page? The wish is durable before the page says "done".

The store takes it in one transaction; when the store cannot be reached, a spool does: one file a wish, synced and
renamed into place, which the daemon drains before anything is sent. A file's name says all that must be done, so that
even a damaged one is obeyed. Nothing in it names a person.
"""

import asyncio
import json
import logging
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from outbound.stop import LIVE, TABLE, apply_event
from store import contacts, enrollments, notices, open_sends, suppression
from store.database import Store
from store.errors import PermanentError, TemporaryError
from store.records import Contact
from store.vocabulary import (
    EnrollmentState,
    EventName,
    StopChoice,
    StopEvent,
    SuppressionKind,
    SuppressionReason,
)

log = logging.getLogger("postroom.wishes")
PAUSE = timedelta(days=90)
STORE_PATIENCE = 10.0  #: seconds for the store to commit, then the spool takes the wish
SPOOL_REST = 1.0  #: seconds before the page says "done": a claim that saw the spool empty has begun its DATA by then
BEGUN = timedelta(seconds=2)  #: after a claim, DATA has begun or never will
_NAME = re.compile(r"(\d+)-(\w+)\.json")


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody pressed, and where from."""

    enrollment_id: int
    choice: StopChoice
    at: datetime
    client: str = "unknown"  #: IP address

    @property
    def evidence(self) -> str:
        """How we know."""
        return f"one-click POST from {self.client} at {self.at.astimezone(UTC).isoformat(timespec='seconds')}"


@dataclass(frozen=True, slots=True)
class WishDesk:
    """Takes wishes, whatever the state of the store."""

    store: Store
    secret: bytes
    compliance: str  #: told of every new suppression
    spool: Path
    now: Callable[[], datetime]
    wide: frozenset[str] = frozenset()  #: sequences in which one person's wish to stop stops the whole account

    async def take(self, wish: Wish) -> None:
        """Make a wish durable, in the store or in the spool; raises OSError when neither takes it.

        Returns when no DATA to the person can begin any more: a letter that was claimed before has begun by then.
        """
        try:
            async with asyncio.timeout(STORE_PATIENCE):
                known = await self.store.write(apply, wish, self.secret, self.compliance, self.wide)
                if known:
                    await self._let_claims_begin(wish)
                    return
            log.error("enrollment %d is not in this database: spooled for a person", wish.enrollment_id)
        except (TemporaryError, SQLAlchemyError, TimeoutError) as problem:
            log.warning("the store took no wish (%s): spooled for the daemon", type(problem).__name__)
        await asyncio.to_thread(keep, self.spool, wish)
        await asyncio.sleep(SPOOL_REST)

    async def _let_claims_begin(self, wish: Wish) -> None:
        since, give_up = self.now() - BEGUN, asyncio.get_running_loop().time() + BEGUN.total_seconds()
        while await self.store.read(open_sends.just_claimed, wish.enrollment_id, since):
            if asyncio.get_running_loop().time() >= give_up:
                break
            await asyncio.sleep(0.02)

    def waiting(self) -> bool:
        """Tell whether a wish waits in the spool; one look into a folder."""
        return next(_named(self.spool), None) is not None

    async def drain(self) -> int:
        """Apply every spooled wish; returns how many. An empty spool costs one look into a folder."""
        done = 0
        for path, wish in spooled(self.spool):
            known = await self.store.write(apply, wish, self.secret, self.compliance, self.wide)
            if not known:
                log.error("%s: no such enrollment in this database; the file is kept as .unknown", path.name)
                path.replace(path.with_suffix(".unknown"))
                continue
            try:
                path.unlink(missing_ok=True)  # another mailbox's claim may have drained it too
            except OSError as problem:
                raise PermanentError(f"{path}: obeyed, but it cannot be removed ({problem.strerror})") from problem
            done += 1
        return done


def apply(
    connection: Connection, wish: Wish, secret: bytes, compliance: str, wide: frozenset[str] = frozenset()
) -> bool:
    """Do what a wish says, as often as it is said; returns False when there is no such enrollment."""
    enrollment = enrollments.enrollment(connection, wish.enrollment_id)
    contact = contacts.contact(connection, enrollment.contact_id) if enrollment else None
    if contact is None:
        return False
    match wish.choice:
        case StopChoice.SEQUENCE:
            _stop(connection, contact, wish, [wish.enrollment_id])
        case StopChoice.PAUSE:
            _pause(connection, contact, wish, secret)
        case StopChoice.EVERYTHING:
            if _suppress(connection, contact, wish, secret, SuppressionReason.UNSUBSCRIBE, None):
                text = f"{contact.email} unsubscribed by one click.\n"
                payload = {"subject": f"Suppressed: {contact.email}", "text": text}
                key = f"suppression:{contact.email}"
                event = EventName.SUPPRESSION_ADDED
                notices.enqueue(connection, event, key, "mail", compliance, payload, wish.at)
            stopped = _stop(connection, contact, wish, None)
            if contact.account_id is not None and stopped & wide:
                _stop_colleagues(connection, contact.account_id, wish)
    return True


def _suppress(
    connection: Connection,
    contact: Contact,
    wish: Wish,
    secret: bytes,
    reason: SuppressionReason,
    expires_at: datetime | None,
) -> bool:
    return suppression.add(
        connection, secret, SuppressionKind.ADDRESS, contact.email, reason,
        source="one-click", evidence=wish.evidence, actor="recipient", now=wish.at, expires_at=expires_at,
    )  # fmt: skip


def _stop(connection: Connection, contact: Contact, wish: Wish, only: list[int] | None) -> set[str]:
    """End the enrollments named, or all; the one the link belongs to is marked as opted out even when it had ended.

    Returns the sequences that heard of it.
    """
    heard: set[str] = set()
    for old in enrollments.enrollments_of(connection, [contact.id]):
        if only is not None and old.id not in only:
            continue
        if old.state in LIVE or old.id == wish.enrollment_id:
            heard.add(old.sequence)
        moved = apply_event(old.state, StopEvent.UNSUBSCRIBE, paused_until=None)
        if moved.state != old.state and (old.state in LIVE or old.id == wish.enrollment_id):
            reason = StopEvent.UNSUBSCRIBE
            enrollments.set_state(connection, old, moved.state, reason=reason, actor="recipient", now=wish.at)
    return heard


def _stop_colleagues(connection: Connection, account_id: int, wish: Wish) -> None:
    event = TABLE[StopEvent.UNSUBSCRIBE].account or StopEvent.ACCOUNT_STOP
    people = [one.id for one in contacts.contacts_of_account(connection, account_id)]
    for old in enrollments.enrollments_of(connection, people, live=True):
        moved = apply_event(old.state, event, paused_until=None)
        enrollments.set_state(connection, old, moved.state, reason=event, actor="recipient", now=wish.at)


def _pause(connection: Connection, contact: Contact, wish: Wish, secret: bytes) -> None:
    """Let everything rest: an entry of the ledger that expires, and every enrollment until the same day."""
    until = wish.at + PAUSE
    _suppress(connection, contact, wish, secret, SuppressionReason.MANUAL, until)
    for old in enrollments.enrollments_of(connection, [contact.id], live=True):
        waits = old.state == EnrollmentState.PAUSED and old.paused_until is None  # for a person: no machine dates it
        if waits or (old.paused_until is not None and old.paused_until >= until):
            continue
        moved = apply_event(old.state, StopEvent.MANUAL_PAUSE, paused_until=until)
        enrollments.set_state(
            connection, old, moved.state, reason=StopEvent.MANUAL_PAUSE, actor="recipient", now=wish.at,
            paused_until=moved.paused_until,
        )  # fmt: skip


def keep(folder: Path, wish: Wish) -> None:
    """Write a wish into the spool so that it survives a power cut; the same wish again replaces its file."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"{wish.enrollment_id}-{wish.choice}.json"
    beside = path.with_suffix(f".{os.getpid()}.{id(wish)}.new")
    with beside.open("x", encoding="utf-8") as file:
        json.dump({"at": wish.at.isoformat(), "client": wish.client}, file)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    directory = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def spooled(folder: Path) -> Iterator[tuple[Path, Wish]]:
    """Yield the wishes that wait in the spool."""
    for path, number, choice in _named(folder):
        wish = Wish(number, choice, datetime.now(UTC))
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
            wish = replace(wish, at=datetime.fromisoformat(told["at"]), client=str(told["client"]))
        except FileNotFoundError:
            continue  # drained meanwhile
        except (OSError, ValueError, KeyError, TypeError):
            log.warning("%s is damaged; its name still says what to do", path)
        yield path, wish


def _named(folder: Path) -> Iterator[tuple[Path, int, StopChoice]]:
    try:
        paths = [path for path in folder.iterdir() if path.suffix == ".json"]
    except FileNotFoundError:
        return
    for path in sorted(paths):
        found = _NAME.fullmatch(path.name)
        if found is None or found[2] not in set(StopChoice):
            log.error("%s is no wish and stays where it is", path)
        else:
            yield path, int(found[1]), StopChoice(found[2])
