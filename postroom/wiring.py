"""Which worker gets which door? The production wiring, and nothing else.

Every seam has one production part here; the demo and the simulator pass their own.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from classifier.model import Classifier, load_model
from classifier.versions import FOLDER, active_folder
from deliverability.mail_hosts import RealHosts
from deliverability.resolver import DnsResolver, Resolver
from deliverability.sender_proof import prove_sender
from deliverability.worker import DomainWorker
from inbox.imap_connection import Auth
from inbox.parse_apart import ParsingProcess
from inbox.reader import ImapReader, Reader
from inbox.worker import JudgeWorker, MailboxWorker
from outbound.dkim_sign import make_signer
from outbound.experiment import stable_choice
from outbound.letter import LetterWriter
from outbound.oauth import TokenKeeper
from outbound.results import Desk, Results
from outbound.sent_folder import AppendSent, FindInSent, Marker, SentFolderWorker
from outbound.transport import SmtpTransport, Transport
from outbound.worker import SendingPolicy, SendWorker
from ownership.calendar_source import CalendarDoor
from ownership.calendar_worker import CalendarWorker
from ownership.delivery import NoticeWorker
from ownership.duties import DutyWorker
from ownership.worker import SlaWorker
from postroom.clock import Clock
from postroom.config import Config, MailboxSettings
from postroom.domain_facts import signing_selectors, submission_hosts
from postroom.endpoint import wish_desk
from postroom.notice_mail import notifier_of
from postroom.opened import Opened, filing_policy
from postroom.probing import ProbeWorker
from postroom.retaining import RetentionWorker
from postroom.supervisor import LONGEST_PAUSE, Station
from store.database import Store
from store.errors import PermanentError
from store.vocabulary import EventName

SEND, SENT, POLL, JUDGE = "send", "sent folder", "poll", "judge"
NOTICE, SLA, DUTIES, CALENDARS = "notices", "sla", "duties", "calendars"
DOMAINS, PROBES, RETENTION = "domains", "probes", "retention"


@dataclass(slots=True)
class House:
    """Every worker with its doors, and the doors to close at the end."""

    sender: SendWorker
    sent: SentFolderWorker
    pollers: dict[str, MailboxWorker]
    judge: JudgeWorker
    notices: NoticeWorker
    sla: SlaWorker
    duties: DutyWorker
    probes: ProbeWorker
    calendars: CalendarWorker
    domains: DomainWorker
    retention: RetentionWorker
    parsing: ParsingProcess
    poll_every: timedelta
    readers: dict[str, Reader] = field(default_factory=dict)
    transports: dict[str, Transport] = field(default_factory=dict)

    def stations(self) -> list[Station]:
        """Return the stations that the supervisor keeps going."""
        pollers = [
            Station(
                f"{POLL} {name}",
                worker,
                max(self.poll_every * 2, LONGEST_PAUSE),
                news=worker.wait_for_news,
                wakes=(JUDGE,),
            )
            for name, worker in self.pollers.items()
        ]
        return [
            Station(DOMAINS, self.domains, timedelta(hours=1)),
            Station(SEND, self.sender, timedelta(seconds=30)),
            Station(SENT, self.sent),
            *pollers,
            Station(JUDGE, self.judge, timedelta(seconds=5), wakes=(NOTICE,)),
            Station(NOTICE, self.notices, timedelta(seconds=10)),
            Station(SLA, self.sla, timedelta(seconds=30)),
            Station(DUTIES, self.duties, timedelta(minutes=5)),
            Station(PROBES, self.probes),
            Station(RETENTION, self.retention, timedelta(hours=1)),
            Station(CALENDARS, self.calendars, timedelta(minutes=5), wakes=(DUTIES,)),
        ]

    async def close(self) -> None:
        """Finish the letters in hand, then close every connection."""
        await self.sender.close()
        closing = [reader.close() for reader in self.readers.values()]
        closing += [transport.close() for transport in self.transports.values()]
        await asyncio.gather(*closing, return_exceptions=True)
        self.parsing.close()


def secret_of(mailbox: MailboxSettings) -> Callable[[], Awaitable[str]]:
    """Return how a mailbox's password is read, anew for each login."""

    async def read() -> str:
        if mailbox.password is None:
            raise PermanentError(f"{mailbox.address}: no password configured")
        return mailbox.password.read()

    return read


def server_doors(config: Config, store: Store, clock: Clock) -> tuple[dict[str, Reader], dict[str, Transport]]:
    """Return the doors to the configured IMAP and SMTP servers, by mailbox; they share a mailbox's access token."""
    readers: dict[str, Reader] = {}
    transports: dict[str, Transport] = {}
    for mailbox in config.mailbox:
        keeper = TokenKeeper(store, mailbox.address, mailbox.oauth, clock.now) if mailbox.oauth else None
        auth: Auth = "xoauth2" if keeper else "password"
        secret = keeper.access_token if keeper else secret_of(mailbox)
        if mailbox.imap is not None:
            readers[mailbox.address] = ImapReader(
                mailbox.imap, mailbox.login, secret, auth, largest=config.inbox.largest
            )
        if mailbox.smtp is not None:
            by_token = keeper is not None and mailbox.smtp.auth != "none"
            smtp = mailbox.smtp.model_copy(update={"auth": "xoauth2"}) if by_token else mailbox.smtp
            transports[mailbox.address] = SmtpTransport(
                smtp, mailbox.address, mailbox.login, secret, keeper.renew if keeper else None
            )
    return readers, transports


def build_house(
    opened: Opened,
    clock: Clock,
    *,
    resolver: Resolver | None = None,
    classifier: Classifier | None = None,
    jitter: Callable[[str], float] | None = None,
    doors: tuple[dict[str, Reader], dict[str, Transport]] | None = None,
    alarm: Callable[[], str] | None = None,
    patience: float | None = None,
) -> House:
    """Build all workers.

    `doors` are a reader and a transport a mailbox, None for real servers. `alarm` gives a reason to put the database
    on hold; `patience` is how many seconds a send pass waits for its mailboxes, None: until all are done.
    """
    config, store = opened.config, opened.store
    readers, transports = doors or server_doors(config, store, clock)
    policy = SendingPolicy(
        node=config.store.node,
        secret=opened.secret,
        sequences={sequence.name: sequence for sequence in config.sequence},
        limits={mailbox.address: mailbox.limit for mailbox in config.mailbox},
        health=config.health,
        domain_caps={cap.domain: cap for cap in config.sending_domain},
        guardrails=config.guardrails,
    )
    names = {mailbox.address: mailbox.name for mailbox in config.mailbox}
    signers = {one.domain: make_signer(one.domain, one.selector, one.key.read().encode()) for one in config.dkim}
    writer = LetterWriter(opened.secret, config.company, names, signers, opened.keys)
    chance = random.SystemRandom()
    random_jitter = jitter or (lambda _key: chance.random())
    stable_jitter = jitter or (lambda key: stable_choice(opened.secret, f"jitter|{key}") / 2**64)
    results = results_of(config, opened.secret)
    find = find_by(readers)
    sender = SendWorker(
        store, policy, writer, transports, stable_jitter, find, results=results, clock=clock.now, alarm=alarm,
        patience=patience, stops=wish_desk(opened, clock),
    )  # fmt: skip
    pollers = {
        mailbox.address: MailboxWorker(
            store,
            mailbox.address,
            mailbox.imap,
            config.inbox,
            readers[mailbox.address],
            config.store.node,
            partial(random_jitter, mailbox.address),
        )
        for mailbox in config.mailbox
        if mailbox.imap is not None
    }
    parsing = ParsingProcess()
    resolver = resolver or DnsResolver(config.deliverability.nameserver)
    sent = {mailbox.address: mailbox.imap.sent for mailbox in config.mailbox if mailbox.imap is not None}
    return House(
        sender=sender,
        sent=SentFolderWorker(store, results, config.store.node, list(transports), find, append_by(readers)),
        pollers=pollers,
        judge=JudgeWorker(
            store, classifier or load_model(active_folder(opened.folder / FOLDER)),
            filing_policy(opened), parse=parsing.parse, sent_folders=sent,
            prove=partial(prove_sender, resolver, authserv_ids=config.deliverability.authserv_ids),
        ),
        notices=NoticeWorker(store, notifier_of(opened, transports, find)),
        sla=SlaWorker(store, config.team, config.ownership),
        duties=DutyWorker(store, config.team, config.ownership, sequence_people(config)),
        probes=ProbeWorker(store, config, opened.secret, transports, signers, resolver),
        calendars=CalendarWorker(store, config.team, CalendarDoor(opened.folder).read),
        domains=DomainWorker(
            store, resolver, config.sending_domains(), config.deliverability, signing=signing_selectors(config),
            hosts=RealHosts(resolver) if config.deliverability.tls else None, submission=submission_hosts(config),
        ),
        retention=RetentionWorker(store, config.retention, opened.secret, config.store.node),
        parsing=parsing,
        poll_every=config.inbox.poll_every,
        readers=readers,
        transports=transports,
    )  # fmt: skip


def results_of(config: Config, secret: bytes) -> Results:
    """Return what writes results down and tells operations when a mailbox stops."""
    hooks = [one for one in config.ownership.webhook if not one.events or EventName.MAILBOX_HELD in one.events]
    return Results(
        secret=secret,
        sequences={sequence.name: sequence for sequence in config.sequence},
        desk=Desk((config.team.escalation,), tuple((f"webhook-{one.kind}", one.url) for one in hooks)),
        copies=frozenset(mailbox.address for mailbox in config.mailbox if mailbox.append_sent),
    )


def find_by(readers: Mapping[str, Reader]) -> FindInSent:
    """Return the search in the Sent folders of these readers."""

    async def find(mailbox: str, message_id: str, marker: Marker | None) -> bool | None:
        reader = readers.get(mailbox)
        return await reader.find_in_sent(message_id, marker) if reader is not None else None

    return find


def append_by(readers: Mapping[str, Reader]) -> AppendSent:
    """Return what puts a copy into the Sent folders of these readers."""

    async def append(mailbox: str, raw: bytes) -> bool:
        reader = readers.get(mailbox)
        return await reader.append_sent(raw) if reader is not None else False

    return append


def sequence_people(config: Config) -> dict[str, tuple[str, str]]:
    """Return owner and backup of every sequence."""
    return {one.name: (one.owner, one.backup) for one in config.sequence}


async def pass_all(house: House, now: datetime) -> int:
    """Run one pass of everything in the order of a reply's way: for the demo, tests and `run --once`."""
    done = (await house.domains.run_pass(now)).done
    for poller in house.pollers.values():
        done += (await poller.run_pass(now)).done
    for worker in (
        house.calendars,
        house.judge,
        house.duties,
        house.sla,
        house.sent,
        house.sender,
        house.probes,
        house.notices,
        house.retention,
    ):
        done += (await worker.run_pass(now)).done
    return done
