"""How fast are 1,000 domains checked, with how many questions, against a name server 5 ms away?

    python benchmarks/check_domains.py [--domains 1000] [--peer-domains 100] [--latency-ms 5]

Cold (nothing known) and again (answers cached), with one DKIM selector known a domain; printed as a ratio to
checkdmarc, which checks SPF, DMARC, MX, MTA-STS, TLS-RPT, BIMI, NS and DNSSEC one domain after the other, in the same
run on the same name server. checkdmarc is installed into out/bench/checkdmarc on first use; it is no dependency of
postroom. The name server runs in a process of its own, adds the delay to every answer and counts the questions.
"""

import argparse
import asyncio
import base64
import json
import subprocess
import sys
import time
import venv
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from deliverability.resolver import DnsResolver
from deliverability.verdict import check_domains
from sandbox.dns import NameServer

ROOT = Path(__file__).parents[1]
PEER = "checkdmarc==6.0.4"
PATIENCE = 60.0  # seconds of one lookup: a busy machine is no failing name server
TTL = 3600  # seconds: nothing runs out while we measure
RELAY = "192.0.2.25"
#: What the peer's interpreter runs: domains and server by standard input, two times in seconds by standard output.
PEER_PROGRAM = """
import json, sys, time, warnings, dns.resolver, checkdmarc
warnings.simplefilter("ignore")
asked = json.loads(sys.stdin.readline())
resolver = dns.resolver.Resolver(configure=False)
resolver.nameservers, resolver.port, resolver.cache = [asked["host"]], asked["port"], dns.resolver.LRUCache(200_000)
for _ in range(2):
    began = time.perf_counter()
    checkdmarc.check_domains(asked["domains"], resolver=resolver, check_mx_tls=False)
    print(json.dumps(time.perf_counter() - began), flush=True)
    sys.stdin.readline()
"""


def zone_of(domains: list[str]) -> dict[str, dict[str, list[str]]]:
    """Return zones as companies have them: a provider's include, own mail hosts, a policy, a key."""
    key = f"v=DKIM1; k=ed25519; p={base64.b64encode(bytes(32)).decode()}"
    zone: dict[str, dict[str, list[str]]] = {
        "25.2.0.192.in-addr.arpa": {"PTR": ["out.relay.example"]},
        "out.relay.example": {"A": [RELAY]},
        "spf.relay.example": {"TXT": [f"v=spf1 ip4:{RELAY} include:more.relay.example ~all"]},
        "more.relay.example": {"TXT": ["v=spf1 ip4:198.51.100.0/24 ~all"]},
    }
    for domain in domains:
        zone[domain] = {
            "TXT": ["v=spf1 mx include:spf.relay.example ~all", "site-verification=1"],
            "MX": [f"10 mx1.{domain}", f"20 mx2.{domain}"], "A": ["192.0.2.80"], "NS": [f"ns1.{domain}"],
            "SOA": [f"ns1.{domain}. hostmaster.{domain}. 1 3600 600 86400 {TTL}"],
        }  # fmt: skip
        zone |= {f"{host}.{domain}": {"A": ["192.0.2.81"]} for host in ("mx1", "mx2", "ns1")}
        zone[f"_dmarc.{domain}"] = {"TXT": [f"v=DMARC1; p=none; rua=mailto:dmarc@{domain}"]}
        zone[f"k1._domainkey.{domain}"] = {"TXT": [key]}
    return zone


async def serve(domains: int, latency: float) -> None:
    """Be the name server: say the port, then the number of questions so far for each line on standard input."""
    server = NameServer(zone_of(names(domains)), ttl=TTL, latency=latency)
    print((await server.start())[1], flush=True)
    while await asyncio.to_thread(sys.stdin.readline):
        print(len(server.queries), flush=True)
    await server.close()


def names(number: int) -> list[str]:
    return [f"d{one}.example" for one in range(number)]


class Server:
    """The name server's process."""

    def __init__(self, domains: int, latency: float) -> None:
        command = [sys.executable, __file__, "--serve", "--domains", str(domains), "--latency-ms", str(latency * 1000)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port, self._before = int(self._read()), 0

    def _read(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def questions(self) -> int:
        """Return how many were asked since the last call."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        whole = int(self._read())
        asked, self._before = whole - self._before, whole
        return asked

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


async def measure_ours(server: Server, domains: list[str]) -> list[tuple[float, float]]:
    """Return (seconds, questions) a domain, cold and again."""
    resolver, found = DnsResolver(("127.0.0.1", server.port), PATIENCE), []
    for _ in range(2):
        began = time.perf_counter()
        checks = await check_domains(
            resolver, domains, selectors=dict.fromkeys(domains, ("k1",)), relays=(RELAY,), budget=2 * PATIENCE
        )
        seconds = time.perf_counter() - began
        wrong = [one for one in checks if one.verdict not in ("ready", "degraded")]
        assert not wrong, f"{len(wrong)} domains were not read: {wrong[0]}"
        found.append((seconds / len(domains), server.questions() / len(domains)))
    return found


def measure_peer(python: Path, server: Server, domains: list[str]) -> list[tuple[float, float]]:
    """Return the same of checkdmarc, run by an interpreter of its own."""
    peer = subprocess.Popen([python, "-W", "ignore", "-c", PEER_PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            stderr=subprocess.DEVNULL, text=True)  # fmt: skip
    assert peer.stdin is not None and peer.stdout is not None
    asked = {"host": "127.0.0.1", "port": server.port, "domains": domains}
    peer.stdin.write(json.dumps(asked) + "\n")
    peer.stdin.flush()
    found = []
    for _ in range(2):
        seconds = float(peer.stdout.readline())
        found.append((seconds / len(domains), server.questions() / len(domains)))
        peer.stdin.write("\n")
        peer.stdin.flush()
    peer.wait()
    return found


def install_peer() -> Path:
    folder = ROOT / "out" / "bench" / "checkdmarc"
    python = folder / "bin" / "python"
    if not python.exists():
        print(f"installing {PEER} into {folder.relative_to(ROOT)} ...", flush=True)
        venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", PEER], check=True)
    return python


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--domains", type=int, default=1000)
    parser.add_argument("--peer-domains", type=int, default=100, help="fewer: it takes its time")
    parser.add_argument("--latency-ms", type=float, default=5.0)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.serve:
        asyncio.run(serve(chosen.domains, chosen.latency_ms / 1000))
        return
    python, domains = install_peer(), names(chosen.domains)
    server = Server(chosen.domains, chosen.latency_ms / 1000)
    try:
        ours = asyncio.run(measure_ours(server, domains))
        peer = measure_peer(python, server, domains[: chosen.peer_domains])
    finally:
        server.close()
    print(f"{chosen.domains} domains of ours, {chosen.peer_domains} of checkdmarc, {chosen.latency_ms:g} ms a question")
    for name, mine, theirs in zip(("cold", "again"), ours, peer, strict=True):
        print(
            f"{name:6} ours {mine[0] * 1000:7.1f} ms and {mine[1]:5.1f} questions a domain; checkdmarc "
            f"{theirs[0] * 1000:7.1f} ms and {theirs[1]:5.1f}; ours is {theirs[0] / mine[0]:.1f} times as fast"
        )


if __name__ == "__main__":
    main()
