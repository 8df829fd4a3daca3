"""What happens because of an arrival? One pure function from evidence, label, tags and match to actions."""

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from inbox.threads import ThreadMatch
from store.vocabulary import BounceKind, Label, StopEvent, SuppressionReason, Tag

DEFAULT_PAUSE = timedelta(days=14)  # an absence without a return date
LATEST_RETURN = timedelta(days=366)  # a date further off is misread
ALERTING = frozenset({Tag.LEGAL_THREAT, Tag.BRAND_ABUSE, Tag.COMPLAINT, Tag.ANGRY})


@dataclass(frozen=True, slots=True)
class Actions:
    """Everything that one arrival causes."""

    event: StopEvent | None = None  #: for the enrollments of the writer and of the person whose thread it is
    paused_until: datetime | None = None
    suppress: SuppressionReason | None = None
    owned: bool = False  #: a person wrote: exactly one owner
    task: bool = False  #: opens the one task of the thread
    review: bool = False  #: a person must look at label or origin
    alert: bool = False  #: tell the escalation owner, whatever the label
    quarantine: str = ""  #: set aside, with this slug


def decide_actions(
    label: Label,
    tags: frozenset[Tag],
    match: ThreadMatch,
    *,
    bounce: BounceKind | None = None,
    held: bool = False,
    return_on: date | None = None,
    received_at: datetime,
    proven: bool = False,
    denied: bool = False,
    notice: bool = False,
) -> Actions:
    """Decide what an arrival causes; a machine's `notice` (delivered, read) causes nothing.

    `held`: a wish to stop is likely enough to hold everything. So is everything where several people may be meant.
    `proven`, `denied`: the sender is surely who From says,
    surely not.
    """
    if notice:
        return Actions()
    trusted = _is_trusted(match, proven=proven, denied=denied)
    actions = _by_label(label, tags, match, bounce, return_on, received_at, trusted=trusted)
    if (held or match.rivals) and label not in (Label.UNSUBSCRIBE, Label.BOUNCE):
        human = label != Label.OUT_OF_OFFICE  # an automatic reply has no owner, but a person is asked all the same
        actions = replace(actions, event=StopEvent.HOLD, paused_until=None, owned=human, review=human)
    return replace(actions, alert=actions.alert or bool(ALERTING & tags))


def _is_trusted(match: ThreadMatch, *, proven: bool, denied: bool) -> bool:
    """Tell whether a stop may act for good: it knows what only a reader of our letter knows, or its sender is proven.

    A token is made for stopping and counts whoever brings it. A proven sender speaks for their own address alone.
    """
    if match.proven:
        return match.how == "token" or not denied
    return proven and (match.sent is None or match.from_recipient)


def _by_label(
    label: Label,
    tags: frozenset[Tag],
    match: ThreadMatch,
    bounce: BounceKind | None,
    return_on: date | None,
    received_at: datetime,
    *,
    trusted: bool,
) -> Actions:
    match label:
        case Label.BOUNCE:
            return _bounce(bounce or BounceKind.SOFT, match)
        case Label.OUT_OF_OFFICE:
            return _absence(tags, return_on, received_at)
        case Label.UNSUBSCRIBE:
            if not trusted:
                return Actions(StopEvent.HOLD, owned=True, review=True, alert=True)
            return Actions(_stop_event(tags), suppress=_stop_reason(tags), owned=True)
        case Label.INTERESTED:
            return Actions(StopEvent.INTERESTED, owned=True, task=True)
        case Label.NOT_INTERESTED:
            left = Tag.LEFT_COMPANY in tags
            return Actions(StopEvent.LEFT_COMPANY if left else StopEvent.NOT_INTERESTED, owned=True)
        case Label.OTHER:
            return Actions(StopEvent.OTHER, owned=True, task=Tag.LEGAL_THREAT in tags, review=True)


def _bounce(kind: BounceKind, match: ThreadMatch) -> Actions:
    if not match.proven:
        return Actions(quarantine="bounce-without-our-id")
    if kind == BounceKind.HARD:
        return Actions(StopEvent.BOUNCE_HARD, suppress=SuppressionReason.HARD_BOUNCE)
    return Actions(StopEvent.BOUNCE_SOFT)


def _absence(tags: frozenset[Tag], return_on: date | None, received_at: datetime) -> Actions:
    if Tag.LEFT_COMPANY in tags:
        return Actions(StopEvent.LEFT_COMPANY)
    if Tag.TICKET_ACK in tags:
        return Actions(StopEvent.TICKET_ACK)
    until = received_at + DEFAULT_PAUSE
    if return_on is not None:
        back = datetime.combine(return_on, received_at.timetz())
        if received_at < back <= received_at + LATEST_RETURN:
            until = back
    return Actions(StopEvent.OUT_OF_OFFICE, paused_until=until)


def _stop_event(tags: frozenset[Tag]) -> StopEvent:
    return StopEvent.COMPLAINT if Tag.COMPLAINT in tags else StopEvent.UNSUBSCRIBE


def _stop_reason(tags: frozenset[Tag]) -> SuppressionReason:
    if Tag.LEGAL_THREAT in tags:
        return SuppressionReason.LEGAL
    return SuppressionReason.COMPLAINT if Tag.COMPLAINT in tags else SuppressionReason.UNSUBSCRIBE
