"""When are we sure enough, and when is a wish to stop likely enough?

Two bars for `unsubscribe`: the low one holds every sequence and asks a person, the high one suppresses for good.
Labels that file a message away (decline, absence, bounce) need more certainty than those that show it to a person.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from store.vocabulary import Label

SHOWN = (Label.INTERESTED, Label.OTHER)  # labels that show a message to a person


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Probability bars, chosen on held-out groups by `train`."""

    hold: float = 0.2  #: P(unsubscribe) from which everything is held
    suppress: float = 0.6  #: P(unsubscribe) from which the label is given
    show: float = 0.35  #: least probability for interested, and for an `other` that counts as decided
    file: float = 0.5  #: least probability for not_interested, out_of_office and bounce

    def as_dict(self) -> dict[str, float]:
        """Return the bars by name."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, float]) -> "Thresholds":
        """Read bars by name."""
        return cls(**values)


@dataclass(frozen=True, slots=True)
class Decision:
    """The label that the bars allow."""

    label: Label
    best: Label  #: the most probable label, before the bars
    abstained: bool
    hold: bool


def decide(probabilities: Mapping[Label, float], bars: Thresholds) -> Decision:
    """Return the label that is certain enough, else `other` with `abstained`."""
    stop = probabilities.get(Label.UNSUBSCRIBE, 0.0)
    best = max(probabilities, key=lambda label: probabilities[label])
    if stop >= bars.suppress:
        return Decision(Label.UNSUBSCRIBE, Label.UNSUBSCRIBE, abstained=False, hold=True)
    hold = stop >= bars.hold
    need = bars.suppress if best == Label.UNSUBSCRIBE else bars.show if best in SHOWN else bars.file
    if probabilities[best] < need:
        return Decision(Label.OTHER, best, abstained=True, hold=hold)
    return Decision(best, best, abstained=False, hold=hold)


def choose_bar(scores: Sequence[float], wanted: Sequence[bool], *, most_errors: float) -> float:
    """Return the lowest score bar above which the share of unwanted items stays within `most_errors`.

    Ties belong together; returns just above the highest score when no bar is good enough.
    """
    ranked = sorted(zip(scores, wanted, strict=True), reverse=True)
    bar, errors = 1.0, 0
    for position, (score, is_wanted) in enumerate(ranked, 1):
        errors += not is_wanted
        last_of_tie = position == len(ranked) or ranked[position][0] < score
        if last_of_tie and errors <= most_errors * position:
            bar = score
    return bar
