"""Commands that only ask: status, threads, explain, sends, report."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from postroom import domain_figures, output, report
from postroom.cli import ConfigOption, JsonOption, app
from postroom.config import find_config
from postroom.opened import open_all
from store import calendars, contacts, domains, enrollments, mailboxes, messages, notices, schema, sends, threads


@app.command(name="threads")
def list_threads(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List conversations with their owner and the reason."""
    opened = open_all(find_config(config))
    rows = opened.store.read_now(thread_rows)
    columns = ("thread", "contact", "account", "label", "owner", "acting", "state", "sla_due_at", "reason")
    output.print_rows(rows, as_json=as_json, columns=columns)


def thread_rows(connection: Any) -> list[dict[str, Any]]:
    """Return every thread as people and scripts read it, oldest first."""
    found, rows = threads.find(connection), []
    people = contacts.contacts_by_id(connection, [one.contact_id for one in found if one.contact_id])
    accounts = contacts.accounts_by_id(connection, [one.account_id for one in found if one.account_id])
    for thread in reversed(found):
        contact = people.get(thread.contact_id) if thread.contact_id else None
        account = accounts.get(thread.account_id) if thread.account_id else None
        rows.append(
            {
                "thread": thread.id,
                "contact": contact.email if contact else "",
                "account": (account.name or account.domain) if account else "",
                "sequence": thread.sequence,
                "label": thread.label,
                "owner": thread.owner,
                "acting": thread.acting,
                "rule": thread.rule,
                "reason": thread.reason,
                "state": thread.state,
                "sla_due_at": thread.sla_due_at,
            }
        )
    return rows


@app.command(name="sends")
def list_sends(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List the send ledger."""
    opened = open_all(find_config(config))
    columns = ("at", "mailbox", "contact", "sequence", "step", "state", "reason", "reply")
    output.print_rows(opened.store.read_now(send_rows), as_json=as_json, columns=columns)


def send_rows(connection: Any) -> list[dict[str, Any]]:
    """Return the send ledger as people and scripts read it."""
    replies = messages.labels_by_send(connection)
    return [
        {
            "message_id": row["message_id"],
            "mailbox": row["mailbox"],
            "contact": row["recipient"],
            "sequence": row["sequence"],
            "step": row["step"] + 1,
            "variant": row["variant"],
            "state": row["state"],
            "at": row["sent_at"] or row["claimed_at"] or row["planned_at"],
            "reply": replies.get(row["id"]),
            "reason": row["reason"],
        }
        for row in sends.all_sends(connection)
    ]


@app.command()
def status(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show mailboxes, domains, backlog and what is held; exit 1 when something is held or blocked."""
    opened = open_all(find_config(config))
    now = datetime.now(UTC)
    row = opened.store.read_now(lambda connection: status_row(connection, opened.config, now))
    if as_json:
        output.print_rows([row], as_json=True, columns=())
    else:
        if row["hold"]:
            output.console.print(f"[red]database on hold: {row['hold']}[/]; `postroom hold release` lets it send")
        columns = ("mailbox", "state", "sent_today", "limit_today", "next_send", "last_poll", "backlog", "reason")
        output.print_rows(row["mailboxes"], as_json=False, columns=columns)
        output.print_rows(row["domains"], as_json=False, columns=("domain", "verdict", "decided_at", "checked_at"))
        for one in row["calendars"]:
            if one["error"]:
                since = f"last good copy of {one['read_at']:%d %b %Y %H:%M}" if one["read_at"] else "never read"
                output.console.print(f"calendar of {one['person']} ({since}): {one['error']}", markup=False)
        output.console.print(f"messages: {row['messages'] or 'none'}; notices: {row['notices'] or 'none'}")
    bad = any(one["state"] == "held" for one in row["mailboxes"]) or any(
        one["verdict"] == "blocked" for one in row["domains"]
    )
    if bad or row["hold"]:
        raise typer.Exit(1)


def status_row(connection: Any, config: Any, now: datetime) -> dict[str, Any]:
    """Return the whole status as one object."""
    from outbound.warmup import daily_limit

    addresses = [one.address for one in config.mailbox]
    loads, states = mailboxes.loads(connection, addresses, now), mailboxes.states(connection)
    counts = messages.counts_by_stage(connection)
    backlog = messages.waiting_by_mailbox(connection)
    rows = []
    for one in config.mailbox:
        state, load = states.get(one.address, {}), loads[one.address]
        gap = one.limit.gap if load.last_sent_at else timedelta()
        rows.append(
            {
                "mailbox": one.address,
                "state": state.get("state", "active"),
                "reason": state.get("reason", ""),
                "sent_today": load.sent_last_day,
                "limit_today": daily_limit(load, one.limit, now.date()) if one.smtp else 0,
                "next_send": max(load.last_sent_at + gap, now) if load.last_sent_at else now,
                "last_poll": state.get("polled_at"),
                "backlog": backlog.get(one.address, 0),
            }
        )
    return {
        "at": now,
        "hold": schema.hold_reason(connection),
        "mailboxes": rows,
        "domains": [
            {key: one["name" if key == "domain" else key] for key in ("domain", "verdict", "decided_at", "checked_at")}
            for one in domains.details(connection)
        ],
        "sequences": {name: {"active": active, "reason": reason}
                      for name, (active, reason) in enrollments.sequence_states(connection).items()},
        "messages": counts,
        "notices": notices.counts(connection),
        "calendars": [{"person": one.person, "read_at": one.read_at, "failing": one.failures > 0, "error": one.error}
                      for one in calendars.states(connection).values()],
    }  # fmt: skip


@app.command(name="report")
def print_report(
    config: ConfigOption = None,
    since: Annotated[datetime | None, typer.Option(help="only from this day on")] = None,
    by: Annotated[str, typer.Option(help="sequence, step, variant, mailbox, owner, domain or source")] = "sequence",
    as_json: JsonOption = False,
) -> None:
    """Show the figures, each with its definition."""
    groups = (*report.GROUPS, *report.REPORTED)
    if by not in groups:
        raise typer.BadParameter(f'"{by}" is no group: {", ".join(groups)}')
    opened = open_all(find_config(config))
    start = since.replace(tzinfo=UTC) if since else datetime(1970, 1, 1, tzinfo=UTC)
    rows = opened.store.read_now(lambda connection: report.rows(connection, by, start)) if by in report.GROUPS else []
    if by == "source" and not as_json:
        found = opened.store.read_now(domain_figures.table, start)
        columns = ("kind", "domain", "source", "messages", "share", "stopped", "last", "why")
        output.print_rows(found, as_json=False, columns=columns, title="who sends as us; share: passed of messages")
        return
    reported = by if by in report.REPORTED else "domain"
    rows += opened.store.read_now(lambda connection: domain_figures.rows(connection, reported, start))
    output.print_rows(rows, as_json=as_json, columns=("group", "figure", "value", "definition"))
