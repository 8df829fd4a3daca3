"""Which wording does a contact get, and may a pilot go on?"""

import hashlib
from dataclasses import dataclass
from enum import StrEnum

from outbound.settings import GoNoGoSettings, StepSettings


def choose_variant(secret: bytes, contact_id: int, sequence: str, step: int, settings: StepSettings) -> str:
    """Return the name of the variant a contact gets, empty for the step's own wording; the same every time."""
    names = ["", *(variant.name for variant in settings.variant)]
    return names[stable_choice(secret, f"{sequence}|{step}|{contact_id}") % len(names)]


def stable_choice(secret: bytes, key: str) -> int:
    """Return a large number that depends on secret and key alone."""
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8, key=secret[:64]).digest(), "big")


class Verdict(StrEnum):
    """What the go/no-go rules say."""

    GO = "go"  #: enough sends, every rule holds
    NO_GO = "no-go"  #: a rule is broken
    UNDECIDED = "undecided"  #: too few sends


@dataclass(frozen=True, slots=True)
class PilotCounts:
    """What a sequence has brought so far."""

    sends: int
    interested: int
    bounced: int
    unsubscribed: int


def assess_pilot(counts: PilotCounts, rules: GoNoGoSettings) -> tuple[Verdict, str]:
    """Return the verdict and one sentence naming the figure that decided."""
    if counts.sends < rules.after_sends:
        return Verdict.UNDECIDED, f"{counts.sends} of {rules.after_sends} sends before the rules are judged."
    for number, limit, what, too_much in (
        (counts.bounced, rules.max_bounce, "bounced", True),
        (counts.unsubscribed, rules.max_unsubscribe, "asked to stop", True),
        (counts.interested, rules.min_interested, "were interested", False),
    ):
        share = number / counts.sends
        if (share > limit) if too_much else (share < limit):
            side = "more" if too_much else "less"
            return Verdict.NO_GO, f"{number} of {counts.sends} {what} ({share:.1%}), {side} than {limit:.1%} allowed."
    return Verdict.GO, f"After {counts.sends} sends every rule holds."
