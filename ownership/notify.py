"""How does a notice reach a person or a system? DOOR: mail by a sender passed in, webhooks by httpx.

Webhooks follow Standard Webhooks (id, timestamp, HMAC-SHA256 signatures, two while keys rotate) or Slack's incoming
format. A target's name is resolved once, refused when any of its addresses is not public, and connected to by that
address; redirects are not followed and answers are not read.
"""

import asyncio
import base64
import binascii
import hashlib
import hmac
import ipaddress
import json
import socket
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, Protocol
from urllib.parse import urlsplit

import httpx

from ownership.settings import LOOPBACK, WebhookSettings
from store.errors import PermanentError, TemporaryError

TIMEOUT_SECONDS = 15.0
_EMBEDS_IPV4 = tuple(ipaddress.ip_network(net) for net in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32"))
Outcome = Literal["sent", "withdrawn", "unknown"]  #: withdrawn: the claim said no; unknown: nobody can tell


class Claim(Protocol):
    """What is asked last before anything leaves; False: another node has it."""

    async def __call__(self, sent_from: str = "", mail_id: str = "") -> bool:
        """Claim the notice, for a mail with the mailbox and the Message-ID it leaves under."""
        ...


class Notifier(Protocol):
    """The seam: deliver one notice; TemporaryError: it did not leave, try again; PermanentError: give up."""

    async def notify(self, notice: Mapping[str, Any], now: datetime, claim: Claim) -> Outcome:
        """Deliver one notice of the outbox, claiming it as late as the channel allows."""
        ...

    def place(self, notice: Mapping[str, Any]) -> tuple[str, str]:
        """Return the mailbox and the Message-ID under which a mail leaves."""
        ...

    async def arrived(self, sent_from: str, mail_id: str) -> bool | None:
        """Tell whether the Sent folder holds a mail; None when it cannot tell."""
        ...


class Mailer(Protocol):
    """How notices leave by mail."""

    async def send(self, notice: Mapping[str, Any], now: datetime, claim: Claim) -> Outcome:
        """Send one notice."""
        ...

    def place(self, notice: Mapping[str, Any]) -> tuple[str, str]:
        """See `Notifier`."""
        ...

    async def arrived(self, sent_from: str, mail_id: str) -> bool | None:
        """See `Notifier`."""
        ...


class ChannelNotifier:
    """Delivers by the channel that a notice names."""

    def __init__(self, mailer: Mailer, webhooks: Mapping[str, WebhookSettings]) -> None:
        self._mailer = mailer
        self._webhooks = dict(webhooks)

    async def notify(self, notice: Mapping[str, Any], now: datetime, claim: Claim) -> Outcome:
        """See `Notifier`."""
        if notice["channel"] == "mail":
            return await self._mailer.send(notice, now, claim)
        hook = self._webhooks.get(notice["recipient"])
        if hook is None:
            raise PermanentError(f"webhook {notice['recipient']} is no longer configured")
        return await post(hook, notice, now, claim)

    def place(self, notice: Mapping[str, Any]) -> tuple[str, str]:
        """See `Notifier`."""
        return self._mailer.place(notice)

    async def arrived(self, sent_from: str, mail_id: str) -> bool | None:
        """See `Notifier`."""
        return await self._mailer.arrived(sent_from, mail_id)


async def post(hook: WebhookSettings, notice: Mapping[str, Any], now: datetime, claim: Claim) -> Outcome:
    """Post one event; 2xx is success, 410 and other 4xx are final, everything else may be tried again.

    Without an answer a Standard Webhook is tried again, its id stays the same; of a Slack one nobody can tell.
    """
    host, slack = urlsplit(hook.url).hostname, hook.kind == "slack"
    body, headers = _slack_body(notice) if slack else _standard_body(hook, notice, now)
    try:
        async with asyncio.timeout(2 * TIMEOUT_SECONDS), open_client() as client:
            url, own, extensions = await pinned(hook.url)
            if not await claim():
                return "withdrawn"
            async with client.stream(
                "POST", url, content=body.encode(), headers=headers | own, extensions=extensions
            ) as answer:
                status = answer.status_code
    except (httpx.HTTPError, TimeoutError) as problem:
        if slack and not isinstance(problem, (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)):
            return "unknown"
        raise TemporaryError(f"webhook {host}: {type(problem).__name__}") from problem
    if status // 100 == 2:
        return "sent"
    if status in (408, 425, 429) or status >= 500:
        raise TemporaryError(f"webhook {host} answered {status}")
    raise PermanentError(f"webhook {host} answered {status}: it is not tried again")


def _slack_body(notice: Mapping[str, Any]) -> tuple[str, dict[str, str]]:
    said = notice["payload"]
    text = f"*{_slack(said['subject'])}*\n{_slack(said['text'])}"
    return json.dumps({"text": text}, ensure_ascii=False), {"Content-Type": "application/json"}


def _standard_body(hook: WebhookSettings, notice: Mapping[str, Any], now: datetime) -> tuple[str, dict[str, str]]:
    """Return body and headers; body and id are the same at every attempt, only the attempt's own time differs."""
    happened_at = notice["created_at"].isoformat()
    event = {"type": str(notice["event"]), "timestamp": happened_at, "data": dict(notice["payload"])}
    body = json.dumps(event, ensure_ascii=False)
    secrets = [one.read() for one in (hook.secret, hook.old_secret) if one is not None]
    signed = sign(secrets, webhook_id(notice["event_key"]), int(now.timestamp()), body)
    return body, signed | {"Content-Type": "application/json"}


def webhook_id(event_key: str) -> str:
    """Return an event's id for receivers: the same at every attempt, by which they drop doubles."""
    return f"msg_{hashlib.sha256(event_key.encode()).hexdigest()[:32]}"


def _slack(text: str) -> str:
    """Escape the three characters that Slack reads as markup, so that nobody is pinged by what came in."""
    return str(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def open_client() -> httpx.AsyncClient:
    """Return a client that follows no redirect and knows no proxy."""
    return httpx.AsyncClient(timeout=TIMEOUT_SECONDS, follow_redirects=False, trust_env=False)


async def pinned(url: str) -> tuple[str, dict[str, str], dict[str, str]]:
    """Return (URL with the checked address, Host header, extensions): the certificate is checked for the name."""
    parts = urlsplit(url)
    address, name = await resolve_public(url), parts.hostname or ""
    port = f":{parts.port}" if parts.port else ""
    netloc = (f"[{address}]" if ":" in address else address) + port
    host = (f"[{name}]" if ":" in name else name) + port
    return parts._replace(netloc=netloc).geturl(), {"Host": host}, {"sni_hostname": name}


def sign(secrets: list[str], message_id: str, timestamp: int, body: str) -> dict[str, str]:
    """Return the three Standard Webhooks headers; a secret is `whsec_` and base64, the newest first."""
    signatures = []
    for secret in secrets:
        try:
            key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
        except binascii.Error as problem:
            raise PermanentError("a webhook secret is not `whsec_` and base64") from problem
        signed = hmac.new(key, f"{message_id}.{timestamp}.{body}".encode(), hashlib.sha256).digest()
        signatures.append(f"v1,{base64.b64encode(signed).decode()}")
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signatures),
    }


async def resolve_public(url: str) -> str:
    """Resolve a host once; raises PermanentError when one of its addresses is private, link-local or reserved.

    Loopback is allowed only where the configuration itself wrote a loopback address.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, parts.port or 443, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as problem:
        raise TemporaryError(f"{host}: host not found") from problem
    addresses = [str(one[4][0]).partition("%")[0] for one in found]
    for address in addresses:
        if not (is_public(address) or (host in LOOPBACK and ipaddress.ip_address(address).is_loopback)):
            raise PermanentError(f"{host}: {address} is not a public address")
    return addresses[0]


def is_public(address: str) -> bool:
    """Tell whether an IP address is one of the open internet; addresses that embed IPv4 never are."""
    parsed = ipaddress.ip_address(address)
    if parsed.version == 6 and (parsed.ipv4_mapped or any(parsed in net for net in _EMBEDS_IPV4)):
        return False
    return parsed.is_global and not parsed.is_multicast and not parsed.is_reserved
