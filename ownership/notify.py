"""How does a notice reach a person or a system? DOOR: mail by a sender passed in, webhooks by httpx.

Webhooks follow Standard Webhooks (id, timestamp, HMAC-SHA256 signature) or Slack's incoming format. A target is
resolved once and refused when it is private; redirects are not followed.
"""

import asyncio
import base64
import hashlib
import hmac
import ipaddress
import json
import socket
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, Protocol
from urllib.parse import urlsplit

import httpx

from ownership.settings import WebhookSettings
from store.errors import PermanentError, TemporaryError

TIMEOUT_SECONDS = 15.0
SendMail = Callable[[str, str, str, str], Awaitable[None]]  #: (recipient, subject, text, event key)


class Notifier(Protocol):
    """The seam: deliver one notice or raise TemporaryError (try again) or PermanentError (give up)."""

    async def notify(self, notice: Mapping[str, Any], now: datetime) -> None:
        """Deliver one notice of the outbox."""
        ...


class ChannelNotifier:
    """Delivers by the channel that a notice names."""

    def __init__(self, send_mail: SendMail, webhooks: Mapping[str, WebhookSettings]) -> None:
        self._send_mail = send_mail
        self._webhooks = dict(webhooks)

    async def notify(self, notice: Mapping[str, Any], now: datetime) -> None:
        """Deliver one notice of the outbox."""
        payload = notice["payload"]
        if notice["channel"] == "mail":
            await self._send_mail(notice["recipient"], payload["subject"], payload["text"], notice["event_key"])
            return
        hook = self._webhooks.get(notice["recipient"])
        if hook is None:
            raise PermanentError(f"webhook {notice['recipient']} is no longer configured")
        await post(hook, str(notice["event"]), notice["event_key"], payload, now)


async def post(hook: WebhookSettings, event: str, key: str, payload: Mapping[str, Any], now: datetime) -> None:
    """Post one event; 2xx is success, 410 and other 4xx are final, everything else may be tried again."""
    address = await resolve_public(hook.url)
    if hook.kind == "slack":
        body = json.dumps({"text": f"*{payload['subject']}*\n{payload['text']}"}, ensure_ascii=False)
        headers = {}
    else:
        body = json.dumps({"type": event, "timestamp": now.isoformat(), "data": dict(payload)}, ensure_ascii=False)
        secret = hook.secret.read() if hook.secret else ""
        headers = sign(secret, key, int(now.timestamp()), body)
    headers["Content-Type"] = "application/json"
    parts = urlsplit(hook.url)
    target = parts._replace(netloc=f"[{address}]" if ":" in address else address)
    if parts.port:
        target = target._replace(netloc=f"{target.netloc}:{parts.port}")
    headers["Host"] = parts.netloc
    try:
        async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS, follow_redirects=False, trust_env=False) as client:
            extensions = {"sni_hostname": parts.hostname or ""}
            answer = await client.post(target.geturl(), content=body.encode(), headers=headers, extensions=extensions)
    except httpx.HTTPError as problem:
        raise TemporaryError(f"webhook {hook.url}: {type(problem).__name__}") from problem
    if answer.status_code // 100 == 2:
        return
    if answer.status_code in (408, 425, 429) or answer.status_code >= 500:
        raise TemporaryError(f"webhook {hook.url} answered {answer.status_code}")
    raise PermanentError(f"webhook {hook.url} answered {answer.status_code}: it is not tried again")


def sign(secret: str, message_id: str, timestamp: int, body: str) -> dict[str, str]:
    """Return the three Standard Webhooks headers; the secret is `whsec_` and base64."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = hmac.new(key, f"{message_id}.{timestamp}.{body}".encode(), hashlib.sha256).digest()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{base64.b64encode(signed).decode()}",
    }


async def resolve_public(url: str) -> str:
    """Resolve a webhook's host once; raises PermanentError for private, link-local and reserved addresses.

    Loopback is allowed only where the configuration itself wrote a loopback address.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, parts.port or 443, type=socket.SOCK_STREAM)
    except OSError as problem:
        raise TemporaryError(f"webhook {url}: host not found") from problem
    address = str(found[0][4][0])
    parsed = ipaddress.ip_address(address)
    written_loopback = host in ("localhost", "127.0.0.1", "::1") and parsed.is_loopback
    if not parsed.is_global and not written_loopback:
        raise PermanentError(f"webhook {url}: {address} is not a public address")
    return address
