"""Does the reader survive what servers and networks do? Every defect seen in the stock protocol, and their relatives."""

import asyncio
import logging
from base64 import b64decode, b64encode
from datetime import timedelta

import pytest

import inbox.reader
from inbox.reader import Cursor, FetchBatch, ImapReader
from store.errors import AuthenticationFailed, ConnectionLost, PermanentError, TemporaryError
from tests.doors.scripted_imap import ScriptedServer, Talk, fetch_answer, running

START = Cursor("maya@example.com", "INBOX")
SOON = timedelta(milliseconds=100)


async def fetch(reader: ImapReader, cursor: Cursor = START, limit: int = 10_000) -> FetchBatch:
    batch = await reader.fetch_since(cursor, limit=limit)
    assert batch is not None
    return batch


async def give_up(talk: Talk, _tag: str, _rest: bytes) -> None:
    talk.drop()


async def say_nothing(talk: Talk, _tag: str, _rest: bytes) -> None:
    await talk.forever()


def refusing(text: bytes) -> object:
    async def refuse(talk: Talk, tag: str, _rest: bytes) -> None:
        talk.send(tag.encode() + b" NO " + text)

    return refuse


def test_five_thousand_lines_in_one_answer_are_read() -> None:
    async def story() -> None:
        server = ScriptedServer({1: b"x"})

        async def chatter(talk: Talk, tag: str, _rest: bytes) -> None:
            talk.send(*[b"* OK still here"] * 5_000, *[b"* SEARCH %d" % uid for uid in range(1, 5_001)])
            talk.ok(tag)

        server.scripts["UID SEARCH"] = chatter
        async with running(server) as reader:
            assert await reader.list_uids("INBOX") == (7, frozenset(range(1, 5_001)))

    asyncio.run(story())


def test_five_thousand_bodies_in_one_fetch_are_read() -> None:
    async def story() -> None:
        mails = {uid: b"Subject: %d\r\n\r\n* %d\r\n(" % (uid, uid) for uid in range(1, 5_001)}
        async with running(ScriptedServer(mails)) as reader:
            batch = await fetch(reader)
        assert {mail.uid: mail.raw for mail in batch.mails} == mails
        assert not batch.more

    asyncio.run(story())


@pytest.mark.parametrize("command", ["LOGIN", "EXAMINE", "UID SEARCH", "UID FETCH", "CAPABILITY"])
def test_a_connection_cut_within_a_command_is_told_at_once(command: str) -> None:
    async def story() -> None:
        server = ScriptedServer({1: b"x"}, scripts={command: give_up})
        async with running(server) as reader:
            with pytest.raises(ConnectionLost):
                await fetch(reader)

    asyncio.run(story())


@pytest.mark.parametrize(
    "part", [b"* 1 FET", b"* 1 FETCH (UID 1 BODY[] {50}\r\nonly", b"* 1 FETCH (UID 1 BODY[] {5}\r\nwhole"]
)
def test_an_answer_cut_short_brings_nothing(part: bytes) -> None:
    async def story() -> None:
        server = ScriptedServer({1: b"x"})

        async def cut(talk: Talk, _tag: str, _rest: bytes) -> None:
            talk.writer.write(part)
            talk.writer.write_eof()

        server.scripts["UID FETCH"] = cut
        async with running(server) as reader:
            with pytest.raises(ConnectionLost):
                await fetch(reader)

    asyncio.run(story())


def test_a_connection_cut_in_idle_is_told_at_once() -> None:
    async def story() -> None:
        server = ScriptedServer()

        async def cut(talk: Talk, _tag: str, _rest: bytes) -> None:
            talk.send(b"+ idling")
            await talk.writer.drain()
            talk.drop()

        server.scripts["IDLE"] = cut
        async with running(server) as reader:
            with pytest.raises(ConnectionLost):
                await reader.wait_for_news("INBOX", 60)

    asyncio.run(story())


def test_goodbye_ends_the_connection_with_its_reason() -> None:
    async def story() -> None:
        server = ScriptedServer()

        async def bye(talk: Talk, _tag: str, _rest: bytes) -> None:
            talk.send(b"* BYE going down for maintenance")

        server.scripts["EXAMINE"] = bye
        async with running(server) as reader:
            with pytest.raises(ConnectionLost, match="maintenance"):
                await fetch(reader)

    asyncio.run(story())


def test_calls_at_the_same_time_do_not_mix() -> None:
    async def story() -> None:
        server = ScriptedServer({uid: b"mail %d" % uid for uid in range(1, 30)})
        async with running(server) as reader:
            one, two, listed = await asyncio.gather(
                fetch(reader), fetch(reader, Cursor("m", "INBOX", 7, 20), limit=5), reader.list_uids("INBOX")
            )
        assert [mail.uid for mail in one.mails] == list(range(1, 30))
        assert [mail.uid for mail in two.mails] == [21, 22, 23, 24, 25]
        assert listed == (7, frozenset(range(1, 30)))
        assert len(server.talks) == 1
        assert not server.overlapping

    asyncio.run(story())


@pytest.mark.parametrize(
    "raw",
    [
        b"* 1 EXISTS\r\n* BYE\r\n\r\n* * *\r\n",
        b"Subject: {5}\r\n\r\nline {5}\r\n)\r\nA1 OK done\r\n+ go\r\n",
        b'\x00\xff\xfe bytes \r bare \n ends ()"\\ \r\n',
        b"",
        b")",
    ],
)
def test_what_a_message_says_is_not_taken_for_the_protocol(raw: bytes) -> None:
    async def story() -> None:
        async with running(ScriptedServer({1: b"before", 2: raw, 3: b"after"})) as reader:
            batch = await fetch(reader)
        assert [mail.raw for mail in batch.mails] == [b"before", raw, b"after"]

    asyncio.run(story())


def test_a_bracket_within_a_string_does_not_break_the_next_answers() -> None:
    async def story() -> None:
        server = ScriptedServer({1: b"one", 2: b"two"})

        async def odd(talk: Talk, tag: str, rest: bytes) -> None:
            for uid, raw in server.mails.items():
                answer = fetch_answer(uid, uid, raw, b"BODY" in rest)
                talk.send(answer.replace(b" FLAGS ", b' ENVELOPE (NIL "a ( \\" b" NIL) FLAGS '))
            talk.send(b"* 1 FETCH (FLAGS (\\Seen $Odd(Keyword))", b"* 2 FETCH (FLAGS (\\Seen))")
            talk.ok(tag)

        server.scripts["UID FETCH"] = odd
        async with running(server) as reader:
            with pytest.raises(ConnectionLost, match="list"):
                await fetch(reader)  # the keyword with a bracket is no IMAP: nothing is guessed

        async def tidy(talk: Talk, tag: str, rest: bytes) -> None:
            for uid, raw in server.mails.items():
                answer = fetch_answer(uid, uid, raw, b"BODY" in rest)
                talk.send(answer.replace(b" FLAGS ", b' ENVELOPE (NIL "a ( \\" b" NIL) FLAGS '))
            talk.send(b"* 2 FETCH (FLAGS (\\Seen))")
            talk.ok(tag)

        server.scripts["UID FETCH"] = tidy
        async with running(server) as reader:
            assert [mail.raw for mail in (await fetch(reader)).mails] == [b"one", b"two"]

    asyncio.run(story())


def test_human_text_that_ends_like_a_literal_is_text() -> None:
    async def story() -> None:
        server = ScriptedServer({1: b"one"}, greeting=b"* OK see rule {5}")

        async def answer(talk: Talk, tag: str, _rest: bytes) -> None:
            talk.send(b"* OK more in {12}", b"* SEARCH 1")
            talk.ok(tag, b"found in {3}")

        server.scripts["UID SEARCH"] = answer
        async with running(server) as reader:
            assert [mail.raw for mail in (await fetch(reader)).mails] == [b"one"]

    asyncio.run(story())


def test_a_literal_shorter_than_announced_is_noticed() -> None:
    async def story() -> None:
        server = ScriptedServer({1: b"one", 2: b"two"})

        async def short(talk: Talk, tag: str, rest: bytes) -> None:
            for uid, raw in server.mails.items():
                answer = fetch_answer(uid, uid, raw, b"BODY" in rest)
                talk.send(answer.replace(b"{3}", b"{9}"))
            talk.ok(tag)

        server.scripts["UID FETCH"] = short
        async with running(server, timeout=SOON) as reader:
            with pytest.raises(ConnectionLost):
                await fetch(reader)

    asyncio.run(story())


def test_arrivals_told_outside_idle_wake_too() -> None:
    async def story() -> None:
        server = ScriptedServer({1: b"one"})
        async with running(server) as reader:
            await fetch(reader)
            server.mails[2] = b"two"  # before the IDLE begins: no answer within IDLE will tell
            assert await reader.wait_for_news("INBOX", 60)

        async def early(talk: Talk, tag: str, _rest: bytes) -> None:
            talk.send(b"* 3 EXISTS", b"+ idling")
            await talk.line()
            talk.ok(tag)

        server.scripts["IDLE"] = early
        async with running(server) as reader:
            assert await reader.wait_for_news("INBOX", 60)

    asyncio.run(story())


def test_a_rejected_token_fails_at_once_with_the_reason() -> None:
    async def story() -> None:
        server = ScriptedServer()

        async def reject(talk: Talk, tag: str, _rest: bytes) -> None:
            talk.send(b"+ ")
            said.append(b64decode(await talk.line()))
            talk.send(b"+ " + b64encode(b'{"status":"400","schemes":"bearer"}'))
            assert await talk.line() == b"\r\n"
            talk.send(tag.encode() + b" NO invalid credentials")

        said: list[bytes] = []
        server.scripts["AUTHENTICATE"] = reject
        async with running(server, auth="xoauth2", secret="token-1") as reader:
            with pytest.raises(AuthenticationFailed, match='"status":"400"'):
                await fetch(reader)
        assert said == [b"user=maya@example.com\1auth=Bearer token-1\1\1"]

    asyncio.run(story())


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (b"[AUTHENTICATIONFAILED] wrong", AuthenticationFailed),
        (b"LOGIN failed", AuthenticationFailed),
        (b"[UNAVAILABLE] the directory is down", TemporaryError),
        (b"[ALERT] Too many simultaneous connections. (Failure)", TemporaryError),
        (b"[INUSE] locked", TemporaryError),
    ],
)
def test_a_refused_login_is_permanent_only_if_it_is_about_the_secret(text: bytes, error: type[Exception]) -> None:
    async def story() -> None:
        server = ScriptedServer(scripts={"LOGIN": refusing(text)})  # type: ignore[dict-item]
        async with running(server) as reader:
            with pytest.raises(error) as caught:
                await fetch(reader)
        assert type(caught.value) is error

    asyncio.run(story())


@pytest.mark.parametrize("secret", ['quo"te\\ {5}', "pässwörd", "* spaces ()", "x" * 5_000, "+", "1\r\nA1 LOGOUT"])
def test_any_password_arrives_as_it_is(secret: str) -> None:
    async def story() -> None:
        server = ScriptedServer()
        async with running(server, secret=secret) as reader:
            await reader.list_uids("INBOX")
        login = next(line for line in server.heard if b" LOGIN " in line)
        assert login.endswith(b"maya@example.com {%d}\r\n%s\r\n" % (len(secret.encode()), secret.encode()))

    asyncio.run(story())


@pytest.mark.parametrize("auth", ["password", "xoauth2", "plain"])
@pytest.mark.parametrize("accepted", [True, False])
def test_secrets_are_never_logged(auth: str, accepted: bool, caplog: pytest.LogCaptureFixture) -> None:
    canary = "canary-5up3r5ecret"
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, logger="aioimaplib.aioimaplib")
    caplog.set_level(logging.DEBUG, logger="asyncio")

    async def echo(talk: Talk, tag: str, _rest: bytes) -> None:
        if auth != "password":
            talk.send(b"+ ")
            await talk.line()
        end = b" OK welcome " if accepted else b" NO bad password "
        talk.send(tag.encode() + end + canary.encode())

    async def story() -> str:
        server = ScriptedServer({1: b"x"}, scripts={"LOGIN": echo, "AUTHENTICATE": echo})
        server.capabilities += b" AUTH=PLAIN" if auth == "plain" else b""
        async with running(server, secret=canary, auth="xoauth2" if auth == "xoauth2" else "password") as reader:
            try:
                await fetch(reader)
            except AuthenticationFailed as problem:
                return str(problem)
            return ""

    told = asyncio.run(story(), debug=True)
    assert bool(told) is not accepted
    everything = told + caplog.text + repr([vars(record) for record in caplog.records])
    for form in (
        canary,
        b64encode(canary.encode()).decode(),
        b64encode(f"\0maya@example.com\0{canary}".encode()).decode(),
    ):
        assert form not in everything


def test_folder_names_are_quoted_and_encoded() -> None:
    async def story() -> None:
        server = ScriptedServer()
        async with running(server, folders=('Entwürfe & "mehr"/台北',)) as reader:
            await reader.list_uids('Entwürfe & "mehr"/台北')
        examine = next(line for line in server.heard if b"EXAMINE" in line)
        assert examine.endswith(b' EXAMINE "Entw&APw-rfe &- \\"mehr\\"/&U,BTFw-"\r\n')

    asyncio.run(story())


def test_after_a_refused_folder_none_is_open() -> None:
    async def story() -> None:
        server = ScriptedServer({1: b"x"}, folders=(b'() "/" INBOX', b'() "/" Broken'))

        async def examine(talk: Talk, tag: str, rest: bytes) -> None:
            if b"INBOX" in rest:
                await server.answer(talk, tag, "EXAMINE", rest)
            else:
                talk.send(tag.encode() + b" NO it is broken")

        server.scripts["EXAMINE"] = examine
        async with running(server) as reader:
            assert await reader.list_uids("INBOX") == (7, frozenset({1}))
            assert await reader.list_uids("Gone") is None
            with pytest.raises(PermanentError, match="it is broken"):
                await reader.list_uids("Broken")
            assert await reader.list_uids("INBOX") == (7, frozenset({1}))
        after_refusal = [line for line in server.heard if b"SEARCH" in line]
        assert len(after_refusal) == 2

    asyncio.run(story())


def test_an_idle_makes_way_for_a_fetch_and_goes_on() -> None:
    async def story() -> None:
        server = ScriptedServer({1: b"one"})
        async with running(server) as reader:
            waiting = asyncio.create_task(reader.wait_for_news("INBOX", 60))
            while not any(b"IDLE" in line for line in server.heard):
                await asyncio.sleep(0)
            assert len((await fetch(reader)).mails) == 1
            assert not waiting.done()
            waiting.cancel()
        assert sum(line == b"DONE\r\n" for line in server.heard) == 0  # read by the IDLE itself, not as a command

    asyncio.run(story())


def test_idle_is_renewed_before_anybody_forgets_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    assert inbox.reader.IDLE_ROUND < 9 * 60
    monkeypatch.setattr(inbox.reader, "IDLE_ROUND", 0.01)

    async def story() -> None:
        server = ScriptedServer()
        async with running(server) as reader:
            assert not await reader.wait_for_news("INBOX", 0.2)
        assert sum(b"IDLE" in line for line in server.heard) >= 3
        assert len(server.talks) == 1

    asyncio.run(story())


@pytest.mark.parametrize("refuse", [True, False])
def test_without_idle_it_waits(refuse: bool) -> None:
    async def story() -> None:
        server = ScriptedServer(scripts={"IDLE": refusing(b"not today")})  # type: ignore[dict-item]
        if not refuse:
            server.capabilities = b"IMAP4rev1"
        async with running(server) as reader:
            assert not await reader.wait_for_news("INBOX", 0.05)
        assert sum(b"IDLE" in line for line in server.heard) == int(refuse)

    asyncio.run(story())


def test_the_last_message_is_not_fetched_again_and_again() -> None:
    async def story() -> None:
        server = ScriptedServer({5: b"old"})  # its SEARCH names UID 5 whatever is asked, as `6:*` does
        async with running(server, window=0) as reader:
            batch = await fetch(reader, Cursor("m", "INBOX", 7, 5))
        assert batch.mails == ()
        assert batch.reached == 5

    asyncio.run(story())
