"""Which facts does the routing of one reply read, and how are they kept for a replay?"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from pydantic import TypeAdapter

from ownership.settings import OwnershipSettings, TeamSettings
from store.records import Account, Contact, Reply, Thread


@dataclass(frozen=True, slots=True)
class RoutingFacts:
    """Everything the routing of one reply reads."""

    thread: Thread
    reply: Reply
    contact: Contact | None
    account: Account | None  #: the one recognised account; None when unknown or in doubt
    parents: tuple[Account, ...] = ()  #: nearest first
    account_in_doubt: bool = False  #: two records with equal activity: only triage may decide
    sequence_owner: str = ""
    sequence_backup: str = ""
    sequence_segment: str = ""
    open_counts: Mapping[str, int] = field(default_factory=dict)
    rotations: Mapping[str, tuple[Mapping[str, int], str]] = field(default_factory=dict)
    absences: Mapping[str, tuple[tuple[date, date], ...]] = field(default_factory=dict)  #: besides the configuration


_FACTS = TypeAdapter(RoutingFacts)
_ROUTING = {"rule", "named_accounts", "vip_words", "vip_to", "sources"}


def facts_to_json(facts: RoutingFacts) -> dict[str, Any]:
    """Return the facts as JSON, without the reply's text: that stays in the message alone."""
    bare = replace(facts, reply=replace(facts.reply, text="", subject=""))
    found: dict[str, Any] = _FACTS.dump_python(bare, mode="json", exclude_defaults=True)
    return found


def facts_from_json(stored: Mapping[str, Any], text: str, subject: str) -> RoutingFacts:
    """Return the facts of a decision with the text of its message."""
    facts = _FACTS.validate_python(dict(stored))
    return replace(facts, reply=replace(facts.reply, text=text, subject=subject))


def rulebook_to_json(settings: OwnershipSettings, team: TeamSettings) -> dict[str, Any]:
    """Return the rules and the team in force as JSON: all that a decision reads besides the facts."""
    rules = settings.model_dump(
        mode="json", include=_ROUTING, exclude={"rule": {"__all__": {"respond_in"}}}, exclude_unset=True
    )
    unread: dict[str, Any] = {"person": {"__all__": {"calendar", "calendar_secret", "quiet"}}, "calendar_every": True}
    people = team.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude=unread)
    return {"rules": rules, "team": people}


def rulebook_from_json(body: Mapping[str, Any]) -> tuple[OwnershipSettings, TeamSettings]:
    """Return the rules and the team of a stored version."""
    return OwnershipSettings.model_validate(body["rules"]), TeamSettings.model_validate(body["team"])
