"""What does an owner need to answer a reply? One object, rendered as plain text, HTML and a webhook's JSON."""

from dataclasses import dataclass
from datetime import datetime

from ownership.assign import Assignment
from ownership.handover_html import Page, Row, render_page
from ownership.reason import local_time, title
from ownership.settings import TeamSettings
from store.records import Account, Contact, Reply, SentMessage
from store.vocabulary import Label

LONGEST_REPLY = 4000  # characters of a reply in a notification; the mailbox has the rest


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
    earlier: tuple[tuple[datetime, str, str], ...] = ()  #: (when, from, text) of replies before this one, oldest first


def next_step(reply: Reply, *, task: bool, suppressed: bool = False) -> str:
    """Return what the owner should do now, in a sentence."""
    if reply.held:
        return (
            "Decide whether this asks us to stop: everything to the address is held until then "
            f"(if so: postroom suppression add {reply.from_address})."
        )
    if suppressed and reply.label != Label.UNSUBSCRIBE:
        return "They are suppressed and wrote of their own accord: answer by hand if you wish; no sequence may."
    steps = {
        Label.NOT_INTERESTED: "Nothing to send: close it with a note; the re-contact window has started.",
        Label.UNSUBSCRIBE: "Nothing to send: the address is suppressed; confirm it only if they ask.",
        Label.OTHER: "Read it and decide: answer, correct the label, or mark it done.",
    }
    return (
        steps.get(reply.label, "Answer personally.")
        if not task or reply.label == Label.UNSUBSCRIBE
        else ("Answer personally.")
    )


def describe(handover: Handover, team: TeamSettings) -> Page:
    """Return the package as headed rows, the same for every rendering."""
    reply, contact, account, made = handover.reply, handover.contact, handover.account, handover.assignment

    def at(moment: datetime | None, form: str) -> str:
        return f"{local_time(team, made.acting, moment):{form}}" if moment else ""

    confidence = f"{reply.confidence:.0%} sure" if reply.decided_by == "model" else "certain"
    full_name = f"{contact.first_name} {contact.last_name}".strip() if contact else ""
    basis = (
        [contact.source or "source not recorded", contact.legal_basis or "no legal basis recorded"] if contact else []
    )
    company = [account.name or account.domain, account.stage.replace("_", " ")] if account else []
    rows = [
        Row("Contact", " ".join(part for part in (full_name, f"<{reply.from_address}>") if part)),
        Row("Role", contact.role if contact else ""),
        Row("Account", ", ".join(company) or "not known"),
        Row("Source", "; ".join(basis)),
        Row("Label", f"{reply.label.replace('_', ' ')} ({confidence}): {handover.why_label}"),
        Row("Tags", ", ".join(sorted(tag.replace("_", " ") for tag in reply.tags))),
        Row("Owner", title(team, made.owner)),
        Row("Acting", title(team, made.acting) if made.acting != made.owner else ""),
    ]
    sent = [
        f"step {one.step + 1} of {one.sequence}, {at(one.sent_at, '%a %d %b %Y') or 'not confirmed'}"
        f"{f', variant {one.variant}' if one.variant else ''}: {one.subject}"
        for one in handover.sent
    ]
    earlier = [
        f"{at(when, '%a %d %b %Y %H:%M')}, {who}: {' '.join(text.split())[:200]}"
        for when, who, text in handover.earlier
    ]
    return Page(
        title=f"{reply.label.replace('_', ' ').capitalize()}: {full_name or reply.from_address}",
        reason=made.reason,
        next_step=handover.next_step,
        due=at(handover.due_at, "%a %d %b, %H:%M %Z"),
        reply=reply.text[:LONGEST_REPLY],
        rows=tuple(row for row in rows if row.value),
        sent=tuple(sent),
        earlier=tuple(earlier),
        foot=f"Thread {handover.thread_id} - every rule that was tried: postroom explain {handover.thread_id}",
    )


def render_text(handover: Handover, team: TeamSettings) -> str:
    """Render a handover as plain text for mail and terminal."""
    page = describe(handover, team)
    width = max(len(row.name) for row in page.rows) + 2
    lines = [page.reason, f"Next: {page.next_step}"]
    lines += [f"Due:  {page.due}"] if page.due else []
    lines += ["", "They wrote:", *(f"  {line}" for line in page.reply.splitlines()), ""]
    lines += [f"{row.name + ':':{width}}{row.value}" for row in page.rows]
    if page.sent:
        lines += ["", "We sent:", *(f"  {one}" for one in page.sent)]
    if page.earlier:
        lines += ["", "Before:", *(f"  {one}" for one in page.earlier)]
    return "\n".join([*lines, "", page.foot]) + "\n"


def render_payload(handover: Handover, team: TeamSettings) -> dict[str, object]:
    """Render a handover as a JSON object for webhooks and mail; `text` is Slack-compatible."""
    reply, made, contact = handover.reply, handover.assignment, handover.contact
    who = f"{contact.first_name} {contact.last_name}".strip() if contact else ""
    return {
        "thread": handover.thread_id,
        "contact": reply.from_address,
        "account": (handover.account.name or handover.account.domain) if handover.account else "",
        "source": contact.source if contact else "",
        "legal_basis": contact.legal_basis if contact else "",
        "sequence": reply.sequence,
        "sent": [
            {"sequence": one.sequence, "step": one.step + 1, "variant": one.variant, "subject": one.subject,
             "at": one.sent_at.isoformat() if one.sent_at else None}
            for one in handover.sent
        ],
        "label": reply.label,
        "confidence": round(reply.confidence, 3),
        "why_label": handover.why_label,
        "tags": sorted(reply.tags),
        "owner": made.owner,
        "acting": made.acting,
        "rule": made.rule,
        "reason": made.reason,
        "reply": reply.text,
        "next_step": handover.next_step,
        "due_at": handover.due_at.isoformat() if handover.due_at else None,
        "subject": f"[{reply.label.replace('_', ' ')}] {who or reply.from_address}: {reply.subject or 'reply'}",
        "text": render_text(handover, team),
        "html": render_page(describe(handover, team)),
    }  # fmt: skip
