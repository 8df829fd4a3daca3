"""How is a mailbox read, how often, and what is too large to be read at all?"""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from outbound.mail_settings import is_loopback
from store.settings import Duration, Settings, read_duration


class ImapSettings(Settings):
    """Where the mail of one mailbox arrives."""

    host: str = Field(min_length=1, description="IMAP server, a name or an IP address")
    port: int = Field(993, ge=1, le=65535, description="993 for implicit TLS, 143 for STARTTLS")
    security: Literal["tls", "starttls", "none"] = Field(
        "tls", description="implicit TLS, required STARTTLS, or none (only to this machine)"
    )
    ca_file: Path | None = Field(None, description="certificates to trust instead of the system's")
    folders: tuple[str, ...] = Field(
        ("INBOX", "Junk"), min_length=1, description="folders where mail arrives; one that does not exist is skipped"
    )
    sent: str | None = Field("Sent", description="folder of what our people sent; none: it is not looked at")
    window: int = Field(200, ge=0, le=10_000, description="how many of the last UIDs are looked at again at each poll")
    first_days: int = Field(0, ge=0, description="how many days back the first connect reads; 0: it starts now")
    timeout: Duration = Field(read_duration("60s"), description="longest silence of the server within a command")

    @field_validator("folders", "sent")
    @classmethod
    def _sendable(cls, value: tuple[str, ...] | str | None) -> tuple[str, ...] | str | None:
        for name in (value,) if isinstance(value, str) else value or ():
            if not name or not name.isprintable():
                raise ValueError(f'"{name!r}" is no folder name')
        return value

    @model_validator(mode="after")
    def _never_plaintext(self) -> Self:
        if self.security == "none" and not is_loopback(self.host):
            raise ValueError(
                f'security = "none" is only for this machine, not for {self.host}; use "tls" or "starttls"'
            )
        return self


class InboxSettings(Settings):
    """How all mailboxes are read."""

    poll_every: Duration = Field(read_duration("2m"), description="pause between two polls of a mailbox")
    largest: int = Field(
        30_000_000, ge=10_000, le=100_000_000, description="bytes; of a larger message only the beginning is fetched"
    )
