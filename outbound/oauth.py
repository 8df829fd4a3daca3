"""Which access token logs this mailbox in now? DOOR: httpx to the provider's token endpoint (RFC 6749, section 6).

One refresh at a time a mailbox, SMTP and IMAP share its keeper. A new refresh token replaces the old one in one
statement, before the access token is used: some providers make the old one worthless at once.
"""

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import httpx

from outbound.mail_settings import OAuthSettings
from store import mailboxes
from store.database import Store
from store.errors import AuthenticationFailed, TemporaryError

TIMEOUT_SECONDS = 30.0
MARGIN = timedelta(minutes=5)  # a token this near to its end is not used for a new login
SHORTEST = timedelta(minutes=1)
USUAL = timedelta(minutes=55)  # where the provider does not say how long


@dataclass(frozen=True, slots=True)
class Tokens:
    """What the endpoint gave; `refresh` is empty where the old one stays good."""

    access: str
    refresh: str
    lasts: timedelta


class TokenKeeper:
    """Keeps one mailbox's access token fresh. Calls raise AuthenticationFailed or TemporaryError."""

    def __init__(self, store: Store, mailbox: str, settings: OAuthSettings, now: Callable[[], datetime]) -> None:
        self._store = store
        self._mailbox = mailbox
        self._settings = settings
        self._now = now
        self._lock = asyncio.Lock()
        self._refused = ""  # hash of an access token that a server refused before its time

    async def access_token(self) -> str:
        """Return an access token that is good for a login now, refreshed if need be."""
        async with self._lock:
            kept = await self._store.read(mailboxes.oauth_token, self._mailbox)
            if kept and self._is_good(kept):
                return str(kept["access_token"])
            configured = self._settings.refresh_token.read()
            stored = kept["refresh_token"] if kept else configured
            try:
                used, tokens = stored, await refresh(self._settings, stored, self._mailbox)
            except AuthenticationFailed:
                if stored == configured:
                    raise
                used, tokens = configured, await refresh(self._settings, configured, self._mailbox)  # renewed by hand
            until = self._now() + max(tokens.lasts, SHORTEST)
            await self._store.write(
                mailboxes.save_oauth_token, self._mailbox, tokens.refresh or used, tokens.access, until
            )
            return tokens.access

    def renew(self) -> None:
        """Use the present access token no more: a server has refused it."""
        self._refused = "present"

    def _is_good(self, kept: dict[str, Any]) -> bool:
        token, until = str(kept["access_token"]), kept["expires_at"]
        if self._refused == "present":
            self._refused = _digest(token)
        return bool(token) and until is not None and until - self._now() > MARGIN and _digest(token) != self._refused


async def refresh(settings: OAuthSettings, refresh_token: str, mailbox: str) -> Tokens:
    """Ask the endpoint for a new access token; a refusal of the grant is for a person, everything else may pass."""
    form = {"grant_type": "refresh_token", "refresh_token": refresh_token, "client_id": settings.client_id}
    if settings.client_secret is not None:
        form["client_secret"] = settings.client_secret.read()
    if settings.scope:
        form["scope"] = settings.scope
    try:
        async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS, follow_redirects=False, trust_env=False) as client:
            answer = await client.post(settings.token_url, data=form, headers={"Accept": "application/json"})
    except httpx.HTTPError as problem:
        raise TemporaryError(f"{mailbox}: token endpoint not reached: {type(problem).__name__}") from problem
    try:
        said = answer.json()
    except ValueError:
        said = {}
    if not isinstance(said, dict):
        said = {}
    if answer.status_code == 200 and isinstance(said.get("access_token"), str) and said["access_token"]:
        fresh = said.get("refresh_token")
        return Tokens(said["access_token"], fresh if isinstance(fresh, str) else "", _lifetime(said.get("expires_in")))
    error = str(said.get("error", ""))[:60]
    if answer.status_code in (400, 401, 403) and error and error not in ("temporarily_unavailable", "server_error"):
        raise AuthenticationFailed(
            f"{mailbox}: the provider refuses to renew the access ({error}): authorise the mailbox again and put the "
            f"new refresh token where mailbox.oauth.refresh_token points"
        )
    raise TemporaryError(f"{mailbox}: token endpoint answered {answer.status_code} {error}".rstrip())


def _lifetime(value: Any) -> timedelta:
    try:
        seconds = int(value)
    except (TypeError, ValueError):
        return USUAL
    return timedelta(seconds=min(max(seconds, 0), 86_400))


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
