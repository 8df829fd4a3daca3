"""Is an access token renewed once, kept safely, and its refusal told? Against a token endpoint on a real socket."""

import asyncio
import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from outbound.mail_settings import OAuthSettings, SmtpSettings
from outbound.oauth import TokenKeeper
from outbound.transport import Envelope, SmtpTransport
from sandbox.relay import Relay
from store import mailboxes
from store.database import Store
from store.errors import AuthenticationFailed, TemporaryError

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
BOX = "maya@out.example"
Answer = tuple[int, Any]


@contextmanager
def endpoint(*answers: Answer) -> Iterator[tuple[str, list[dict[str, list[str]]]]]:
    """Serve these answers, the last one for ever; gives the URL and the forms that came."""
    forms: list[dict[str, list[str]]] = []
    left = list(answers)

    class Endpoint(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            forms.append(parse_qs(body.decode()))
            status, said = left.pop(0) if len(left) > 1 else left[0]
            text = json.dumps(said).encode() if not isinstance(said, bytes) else said
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/token", forms
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def keeper(store: Store, folder: Path, url: str, now: list[datetime]) -> TokenKeeper:
    (folder / "refresh").write_text("first-refresh", encoding="utf-8")
    settings = OAuthSettings.model_validate(
        {"token_url": url, "client_id": "app", "refresh_token": {"file": str(folder / "refresh")}, "scope": "mail"}
    )
    return TokenKeeper(store, BOX, settings, lambda: now[0])


def good(name: str, **more: Any) -> Answer:
    return 200, {"access_token": name, "expires_in": 3600, "token_type": "Bearer"} | more


def test_one_refresh_serves_everybody_until_it_ends(store: Store, tmp_path: Path) -> None:
    now = [NOW]

    async def play(url: str) -> list[str]:
        one = keeper(store, tmp_path, url, now)
        together = await asyncio.gather(*(one.access_token() for _ in range(8)))
        now[0] += timedelta(minutes=54)
        still = await one.access_token()
        now[0] += timedelta(minutes=2)
        return [*set(together), still, await one.access_token()]

    with endpoint(good("a1", refresh_token="second-refresh"), good("a2")) as (url, forms):
        assert asyncio.run(play(url)) == ["a1", "a1", "a2"]
        assert [form["refresh_token"] for form in forms] == [["first-refresh"], ["second-refresh"]]
        assert forms[0]["grant_type"] == ["refresh_token"]
        assert (forms[0]["client_id"], forms[0]["scope"]) == (["app"], ["mail"])
    kept = store.read_now(mailboxes.oauth_token, BOX)
    assert kept is not None
    assert (kept["refresh_token"], kept["access_token"]) == ("second-refresh", "a2")


def test_a_restart_uses_what_was_kept(store: Store, tmp_path: Path) -> None:
    with endpoint(good("a1", refresh_token="r2")) as (url, forms):
        assert asyncio.run(keeper(store, tmp_path, url, [NOW]).access_token()) == "a1"
        assert asyncio.run(keeper(store, tmp_path, url, [NOW]).access_token()) == "a1"
        assert len(forms) == 1


def test_a_token_refused_by_the_server_is_replaced(store: Store, tmp_path: Path) -> None:
    async def play(url: str) -> list[str]:
        one = keeper(store, tmp_path, url, [NOW])
        first = await one.access_token()
        one.renew()
        return [first, await one.access_token(), await one.access_token()]

    with endpoint(good("a1"), good("a2")) as (url, _):
        assert asyncio.run(play(url)) == ["a1", "a2", "a2"]


def test_an_invalid_grant_is_for_a_person_who_may_write_a_new_one(store: Store, tmp_path: Path) -> None:
    store.write_now(mailboxes.save_oauth_token, BOX, "old-refresh", "", NOW)
    refused = (400, {"error": "invalid_grant", "error_description": "revoked"})
    with endpoint(refused) as (url, forms):
        with pytest.raises(AuthenticationFailed, match=r"invalid_grant.*authorise the mailbox again"):
            asyncio.run(keeper(store, tmp_path, url, [NOW]).access_token())
        assert [form["refresh_token"] for form in forms] == [["old-refresh"], ["first-refresh"]]
    with endpoint(refused, good("a9")) as (url, _):
        assert asyncio.run(keeper(store, tmp_path, url, [NOW]).access_token()) == "a9"


@pytest.mark.parametrize("answer", [(503, {}), (429, {"error": "slow_down"}), (200, b"<html>"), (200, [1]), (302, {})])
def test_a_sick_endpoint_holds_nobody(store: Store, tmp_path: Path, answer: Answer) -> None:
    with endpoint(answer) as (url, _), pytest.raises(TemporaryError) as caught:
        asyncio.run(keeper(store, tmp_path, url, [NOW]).access_token())
    assert "first-refresh" not in str(caught.value)


PROVIDERS = [  # what each wants in the form, and whether its answer brings a new refresh token
    ("google", {"client_secret": "s3cret"}, {"client_id", "client_secret", "grant_type", "refresh_token"}, {}),
    ("microsoft", {"scope": "https://outlook.office.com/SMTP.Send offline_access"},
     {"client_id", "scope", "grant_type", "refresh_token"}, {"refresh_token": "second-refresh", "ext_expires_in": 3600}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "settings", "asked", "more"), PROVIDERS, ids=[row[0] for row in PROVIDERS])
def test_a_letter_leaves_with_a_token_of_the_provider_renewed_when_the_server_refuses_it(
    store: Store, tmp_path: Path, name: str, settings: dict[str, str], asked: set[str], more: dict[str, Any]
) -> None:
    (tmp_path / "refresh").write_text("first-refresh", encoding="utf-8")
    (tmp_path / "secret").write_text(settings.get("client_secret", ""), encoding="utf-8")
    logins: list[str] = []

    def login(mechanism: str, words: str) -> str:
        logins.append(base64.b64decode(words).decode())
        assert mechanism == "XOAUTH2"
        return "235 2.7.0 Accepted" if "a2" in logins[-1] else "334 eyJzdGF0dXMiOiI0MDEifQ=="

    async def play(url: str) -> str:
        values = {"token_url": url, "client_id": "app", "refresh_token": {"file": str(tmp_path / "refresh")}} | settings
        if "client_secret" in values:
            values["client_secret"] = {"file": str(tmp_path / "secret")}
        one = TokenKeeper(store, BOX, OAuthSettings.model_validate(values), lambda: NOW)
        relay = Relay(login=login)
        smtp = SmtpSettings.model_validate(
            {"host": "127.0.0.1", "port": await relay.start(), "security": "none", "auth": "xoauth2"}
        )
        transport = SmtpTransport(smtp, BOX, BOX, one.access_token, one.renew)
        raw = b"From: <maya@out.example>\r\nMessage-ID: <1@out.example>\r\n\r\nHi\r\n"

        async def claim() -> bool:
            return True

        result = await transport.send(Envelope(BOX, "chris@acme.example", raw), claim)
        await transport.close()
        await relay.close()
        return result.outcome

    with endpoint(good("a1", **more), good("a2", **more)) as (url, forms):
        assert asyncio.run(play(url)) == "sent"
    assert logins == [f"user={BOX}\1auth=Bearer {token}\1\1" for token in ("a1", "a2")]
    assert [set(form) for form in forms] == [asked, asked]
    second = more.get("refresh_token", "first-refresh")
    assert [form["refresh_token"] for form in forms] == [["first-refresh"], [second]]
    kept = store.read_now(mailboxes.oauth_token, BOX)
    assert kept is not None
    assert kept["refresh_token"] == second
