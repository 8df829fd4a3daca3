"""Which model is in use? Every trained model in a folder of its own; one file names the active one and those before it.

Without such a file the shipped model is in use. An active model that cannot be read is an error, never passed over.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from classifier.model import SHIPPED, load_model
from store.errors import PermanentError

SHIPPED_NAME = "shipped"
FOLDER = "models"  # beside the configuration


@dataclass(frozen=True, slots=True)
class Version:
    """One model that can be activated."""

    name: str
    folder: Path
    active: bool
    texts: int  #: trained on
    corrections: int
    arrays_sha256: str


def active_folder(models: Path) -> Path:
    """Return the folder of the model in use; raises PermanentError when it is gone."""
    name = _history(models)[-1]
    folder = SHIPPED if name == SHIPPED_NAME else models / name
    if not (folder / "model.json").exists():
        raise PermanentError(f"the active model {name} is not in {models}: `postroom model activate {SHIPPED_NAME}`")
    return folder


def list_models(models: Path) -> list[Version]:
    """Return the shipped model and every other one, in order of name."""
    active = _history(models)[-1]
    found = {SHIPPED_NAME: SHIPPED} | {path.parent.name: path.parent for path in sorted(models.glob("*/model.json"))}
    versions = []
    for name, folder in found.items():
        described = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        about = described["about"]
        versions.append(
            Version(
                name, folder, name == active, about["texts"], about.get("corrections", 0), described["arrays_sha256"]
            )
        )
    return versions


def activate(models: Path, name: str) -> None:
    """Use a model from the daemon's next start on; raises PermanentError when there is none or it is damaged."""
    known = {version.name: version for version in list_models(models)}
    if name not in known:
        raise PermanentError(f"no model is called {name}: there are {', '.join(known)}")
    load_model(known[name].folder)
    history = _history(models)
    if history[-1] != name:
        _write(models, [*history, name])


def rollback(models: Path) -> str:
    """Return to the model that was in use before; returns its name."""
    history = _history(models)
    if len(history) < 2:
        raise PermanentError("no model was in use before this one")
    known = {version.name: version for version in list_models(models)}
    if history[-2] not in known:
        raise PermanentError(
            f"the model before this one, {history[-2]}, is gone; `postroom model list` shows the others"
        )
    load_model(known[history[-2]].folder)
    _write(models, history[:-1])
    return history[-2]


def _history(models: Path) -> list[str]:
    path = models / "active.json"
    if not path.exists():
        return [SHIPPED_NAME]
    try:
        history = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as problem:
        raise PermanentError(f"{path}: {problem}; delete it to use the shipped model") from problem
    return [SHIPPED_NAME, *map(str, history)]


def _write(models: Path, history: list[str]) -> None:
    models.mkdir(parents=True, exist_ok=True)
    fresh = models / "active.json.new"
    fresh.write_text(json.dumps(history[1:]) + "\n", encoding="utf-8")
    fresh.replace(models / "active.json")
