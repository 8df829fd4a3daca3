"""What signed, encrypted and packed mail says: S/MIME made by openssl, PGP armour, winmail.dat with RTF, invitations."""

import base64
import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifier.model import NO_HINTS, Classification, Hints
from inbox.parse import MOST_PARTS, parse_mail
from inbox.rtf import _DICTIONARY, rtf_text, unpack_rtf
from inbox.sealed import signed_content
from inbox.tnef import read_tnef
from inbox.understand import Meaning, understand
from store.errors import ParseRefused
from store.vocabulary import Label, Tag

HEAD = b"From: kim@fjordbyg.example\r\nTo: maya@out.example\r\nSubject: Re: Orders\r\nMIME-Version: 1.0\r\n"
INNER = b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nBitte kein weiteres Angebot, Gr\xc3\xbc\xc3\x9fe\r\n"
TEXT = "Bitte kein weiteres Angebot, Grüße"


def classify(text: str, hints: Hints = NO_HINTS) -> Classification:
    return Classification(Label.OTHER, 1.0, frozenset(), True, False, "", "en", {Label.OTHER: 1.0})


def meaning(raw: bytes) -> Meaning:
    return understand(parse_mail(raw), classify, received_at=None)


def openssl(folder: Path, *arguments: str, given: bytes = b"") -> bytes:
    command = [shutil.which("openssl") or pytest.skip("openssl is not installed"), *arguments]
    return subprocess.run(command, cwd=folder, input=given, capture_output=True, check=True).stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made: Path = tmp_path_factory.mktemp("smime")
    openssl(made, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key", "-out", "cert", "-subj", "/CN=Kim", "-days", "9")  # fmt: skip
    return made


def cms(folder: Path, *options: str, content: bytes = INNER) -> bytes:
    return openssl(folder, "cms", "-binary", "-outform", "DER", *options, given=content)


def packed(kind: str, body: bytes) -> bytes:
    return HEAD + f"Content-Type: {kind}\r\nContent-Transfer-Encoding: base64\r\n\r\n".encode() + base64.encodebytes(body)  # fmt: skip


SIGN = ("-sign", "-signer", "cert", "-inkey", "key", "-nodetach")


@pytest.mark.parametrize("kind", ["application/pkcs7-mime; smime-type=signed-data; name=smime.p7m", "application/x-pkcs7-mime", "application/octet-stream; name=smime.p7m"])  # fmt: skip
@pytest.mark.parametrize("options", [SIGN, (*SIGN, "-stream"), (*SIGN, "-nocerts")])
def test_opaquely_signed_mail_is_read(folder: Path, kind: str, options: tuple[str, ...]) -> None:
    mail = parse_mail(packed(kind, cms(folder, *options)))
    assert (mail.text.strip(), mail.attachments) == (TEXT, ())


def test_mail_signed_twice_is_read(folder: Path) -> None:
    once = b"Content-Type: application/pkcs7-mime\r\nContent-Transfer-Encoding: base64\r\n\r\n" + base64.encodebytes(cms(folder, *SIGN))  # fmt: skip
    assert parse_mail(packed("application/pkcs7-mime", cms(folder, *SIGN, content=once))).text.strip() == TEXT


def test_mail_signed_beside_its_text_is_read(folder: Path) -> None:
    parts = b"--b\r\n" + INNER + b"\r\n--b\r\nContent-Type: application/pkcs7-signature\r\n\r\nMII\r\n--b--\r\n"
    raw = HEAD + b'Content-Type: multipart/signed; protocol="application/pkcs7-signature"; boundary="b"\r\n\r\n' + parts
    assert parse_mail(raw).text.strip() == TEXT


def test_caps_hold_inside_a_signature(folder: Path) -> None:
    bomb = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * (20 * MOST_PARTS)
    with pytest.raises(ParseRefused, match="too-many-parts"):
        parse_mail(packed("application/pkcs7-mime", cms(folder, *SIGN, content=bomb)))


def test_an_encrypted_message_is_held_for_a_person(folder: Path) -> None:
    sealed = cms(folder, "-encrypt", "-aes256", "cert")
    found = meaning(packed("application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m", sealed))
    assert (found.label, found.decided_by, found.hold, found.text) == (Label.OTHER, "evidence:encrypted", True, "")


SEALED = [
    HEAD + b'Content-Type: multipart/encrypted; protocol="application/pgp-encrypted"; boundary="b"\r\n\r\n--b\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n--b\r\nContent-Type: application/octet-stream\r\n\r\n-----BEGIN PGP MESSAGE-----\r\n\r\nhQ\r\n-----END PGP MESSAGE-----\r\n--b--\r\n',
    HEAD + b"\r\n-----BEGIN PGP MESSAGE-----\r\nVersion: x\r\n\r\nhQEMA\r\n=abcd\r\n-----END PGP MESSAGE-----\r\n",
    HEAD + b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nKim has sent you a protected message. Read the message\r\n--b\r\nContent-Type: application/x-microsoft-rpmsg-message; name=message.rpmsg\r\n\r\nx\r\n--b--\r\n',
]  # fmt: skip


@pytest.mark.parametrize("raw", SEALED, ids=["pgp-mime", "pgp-text", "rights-managed"])
def test_what_nobody_but_its_reader_can_open_is_held(raw: bytes) -> None:
    found = meaning(raw)
    assert (found.label, found.decided_by, found.hold) == (Label.OTHER, "evidence:encrypted", True)


def test_pgp_armour_round_a_signed_text_goes() -> None:
    body = "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nYes, please.\n- - one\n-----BEGIN PGP SIGNATURE-----\n\niQ\n-----END PGP SIGNATURE-----\n"
    assert parse_mail(HEAD + b"\r\n" + body.encode()).text == "Yes, please.\n- one\n"


@given(st.binary(max_size=400))
def test_any_octets_are_looked_at(raw: bytes) -> None:
    signed_content(raw)
    signed_content(bytes.fromhex("3080") + b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02" + raw)
    read_tnef(struct.pack("<IH", 0x223E9F78, 1) + raw)
    rtf_text(b"{\\rtf1" + raw)
    assert len(unpack_rtf(struct.pack("<II4sI", 0, 5_000, b"LZFu", 0) + raw)) <= 5_000


def compressed(rtf: bytes) -> bytes:
    """Return RTF as LZFu: every octet as it is, and at the end a reference to where writing stands."""
    out, write = bytearray(), len(_DICTIONARY)
    for at in range(0, len(rtf), 8):
        piece = rtf[at : at + 8]
        last = at + 8 > len(rtf)
        write = (write + len(piece)) % 4096
        out += bytes([1 << len(piece) if last else 0]) + piece
        if last:
            out += (write << 4).to_bytes(2, "big")
    return struct.pack("<II4sI", len(out) + 12, len(rtf), b"LZFu", 0) + bytes(out)


def test_compressed_rtf_of_the_specification() -> None:
    """The two examples of MS-OXRTFCP section 4.1, the second with a reference that overlaps what it writes."""
    simple = bytes.fromhex(
        "2d0000002b0000004c5a4675f1c5c7a703000a007263706731323542320af32068656c090020627705b06c647d0a800fa0"
    )
    assert unpack_rtf(simple) == b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n"
    crossing = bytes.fromhex("1a0000001c0000004c5a4675e2d44b51410004205758595a0d6e7d010eb0")
    assert unpack_rtf(crossing) == b"{\\rtf1 WXYZWXYZWXYZWXYZWXYZ}"


RTF = [
    (rb"{\rtf1\ansi\ansicpg1252{\fonttbl{\f0 Arial;}}{\*\generator x;}\pard Gr\'fc\'dfe\par Please stop.\par}", "Grüße\nPlease stop."),
    (rb"{\rtf1\ansi\ansicpg1251\uc1 \'cd\'e5\'f2, \u1089?\u1087?\u1072?\u1089?\u1080?\u1073?\u1086?}", "Нет, спасибо"),
    (rb"{\rtf1\ansi \{no\} \u-10179?\u-8704?\~ok}", "{no} 😀 ok"),
    (rb"{\rtf1\ansi\fromhtml1 {\*\htmltag64 <p>}\htmlrtf {\htmlrtf0 Take me off \htmlrtf\par}\htmlrtf0{\*\htmltag84 &nbsp;}the list{\*\htmltag72 </p>}{\*\htmltag241 <p style='display:none'>}hidden{\*\htmltag249 </p>}}", "Take me off \nthe list"),
]  # fmt: skip


def winmail(properties: bytes, more: bytes = b"") -> bytes:
    body = struct.pack("<I", 1) + properties
    return struct.pack("<IH", 0x223E9F78, 1) + more + struct.pack("<BII", 1, 0x00069003, len(body)) + body + b"\0\0"


@pytest.mark.parametrize(("rtf", "text"), RTF)
def test_rtf_in_winmail_dat(rtf: bytes, text: str) -> None:
    value = compressed(rtf)
    names = struct.pack("<HH", 0x001E, 0x0070) + struct.pack("<II", 1, 6) + b"Orders\0\0"  # another property before it
    stream = winmail(names + struct.pack("<HHII", 0x0102, 0x1009, 1, len(value)) + value + bytes(-len(value) % 4))
    assert parse_mail(packed("application/ms-tnef", stream)).text.split() == text.split()


def test_an_answer_to_an_invitation_in_winmail_dat() -> None:
    kind = b"IPM.Microsoft Schedule.MtgRespN\0"
    stream = winmail(b"", struct.pack("<BII", 1, 0x00078008, len(kind)) + kind + b"\0\0")
    found = meaning(packed("application/ms-tnef", stream))
    assert (found.label, found.decided_by) == (Label.OTHER, "evidence:calendar")


CALENDARS = [
    ("REPLY", "ATTENDEE;CN=Kim;PART\r\n STAT=ACCEPTED:mailto:k", Label.INTERESTED), ("REPLY", 'ATTENDEE;PARTSTAT="TENTATIVE":mailto:k', Label.INTERESTED), ("COUNTER", "DTSTART:20260302T090000Z", Label.INTERESTED),
    ("REQUEST", "ATTENDEE;PARTSTAT=NEEDS-ACTION:mailto:m", Label.INTERESTED), ("REPLY", "ATTENDEE;PARTSTAT=DECLINED:mailto:k", Label.OTHER), ("CANCEL", "STATUS:CANCELLED", Label.OTHER),
]  # fmt: skip


@pytest.mark.parametrize(("method", "line", "label"), CALENDARS)
def test_answers_to_invitations(method: str, line: str, label: Label) -> None:
    calendar = f"BEGIN:VCALENDAR\r\nMETHOD:{method}\r\nBEGIN:VEVENT\r\n{line}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    found = meaning(HEAD + b"Content-Type: text/calendar; charset=utf-8\r\n\r\n" + calendar.encode())
    assert (found.label, found.decided_by) == (label, "evidence:calendar")
    assert (Tag.MEETING_REQUEST in found.tags) == (label == Label.INTERESTED)
