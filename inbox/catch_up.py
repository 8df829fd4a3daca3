"""Which UIDs of a folder are still to be fetched?"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a folder has been read.

    UIDs up to `floor_uid` were there before the first connect and are never fetched, as long as UIDVALIDITY stays.
    """

    mailbox: str
    folder: str
    uidvalidity: int | None = None
    last_uid: int = 0
    floor_uid: int = 0


@dataclass(frozen=True, slots=True)
class FetchedMail:
    """One message as the server holds it."""

    folder: str
    uidvalidity: int
    uid: int
    internal_at: datetime  #: 1970-01-01 when the server states none that can be read
    flags: tuple[str, ...]
    raw: bytes  #: of a truncated one the beginning only
    truncated: bool  #: larger than the cap
    size: int  #: octets


@dataclass(frozen=True, slots=True)
class FetchBatch:
    """What a fetch brought. While `more`, ask again with `reached` as the last UID and these UIDs known."""

    folder: str
    uidvalidity: int
    mails: tuple[FetchedMail, ...]
    uidnext: int
    more: bool
    validity_changed: bool  #: the folder's UIDs began anew: forget the known ones
    reached: int  #: the cursor's next `last_uid`; it passes UIDs that hold nothing any more
    floor_uid: int  #: the cursor's next `floor_uid`
    unreadable: tuple[int, ...] = ()  #: listed by the server, but not handed out


@dataclass(frozen=True, slots=True)
class Span:
    """The part of a folder to look at: new UIDs above `last`, and again those from `low` on."""

    low: int
    last: int
    floor: int
    first: bool  #: this generation of the folder was never looked at
    changed: bool  #: UIDVALIDITY is another one: the folder's UIDs began anew


def find_span(cursor: Cursor, uidvalidity: int, window: int) -> Span:
    """Return what to look at in a folder that has this UIDVALIDITY now; `window` counts UIDs."""
    if cursor.uidvalidity != uidvalidity:
        return Span(1, 0, 0, first=True, changed=cursor.uidvalidity is not None)
    last = max(cursor.last_uid, cursor.floor_uid)
    low = max(last - window, cursor.floor_uid)
    return Span(low + 1, last, cursor.floor_uid, first=False, changed=False)


def choose_uids(span: Span, found: Collection[int], known: Collection[int]) -> list[int]:
    """Return the UIDs to fetch: new ones first, then what appeared late in the window; both ascending.

    `found` may hold UIDs outside the span: `n:*` always names the last message (RFC 3501, section 6.4.8).
    """
    have = frozenset() if span.changed else frozenset(known)
    wanted = sorted(uid for uid in set(found) - have if uid >= span.low)
    return [uid for uid in wanted if uid > span.last] + [uid for uid in wanted if uid <= span.last]


def fit_batch(wanted: Sequence[int], sizes: Mapping[int, int], room: int) -> Sequence[int]:
    """Return the first UIDs whose messages fit into `room` octets together, at least one; vanished ones cost none."""
    total = 0
    for position, uid in enumerate(wanted):
        total += sizes.get(uid, 0)
        if total > room and position:
            return wanted[:position]
    return wanted
