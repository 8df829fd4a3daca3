"""How many messages a second do parse + evidence + new text take on one core, and what does the model add?

    python benchmarks/understand.py [FOLDER]     # default: the reference mails beside the project

The peer in the same run is the standard library's parser alone (`policy.default`, body read), which does less.
Also measured: memory for the largest message that is allowed.
"""

import statistics
import sys
import time
import tracemalloc
from collections.abc import Callable
from email import message_from_bytes
from email.policy import default
from pathlib import Path

from classifier.model import load_model
from inbox.automatic import find_evidence
from inbox.parse import LARGEST, parse_mail
from inbox.quotes import new_text
from inbox.understand import understand

ROUNDS = 5
SHARED = Path(__file__).parents[2] / "shared" / "data"


def read_corpus(folder: Path | None) -> list[bytes]:
    """Return every mail of a folder, else the reference mails."""
    if folder is not None:
        return [path.read_bytes() for path in sorted(folder.rglob("*.eml"))]
    paths = [*sorted((SHARED / "mime").rglob("*.eml")), *sorted((SHARED / "bounces" / "flufl").iterdir())]
    return [path.read_bytes() for path in paths]


def rate(work: Callable[[bytes], object], mails: list[bytes]) -> float:
    """Return messages a second, the median of several rounds."""
    rates = []
    for _ in range(ROUNDS):
        begin = time.process_time()
        for raw in mails:
            work(raw)
        rates.append(len(mails) / (time.process_time() - begin))
    return statistics.median(rates)


def main() -> None:
    """Print the table."""
    mails = read_corpus(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
    model = load_model()

    def peer(raw: bytes) -> object:
        try:
            body = message_from_bytes(raw, policy=default).get_body(("plain", "html"))
            return body.get_content() if body else None
        except Exception:  # noqa: BLE001 - the peer raises on some of them; that is not what is measured
            return None

    def evidence(raw: bytes) -> object:
        mail = parse_mail(raw)
        return find_evidence(mail), new_text(mail.text)

    def whole(raw: bytes) -> object:
        mail = parse_mail(raw)
        return understand(mail, model.classify, received_at=mail.date)

    print(f"{len(mails)} mails, {sum(map(len, mails)) / len(mails) / 1024:.1f} KiB each, one core")
    base = rate(peer, mails)
    rows: list[tuple[str, Callable[[bytes], object]]] = [
        ("standard parser, policy.default", peer),
        ("parse", parse_mail),
        ("parse + evidence + quotes", evidence),
        ("+ model + dates", whole),
    ]
    for name, work in rows:
        found = rate(work, mails)
        print(f"{name:32} {found:8.0f}/s   x {found / base:.2f}")
    line = b"a line of seventy characters, more or less, as people write them here.\n"
    raw = b"From: a@b.example\r\nSubject: x\r\n\r\n" + line * (LARGEST // len(line))
    tracemalloc.start()
    whole(raw[:LARGEST])
    print(
        f"largest message ({LARGEST >> 20} MiB): {tracemalloc.get_traced_memory()[1] / 2**20:.0f} MiB beside its bytes"
    )


if __name__ == "__main__":
    main()
