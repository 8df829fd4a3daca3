"""Does a DATA ever begin after the unsubscribe page has said "done"? Real HTTP against the sender at full speed.

    python benchmarks/stop_race_http.py [--letters 20000] [--database sqlite|postgresql]

The sender works from one process against an SMTP server on loopback that notes when each DATA arrives. `postroom
endpoint` is a second process. A third presses "unsubscribe" for one recipient in five at the very moment when the
server hears RCPT; the server then takes up to a fifth of a second to answer it, so that claim, commit and answer cross
in every order. For one in ten it presses beforehand. All clocks are this machine's monotonic one; the server notes DATA
late rather than early, the clicks note the answer at once. Exit status 1 when one DATA came after its answer.
"""

import argparse
import asyncio
import http.client
import os
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from queue import SimpleQueue

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.sending_site import SECRET, make_site
from benchmarks.stop_race import database
from console.wishes import WishDesk
from outbound.unsubscribe import UNSUBSCRIBE, make_token
from store.database import Store

ROOT = Path(__file__).parents[1]
PRESSERS, MAILBOXES, PATIENCE = 24, 8, 120.0
DELAYS = (0.0, 0.0, 0.002, 0.01, 0.05, 0.2)  # seconds between RCPT and its answer
CONFIG = """
[postroom]
secret = {{ file = "{folder}/secret" }}
[store]
url = "{url}"
[company]
name = "Out"
postal_address = "Out Ltd, 1 Road"
unsubscribe_url = "https://u.out.example/u"
[endpoint]
listen = "127.0.0.1:{port}"
[[mailbox]]
address = "m0@out.example"
smtp = {{ host = "127.0.0.1", auth = "none" }}
[team]
triage = "jon@team.example"
compliance = "jon@team.example"
escalation = "jon@team.example"
[[team.person]]
email = "jon@team.example"
name = "Jon"
"""


@dataclass(slots=True)
class Presser:
    """The process that presses unsubscribe; `answers` are the monotonic times by enrollment."""

    process: subprocess.Popen[str]

    def press(self, enrollment: int) -> None:
        """Press for an enrollment."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{enrollment}\n")
        self.process.stdin.flush()

    def answers(self) -> dict[int, float]:
        """Let it finish and return when each answer had come."""
        out, _ = self.process.communicate(timeout=PATIENCE)
        return {int(number): float(at) for number, at in map(str.split, out.splitlines())}


def press_all(port: int) -> None:
    """Run as the presser: numbers come in on stdin, one POST each, and the time of its answer goes to stdout."""
    wanted: SimpleQueue[str] = SimpleQueue()
    done: list[str] = []

    def work() -> None:
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        while number := wanted.get():
            path = f"/u/{make_token([SECRET], UNSUBSCRIBE, int(number))}/en"
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            for _ in range(3):  # a kept connection may have been closed meanwhile
                with suppress(http.client.HTTPException, ConnectionError):
                    client.request("POST", path, "List-Unsubscribe=One-Click", headers)
                    answer = client.getresponse()
                    at = time.monotonic()
                    if answer.status == 200 and b"will not receive" in answer.read():
                        done.append(f"{number} {at:.6f}")
                    break
                client.close()

    workers = [threading.Thread(target=work) for _ in range(PRESSERS)]
    for one in workers:
        one.start()
    for line in sys.stdin:
        wanted.put(line.strip())
    for _ in workers:
        wanted.put("")
    for one in workers:
        one.join()
    print("\n".join(done))


@dataclass(slots=True)
class Sink:
    """An SMTP server that notes when DATA comes."""

    presser: Presser
    chance: random.Random
    data_at: dict[int, float] = field(default_factory=dict)
    pressed: set[int] = field(default_factory=set)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        writer.write(b"220 sink\r\n")
        number = 0
        while line := await reader.readline():
            verb = line[:4].upper()
            if verb == b"RCPT":
                number = int(line.partition(b"<p")[2].partition(b"@")[0]) + 1  # enrollments are numbered from 1
                if number not in self.pressed and self.chance.random() < 0.2:
                    self.pressed.add(number)
                    self.presser.press(number)
                    await asyncio.sleep(self.chance.choice(DELAYS))
            elif verb == b"DATA":
                self.data_at[number] = time.monotonic()
                writer.write(b"354 go\r\n")
                await writer.drain()
                await reader.readuntil(b"\r\n.\r\n")
            writer.write(b"221 bye\r\n" if verb == b"QUIT" else b"250 ok\r\n")
            await writer.drain()
        writer.close()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the race came to."""

    letters: int
    answered: int  #: POSTs that were answered "done"
    prevented: int  #: of these, no DATA ever came
    before: int  #: of these, DATA had begun before the answer
    late: int  #: of these, DATA began after the answer: must be 0
    seconds: float


async def race(folder: Path, url: str, letters: int, seed: int = 1) -> Outcome:
    """Send so many letters while unsubscribe is pressed."""
    now = datetime.now(UTC)
    (folder / "secret").write_bytes(SECRET)
    port = free_port()
    config = folder / "config.toml"
    config.write_text(CONFIG.format(folder=folder, url=url, port=port), encoding="utf-8")
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    endpoint = subprocess.Popen(
        [sys.executable, "-m", "postroom", "endpoint", "--config", str(config)], env=env, cwd=folder
    )
    command = [sys.executable, __file__, "--press", str(port)]
    presser = Presser(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env))
    sink = Sink(presser, random.Random(seed))
    server = await asyncio.start_server(sink.talk, "127.0.0.1", 0)
    try:
        smtp = int(server.sockets[0].getsockname()[1])
        site = make_site(folder / "race.db", smtp, letters=letters, mailboxes=MAILBOXES, at=now, database=url)
        await listening(port)
        for number in sink.chance.sample(range(1, letters + 1), letters // 10):
            if number > letters // 10:  # the first are out before anybody can press
                sink.pressed.add(number)
                presser.press(number)
        desk_store = Store(url)
        desk = WishDesk(desk_store, SECRET, "jon@team.example", folder / "postroom.spool", lambda: datetime.now(UTC))
        house = site.open(now, clock=lambda: datetime.now(UTC), stops=desk)
        begin = time.monotonic()
        while (await house.sender.run_pass(datetime.now(UTC))).done:
            pass
        seconds = time.monotonic() - begin
        answers = await asyncio.to_thread(presser.answers)
        await house.close()
        desk_store.close()
    finally:
        server.close()
        endpoint.terminate()
        presser.process.kill()
        endpoint.wait(PATIENCE)
    late = sum(sink.data_at.get(number, 0.0) > at for number, at in answers.items())
    before = sum(number in sink.data_at for number in answers) - late
    return Outcome(len(sink.data_at), len(answers), len(answers) - before - late, before, late, seconds)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as place:
        return int(place.getsockname()[1])


async def listening(port: int) -> None:
    """Wait until somebody listens."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        with suppress(ConnectionError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return
        await asyncio.sleep(0.1)
    raise SystemExit("the endpoint does not listen")


def main() -> int:
    """Race and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--letters", type=int, default=20_000)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--press", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.press:
        press_all(options.press)
        return 0
    with tempfile.TemporaryDirectory(prefix="pr-") as folder, database(options.database) as url:
        found = asyncio.run(race(Path(folder), url, options.letters))
    print(
        f"{options.database}: {found.letters} letters in {found.seconds:.0f} s, {found.answered} POSTs answered: "
        f"{found.prevented} letters prevented, {found.before} had begun before the answer, {found.late} began after it"
    )
    return 1 if found.late else 0


if __name__ == "__main__":
    sys.exit(main())
