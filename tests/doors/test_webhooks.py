"""Do webhooks follow Standard Webhooks, and can none of them reach into our own network?"""

import asyncio
import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from ownership.notify import post, resolve_public, sign
from ownership.settings import WebhookSettings
from store.errors import PermanentError, TemporaryError

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
PAYLOAD = {"subject": "New reply", "text": "Maya owns this.", "thread": 7}


def story(
    tmp_path: Path, status: int, kind: str = "standard", path: str = "/hook"
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
            await post(hook, "thread.assigned", "thread.assigned:7", PAYLOAD, NOW)
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


@pytest.mark.parametrize("host", ["10.0.0.1", "169.254.169.254", "192.168.1.1", "[fd00::1]", "0.0.0.0", "127.0.0.2"])
def test_private_addresses_are_refused(host: str) -> None:
    with pytest.raises(PermanentError, match="not a public address"):
        asyncio.run(resolve_public(f"https://{host}/hook"))


def test_the_known_vector_of_the_standard() -> None:
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    headers = sign(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, '{"test": 2432232314}')
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
