"""Does the public endpoint act on POST alone, at once and durably, and tell strangers nothing?"""

import asyncio
import contextlib
import random
import secrets
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from console.wishes import PAUSE, Wish, WishDesk, apply, keep
from outbound.unsubscribe import UNSUBSCRIBE, make_token
from postroom.opened import Opened
from postroom.systemd import render_unit
from store import audit, enrollments, suppression
from store.columns import House
from store.database import Store
from store.vocabulary import EnrollmentState, StopChoice, SuppressionReason
from tests.doors.public_site import enroll, serve, write_config
from tests.workers.sending import NOW, SECRET, Post, make_sequence

FORM = {"content-type": "application/x-www-form-urlencoded"}
ONE_CLICK = {"List-Unsubscribe": "One-Click"}


def everything(store: Store) -> dict[str, list[Any]]:
    """Return every row of every table."""
    tables = House.metadata.sorted_tables
    return store.read_now(lambda c: {one.name: sorted(map(repr, c.execute(select(one)))) for one in tables})


def ledger(store: Store) -> list[tuple[str, SuppressionReason]]:
    return [(one.value, one.reason) for one in store.read_now(suppression.entries)]


def token_of(opened: Opened, enrollment: int) -> str:
    return make_token(opened.keys, UNSUBSCRIBE, enrollment)


def state(store: Store, enrollment: int) -> EnrollmentState:
    found = store.read_now(enrollments.enrollment, enrollment)
    assert found is not None
    return found.state


def test_only_post_acts(store: Store, tmp_path: Path) -> None:
    with serve(write_config(tmp_path, store.url)) as site, httpx.Client() as client:
        (key,) = enroll(site.opened, "chris@acme.example", "demo")
        known = token_of(site.opened, key)
        before = everything(store)
        chance = random.Random(1)
        for number in range(300):
            token = known if number % 3 == 0 else secrets.token_urlsafe(24)
            method = chance.choice(["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "GET"])
            path = chance.choice(["", "/de", "/en?choice=everything", "?List-Unsubscribe=One-Click"])
            answer = client.request(method, f"{site.base}/{token}{path}")
            assert answer.status_code in (200, 405)
        assert client.post(f"{site.base}/{secrets.token_urlsafe(24)}", data=ONE_CLICK).status_code == 200
        assert everything(store) == before


@pytest.mark.parametrize("form", ["urlencoded", "multipart", "button", "empty", "broken"])
def test_a_post_suppresses_within_the_request(store: Store, tmp_path: Path, form: str) -> None:
    with serve(write_config(tmp_path, store.url)) as site, httpx.Client() as client:
        first, second = enroll(site.opened, "chris@acme.example", "demo", "other")
        url = f"{site.base}/{token_of(site.opened, first)}/de"
        sent: dict[str, dict[str, Any]] = {
            "urlencoded": {"data": ONE_CLICK},
            "multipart": {"files": {"List-Unsubscribe": (None, "One-Click")}},
            "button": {"data": {"choice": "everything"}},
            "empty": {},
            "broken": {"content": b"--x", "headers": {"content-type": "multipart/form-data; boundary=y"}},
        }
        answer = client.post(url, **sent[form])
        assert answer.status_code == 200
        assert "Erledigt. Sie erhalten keine Nachrichten mehr von uns." in answer.text
        assert ledger(store) == [("chris@acme.example", SuppressionReason.UNSUBSCRIBE)]
        assert state(store, first) == state(store, second) == EnrollmentState.OPTED_OUT
        after = everything(store)
        assert client.post(url, **sent[form]).text == answer.text
        assert everything(store) == after
        (entry,) = store.read_now(suppression.entries)
        assert entry.evidence.startswith("one-click POST from 127.0.0.1 at 20")
        assert "suppression.added" in {one["action"] for one in store.read_now(lambda c: list(audit.entries(c)))}


def test_a_stranger_learns_nothing(store: Store, tmp_path: Path) -> None:
    with serve(write_config(tmp_path, store.url)) as site, httpx.Client() as client:
        (key,) = enroll(site.opened, "chris@acme.example", "demo")
        known = token_of(site.opened, key)
        assert "chris" not in known
        for path in ("", "/de", "/xx"):
            for method, body in (("GET", None), ("POST", {"choice": "pause"}), ("POST", ONE_CLICK)):
                pages = []
                for token in (known, secrets.token_urlsafe(24), "x", known[:-1] + ("A" if known[-1] != "A" else "B")):
                    headers = {"Accept-Language": "fr-CA, de;q=0.5"}
                    answer = client.request(method, f"{site.base}/{token}{path}", data=body, headers=headers)
                    pages.append((answer.status_code, answer.content, sorted(set(answer.headers) - {"date"})))
                assert len({repr(one) for one in pages}) == 1
                assert ('lang="de"' if path == "/de" else 'lang="fr"').encode() in pages[0][1]
                assert b"acme" not in pages[0][1]


def test_new_keys_leave_old_links_alive(store: Store, tmp_path: Path) -> None:
    for name in ("old", "new"):
        (tmp_path / f"{name}.key").write_text(name * 16, encoding="utf-8")
    files = {name: f'{{ file = "{tmp_path}/{name}.key" }}' for name in ("old", "new")}
    links = []
    for number, keys in enumerate(
        ["", f"token_key = [{files['old']}]", f"token_key = [{files['new']}, {files['old']}]"]
    ):
        path = write_config(tmp_path, store.url, postroom=keys)
        with serve(path) as site, httpx.Client() as client:
            links.append(token_of(site.opened, enroll(site.opened, f"p{number}@acme.example", "demo")[0]))
            for token in links:
                client.post(f"{site.base}/{token}", data=ONE_CLICK)
            assert len(ledger(store)) == number + 1
    assert len(set(links)) == 3


def test_this_sequence_only_and_ninety_days(store: Store, tmp_path: Path) -> None:
    with serve(write_config(tmp_path, store.url)) as site, httpx.Client() as client:
        first, second = enroll(site.opened, "chris@acme.example", "demo", "other")
        url = f"{site.base}/{token_of(site.opened, first)}/en"
        assert "This series has ended" in client.post(url, data={"choice": "sequence"}).text
        assert (state(store, first), state(store, second)) == (EnrollmentState.OPTED_OUT, EnrollmentState.ACTIVE)
        assert ledger(store) == []
        assert "for 90 days" in client.post(url, data={"choice": "pause"}).text
        assert state(store, second) == EnrollmentState.PAUSED
        (entry,) = store.read_now(suppression.entries)
        assert entry.expires_at is not None
        assert timedelta() <= datetime.now(UTC) + PAUSE - entry.expires_at < timedelta(minutes=5)
        client.post(url, data=ONE_CLICK)
        client.post(url, data={"choice": "pause"})
        (entry,) = store.read_now(suppression.entries)
        assert (entry.reason, entry.expires_at) == (SuppressionReason.UNSUBSCRIBE, None)
        assert state(store, second) == EnrollmentState.OPTED_OUT


def test_a_sequence_may_ask_that_one_wish_stops_the_account(store: Store) -> None:
    post = Post(store, {"demo": make_sequence(), "other": make_sequence("other")})
    mine, theirs = post.add("chris@acme.example"), post.add("paula@acme.example", "other")
    elsewhere = post.add("nora@nowhere.example")
    wish = Wish(mine, StopChoice.EVERYTHING, NOW)
    store.write_now(apply, wish, SECRET, "carl@team.example", frozenset({"other"}))
    assert post.enrollment(theirs).state == EnrollmentState.ACTIVE
    mine = post.add("pete@acme.example")
    store.write_now(apply, Wish(mine, StopChoice.EVERYTHING, NOW), SECRET, "carl@team.example", frozenset({"demo"}))
    assert post.enrollment(theirs).state == EnrollmentState.STOPPED
    assert post.enrollment(elsewhere).state == EnrollmentState.ACTIVE


def test_what_is_too_large_or_too_slow_is_cut_off(store: Store, tmp_path: Path) -> None:
    limits = 'largest_body = 1024\nlargest_head = 2048\npatience = "1s"\nconnections = 10\n'
    with serve(write_config(tmp_path, store.url, endpoint=limits)) as site, httpx.Client() as client:
        (key,) = enroll(site.opened, "chris@acme.example", "demo")
        url = f"{site.base}/{token_of(site.opened, key)}"
        assert client.post(url, content=b"a" * 2000).status_code == 413
        assert client.post(url, content=iter([b"a" * 700, b"b" * 700]), headers=FORM).status_code == 413
        assert client.get(url, headers={"X-Long": "a" * 5000}).status_code == 431
        assert ledger(store) == []
        for start in (
            b"",
            b"POST /u/x HTTP/1.1\r\nHost: a\r\nContent-Le",
            b"POST /u/x HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 9\r\n\r\na",
        ):
            with socket.create_connection(("127.0.0.1", site.port), timeout=20) as slow:
                slow.sendall(start)
                with contextlib.suppress(ConnectionResetError):
                    assert slow.recv(1000) == b""  # closed by the other side, without an answer
        many = [socket.create_connection(("127.0.0.1", site.port), timeout=20) for _ in range(30)]
        refused = 0
        for one in many[15:]:
            try:
                refused += one.recv(1) == b""
            except ConnectionResetError:
                refused += 1
        assert refused == 15
        for one in many:
            one.close()
        assert client.post(url, data=ONE_CLICK).status_code == 200
        assert len(ledger(store)) == 1


def test_the_spool_takes_over_when_the_store_is_down(store: Store, tmp_path: Path) -> None:
    opened_path = write_config(tmp_path, store.url)
    (tmp_path / "broken.db").write_bytes(b"this is no database" * 100)
    closed = socket.create_server(("127.0.0.1", 0))
    port = closed.getsockname()[1]
    closed.close()
    down = f"sqlite:///{tmp_path}/broken.db" if store.dialect == "sqlite" else f"postgresql://x@127.0.0.1:{port}/x"
    with serve(opened_path) as site:
        first, second = enroll(site.opened, "chris@acme.example", "demo", "other")
    with serve(write_config(tmp_path, down, name="down.toml")) as site, httpx.Client(timeout=30) as client:
        url = f"{site.base}/{token_of(site.opened, first)}/en"
        for _ in range(2):
            assert "You will not receive messages" in client.post(url, data=ONE_CLICK).text
        client.post(f"{site.base}/{token_of(site.opened, second)}/en", data={"choice": "pause"})
        secret, spool = site.opened.secret, tmp_path / "postroom.spool"
    files = sorted(path.name for path in spool.iterdir())
    assert files == [f"{first}-everything.json", f"{second}-pause.json"]
    assert "acme" not in "".join(path.read_text(encoding="utf-8") for path in spool.iterdir())
    (spool / files[0]).write_bytes(b"\0\0")  # damaged: its name still says what to do
    keep(spool, Wish(999_999, StopChoice.EVERYTHING, NOW))
    desk = WishDesk(Store(store.url, inline=True), secret, "carl@team.example", spool, lambda: NOW)
    assert asyncio.run(desk.drain()) == 2
    assert asyncio.run(desk.drain()) == 0
    desk.store.close()
    assert ledger(store) == [("chris@acme.example", SuppressionReason.UNSUBSCRIBE)]
    assert [path.name for path in spool.iterdir()] == ["999999-everything.unknown"]


def test_a_spooled_stop_reaches_a_letter_between_rcpt_and_data(store: Store, tmp_path: Path) -> None:
    desk = WishDesk(store, SECRET, "carl@team.example", tmp_path, lambda: NOW)

    async def spool_now() -> None:
        keep(tmp_path, Wish(key, StopChoice.EVERYTHING, NOW))

    post = Post(store, {"demo": make_sequence()}, stops=desk, before_data=spool_now)
    key = post.add("chris@acme.example")
    asyncio.run(post.run())
    assert post.letters() == []
    assert post.enrollment(key).state == EnrollmentState.OPTED_OUT


def test_nothing_is_claimed_while_a_stop_waits(store: Store) -> None:
    class Stuck:
        async def drain(self) -> int:
            return 0

        def waiting(self) -> bool:
            return True

    post = Post(store, {"demo": make_sequence()}, stops=Stuck())
    key = post.add("chris@acme.example")
    asyncio.run(post.run())
    assert (post.letters(), post.enrollment(key).state) == ([], EnrollmentState.ACTIVE)


def test_daemon_and_endpoint_share_a_user(tmp_path: Path) -> None:
    daemon, endpoint = (render_unit(tmp_path / "config.toml", name) for name in ("run", "endpoint"))
    assert f" endpoint --config {tmp_path}/config.toml" in endpoint
    assert all("\nUser=postroom\n" in one for one in (daemon, endpoint))
