"""How long does one hostile megabyte take from octets to meaning, without the model?

    python benchmarks/hostile_text.py

Every piece that patterns could stumble over is repeated to a megabyte, as text, as HTML, as a bounce and as an
automatic reply, and to 60,000 characters of a subject. The peer in the same run is an honest megabyte of prose; CPU
time of one core.
"""

import contextlib
import itertools
import time

from classifier.model import Classification, Hints
from inbox.parse import parse_mail
from inbox.threads import base_subject
from inbox.understand import understand
from store.errors import ParseRefused
from store.vocabulary import Label

SIZE = 1_000_000
HEAD = b"From: kim@fjordbyg.example\r\nTo: maya@out.example\r\nSubject: Re: x\r\n"
HEADS = {
    "text": HEAD,
    "html": HEAD + b"Content-Type: text/html\r\n",
    "bounce": b"Return-Path: <>\r\nFrom: MAILER-DAEMON@x.example\r\nSubject: Undelivered\r\n",
    "absence": HEAD + b"Auto-Submitted: auto-replied\r\n",
}
PIECES = [
    "a", "a ", "a@b.c ", "1 ", "1. ", "1.1.", "> ", "<", "(", "-", "_", "=", "*", "the message ", "user a ", "not ",
    "remove me from ", "bis ", "am 1. ", "on 2026 ", "2020 ", "mailbox x ", "casella a ", "level a ", "delivery x ",
    "to ", "unknown a ", "this e-mail ", "<x@y.z>", "=?utf-8?q?a", "Re: ", "[a] ",
    "[fwd:", "(fwd)", "A:\n", "From: a\n", "\t", "é",
    "数", "message ", "held until ", "confirm that you are ", "ticket 1 ", "1-", "until ", "week ", "week 1 ",
    "monday ", "mo-", "i work mon ", "x\n\n", "<http://a", "sent from a ", "class=\"a ", "display: ", "\n",
    "-----BEGIN PGP\n", "> On 2026 x wrote:\n", "Date: 1\n", "if you ", "please ",
]  # fmt: skip
PROSE = b"A line of seventy characters, more or less, as people write them here.\n"
SENT = ["Hi Kim, many dispatch teams still copy orders by hand. Would a call make sense? Reply STOP."] * 3


def classify(text: str, _hints: Hints) -> Classification:
    return Classification(Label.OTHER, 1.0, frozenset(), True, False, "", "en", {Label.OTHER: 1.0})


def seconds(raw: bytes) -> float:
    began = time.process_time()
    with contextlib.suppress(ParseRefused):
        mail = parse_mail(raw)
        understand(mail, classify, received_at=None, sent_texts=SENT)
        base_subject(mail.subject)
    return time.process_time() - began


def main() -> None:
    honest = min(seconds(HEAD + b"\r\n" + PROSE * (SIZE // len(PROSE))) for _ in range(3))
    found = []
    for (name, head), piece in itertools.product(HEADS.items(), PIECES):
        octets = piece.encode()
        found.append((seconds(head + b"\r\n" + octets * (SIZE // len(octets))), name, piece))
    for piece in PIECES:
        line = " ".join((piece * (60_000 // len(piece))).split())
        found.append((seconds(HEAD.replace(b"Re: x", line.encode()) + b"\r\nHello\r\n"), "subject", piece))
    found.sort(reverse=True)
    print(f"{len(found)} hostile megabytes; an honest one takes {honest:.2f} s")
    for taken, name, piece in found[:5]:
        print(f"{taken:6.2f} s   x {taken / honest:5.1f}   {name:8} {piece!r}")


if __name__ == "__main__":
    main()
