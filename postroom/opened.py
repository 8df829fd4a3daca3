"""Which configuration and which database does a command work on?"""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from inbox.judgement import FilingPolicy
from outbound.risk import FREE_MAIL
from postroom import witness
from postroom.config import Config, load_config
from store import schema
from store.database import Store
from store.errors import ConfigError

LEAST_SECRET = 32


@dataclass(frozen=True, slots=True)
class Opened:
    """A checked configuration with its open database."""

    config: Config
    store: Store
    secret: bytes
    folder: Path  #: of the configuration: relative paths start here
    keys: tuple[bytes, ...]  #: of the tokens in links, newest first; the secret reads for ever


def open_all(path: Path, *, inline: bool = True) -> Opened:
    """Load the configuration, open the database and bring its schema up to date.

    A database that was restored, cloned or moved is put on hold here, before anything can be sent from it.
    """
    opened = open_unasked(path, inline=inline)
    config, store, folder = opened.config, opened.store, opened.folder
    schema.upgrade(store)
    now = datetime.now(UTC)
    reason = store.write_now(schema.claim_instance, schema.fingerprint(store), now)
    database, number = store.read_now(schema.progress)
    witness_file = folder / config.postroom.witness
    if not reason and (reason := witness.find_gap(witness_file, database, number)):
        store.write_now(schema.put_on_hold, reason, now)
    if not reason:
        witness.remember(witness_file, database, number)
    else:
        logging.getLogger("postroom").warning("the database is on hold: %s; nothing will be sent", reason)
    return opened


def open_unasked(path: Path, *, inline: bool = False) -> Opened:
    """Load the configuration without asking the database anything: it may be down."""
    config = load_config(path)
    named = {"secret": config.postroom.secret}
    named |= {f"token_key[{number}]": one for number, one in enumerate(config.postroom.token_key)}
    read = {name: one.read().encode() for name, one in named.items()}
    short = [name for name, value in read.items() if len(value) < LEAST_SECRET]
    if short:
        said = "has {} characters, {} are the least"
        raise ConfigError([f"postroom.{name}: {said.format(len(read[name]), LEAST_SECRET)}" for name in short])
    secret = read.pop("secret")
    folder = path.resolve().parent
    store = Store(anchored(config.store.url, folder), inline=inline, database_clock=True)
    return Opened(config, store, secret, folder, (*read.values(), secret))


def anchored(url: str, folder: Path) -> str:
    """Return a database URL whose relative SQLite path starts at the configuration's folder."""
    name = url.removeprefix("sqlite:///")
    if name == url or Path(name).is_absolute():
        return url
    return f"sqlite:///{folder / name}"


def filing_policy(opened: Opened) -> FilingPolicy:
    """Return what filing needs to know besides the store."""
    config = opened.config
    own = [name for mailbox in config.mailbox for name in (mailbox.address, *mailbox.aliases)]
    return FilingPolicy(
        secret=opened.secret,
        team=config.team,
        ownership=config.ownership,
        sequences={sequence.name: sequence for sequence in config.sequence},
        mailboxes=frozenset(own),
        shared_domains=FREE_MAIL,
        report_mailboxes=frozenset(config.deliverability.report_mailboxes),
        domains=frozenset(config.sending_domains()),
        relays=frozenset(config.deliverability.relays),
    )
