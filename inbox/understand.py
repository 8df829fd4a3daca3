"""What does one message mean: evidence first, then the model, then the date in it?

The same function serves the daemon and `postroom classify`.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from classifier.model import Classification, Hints
from inbox.automatic import Evidence, answers_invitation, find_evidence
from inbox.automatic_words import OPT_OUT_ALONE, OPT_OUT_TEXT
from inbox.bounces import BounceReport
from inbox.dates import return_date
from inbox.parse import ParsedMail
from inbox.quotes import new_text
from store.vocabulary import Label, Tag

DISTRUSTFUL = frozenset({"challenge", "ticket", "list"})  # they speak of spam and unwanted mail: no wish of anybody's


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a message means, and how that was decided."""

    label: Label
    confidence: float
    tags: frozenset[Tag]
    decided_by: str  #: "model" or "evidence:<name>"
    why: str
    text: str  #: the sender's new text
    language: str
    hold: bool = False
    return_on: date | None = None
    bounce: BounceReport | None = None
    notice: bool = False  #: a machine's notice that calls for nothing


def understand(
    mail: ParsedMail,
    classify: Callable[[str, Hints], Classification],
    *,
    received_at: datetime | None,
    sent_texts: Sequence[str] = (),
    own_addresses: Collection[str] = (),
) -> Meaning:
    """Label a message and say why; `sent_texts` are ours, to be subtracted from what is quoted."""
    evidence = find_evidence(mail, own_addresses=own_addresses)
    fresh = new_text(mail.text, sent_texts)
    said = classify(fresh.text, Hints(automatic=bool(mail.get("x-auto-response-suppress"))))
    tags = frozenset(evidence.tags) | ({Tag.FORWARDED} if fresh.forwarded else set())
    sent_on = mail.date or received_at
    invitation = answers_invitation(mail)
    if evidence.label is None and invitation and (not fresh.text.strip() or said.label == Label.OTHER):
        tags |= {Tag.MEETING_REQUEST} if invitation[0] == Label.INTERESTED else set()
        found = Meaning(invitation[0], 1.0, tags, "evidence:calendar", invitation[1], fresh.text, said.language)
    elif evidence.label is None and OPT_OUT_ALONE.match(fresh.text[:200]):
        why = "nothing but the word that our footer asks for"
        found = Meaning(
            Label.UNSUBSCRIBE, 1.0, tags, "evidence:opt-out-word", why, fresh.text, said.language, hold=True
        )
    elif evidence.label is None:
        found = Meaning(said.label, said.confidence, tags | said.tags, "model", said.why, fresh.text, said.language)
        found = replace(found, hold=said.hold)
    else:
        found = _by_evidence(evidence, said, tags, fresh.text)
    returns = found.label == Label.OUT_OF_OFFICE and not found.tags & {Tag.LEFT_COMPANY, Tag.TICKET_ACK}
    if returns and sent_on is not None:
        back = return_date(found.text, sent_on.date(), found.language or None)
        found = replace(found, return_on=back.on, tags=found.tags | ({Tag.DATE_AMBIGUOUS} if back.ambiguous else set()))
    return found


def _by_evidence(evidence: Evidence, said: Classification, tags: frozenset[Tag], text: str) -> Meaning:
    label = evidence.label or Label.OTHER
    name = f"evidence:{evidence.name}"
    stop = OPT_OUT_TEXT.search(" ".join(text[:6_000].split())) if label == Label.OUT_OF_OFFICE else None
    feared = label == Label.OUT_OF_OFFICE and said.label == Label.UNSUBSCRIBE
    if stop or (feared and evidence.name not in DISTRUSTFUL):
        why = f"an automatic reply that asks us to stop; {stop[0] if stop else said.why}"
        sure = 1.0 if stop else said.confidence
        return Meaning(Label.UNSUBSCRIBE, sure, tags | said.tags, name, why, text, said.language, hold=True)
    kept = tags | (said.tags & {Tag.LEFT_COMPANY, Tag.TICKET_ACK} if label == Label.OUT_OF_OFFICE else frozenset())
    return Meaning(
        label=label,
        confidence=1.0,
        tags=kept,
        decided_by=name,
        why=evidence.why,
        text=text,
        language=said.language,
        hold=label == Label.UNSUBSCRIBE
        or feared
        or evidence.name == "encrypted"
        or (label == Label.OUT_OF_OFFICE and said.hold),
        bounce=evidence.bounce,
        notice=evidence.notice,
    )
