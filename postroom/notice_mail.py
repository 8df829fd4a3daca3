"""How do notices leave by mail? From one mailbox, claimed between RCPT and DATA, looked for in its Sent folder."""

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Any

from console.handover_links import link_of
from outbound.notification import compose_notice, notice_id
from outbound.sent_folder import FindInSent, marker_of
from outbound.transport import Envelope, Transport
from ownership.handover_html import with_answer_link
from ownership.notify import ChannelNotifier, Claim, Notifier, Outcome
from postroom.opened import Opened
from store.errors import AuthenticationFailed, PermanentError, TemporaryError, TlsFailed


class NoticeMailer:
    """Sends notices from one mailbox; `copies` are the mailboxes into whose Sent folder we put copies ourselves."""

    def __init__(
        self, secret: bytes, sender: str, transports: Mapping[str, Transport], find: FindInSent,
        copies: Collection[str] = (), link_of: Callable[[Mapping[str, Any]], str] = lambda _: "",
    ) -> None:  # fmt: skip
        self._secret = secret
        self._sender = sender
        self._transports = transports
        self._find = find
        self._copies = copies
        self._link_of = link_of

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
        raw = compose_notice(self._secret, sender, recipient, notice["event_key"], self._payload(notice), now)

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

    def _payload(self, notice: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return what the mail says, with the signed link where its reader may accept or reject."""
        payload: Mapping[str, Any] = notice["payload"]
        link = self._link_of(notice) if payload.get("answer_as") else ""
        if not link:
            return payload
        linked = {"text": f"{payload['text']}\nAccept or reject: {link}\n"}
        return {**payload, **linked, "html": with_answer_link(str(payload.get("html", "")), link)}

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
    base = config.ownership.handover.links
    mailer = NoticeMailer(
        opened.secret, sender, transports, find, copies,
        lambda notice: link_of(opened.keys, base, notice) if base else "",
    )  # fmt: skip
    return ChannelNotifier(mailer, {hook.url: hook for hook in config.ownership.webhook})
