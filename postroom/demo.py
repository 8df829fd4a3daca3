"""What does the whole job look like? Six weeks of it on loopback, in a minute, with real sockets and a stepped clock.

The sandbox's people answer; everything else is the production house. At the end: who owns what and why, who is never
mailed again, what was refused and why, and whether the audit log is whole.
"""

import asyncio
import csv
import logging
import shutil
import socket
import tempfile
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from rich.console import Group
from rich.live import Live
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from deliverability.resolver import DnsResolver
from postroom import demo_world, output
from postroom.clock import SteppedClock
from postroom.commands_ask import thread_rows
from postroom.commands_data import verify
from postroom.endpoint import make_server
from postroom.import_contacts import import_contacts
from postroom.intake import enroll_contacts
from postroom.opened import Opened, open_all
from postroom.wiring import House, build_house, pass_all
from sandbox.internet import Internet
from sandbox.people import Person, make_people
from store import contacts, domains, enrollments, mailboxes, messages, notices, sends, suppression
from store.vocabulary import EnrollmentState, SendState, VerdictLevel

START = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)  # a Monday
WEEKS = 6
STEP = timedelta(minutes=30)
QUIET_STEP = timedelta(hours=3)


async def play(seed: int, keep: Path | None) -> int:
    """Play the demo and return how many problems the audit found."""
    folder = (keep or Path(tempfile.mkdtemp(prefix="postroom-demo-"))).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    clock = SteppedClock(START)
    people = make_people(seed)
    internet = Internet(people, clock.now, seed)
    demo_world.open_mailboxes(internet)
    await internet.start()
    demo_world.publish(internet)
    web = socket.create_server(("127.0.0.1", 0))
    demo_world.write_config(folder, internet, f"http://127.0.0.1:{web.getsockname()[1]}/u")
    opened = open_all(folder / "config.toml")
    house = build_house(opened, clock, resolver=DnsResolver(internet.dns_address), jitter=demo_world.jitter(seed))
    endpoint = make_server(opened, clock)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)  # its greetings would stand between the tables
    serving = asyncio.create_task(endpoint.serve(sockets=[web]))
    try:
        fill(opened, people, folder, clock.now())
        with Live(console=output.console, refresh_per_second=8, transient=True) as live:
            await _weeks(opened, house, internet, clock, live)
        return show_results(opened, internet)
    finally:
        endpoint.should_exit = True
        await serving
        await house.close()
        await internet.close()
        opened.store.close()
        if keep is None:
            shutil.rmtree(folder, ignore_errors=True)
        else:
            output.console.print(f"Kept in {folder}; for example: postroom threads --config {folder}/config.toml")


def fill(opened: Opened, people: list[Person], folder: Path, now: datetime) -> None:
    """Import the contacts by CSV as a team would, then enroll them and activate both sequences."""
    path = folder / "contacts.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["email", "First Name", "last_name", "company", "country", "timezone", "language", "title",
                         "Lead Source", "legal_basis"])  # fmt: skip
        for number, one in enumerate(people):
            basis = "" if number == demo_world.WITHOUT_BASIS else "consent, form of January 2026"
            writer.writerow([one.email, one.first_name, one.last_name, one.company, one.country, one.zone, one.language,
                             one.role, one.source, basis])  # fmt: skip
        writer.writerow(["not an address", "Broken", "Row", "Nowhere", "GB", "", "en", "", "Apollo", ""])
    import_contacts(opened, path, folder / "contacts.errors.csv", now)
    opened.store.write_now(_own_accounts)
    for number, sequence in enumerate(opened.config.sequence):
        addresses = [one.email for index, one in enumerate(people) if index % 2 == number]
        enroll_contacts(opened, sequence.name, addresses, now)
        opened.store.write_now(enrollments.activate_sequence, sequence.name, actor=demo_world.MANAGER, now=now)


def _own_accounts(connection: Any) -> None:
    """Give a few accounts what a CRM would know: an owner, an open opportunity, a customer."""
    for domain, values in demo_world.ACCOUNTS.items():
        for account in contacts.accounts_by_domain(connection, domain):
            contacts.save_account(connection, {"id": account.id, **values})


async def _weeks(opened: Opened, house: House, internet: Internet, clock: SteppedClock, live: Live) -> None:
    end = START + timedelta(weeks=WEEKS)
    while clock.now() < end:
        await internet.pass_time(clock.now())
        await follow_clicks(internet)
        await pass_all(house, clock.now())
        live.update(view(opened, internet, clock.now()))
        clock.advance(_next_step(clock.now()))
    await internet.pass_time(clock.now())
    await pass_all(house, clock.now())


def _next_step(now: datetime) -> timedelta:
    busy = now.weekday() < 5 and 6 <= now.hour < 22
    return STEP if busy else QUIET_STEP


async def follow_clicks(internet: Internet) -> None:
    """Let the mail programs of those who pressed unsubscribe do their one-click POST (RFC 8058)."""
    if not internet.clicks:
        return
    async with httpx.AsyncClient(trust_env=False) as client:
        while internet.clicks:
            answer = await client.post(internet.clicks.pop(), data={"List-Unsubscribe": "One-Click"})
            answer.raise_for_status()


def view(opened: Opened, internet: Internet, now: datetime) -> Group:
    """Return the live picture of one moment."""
    day = (now - START).days + 1
    facts = opened.store.read_now(lambda connection: _facts(connection, opened, now))
    limits = Table("mailbox", "sent in 24 h", "limit", "domain", title="Sends against limits", title_justify="left")
    for row in facts["mailboxes"]:
        limits.add_row(*map(str, row))
    labels = "  ".join(f"{label} {number}" for label, number in sorted(facts["labels"].items())) or "none yet"
    last = Table("owner", "label", "contact", "why", title="Latest assignments", title_justify="left", expand=True)
    for row in facts["threads"][-6:]:
        last.add_row(row["owner"].partition("@")[0], str(row["label"]), row["contact"], row["reason"])
    head = f"Day {day:2d} of {WEEKS * 7}   {now:%A %d %B %Y %H:%M} UTC   letters out: {len(internet.accepted)}"
    return Group(Panel(head), limits, f"Arrivals: {labels}", last)


def _facts(connection: Any, opened: Opened, now: datetime) -> dict[str, Any]:
    from outbound.warmup import daily_limit

    sending = [one for one in opened.config.mailbox if one.smtp]
    loads = mailboxes.loads(connection, [one.address for one in sending], now)
    verdicts = domains.verdicts(connection)
    rows = []
    for one in sending:
        load = loads[one.address]
        verdict = verdicts.get(one.address.rpartition("@")[2], VerdictLevel.UNKNOWN)
        rows.append((one.address, load.sent_last_day, daily_limit(load, one.limit, now.date()), verdict))
    found = messages.labelled_since(connection, START)
    return {
        "mailboxes": rows,
        "labels": Counter(str(row["label"]) for row in found),
        "threads": thread_rows(connection),
    }


def show_results(opened: Opened, internet: Internet) -> int:
    """Print the end of the story and return how many problems the audit found."""
    store = opened.store
    output.console.print("\n[bold]Who owns what, and why[/]")
    for row in store.read_now(thread_rows):
        output.console.print(_owner_lines(opened, row))
    ledger = Table("who", "reason", "source", "since", title="Never mailed again", title_justify="left")
    for entry in store.read_now(suppression.entries):
        ledger.add_row(entry.value, entry.reason, entry.source, f"{entry.created_at:%d %b %Y}")
    output.console.print(ledger)
    refused = Table("contact", "sequence", "state", "reason", title="Refused or ended early", title_justify="left")
    for cells in store.read_now(_ended):
        refused.add_row(*cells)
    output.console.print(refused)
    problems = store.read_now(verify)
    output.console.print(_summary(opened, internet))
    output.console.print("audit verify: the log is whole" if not problems else "\n".join(problems))
    return len(problems)


def _owner_lines(opened: Opened, row: dict[str, Any]) -> Padding:
    """Return one thread as two lines that fit any terminal: what came, and whose it is with the reason."""
    names = [person.title if (person := opened.config.team.find(row[key])) else "" for key in ("owner", "acting")]
    owner = names[0] if names[0] == names[1] else f"{names[0]} (now with {names[1]})"
    head = Text.assemble(
        f"{row['thread']:>3}  ", (f"{row['label'] or 'no label':<15}", "cyan"), row["contact"], "  ", (owner, "bold")
    )
    return Padding(Group(head, Padding(Text(row["reason"], style="dim"), (0, 0, 0, 5))), 0)


def _ended(connection: Any) -> list[tuple[str, str, str, str]]:
    early = (EnrollmentState.FAILED, EnrollmentState.STOPPED, EnrollmentState.OPTED_OUT, EnrollmentState.BOUNCED)
    rows = []
    for contact in contacts.all_contacts(connection):
        for one in enrollments.enrollments_of(connection, [contact.id]):
            waiting = one.state == EnrollmentState.ACTIVE and not sends.find_sent(connection, contact_id=[contact.id])
            if one.state in early:
                rows.append((contact.email, one.sequence, str(one.state), one.end_reason))
            elif waiting:
                rows.append(
                    (contact.email, one.sequence, "waiting", "its mailbox's domain is blocked or limits hold it")
                )
    return rows


def _summary(opened: Opened, internet: Internet) -> str:
    def read(connection: Any) -> str:
        states = Counter(row["state"] for row in sends.all_sends(connection))
        blocked = [name for name, verdict in domains.verdicts(connection).items() if verdict == VerdictLevel.BLOCKED]
        told = notices.counts(connection)
        return (
            f"{states[SendState.SENT]} letters sent, {len(internet.accepted)} taken by the recipients' servers, "
            f"{messages.counts_by_stage(connection).get('done', 0)} arrivals understood, "
            f"{told.get('sent', 0)} notifications delivered; "
            f"blocked domains: {', '.join(blocked) or 'none'}"
        )

    return opened.store.read_now(read)
