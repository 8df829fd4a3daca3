"""What does a raw message say? Wrong charsets, odd structures and attackers' mails."""

import base64
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from classifier.model import NO_HINTS, Classification, Hints
from inbox.charsets import decode_words
from inbox.parse import LARGEST, parse_mail
from inbox.understand import understand
from store.errors import ParseRefused
from store.vocabulary import Label

HEAD = b"From: kim@fjordbyg.example\r\nTo: maya@out.example\r\nSubject: Re: x\r\nMIME-Version: 1.0\r\n"
SHARED = Path(__file__).parents[3] / "shared" / "data"


def classify(text: str, hints: Hints = NO_HINTS) -> Classification:
    return Classification(Label.OTHER, 1.0, frozenset(), True, False, "", "en", {Label.OTHER: 1.0})


def text_of(kind: str, body: bytes, encoding: str = "8bit") -> str:
    return parse_mail(
        HEAD + f"Content-Type: {kind}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n".encode() + body
    ).text.strip()


CHARSETS = [
    ("text/plain; charset=utf-8", "Grüße aus Köln".encode(), "Grüße aus Köln"), ("text/plain; charset=iso-8859-1", "Grüße – 5 €".encode("cp1252"), "Grüße – 5 €"), ("text/plain; charset=us-ascii", "Grüße".encode(), "Grüße"),
    ("text/plain", "Grüße".encode("latin1"), "Grüße"), ("text/plain; charset=x-nonsense", "Grüße".encode(), "Grüße"), ("text/plain; charset=iso-8859-1", "Grüße".encode(), "Grüße"), ("text/plain; charset=gb2312", "該用戶朱镕基".encode("gb18030"), "該用戶朱镕基"),
    ("text/plain; charset=iso-2022-jp", "宛先不明".encode("iso2022_jp"), "宛先不明"), ("text/plain; charset=koi8-r", "Нет, спасибо".encode("koi8-r"), "Нет, спасибо"), ("text/plain; charset=base64", "Grüße".encode(), "Grüße"), ("text/plain; charset=utf-16", "hi ü".encode("utf-16"), "hi ü"), ("text/plain; charset=\"utf-8'", b"abc", "abc"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "body", "text"), CHARSETS)
def test_charsets(kind: str, body: bytes, text: str) -> None:
    assert text_of(kind, body) == text


WORDS = [
    ("=?utf-8?q?Gr=C3=BC=C3=9Fe?=", "Grüße"), ("=?utf-8?b?R3LDvMOf?= =?utf-8?b?ZQ==?=", "Grüße"), ("=?utf-8?b?R3LD?= =?utf-8?b?vMOfZQ==?=", "Grüße"), ("Re: =?iso-8859-1?Q?Stra=DFe?= 5", "Re: Straße 5"),
    ("=?utf-8?q?a=0D=0ABcc=3A_evil@x?=", "a Bcc: evil@x"), ("=?x?z?y?=", "=?x?z?y?="), ("=?utf-8?b?!!!?=", ""), ("Gr\udcc3\udcbc\udcc3\udc9fe", "Grüße"), ("a\x00b\u202ec", "a bc"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "text"), WORDS)
def test_header_words(value: str, text: str) -> None:
    assert decode_words(value) == text


def test_flowed_lines_are_joined() -> None:
    assert (
        text_of("text/plain; format=flowed", b"one \r\ntwo\r\n> quoted \r\n> more\r\n-- \r\nsig")
        == "one two\n> quoted more\n-- \nsig"
    )
    assert text_of("text/plain; format=flowed; delsp=yes", "日本 \r\n語".encode()) == "日本語"


def mixed(*pieces: tuple[str, str], kind: str = "mixed") -> bytes:
    inner = "".join(f"--b\r\n{head}\r\n\r\n{body}\r\n" for head, body in pieces)
    return HEAD + f'Content-Type: multipart/{kind}; boundary="b"\r\n\r\n{inner}--b--\r\n'.encode()


def test_bodies() -> None:
    plain, page = ("Content-Type: text/plain", "plain words"), ("Content-Type: text/html", "<p>html <b>words</b></p>")
    assert parse_mail(mixed(plain, page, kind="alternative")).text.strip() == "plain words"
    assert parse_mail(mixed(("Content-Type: text/plain", " "), page, kind="alternative")).text.strip() == "html words"
    assert parse_mail(mixed(page, ("Content-Type: text/plain", "list footer"))).text.split() == [
        "html",
        "words",
        "list",
        "footer",
    ]
    attached = ("Content-Type: text/plain\r\nContent-Disposition: attachment; filename=a.txt", "attached")
    assert parse_mail(mixed(plain, attached)).text.strip() == "plain words"
    assert parse_mail(mixed(attached)).text.strip() == "attached"
    assert "hidden" not in parse_mail(mixed(("Content-Type: text/html", "a<span style='display:none'>hidden</span><script>hidden</script><!-- hidden -->"))).text  # fmt: skip


def test_winmail_dat_is_read() -> None:
    body = b"Please stop writing.\0"
    stream = struct.pack("<IH", 0x223E9F78, 1) + struct.pack("<BIII", 1, 0x00089006, 4, 0) + b"\0\0" + struct.pack("<BII", 1, 0x0002800C, len(body)) + body + b"\0\0"  # fmt: skip
    raw = (
        HEAD
        + b"Content-Type: application/ms-tnef\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + base64.encodebytes(stream)
    )
    assert parse_mail(raw).text == "Please stop writing."
    assert parse_mail(HEAD + b"Content-Type: application/ms-tnef\r\n\r\n\x78\x9f\x3e\x22rubbish").text == ""


def nested(depth: int, kind: str) -> bytes:
    raw = b"hello"
    for level in range(depth):
        head = (
            f'Content-Type: multipart/mixed; boundary="{level}"\r\n\r\n--{level}\r\n'
            if kind == "multipart"
            else "Content-Type: message/rfc822\r\n\r\n"
        )
        raw = head.encode() + raw
    return HEAD + raw


REFUSED = [
    ("too-large", HEAD + b"\r\n" + b"a" * LARGEST), ("headers-too-large", b"X-A: b\r\n" * 40_000 + b"\r\nhi"), ("header-too-long", b"Subject: " + b"a" * 70_000 + b"\r\n\r\nhi"),
    ("too-many-parts", HEAD + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 3_000), ("too-many-parts", nested(5_000, "multipart")), ("nested-too-deep", nested(5_000, "message")),
    ("too-many-lines", HEAD + b"\r\n" + b"\n" * 3_000_000), ("too-many-groups", HEAD + b"Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n" + b"x\n\n" * 50_000),
]  # fmt: skip


@pytest.mark.parametrize(("reason", "raw"), REFUSED, ids=[row[0] for row in REFUSED])
def test_caps(reason: str, raw: bytes) -> None:
    with pytest.raises(ParseRefused, match=reason):
        parse_mail(raw)


PIECES = [
    b"<",
    b"<!--",
    b"> ",
    b"a ",
    b"\xcc\x80",
    b"@",
    b"a@b.c ",
    b"On 2026 ",
    b"From: a\n",
    b"until 4 ",
    b"=?utf-8?q?",
    b"user ",
    b"\0",
    b"remove me ",
    b"This e-mail ",
    b"_",
    b"\xe2\x80\xae",
]


@pytest.mark.parametrize("piece", PIECES)
@pytest.mark.parametrize(
    "head",
    [
        b"Content-Type: text/plain\r\n",
        b"Content-Type: text/html\r\n",
        b"Return-Path: <>\r\n",
        b"Auto-Submitted: auto-replied\r\n",
    ],
)
def test_monotonous_megabytes_are_judged(piece: bytes, head: bytes) -> None:
    found = understand(parse_mail(HEAD + head + b"\r\n" + piece * (300_000 // len(piece))), classify, received_at=None)
    assert found.label in Label


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from([b"\r\n", b"--b", b"--b--", b"Content-Type: multipart/report; boundary=b\r\n", b"Content-Type: message/rfc822\r\n", b"Content-Type: message/delivery-status\r\n",
                                 b"Content-Type: text/html; charset=\xff\r\n", b"Content-Transfer-Encoding: base64\r\n", b"From: mailer-daemon@x\r\n", b"Action: failed\r\n", b"Final-Recipient: rfc822; a@b.example\r\n", b"\0", b"\xff\xfe", b'"', b"=?x?q?", b"Auto-Submitted: auto-replied\r\n"]), max_size=40))  # fmt: skip
def test_any_mail_is_judged_or_refused(pieces: list[bytes]) -> None:
    try:
        mail = parse_mail(b"".join(pieces))
    except ParseRefused:
        return
    assert understand(mail, classify, received_at=None).label in Label


@pytest.mark.skipif(not SHARED.exists(), reason="the reference data is not beside the project")
def test_reference_mails_are_read() -> None:
    paths = [*SHARED.joinpath("mime").rglob("*.eml"), *SHARED.joinpath("bounces", "flufl").iterdir()]
    assert len(paths) >= 150
    for path in paths:
        assert understand(parse_mail(path.read_bytes()), classify, received_at=None).label in Label
