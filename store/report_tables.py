"""What does the database hold about reports on our domains? SQLModel tables; they never leave `store/`."""

from datetime import date, datetime

from sqlalchemy import Index, UniqueConstraint
from sqlmodel import Field

from store import vocabulary as v
from store.columns import House, closed, instant, unsigned


class DomainReport(House, table=True):
    """One report that arrived, or why it could not be read; the same report is counted once."""

    __tablename__ = "domain_report"
    __table_args__ = (UniqueConstraint("kind", "reporter", "report_id", "domain"),)
    id: int | None = Field(default=None, primary_key=True)
    kind: v.ReportKind | None = closed(v.ReportKind, null=True)
    reporter: str
    report_id: str
    domain: str = ""
    day: date | None = None
    message_id: int
    received_at: datetime = instant(null=False)
    skipped: int = 0
    refused: str = ""


class ReportSource(House, table=True):
    """What one source did in the name of one domain on one day, as one report says."""

    __tablename__ = "report_source"
    __table_args__ = (Index("ix_report_source_domain_source", "domain", "source"),)
    id: int | None = Field(default=None, primary_key=True)
    report: int = Field(index=True)
    kind: v.ReportKind = closed(v.ReportKind)
    domain: str
    source: str
    day: date = Field(index=True)
    messages: int = unsigned()
    passed: int = unsigned()
    dkim: int = unsigned()
    spf: int = unsigned()
    stopped: int = unsigned()
    excused: int = unsigned()
    detail: str = ""
    told: bool = False
