"""What does an owner need to answer a reply, in one text?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from ownership.assign import Assignment
from ownership.settings import TeamSettings
from store.records import Account, Contact, Reply, SentMessage


@dataclass(frozen=True, slots=True)
class Handover:
    """The package an owner gets with a reply."""

    thread_id: int
    contact: Contact | None
    account: Account | None
    reply: Reply
    sent: tuple[SentMessage, ...]  #: oldest first
    assignment: Assignment
    why_label: str
    next_step: str
    due_at: datetime | None


def next_step(reply: Reply, *, task: bool) -> str:
    """Return what the owner should do now, in a few words."""
    if reply.held:
        return "Check whether this is a wish to stop; everything to the address is held until you decide."
    steps = {
        "interested": "Answer personally.",
        "not_interested": "Nothing to send; the re-contact window has started.",
        "unsubscribe": "Nothing to send; the address is suppressed.",
        "other": "Read it and decide: answer, correct the label, or close.",
    }
    return steps.get(reply.label, "Nothing to do.") if not task or reply.label != "other" else "Answer personally."


def render_text(handover: Handover, team: TeamSettings) -> str:
    """Render a handover as plain text for mail and terminal."""
    reply, contact, account, made = handover.reply, handover.contact, handover.account, handover.assignment
    person = team.find(made.acting)
    zone = ZoneInfo(person.zone if person else "UTC")
    lines = [made.reason, f"Next: {handover.next_step}"]
    if handover.due_at:
        lines.append(f"Due:  {handover.due_at.astimezone(zone):%a %d %b %H:%M %Z}")
    who = f"{contact.first_name} {contact.last_name}".strip() if contact else ""
    lines += ["", f"Contact:  {who} <{reply.from_address}>".replace(":   <", ":  <")]
    if contact and contact.role:
        lines.append(f"Role:     {contact.role}")
    if account:
        lines.append(f"Account:  {account.name or account.domain} ({account.stage})")
    if contact and (contact.source or contact.legal_basis):
        lines.append(
            f"Source:   {contact.source or 'not recorded'}; legal basis: {contact.legal_basis or 'none recorded'}"
        )
    confidence = f"{reply.confidence:.0%}" if reply.decided_by == "model" else "certain"
    lines.append(f"Label:    {reply.label} ({confidence}; {handover.why_label})")
    if reply.tags:
        lines.append(f"Tags:     {', '.join(sorted(reply.tags))}")
    lines += ["", "They wrote:", *(f"  {line}" for line in reply.text.splitlines()[:60]), ""]
    for sent in handover.sent:
        when = f"{sent.sent_at.astimezone(zone):%d %b %Y}" if sent.sent_at else "not confirmed"
        variant = f", variant {sent.variant}" if sent.variant else ""
        lines.append(f"We sent step {sent.step + 1} of {sent.sequence} on {when}{variant}: {sent.subject}")
    lines += ["", f"Thread {handover.thread_id}: postroom explain {handover.thread_id}"]
    return "\n".join(lines) + "\n"


def render_payload(handover: Handover, team: TeamSettings) -> dict[str, object]:
    """Render a handover as a JSON object for webhooks; `text` is Slack-compatible."""
    reply, made = handover.reply, handover.assignment
    return {
        "thread": handover.thread_id,
        "contact": reply.from_address,
        "account": (handover.account.name or handover.account.domain) if handover.account else "",
        "sequence": reply.sequence,
        "label": reply.label,
        "confidence": round(reply.confidence, 3),
        "tags": sorted(reply.tags),
        "owner": made.owner,
        "acting": made.acting,
        "rule": made.rule,
        "reason": made.reason,
        "reply": reply.text,
        "due_at": handover.due_at.isoformat() if handover.due_at else None,
        "subject": f"[{reply.label}] {reply.subject or 'reply'} - {reply.from_address}",
        "text": render_text(handover, team),
    }


def missing_fields(package: Mapping[str, str], required: Sequence[str]) -> tuple[str, ...]:
    """Return which fields a handover between roles lacks; an incomplete offer is refused."""
    return tuple(name for name in required if not package.get(name, "").strip())
