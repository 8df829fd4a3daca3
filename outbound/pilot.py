"""SHELL: judges every running sequence by the rules written before its start, and pauses it when they say no.

The figures come from the ledger each time. A pause by the rules is told to the owner; only a person activates the
sequence again, and then the figures start anew.
"""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection

from outbound.experiment import Verdict, assess_rules, openers_left
from outbound.settings import GoNoGoSettings, SequenceSettings
from store import enrollments, notices, outcomes
from store.database import Store
from store.vocabulary import EventName


async def judge_sequences(store: Store, sequences: Mapping[str, SequenceSettings], now: datetime) -> dict[str, int]:
    """Pause what the rules stop; returns how many contacts each pilot may still open with."""
    left: dict[str, int] = {}
    for name, sequence in sequences.items():
        rules = sequence.go_no_go or (GoNoGoSettings() if sequence.pilot else None)
        if rules is None:
            continue
        counts = await store.read(outcomes.sequence_outcome, name, now - rules.wait)
        if counts is None:
            continue
        verdict, sentence = assess_rules(counts, rules)
        if verdict == Verdict.NO_GO:
            await store.write(_pause, sequence, sentence, now)
        bound = openers_left(counts, verdict, sequence.pilot)
        if bound is not None:
            left[name] = bound
    return left


def _pause(connection: Connection, sequence: SequenceSettings, sentence: str, now: datetime) -> None:
    reason = f"{enrollments.NO_GO}: {sentence}"
    enrollments.pause_sequence(connection, sequence.name, reason, actor="postroom", now=now)
    if sequence.owner:
        payload = {
            "subject": f"[paused] {sequence.name}: its own rules said no",
            "text": f"{sentence}\n\nNothing of {sequence.name} leaves until somebody activates it again; the figures "
            "then start anew.\n",
        }
        key = notices.alert_key(EventName.SEQUENCE_PAUSED, sequence.name, now)
        notices.enqueue(connection, EventName.SEQUENCE_PAUSED, key, "mail", sequence.owner, payload, now)
