"""How do notices leave by mail? From one mailbox, claimed between RCPT and DATA, looked for in its Sent folder."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from outbound.notification import compose_notice, notice_id
from outbound.sent_folder import FindInSent, marker_of
from outbound.transport import Envelope, Transport
from ownership.notify import ChannelNotifier, Claim, Notifier, Outcome
from postroom.opened import Opened
from store.errors import AuthenticationFailed, PermanentError, TemporaryError, TlsFailed


class NoticeMailer:
    """Sends notices from one mailbox; `copies` are the mailboxes into whose Sent folder we put copies ourselves."""

    def __init__(
        self, secret: bytes, sender: str, transports: Mapping[str, Transport], find: FindInSent,
        copies: Collection[str] = (),
    ) -> None:  # fmt: skip
        self._secret = secret
        self._sender = sender
        self._transports = transports
        self._find = find
        self._copies = copies

    def place(self, notice: Mapping[str, Any]) -> tuple[str, str]:
        """Return the mailbox and the Message-ID under which a notice leaves."""
        key, recipient = notice["event_key"], notice["recipient"]
        return self._sender, notice_id(self._secret, self._sender, recipient, key)

    async def send(self, notice: Mapping[str, Any], now: datetime, claim: Claim) -> Outcome:
        """Send one notice; an answer that never came is `unknown`."""
        if self._sender not in self._transports:
            raise PermanentError("no mailbox can send notifications: set ownership.notify_from")
        recipient = notice["recipient"]
        sender, mail_id = self.place(notice)
        raw = compose_notice(self._secret, sender, recipient, notice["event_key"], notice["payload"], now)

        async def claimed() -> bool:
            return await claim(sender, mail_id)

        try:
            result = await self._transports[sender].send(Envelope(sender, recipient, raw), claimed)
        except (AuthenticationFailed, TlsFailed) as problem:  # the mailbox's fault, not the notice's
            raise TemporaryError(str(problem)) from problem
        match result.outcome:
            case "sent" | "withdrawn" | "unknown" as outcome:
                return outcome
            case "refused":
                raise PermanentError(f"notification to {recipient} refused: {result.code} {result.text}")
            case "deferred":
                raise TemporaryError(f"notification to {recipient} not accepted: {result.code} {result.text}")

    async def arrived(self, sent_from: str, mail_id: str) -> bool | None:
        """Look into the Sent folder; where we put the copies of letters ourselves, it says nothing about notices."""
        if not mail_id or sent_from in self._copies:
            return None
        return await self._find(sent_from, mail_id, marker_of(mail_id))


def notifier_of(opened: Opened, transports: Mapping[str, Transport], find: FindInSent) -> Notifier:
    """Return what delivers notices by mail and webhook."""
    config = opened.config
    sender = config.ownership.notify_from or next(iter(transports), "")
    copies = {one.address for one in config.mailbox if one.append_sent}
    mailer = NoticeMailer(opened.secret, sender, transports, find, copies)
    return ChannelNotifier(mailer, {hook.url: hook for hook in config.ownership.webhook})
