"""Does a notice ever arrive twice, or get lost, when the delivering process is killed at any moment?

    python benchmarks/kill_notices.py [--kills 5000] [--seed 1] [--lag 40m] [--search 0.8] [--weaken]

The real notice worker runs in a child process, forked from a warm parent, against real sockets: a mail server that
drops, delays and loses its answers, with a Sent folder that shows a mail only after minutes, and a web server that
takes webhooks and sometimes loses its answer. Every child is killed by SIGKILL, at a random instant or at a numbered
crash point; then time moves on. After each wave the outbox is compared with what arrived. Per channel:

- mail and digest: once at most; sent means arrived; what cannot be told is uncertain
- Standard Webhooks: at least once, always under one id with one body: exactly once for a receiver that keeps to it
- Slack-compatible: once at most

Exit status 1 when something arrived twice, was lost, changed, or is not accounted for.
"""

import argparse
import asyncio
import hashlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import urllib.request
from base64 import b64encode
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import httpx

from benchmarks.crash import Reaper, around, around_async, fork, smtp_points
from benchmarks.sending_site import SECRET, ask
from outbound.mail_settings import SmtpSettings
from outbound.sent_folder import Marker
from outbound.transport import SmtpTransport
from ownership.delivery import NoticeWorker
from ownership.notify import ChannelNotifier, webhook_id
from ownership.settings import WebhookSettings
from postroom.notice_mail import NoticeMailer
from sandbox.relay import Fault, Relay
from store import notices, schema
from store.database import Store
from store.settings import read_duration
from store.vocabulary import EventName

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
SENDER, MAYA, TOM = "notes@out.example", "maya@team.example", "tom@team.example"
EACH = 5  # notices of a wave by channel
BETWEEN = timedelta(minutes=7)  # of the stepped clock, from one child to the next
ALWAYS = 14  # crash points, from the first, that every child passes that has notices of all kinds to deliver
BAD = ("twice", "lost", "changed", "unaccounted", "unknown to the outbox")
PASSES = 4  # of one child


def crash_points() -> dict[str, Callable[[int], None]]:
    """Return the numbered crash points."""
    return {
        "before the claim": around(notices, "claim", after=False),
        "claim written, before its commit": around(notices, "claim", after=True),
        **smtp_points(),
        "webhook claimed, before the request": around_async(
            httpx.AsyncHTTPTransport, "handle_async_request", after=False
        ),
        "after the webhook's answer": around_async(httpx.AsyncHTTPTransport, "handle_async_request", after=True),
        "before delivered is written": around(notices, "delivered", after=False),
        "delivered written, before its commit": around(notices, "delivered", after=True),
        "not delivered written, before its commit": around(notices, "failed", after=True),
        "before a look into Sent": around_async(NoticeMailer, "arrived", after=False),
        "after a look into Sent": around_async(NoticeMailer, "arrived", after=True),
        "released, before its commit": around(notices, "released", after=True),
        "uncertain, before its commit": around(notices, "uncertain", after=True),
    }


class HookServer:
    """Takes webhooks, drops some before reading, loses some answers; GET returns and forgets what was taken."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.taken: list[tuple[str, str]] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request."""
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            values = {
                name.lower(): value.strip() for name, _, value in (one.partition(":") for one in head.split("\r\n"))
            }
            if head.startswith("GET"):
                body, self.taken = json.dumps(self.taken), []
                writer.write(
                    f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode()
                )
            else:
                fault = self.chance.choice(("", "", "", "", "", "drop", "lose", "later"))
                body = (await reader.readexactly(int(values["content-length"]))).decode()
                if fault in ("", "lose"):
                    name = values.get("webhook-id") or json.loads(body)["text"].partition("*")[2].partition("*")[0]
                    self.taken.append((name, hashlib.sha256(body.encode()).hexdigest()))
                if fault in ("", "later"):
                    answer = "503 Later" if fault else "204 OK"
                    writer.write(f"HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
            await writer.drain()
        writer.close()


def serve(seed: int, lag: timedelta, ports_pipe: int) -> None:
    """Be the server process: mail and web; write both ports down and run until killed."""
    chance = random.Random(seed)
    kinds = [Fault.NONE] * 60 + [Fault.LOSE_ANSWER] * 6 + [Fault.LATE_ANSWER] * 12 + list(Fault)

    async def run() -> None:
        relay = Relay(lambda: chance.choice(kinds), lambda: lag * chance.random(), delay=0.01)
        hooks = await asyncio.start_server(HookServer(chance).serve, "127.0.0.1", 0)
        os.write(ports_pipe, f"{await relay.start()} {hooks.sockets[0].getsockname()[1]}\n".encode())
        await asyncio.Event().wait()

    asyncio.run(run())


class Site:
    """One database file and the two servers."""

    def __init__(self, folder: Path, mail_port: int, hook_port: int) -> None:
        self.folder, self.path, self.mail_port, self.hook_port = folder, folder / "wave.db", mail_port, hook_port
        self.search = True
        secret = folder / "hook-secret"
        secret.write_text("whsec_" + b64encode(b"0123456789abcdef0123456789abcdef").decode(), encoding="ascii")
        base = f"http://127.0.0.1:{hook_port}"
        self.hooks = {
            url: WebhookSettings.model_validate({"url": url, "kind": kind, "secret": {"file": str(secret)}})
            for kind in ("standard", "slack") if (url := f"{base}/{kind}")
        }  # fmt: skip

    def fill(self) -> None:
        """Make the outbox of a wave."""
        store = Store(f"sqlite:///{self.folder / 'template.db'}", inline=True)
        schema.upgrade(store)

        def unit(connection: Any) -> None:
            schema.claim_instance(connection, "here", START)
            for number in range(EACH):
                urls = {f"webhook-{hook.kind}": url for url, hook in self.hooks.items()}
                for channel, to in {"mail": MAYA, "digest": TOM, **urls}.items():
                    payload = {"subject": f"{channel} {number}", "text": f"text {number}"}
                    key = f"{channel}:{number}"
                    notices.enqueue(connection, EventName.THREAD_ASSIGNED, key, channel, to, payload, START)

        store.write_now(unit)
        store.close()

    def worker(self, store: Store) -> tuple[NoticeWorker, SmtpTransport]:
        """Return the real worker with its doors."""
        smtp = SmtpSettings.model_validate(
            {"host": "127.0.0.1", "port": self.mail_port, "security": "none", "auth": "none", "timeout": "5s",
             "data_timeout": "5s"}
        )  # fmt: skip

        async def no_secret() -> str:
            return ""

        async def find(_mailbox: str, message_id: str, _marker: Marker | None) -> bool | None:
            if not self.search:
                return None
            return bool(str(await asyncio.to_thread(ask, self.mail_port, f"XFIND {message_id}")).startswith("250"))

        transport = SmtpTransport(smtp, SENDER, SENDER, no_secret)
        mailer = NoticeMailer(SECRET, SENDER, {SENDER: transport}, find)
        return NoticeWorker(store, ChannelNotifier(mailer, self.hooks)), transport


def child(site: Site, now: datetime) -> None:
    """Be the delivering process: passes until nothing moves."""

    async def run() -> None:
        store = Store(f"sqlite:///{site.path}")
        worker, transport = site.worker(store)
        for _ in range(PASSES):
            if not (await worker.run_pass(now)).done:
                break
        await transport.close()
        store.close()

    asyncio.run(run())


class Killer(Reaper):
    """Kills delivering processes, moves the clock, and keeps count."""

    def __init__(self, seed: int, site: Site) -> None:
        points = crash_points()
        super().__init__(points, list(points)[:ALWAYS], random.Random(seed))
        self.site = site
        self.found: Counter[str] = Counter()

    def wave(self, most: int) -> None:
        """Deliver one outbox under kills, at most so many, then compare."""
        for left in self.site.folder.glob("wave.db*"):
            left.unlink()
        shutil.copy(self.site.folder / "template.db", self.site.path)
        now = START
        ask(self.site.mail_port, f"XTIME {now.isoformat()}")
        self.rehearse(partial(child, self.site, now))
        for _ in range(400):
            ask(self.site.mail_port, f"XTIME {now.isoformat()}")
            kill = self.kills < most and self.chance.random() < 0.9
            alive = self.run_child(partial(child, self.site, now), kill=kill, most_passages=4)
            wake = self._read(notices.next_at) if alive else now
            if wake is None:
                break
            now = max(now + BETWEEN * self.chance.random(), wake)
        self._compare()

    def _read(self, query: Callable[[Any], Any]) -> Any:
        store = Store(f"sqlite:///{self.site.path}", inline=True)
        try:
            return store.read_now(query)
        finally:
            store.close()

    def _compare(self) -> None:
        mails = Counter(message_id for message_id, _ in ask(self.site.mail_port, "XTAKE"))
        with urllib.request.urlopen(f"http://127.0.0.1:{self.site.hook_port}/") as answer:
            requests = [tuple(one) for one in json.load(answer)]
        hooks, bodies = Counter(name for name, _ in requests), Counter(name for name, _ in set(requests))
        rows = self._read(lambda connection: [notices.notice(connection, key) for key in range(1, 4 * EACH + 1)])
        self.found["notices"] += len(rows)
        self.found["twice"] += sum(number > 1 for number in mails.values())
        self.found["twice"] += sum(number > 1 for name, number in hooks.items() if not name.startswith("msg_"))
        self.found["changed"] += sum(number > 1 for name, number in bodies.items() if name.startswith("msg_"))
        self.found["standard webhooks repeated under their id"] += sum(
            number - 1 for name, number in hooks.items() if name.startswith("msg_")
        )
        self.found["unknown to the outbox"] += len(set(mails) - {row["mail_id"] for row in rows})
        for row in rows:
            channel, state = row["channel"], row["state"]
            name = webhook_id(row["event_key"]) if channel == "webhook-standard" else row["payload"]["subject"]
            arrived = row["mail_id"] in mails if channel in ("mail", "digest") else name in hooks
            self.found[f"{channel}, {state}, {'arrived' if arrived else 'not arrived'}"] += 1
            self.found["lost"] += state == "sent" and not arrived
            self.found["unaccounted"] += state not in ("sent", "uncertain", "failed") or (state == "failed" and arrived)
            self.found["unaccounted"] += channel == "webhook-standard" and state != "sent"

    def report(self, seconds: float) -> int:
        """Print the figures; returns the exit status."""
        print(f"{self.kills} kills, {self.found['notices']} notices, {seconds:.0f} s")
        for name in (*BAD, "standard webhooks repeated under their id"):
            print(f"  {name}: {self.found[name]}")
        for name, number in sorted(self.found.items()):
            if ", " in name:
                print(f"    {name}: {number}")
        print(self.told(), flush=True)
        return 1 if any(self.found[name] for name in BAD) else 0


def main() -> int:
    """Run waves until there were enough kills."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=5_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--lag", type=read_duration, default=timedelta(minutes=40), help="most that Sent lags")
    parser.add_argument("--search", type=float, default=0.8, help="share of waves whose Sent folder can be searched")
    parser.add_argument("--weaken", action="store_true", help="deliver without a claim: must be found out")
    options = parser.parse_args()
    base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # a kill is no power cut: memory will do
    folder = Path(tempfile.mkdtemp(prefix="postroom-notices-", dir=base))
    reading, writing = os.pipe()
    server = fork(lambda: serve(options.seed, options.lag, writing))
    start = time.monotonic()
    try:
        mail_port, hook_port = map(int, os.read(reading, 32).split())
        site = Site(folder, mail_port, hook_port)
        site.fill()
        if options.weaken:
            notices.claim = lambda *_args, **_more: True
        killer = Killer(options.seed, site)
        stopped: list[int] = []
        for name in (signal.SIGINT, signal.SIGTERM):  # the wave in hand is finished
            signal.signal(name, lambda number, _frame: stopped.append(number))
        while killer.kills < options.kills and not stopped:
            site.search = killer.chance.random() < options.search
            killer.wave(options.kills)
        return killer.report(time.monotonic() - start)
    finally:
        os.kill(server, signal.SIGKILL)
        os.waitpid(server, 0)
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
