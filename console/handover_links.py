"""How does a colleague accept or reject a lead from the mail? A signed link: GET shows, POST acts, once.

A link is bound to one notice and its recipient: it says who answers and for what. Opening it changes nothing, so mail
scanners may; answering again shows how it stands. A link that is not ours shows nothing about anybody.
"""

import html
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection
from starlette.datastructures import FormData
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from console.public import page
from outbound.unsubscribe import make_token, read_token
from ownership import passing_desk
from ownership.passing_desk import PassingPolicy, may_answer_now
from store import contacts, notices, threads
from store.database import Store
from store.errors import PermanentError, TemporaryError
from store.records import Thread
from store.vocabulary import RejectionReason

LARGEST_NUMBER = 2**31 - 1
LONGEST_NOTE = 500  # characters
MOST_OTHERS = 20  # threads that a lead may be named a duplicate of
REASONS = {
    RejectionReason.NO_FIT: "No fit: not our kind of customer",
    RejectionReason.NO_NEED: "No need: they do not need it",
    RejectionReason.WRONG_PERSON: "Wrong person: somebody else there decides",
    RejectionReason.TIMING: "Timing: later, not now",
    RejectionReason.DUPLICATE: "Duplicate of",
}
STRANGE = "This link is not valid, or no longer."
FORM = """<p>{about}</p><p>{standing}</p>{problem}
<form method="post">
<p><button name="answer" value="accept" style="font:inherit;padding:.6em 1em">Accept</button></p></form>
<form method="post"><fieldset style="padding:1em"><legend>Or reject, because:</legend>{reasons}
<p><label>In your words: <input name="note" maxlength="{longest}" style="font:inherit"></label></p>
<p><button name="answer" value="reject" style="font:inherit;padding:.6em 1em">Reject</button></p></fieldset></form>"""


@dataclass(frozen=True, slots=True)
class AnswerDesk:
    """What answering by link needs: the store, the keys of tokens, newest first, and how leads are passed."""

    store: Store
    keys: Sequence[bytes]
    policy: Callable[[Connection], PassingPolicy]
    now: Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class _Asked:
    """The notice behind a link, as far as answering is concerned."""

    person: str
    thread: Thread
    offer: int | None


def link_of(keys: Sequence[bytes], base: str, notice: Mapping[str, Any]) -> str:
    """Return the link that a notice's mail carries; `base` is the public address of the endpoint's door."""
    return f"{base}/{notice['id']}/{make_token(keys, _purpose(notice), notice['id'])}"


def routes(desk: AnswerDesk, prefix: str) -> list[BaseRoute]:
    """Return the routes of `prefix`/NOTICE/TOKEN."""

    async def show(request: Request) -> Response:
        try:
            return await desk.store.read(_show, desk, _named(request))
        except TemporaryError:
            return _later()

    async def act(request: Request) -> Response:
        try:
            async with request.form(max_files=0, max_fields=10) as form:
                return await desk.store.write(_act, desk, _named(request), form)
        except ClientDisconnect:
            return Response(status_code=400)  # nobody reads it
        except PermanentError as problem:
            return await desk.store.read(_show, desk, _named(request), str(problem))
        except TemporaryError:
            return _later()

    path = f"{prefix}/{{number:int}}/{{token}}"
    return [Route(path, show, methods=["GET"]), Route(path, act, methods=["POST"])]


def _purpose(notice: Mapping[str, Any]) -> str:
    """Return what a token is bound to; the instant keeps it from another notice of the same number after a restore."""
    return f"answer|{notice['created_at'].isoformat()}|{notice['event_key']}|{notice['recipient']}"


def _named(request: Request) -> tuple[int, str]:
    return int(request.path_params["number"]), str(request.path_params["token"])


def _asked(connection: Connection, desk: AnswerDesk, named: tuple[int, str]) -> _Asked | None:
    number, token = named
    notice = notices.notice(connection, number) if 0 < number <= LARGEST_NUMBER else None
    if notice is None or read_token(desk.keys, _purpose(notice), token) != number:
        return None
    payload = notice["payload"]
    thread = threads.thread(connection, payload["thread"]) if payload.get("answer_as") else None
    return _Asked(payload["answer_as"], thread, payload.get("handover")) if thread else None


def _show(connection: Connection, desk: AnswerDesk, named: tuple[int, str], problem: str = "") -> Response:
    asked = _asked(connection, desk, named)
    if asked is None:
        return _strange()
    may, standing = _standing(connection, desk, asked)
    if not may:
        return page("en", "Already settled", f"<p>{html.escape(standing)}</p>")
    shown = FORM.format(
        about=html.escape(_about(connection, asked.thread)),
        standing=html.escape(standing),
        problem=f"<p><b>{html.escape(problem)}</b></p>" if problem else "",
        reasons="".join(_choice(connection, asked.thread, reason, text) for reason, text in REASONS.items()),
        longest=LONGEST_NOTE,
    )
    answer = page("en", "Do you take this lead?", shown)
    answer.status_code = 400 if problem else 200
    return answer


def _act(connection: Connection, desk: AnswerDesk, named: tuple[int, str], form: FormData) -> Response:
    """Answer once; an answer given before, or by somebody else, is only shown."""
    asked = _asked(connection, desk, named)
    if asked is None:
        return _strange()
    may, standing = _standing(connection, desk, asked)
    if not may:
        return page("en", "Already settled", f"<p>{html.escape(standing)}</p>")
    policy, thread = desk.policy(connection), asked.thread.id
    if form.get("answer") == "accept":
        passing_desk.accept(connection, thread, policy, actor=asked.person, now=desk.now())
    elif form.get("answer") == "reject":
        passing_desk.reject(connection, thread, _reason(form), policy, note=_note(form), duplicate_of=_other(form),
                            actor=asked.person, now=desk.now())  # fmt: skip
    else:
        raise PermanentError("Press one of the two buttons.")
    _, standing = _standing(connection, desk, asked)
    return page("en", "Thank you", f"<p>{html.escape(standing)}</p>")


def _standing(connection: Connection, desk: AnswerDesk, asked: _Asked) -> tuple[bool, str]:
    policy = desk.policy(connection)
    return may_answer_now(connection, asked.thread.id, policy, asked.offer, actor=asked.person, now=desk.now())


def _reason(form: FormData) -> RejectionReason:
    try:
        return RejectionReason(str(form.get("reason", "")))
    except ValueError as problem:
        raise PermanentError("Choose one of the reasons.") from problem


def _other(form: FormData) -> int | None:
    named = str(form.get("of", ""))
    if form.get("reason") != RejectionReason.DUPLICATE:
        return None
    if not (named.isascii() and named.isdigit() and len(named) < 10):
        raise PermanentError("Choose the thread that it duplicates.")
    return int(named)


def _note(form: FormData) -> str:
    printable = (one if one.isprintable() else " " for one in str(form.get("note", "")))
    return " ".join("".join(printable).split())[:LONGEST_NOTE]


def _about(connection: Connection, thread: Thread) -> str:
    contact = contacts.contact(connection, thread.contact_id) if thread.contact_id else None
    account_id = thread.account_id or (contact.account_id if contact else None)
    account = contacts.account(connection, account_id) if account_id else None
    name = f"{contact.first_name} {contact.last_name}".strip() or contact.email if contact else ""
    parts = (name, (account.name or account.domain) if account else "", thread.subject)
    return ", ".join(one for one in parts if one) or f"thread {thread.id}"


def _choice(connection: Connection, thread: Thread, reason: RejectionReason, text: str) -> str:
    more = ""
    if reason == RejectionReason.DUPLICATE:
        known = threads.find(connection, account_id=thread.account_id) if thread.account_id else []
        known += threads.find(connection, contact_id=thread.contact_id) if thread.contact_id else []
        others = {one.id: one for one in known if one.id != thread.id and one.owner}
        if not others:
            return ""
        listed = "".join(
            f'<option value="{key}">{html.escape(f"{key}: {one.subject}, {one.owner}")}</option>'
            for key, one in list(others.items())[:MOST_OTHERS]
        )
        more = f' <select name="of">{listed}</select>'
    return f'<p><label><input type="radio" name="reason" value="{reason}"> {html.escape(text)}</label>{more}</p>'


def _later() -> Response:
    return Response(status_code=503, headers={"Retry-After": "60"})


def _strange() -> Response:
    answer = page("en", STRANGE)
    answer.status_code = 404
    return answer
