"""What does a server hold in a folder? The commands that the reader needs, each with its answer read and checked."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aioimaplib.aioimaplib import Response

from inbox.catch_up import FetchedMail, fit_batch
from inbox.imap_connection import is_passing, refuse
from inbox.imap_folders import ListedFolder, read_list
from inbox.imap_protocol import ImapProtocol, first_lines
from inbox.imap_syntax import Item, Octets, read_fetch, read_internal_date, read_number, write_uids
from store.errors import ConnectionLost, PermanentError

AT_ONCE = 16_000_000  # octets asked for in one FETCH
IN_BATCH = 64_000_000  # octets handed out in one batch; what is over waits for the next
BEGINNING = 262_144  # octets fetched of a message that is too large
CUT_TRIES = 3  # how often a message that comes shorter than stated is asked for
_NUMBERS = {
    "uidvalidity": re.compile(rb"\[UIDVALIDITY (\d{1,10})\]", re.IGNORECASE),
    "modseq": re.compile(rb"\[HIGHESTMODSEQ (\d{1,19})\]", re.IGNORECASE),
    "uidnext": re.compile(rb"\[UIDNEXT (\d{1,10})\]", re.IGNORECASE),
    "exists": re.compile(rb"^(\d{1,10}) EXISTS", re.IGNORECASE | re.MULTILINE),
}

Facts = dict[int, dict[bytes, Item]]
"""What FETCH said, by UID and name of the data item."""
Bodies = dict[int, Octets]


@dataclass(frozen=True, slots=True)
class FolderState:
    """What EXAMINE says of a folder; 0 where the server does not tell."""

    uidvalidity: int
    uidnext: int
    exists: int
    modseq: int  #: grows with every change of the folder (CONDSTORE, RFC 7162)


@dataclass(frozen=True, slots=True)
class Fetched:
    """What was fetched, and of which UIDs that is the whole truth."""

    mails: tuple[FetchedMail, ...]
    looked_at: Sequence[int]
    unreadable: tuple[int, ...]


def read_state(folder: str, response: Response) -> FolderState:
    """Read the answer to EXAMINE; raises PermanentError when the server keeps no UIDs."""
    said = b"\n".join([*first_lines(response), bytes(response.lines[-1])])
    found = {name: pattern.search(said) for name, pattern in _NUMBERS.items()}
    state = FolderState(**{name: int(match[1]) if match else 0 for name, match in found.items()})
    if not state.uidvalidity:
        raise PermanentError(f"folder {folder}: the server states no UIDVALIDITY, so nothing can be fetched only once")
    return state


async def list_folders(session: ImapProtocol) -> list[ListedFolder]:
    """Return the folders of the account."""
    special = {"SPECIAL-USE", "LIST-EXTENDED"} <= session.capabilities
    response = await session.simple_command("LIST", '""', '"*"', *(["RETURN", "(SPECIAL-USE)"] if special else []))
    if response.result != "OK":
        refuse(response, "the list of folders")
    return read_list(response.lines[:-1])


async def search(session: ImapProtocol, *criteria: str) -> frozenset[int]:
    """Return the UIDs of the open folder that match."""
    response = await session.search(*criteria, charset=None, by_uid=True)
    if response.result != "OK":
        refuse(response, "the search for messages")
    lines = [line.split() for line in first_lines(response)]
    return frozenset(int(word) for line in lines if line[:1] == [b"SEARCH"] for word in line[1:] if word.isdigit())


async def fetch_mails(
    session: ImapProtocol, folder: str, uidvalidity: int, uids: Sequence[int], largest: int
) -> Fetched:
    """Fetch messages of the open folder as far as one batch goes; of those over `largest` octets the beginning."""
    facts = await _fetch_facts(session, uids)
    sizes = {uid: read_number(fact[b"RFC822.SIZE"]) for uid, fact in facts.items()}
    looked_at = fit_batch(uids, {uid: min(size, largest) for uid, size in sizes.items()}, IN_BATCH)
    present = [uid for uid in looked_at if uid in facts]
    bodies = await _fetch_bodies(session, {uid: sizes[uid] for uid in present}, largest)
    mails = [_mail(folder, uidvalidity, facts[uid], bodies[uid], largest) for uid in present if uid in bodies]
    return Fetched(tuple(mails), looked_at, tuple(uid for uid in present if uid not in bodies))


async def _fetch_facts(session: ImapProtocol, uids: Sequence[int]) -> Facts:
    """Return size, internal date and flags; vanished messages are missing."""
    if not uids:
        return {}
    response = await session.fetch(write_uids(uids), "(UID RFC822.SIZE INTERNALDATE FLAGS)", by_uid=True)
    if response.result != "OK":
        refuse(response, "the sizes of messages")
    asked = frozenset(uids)
    return {uid: fact for uid, fact in _by_uid(response).items() if uid in asked and b"RFC822.SIZE" in fact}


async def _fetch_bodies(session: ImapProtocol, sizes: Mapping[int, int], largest: int) -> Bodies:
    """Return whole messages or, over `largest`, their beginning; refused and vanished ones are missing."""
    bodies: Bodies = {}
    small = [uid for uid, size in sizes.items() if size <= largest]
    while small:
        group = fit_batch(small, sizes, AT_ONCE)
        small = small[len(group) :]
        for uid, body in (await _fetch_part(session, group)).items():
            whole = await _confirm(session, uid, body, sizes[uid])
            if whole is not None:
                bodies[uid] = whole
    for uid, size in sizes.items():
        if size > largest:
            bodies |= await _fetch_part(session, [uid], f"<0.{min(largest, BEGINNING)}>")
    return bodies


async def _confirm(session: ImapProtocol, uid: int, body: Octets, size: int) -> Octets | None:
    """Ask again for a message that came shorter than stated: a cut one comes whole, a misstated one comes the same.

    None: it holds nothing, as servers answer for a message that was expunged meanwhile (RFC 2180).
    """
    for _ in range(CUT_TRIES):
        if len(body) >= size or (session.misstates_sizes and body):
            return body
        again = (await _fetch_part(session, [uid])).get(uid)
        if not again or again == body:
            session.misstates_sizes = session.misstates_sizes or bool(again)
            return again or None
        body = max(body, again, key=len)
    raise ConnectionLost(f"message {uid} comes cut, {len(body)} of {size} octets")


async def _fetch_part(session: ImapProtocol, uids: Sequence[int], part: str = "") -> Bodies:
    response = await session.fetch(write_uids(uids), f"(UID BODY.PEEK[]{part})", by_uid=True)
    if response.result != "OK" and (response.result != "NO" or is_passing(response)):
        refuse(response, "fetching messages")
    if response.result == "NO" and len(uids) > 1:  # one message that the server cannot hand out must not hide others
        parts = [await _fetch_part(session, [uid], part) for uid in uids]
        return {uid: body for part in parts for uid, body in part.items()}
    bodies = {uid: fact.get(b"BODY[]") for uid, fact in _by_uid(response).items() if uid in uids}
    return {uid: _octets(body) for uid, body in bodies.items() if isinstance(body, bytes | Octets)}


def _octets(body: bytes | Octets) -> Octets:
    if isinstance(body, Octets):
        return body
    octets = Octets(body)  # a short one may come as a quoted string
    octets.size = len(body)
    return octets


def _by_uid(response: Response) -> Facts:
    """Collect FETCH answers; those without UID were not asked for (flags changed elsewhere)."""
    facts: Facts = {}
    for answer in response.lines[:-1]:
        fact = read_fetch(answer)
        if uid := read_number(fact.get(b"UID")):
            facts.setdefault(uid, {}).update(fact)
    return facts


def _mail(folder: str, uidvalidity: int, fact: Mapping[bytes, Item], body: Octets, largest: int) -> FetchedMail:
    size = max(read_number(fact[b"RFC822.SIZE"]), body.size)  # servers misstate sizes
    truncated = size > largest
    flags = fact.get(b"FLAGS")
    names = [flag for flag in flags if isinstance(flag, bytes)] if isinstance(flags, list) else []
    return FetchedMail(
        folder=folder,
        uidvalidity=uidvalidity,
        uid=read_number(fact[b"UID"]),
        internal_at=read_internal_date(fact.get(b"INTERNALDATE")),
        flags=tuple(flag.decode("utf-8", "replace") for flag in names),
        raw=bytes(body[: min(largest, BEGINNING)] if truncated else body),
        truncated=truncated,
        size=size,
    )
