"""What does a first configuration look like?"""

import secrets
from collections.abc import Iterator
from pathlib import Path

from postroom.keys import write_private

CONFIG = """\
# postroom: the configuration. `postroom config check` names every error with its path.

[postroom]
secret = { file = "postroom.secret" }    # made by `postroom init`; never change it, back it up

[store]
url = "sqlite:///postroom.db"            # or postgresql://postroom@db.example.com/postroom

[company]
name = "Example Ltd"
postal_address = "Example Ltd, 1 Example Street, Exampletown"
unsubscribe_url = "https://unsubscribe.example.com/u"

[[mailbox]]
address = "maya@outreach.example.com"
name = "Maya Stone"
password = { credential = "maya" }       # or { env = "MAYA_PASSWORD" } or { file = "maya.password" }
smtp = { host = "smtp.example.com", port = 465, security = "tls" }
imap = { host = "imap.example.com", port = 993, security = "tls", folders = ["INBOX", "Junk"], sent = "Sent" }
limit = { per_day = "40/day", gap = "3m", jitter = "2m", ramp = { start = 5, add = 2 } }

[[sequence]]
name = "demo-midmarket"
owner = "maya@example.com"
backup = "jon@example.com"
mailboxes = ["maya@outreach.example.com"]
window = { hours = "09:00-17:00", days = "mon-fri", zone = "Europe/Berlin" }

[[sequence.step]]
delay = "0m"
subject = "{Quick question|A question} about replies at {{company}}"
body = '''
Hi {{first_name | default("there")}},

who at {{company}} answers the replies to your outbound mail?

Maya
'''

[[sequence.step]]
delay = "3 business days"
body = "Hi {{first_name | default('there')}},\\n\\ndid my note reach the right person?\\n\\nMaya"

[team]
triage = "ines@example.com"
compliance = "carl@example.com"
escalation = "ines@example.com"

[[team.person]]
email = "maya@example.com"
name = "Maya Stone"
role = "sdr"
zone = "Europe/Berlin"
backup = "jon@example.com"

[[team.person]]
email = "jon@example.com"
name = "Jon Field"
role = "sdr"
zone = "Europe/London"
backup = "maya@example.com"

[[team.person]]
email = "ines@example.com"
name = "Ines Berg"
role = "manager"

[[team.person]]
email = "carl@example.com"
name = "Carl Roth"
role = "compliance"

# Without rules the default order holds: open opportunity, account owner, parent's owner, contact's owner, earlier
# owner, sequence owner, territory, language, triage. Your own rules replace it; the first match wins.
# [[ownership.rule]]
# name = "security reviews"
# when = { words = ["SOC 2", "ISO 27001", "security review"] }
# to = "ines@example.com"
# override = true
# pin = true
"""


def write_starter(folder: Path) -> Iterator[str]:
    """Write config.toml and postroom.secret where they do not exist; yields a line a step."""
    folder.mkdir(parents=True, exist_ok=True)
    path, secret = folder / "config.toml", folder / "postroom.secret"
    if path.exists():
        yield f"{path} exists already: left as it is"
    else:
        path.write_text(CONFIG, encoding="utf-8")
        yield f"{path} written: fill in your mailboxes and people"
    if not secret.exists():
        write_private(secret, secrets.token_urlsafe(48).encode())
        yield f"{secret} written: back it up, it can never be changed"
    yield "next: postroom config check; postroom check YOUR-DOMAIN; postroom import contacts FILE.csv"
