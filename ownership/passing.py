"""What does it take to pass a lead to the next role, and what follows from a yes or a no?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from ownership.absence import is_away, is_member
from ownership.settings import TeamSettings
from store.records import Account, Contact, Handover, SentMessage
from store.vocabulary import HandoverState, RejectionReason, RoleName


@dataclass(frozen=True, slots=True)
class Settlement:
    """What a rejection leads to."""

    state: HandoverState
    sentence: str  #: what happens to the lead now
    link: bool = False  #: with the thread it duplicates, one owner for both
    decide: bool = False  #: a senior has to decide


def build_package(
    contact: Contact | None,
    account: Account | None,
    sent: Sequence[SentMessage],
    answers: Sequence[tuple[datetime, str, str]],
    *,
    notes: str,
    next_step: str,
    next_on: date | None,
) -> dict[str, str]:
    """Return the package of an offer as named texts; an empty one is missing. `answers`: (when, from, text)."""
    name = f"{contact.first_name} {contact.last_name}".strip() if contact else ""
    letters = [
        f"{one.sent_at:%d %b %Y} {one.sequence} step {one.step + 1}: {one.subject}" for one in sent if one.sent_at
    ]
    return {
        "contact": f"{name} <{contact.email}>".strip() if contact else "",
        "account": (account.name or account.domain)
        if account
        else contact.fields.get("company", "")
        if contact
        else "",
        "source": contact.source if contact else "",
        "sent": "\n".join(letters),
        "answered": "\n".join(f"{at:%d %b %Y} {who}: {' '.join(text.split())[:500]}" for at, who, text in answers),
        "notes": notes.strip(),
        "next_step": next_step.strip(),
        "next_on": next_on.isoformat() if next_on else "",
    }


def missing_fields(package: Mapping[str, str], required: Sequence[str]) -> tuple[str, ...]:
    """Return which fields a package lacks; an incomplete offer is refused."""
    return tuple(name for name in required if not package.get(name, "").strip())


def settle_rejection(reason: RejectionReason, earlier: Sequence[Handover]) -> Settlement:
    """Return what follows when a lead is not taken; `earlier` are the lead's other offers."""
    if any(one.state in (HandoverState.REJECTED, HandoverState.DISPUTED) for one in earlier):
        sentence = "It was rejected a second time: a neutral senior decides, and nothing is sent until then."
        return Settlement(HandoverState.DISPUTED, sentence, link=reason == RejectionReason.DUPLICATE, decide=True)
    sentences = {
        RejectionReason.NO_FIT: "The lead is disqualified: no sequence takes it again.",
        RejectionReason.TIMING: "The lead is recycled after the longer re-contact window.",
        RejectionReason.DUPLICATE: "It is linked with the thread it duplicates; one owner has both.",
        RejectionReason.WRONG_PERSON: "Nothing is sent until somebody decides whom to write to instead.",
        RejectionReason.NO_NEED: "Nothing is sent until somebody decides.",
    }
    open_question = reason in (RejectionReason.WRONG_PERSON, RejectionReason.NO_NEED)
    linked = reason == RejectionReason.DUPLICATE
    return Settlement(HandoverState.REJECTED, sentences[reason], link=linked, decide=open_question)


def neutral_senior(team: TeamSettings, parties: Sequence[str], at: datetime) -> str:
    """Return the manager who decides: the escalation owner unless a party, else another present one."""
    managers = [one.email for one in team.person if one.role == RoleName.MANAGER]
    order = [team.escalation, *managers, team.operations, team.triage, team.compliance]
    fit = [one for one in order if one and one not in parties and is_member(team, one, at)]
    return next((one for one in fit if not is_away(team, one, at)), fit[0] if fit else team.escalation)


def render_offer(offer: Handover, giver: str, taker: str) -> str:
    """Return an offer as plain text for its taker."""
    lines = [f"{giver} offers you this lead, {taker}. {giver} owns it until you accept.", ""]
    for name, value in offer.package.items():
        head = f"{name.replace('_', ' ').capitalize()}: "
        lines += [head + value] if "\n" not in value else [head, *(f"  {line}" for line in value.split("\n"))]
    lines += ["", f"Answer by {offer.answer_by:%a %d %b %Y %H:%M %Z}:"]
    lines += [f"  postroom handover accept {offer.thread_id}"]
    lines += [f"  postroom handover reject {offer.thread_id} --reason {'|'.join(RejectionReason)}"]
    return "\n".join(lines) + "\n"
