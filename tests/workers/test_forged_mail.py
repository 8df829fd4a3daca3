"""What may mail do whose sender nobody has proven? Hold, and ask; never more."""

from collections.abc import Callable

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from deliverability.resolver import DnsStatus, Zone
from store import enrollments, notices, suppression
from store.database import Store
from store.vocabulary import EnrollmentState, ThreadState
from tests.workers.test_judge_worker import CHRIS, HOUR, JON, LETTER, MX, NOW, Office, written

KEY = rsa.generate_private_key(65537, 2048)
PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
PUBLIC = "".join(
    KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode().splitlines()[1:-1]
)
RECORD = f"v=DKIM1; k=rsa; p={PUBLIC}"
ZONE: Zone = {
    f"s._domainkey.{domain}": {"TXT": [RECORD]} for domain in ("acme.example", "team.example", "evil.example")
}
NO_ID = f"In-Reply-To: {LETTER}\r\n".encode()


def signed(raw: bytes, domain: str) -> bytes:
    return bytes(dkim.sign(raw, b"s", domain.encode(), PEM, include_headers=[b"from", b"subject"])) + raw


def said(result: str, raw: bytes, *, by: str = MX) -> bytes:
    return f"Authentication-Results: {by}; dmarc={result} header.from=acme.example\r\n".encode() + raw


STOP = written("Please stop.")
BARE = STOP.replace(NO_ID, b"")
STOPS = [
    ("carries our id", STOP, ZONE, True),
    ("no id, no signature", BARE, ZONE, False),
    ("no id, signed by its domain", signed(BARE, "acme.example"), ZONE, True),
    ("no id, signed by another", signed(BARE, "evil.example"), ZONE, False),
    ("signed, but the DNS does not answer", signed(BARE, "acme.example"),
     {"s._domainkey.acme.example": {"TXT": DnsStatus.TEMPERROR}}, False),
    ("our server says pass", said("pass", BARE), ZONE, True),
    ("a stranger's server says pass", said("pass", BARE, by="mx.evil.example"), ZONE, False),
    ("our server says fail, the signature is good", said("fail", signed(BARE, "acme.example")), ZONE, False),
    ("our server says fail, though it carries our id", said("fail", STOP), ZONE, False),
]  # fmt: skip


@pytest.mark.parametrize(("story", "raw", "zone", "believed"), STOPS, ids=[row[0] for row in STOPS])
def test_an_unproven_stop_holds_and_asks_and_a_proven_one_acts_for_good(
    store: Store, story: str, raw: bytes, zone: Zone, believed: bool
) -> None:
    office = Office(store, zone)
    office.arrive(raw)
    office.work()
    never = [entry.value for entry in store.read_now(suppression.entries)]
    (enrollment,) = store.read_now(lambda connection: enrollments.enrollments_of(connection, [1]))
    assert never == ([CHRIS] if believed else [])
    assert enrollment.state == (EnrollmentState.OPTED_OUT if believed else EnrollmentState.PAUSED)
    (thread,) = office.threads()
    assert thread.state == (ThreadState.CLOSED if believed else ThreadState.REVIEW)
    assert store.read_now(notices.counts), "somebody is told in any case"


def test_a_forged_complaint_report_holds_and_one_with_our_letter_acts(store: Store) -> None:
    office = Office(store, ZONE)
    office.arrive(complaint(1, "<nobody-knows@out.example>"))
    office.work()
    assert store.read_now(suppression.entries) == []
    office.arrive(complaint(2, LETTER))
    office.work()
    assert CHRIS in [entry.value for entry in store.read_now(suppression.entries)]


def complaint(key: int, letter: str) -> bytes:
    return (
        f"From: fbl@provider.example\r\nTo: maya@out.example\r\nMessage-ID: <{key}@provider.example>\r\nMIME-Version: 1.0\r\n"
        'Subject: Abuse report\r\nContent-Type: multipart/report; report-type=feedback-report; boundary="b"\r\n\r\n'
        "--b\r\nContent-Type: text/plain\r\n\r\nA complaint.\r\n"
        "--b\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\nVersion: 1\r\n"
        f"--b\r\nContent-Type: message/rfc822\r\n\r\nFrom: maya@out.example\r\nMessage-ID: {letter}\r\n\r\nHi\r\n--b--\r\n"
    ).encode()


ANSWER = written("I have called them.", JON, "<2@team.example>", to=CHRIS).replace(LETTER.encode(), b"<1@acme.example>")


@pytest.mark.parametrize(
    ("made", "state"),
    [
        (lambda raw: raw, ThreadState.OPEN),
        (lambda raw: signed(raw, "evil.example"), ThreadState.OPEN),
        (lambda raw: signed(raw, "team.example"), ThreadState.ANSWERED),
        (lambda raw: b"Authentication-Results: mx.out.example; dmarc=pass header.from=team.example\r\n" + raw,
         ThreadState.ANSWERED),
    ],
    ids=["unsigned", "signed by another", "signed by ours", "our server says pass"],
)  # fmt: skip
def test_only_a_proven_colleague_ends_the_clock(
    store: Store, made: Callable[[bytes], bytes], state: ThreadState
) -> None:
    office = Office(store, ZONE)
    office.arrive(written("Yes, please call me."))
    office.work()
    key = office.arrive(made(ANSWER), at=NOW + 2 * HOUR)
    office.work()
    (thread,) = office.threads()
    assert (thread.state, thread.task_open) == (state, state == ThreadState.OPEN)
    assert office.row(key)["label"] is None, "mail of ours is never a reply, proven or not"
    assert ("sender not proven" in office.row(key)["why"]) == (state == ThreadState.OPEN)
