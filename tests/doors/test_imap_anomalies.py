"""After an anomaly: is the connection thrown away, nothing lost, nothing twice, and nothing bad believed?"""

import asyncio
import ssl
from datetime import timedelta
from pathlib import Path

import pytest
import trustme

import inbox.imap_session
from inbox.reader import Cursor, FetchBatch, ImapReader
from store.errors import ConnectionLost, PermanentError, TemporaryError, TlsFailed
from tests.doors.scripted_imap import ScriptedServer, Talk, fetch_answer, read_set, running

START = Cursor("maya@example.com", "INBOX")


async def fetch(reader: ImapReader, cursor: Cursor = START, limit: int = 10_000) -> FetchBatch:
    batch = await reader.fetch_since(cursor, limit=limit)
    assert batch is not None
    return batch


def test_a_silent_server_is_given_up_and_the_next_call_connects_anew() -> None:
    async def story() -> None:
        server = ScriptedServer({1: b"x"})

        async def silent_once(talk: Talk, _tag: str, _rest: bytes) -> None:
            del server.scripts["UID SEARCH"]
            await talk.forever()

        server.scripts["UID SEARCH"] = silent_once
        async with running(server, timeout=timedelta(milliseconds=100)) as reader:
            with pytest.raises(ConnectionLost):
                await fetch(reader)
            server.uidvalidity = 8  # what was true before the anomaly need not be true after it
            batch = await fetch(reader, Cursor("m", "INBOX", 7, 1))
        assert batch.validity_changed
        assert [mail.uid for mail in batch.mails] == [1]
        assert len(server.talks) == 2

    asyncio.run(story())


def test_a_cancelled_call_leaves_no_half_answer_behind() -> None:
    async def story() -> None:
        server = ScriptedServer({1: b"one", 2: b"two"})
        reached = asyncio.Event()

        async def half(talk: Talk, _tag: str, _rest: bytes) -> None:
            del server.scripts["UID FETCH"]
            talk.writer.write(b"* 1 FETCH (UID 1 BODY[] {300}\r\nhalf")
            reached.set()
            await talk.forever()

        server.scripts["UID FETCH"] = half
        async with running(server) as reader:
            call = asyncio.create_task(fetch(reader))
            await reached.wait()
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            assert [mail.raw for mail in (await fetch(reader)).mails] == [b"one", b"two"]
        assert len(server.talks) == 2

    asyncio.run(story())


def test_another_uidvalidity_brings_everything_and_ignores_the_known_uids() -> None:
    async def story() -> None:
        server = ScriptedServer({1: b"one", 2: b"two"}, uidvalidity=9)
        async with running(server) as reader:
            batch = await reader.fetch_since(Cursor("m", "INBOX", 7, 2), known_uids={1, 2})
        assert batch is not None
        assert batch.validity_changed
        assert [mail.uid for mail in batch.mails] == [1, 2]
        assert (batch.uidvalidity, batch.reached) == (9, 2)

    asyncio.run(story())


def test_a_server_without_uidvalidity_is_refused() -> None:
    async def story() -> None:
        server = ScriptedServer({1: b"one"}, uidvalidity=0)
        async with running(server) as reader:
            with pytest.raises(PermanentError, match="UIDVALIDITY"):
                await fetch(reader)

    asyncio.run(story())


def test_doubled_and_unasked_answers_give_each_message_once() -> None:
    async def story() -> None:
        server = ScriptedServer({uid: b"mail %d" % uid for uid in (1, 2, 3)})

        async def stutter(talk: Talk, tag: str, rest: bytes) -> None:
            for uid in read_set(rest.split()[2], server.mails):
                talk.send(*[fetch_answer(uid, uid, server.mails[uid], b"BODY" in rest)] * 2)
                talk.send(b"* %d FETCH (FLAGS (\\Seen))" % uid, b"* 3 EXISTS", b"* 4 FETCH (UID 4 FLAGS ())")
            talk.ok(tag)

        server.scripts["UID FETCH"] = stutter
        async with running(server) as reader:
            batch = await fetch(reader)
        assert [(mail.uid, mail.raw) for mail in batch.mails] == [(1, b"mail 1"), (2, b"mail 2"), (3, b"mail 3")]

    asyncio.run(story())


def test_one_message_that_the_server_cannot_read_does_not_hide_the_others() -> None:
    async def story() -> None:
        server = ScriptedServer({uid: b"mail %d" % uid for uid in (1, 2, 3)})

        async def stumble(talk: Talk, tag: str, rest: bytes) -> None:
            wanted = read_set(rest.split()[2], server.mails)
            if b"BODY" in rest and 2 in wanted:
                talk.send(tag.encode() + b" NO message 2 cannot be converted")
                return
            await server.answer(talk, tag, "UID FETCH", rest)

        server.scripts["UID FETCH"] = stumble
        async with running(server) as reader:
            batch = await fetch(reader)
            assert [mail.uid for mail in batch.mails] == [1, 3]
            assert batch.unreadable == (2,)
            assert (batch.reached, batch.more) == (3, False)
            again = await reader.fetch_since(Cursor("m", "INBOX", 7, 3), known_uids={1, 3})
        assert again is not None
        assert again.unreadable == (2,)  # the window keeps asking
        assert not again.more

    asyncio.run(story())


def test_a_throttled_fetch_is_temporary() -> None:
    async def story() -> None:
        server = ScriptedServer({1: b"one"})

        async def throttle(talk: Talk, tag: str, _rest: bytes) -> None:
            talk.send(tag.encode() + b" NO Request is throttled. Suggested Backoff Time: 9000 milliseconds")

        server.scripts["UID FETCH"] = throttle
        async with running(server) as reader:
            with pytest.raises(TemporaryError, match="throttled"):
                await fetch(reader)

    asyncio.run(story())


def test_a_message_larger_than_its_stated_size_is_cut() -> None:
    async def story() -> None:
        raw = b"Subject: big\r\n\r\n" + b"x" * 50_000
        server = ScriptedServer({1: raw, 2: b"small"})

        async def lie(talk: Talk, tag: str, rest: bytes) -> None:
            for uid in read_set(rest.split()[2], server.mails):
                answer = fetch_answer(uid, uid, server.mails[uid], b"BODY" in rest)
                talk.send(answer.replace(b"RFC822.SIZE %d" % len(raw), b"RFC822.SIZE 10"))
            talk.ok(tag)

        server.scripts["UID FETCH"] = lie
        async with running(server, largest=20_000) as reader:
            batch = await fetch(reader)
        first, second = batch.mails
        assert (first.raw, first.truncated, first.size) == (raw[:20_000], True, len(raw))
        assert (second.raw, second.truncated) == (b"small", False)

    asyncio.run(story())


def test_an_endless_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inbox.imap_protocol.HELD_MAX", 100_000)

    async def story() -> None:
        server = ScriptedServer({1: b"one"})

        async def endless(talk: Talk, _tag: str, _rest: bytes) -> None:
            while True:
                talk.writer.write(b"1" * 10_000)
                await talk.writer.drain()

        server.scripts["UID SEARCH"] = endless
        async with running(server) as reader:
            with pytest.raises(ConnectionLost, match="octets"):
                await fetch(reader)

    asyncio.run(story())


def test_a_batch_stays_small_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox.imap_session, "IN_BATCH", 1_000)

    async def story() -> None:
        mails = {uid: b"x" * size for uid, size in enumerate((600, 300, 300, 5_000, 1), 1)}
        seen, cursor, known = [], START, set[int]()
        async with running(ScriptedServer(mails)) as reader:
            for _ in range(4):
                batch = await reader.fetch_since(cursor, known_uids=known)
                assert batch is not None
                seen.append([mail.uid for mail in batch.mails])
                known |= {mail.uid for mail in batch.mails}
                cursor = Cursor("m", "INBOX", batch.uidvalidity, batch.reached)
                if not batch.more:
                    break
        assert seen == [[1, 2], [3], [4], [5]]

    asyncio.run(story())


@pytest.mark.parametrize(
    ("greeting", "error", "text"),
    [
        (b"* BYE too many connections", ConnectionLost, "too many connections"),
        (b"220 smtp.example.com ESMTP", ConnectionLost, "220"),
    ],
)
def test_a_greeting_that_is_none_is_told(greeting: bytes, error: type[Exception], text: str) -> None:
    async def story() -> None:
        async with running(ScriptedServer(greeting=greeting)) as reader:
            with pytest.raises(error, match=text):
                await fetch(reader)

    asyncio.run(story())


def test_who_is_let_in_without_a_login_needs_none() -> None:
    async def story() -> None:
        server = ScriptedServer({1: b"x"}, greeting=b"* PREAUTH welcome")
        async with running(server) as reader:
            assert len((await fetch(reader)).mails) == 1
        assert not any(b"LOGIN" in line for line in server.heard)

    asyncio.run(story())


def test_nobody_listening_is_temporary() -> None:
    async def story() -> None:
        async with running(ScriptedServer()) as reader:
            reader._settings = reader._settings.model_copy(update={"port": 1})
            with pytest.raises(ConnectionLost, match=r"127\.0\.0\.1:1"):
                await fetch(reader)

    asyncio.run(story())


@pytest.mark.parametrize("trick", ["refused", "preauth", "no handshake"])
def test_starttls_never_falls_back_to_plaintext(trick: str) -> None:
    async def story() -> None:
        server = ScriptedServer({1: b"x"})
        if trick == "preauth":
            server.greeting = b"* PREAUTH welcome"

        async def starttls(talk: Talk, tag: str, _rest: bytes) -> None:
            if trick == "refused":
                talk.send(tag.encode() + b" NO not here")
            else:
                talk.ok(tag)
                await talk.forever()

        server.scripts["STARTTLS"] = starttls
        async with running(server, security="starttls", timeout=timedelta(milliseconds=200)) as reader:
            with pytest.raises(ConnectionLost if trick == "no handshake" else TlsFailed):
                await fetch(reader)
        assert not any(b"LOGIN" in line or b"AUTHENTICATE" in line for line in server.heard)

    asyncio.run(story())


def test_what_was_said_before_tls_is_forgotten(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)

    async def story() -> None:
        server = ScriptedServer({1: b"x"})

        async def starttls(talk: Talk, tag: str, _rest: bytes) -> None:
            talk.ok(tag)
            talk.send(b"* CAPABILITY IMAP4rev1 AUTH=PLAIN")  # somebody in between wants another login
            talk.writer.write(b"* half a line")
            await talk.writer.start_tls(context)

        server.scripts["STARTTLS"] = starttls
        async with running(server, security="starttls", ca_file=tmp_path / "ca.pem") as reader:
            assert len((await fetch(reader)).mails) == 1
        assert not any(b"AUTHENTICATE" in line for line in server.heard)

    asyncio.run(story())


@pytest.mark.parametrize("name", ["other.example", "127.0.0.2"])
def test_a_certificate_for_somebody_else_is_refused(name: str, tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)

    async def story() -> None:
        server = ScriptedServer({1: b"x"}, scripts={"STARTTLS": lambda talk, tag, _rest: upgrade(talk, tag)})

        async def upgrade(talk: Talk, tag: str) -> None:
            talk.ok(tag)
            await talk.writer.start_tls(context)

        async with running(server, security="starttls", ca_file=tmp_path / "ca.pem") as reader:
            with pytest.raises(TlsFailed, match="certificate"):
                await fetch(reader)
        assert not any(b"LOGIN" in line for line in server.heard)

    asyncio.run(story())


def test_a_port_that_speaks_no_tls_fails_as_tls() -> None:
    async def story() -> None:
        async with running(ScriptedServer(), security="tls") as reader:
            with pytest.raises(TlsFailed) as caught:
                await fetch(reader)
        assert isinstance(caught.value.__cause__, ssl.SSLError)

    asyncio.run(story())


@pytest.mark.parametrize("how", ["cut once", "always short", "empty"])
def test_a_message_that_comes_shorter_than_stated_is_asked_for_again(how: str) -> None:
    async def story() -> None:
        whole = b"Subject: x\r\n\r\nthe whole text"
        server = ScriptedServer({1: whole, 2: b"other"})
        times = iter(range(9))

        async def cut(talk: Talk, tag: str, rest: bytes) -> None:
            wanted = read_set(rest.split()[2], server.mails)
            for uid in sorted(wanted):
                raw, bad = server.mails[uid], uid == 1 and b"BODY" in rest
                if bad and (how != "cut once" or next(times) == 0):
                    raw = b"" if how == "empty" else raw[:20]
                answer = fetch_answer(uid, uid, raw, b"BODY" in rest)
                talk.send(answer.replace(b"RFC822.SIZE %d" % len(raw), b"RFC822.SIZE %d" % len(server.mails[uid])))
            talk.ok(tag)

        server.scripts["UID FETCH"] = cut
        async with running(server) as reader:
            batch = await fetch(reader)
        expected = {"cut once": [whole, b"other"], "always short": [whole[:20], b"other"], "empty": [b"other"]}[how]
        assert [mail.raw for mail in batch.mails] == expected
        assert batch.unreadable == ((1,) if how == "empty" else ())  # expunged meanwhile, or never to be had

    asyncio.run(story())


def test_a_message_that_ends_every_connection_is_left_out_in_the_end() -> None:
    async def story() -> None:
        server = ScriptedServer({uid: b"mail %d" % uid for uid in range(1, 30)})

        async def crash(talk: Talk, tag: str, rest: bytes) -> None:
            if b"BODY" in rest and 5 in read_set(rest.split()[2], server.mails):
                talk.drop()
                return
            await server.answer(talk, tag, "UID FETCH", rest)

        server.scripts["UID FETCH"] = crash
        seen, failures, cursor = list[int](), 0, START
        async with running(server) as reader:
            for _ in range(40):
                try:
                    batch = await reader.fetch_since(cursor, known_uids=seen, limit=10)
                    assert batch is not None
                except ConnectionLost:
                    failures += 1
                    continue
                seen += [mail.uid for mail in batch.mails]
                cursor = Cursor("m", "INBOX", batch.uidvalidity, batch.reached)
                if not batch.more:
                    break
            assert batch is not None
            assert batch.unreadable == (5,)
            again = await reader.fetch_since(cursor, known_uids=seen)
        assert seen == [uid for uid in range(1, 30) if uid != 5]
        assert failures == 3 + inbox.reader.HARMFUL  # of ten, of four, of two, then alone
        assert again is not None
        assert again.unreadable == (5,)

    asyncio.run(story())


def test_a_long_backlog_is_searched_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox.reader, "SLICE", 10)

    async def story() -> None:
        uids = [*range(1, 35), *range(1_000, 1_003), 4_294_967_295]
        server = ScriptedServer({uid: b"mail %d" % uid for uid in uids})

        async def search(talk: Talk, tag: str, rest: bytes) -> None:
            low, _, high = rest.split()[3].partition(b":")
            listed.append(
                [uid for uid in uids if int(low) <= uid <= (uids[-1] if high == b"*" else int(high))] or uids[-1:]
            )
            talk.send(b"* SEARCH " + b" ".join(b"%d" % uid for uid in listed[-1]))
            talk.ok(tag)

        listed: list[list[int]] = []
        server.scripts["UID SEARCH"] = search
        seen, cursor, more = list[int](), START, True
        async with running(server, window=3) as reader:
            while more:
                batch = await reader.fetch_since(cursor, known_uids=set(seen[-3:]), limit=4)
                assert batch is not None
                seen += [mail.uid for mail in batch.mails]
                cursor, more = Cursor("m", "INBOX", batch.uidvalidity, batch.reached), batch.more
            after = await reader.fetch_since(cursor, known_uids=set(seen))
        assert seen == uids
        assert sum(map(len, listed)) < 10 * len(uids)
        assert after is not None
        assert (after.mails, after.more, after.reached) == ((), False, 4_294_967_295)

    asyncio.run(story())


@pytest.mark.parametrize("news", [b"* 2 EXPUNGE", b"* VANISHED 41,43:116", b"* 4 EXISTS"])
def test_news_told_before_the_idle_is_not_forgotten(news: bytes) -> None:
    async def story() -> None:
        server = ScriptedServer({1: b"one"})

        async def examine(talk: Talk, tag: str, rest: bytes) -> None:
            await server.answer(talk, tag, "EXAMINE", rest)
            talk.send(news)  # between two commands: no IDLE will tell of it again

        server.scripts["EXAMINE"] = examine
        async with running(server) as reader:
            assert await reader.wait_for_news("INBOX", 60)

    asyncio.run(story())


def with_modseq(server: ScriptedServer, modseq: list[int]) -> None:
    async def examine(talk: Talk, tag: str, rest: bytes) -> None:
        assert b"(CONDSTORE)" in rest
        talk.send(b"* OK [HIGHESTMODSEQ %d] highest" % modseq[0])
        await server.answer(talk, tag, "EXAMINE", rest)

    server.capabilities += b" CONDSTORE QRESYNC"
    server.scripts["EXAMINE"] = examine


def test_a_folder_that_did_not_change_is_not_searched_where_the_server_can_tell() -> None:
    async def story() -> None:
        server, modseq = ScriptedServer({1: b"one"}), [10]
        with_modseq(server, modseq)
        async with running(server) as reader:
            cursor = Cursor("m", "INBOX", 7, 1)
            for _ in range(5):
                assert not (await reader.fetch_since(cursor, known_uids={1})).mails  # type: ignore[union-attr]
            assert sum(b"SEARCH" in line for line in server.heard) == 1
            server.mails[2], modseq[0] = b"two", 11
            for _ in range(3):  # as long as it is not stored it is found
                assert [mail.uid for mail in (await fetch(reader, cursor)).mails if mail.uid > 1] == [2]
            end = Cursor("m", "INBOX", 7, 2)
            server.mails = {2: b"two", 3: b"three"}
            modseq[0] = 12
            assert [mail.uid for mail in (await reader.fetch_since(end, known_uids={2})).mails] == [3]  # type: ignore[union-attr]
            assert (await reader.fetch_since(Cursor("m", "INBOX", 7, 1), known_uids={1})).mails  # type: ignore[union-attr]

    asyncio.run(story())
