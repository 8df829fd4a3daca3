"""Which wording does a contact get, and may a pilot go on?"""

import hashlib
from enum import StrEnum

from outbound.settings import GoNoGoSettings, StepSettings
from store.records import SequenceOutcome


def choose_variant(secret: bytes, contact_id: int, sequence: str, step: int, settings: StepSettings) -> str:
    """Return the name of the variant a contact gets, empty for the step's own wording; the same every time.

    Each contact gives every wording a number of its own and takes the highest (rendezvous hashing): their order means
    nothing, one more wording moves only those who get it, one less only those who had it.
    """
    names = ["", *(variant.name for variant in settings.variant)]
    return max(names, key=lambda name: stable_choice(secret, f"{sequence}|{step}|{contact_id}|{name}"))


def stable_choice(secret: bytes, key: str) -> int:
    """Return a large number that depends on secret and key alone."""
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8, key=secret[:64]).digest(), "big")


class Verdict(StrEnum):
    """What the go/no-go rules say."""

    GO = "go"  #: enough settled sends, every rule holds
    NO_GO = "no-go"  #: a rule is broken
    UNDECIDED = "undecided"  #: too few settled sends


def assess_rules(counts: SequenceOutcome, rules: GoNoGoSettings) -> tuple[Verdict, str]:
    """Return the verdict and one sentence naming the figure that decided.

    Harm counts at once, against `after_sends` while there are fewer sends: what cannot become right any more need not
    go on. Interest is judged on sends old enough to be answered; earlier than `after_sends` only when nobody is left
    to write to.
    """
    for number, limit, what in (
        (counts.bounced, rules.max_bounce, "bounced"),
        (counts.unsubscribed, rules.max_unsubscribe, "asked to stop"),
    ):
        of = max(counts.sends, rules.after_sends)
        if number / of > limit:
            return Verdict.NO_GO, f"{number} of {of} {what} ({number / of:.1%}), more than {limit:.1%} allowed."
    over = counts.sends > 0 and counts.running == 0 and counts.settled == counts.sends
    if counts.settled < rules.after_sends and not over:
        return Verdict.UNDECIDED, f"{counts.settled} of {rules.after_sends} sends are old enough to be judged."
    share = counts.interested / counts.settled
    said = f"{counts.interested} of {counts.settled} sends brought interest ({share:.1%})"
    if share < rules.min_interested:
        return Verdict.NO_GO, f"{said}, less than {rules.min_interested:.1%} wanted."
    return Verdict.GO, f"{said}; every rule holds."


def openers_left(counts: SequenceOutcome, verdict: Verdict, pilot: int | None) -> int | None:
    """Return how many more contacts may be opened with; None without a bound: no pilot, or the rules said go."""
    if verdict == Verdict.NO_GO:
        return 0
    return None if pilot is None or verdict == Verdict.GO else max(0, pilot - counts.contacts)
