"""What does the program itself ask the team: where signed heads of the log go, and how long data is kept?"""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from store.settings import Duration, MailAddress, Settings, read_duration

Keep = Duration | None


class AuditSettings(Settings):
    """Where signed heads of the audit log go: what left this machine can no longer be written anew."""

    file: Path | None = Field(None, description="file that each checkpoint is appended to; best on another machine")
    syslog: str = Field("", description='syslog: a socket such as "/dev/log", or "host:514" (UDP); empty: none')
    mail: MailAddress | Literal[""] = Field("", description="auditor who gets the newest checkpoint by mail")
    mail_every: Duration = Field(read_duration("1d"), description="how often the auditor gets mail, if anything is new")

    @model_validator(mode="after")
    def _syslog_has_a_port(self) -> Self:
        if self.syslog and not self.syslog.startswith("/") and not self.syslog.rpartition(":")[2].isdigit():
            raise ValueError(f'syslog: "{self.syslog}" names no port; write for example "log.example.com:514"')
        return self


class RetentionSettings(Settings):
    """How long data is kept; absent: for ever. The daemon lets go daily, `postroom privacy retention` shows what."""

    contact: Keep = Field(None, description="people with whom nothing has happened for so long")
    raw_mail: Keep = Field(None, description="bytes of received mail")
    reply_text: Keep = Field(None, description="subject and text of received mail")
    letter_text: Keep = Field(None, description="text of letters of ended enrollments")
    decision_facts: Keep = Field(None, description="facts and rules of decisions about owners")
    notice_text: Keep = Field(None, description="text of delivered notifications")
    report_sources: Keep = Field(None, description="addresses that DMARC and TLS reports name")
    audit_private: Keep = Field(None, description="personal data behind audit entries")
    suppression_legal: Keep = Field(None, description="readable address and evidence of entries by this reason")
    suppression_complaint: Keep = Field(None, description="the same")
    suppression_unsubscribe: Keep = Field(None, description="the same")
    suppression_hard_bounce: Keep = Field(None, description="the same")
    suppression_manual: Keep = Field(None, description="the same")
    suppression_invalid: Keep = Field(None, description="the same")
    suppression_customer: Keep = Field(None, description="the same")
    suppression_competitor: Keep = Field(None, description="the same")
