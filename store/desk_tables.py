"""What does the database hold about owners, handovers and notices? SQLModel tables; they never leave `store/`."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import Index, UniqueConstraint, text
from sqlmodel import Field

from store import vocabulary as v
from store.columns import House, closed, instant, json


class Thread(House, table=True):
    """One conversation with a contact and whose it is."""

    id: int | None = Field(default=None, primary_key=True)
    contact_id: int | None = Field(default=None, index=True)
    account_id: int | None = Field(default=None, index=True)
    enrollment_id: int | None = Field(default=None, index=True)
    sequence: str = ""
    mailbox: str = ""
    subject: str = ""
    state: v.ThreadState = closed(v.ThreadState)
    owner: str = ""
    acting: str = ""
    rule: str = ""
    reason: str = ""
    pinned: bool = False
    label: v.Label | None = closed(v.Label, null=True)
    tags: list[str] = json()
    task_open: bool = False
    sla_due_at: datetime | None = instant(index=True)
    escalation: int = 0
    assigned_at: datetime | None = instant()
    answered_at: datetime | None = instant()
    last_reply_at: datetime | None = instant()
    first_reply_at: datetime | None = instant()
    touched_at: datetime | None = instant()
    linked_id: int | None = None
    created_at: datetime = instant(null=False)


class Decision(House, table=True):
    """Why a reply went where it went: the facts and every rule tried."""

    id: int | None = Field(default=None, primary_key=True)
    thread_id: int = Field(index=True)
    message_id: int | None = None
    at: datetime = instant(null=False)
    owner: str
    acting: str
    rule: str
    reason: str
    tried: list[dict[str, Any]] = json()
    facts: dict[str, Any] = json(mapping=True)
    decided_at: datetime | None = instant()
    rulebook: str = ""
    moves_thread: bool = True


class RuleBook(House, table=True):
    """The rules and the team in force when decisions were made, once a version."""

    __tablename__ = "rule_book"
    sha256: str = Field(primary_key=True)
    body: dict[str, Any] = json(mapping=True)
    since: datetime = instant(null=False)


class Handover(House, table=True):
    """One offer of a thread from one colleague to another."""

    id: int | None = Field(default=None, primary_key=True)
    thread_id: int = Field(index=True)
    contact_id: int | None = Field(default=None, index=True)
    giver: str
    taker: str
    stage: str = ""
    package: dict[str, Any] = json(mapping=True)
    state: v.HandoverState = closed(v.HandoverState)
    reason: v.RejectionReason | None = closed(v.RejectionReason, null=True)
    note: str = ""
    offered_at: datetime = instant(null=False)
    answer_by: datetime = instant(null=False)
    answered_at: datetime | None = instant()
    answered_by: str = ""
    late: bool = False


class Absence(House, table=True):
    """Days on which a person does not work, from a calendar or a command; both ends included."""

    id: int | None = Field(default=None, primary_key=True)
    person: str = Field(index=True)
    first: date
    last: date
    source: str = ""


class PersonCalendar(House, table=True):
    """When a person's calendar was read last, and what was wrong with it."""

    __tablename__ = "person_calendar"
    person: str = Field(primary_key=True)
    place: str
    read_at: datetime | None = instant()
    next_at: datetime = instant(null=False)
    failures: int = 0
    error: str = ""


class Bookmark(House, table=True):
    """How far a reader of the audit log has come."""

    name: str = Field(primary_key=True)
    seq: int = 0


class Rotation(House, table=True):
    """Whose turn it is in a round-robin."""

    pod: str = Field(primary_key=True)
    turns: dict[str, int] = json(mapping=True)
    last: str = ""


class Notice(House, table=True):
    """The notification outbox: one row per event and channel."""

    __table_args__ = (
        UniqueConstraint("event_key", "channel", "recipient"),
        Index("ix_notice_open", "not_before", sqlite_where=text("state IN ('waiting', 'claimed')"),
              postgresql_where=text("state IN ('waiting', 'claimed')")),
    )  # fmt: skip
    id: int | None = Field(default=None, primary_key=True)
    event: v.EventName = closed(v.EventName)
    event_key: str
    channel: str
    recipient: str
    payload: dict[str, Any] = json(mapping=True)
    state: str = "waiting"
    attempts: int = 0
    not_before: datetime | None = instant()
    created_at: datetime = instant(null=False)
    claimed_at: datetime | None = instant()
    sent_from: str = ""
    mail_id: str = ""
    checks: int = 0
    sent_at: datetime | None = instant()
    error: str = ""
