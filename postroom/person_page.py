"""What does one page show about an address? Everything that is held, table by table, to read or to print."""

import html
import json
from typing import Any

from postroom.output import to_json

HEAD = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>
body{{font:15px sans-serif;max-width:70em;margin:2em auto;padding:0 1em}}h2{{margin-top:2em}}
table{{border-collapse:collapse;margin:.5em 0 1.5em;width:100%}}td,th{{border:1px solid #ccc;padding:.3em .5em}}
th{{text-align:left;width:12em;vertical-align:top}}td{{white-space:pre-wrap;overflow-wrap:anywhere}}
</style></head><body>"""
MEANING = {
    "contact": "The person, with source and legal basis",
    "account": "Their company",
    "suppression": "Why they are not written to",
    "enrollment": "Sequences",
    "send": "Letters we wrote",
    "message": "Messages they wrote, and how each was read",
    "raw_message": "The same messages as they arrived",
    "correction": "Labels that a colleague corrected",
    "thread": "Conversations and whose they are",
    "decision": "Why a conversation went to its owner",
    "handover": "Offers between colleagues",
    "notice": "What colleagues were told",
    "audit": "Entries of the audit log",
    "audit_private": "Personal data behind these entries",
}


def render_html(about: dict[str, Any]) -> str:
    """Return the page: self-contained, without scripts; every value is text."""
    pieces = [HEAD.format(title=html.escape(about["address"])), f"<h1>{html.escape(about['address'])}</h1>"]
    pieces.append(f"<p>Keyed hash on the suppression ledger: <code>{about['hash']}</code></p>")
    for name, heading in MEANING.items():
        rows = about[name]
        pieces.append(f"<h2>{heading} <small>({name}, {len(rows)})</small></h2>")
        for row in rows:
            cells = ((column, _shown(value)) for column, value in row.items())
            filled = "".join(
                f"<tr><th>{html.escape(one)}</th><td>{html.escape(said)}</td></tr>" for one, said in cells if said
            )
            pieces.append(f"<table>{filled}</table>")
    return "\n".join((*pieces, "</body></html>\n"))


def render_text(about: dict[str, Any]) -> str:
    """Return the same page as plain text."""
    lines = [about["address"], f"keyed hash {about['hash']}"]
    for name, heading in MEANING.items():
        lines += ["", f"{heading} ({name}, {len(about[name])})"]
        for row in about[name]:
            shown = [(column, _shown(value)) for column, value in row.items()]
            lines += ["", *(f"  {one + ':':18} {said}" for one, said in shown if said)]
    return "\n".join(lines) + "\n"


def _shown(value: Any) -> str:
    if value is None or value in ("", [], {}):
        return ""
    return str(value) if isinstance(value, (str, int, float)) else json.loads(to_json({"v": value}))["v"].__str__()
