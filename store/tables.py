"""What does the database hold? SQLModel tables; they never leave `store/`.

Closed sets are stored as their text. Owners and notices: `desk_tables.py`. Hot paths use Core tables (`core(Send)`),
built once.
"""

from datetime import date, datetime

from sqlalchemy import Column, Index, LargeBinary, Table, Text, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from store import vocabulary as v
from store.columns import House, closed, instant, json, unsigned
from store.desk_tables import Decision, Notice, Rotation, Thread
from store.report_tables import DomainReport, ReportSource

__all__ = ["Decision", "DomainReport", "Notice", "ReportSource", "Rotation", "Thread"]  # whoever needs all tables


class Instance(House, table=True):
    """Which database this is, and whether it may send (one row)."""

    id: str = Field(primary_key=True)
    fingerprint: str
    hold_reason: str = ""
    restored_at: datetime | None = instant()
    created_at: datetime = instant(null=False)


class Lease(House, table=True):
    """Which node owns a mailbox; the epoch grows with every new owner."""

    mailbox: str = Field(primary_key=True)
    node: str
    epoch: int
    expires_at: datetime = instant(null=False)


class Mailbox(House, table=True):
    """How postroom fares with a mailbox."""

    address: str = Field(primary_key=True)
    state: v.MailboxState = closed(v.MailboxState)
    reason: str = ""
    failures: int = 0
    send_not_before: datetime | None = instant()
    poll_not_before: datetime | None = instant()
    polled_at: datetime | None = instant()
    sent_search_proved_at: datetime | None = instant()


class OauthToken(House, table=True):
    """The current refresh and access token of a mailbox, replaced atomically."""

    mailbox: str = Field(primary_key=True)
    refresh_token: str
    access_token: str = ""
    expires_at: datetime | None = instant()


class Domain(House, table=True):
    """The last verdict of a sending domain."""

    name: str = Field(primary_key=True)
    verdict: v.VerdictLevel = closed(v.VerdictLevel)
    findings: list[dict[str, str]] = json()
    records: dict[str, list[str]] = json(mapping=True)
    checked_at: datetime | None = instant()
    decided_at: datetime | None = instant()


class Probe(House, table=True):
    """A letter from one of our mailboxes to another, and how it arrived."""

    id: int | None = Field(default=None, primary_key=True)
    mailbox: str = Field(index=True)
    recipient: str
    sending_domain: str
    recipient_domain: str
    message_id: str = Field(unique=True)
    state: v.ProbeState = closed(v.ProbeState)
    claimed_at: datetime = instant(null=False, index=True)
    answer: str = ""
    folder: str = ""
    seconds: float | None = None
    arrived_at: datetime | None = instant()
    facts: dict[str, str] = json(mapping=True)
    faults: list[str] = json()


class Account(House, table=True):
    """A contact's company."""

    id: int | None = Field(default=None, primary_key=True)
    name: str = ""
    domain: str = Field(default="", index=True)
    crm_id: str = Field(default="", index=True)
    parent_id: int | None = None
    owner: str = ""
    stage: v.AccountStage = closed(v.AccountStage)
    segment: str = ""
    country: str = ""
    lists: list[str] = json()
    opportunity_owner: str = ""
    lost_on: date | None = None
    active_at: datetime | None = instant()
    origins: dict[str, list[str]] = json(mapping=True)


class Contact(House, table=True):
    """A person we may write to."""

    id: int | None = Field(default=None, primary_key=True)
    email: str = Field(unique=True)
    first_name: str = ""
    last_name: str = Field(default="", index=True)
    account_id: int | None = Field(default=None, index=True)
    country: str = ""
    state: str = ""
    city: str = ""
    zone: str = ""
    language: str = ""
    role: str = ""
    source: str = ""
    legal_basis: str = ""
    owner: str = ""
    earlier_owner: str = ""
    crm_id: str = ""
    do_not_contact: bool = False
    fields: dict[str, str] = json(mapping=True)
    origins: dict[str, list[str]] = json(mapping=True)
    name_key: str = Field(default="", index=True)
    created_at: datetime | None = instant()
    updated_at: datetime | None = instant()


class Sequence(House, table=True):
    """Whether a configured sequence runs."""

    name: str = Field(primary_key=True)
    active: bool = False
    reason: str = ""
    activated_at: datetime | None = instant()


class Enrollment(House, table=True):
    """One contact in one sequence; `due_at` is set only while something is to come."""

    __table_args__ = (
        Index("ix_enrollment_due", "due_at", sqlite_where=text("due_at IS NOT NULL"),
              postgresql_where=text("due_at IS NOT NULL")),
        Index("uq_enrollment_live", "contact_id", "sequence", unique=True,
              sqlite_where=text("state IN ('active', 'paused')"),
              postgresql_where=text("state IN ('active', 'paused')")),
        Index("ix_enrollment_unsubscribed", "ended_at", sqlite_where=text("end_reason = 'unsubscribe'"),
              postgresql_where=text("end_reason = 'unsubscribe'")),
    )  # fmt: skip
    id: int | None = Field(default=None, primary_key=True)
    contact_id: int = Field(index=True)
    sequence: str
    state: v.EnrollmentState = closed(v.EnrollmentState)
    step: int = 0
    due_at: datetime | None = instant()
    paused_until: datetime | None = instant()
    resume_at: datetime | None = instant()
    mailbox: str = ""
    started_at: datetime | None = instant()
    ended_at: datetime | None = instant()
    end_reason: str = ""


class Send(House, table=True):
    """The send ledger: one row per (enrollment, step), for ever."""

    __table_args__ = (
        UniqueConstraint("enrollment_id", "step"),
        Index("ix_send_mailbox_claimed", "mailbox", "claimed_at", "state"),
        Index("ix_send_sending_domain_claimed", "sending_domain", "claimed_at", "state"),
        Index("ix_send_recipient_domain_claimed", "recipient_domain", "claimed_at", "state"),
        Index("ix_send_account_claimed", "account_id", "claimed_at"),
        Index("ix_send_sequence_planned", "sequence", "planned_at"),
        Index("ix_send_open", "state", "mailbox", sqlite_where=text("state IN ('planned', 'claimed', 'deferred')"),
              postgresql_where=text("state IN ('planned', 'claimed', 'deferred')")),
        Index("ix_send_copy_due", "copy_due_at", sqlite_where=text("copy_due_at IS NOT NULL"),
              postgresql_where=text("copy_due_at IS NOT NULL")),
    )  # fmt: skip
    id: int | None = Field(default=None, primary_key=True)
    enrollment_id: int
    contact_id: int = Field(index=True)
    account_id: int | None = None
    sequence: str
    step: int
    variant: str = ""
    state: v.SendState = closed(v.SendState)
    mailbox: str
    sending_domain: str
    recipient: str = Field(index=True)
    recipient_domain: str
    message_id: str = Field(unique=True)
    learnt_id: str = Field(default="", index=True)
    subject: str
    body_text: str = Field(sa_column=Column(Text, nullable=False))
    raw: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    sha256: str
    token: str = Field(index=True)
    planned_at: datetime = instant(null=False)
    not_before: datetime | None = instant()
    not_after: datetime | None = instant()
    attempts: int = 0
    claimed_at: datetime | None = instant(index=True)
    claim_epoch: int | None = None
    sent_at: datetime | None = instant(index=True)
    code: int | None = None
    enhanced: str = ""
    answer: str = ""
    reason: str = ""
    checks: int = 0
    next_check_at: datetime | None = instant()
    copy_due_at: datetime | None = instant()


class Suppression(House, table=True):
    """Who is never mailed; the keyed hash blocks even after erasure."""

    __table_args__ = (UniqueConstraint("value_hash"),)
    id: int | None = Field(default=None, primary_key=True)
    kind: v.SuppressionKind = closed(v.SuppressionKind)
    value_hash: bytes = Field(sa_column=Column(LargeBinary(16), nullable=False))
    value: str = ""
    reason: v.SuppressionReason = closed(v.SuppressionReason)
    source: str = ""
    evidence: str = ""
    created_at: datetime = instant(null=False)
    expires_at: datetime | None = instant()


class RawMessage(House, table=True):
    """The bytes of what arrived, once, whichever mailboxes it came to."""

    sha256: str = Field(primary_key=True)
    body: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    stored_at: datetime = instant(null=False)


class Message(House, table=True):
    """One incoming message in one folder, and what was made of it."""

    __table_args__ = (
        UniqueConstraint("mailbox", "folder", "uidvalidity", "uid"),
        Index("ix_message_waiting", "id", sqlite_where=text("stage = 'stored'"),
              postgresql_where=text("stage = 'stored'")),
    )  # fmt: skip
    id: int | None = Field(default=None, primary_key=True)
    mailbox: str
    folder: str
    uidvalidity: int = unsigned()
    uid: int = unsigned()
    sha256: str
    content: str = Field(index=True)
    internal_at: datetime = instant(null=False)
    stored_at: datetime = instant(null=False)
    announce: bool = True
    stage: v.MessageStage = closed(v.MessageStage)
    deaths: int = 0
    reason: str = ""
    message_id: str = Field(default="", index=True)
    from_address: str = Field(default="", index=True)
    subject: str = ""
    body_text: str = Field(default="", sa_column=Column(Text, nullable=False, server_default=""))
    label: v.Label | None = closed(v.Label, null=True)
    confidence: float | None = None
    decided_by: str = ""
    why: str = ""
    tags: list[str] = json()
    return_on: date | None = None
    language: str = ""
    held: bool = False
    thread_id: int | None = Field(default=None, index=True)
    send_id: int | None = Field(default=None, index=True)
    matched_by: str = ""
    judged_at: datetime | None = instant()


class Cursor(House, table=True):
    """How far a folder has been read."""

    mailbox: str = Field(primary_key=True)
    folder: str = Field(primary_key=True)
    uidvalidity: int | None = unsigned(null=True)
    last_uid: int = unsigned()
    floor_uid: int = unsigned()
    first_at: datetime | None = instant()
    polled_at: datetime | None = instant()
    compared_at: datetime | None = instant()


class Correction(House, table=True):
    """A person's correction of a label: a training candidate."""

    id: int | None = Field(default=None, primary_key=True)
    message_id: int
    label: v.Label = closed(v.Label)
    tags: list[str] = json()
    person: str
    at: datetime = instant(null=False)


class AuditEntry(House, table=True):
    """The append-only log: each entry's hash covers the one before it."""

    __tablename__ = "audit"
    seq: int = Field(primary_key=True)
    at: str
    actor: str
    action: str
    subject: str = Field(index=True)
    detail: str = Field(sa_column=Column(Text, nullable=False))
    commitment: str = ""
    previous: str
    hash: str


class AuditPrivate(House, table=True):
    """Salt and personal data behind an entry's commitment; erasure deletes the row."""

    __tablename__ = "audit_private"
    seq: int = Field(primary_key=True)
    salt: str
    body: str = Field(sa_column=Column(Text, nullable=False))


class AuditCheckpoint(House, table=True):
    """A signed head of the chain, to be stored elsewhere."""

    __tablename__ = "audit_checkpoint"
    seq: int = Field(primary_key=True)
    hash: str
    at: str
    public_key: str
    signature: str


def core(table: type[SQLModel]) -> Table:
    """Return the Core table behind a SQLModel class."""
    return table.__table__  # type: ignore[attr-defined,no-any-return]
