"""How does a lead pass from one colleague to the next? SHELL: offer, accept, reject, decide, each in one transaction.

Until an offer is accepted the old owner owns. `end_campaigns` ends every running sequence of a contact; it is passed
in because sequences belong to another room.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection

from ownership import outbox
from ownership.absence import acting_for, is_member
from ownership.passing import build_package, missing_fields, neutral_senior, render_offer, settle_rejection
from ownership.reason import title
from ownership.settings import OwnershipSettings, TeamSettings
from ownership.sla import deadline
from store import audit, contacts, handovers, messages, sends, threads
from store.errors import PermanentError
from store.records import Handover, Thread
from store.vocabulary import AccountStage, EventName, HandoverState, RejectionReason, StopEvent, ThreadState

EndCampaigns = Callable[[Connection, int, StopEvent, str, datetime], None]


@dataclass(frozen=True, slots=True)
class PassingPolicy:
    """What passing a lead needs besides the store."""

    settings: OwnershipSettings
    team: TeamSettings
    end_campaigns: EndCampaigns


@dataclass(frozen=True, slots=True)
class Wish:
    """What the giver says with an offer."""

    taker: str
    notes: str = ""
    next_step: str = ""
    next_on: date | None = None
    stage: str = ""  #: stage of the account once accepted


def offer(
    connection: Connection, thread_id: int, wish: Wish, policy: PassingPolicy, *, actor: str, now: datetime
) -> Handover:
    """Offer a thread with the full package; raises PermanentError saying what is missing."""
    thread, team = _thread(connection, thread_id), policy.team
    taker = team.find(wish.taker)
    if taker is None or not is_member(team, wish.taker, now):
        raise PermanentError(f"{wish.taker} is no present member of the team")
    if taker.email == thread.owner:
        raise PermanentError(f"{taker.email} owns thread {thread_id} already")
    if handovers.find(connection, thread_id=thread_id, state=HandoverState.OFFERED):
        raise PermanentError(f"thread {thread_id} has an open offer: accept or reject it first")
    contact = contacts.contact(connection, thread.contact_id) if thread.contact_id else None
    account_id = thread.account_id or (contact.account_id if contact else None)
    account = contacts.account(connection, account_id) if account_id else None
    sent = list(reversed(sends.find_sent(connection, contact_id=[contact.id]))) if contact else []
    rows = [row for row in messages.messages_of_thread(connection, thread_id) if row["label"]]
    answers = [(row["internal_at"], row["from_address"], row["body_text"]) for row in rows]
    package = build_package(contact, account, sent, answers, notes=wish.notes, next_step=wish.next_step,
                            next_on=wish.next_on)  # fmt: skip
    if missing := missing_fields(package, policy.settings.handover.required):
        raise PermanentError(f"the package lacks {', '.join(missing)}: an offer without them is refused")
    answer_by = deadline(
        now, policy.settings.handover.answer_in, team.find(acting_for(team, taker.email, now)) or taker
    )
    key = handovers.offer(connection, thread, taker.email, package, stage=wish.stage, answer_by=answer_by, actor=actor,
                          now=now)  # fmt: skip
    made = _handover(connection, key)
    text = render_offer(made, title(team, thread.owner), title(team, taker.email))
    payload = {"subject": f"[offer] {package['contact']}", "text": text, "thread": thread_id, "handover": key}
    person, event = acting_for(team, taker.email, now), EventName.HANDOVER_OFFERED
    outbox.tell(connection, policy.settings, team, event, f"{event}:{key}", [person], payload, now, link_for=person)
    return made


def accept(connection: Connection, thread_id: int, policy: PassingPolicy, *, actor: str, now: datetime) -> str:
    """Accept an open offer: the new owner owns, every campaign to the contact ends. Returns the new owner.

    Without an open offer the acting person confirms that the thread is theirs; saying so again changes nothing.
    """
    thread, team = _thread(connection, thread_id), policy.team
    open_offer = _open_offer(connection, thread_id)
    if open_offer is None:
        return _confirm(connection, thread, team, actor=actor, now=now)
    _may_answer(thread, team, actor, {open_offer.taker, acting_for(team, open_offer.taker, now)})
    _settle(connection, open_offer, HandoverState.ACCEPTED, actor=actor, now=now)
    giver, taker = title(team, open_offer.giver), title(team, open_offer.taker)
    reason = f"This goes to {taker}, who accepted the lead that {giver} offered."
    _give(connection, thread, open_offer.taker, "handover", reason, policy, actor=actor, now=now)
    if open_offer.stage and thread.account_id is not None:
        _set_stage(connection, thread.account_id, open_offer, actor=actor, now=now)
    if thread.contact_id is not None:
        contacts.set_contact_owner(connection, thread.contact_id, open_offer.taker, actor=actor, now=now)
        policy.end_campaigns(connection, thread.contact_id, StopEvent.HANDED_OVER, actor, now)
    _tell_answer(connection, open_offer, [open_offer.giver], f"{taker} accepted: {reason}", policy, now)
    return open_offer.taker


def reject(
    connection: Connection,
    thread_id: int,
    reason: RejectionReason,
    policy: PassingPolicy,
    *,
    note: str = "",
    duplicate_of: int | None = None,
    actor: str,
    now: datetime,
) -> str:
    """Do not take a lead, for a coded reason; returns the sentence that says what happens to it now.

    An offered lead goes back to the old owner. Without an open offer the owner rejects what was assigned to them.
    The same no again changes nothing.
    """
    thread, team = _thread(connection, thread_id), policy.team
    other = _thread(connection, duplicate_of) if duplicate_of is not None else None
    if reason == RejectionReason.DUPLICATE and (other is None or other.id == thread_id or not other.owner):
        raise PermanentError("say which thread it duplicates, one that has an owner: --of THREAD")
    made = _open_offer(connection, thread_id)
    if made is None:
        given = answer_of(connection, thread, team, actor)
        if given is not None and given.state in _OPEN_ENDS and given.reason == reason:
            return _sentence(connection, thread, given)
        _may_answer(thread, team, actor, {thread.owner, thread.acting})
        _not_rejected(given, thread_id)
        key = handovers.offer(connection, thread, thread.owner, {}, stage="", answer_by=now, actor=actor, now=now)
        made = _handover(connection, key)
    else:
        _may_answer(thread, team, actor, {made.taker, acting_for(team, made.taker, now)})
    earlier = [one for one in _offers_of_lead(connection, thread) if one.id != made.id]
    settled = settle_rejection(reason, earlier)
    _settle(connection, made, settled.state, reason=reason, note=note, actor=actor, now=now)
    if thread.contact_id is not None:
        policy.end_campaigns(connection, thread.contact_id, StopEvent.OWNER_REJECTED, actor, now)
    if settled.link and other is not None and not settled.decide:
        _link(connection, thread, other, policy, actor=actor, now=now)
    elif made.giver == made.taker and not settled.decide:
        values = {"state": ThreadState.CLOSED, "task_open": False, "sla_due_at": None}
        threads.change(connection, thread_id, **values)
    people = [made.giver]
    if settled.link and other is not None and not settled.decide:
        people.append(acting_for(team, other.owner, now))
    if settled.decide:
        parties = {made.giver, made.taker, *(person for one in earlier for person in (one.giver, one.taker))}
        people.append(neutral_senior(team, sorted(parties), now))
    spoken = reason.replace("_", " ")
    said = (
        f"{title(team, made.taker)} does not take this lead ({spoken}{': ' + note if note else ''}). {settled.sentence}"
    )
    _tell_answer(connection, made, people, said, policy, now)
    return settled.sentence


def answer_of(connection: Connection, thread: Thread, team: TeamSettings, actor: str) -> Handover | None:
    """Return how this person answered for a thread already, unless the contact has written since."""
    offers, person = handovers.find(connection, thread_id=thread.id), team.find(actor)
    last = offers[-1] if offers else None
    if last is None or last.answered_at is None or person is None or team.find(last.answered_by) != person:
        return None
    since = thread.last_reply_at
    return last if since is None or last.answered_at >= since else None


def may_answer_now(
    connection: Connection, thread_id: int, policy: PassingPolicy, offer_id: int | None, *, actor: str, now: datetime
) -> tuple[bool, str]:
    """Return (this person may accept or reject now, a sentence about how it stands).

    `offer_id`: the offer that is asked about; None: the assignment of the thread itself.
    """
    thread, team = _known(connection, thread_id), policy.team
    made = handovers.handover(connection, offer_id) if offer_id is not None else None
    given = made if made is not None else answer_of(connection, thread, team, actor)
    if given is not None and given.state != HandoverState.OFFERED:
        who = title(team, given.answered_by)
        if given.reason is None:
            return False, f"{who} accepted this lead. {title(team, thread.owner)} owns it."
        spoken, said = given.reason.replace("_", " "), _sentence(connection, thread, given)
        return False, f"{who} rejected this lead ({spoken}). {said}"
    waiting = _open_offer(connection, thread_id)
    if waiting is not None and waiting.id != offer_id:
        return False, f"This lead is offered to {title(team, waiting.taker)}, who has not answered yet."
    people = {waiting.taker, acting_for(team, waiting.taker, now)} if waiting else {thread.owner, thread.acting}
    person = team.find(actor)
    if person is None or person.email not in people:
        return False, f"This lead is with {title(team, thread.owner)} now."
    if waiting is not None:
        return True, f"{title(team, waiting.giver)} offers this lead to {title(team, waiting.taker)}."
    return True, thread.reason


def decide(
    connection: Connection,
    thread_id: int,
    owner: str,
    policy: PassingPolicy,
    *,
    because: str,
    actor: str,
    now: datetime,
) -> None:
    """Settle a dispute or an open rejection: a senior says who owns the lead from now on."""
    thread, team = _thread(connection, thread_id), policy.team
    if not is_member(team, owner, now):
        raise PermanentError(f"{owner} is no present member of the team")
    waiting = [one for one in _offers_of_lead(connection, thread) if one.state in _OPEN_ENDS]
    if not waiting:
        raise PermanentError(
            f"thread {thread_id} has no rejected handover to decide; `postroom move` changes its owner"
        )
    for one in waiting:
        handovers.settle(connection, one, HandoverState.DECIDED, note=because, actor=actor, now=now)
    reason = f"This goes to {title(team, owner)} because {title(team, actor)} decided so: {because.rstrip('.')}."
    _give(connection, thread, owner, "senior's decision", reason, policy, actor=actor, now=now, pinned=True)
    people = [acting_for(team, owner, now), *(one.giver for one in waiting)]
    _tell_answer(connection, waiting[-1], people, reason, policy, now)


_OPEN_ENDS = (HandoverState.REJECTED, HandoverState.DISPUTED)


def tell_late(connection: Connection, settings: OwnershipSettings, team: TeamSettings, now: datetime) -> int:
    """Tell the manager about offers that nobody answered in time, once each."""
    threads.lock_desks(connection)
    late = [one for one in handovers.find(connection, state=HandoverState.OFFERED, late=False) if one.answer_by <= now]
    for one in late:
        handovers.mark_late(connection, one.id)
        giver, taker = title(team, one.giver), title(team, one.taker)
        offered = f"the lead that {giver} offered on {one.offered_at:%d %b %Y}"
        said = f"{taker} has not answered {offered}; {giver} still owns it."
        payload = {"subject": f"[no answer] {one.package.get('contact', 'a lead')}", "text": said + "\n",
                   "thread": one.thread_id, "handover": one.id}  # fmt: skip
        event, manager = EventName.HANDOVER_LATE, acting_for(team, team.escalation, now)
        outbox.tell(connection, settings, team, event, f"{event}:{one.id}", [manager], payload, now)
    return len(late)


def _confirm(connection: Connection, thread: Thread, team: TeamSettings, *, actor: str, now: datetime) -> str:
    """Note that whoever acts takes what was assigned, once."""
    given = answer_of(connection, thread, team, actor)
    if given is not None and given.state == HandoverState.ACCEPTED:
        return thread.owner
    _may_answer(thread, team, actor, {thread.owner, thread.acting})
    _not_rejected(given, thread.id)
    key = handovers.offer(connection, thread, thread.owner, {}, stage="", answer_by=now, actor=actor, now=now)
    _settle(connection, _handover(connection, key), HandoverState.ACCEPTED, actor=actor, now=now)
    audit.append(connection, now, actor, "thread.accepted", f"thread:{thread.id}", {"owner": thread.owner})
    return thread.owner


def _not_rejected(given: Handover | None, thread_id: int) -> None:
    if given is not None and given.state in _OPEN_ENDS:
        why = f"you have rejected thread {thread_id} already ({given.reason})"
        raise PermanentError(f"{why}; `postroom handover decide` settles it otherwise")


def _settle(
    connection: Connection, made: Handover, state: HandoverState, *, reason: RejectionReason | None = None,
    note: str = "", actor: str, now: datetime,
) -> None:  # fmt: skip
    if not handovers.settle(connection, made, state, reason=reason, note=note, actor=actor, now=now):
        raise PermanentError(f"somebody has answered for thread {made.thread_id} meanwhile")


def _sentence(connection: Connection, thread: Thread, given: Handover) -> str:
    """Return the sentence that a rejection was answered with."""
    if given.reason is None or given.state == HandoverState.DECIDED:
        return given.note
    earlier = [one for one in _offers_of_lead(connection, thread) if one.id < given.id]
    return settle_rejection(given.reason, earlier).sentence


def _give(
    connection: Connection,
    thread: Thread,
    owner: str,
    rule: str,
    reason: str,
    policy: PassingPolicy,
    *,
    actor: str,
    now: datetime,
    pinned: bool | None = None,
) -> None:
    tried = [{"rule": rule, "matched": True, "detail": reason}]
    acting = acting_for(policy.team, owner, now)
    threads.assign(connection, thread.id, owner=owner, acting=acting, rule=rule, reason=reason, tried=tried, facts={},
                   actor=actor, now=now, pinned=pinned)  # fmt: skip
    if acting != thread.acting:
        outbox.count_again(connection, thread, acting, policy.settings, policy.team)
    if owner != thread.owner:  # systems hear of the move here; people by the answer to the handover
        event = EventName.THREAD_REASSIGNED
        payload: dict[str, Any] = {
            "subject": f"[reassigned] {thread.subject or f'thread {thread.id}'}",
            "text": reason + "\n",
        }
        payload |= {"thread": thread.id, "from": thread.owner, "owner": owner, "acting": acting, "reason": reason}
        key = f"{event}:{thread.id}:{owner}:{now.isoformat()}"
        outbox.tell(connection, policy.settings, policy.team, event, key, [], payload, now)


def _link(
    connection: Connection, thread: Thread, other: Thread, policy: PassingPolicy, *, actor: str, now: datetime
) -> None:
    reason = f"This goes to {title(policy.team, other.owner)}, who owns thread {other.id}, the same lead."
    _give(connection, thread, other.owner, "duplicate", reason, policy, actor=actor, now=now)
    threads.change(connection, thread.id, linked_id=other.id)


def _set_stage(connection: Connection, account_id: int, made: Handover, *, actor: str, now: datetime) -> None:
    """Write the stage that the handover is about: the taker owns the opportunity or, once won, the account."""
    stage = AccountStage(made.stage)
    field = "opportunity_owner" if stage == AccountStage.OPPORTUNITY else "owner"
    contacts.save_account(connection, {"id": account_id, "stage": stage, field: made.taker})
    audit.append(connection, now, actor, "account.stage", f"account:{account_id}", {"stage": stage, field: made.taker})


def _tell_answer(
    connection: Connection, made: Handover, people: list[str], said: str, policy: PassingPolicy, now: datetime
) -> None:
    about = made.package.get("contact") or f"thread {made.thread_id}"
    payload = {"subject": f"[handover] {about}", "text": said + "\n", "thread": made.thread_id, "handover": made.id}
    event = EventName.HANDOVER_ANSWERED
    key = f"{event}:{made.id}:{now.isoformat()}"
    outbox.tell(connection, policy.settings, policy.team, event, key, people, payload, now)


def _may_answer(thread: Thread, team: TeamSettings, actor: str, people: set[str]) -> None:
    person = team.find(actor)
    if person is None or person.email not in people:
        who = " or ".join(sorted(one for one in people if one)) or "nobody"
        raise PermanentError(f"only {who} may answer for thread {thread.id}, not {actor}; say who you are with --as")


def _open_offer(connection: Connection, thread_id: int) -> Handover | None:
    found = handovers.find(connection, thread_id=thread_id, state=HandoverState.OFFERED)
    return found[-1] if found else None


def _offers_of_lead(connection: Connection, thread: Thread) -> list[Handover]:
    if thread.contact_id is not None:
        return handovers.find(connection, contact_id=thread.contact_id)
    return handovers.find(connection, thread_id=thread.id)


def _thread(connection: Connection, thread_id: int) -> Thread:
    threads.lock_desks(connection)
    return _known(connection, thread_id)


def _known(connection: Connection, thread_id: int) -> Thread:
    found = threads.thread(connection, thread_id)
    if found is None:
        raise PermanentError(f"thread {thread_id} does not exist; `postroom threads` lists threads")
    return found


def _handover(connection: Connection, key: int) -> Handover:
    found = handovers.handover(connection, key)
    if found is None:
        raise PermanentError(f"handover {key} does not exist")
    return found
