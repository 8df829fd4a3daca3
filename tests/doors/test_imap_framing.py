"""Does framing depend on how the network cuts the stream, and can any bytes do harm?"""

import asyncio
import itertools
from datetime import UTC, datetime

import pytest
from aioimaplib.aioimaplib import SELECTED
from hypothesis import given
from hypothesis import strategies as st

from inbox.catch_up import Cursor, choose_uids, find_span, fit_batch
from inbox.imap_folders import find_stand_in, read_list
from inbox.imap_protocol import ImapProtocol
from inbox.imap_syntax import (
    UNKNOWN_AT,
    Answer,
    Octets,
    encode_folder,
    quote,
    read_fetch,
    read_internal_date,
    read_items,
    write_uids,
)
from store.errors import ConnectionLost


class Wire(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""

    def get_extra_info(self, name: str, default: object = None) -> object:
        return self

    def setsockopt(self, *_option: int) -> None:
        """Take the place of the socket."""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    def abort(self) -> None:
        """There is nothing to end."""


async def receive(stream: bytes, cuts: list[int], literal_max: int = 10_000) -> list[object]:
    """Return the answers to one FETCH when the stream arrives in these pieces."""
    protocol = ImapProtocol(asyncio.get_running_loop(), "test", 60, literal_max)
    protocol.connection_made(Wire())
    protocol.data_received(b"* OK\r\n")
    protocol.state = SELECTED
    call = asyncio.create_task(protocol.fetch("1", "x", by_uid=True))
    await asyncio.sleep(0)
    assert protocol._command is not None
    stream += protocol._command.tag.encode() + b" OK done\r\n"
    edges = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    for start, end in itertools.pairwise(edges):
        protocol.data_received(stream[start:end])
    response = await call
    return [[bytes(part) for part in answer] for answer in response.lines[:-1]]


bodies = st.lists(st.binary(max_size=60) | st.sampled_from([b"* 1 EXISTS\r\n", b"A1 OK\r\n", b"{3}\r\n", b"\r\n"]))


@given(bodies, st.lists(st.integers(0, 10_000), max_size=30))
def test_cuts_do_not_matter(raws: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(
        b"* %d FETCH (UID %d BODY[] {%d}\r\n%s FLAGS ())\r\n" % (number, number, len(raw), raw)
        for number, raw in enumerate(raws, 1)
    )
    expected = [
        [b"%d FETCH (UID %d BODY[] {%d}" % (number, number, len(raw)), raw, b" FLAGS ())"]
        for number, raw in enumerate(raws, 1)
    ]
    assert asyncio.run(receive(stream, cuts)) == expected


@given(st.binary(min_size=1, max_size=200), st.integers(0, 200))
def test_a_literal_is_kept_up_to_the_cap(raw: bytes, cap: int) -> None:
    stream = b"* 1 FETCH (UID 1 BODY[] {%d}\r\n%s)\r\n" % (len(raw), raw)
    answers = asyncio.run(receive(stream, [5, 40], cap))
    assert answers == [[b"1 FETCH (UID 1 BODY[] {%d}" % len(raw), raw[:cap], b")"]]


@given(st.binary(max_size=400))
def test_no_bytes_break_more_than_their_connection(noise: bytes) -> None:
    async def story() -> None:
        try:
            async with asyncio.timeout(0):
                await receive(b"* x\r\n" + noise, [3])
        except (ConnectionLost, TimeoutError):
            return

    asyncio.run(story())


items = st.recursive(st.none() | st.binary(max_size=20), lambda inner: st.lists(inner, max_size=4), max_leaves=20)


def write(item: object) -> bytes:
    if item is None:
        return b"NIL"
    if isinstance(item, list):
        return b"(" + b" ".join(map(write, item)) + b")"
    assert isinstance(item, bytes)
    return b'"' + item.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


@given(st.lists(items, max_size=5))
def test_lists_and_strings_read_as_written(written: list[object]) -> None:
    assert read_items([b" ".join(map(write, written))]) == written


@given(st.text(alphabet='()"\\ {}a\x00é', max_size=300))
def test_hostile_lists_are_read_or_refused(line: str) -> None:
    try:
        read_items([line.encode()])
    except ConnectionLost:
        return


def test_deep_and_long_lists_take_linear_time() -> None:
    depth = 100_000
    assert len(read_items([b"(" * depth + b")" * depth])) == 1
    with pytest.raises(ConnectionLost):
        read_items([b"(" * depth])
    assert read_items([b'"' + b'\\"' * depth + b'"']) == [b'"' * depth]
    with pytest.raises(ConnectionLost):
        read_items([b'"' + b'\\"' * depth])


def test_a_fetch_answer_in_any_order_and_form() -> None:
    octets = Octets(b"raw")
    answers: list[Answer] = [
        [b"1 FETCH (UID 7 RFC822.SIZE 3 BODY[] {3}", octets, b")"],
        [b"1 fetch (body[]<0> {3}", octets, b' FLAGS (\\Seen "x(") uid 7 RFC822.SIZE 3)'],
        [b'1 FETCH (RFC822.SIZE 3 BODY[] "raw" ENVELOPE ("a (" NIL) UID 7)'],
    ]
    for answer in answers:
        fact = read_fetch(answer)
        body = fact[b"BODY[]"]
        assert isinstance(body, bytes | Octets)
        assert (fact[b"UID"], bytes(body)) == (b"7", b"raw")
    assert read_fetch([b"3 EXISTS"]) == {}
    for broken in (b"1 FETCH (UID)", b"1 FETCH (UID 7", b"1 FETCH (UID 7) (X 1)", b"1 FETCH (UID 7))"):
        with pytest.raises(ConnectionLost):
            read_fetch([broken])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b" 7-Feb-2026 21:52:25 -0800", datetime(2026, 2, 8, 5, 52, 25, tzinfo=UTC)),
        (b"17-Jul-2026 02:44:25 +0200", datetime(2026, 7, 17, 0, 44, 25, tzinfo=UTC)),
        (b"17-Jul-2026 02:44:25 -0000", datetime(2026, 7, 17, 2, 44, 25, tzinfo=UTC)),
        (b"31-Feb-2026 00:00:00 +0000", UNKNOWN_AT),
        (b"01-Jan-2026 00:00:00 +9999", UNKNOWN_AT),
        (b"\xff", UNKNOWN_AT),
        (b"", UNKNOWN_AT),
        (None, UNKNOWN_AT),
    ],
)
def test_internal_dates(text: bytes | None, expected: datetime) -> None:
    assert read_internal_date(text) == expected


@given(st.binary(max_size=40))
def test_no_date_does_harm(text: bytes) -> None:
    assert read_internal_date(text).tzinfo is not None


@pytest.mark.parametrize(
    ("name", "wire"),
    [
        ("INBOX", "INBOX"),
        ("Entwürfe", "Entw&APw-rfe"),
        ("A & B", "A &- B"),
        ("~peter/mail/台北/日本語", "~peter/mail/&U,BTFw-/&ZeVnLIqe-"),
        ("Привет", "&BB8EQAQ4BDIENQRC-"),
        ("😀", "&2D3eAA-"),
    ],
)
def test_folder_names_in_modified_utf7(name: str, wire: str) -> None:
    assert encode_folder(name) == wire


@given(st.text())
def test_encoded_folder_names_are_printable_ascii(name: str) -> None:
    try:
        wire = encode_folder(name)
    except UnicodeEncodeError:  # half of a surrogate pair is no text
        return
    assert wire.isascii() and (wire.isprintable())
    assert quote(wire).startswith('"')


@given(st.sets(st.integers(1, 300), min_size=1))
def test_uid_sets_name_exactly_their_uids(uids: set[int]) -> None:
    spans = [span.partition(":") for span in write_uids(uids).split(",")]
    assert [uid for first, _, last in spans for uid in range(int(first), int(last or first) + 1)] == sorted(uids)


listed = read_list(
    [
        [b'LIST (\\HasNoChildren) "/" INBOX'],
        [b'LIST (\\HasNoChildren \\Junk) "." "INBOX.Bulk &- more"'],
        [b'LIST () "/" {5}', Octets(b"Sent "), b""],
        [b'list (\\Noselect) "/" "Spam"'],
        [b'LIST () NIL "[Mail]/Sent Items"'],
        [b'LIST () "/" "Objets/Sent Items"'],
        [b"SEARCH 1"],
        [b"LIST ()"],
    ]
)


@pytest.mark.parametrize(
    ("name", "is_sent", "expected"),
    [
        ("inbox", False, "inbox"),
        ("Junk", False, "INBOX.Bulk &- more"),
        ("Spam", False, "INBOX.Bulk &- more"),
        ("Sent", True, "Objets/Sent Items"),
        ("Anything", True, "Objets/Sent Items"),
        ("Customers", False, None),
    ],
)
def test_a_missing_folder_has_a_stand_in_only_for_junk_and_sent(name: str, is_sent: bool, expected: str | None) -> None:
    assert find_stand_in(name, listed, is_sent=is_sent, taken=()) == expected


def test_a_folder_that_is_configured_itself_stands_in_for_none() -> None:
    assert find_stand_in("Junk", listed, is_sent=False, taken=("INBOX.Bulk &- more",)) is None


uid_sets = st.frozensets(st.integers(1, 60), max_size=40)


@given(uid_sets, uid_sets, st.integers(0, 60), st.integers(0, 60), st.integers(0, 60))
def test_what_is_fetched(found: frozenset[int], known: frozenset[int], last: int, floor: int, window: int) -> None:
    cursor = Cursor("m", "INBOX", 7, last, floor)
    span = find_span(cursor, 7, window)
    chosen = choose_uids(span, found, known)
    assert len(set(chosen)) == len(chosen)
    assert not set(chosen) & known
    assert all(uid > floor for uid in chosen)
    assert {uid for uid in found - known if uid > max(last, floor)} <= set(chosen)
    new = [uid for uid in chosen if uid > max(last, floor)]
    assert chosen[: len(new)] == sorted(new)
    renewed = choose_uids(find_span(cursor, 8, window), found, known)
    assert renewed == sorted(found)


@given(
    st.lists(st.integers(1, 50), unique=True),
    st.dictionaries(st.integers(1, 50), st.integers(0, 20)),
    st.integers(0, 99),
)
def test_batches_end_and_fit(wanted: list[int], sizes: dict[int, int], room: int) -> None:
    seen: list[int] = []
    while rest := wanted[len(seen) :]:
        batch = fit_batch(rest, sizes, room)
        assert len(batch) == 1 or sum(sizes.get(uid, 0) for uid in batch) <= room
        seen += batch
    assert seen == wanted
