"""How many durable sends a second, end to end, and what decides it?

    python benchmarks/send.py [--letters 600] [--rounds 3] [--uvloop]

Plan, render, compose, sign, claim, send, record: the real worker on SQLite (synchronous=FULL), unpaced, from 1, 8 and
64 mailboxes into Postfix's smtp-sink. Printed as ratios, in the same run, to a bare aiosmtplib loop that sends ready
bytes (8 connections) and to Postfix's own queue emptying into the same sink (needs root).
Medians of the rounds; figures are of this machine.

On two quiet cores (`--letters 4000 --rounds 3`), as multiples of Postfix's queue and ms of CPU a send:

    mailboxes       1 unsigned   8 unsigned   64 unsigned  64 RSA-2048  64 Ed25519
    asyncio         0.32, 2.13   1.31, 0.84   1.78, 0.67   1.25, 1.18   1.35, 0.94
    uvloop          0.34, 1.85   1.40, 0.77   1.91, 0.61   1.32, 1.11   1.43, 0.88

By stage, 64 mailboxes, unsigned: plan 0.03, read 0.06, render 0.02, compose 0.05, write down 0.04, claim 0.10, send
0.24 (uvloop 0.20), record 0.08, commit 0.10; an RSA-2048 signature 0.4, in a thread that holds no interpreter lock.
Two nodes on one file are only 1.2 times as fast as one: writers take turns.
"""

import argparse
import asyncio
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiosmtplib
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.send_stages import show, stages
from benchmarks.sending_site import DOMAIN, make_site
from outbound.dkim_sign import Signer, make_signer
from postroom.commands_run import collect_seldom
from store import sends
from store.database import Store

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
SINK, SOURCE, POSTFIX = "/usr/sbin/smtp-sink", "/usr/sbin/smtp-source", "/usr/sbin/postfix"
PATIENCE = 300.0


def free_port() -> int:
    """Return a port of 127.0.0.1 that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextmanager
def sink(log: Path | None = None) -> Iterator[int]:
    """Run smtp-sink; with a file, one byte is added to it for each message."""
    port = free_port()
    command = [SINK, *(["-u", "nobody"] if os.geteuid() == 0 else []), f"127.0.0.1:{port}", "1024"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait(lambda: _listens(port), "smtp-sink")
        yield port
    finally:
        process.kill()
        process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _wait(done: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not done():
        if time.monotonic() > deadline:
            raise SystemExit(f"waited {PATIENCE:.0f} s in vain for {what}")
        time.sleep(0.01)


def end_to_end(
    folder: Path,
    port: int,
    letters: int,
    mailboxes: int,
    signer: Signer | None,
    *,
    spent: dict[str, float] | None = None,
) -> tuple[float, float]:
    """Return (sends a second, CPU milliseconds a send) of the real worker; `spent` is filled with CPU by stage."""
    path = folder / f"{time.monotonic_ns()}.db"
    site = make_site(path, port, letters=letters, mailboxes=mailboxes, at=START)

    async def run() -> None:
        house = site.open(START, signer=signer)
        while (await house.sender.run_pass(START)).done:
            pass
        await house.close()

    begin, cpu = time.perf_counter(), time.process_time()
    with stages(spent) if spent is not None else nullcontext():
        _run(run)
    seconds, used = time.perf_counter() - begin, time.process_time() - cpu
    store = Store(site.url, inline=True)
    states = [row["state"] for row in store.read_now(sends.all_sends)]
    store.close()
    if states != ["sent"] * letters:
        raise SystemExit(f"{letters} letters were to be sent, the ledger says {states.count('sent')}")
    return letters / seconds, 1000 * used / letters


def by_stage(folder: Path, port: int, letters: int, signer: Signer | None) -> str:
    """Return CPU milliseconds a send by stage, from 64 mailboxes, in a run of its own."""
    spent: dict[str, float] = {}
    end_to_end(folder, port, letters, 64, signer, spent=spent)
    return show(spent, letters)


def bare(port: int, raw: bytes, letters: int) -> float:
    """Return messages a second of a loop that only sends ready bytes over 8 connections."""

    async def one(number: int) -> None:
        client = aiosmtplib.SMTP(hostname="127.0.0.1", port=port, use_tls=False, start_tls=False)
        async with client:
            for _ in range(number):
                await client.mail(f"m@{DOMAIN}")
                await client.rcpt("p@acme.example")
                await client.data(raw)

    async def run() -> None:
        await asyncio.gather(*(one(letters // 8) for _ in range(8)))

    begin = time.perf_counter()
    _run(run)
    return letters / (time.perf_counter() - begin)


def postfix_queue(folder: Path, port: int, letters: int, size: int) -> float | None:
    """Return messages a second that Postfix takes durably into its queue and hands on to the sink."""
    if os.geteuid() != 0 or not Path(POSTFIX).exists():
        return None
    base = folder / "pf"
    incoming = free_port()
    for name in ("conf", "queue", "state"):
        (base / name).mkdir(parents=True)
    shutil.chown(base / "state", "postfix", "postfix")
    (base / "conf/main.cf").write_text(
        f"compatibility_level = 3.6\nqueue_directory = {base}/queue\ndata_directory = {base}/state\n"
        f"maillog_file = {base}/log\nmaillog_file_prefixes = {base}\ninet_interfaces = 127.0.0.1\n"
        f"inet_protocols = ipv4\nmyhostname = localhost\nmydestination =\nalias_maps =\nalias_database =\n"
        f"relayhost = [127.0.0.1]:{port}\nsmtpd_relay_restrictions = permit_mynetworks reject\n"
        "smtpd_client_connection_count_limit = 0\ndefault_destination_concurrency_limit = 50\n"
        "smtp_dns_support_level = disabled\nmaximal_queue_lifetime = 1d\n"
    )
    services = [
        f"127.0.0.1:{incoming} inet n - n - - smtpd", "cleanup unix n - n - 0 cleanup", "qmgr unix n - n 300 1 qmgr",
        "rewrite unix - - n - - trivial-rewrite", "bounce unix - - n - 0 bounce", "defer unix - - n - 0 bounce",
        "trace unix - - n - 0 bounce", "verify unix - - n - 1 verify", "flush unix n - n 1000? 0 flush",
        "proxymap unix - - n - - proxymap", "smtp unix - - n - 50 smtp", "relay unix - - n - 50 smtp",
        "showq unix n - n - - showq", "error unix - - n - - error", "retry unix - - n - - error",
        "anvil unix - - n - 1 anvil", "scache unix - - n - 1 scache", "postlog unix-dgram n - n - 1 postlogd",
        "pickup unix n - n 60 1 pickup",
    ]  # fmt: skip
    (base / "conf/master.cf").write_text("\n".join(services) + "\n")
    server = subprocess.Popen(
        [POSTFIX, "-c", base / "conf", "start-fg"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    log = base / "log"
    try:
        _wait(lambda: _listens(incoming), "Postfix")
        begin = time.perf_counter()
        subprocess.run(
            [SOURCE, "-s", "8", "-m", str(letters), "-l", str(size), "-f", f"m@{DOMAIN}", "-t", "p@acme.example",
             f"127.0.0.1:{incoming}"], check=True, capture_output=True,
        )  # fmt: skip
        _wait(lambda: log.exists() and log.read_text().count("status=sent") >= letters, "Postfix's queue")
        return letters / (time.perf_counter() - begin)
    finally:
        subprocess.run([POSTFIX, "-c", base / "conf", "stop"], check=False, capture_output=True)
        server.terminate()
        server.wait(30)
        shutil.rmtree(base, ignore_errors=True)


def _run(play: Callable[[], Coroutine[Any, Any, None]]) -> None:
    with asyncio.Runner(loop_factory=LOOP[0]) as runner:
        runner.run(play())


LOOP: list[Callable[[], asyncio.AbstractEventLoop] | None] = [None]


def signers() -> dict[str, Signer | None]:
    """Return no signer, RSA-2048 and Ed25519."""
    keys: dict[str, Any] = {
        "RSA-2048": rsa.generate_private_key(65537, 2048),
        "Ed25519": ed25519.Ed25519PrivateKey.generate(),
    }
    made: dict[str, Signer | None] = {"unsigned": None}
    for name, key in keys.items():
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        made[name] = make_signer(DOMAIN, "s1", pem)
    return made


def main() -> None:
    """Measure the peers and the worker in turns and print medians with ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--letters", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--uvloop", action="store_true", help="on uvloop's event loop (extra `speed`)")
    options = parser.parse_args()
    if options.uvloop:
        import uvloop

        LOOP[0] = uvloop.new_event_loop
    collect_seldom()  # as the daemon does
    raw = b"From: <m@out.example>\r\nSubject: x\r\n\r\n" + (b"y" * 70 + b"\r\n") * 36
    kinds = signers()
    cases = [(count, "unsigned") for count in (1, 8, 64)] + [(64, "RSA-2048"), (64, "Ed25519")]
    speeds: dict[object, list[float]] = {}
    cpu: dict[object, list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="pr-") as name, sink() as port:
        folder = Path(name)
        folder.chmod(0o755)
        for _ in range(options.rounds):
            speeds.setdefault("bare", []).append(bare(port, raw, options.letters))
            if (queued := postfix_queue(folder, port, options.letters, len(raw))) is not None:
                speeds.setdefault("postfix", []).append(queued)
            for case in cases:
                speed, used = end_to_end(folder, port, options.letters, case[0], kinds[case[1]])
                speeds.setdefault(case, []).append(speed)
                cpu.setdefault(case, []).append(used)
        spent = {name: by_stage(folder, port, options.letters, kinds[name]) for name in ("unsigned", "RSA-2048")}
    loop = statistics.median(speeds["bare"])
    queue = statistics.median(speeds["postfix"]) if "postfix" in speeds else 0.0
    print(f"event loop: {'uvloop' if options.uvloop else 'asyncio'}")
    print(f"bare aiosmtplib, 8 connections: {loop:7.0f}/s; Postfix's queue: {queue:7.0f}/s")
    for case in cases:
        speed, used = statistics.median(speeds[case]), statistics.median(cpu[case])
        against = f"{speed / queue:5.2f} x Postfix's queue" if queue else "Postfix not measured"
        label = f"{case[0]:3d} mailboxes, {case[1]:9s}"
        print(f"{label}: {speed:7.0f}/s  {speed / loop:5.2f} x bare loop  {against}  {used:.2f} ms CPU a send")
    for name, text in spent.items():
        print(f"ms CPU a send by stage, 64 mailboxes, {name}: {text}")


if __name__ == "__main__":
    main()
