"""What did the team configure, and is all of it right?

`config.toml` in the working directory, `--config FILE` or `POSTROOM_CONFIG`. A wrong file prints every error at once,
each with its TOML path.
"""

import os
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from console.settings import EndpointSettings
from deliverability.settings import DeliverabilitySettings
from inbox.settings import ImapSettings, InboxSettings
from outbound.mail_settings import CompanySettings, DkimSettings, GuardrailSettings, OAuthSettings, SmtpSettings
from outbound.settings import HealthSettings, LimitSettings, SegmentSettings, SendingDomainSettings, SequenceSettings
from ownership.rule_check import check_rules
from ownership.settings import OwnershipSettings, TeamSettings
from postroom.sequence_files import check_texts, name_file, read_sequence_files
from postroom.settings import AuditSettings, RetentionSettings
from store.errors import ConfigError
from store.settings import MailAddress, SecretRef, Settings, StoreSettings

DEFAULT = "config.toml"


class MailboxSettings(Settings):
    """One mailbox: how to send from it and how to read it."""

    address: MailAddress = Field(description="mail address; it names the mailbox everywhere")
    name: str = Field("", description="display name in From")
    username: str = Field("", description="login; empty: the address")
    password: SecretRef | None = Field(None, description="password or app password, by reference")
    oauth: OAuthSettings | None = Field(None, description="XOAUTH2 instead of a password")
    smtp: SmtpSettings | None = Field(None, description="how to send; absent: a mailbox that only receives")
    imap: ImapSettings | None = Field(None, description="how to read; absent: a mailbox that only sends")
    limit: LimitSettings = Field(default_factory=LimitSettings, description="daily limit, gap, ramp")
    append_sent: bool = Field(False, description="copy what was sent into the Sent folder by IMAP")
    aliases: tuple[MailAddress, ...] = Field((), description="other addresses that arrive here, such as sales@")

    @property
    def login(self) -> str:
        """The user name for SMTP and IMAP."""
        return self.username or self.address


class PostroomSettings(Settings):
    """The daemon itself."""

    secret: SecretRef = Field(
        description="key of Message-IDs, tokens and hashes; at least 32 characters, never changed"
    )
    token_key: tuple[SecretRef, ...] = Field(
        (), description="keys of the links in mail, newest first; keep the old ones, the secret reads its own for ever"
    )
    checkpoint_key: Path = Field(
        Path("audit.key"), description="Ed25519 key file for audit checkpoints; made if absent"
    )
    witness: Path = Field(
        Path("postroom.witness"),
        description="file that remembers how far the database had come; best on another disk, and not in its back-up",
    )


class Config(Settings):
    """The whole configuration."""

    postroom: PostroomSettings = Field(description="the daemon itself")
    store: StoreSettings = Field(default_factory=StoreSettings, description="the database")
    company: CompanySettings = Field(description="who we are, and where people unsubscribe")
    endpoint: EndpointSettings = Field(default_factory=EndpointSettings, description="the public one-click endpoint")
    audit: AuditSettings = Field(default_factory=AuditSettings, description="where signed heads of the log go")
    retention: RetentionSettings = Field(default_factory=RetentionSettings, description="how long data is kept")
    mailbox: tuple[MailboxSettings, ...] = Field(min_length=1, description="mailboxes")
    sequence: tuple[SequenceSettings, ...] = Field((), description="sequences")
    segment: tuple[SegmentSettings, ...] = Field((), description="segments, written down")
    team: TeamSettings = Field(description="the people")
    ownership: OwnershipSettings = Field(default_factory=OwnershipSettings, description="whose is a reply")
    health: HealthSettings = Field(default_factory=HealthSettings, description="health bands of mailboxes")
    sending_domain: tuple[SendingDomainSettings, ...] = Field((), description="caps shared by a domain's mailboxes")
    dkim: tuple[DkimSettings, ...] = Field((), description="signing keys, where the relay does not sign")
    guardrails: GuardrailSettings = Field(default_factory=GuardrailSettings, description="who may be written to")
    deliverability: DeliverabilitySettings = Field(
        default_factory=DeliverabilitySettings, description="domain checks and their schedule"
    )
    inbox: InboxSettings = Field(default_factory=InboxSettings, description="how mailboxes are read")

    def find_sequence(self, name: str) -> SequenceSettings | None:
        """Return the sequence of this name."""
        return next((one for one in self.sequence if one.name == name), None)

    def find_segment(self, name: str) -> SegmentSettings | None:
        """Return the segment of this name."""
        return next((one for one in self.segment if one.name == name), None)

    def find_mailbox(self, address: str) -> MailboxSettings | None:
        """Return the mailbox with this address or alias."""
        wanted = address.lower()
        return next((one for one in self.mailbox if wanted == one.address or wanted in one.aliases), None)

    def sending_domains(self) -> tuple[str, ...]:
        """Return the domains that mailboxes send from, each once, in order."""
        return tuple(dict.fromkeys(one.address.rpartition("@")[2] for one in self.mailbox if one.smtp))


def find_config(chosen: Path | None) -> Path:
    """Return the path of the configuration: the chosen one, POSTROOM_CONFIG, or config.toml here."""
    return chosen or Path(os.environ.get("POSTROOM_CONFIG") or DEFAULT)


def load_config(path: Path, now: datetime | None = None) -> Config:
    """Read and check a configuration; raises ConfigError with every problem at once."""
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise ConfigError([f"{path}: {problem.strerror}; `postroom init` writes a first one"]) from problem
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise ConfigError([f"{path}: no valid TOML: {problem}"]) from problem
    files = read_sequence_files(path.resolve().parent)
    tables = raw.get("sequence", [])
    first = len(tables) if isinstance(tables, list) else 0
    if files:
        raw["sequence"] = [*(tables if isinstance(tables, list) else []),
                           *(table | {"file": name} for name, table in files.items())]  # fmt: skip
    try:
        config = parse_config(raw)
    except ConfigError as problem:
        raise ConfigError([name_file(sentence, list(files), first) for sentence in problem.problems]) from problem
    problems = [sentence for is_error, sentence in cross_check(config, now or datetime.now(UTC)) if is_error]
    if problems:
        raise ConfigError(problems)
    return config


def parse_config(raw: dict[str, Any]) -> Config:
    """Turn a TOML document into settings; raises ConfigError naming the TOML path of every fault."""
    try:
        return _with_required_fields(_with_quiet_days(Config.model_validate(raw)))
    except ValidationError as problem:
        raise ConfigError([_sentence(error) for error in problem.errors()]) from problem


def _with_quiet_days(config: Config) -> Config:
    """Close every window on the quiet days of the regions, so that plan and preview step over them."""
    quiet = frozenset(f"{region.country} {day}" for region in config.guardrails.region for day in region.quiet)
    closed = tuple(
        one.model_copy(update={"window": one.window.model_copy(update={"quiet": one.window.quiet | quiet})})
        for one in config.sequence
    )
    return config.model_copy(update={"sequence": closed})


def _with_required_fields(config: Config) -> Config:
    """Give every sequence the fields that its segment asks for."""
    asked = {one.name: one.required_fields for one in config.segment}
    full = tuple(
        one.model_copy(update={"required_fields": one.required_fields | asked.get(one.segment, frozenset())})
        for one in config.sequence
    )
    return config.model_copy(update={"sequence": full})


def _sentence(error: Any) -> str:
    path = ""
    for part in error["loc"]:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
    kinds = {"missing": "is missing", "extra_forbidden": "is not a known key"}
    said = kinds.get(error["type"]) or error["msg"].removeprefix("Value error, ")
    return f"{path or '(whole file)'}: {said}"


def cross_check(config: Config, now: datetime) -> Iterator[tuple[bool, str]]:
    """Yield (is an error, sentence) for everything that one table says and another denies."""
    addresses = [one.address for one in config.mailbox]
    for doubled in sorted({one for one in addresses if addresses.count(one) > 1}):
        yield True, f"mailbox: {doubled} is listed twice"
    names = [one.name for one in config.sequence]
    for what, listed in (("sequence", names), ("segment", [one.name for one in config.segment])):
        for doubled in sorted({one for one in listed if listed.count(one) > 1}):
            yield True, f'{what}: "{doubled}" is listed twice'
    for number, mailbox in enumerate(config.mailbox):
        if mailbox.smtp and mailbox.smtp.auth != "none" and not (mailbox.password or mailbox.oauth):
            yield True, f"mailbox[{number}]: {mailbox.address} has neither password nor oauth"
        if mailbox.smtp and mailbox.smtp.auth == "xoauth2" and mailbox.oauth is None:
            yield True, f'mailbox[{number}].smtp.auth: {mailbox.address} has no oauth table, "xoauth2" needs one'
        if mailbox.append_sent and (mailbox.imap is None or mailbox.imap.sent is None):
            yield True, f"mailbox[{number}].append_sent: {mailbox.address} has no imap table with a Sent folder"
    for number, sequence in enumerate(config.sequence):
        path = f"{sequence.file}:" if sequence.file else f"sequence[{number}]"
        for is_error, sentence in (*_check_sequence(config, path, sequence, now), *check_texts(path, sequence)):
            yield is_error, sentence.replace(":.", ": ", 1)
    for index, address in enumerate(config.deliverability.report_mailboxes):
        if config.find_mailbox(address) is None:
            yield True, f"deliverability.report_mailboxes[{index}]: {address} is no configured mailbox or alias"
    yield from check_rules(config.ownership, config.team, names, now)


def _check_sequence(config: Config, path: str, sequence: SequenceSettings, now: datetime) -> Iterator[tuple[bool, str]]:
    if config.segment and sequence.segment and config.find_segment(sequence.segment) is None:
        yield False, f'{path}.segment: "{sequence.segment}" is no segment table'
    for index, address in enumerate(sequence.mailboxes):
        mailbox = config.find_mailbox(address)
        if mailbox is None:
            yield True, f"{path}.mailboxes[{index}]: {address} is no configured mailbox"
        elif mailbox.smtp is None:
            yield True, f"{path}.mailboxes[{index}]: {address} has no smtp table, it cannot send"
    for field in ("owner", "backup"):
        address = getattr(sequence, field)
        person = config.team.find(address) if address else None
        if address and person is None:
            yield True, f"{path}.{field}: {address} is no member of the team"
        elif person is not None and person.left_on is not None and person.left_on <= now.date():
            yield False, f"{path}.{field}: {address} has left the team"
