"""Which facts do decisions read? Frozen records, shaped by the question that needs them.

Conventions: `_at` is an aware UTC instant, `_on` a date, people and mailboxes are named by lower-case mail address.
Empty text means "not known"; `None` is used where a number, instant or reference may be missing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from store.vocabulary import (
    AccountStage,
    EnrollmentState,
    HandoverState,
    Label,
    RejectionReason,
    SendState,
    SuppressionKind,
    SuppressionReason,
    Tag,
    ThreadState,
)


@dataclass(frozen=True, slots=True)
class Account:
    """A contact's company."""

    id: int
    name: str = ""
    domain: str = ""
    crm_id: str = ""
    parent_id: int | None = None
    owner: str = ""
    stage: AccountStage = AccountStage.PROSPECT
    segment: str = ""
    country: str = ""  #: ISO 3166-1 alpha-2
    lists: tuple[str, ...] = ()  #: named account lists it stands on
    opportunity_owner: str = ""
    lost_on: date | None = None
    active_at: datetime | None = None  #: last activity on the record, for ties
    origins: Mapping[str, Sequence[str]] = field(default_factory=dict)  #: "instant source" -> fields that it gave


@dataclass(frozen=True, slots=True)
class Contact:
    """A person we may write to."""

    id: int
    email: str
    first_name: str = ""
    last_name: str = ""
    account_id: int | None = None
    country: str = ""  #: ISO 3166-1 alpha-2
    state: str = ""
    city: str = ""
    zone: str = ""  #: IANA time zone; empty: the sequence's
    language: str = ""  #: ISO 639-1
    role: str = ""
    source: str = ""  #: normalised lead source
    legal_basis: str = ""
    owner: str = ""
    earlier_owner: str = ""
    crm_id: str = ""
    do_not_contact: bool = False
    fields: Mapping[str, str] = field(default_factory=dict)  #: extra CSV columns
    origins: Mapping[str, Sequence[str]] = field(default_factory=dict)  #: "instant source" -> fields that it gave


@dataclass(frozen=True, slots=True)
class Enrollment:
    """One contact in one sequence."""

    id: int
    contact_id: int
    sequence: str
    state: EnrollmentState
    step: int  #: index of the next step, from 0
    due_at: datetime | None
    paused_until: datetime | None = None
    resume_at: datetime | None = None  #: while paused: when the next step falls due at the earliest
    mailbox: str = ""  #: fixed with the first send
    started_at: datetime | None = None
    ended_at: datetime | None = None
    end_reason: str = ""


@dataclass(frozen=True, slots=True)
class DueStep:
    """An enrollment whose next step is due, as the planner sees it (hundreds of thousands: keep it small)."""

    enrollment_id: int
    contact_id: int
    account_id: int | None
    sequence: str
    step: int  #: 0 is an opener, later steps are follow-ups
    due_at: datetime
    mailbox: str  #: empty until the first send
    recipient_domain: str
    zone: str  #: IANA zone of the recipient, empty when not known
    country: str


@dataclass(frozen=True, slots=True)
class MailboxLoad:
    """What a mailbox has sent, counted from the ledger."""

    mailbox: str
    sent_last_day: int  #: sends (sent, claimed, uncertain) of the rolling 24 h
    last_sent_at: datetime | None
    daily_history: tuple[tuple[date, int, bool], ...] = ()  #: (UTC day, sends, trouble?) oldest first, for the ramp
    delivered: int = 0  #: sends in the health window
    bounced: int = 0
    complained: int = 0
    unsubscribed: int = 0
    not_before: datetime | None = None  #: back-off after a temporary error
    held: bool = False
    frees_at: tuple[datetime, ...] = ()  #: when the oldest sends leave the rolling 24 h, ascending (at most 50)


@dataclass(frozen=True, slots=True)
class CapCounts:
    """Sends of the rolling 24 h by what they share, counted from the ledger."""

    by_recipient_domain: Mapping[str, int] = field(default_factory=dict)
    by_account: Mapping[int, int] = field(default_factory=dict)
    by_sending_domain: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SequenceOutcome:
    """What a sequence has brought since it was activated, counted from the ledger."""

    contacts: int = 0  #: contacts whose first letter may have left
    sends: int = 0  #: letters that may have left
    settled: int = 0  #: of these, old enough for an answer
    interested: int = 0  #: contacts who were interested after a settled letter
    bounced: int = 0  #: contacts whose address or server refused for good
    unsubscribed: int = 0  #: contacts who asked us to stop or complained
    running: int = 0  #: contacts opened with whose enrollment has not ended


@dataclass(frozen=True, slots=True)
class SentMessage:
    """A message of ours, as replies and follow-ups refer to it."""

    send_id: int
    enrollment_id: int
    contact_id: int
    account_id: int | None
    sequence: str
    step: int
    variant: str
    mailbox: str
    recipient: str
    subject: str
    message_id: str  #: with angle brackets, as we wrote it
    learnt_id: str  #: as the provider rewrote it, or empty
    token: str
    text: str  #: the plain part
    state: SendState
    sent_at: datetime | None


@dataclass(frozen=True, slots=True)
class Suppression:
    """An entry of the ledger of who is never mailed."""

    kind: SuppressionKind
    value: str  #: empty after erasure; the keyed hash still blocks
    reason: SuppressionReason
    source: str
    evidence: str
    created_at: datetime
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """An incoming message once judged, as routing sees it."""

    message_id: int  #: our key of the stored message
    from_address: str
    to_addresses: tuple[str, ...]
    subject: str
    text: str  #: the sender's new text
    label: Label
    tags: frozenset[Tag]
    confidence: float
    decided_by: str  #: "model" or "evidence:<name>"
    received_at: datetime
    language: str = ""
    mailbox: str = ""  #: the mailbox or alias it came to
    sequence: str = ""  #: of the message answered, else the one last sent to that address
    held: bool = False  #: a wish to stop is likely enough to hold every sequence


@dataclass(frozen=True, slots=True)
class Thread:
    """One conversation with a contact and whose it is."""

    id: int
    contact_id: int | None
    account_id: int | None
    sequence: str
    mailbox: str
    subject: str
    state: ThreadState
    owner: str = ""
    acting: str = ""
    rule: str = ""
    reason: str = ""
    pinned: bool = False  #: a manager or a pinning rule fixed the owner
    label: Label | None = None
    tags: frozenset[Tag] = frozenset()
    task_open: bool = False
    sla_due_at: datetime | None = None
    escalation: int = 0  #: how many rungs of the ladder have fired
    assigned_at: datetime | None = None
    answered_at: datetime | None = None
    last_reply_at: datetime | None = None
    first_reply_at: datetime | None = None
    touched_at: datetime | None = None  #: our first answer
    linked_id: int | None = None  #: the thread of the same lead, when this one is a duplicate


@dataclass(frozen=True, slots=True)
class Handover:
    """One offer of a thread from one colleague to another."""

    id: int
    thread_id: int
    contact_id: int | None
    giver: str
    taker: str
    stage: str  #: of the account once accepted; empty: unchanged
    package: Mapping[str, str]
    state: HandoverState
    reason: RejectionReason | None
    note: str
    offered_at: datetime
    answer_by: datetime
    answered_at: datetime | None = None
    answered_by: str = ""
    late: bool = False  #: the manager was told that nobody answered


@dataclass(frozen=True, slots=True)
class ContactHistory:
    """What has happened between us and a contact, for the guardrails."""

    suppressed: Suppression | None = None
    active_sequences: tuple[str, ...] = ()
    last_reply_label: Label | None = None
    last_reply_on: date | None = None
    last_reply_timing: bool = False  #: the last decline was about timing
    recycle_on: date | None = None  #: the date they named, or the end of the longer window
    ended: tuple[Enrollment, ...] = ()  #: what was before, newest end first
    rejected: RejectionReason | None = None  #: why a colleague did not take the lead, until somebody decides
    rejected_on: date | None = None


@dataclass(frozen=True, slots=True)
class PassReport:
    """What one pass of a worker did, and when the next one is worth while."""

    done: int = 0  #: units of work: sends, messages, notices, checks
    next_wake: datetime | None = None  #: None: when woken, or at the worker's longest pause
    notes: tuple[str, ...] = ()  #: sentences for `status` and the log
    well: bool = False  #: its door works: the supervisor may wait for news there
