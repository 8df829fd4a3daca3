"""Real Postfix and Dovecot on free loopback ports, with TLS, submission with AUTH, LMTP delivery and IMAPS."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

DOVECOT, POSTFIX = Path("/usr/sbin/dovecot"), Path("/usr/sbin/postfix")
PATIENCE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class MailSite:
    """Where the servers listen and where mail lands."""

    submission: int  #: STARTTLS and AUTH
    incoming: int  #: what the outside world talks to
    imaps: int
    ca_file: Path
    mail: Path

    def inbox(self, address: str) -> list[bytes]:
        """Return the messages in somebody's INBOX."""
        folder = self.mail / address / "Maildir"
        return [path.read_bytes() for kind in ("new", "cur") for path in sorted((folder / kind).glob("*"))]

    def wait_for(self, address: str, number: int) -> list[bytes]:
        """Wait until an INBOX holds so many messages and return them."""
        wait_until(lambda: len(self.inbox(address)) >= number, f"{number} messages for {address}")
        return self.inbox(address)


def wait_until(condition, what: str) -> None:  # type: ignore[no-untyped-def]
    """Wait for something that real servers do in their own time; fails loudly."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {PATIENCE_SECONDS:.0f} s in vain for {what}")
        time.sleep(0.1)


def free_port() -> int:
    """Return a port of 127.0.0.1 that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def require_servers(*needed: Path) -> None:
    """Skip where Debian's servers are missing or we may not start them; in CI they must be there."""
    missing = [str(path) for path in needed if not path.exists()]
    reason = (
        f"not installed: {', '.join(missing)}"
        if missing
        else ""
        if os.geteuid() == 0
        else "needs root to start Postfix"
    )
    if reason and os.environ.get("CI"):
        pytest.fail(reason)
    if reason:
        pytest.skip(reason)


@contextmanager
def dovecot_site(password: str) -> Iterator[MailSite]:
    """Run Dovecot alone; every address exists and logs in with the one password."""
    require_servers(DOVECOT)
    base = Path(tempfile.mkdtemp(prefix="pr-"))
    base.chmod(0o755)
    ports = {name: free_port() for name in ("imaps", "lmtp", "auth")}
    _prepare(base, ports, password)
    dovecot = subprocess.Popen([DOVECOT, "-F", "-c", base / "dovecot.conf"])
    try:
        wait_until(lambda: _listens(ports["imaps"]), f"imaps on port {ports['imaps']}")
        yield MailSite(0, 0, ports["imaps"], base / "ca.pem", base / "mail")
    finally:
        dovecot.terminate()
        dovecot.wait(30)
        shutil.rmtree(base, ignore_errors=True)


def _prepare(base: Path, ports: dict[str, int], password: str) -> None:
    """Write certificates, the mail folder and Dovecot's configuration."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(base / "ca.pem")
    authority.issue_cert("localhost", "127.0.0.1").private_key_and_cert_chain_pem.write_to_path(base / "server.pem")
    (base / "mail").mkdir()
    shutil.chown(base / "mail", "mail", "mail")
    (base / "dovecot.conf").write_text(_dovecot(base, ports, password), encoding="utf-8")


@contextmanager
def mail_site(domains: tuple[str, ...], password: str) -> Iterator[MailSite]:
    """Run Dovecot and Postfix for these domains; every address exists and logs in with the one password."""
    require_servers(DOVECOT, POSTFIX)
    base = Path(tempfile.mkdtemp(prefix="pr-"))  # short: socket paths are limited
    base.chmod(0o755)
    ports = {name: free_port() for name in ("submission", "incoming", "imaps", "lmtp", "auth")}
    _prepare(base, ports, password)
    _write_postfix(base, ports, domains)
    dovecot = subprocess.Popen([DOVECOT, "-F", "-c", base / "dovecot.conf"])
    postfix = subprocess.Popen([POSTFIX, "-c", base / "postfix", "start-fg"], stdout=subprocess.DEVNULL)
    try:
        for name in ("imaps", "lmtp", "submission", "incoming"):
            wait_until(lambda name=name: _listens(ports[name]), f"{name} on port {ports[name]}")
        yield MailSite(ports["submission"], ports["incoming"], ports["imaps"], base / "ca.pem", base / "mail")
    finally:
        subprocess.run([POSTFIX, "-c", base / "postfix", "stop"], check=False, capture_output=True)
        for process in (postfix, dovecot):
            process.terminate()
            process.wait(30)
        shutil.rmtree(base, ignore_errors=True)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _dovecot(base: Path, ports: dict[str, int], password: str) -> str:
    return f"""
base_dir = {base}/d
log_path = {base}/dovecot.log
protocols = imap lmtp
listen = 127.0.0.1
ssl = required
ssl_cert = <{base}/server.pem
ssl_key = <{base}/server.pem
auth_mechanisms = plain login
mail_location = maildir:~/Maildir
first_valid_uid = 1
mail_max_userip_connections = 100
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid=mail gid=mail home={base}/mail/%u allow_all_users=yes
}}
namespace inbox {{
  inbox = yes
  mailbox Junk {{
    auto = create
  }}
  mailbox Sent {{
    auto = create
  }}
}}
service imap-login {{
  inet_listener imap {{
    port = 0
  }}
  inet_listener imaps {{
    port = {ports["imaps"]}
    ssl = yes
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {ports["lmtp"]}
  }}
}}
service auth {{
  inet_listener auth {{
    address = 127.0.0.1
    port = {ports["auth"]}
  }}
}}
service stats {{
  unix_listener stats-writer {{
    mode = 0666
  }}
}}
"""


def _write_postfix(base: Path, ports: dict[str, int], domains: tuple[str, ...]) -> None:
    folder, queue, state = base / "postfix", base / "queue", base / "state"
    for path in (folder, queue, state):
        path.mkdir()
    shutil.chown(state, "postfix", "postfix")
    (folder / "main.cf").write_text(f"""
compatibility_level = 3.6
queue_directory = {queue}
data_directory = {state}
maillog_file = {base}/postfix.log
maillog_file_prefixes = {base}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = localhost
mydestination =
alias_maps =
alias_database =
virtual_mailbox_domains = {" ".join(domains)}
virtual_mailbox_maps =
virtual_transport = lmtp:inet:127.0.0.1:{ports["lmtp"]}
smtpd_tls_cert_file = {base}/server.pem
smtpd_tls_key_file = {base}/server.pem
smtpd_relay_restrictions = permit_sasl_authenticated reject_unauth_destination
smtpd_recipient_restrictions =
smtpd_sasl_type = dovecot
smtpd_sasl_path = inet:127.0.0.1:{ports["auth"]}
smtp_dns_support_level = disabled
recipient_delimiter = +
""", encoding="utf-8")  # fmt: skip
    strict = "-o smtpd_tls_security_level=encrypt -o smtpd_sasl_auth_enable=yes -o smtpd_tls_auth_only=yes"
    lines = [
        f"127.0.0.1:{ports['submission']} inet n - n - - smtpd {strict}",
        f"127.0.0.1:{ports['incoming']} inet n - n - - smtpd -o smtpd_tls_security_level=may",
        "pickup unix n - n 60 1 pickup", "cleanup unix n - n - 0 cleanup", "qmgr unix n - n 300 1 qmgr",
        "tlsmgr unix - - n 1000? 1 tlsmgr", "rewrite unix - - n - - trivial-rewrite", "bounce unix - - n - 0 bounce",
        "defer unix - - n - 0 bounce", "trace unix - - n - 0 bounce", "verify unix - - n - 1 verify",
        "flush unix n - n 1000? 0 flush", "proxymap unix - - n - - proxymap", "smtp unix - - n - - smtp",
        "relay unix - - n - - smtp", "showq unix n - n - - showq", "error unix - - n - - error",
        "retry unix - - n - - error", "discard unix - - n - - discard", "lmtp unix - - n - - lmtp",
        "anvil unix - - n - 1 anvil", "scache unix - - n - 1 scache", "postlog unix-dgram n - n - 1 postlogd",
    ]  # fmt: skip
    (folder / "master.cf").write_text("\n".join(lines) + "\n", encoding="utf-8")
