"""How much memory does the largest allowed message take, in the daemon and in the process that parses it?

The message has `inbox.largest` octets (default 30,000,000). Peak resident memory of a fresh process each: fetching and
storing it, and parsing it apart. For comparison: Python's own parser with its default policy.
"""

import asyncio
import subprocess
import sys
import tempfile
from base64 import encodebytes
from datetime import UTC, datetime
from email import message_from_bytes, policy
from pathlib import Path

from inbox.parse import parse_mail
from inbox.reader import Cursor, ImapReader
from inbox.settings import ImapSettings, InboxSettings
from sandbox import bulk_imap
from store import messages, schema
from store.database import Store

NOW = datetime(2026, 3, 2, tzinfo=UTC)
WAYS = ("nothing", "fetch and store", "parse", "email.policy.default")


def largest() -> bytes:
    """Return a message of the largest size: a text and one attachment."""
    head = b'Subject: large\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\n\r\nHello\r\n--b\r\n'
    head += b"Content-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    body = encodebytes(b"\1" * (InboxSettings().largest // 4 * 3)).replace(b"\n", b"\r\n")
    return head + body[: InboxSettings().largest - len(head) - 10] + b"\r\n--b--\r\n"


async def fetch_and_store(port: int, folder: str) -> None:
    """Bring it from the server into the database, as the daemon does."""
    settings = ImapSettings.model_validate({"host": "127.0.0.1", "port": port, "security": "none"})

    async def secret() -> str:
        return "x"

    store = Store(f"sqlite:///{folder}/postroom.db")
    schema.upgrade(store)
    reader = ImapReader(settings, "maya@out.example", secret)
    batch = await reader.fetch_since(Cursor("maya@out.example", "INBOX"))
    assert batch is not None and not batch.mails[0].truncated
    mails = [messages.Arrival(mail.uid, mail.internal_at, mail.raw) for mail in batch.mails]
    await store.write(messages.ingest, "maya@out.example", "INBOX", batch.uidvalidity, mails, NOW, last_uid=5)
    await reader.close()
    store.close()


def run_way(way: str, port: int, folder: str) -> None:
    raw = Path(folder, "raw.eml")
    if way == "fetch and store":
        asyncio.run(fetch_and_store(port, folder))
    elif way == "parse":
        assert parse_mail(raw.read_bytes()).attachments
    elif way == "email.policy.default":
        list(message_from_bytes(raw.read_bytes(), policy=policy.default).walk())
    status = Path("/proc/self/status").read_text(encoding="ascii")  # getrusage would count the parent's memory too
    print(int(status.partition("VmHWM:")[2].split()[0]) // 1024)


async def measure(folder: str, raw: bytes) -> None:
    def one_mail(number: int) -> bytes:
        return raw

    bulk_imap.bulk_mail = one_mail
    server = bulk_imap.BulkServer(1)
    port = await server.start()
    for way in WAYS:
        command = [sys.executable, __file__, way, str(port), folder]
        child = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
        said, _ = await child.communicate()
        print(f"{way:22} {int(said):5d} MiB at most, for a message of {len(raw) / 1e6:.1f} MB")
    await server.close()


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="postroom-bench-") as folder:
        raw = largest()
        Path(folder, "raw.eml").write_bytes(raw)
        asyncio.run(measure(folder, raw))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        run_way(sys.argv[1], int(sys.argv[2]), sys.argv[3])
    else:
        main()
