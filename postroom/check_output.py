"""How does a domain check look in a terminal? The verdict first, then what to do, gravest first, then what is well."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from deliverability.demands import SOURCES, shortened

COLOURS = {"ready": "green", "degraded": "yellow", "blocked": "red", "unknown": "magenta"}
MEANING = {
    "ready": "may send",
    "degraded": "follow-ups only, no openers, until the warnings are gone",
    "blocked": "may not send",
    "unknown": "the DNS gave no answer: nothing is known now, and the last verdict stays",
}
#: Severity, its mark, its colour; in the order of the page.
MARKS = (("error", "x", "red"), ("temporary", "?", "magenta"), ("warning", "!", "yellow"), ("info", "i", "blue"),
         ("ok", "+", "green"))  # fmt: skip
INDENT = 4
_PUBLISH = re.compile(r'Publish (?:only |at \S+ )?"')  # the record itself has a line of its own
BESIDE = ("-absent",)  # optional things that are not there share one line


def render(row: Mapping[str, Any]) -> RenderableType:
    """Return one domain's check for people."""
    verdict = str(row["verdict"])
    head = Text.assemble(
        (str(row["domain"]), "bold"), "  ", (verdict.upper(), f"bold {COLOURS[verdict]}"), f"  {MEANING[verdict]}"
    )
    if last := row.get("last_verdict"):
        head.append(f"\n    last verdict {last.upper()}, {age(row['last_seconds'])} old ({row['last_decided_at']})")
    told = [one for one in row["findings"] if not one["slug"].endswith(BESIDE)]
    absent = [one["slug"].removesuffix("-absent") for one in row["findings"] if one not in told]
    body = [part for severity, mark, colour in MARKS for part in _findings(told, severity, mark, colour)]
    if absent:
        body.append(_line("-", "dim", "", f"optional and not published: {', '.join(absent)}"))
    return Group(head, *body, Text(""))


def age(seconds: float) -> str:
    """Return a span in its largest whole unit."""
    for unit, length in (("day", 86_400), ("hour", 3600), ("minute", 60)):
        if number := int(seconds // length):
            return f"{number} {unit}{'s' if number > 1 else ''}"
    return "less than a minute"


def render_sources(rows: Sequence[Mapping[str, Any]]) -> RenderableType:
    """Return where the demands stand that were named, each once."""
    rules = " ".join(one["rule"] for row in rows for one in row["findings"] if one["severity"] not in ("ok", "info"))
    return Group(*(Text(source, style="dim") for source in SOURCES if source in rules))


def _findings(findings: Sequence[Mapping[str, Any]], severity: str, mark: str, colour: str) -> Iterator[RenderableType]:
    for finding in findings:
        if finding["severity"] == severity:
            yield _line(mark, colour, finding["slug"], finding["found"])
            yield from _advice(finding, brief=severity in ("info", "ok"))


def _line(mark: str, colour: str, slug: str, said: str) -> RenderableType:
    row = Table.grid(padding=(0, 1))
    row.add_column(width=3, justify="right")
    row.add_column(overflow="fold")
    row.add_row(Text(mark, f"bold {colour}"), Text.assemble((slug, colour), "  " if slug else "", said))
    return row


def _advice(finding: Mapping[str, Any], *, brief: bool) -> Iterator[RenderableType]:
    said = _PUBLISH.split(finding["advice"])[0] if finding["publish"] else finding["advice"]
    if said.strip():
        yield Padding(Text(said.strip()), (0, 0, 0, INDENT))
    if finding["publish"]:
        record = Text.assemble(("publish  ", "bold"), (finding["publish"], "cyan"), overflow="fold")
        yield Padding(record, (0, 0, 0, INDENT))
    if finding["rule"] and not brief:
        yield Padding(Text(f"rule  {shortened(finding['rule'])}", style="dim"), (0, 0, 0, INDENT))


def render_spf(row: Mapping[str, Any]) -> RenderableType:
    """Return an SPF evaluation for people: every term tried, then the result."""
    steps = [Text(f"  {step['domain']}  {step['term']}  -> {step['outcome']}") for step in row["trace"]]
    colour = {"pass": "green", "fail": "red"}.get(row["result"], "yellow")
    why = row["explanation"] or row["reason"]
    head = Text.assemble((str(row["result"]), f"bold {colour}"), f"  {row['lookups']} of 10 lookups", f"  {why}")
    return Group(*steps, head)
