"""Who sends the live probes, and who reads what came of them? SHELL: letters between our own mailboxes.

A probe is composed, signed and sent like a letter and claimed within the same limits, between RCPT and DATA. Its copy
arrives like any mail, is stored like any mail, and being from a mailbox of ours is never a reply; here it is found
among what was stored by the private header that no provider rewrites.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from deliverability.live_probe import choose_recipient, read_copy, worsened
from deliverability.resolver import Resolver
from inbox.imap_syntax import UNKNOWN_AT
from outbound.compose import MARKER, OutgoingMessage, compose
from outbound.dkim_sign import Signer
from outbound.transport import Envelope, Transport
from outbound.unsubscribe import make_token
from outbound.warmup import daily_limit
from postroom.config import Config, MailboxSettings
from store import mailboxes, messages, probes
from store.claims import ClaimLimits
from store.database import Store
from store.errors import PermanentError, TemporaryError
from store.records import PassReport
from store.vocabulary import ProbeState

LOST_AFTER = timedelta(hours=1)
LOOK_EVERY = timedelta(seconds=30)  # while a copy is on its way
RETRY_AFTER = timedelta(hours=1)  # a probe that a limit or a verdict forbade
PURPOSE = "probe"  # its unsubscribe token stops nobody
TEXT = "This letter from one of our mailboxes to another shows how our mail arrives. Nobody needs to answer it.\n"


@dataclass(slots=True)
class ProbeWorker:
    """Sends probes on a schedule, where there is one, and reads the copies of all that were sent."""

    store: Store
    config: Config
    secret: bytes
    transports: Mapping[str, Transport]
    signers: Mapping[str, Signer]
    resolver: Resolver

    async def run_pass(self, now: datetime) -> PassReport:
        """Read what has arrived, then send what is due."""
        notes = await self.look(now)
        every, done, wakes = self.config.deliverability.probe_every, len(notes), []
        if every is not None:
            last = await self.store.read(probes.last_claims)
            for mailbox in self.senders():
                due_at = max((at for (box, _), at in last.items() if box == mailbox), default=now - every) + every
                if due_at <= now:
                    refusal = await self.send(mailbox, now)
                    notes += [f"no probe from {mailbox}: {refusal}"] if refusal else []
                    due_at = now + (RETRY_AFTER if refusal else LOOK_EVERY)
                    done += not refusal
                wakes.append(due_at)
        if await self.store.read(probes.waiting):
            wakes.append(now + LOOK_EVERY)
        return PassReport(done, min(wakes, default=None), tuple(notes))

    def senders(self) -> list[str]:
        """Return the mailboxes that can send a probe."""
        return [one.address for one in self.config.mailbox if one.address in self.transports]

    async def send(self, mailbox: str, now: datetime) -> str:
        """Send a probe from a mailbox to another; returns "" or why not, in words."""
        last = await self.store.read(probes.last_claims)
        receivers = [one.address for one in self.config.mailbox if one.imap is not None]
        asked = {receiver: at for (box, receiver), at in last.items() if box == mailbox}
        recipient = choose_recipient(mailbox, receivers, asked)
        if recipient is None:
            return "no other mailbox of ours can be read"
        new = probes.NewProbe(mailbox, recipient, self._identify(mailbox, recipient, now))
        limits, refusals = await self._limits(mailbox, now), list[str]()

        async def claim() -> bool:
            node = self.config.store.node
            slug = await self.store.write(
                probes.claim, new, node=node, secret=self.secret, limits=limits, now=now
            )  # fmt: skip
            refusals.append(slug)
            return not slug

        envelope = Envelope(mailbox, recipient, self._compose(new, now))
        try:
            result = await self.transports[mailbox].send(envelope, claim)
        except (TemporaryError, PermanentError) as problem:
            return str(problem)
        if result.outcome == "withdrawn":
            return refusals[-1]
        answer = f"{result.code} {result.text}"
        row = await self.store.read(probes.by_message_id, new.message_id)
        if row is not None and result.outcome in ("refused", "deferred"):
            await self.store.write(
                probes.settle, row["id"], ProbeState.REFUSED, faults=["live-refused"], new_faults=["live-refused"],
                answer=answer, now=now,
            )  # fmt: skip
        return "" if result.outcome in ("sent", "unknown") else answer

    async def look(self, now: datetime) -> list[str]:
        """Find and read the copies of probes on their way; returns a sentence for each one settled."""
        said = []
        for probe in await self.store.read(probes.waiting):
            if await self._read(probe, now):
                said.append(f"a probe from {probe['mailbox']} reached {probe['recipient']}")
            elif now - probe["claimed_at"] > LOST_AFTER:
                await self._settle(probe, ProbeState.LOST, ["live-lost"], now)
                said.append(f"a probe from {probe['mailbox']} never reached {probe['recipient']}")
        return said

    async def _read(self, probe: Mapping[str, Any], now: datetime) -> bool:
        receiver = self._mailbox(probe["recipient"])
        if receiver is None or receiver.imap is None:
            return False
        marker = f"{MARKER}: {probe['message_id'].strip('<>').partition('@')[0]}".lower().encode()
        stored = await self.store.read(probes.copies, probe["recipient"], probe["claimed_at"], receiver.imap.sent)
        copy = next((one for one in stored if marker in one["head"].partition(b"\r\n\r\n")[0].lower()), None)
        if copy is None:
            return False
        arrived_at = copy["stored_at"] if copy["internal_at"] == UNKNOWN_AT else copy["internal_at"]
        reading = await read_copy(
            self.resolver,
            await self.store.read(messages.raw, copy["sha256"]),
            message_id=probe["message_id"],
            from_domain=probe["sending_domain"],
            folder=copy["folder"],
            inbox=receiver.imap.folders[0],
            on_the_way=arrived_at - probe["claimed_at"],
            authserv_ids=self.config.deliverability.authserv_ids,
        )
        facts = {
            key: str(value) for key, value in asdict(reading).items() if key not in ("faults", "folder", "seconds")
        }
        await self._settle(
            probe, ProbeState.DELIVERED, list(reading.faults), now, facts=facts, folder=reading.folder,
            seconds=reading.seconds, arrived_at=arrived_at,
        )  # fmt: skip
        return True

    async def _settle(
        self, probe: Mapping[str, Any], state: ProbeState, faults: list[str], now: datetime, **more: Any
    ) -> None:
        earlier = await self.store.read(probes.history, probe["mailbox"])
        before = next((one["faults"] for one in earlier if one["recipient"] == probe["recipient"]), None)
        await self.store.write(
            probes.settle, probe["id"], state, faults=faults, new_faults=worsened(faults, before), now=now, **more
        )

    async def _limits(self, mailbox: str, now: datetime) -> ClaimLimits:
        settings = self._mailbox(mailbox)
        load = (await self.store.read(mailboxes.loads, [mailbox], now))[mailbox]
        domain = mailbox.rpartition("@")[2]
        cap = next((one for one in self.config.sending_domain if one.domain == domain), None)
        limit = settings.limit if settings is not None else self.config.mailbox[0].limit
        return ClaimLimits(
            mailbox=daily_limit(load, limit, now.date()), sending_domain=cap.per_day if cap else None, gap=limit.gap
        )

    def _mailbox(self, address: str) -> MailboxSettings | None:
        return next((one for one in self.config.mailbox if one.address == address), None)

    def _identify(self, mailbox: str, recipient: str, now: datetime) -> str:
        name = f"probe|{mailbox}|{recipient}|{now.isoformat()}".encode()
        return f"<{hmac.new(self.secret, name, hashlib.sha256).hexdigest()[:40]}@{mailbox.rpartition('@')[2]}>"

    def _compose(self, new: probes.NewProbe, now: datetime) -> bytes:
        """Return a letter with the headers of our letters, so that what is seen holds for them too."""
        company, sender = self.config.company, self._mailbox(new.mailbox)
        token = make_token([self.secret], PURPOSE, 0)
        local, at, domain = company.unsubscribe_mailto.partition("@")
        raw = compose(
            OutgoingMessage(
                from_name=sender.name if sender else "",
                from_address=new.mailbox,
                to_name="",
                to_address=new.recipient,
                subject="How our mail arrives",
                text=f"{TEXT}\n-- \n{company.name}\n",
                at=now,
                message_id=new.message_id,
                unsubscribe_url=f"{company.unsubscribe_url}/{token}",
                unsubscribe_mailto=f"{local}+{token}@{domain}" if at else "",
            )
        ).raw
        signer = self.signers.get(new.sending_domain)
        return signer.sign(raw, now) if signer else raw
