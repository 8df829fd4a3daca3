"""Do the rooms keep the rules of the house? Decisions stay pure; files stay small; names stay telling."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("outbound", "deliverability", "inbox", "classifier", "ownership")
SHELLS = {"worker.py", "pilot.py", "delivery.py", "results.py", "sent_folder.py", "filing.py", "desk.py", "domain_reports.py", "outbox.py",
          "duties.py", "passing_desk.py", "campaigns.py", "calendar_worker.py"}  # fmt: skip
DOORS = {
    "outbound": {"transport.py", "dialogue.py", "oauth.py"},
    "deliverability": {"resolver.py", "mail_hosts.py"},
    "inbox": {"reader.py", "imap_protocol.py", "imap_connection.py", "imap_session.py", "parse_apart.py"},
    "classifier": {
        "model.py",
        "embeddings.py",
        "train.py",
        "labels.py",
        "evaluate.py",
        "feedback.py",
        "versions.py",
        "encoder.py",
        "tune.py",
    },
    "ownership": {"notify.py", "calendar_source.py"},
}
# Driven by lookups one after another (the resolver is their seam), otherwise pure.
ASYNC_OVER_A_SEAM = {
    "deliverability": {
        "spf.py",
        "spf_assess.py",
        "dkim.py",
        "dkim_keys.py",
        "dmarc.py",
        "dmarc_assess.py",
        "verdict.py",
        "transport_security.py",
        "extras.py",
        "host_tls.py",
        "sender_proof.py",
        "message_check.py",
        "live_probe.py",
    },
}
IMPURE_MODULES = {
    "asyncio",
    "socket",
    "random",
    "time",
    "os",
    "subprocess",
    "sqlite3",
    "threading",
    "httpx",
    "requests",
}
STORE_FOR_DECISIONS = {
    "store.records",
    "store.vocabulary",
    "store.errors",
    "store.settings",
    "store.lead_sources",
    "store.names",
}
FORBIDDEN_NAMES = {"utils", "helpers", "manager", "handler", "data", "process"}
LONGEST_FILE = 400


def python_files() -> list[Path]:
    rooms = (*ROOMS, "store", "console", "postroom", "sandbox")
    return [path for room in rooms for path in sorted((ROOT / room).rglob("*.py")) if "migrations" not in path.parts]


def decision_files() -> list[tuple[str, Path]]:
    found = []
    for room in ROOMS:
        for path in sorted((ROOT / room).glob("*.py")):
            if path.name not in SHELLS | DOORS[room] | {"__init__.py"} and "settings" not in path.name:
                found.append((room, path))
    return found


def imported(tree: ast.AST) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


@pytest.mark.parametrize(("room", "path"), decision_files(), ids=lambda value: getattr(value, "name", value))
def test_decisions_are_pure(room: str, path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = imported(tree)
    impure = {name for name in names if name.partition(".")[0] in IMPURE_MODULES}
    waits = any(isinstance(node, (ast.AsyncFunctionDef, ast.Await)) for node in ast.walk(tree))
    if path.name in ASYNC_OVER_A_SEAM.get(room, set()):
        impure -= {"asyncio"}
        waits = False
    assert not impure, f"{path.name} imports {impure}"
    assert not waits, f"{path.name} waits"
    from_store = {name for name in names if name.startswith("store")}
    assert from_store <= STORE_FOR_DECISIONS, f"{path.name} reads {from_store - STORE_FOR_DECISIONS}"
    assert not {name for name in names if name.startswith("sqlalchemy")}, f"{path.name} speaks SQL"
    source = path.read_text(encoding="utf-8")
    for clock in ("datetime.now(", "date.today(", "time.time(", ".utcnow("):
        assert clock not in source, f"{path.name} reads a clock"


@pytest.mark.parametrize("path", python_files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_files_are_small_named_well_and_say_their_question(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= LONGEST_FILE, f"{path} has {text.count(chr(10))} lines"
    assert path.stem not in FORBIDDEN_NAMES
    assert ast.get_docstring(ast.parse(text)), f"{path} does not say which question it answers"


def test_tables_never_leave_the_store() -> None:
    for path in python_files():
        if path.parts[len(ROOT.parts)] != "store":
            assert "store.tables" not in imported(ast.parse(path.read_text(encoding="utf-8"))), path
