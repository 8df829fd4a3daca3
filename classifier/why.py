"""Which words decided, said so that a colleague understands?"""

from collections.abc import Iterable, Mapping

from classifier.abstain import Decision
from store.vocabulary import Label

SHOWN = 3
LEAST_LETTERS = 3  # of a word that tells somebody something
LIKELY = 0.15  # a label that was nearly as probable is named
SPEAKS_OF = {
    "stop": "asks to stop or be removed", "spam": "speaks of spam", "law": "speaks of law", "decline": "declines",
    "price": "speaks of prices", "meet": "speaks of a meeting or call", "later": "puts it off", "yes": "agrees",
    "away": "speaks of an absence", "left": "says that somebody has left", "person": "points to another person",
    "ticket": "reads like a ticket", "undelivered": "reads like a failed delivery", "who": "asks who we are",
    "invoice": "speaks of invoices",
}  # fmt: skip
READS = {"<link>": "a link", "<mail>": "a mail address"}
MEANS = {
    Label.INTERESTED: "wants to go on", Label.NOT_INTERESTED: "declines", Label.OUT_OF_OFFICE: "is away",
    Label.BOUNCE: "was not delivered", Label.UNSUBSCRIBE: "wants us to stop", Label.OTHER: "something else",
}  # fmt: skip


def explain(
    pushes: Iterable[tuple[float, str]], decision: Decision, chances: Mapping[Label, float], *, words_agree: bool
) -> str:
    """Return one line: how sure, the strongest words, phrases; `pushes` are (strength, term) for the likeliest label.

    `words_agree` is false when the sense of the whole text outweighed its single words.
    """
    ranked = [term for _, term in sorted(pushes, reverse=True)]
    words = [f'"{word}"' for word in dict.fromkeys(_readable(term) for term in ranked) if word][:SHOWN]
    phrases = [SPEAKS_OF[term[2:]] for term in ranked if term.startswith("p:") and term[2:] in SPEAKS_OF][:2]
    parts = [_verdict(decision, chances)]
    if words_agree:
        parts.append(f"strongest words: {', '.join(words)}" if words else "no single word decided")
        parts += [f"it {' and '.join(phrases)}"] if phrases else []
    else:
        parts.append("the sense of the whole text, more than single words")
    return "; ".join(parts)


def _verdict(decision: Decision, chances: Mapping[Label, float]) -> str:
    second, chance = max(
        ((label, chance) for label, chance in chances.items() if label != decision.best), key=lambda pair: pair[1]
    )
    likely = f"{MEANS[decision.best]} ({chances[decision.best]:.0%})"
    if chance >= LIKELY:
        likely += f" or {MEANS[second]} ({chance:.0%})"
    if decision.abstained:
        return f"not sure enough: {likely}"
    held = decision.hold and decision.label != Label.UNSUBSCRIBE
    return likely + (f"; may want us to stop ({chances[Label.UNSUBSCRIBE]:.0%}), so everything is held" if held else "")


def _readable(term: str) -> str:
    if not term.startswith("w:"):
        return ""
    words = term[2:].replace("<s>", "").replace("</s>", "").strip()
    for mark, reading in READS.items():
        words = words.replace(mark, reading)
    telling = sum(map(str.isalpha, words)) >= LEAST_LETTERS or words == "?"
    return words if telling else ""
