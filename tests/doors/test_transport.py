"""What became of a letter? The transport against a real socket that drops, refuses, delays and loses its answers."""

import asyncio
import base64
import gc
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import trustme

from outbound.dialogue import Dialogue
from outbound.mail_settings import SmtpSettings
from outbound.transport import Envelope, SendResult, SmtpTransport, learn_id
from sandbox.relay import Fault, Relay
from store.errors import AuthenticationFailed, ConnectionLost, TlsFailed, UnsafeMessage

BOX = "maya@out.example"
RAW = b"From: <maya@out.example>\r\nMessage-ID: <1@out.example>\r\n\r\nHi\r\n.dot\r\n..two\r\n"
LETTER = Envelope(BOX, "chris@acme.example", RAW)


@dataclass
class Desk:
    """One mailbox before one server, with a claim that counts."""

    relay: Relay
    transport: SmtpTransport
    claims: int = 0
    grants: bool = True
    secrets: list[str] = field(default_factory=lambda: ["secret"])

    async def send(self, letter: Envelope = LETTER) -> SendResult:
        async def claim() -> bool:
            self.claims += 1
            return self.grants

        return await self.transport.send(letter, claim)


@asynccontextmanager
async def desk(relay: Relay, host: str = "127.0.0.1", renew: bool = False, **settings: Any) -> AsyncIterator[Desk]:
    port = await relay.start(host)
    values = {"host": host, "port": port, "security": "none", "auth": "none", "timeout": "5s", "data_timeout": "5s"}
    made: list[Desk] = []

    async def secret() -> str:
        return made[0].secrets[0]

    def next_secret() -> None:
        made[0].secrets.pop(0)

    smtp = SmtpSettings.model_validate(values | settings)
    transport = SmtpTransport(smtp, BOX, BOX, secret, next_secret if renew else None)
    made.append(Desk(relay, transport))
    try:
        yield made[0]
    finally:
        await transport.close()
        await relay.close()


def faults(*names: Fault) -> Callable[[], Fault]:
    left = list(names)
    return lambda: left.pop(0) if left else Fault.NONE


LOOPS = [pytest.param(name, marks=pytest.mark.skipif(not find_spec("uvloop"), reason="extra `speed`"))
         if name == "uvloop" else name for name in ("asyncio", "uvloop")]  # fmt: skip


def run(play: Callable[[], Awaitable[None]], loop: str = "asyncio") -> None:
    factory = import_module("uvloop").new_event_loop if loop == "uvloop" else None
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(play())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fault", "outcome", "phase", "accepted"),
    [
        (Fault.NONE, "sent", "data", 1),
        (Fault.LATE_ANSWER, "sent", "data", 1),
        (Fault.LATER_AT_RCPT, "deferred", "rcpt", 0),
        (Fault.DROP_AT_DATA, "deferred", "data", 0),
        (Fault.DROP_IN_BODY, "unknown", "data", 0),
        (Fault.LOSE_ANSWER, "unknown", "data", 1),
        (Fault.LATER_AT_DOT, "deferred", "data", 0),
        (Fault.NEVER_AT_DOT, "refused", "data", 0),
    ],
)
@pytest.mark.parametrize("extensions", [(), ("PIPELINING",)])
@pytest.mark.parametrize("loop", LOOPS)
def test_only_silence_after_the_message_is_unknown(
    fault: Fault, outcome: str, phase: str, accepted: int, extensions: tuple[str, ...], loop: str
) -> None:
    async def play() -> None:
        async with desk(Relay(faults(fault), extensions=extensions)) as one:
            result = await one.send()
            assert (result.outcome, result.phase) == (outcome, phase)
            assert len(one.relay.accepted) == accepted
            assert one.claims == (phase == "data")
            assert (await one.send()).outcome == "sent"  # the next letter is not hurt by what happened to this one

    run(play, loop)


@pytest.mark.parametrize("fault", [Fault.DROP_AT_MAIL, Fault.DROP_AT_RCPT])
@pytest.mark.parametrize("extensions", [(), ("PIPELINING",)])
def test_a_loss_before_the_claim_is_an_error_and_nothing_was_sent(fault: Fault, extensions: tuple[str, ...]) -> None:
    async def play() -> None:
        async with desk(Relay(faults(fault), extensions=extensions)) as one:
            with pytest.raises(ConnectionLost):
                await one.send()
            assert (one.claims, one.relay.accepted) == (0, [])

    run(play)


@pytest.mark.parametrize(
    ("answers", "phase", "code"),
    [
        ({"MAIL": "550 5.7.1 not you", "RCPT": "503 5.5.1 no MAIL before"}, "mail", 550),
        ({"MAIL": "550-5.7.1 not you\r\n550 5.7.1 nor anybody"}, "mail", 550),
        ({"RCPT": "550 5.1.1 nobody here"}, "rcpt", 550),
        ({"RCPT": "421 4.7.0 too many"}, "rcpt", 421),
    ],
)
@pytest.mark.parametrize("extensions", [(), ("PIPELINING",)])
def test_a_refusal_says_whose_it_is(
    answers: dict[str, str], phase: str, code: int, extensions: tuple[str, ...]
) -> None:
    async def play() -> None:
        async with desk(Relay(answers=dict(answers), extensions=extensions)) as one:
            result = await one.send()
            assert (result.phase, result.code, one.claims) == (phase, code, 0)
            one.relay.answers.clear()
            assert (await one.send()).outcome == "sent"

    run(play)


@pytest.mark.parametrize(
    ("verb", "answer", "claims"),
    [("MAIL", "250 ok\r\n250 ok", 0), ("RCPT", "250 ok\r\n354 early", 0), ("RCPT", "welcome", 0),
     ("DATA", "354 go\r\n250 taken already", 1), ("DATA", "welcome", 1)],
)  # fmt: skip
def test_an_answer_that_nobody_asked_for_ends_the_dialogue_before_the_message(
    verb: str, answer: str, claims: int
) -> None:
    async def play() -> None:
        async with desk(Relay(answers={verb: answer})) as one:
            try:
                assert (await one.send()).outcome == "deferred"
            except ConnectionLost:
                assert verb != "DATA"
            assert (one.claims, one.relay.accepted) == (claims, [])
            one.relay.answers.clear()
            assert (await one.send()).outcome == "sent"

    run(play)


def test_no_address_says_more_than_itself() -> None:
    async def play() -> None:
        async with desk(Relay()) as one:
            with pytest.raises(UnsafeMessage):
                await one.send(Envelope(BOX, "chris@acme.example>\r\nDATA", RAW))
            assert (one.claims, one.relay.accepted) == (0, [])

    run(play)


def test_a_claim_that_is_refused_takes_the_letter_back() -> None:
    async def play() -> None:
        async with desk(Relay()) as one:
            one.grants = False
            assert (await one.send()).outcome == "withdrawn"
            assert one.relay.accepted == []
            one.grants = True
            assert (await one.send()).outcome == "sent"
            assert one.relay.connections == 1

    run(play)


def test_the_bytes_arrive_as_they_were_signed() -> None:
    async def play() -> None:
        async with desk(Relay()) as one:
            await one.send()
            assert one.relay.accepted[0].raw == RAW
            with pytest.raises(UnsafeMessage):  # a bare line end could smuggle a second message
                await one.send(Envelope(BOX, "x@acme.example", RAW + b"\n.\r\nMAIL FROM:<a@b>\r\n"))

    run(play)


def test_a_connection_is_used_again_and_replaced_in_time() -> None:
    async def play() -> None:
        async with desk(Relay(), messages_per_connection=2) as one:
            for _ in range(5):
                assert (await one.send()).outcome == "sent"
            assert one.relay.connections == 3
        async with desk(Relay(faults(Fault.NONE, Fault.DROP_AT_MAIL))) as one:
            await one.send()
            assert (await one.send()).outcome == "sent"  # it had died while idle: once more on a new one
            assert one.relay.connections == 2
        async with desk(Relay(), idle_limit="0s") as one:
            await one.send()
            await one.send()
            assert one.relay.connections == 2

    run(play)


def test_no_connection_outlives_its_use() -> None:
    """Memory that grows with every connection fills a machine in weeks."""

    async def play() -> None:
        async with desk(Relay(), messages_per_connection=1) as one:
            for _ in range(30):
                assert (await one.send()).outcome == "sent"
            await asyncio.sleep(0)
            gc.collect()
            kept = [found for found in gc.get_objects() if isinstance(found, Dialogue)]
            assert one.relay.connections == 30
            assert len(kept) <= 2

    run(play)


def test_a_letter_that_is_too_big_is_not_offered() -> None:
    async def play() -> None:
        async with desk(Relay(extensions=("SIZE 50",))) as one:
            result = await one.send()
            assert (result.outcome, result.enhanced, one.claims) == ("refused", "5.3.4", 0)
        async with desk(Relay(extensions=("SIZE",)), max_size=1000) as one:
            assert (await one.send()).outcome == "sent"
            assert (await one.send(Envelope(BOX, "x@acme.example", RAW * 50))).enhanced == "5.3.4"

    run(play)


def test_international_addresses_need_a_server_that_takes_them() -> None:
    letter = Envelope(BOX, "jürgen@acme.example", RAW)

    async def play() -> None:
        async with desk(Relay()) as one:
            assert (await one.send(letter)).outcome == "sent"
            assert one.relay.accepted[0].recipient == "jürgen@acme.example"
            assert "SMTPUTF8" in one.relay.accepted[0].options
        async with desk(Relay(extensions=())) as one:
            assert (await one.send(letter)).enhanced == "5.6.7"
            assert one.claims == 0

    run(play)


def test_ipv6() -> None:
    async def play() -> None:
        async with desk(Relay(), host="::1") as one:
            assert (await one.send()).outcome == "sent"

    run(play)


def server_tls(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("security", ["tls", "starttls"])
def test_tls_is_required_and_checked(tmp_path: Path, security: str, loop: str) -> None:
    ours, theirs = trustme.CA(), trustme.CA()
    ours.cert_pem.write_to_path(tmp_path / "ca.pem")
    known: dict[str, Any] = {"security": security, "ca_file": str(tmp_path / "ca.pem")}

    async def play() -> None:
        implicit = security == "tls"
        good = Relay(tls=server_tls(ours, "127.0.0.1"), implicit_tls=implicit)
        async with desk(good, **known) as one:
            assert (await one.send()).outcome == "sent"
        for context in (server_tls(theirs, "127.0.0.1"), server_tls(ours, "other.example")):
            async with desk(Relay(tls=context, implicit_tls=implicit), **known) as one:
                with pytest.raises(TlsFailed):
                    await one.send()
                assert one.relay.accepted == []

    run(play, loop)


def test_starttls_is_never_given_up(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")

    async def play() -> None:
        async with desk(Relay(), security="starttls", ca_file=str(tmp_path / "ca.pem")) as one:
            with pytest.raises(TlsFailed, match="nothing is sent in plaintext"):
                await one.send()
            assert one.relay.accepted == []

    run(play)


def test_login_by_plain_and_by_login() -> None:
    tried: list[str] = []

    def only(mechanism: str) -> Callable[[str, str], str]:
        def login(name: str, words: str) -> str:
            tried.append(name)
            decoded = b" ".join(base64.b64decode(word) for word in words.split())
            return "235 welcome" if name == mechanism and b"secret" in decoded else "535 5.7.8 wrong"

        return login

    async def play() -> None:
        async with desk(Relay(login=only("PLAIN")), auth="password") as one:
            assert (await one.send()).outcome == "sent"
            one.secrets[0] = "wrong"
            await one.transport.close()
            tried.clear()
            with pytest.raises(AuthenticationFailed):
                await one.send()
            assert tried == ["PLAIN"]  # one wrong password is one failure, not two

    run(play)


def test_a_withdrawn_access_token_is_replaced_once() -> None:
    def login(_name: str, words: str) -> str:
        return "235 welcome" if b"Bearer fresh" in base64.b64decode(words) else "334 eyJzdGF0dXMiOiI0MDEifQ=="

    async def play() -> None:
        async with desk(Relay(login=login), auth="xoauth2", renew=True) as one:
            one.secrets[:] = ["stale", "fresh"]
            assert (await one.send()).outcome == "sent"
        async with desk(Relay(login=login), auth="xoauth2", renew=True) as one:
            one.secrets[:] = ["stale", "stale too", "fresh"]
            with pytest.raises(AuthenticationFailed):
                await one.send()
        async with desk(Relay(login=lambda *_: "454 4.7.0 busy"), auth="xoauth2") as one:
            with pytest.raises(ConnectionLost):  # a temporary failure holds nobody
                await one.send()

    run(play)


@pytest.mark.parametrize(
    ("answer", "host", "learnt"),
    [
        ("2.0.0 Ok: queued as 4XYZ", "mx.example", ""),
        ("2.0.0 Ok: queued for <chris@acme.example>", "mx.example", ""),
        ("2.6.0 <1@out.example> [InternalId=1, Hostname=a.prod.outlook.com] Queued", "smtp.office365.com", ""),
        ("2.0.0 OK <new@prod.outlook.com> [Hostname=x]", "smtp.office365.com", "<new@prod.outlook.com>"),
        ("Ok 0102018f3c2a1b2c-1a2b3c4d-0000-1111-2222-333344445555-000000", "email-smtp.eu-west-1.amazonaws.com",
         "<0102018f3c2a1b2c-1a2b3c4d-0000-1111-2222-333344445555-000000@eu-west-1.amazonses.com>"),
        ("Ok 0102018f3c2a1b2c-1a2b3c4d-0000-1111-2222-333344445555-000000", "email-smtp.us-east-1.amazonaws.com",
         "<0102018f3c2a1b2c-1a2b3c4d-0000-1111-2222-333344445555-000000@email.amazonses.com>"),
    ],
)  # fmt: skip
def test_a_rewritten_message_id_is_learnt(answer: str, host: str, learnt: str) -> None:
    assert learn_id(answer, host, LETTER) == learnt
