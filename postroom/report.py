"""What are the figures, each with its one-sentence definition?"""

from collections import Counter, defaultdict
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from store import messages, sends, threads
from store.vocabulary import Label, SendState

GROUPS = ("sequence", "step", "variant", "mailbox", "owner")
REPORTED = ("domain", "source")  # from what others report about our domains
DEFINITIONS = {
    "sent": "messages that a server accepted",
    "delivered": "sent messages that did not bounce",
    "bounce_rate": "share of sent messages that bounced",
    "reply_rate": "share of sent messages that a human answered",
    "interested": "replies whose sender wants to go on",
    "not_interested": "replies that decline without an opening",
    "unsubscribe": "replies and clicks that ask us to stop",
    "out_of_office": "absence notes",
    "other": "human replies that a person must read",
    "human_share": "share of arrivals that a human wrote: no bounce, no absence note",
    "complaint_rate": "share of sent messages reported as spam",
    "hours_to_owner": "median hours from receipt to the first owner",
    "reported": "messages in a domain's name that DMARC reports count",
    "reported_pass": "share of them that passed DMARC",
    "reported_stopped": "of them, quarantined or rejected by the receiver",
    "never_passing": "addresses that sent in the domain's name, never passed and are no forwarders",
    "failure_reports": "single messages reported as failing DMARC",
    "failed_because": "why it did not pass: what was authenticated instead, or what broke",
    "refused_report": "a report that could not be read, and why",
    "tls_sessions": "connections to our mail servers that TLS reports count",
    "tls_failed": "share of them that could not be encrypted as asked",
    "hours_to_touch": "median hours from receipt to our answer seen in Sent",
}
HUMAN = (Label.INTERESTED, Label.NOT_INTERESTED, Label.UNSUBSCRIBE, Label.OTHER)


def rows(connection: Connection, by: str, since: datetime) -> list[dict[str, Any]]:
    """Return one row a figure and group since an instant."""
    owners = {thread.id: thread for thread in threads.find(connection)}
    all_sends = {row["id"]: row for row in sends.all_sends(connection)}
    sent: Counter[str] = Counter()
    for row in all_sends.values():
        if row["state"] == SendState.SENT and row["sent_at"] >= since and by != "owner":
            sent[_group(row, by)] += 1
    labels: defaultdict[str, Counter[str]] = defaultdict(Counter)
    owner_hours: defaultdict[str, list[float]] = defaultdict(list)
    touch_hours: defaultdict[str, list[float]] = defaultdict(list)
    for message in messages.labelled_since(connection, since):
        thread = owners.get(message["thread_id"])
        origin = all_sends.get(message["send_id"])
        if by == "owner":
            group = thread.owner if thread and thread.owner else "(nobody)"
        else:
            group = _group(origin, by) if origin else "(none)"
        labels[group][message["label"]] += 1
        if "complaint" in message["tags"]:
            labels[group]["complaint"] += 1
        if thread and thread.assigned_at and thread.last_reply_at:
            owner_hours[group].append((message["judged_at"] - message["internal_at"]).total_seconds() / 3600)
        if thread and thread.answered_at and thread.last_reply_at:
            touch_hours[group].append((thread.answered_at - thread.last_reply_at).total_seconds() / 3600)
    return [
        {"by": by, "group": group, "figure": figure, "value": value, "definition": DEFINITIONS[figure]}
        for group in sorted({*sent, *labels})
        for figure, value in _figures(sent[group], labels[group], owner_hours[group], touch_hours[group]).items()
    ]


def _group(row: Any, by: str) -> str:
    return f"{row['sequence']} {row['step'] + 1}" if by == "step" else str(row[by])


def _figures(sent: int, labels: Counter[str], to_owner: list[float], to_touch: list[float]) -> dict[str, Any]:
    humans, arrivals = sum(labels[label] for label in HUMAN), sum(labels[label] for label in Label)
    bounced = labels[Label.BOUNCE]
    return {
        "sent": sent,
        "delivered": sent - min(bounced, sent),
        "bounce_rate": _share(bounced, sent),
        "complaint_rate": _share(labels["complaint"], sent),
        "reply_rate": _share(humans, sent),
        **{str(label): labels[label] for label in (*HUMAN, Label.OUT_OF_OFFICE)},
        "human_share": _share(humans, arrivals),
        "hours_to_owner": _median(to_owner),
        "hours_to_touch": _median(to_touch),
    }


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def _median(values: list[float]) -> float | None:
    return round(sorted(values)[len(values) // 2], 2) if values else None
