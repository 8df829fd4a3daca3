"""How does our mail arrive? SHELL of `postroom check --live`: a letter from each mailbox of ours to another."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from deliverability.live_probe import assess_probe
from postroom import output
from postroom.clock import SystemClock
from postroom.opened import open_all
from postroom.wiring import House, build_house
from store import probes
from store.database import Store
from store.vocabulary import ProbeState

WAIT = timedelta(minutes=2)  # for the copies
LOOK_SECONDS = 2.0
NOT_KNOWN = 3  # exit status: a copy is still on its way


def run_live(path: Path, *, as_json: bool, wait: timedelta = WAIT) -> int:
    """Send and read probes, print them, return the exit status: 1 for a fault, 3 for a copy not seen yet."""
    opened = open_all(path)
    house = build_house(opened, SystemClock())
    rows = asyncio.run(_probe(house, opened.store, wait))
    if as_json:
        output.print_rows(rows, as_json=True, columns=())
    else:
        for row in rows:
            output.console.print(render(row))
    if any(row["faults"] or row["reason"] for row in rows) or not rows:
        return 1
    return NOT_KNOWN if any(row["state"] == ProbeState.CLAIMED for row in rows) else 0


async def _probe(house: House, store: Store, wait: timedelta) -> list[dict[str, Any]]:
    clock = SystemClock()
    try:
        await house.domains.run_pass(clock.now())  # a domain without a verdict sends nothing
        for poller in house.pollers.values():
            await poller.run_pass(clock.now())
        refusals = {box: await house.probes.send(box, clock.now()) for box in house.probes.senders()}
        give_up_at = clock.now() + wait
        while (going := await store.read(probes.waiting)) and clock.now() < give_up_at:
            await asyncio.sleep(LOOK_SECONDS)
            for recipient in {one["recipient"] for one in going}:
                await house.pollers[recipient].run_pass(clock.now())
            await house.probes.look(clock.now())
        return [await store.read(_row, mailbox, reason) for mailbox, reason in refusals.items()]
    finally:
        await house.close()


def _row(connection: Any, mailbox: str, reason: str) -> dict[str, Any]:
    """Return a mailbox's last probe as the object that scripts read."""
    probe = next((one for one in probes.waiting(connection) if one["mailbox"] == mailbox), None)
    probe = probe or next(iter(probes.history(connection, mailbox, 1)), None)
    if reason or probe is None:
        return {"mailbox": mailbox, "recipient": "", "state": "", "reason": reason, "faults": [], "findings": [],
                "trend": probes.trend(connection, mailbox)}  # fmt: skip
    found = f"{mailbox} -> {probe['recipient']}: {probe['answer'] or probe['folder']}"
    findings = [
        {"slug": one.slug, "severity": one.severity, "found": one.found, "advice": one.advice}
        for one in assess_probe(probe["faults"], found)
    ]
    kept = {key: probe[key] for key in ("mailbox", "recipient", "state", "folder", "seconds", "faults")}
    return {**kept, **probe["facts"], "reason": "", "findings": findings, "trend": probes.trend(connection, mailbox)}


def render(row: Mapping[str, Any]) -> RenderableType:
    """Return one probe for people."""
    head = Text.assemble((row["mailbox"], "bold"), f" -> {row['recipient'] or 'nobody'}  ")
    lines: list[RenderableType] = [head]
    if row["reason"]:
        head.append(f"NOT SENT  {row['reason']}", "bold red")
    elif row["state"] == ProbeState.DELIVERED:
        fine = not row["faults"]
        head.append(f"{row['folder']} after {row['seconds']:.0f} s", "bold green" if fine else "bold yellow")
        signed = f" ({row['signer']}, selector {row['selector']})" if row["signer"] else ""
        covered = "signed" if row["one_click"] == "True" else "not signed"
        words = f"spf {row['spf']}, dkim {row['dkim']}{signed}, dmarc {row['dmarc']}, one-click headers {covered}"
        lines.append(Text(f"    {words}; {_source(row['said_by'])}"))
        if row["rewritten"]:
            lines.append(Text(f"    the provider rewrote the Message-ID: {row['rewritten']}"))
    else:
        head.append(
            "still on its way" if row["state"] == ProbeState.CLAIMED else str(row["state"]).upper(), "bold yellow"
        )
    lines += _findings(row["findings"])
    trend = row["trend"]
    if trend["probes"] > 1:
        median = f", median {trend['seconds']:g} s" if trend["seconds"] is not None else ""
        lines.append(Text(f"    last {trend['probes']}: {trend['clean']} without fault{median}", style="dim"))
    return Group(*lines, Text(""))


def _source(said_by: str) -> str:
    return said_by if said_by == "verified here" else f"said by {said_by}"


def _findings(findings: Sequence[Mapping[str, Any]]) -> list[RenderableType]:
    return [Text.assemble(("  ! ", "bold yellow"), (one["slug"], "yellow"), f"  {one['advice']}") for one in findings]
