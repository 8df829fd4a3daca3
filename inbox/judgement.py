"""What is known about one arrival before the database is asked, and what must filing know besides the store?"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from outbound.settings import SequenceSettings
from ownership.settings import OwnershipSettings, TeamSettings
from store.vocabulary import BounceKind, Label, Tag


@dataclass(frozen=True, slots=True)
class FilingPolicy:
    """What filing needs to know besides the store."""

    secret: bytes
    team: TeamSettings
    ownership: OwnershipSettings
    sequences: Mapping[str, SequenceSettings]
    mailboxes: frozenset[str]  #: our own mailbox addresses and aliases
    shared_domains: frozenset[str]  #: free-mail domains: they identify no company
    report_mailboxes: frozenset[str] = frozenset()  #: mailboxes and aliases where reports on our domains arrive
    domains: frozenset[str] = frozenset()  #: that we send from
    relays: frozenset[str] = frozenset()  #: addresses that send for us

    def own_addresses(self) -> frozenset[str]:
        """Return every address of ours: mailboxes, aliases, people."""
        return self.mailboxes | frozenset(self.team.by_address)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What was found out about one stored message, before the database is asked."""

    id: int
    mailbox: str
    received_at: datetime
    announce: bool
    mail_id: str
    from_address: str
    to_addresses: tuple[str, ...]
    subject: str
    text: str
    ids: tuple[str, ...]  #: Message-IDs it refers to, the likeliest first
    tokens: tuple[str, ...]
    label: Label
    tags: frozenset[Tag] = frozenset()
    confidence: float = 1.0
    decided_by: str = ""
    why: str = ""
    language: str = ""
    from_name: str = ""
    held: bool = False
    return_on: date | None = None
    bounce: BounceKind | None = None
    failed_recipients: tuple[str, ...] = ()
    notice: bool = False  #: a machine's notice that calls for nothing
    ours: bool = False  #: seen in Sent, or said to be written by one of our own people
    proven: bool = False  #: the sender is who From says, or it lies in Sent
    denied: bool = False  #: our own server says that From is forged
    report: str = ""  #: what a report on our domains says, as `deliverability.reports` wrote it
    passed_on: bool = False  #: one of our people passes on a mail: no answer to anybody outside
