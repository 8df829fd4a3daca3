"""Who plays in the demo: the mailboxes, the team, the sequences, the rules, and what the DNS says."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from postroom.keys import write_private
from sandbox.internet import Internet
from store.vocabulary import AccountStage

GOOD, BROKEN = "outreach.test", "mailing.test"
MANAGER = "ines@team.test"
SALES_ALIAS = f"sales@{GOOD}"
PASSWORD = "sandbox-only"  # noqa: S105 - for loopback servers that live a minute
WITHOUT_BASIS = 12  # the number of the contact that lacks a legal basis
MAILBOXES = ((f"maya@{GOOD}", "Maya Stone"), (f"jon@{GOOD}", "Jon Field"), (f"team@{BROKEN}", "The team"))
ACCOUNTS: dict[str, dict[str, Any]] = {
    "harbourfreight.example": {"owner": "maya@team.test"},
    "northgate.example": {
        "owner": "jon@team.test",
        "stage": AccountStage.OPPORTUNITY,
        "opportunity_owner": "ann@team.test",
    },
    "mb-kehl.example": {"owner": "ann@team.test"},
    "copperline.example": {"stage": AccountStage.CUSTOMER, "owner": "ann@team.test"},
    "saint-aubert.example": {"stage": AccountStage.COMPETITOR},
}
TEAM = (
    ("maya@team.test", "Maya Stone", "sdr", "Europe/Berlin", "jon@team.test", 'languages = ["de"]\ncountries = ["DE", "AT", "CH"]'),
    ("jon@team.test", "Jon Field", "sdr", "Europe/London", "maya@team.test", 'languages = ["en"]\ncountries = ["GB", "IE", "US"]'),
    ("ann@team.test", "Ann Keller", "ae", "Europe/Berlin", "ines@team.test",
     'absences = [{ from = 2026-03-16, to = 2026-03-27 }]'),
    (MANAGER, "Ines Berg", "manager", "Europe/Berlin", "", ""),
    ("carl@team.test", "Carl Roth", "compliance", "Europe/Berlin", MANAGER, ""),
)  # fmt: skip
STEPS = {
    "demo-midmarket": (
        ("0m", "{Quick question|A question} about replies at {{ company }}",
         "Hi {{ first_name | default('there') }},\n\nwho at {{ company }} answers the replies to your outbound mail? We put each "
         "one on exactly one desk, with the reason.\n\nWorth a look?"),
        ("3 business days", "", "Hi {{ first_name }},\n\ndid my note reach the right person at {{ company }}?"),
        ("5 business days", "", "Hi {{ first_name }},\n\nI will not follow up again after this one. Is it worth a short call?"),
    ),
    "event-followup": (
        ("0m", "After the conference, {{ first_name }}",
         "Hi {{ first_name }},\n\nwe met people from {{ company }} at the conference. Shall I send the checklist we spoke of?"),
        ("2 business days", "", "Hi {{ first_name }},\n\nthe checklist is one page. Shall I send it?"),
        ("4 business days", "", "Hi {{ first_name }},\n\nlast note from me: the checklist stays yours for the asking."),
    ),
}  # fmt: skip


def open_mailboxes(internet: Internet) -> None:
    """Open the mailboxes of the sending domains and of the team."""
    for address, _ in MAILBOXES:
        internet.add_account(address, PASSWORD, [SALES_ALIAS] if address == MAILBOXES[0][0] else [])
    for address, *_ in TEAM:
        internet.add_account(address, PASSWORD)


def publish(internet: Internet) -> None:
    """Publish the DNS: one domain in order, one with a broken DMARC record."""
    internet.add_ready_domain(GOOD)
    internet.add_ready_domain(BROKEN, dmarc="v=DMARC1 p=reject rua=mailto:dmarc@{domain}")


def jitter(seed: int) -> Callable[[str], float]:
    """Return a jitter in [0, 1) that depends on seed and key alone."""
    return lambda key: int.from_bytes(hashlib.blake2b(f"{seed}|{key}".encode(), digest_size=4).digest(), "big") / 2**32


def write_config(folder: Path, internet: Internet, unsubscribe_url: str) -> None:
    """Write the demo's config.toml and secret."""
    secret = folder / "postroom.secret"
    if not secret.exists():
        write_private(secret, b"the sandbox secret is not secret at all")
    password = folder / "mail.password"
    if not password.exists():
        write_private(password, PASSWORD.encode())
    (folder / "config.toml").write_text(_config(folder, internet, unsubscribe_url), encoding="utf-8")


def _config(folder: Path, internet: Internet, unsubscribe_url: str) -> str:
    host, port = internet.dns_address
    parts = [
        f'[postroom]\nsecret = {{ file = "{folder / "postroom.secret"}" }}\n',
        f'[store]\nurl = "sqlite:///{folder / "postroom.db"}"\n',
        '[company]\nname = "Sandbox Ltd"\npostal_address = "Sandbox Ltd, 1 Loopback Lane, Hostville"\n'
        f'unsubscribe_url = "{unsubscribe_url}"\n',
        f'[deliverability]\nresolver = "{host}:{port}"\nrelays = ["127.0.0.1"]\nselectors = ["sandbox"]\n',
        '[ownership]\nnotify_from = "maya@outreach.test"\n',
    ]
    for address, name in MAILBOXES:
        login = f'password = {{ file = "{folder / "mail.password"}" }}'
        alias = f'aliases = ["{SALES_ALIAS}"]\n' if address == MAILBOXES[0][0] else ""
        parts.append(
            f'[[mailbox]]\naddress = "{address}"\nname = "{name}"\n{alias}{login}\n'
            f'smtp = {{ host = "127.0.0.1", port = {internet.smtp_port}, security = "none" }}\n'
            f'imap = {{ host = "127.0.0.1", port = {internet.imap_port}, security = "none", folders = ["INBOX"] }}\n'
            'limit = { per_day = "12/day", gap = "20m", jitter = "10m", ramp = { start = 5, add = 2 } }\n'
        )
    owners = {
        "demo-midmarket": ("maya@team.test", "jon@team.test"),
        "event-followup": ("jon@team.test", "maya@team.test"),
    }
    for name, steps in STEPS.items():
        owner, backup = owners[name]
        mailboxes = ", ".join(f'"{address}"' for address, _ in MAILBOXES)
        parts.append(
            f'[[sequence]]\nname = "{name}"\nowner = "{owner}"\nbackup = "{backup}"\nmailboxes = [{mailboxes}]\n'
            'window = { hours = "08:30-17:00", days = "mon-fri", zone = "Europe/Berlin" }\n'
        )
        for delay, subject, body in steps:
            head = f'subject = "{subject}"\n' if subject else ""
            parts.append(f'[[sequence.step]]\ndelay = "{delay}"\n{head}body = """{body}"""\n')
    parts.append(f'[team]\ntriage = "{MANAGER}"\ncompliance = "carl@team.test"\nescalation = "{MANAGER}"\n')
    for email, name, role, zone, backup, more in TEAM:
        helper = f'backup = "{backup}"\n' if backup else ""
        parts.append(
            f'[[team.person]]\nemail = "{email}"\nname = "{name}"\nrole = "{role}"\nzone = "{zone}"\n{helper}{more}\n'
        )
    return "\n".join(parts)
