"""A corpus of a few texts by three authors, for tests that train: quick, and nothing like good."""

from classifier.labels import Example
from store.vocabulary import Label, Tag

WORDS = {
    Label.INTERESTED: ("yes please call me", "what is the price", "send the offer", "sounds good talk tuesday"),
    Label.NOT_INTERESTED: ("no thanks", "we have a vendor", "not a fit for us", "we will pass"),
    Label.OUT_OF_OFFICE: ("i am on holiday", "out of office until monday", "away on leave", "back next week"),
    Label.BOUNCE: ("address unknown", "mailbox does not exist", "could not be delivered", "mailbox closed"),
    Label.UNSUBSCRIBE: ("remove me", "stop writing to me", "unsubscribe me now", "delete my address"),
    Label.OTHER: ("who are you", "hm", "thanks for the invoice", "wrong thread"),
}
AUTHORS = {"ann": "dear sir", "bob": "hi there", "cem": "good day"}


def small_corpus() -> list[Example]:
    """Return 144 texts: six labels, four ideas each, three authors, two languages by name only."""
    return [
        Example(f"{greeting} {idea} {end}", label, frozenset({Tag.PRICING} if "price" in idea else ()), language,
                "phone", f"{language}:{author}-{idea}", author, author)
        for author, greeting in AUTHORS.items()
        for label, ideas in WORDS.items()
        for idea in ideas
        for language, end in (("en", "regards"), ("de", "gruss"))
    ]  # fmt: skip
