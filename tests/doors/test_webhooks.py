"""Do webhooks follow Standard Webhooks, and can none of them reach into our own network?"""

import asyncio
import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from ownership.notify import Outcome, post, resolve_public, sign, webhook_id
from ownership.settings import WebhookSettings
from store.errors import PermanentError, TemporaryError

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
PAYLOAD: dict[str, object] = {"subject": "New reply", "text": "Maya owns this.", "thread": 7}


def notice(payload: dict[str, object] = PAYLOAD) -> dict[str, Any]:
    return {"event": "thread.assigned", "event_key": "thread.assigned:7", "payload": payload, "created_at": NOW}


async def claimed(sent_from: str = "", mail_id: str = "") -> bool:
    return True


def story(
    tmp_path: Path,
    status: int,
    kind: str = "standard",
    path: str = "/hook",
    payload: dict[str, object] = PAYLOAD,
) -> list[tuple[dict[str, str], bytes]]:
    """Post one event to a real server that answers `status`; returns what it got."""
    got: list[tuple[dict[str, str], bytes]] = []
    secret = tmp_path / "secret"
    secret.write_text(SECRET, encoding="utf-8")

    async def take(request: Request) -> Response:
        got.append((dict(request.headers), await request.body()))
        return RedirectResponse("/elsewhere", status) if status // 100 == 3 else Response(status_code=status)

    async def run() -> None:
        app = Starlette(
            routes=[Route("/hook", take, methods=["POST"]), Route("/elsewhere", take, methods=["POST", "GET"])]
        )
        server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", ws="none"))
        task = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        hook = WebhookSettings.model_validate(
            {"url": f"http://127.0.0.1:{port}{path}", "kind": kind, "secret": {"file": str(secret)}}
        )
        try:
            await post(hook, notice(payload), NOW, claimed)
        finally:
            server.should_exit = True
            await task

    asyncio.run(run())
    return got


def test_a_standard_webhook_is_signed(tmp_path: Path) -> None:
    ((headers, body),) = story(tmp_path, 204)
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.{body.decode()}".encode()
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert json.loads(body)["type"] == "thread.assigned"
    assert json.loads(body)["data"] == PAYLOAD
    assert headers["webhook-id"] == webhook_id("thread.assigned:7")
    assert "." not in headers["webhook-id"]  # it is a part of what is signed, parted by full stops


def test_at_every_attempt_id_and_body_are_the_same(tmp_path: Path) -> None:
    first, second = story(tmp_path, 200), story(tmp_path, 200)
    assert first[0][0]["webhook-id"] == second[0][0]["webhook-id"]
    assert first[0][1] == second[0][1]


def without_answer(tmp_path: Path, kind: str, *, claim: bool = True) -> tuple[Outcome, int]:
    """Post to a server that reads the request and hangs up; returns the outcome and how many requests it read."""
    (tmp_path / "secret").write_text(SECRET, encoding="utf-8")
    read = 0

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal read
        read += bool(await reader.read(10))
        writer.close()

    async def answer(sent_from: str = "", mail_id: str = "") -> bool:
        return claim

    async def run() -> Outcome:
        server = await asyncio.start_server(take, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        hook = WebhookSettings.model_validate({"url": url, "kind": kind, "secret": {"file": str(tmp_path / "secret")}})
        try:
            return await post(hook, notice(), NOW, answer)
        finally:
            server.close()

    return asyncio.run(run()), read


def test_without_an_answer_a_standard_webhook_is_tried_again_a_slack_one_is_in_doubt(tmp_path: Path) -> None:
    with pytest.raises(TemporaryError):
        without_answer(tmp_path, "standard")
    assert without_answer(tmp_path, "slack") == ("unknown", 1)


@pytest.mark.parametrize("kind", ["standard", "slack"])
def test_what_another_node_has_claimed_is_not_posted(tmp_path: Path, kind: str) -> None:
    assert without_answer(tmp_path, kind, claim=False) == ("withdrawn", 0)


def test_slack_gets_text(tmp_path: Path) -> None:
    ((_, body),) = story(tmp_path, 200, kind="slack")
    assert json.loads(body) == {"text": "*New reply*\nMaya owns this."}


@pytest.mark.parametrize("status", [429, 500, 503])
def test_some_answers_are_tried_again(tmp_path: Path, status: int) -> None:
    with pytest.raises(TemporaryError):
        story(tmp_path, status)


@pytest.mark.parametrize("status", [302, 307, 400, 404, 410])
def test_some_answers_are_final_and_redirects_are_not_followed(tmp_path: Path, status: int) -> None:
    with pytest.raises(PermanentError):
        story(tmp_path, status)


PRIVATE = ["10.0.0.1", "169.254.169.254", "192.168.1.1", "[fd00::1]", "0.0.0.0", "127.0.0.2", "100.64.0.1", "224.0.0.1",
           "240.0.0.1", "[::ffff:10.0.0.1]", "[::ffff:8.8.8.8]", "[64:ff9b::a00:1]", "[2002:a00:1::]", "[fe80::1]", "[ff02::1]",
           "2130706433", "0x7f000001", "017700000001"]  # fmt: skip


@pytest.mark.parametrize("host", PRIVATE)
def test_private_addresses_are_refused(host: str) -> None:
    with pytest.raises(PermanentError, match="not a public address"):
        asyncio.run(resolve_public(f"https://{host}/hook"))


def test_the_known_vector_of_the_standard() -> None:
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    headers = sign([secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, '{"test": 2432232314}')
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1.evil.example/x", "http://localhost.evil.example/x", "http://127.0.0.1@evil.example/x",
        "https://user:pass@hooks.example/x", "http://hooks.example/x", "ftp://hooks.example/x", "https:///x",
    ],
)  # fmt: skip
def test_a_url_that_only_looks_like_loopback_is_refused_at_load(url: str) -> None:
    with pytest.raises(ValidationError):
        WebhookSettings.model_validate({"url": url, "kind": "slack"})


def test_while_keys_rotate_both_sign() -> None:
    headers = sign([SECRET, "whsec_b2xkIHNlY3JldA=="], "id", 1, "{}")
    assert headers["webhook-signature"].count("v1,") == 2
    assert headers["webhook-signature"].split()[0] == sign([SECRET], "id", 1, "{}")["webhook-signature"]


def test_what_came_in_pings_nobody_in_slack(tmp_path: Path) -> None:
    ((_, body),) = story(tmp_path, 200, kind="slack", payload={"subject": "<!channel>", "text": "a & <@U1>"})
    assert json.loads(body)["text"] == "*&lt;!channel&gt;*\na &amp; &lt;@U1&gt;"
