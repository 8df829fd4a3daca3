"""The command that says what messages mean, without a database: evidence, new text, model, return date."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from postroom import output
from postroom.cli import JsonOption, app
from store.errors import ParseRefused
from store.vocabulary import BounceKind, Label

if TYPE_CHECKING:
    from classifier.model import Classifier

COLUMNS = ("file", "label", "confidence", "tags", "decided_by", "why")


@app.command()
def classify(files: list[Path], as_json: JsonOption = False) -> None:
    """Say what messages mean (.eml files, `-` for stdin); exit 1 when one cannot be read."""
    from classifier.model import load_model

    model = load_model()
    rows = []
    for path in files:
        row = _classify_file(path, model)
        if as_json:
            output.print_rows([row], as_json=True, columns=())
        rows.append(row)
    if not as_json:
        output.print_rows(rows, as_json=False, columns=COLUMNS)
    if any(row["decided_by"] == "evidence:unreadable" for row in rows):
        raise typer.Exit(1)


def _classify_file(path: Path, model: "Classifier") -> dict[str, Any]:
    from inbox.parse import LARGEST, parse_mail
    from inbox.understand import understand

    try:
        if str(path) == "-":
            raw = sys.stdin.buffer.read(LARGEST + 1)
        else:
            with path.open("rb") as stream:
                raw = stream.read(LARGEST + 1)
        mail = parse_mail(raw)
    except OSError as problem:
        return _unreadable(path, f"cannot be opened: {problem.strerror}")
    except ParseRefused as problem:
        return _unreadable(path, f"set aside unread ({problem}); a person must look before anything more is sent")
    meaning = understand(mail, model.classify, received_at=mail.date)
    row: dict[str, Any] = {
        "file": str(path),
        "label": meaning.label,
        "confidence": round(meaning.confidence, 4),
        "tags": sorted(meaning.tags),
        "decided_by": meaning.decided_by,
        "text": meaning.text,
        "return_on": meaning.return_on,
        "hold": meaning.hold,
        "why": meaning.why,
    }
    if meaning.label == Label.BOUNCE:
        recipients = meaning.bounce.recipients if meaning.bounce else ()
        row["recipients"] = [one.address for one in recipients]
        row["code"] = recipients[0].code if recipients else ""
        row["kind"] = meaning.bounce.kind if meaning.bounce else BounceKind.SOFT
    return row


def _unreadable(path: Path, why: str) -> dict[str, Any]:
    """Describe what could not be read: it may hold a wish to stop, so everything to its sender is held."""
    return {
        "file": str(path), "label": "other", "confidence": 0.0, "tags": [], "decided_by": "evidence:unreadable",
        "text": "", "return_on": None, "hold": True, "why": why,
    }  # fmt: skip
