"""Does a stored decision come out the same again? The proof behind `explain`."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ownership.assign import Assignment, assign_owner
from ownership.facts import facts_from_json, rulebook_from_json


@dataclass(frozen=True, slots=True)
class Replay:
    """A decision made again from its facts and rules."""

    made: Assignment
    differences: tuple[str, ...]  #: in which fields it came out otherwise; none is the rule


def replay(
    stored: Mapping[str, Any], rulebook: Mapping[str, Any], text: str, subject: str, decided_at: datetime
) -> Replay:
    """Decide again from what was stored; `text` and `subject` are the message's."""
    settings, team = rulebook_from_json(rulebook)
    made = assign_owner(facts_from_json(stored["facts"], text, subject), settings, team, decided_at)
    tried = [{"rule": one.rule, "matched": one.matched, "detail": one.detail} for one in made.tried]
    found = {"owner": made.owner, "acting": made.acting, "rule": made.rule, "reason": made.reason, "tried": tried}
    return Replay(made, tuple(name for name, value in found.items() if stored[name] != value))
