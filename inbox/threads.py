"""Which message of ours does an arrival answer?

By the ids it refers to (ours, or as a provider rewrote them), then by the token in the address it was sent to. Only
these make it part of that message's thread. A known sender without them opens a new thread, which still belongs to
the sequence last sent to that address. The subject alone never joins anything (RFC 5256 base subjects): it counts for
somebody of the same name, or at the same company. Where it could be the answer of several people, all of them are
held and a person decides.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from store.records import SentMessage

LONGEST_SUBJECT = 998  # characters; the longest line of RFC 5322
_PREFIX = re.compile(
    r"\s*(?:\[[^\[\]]{0,80}\]\s*)*"
    r"(?:re|r|aw|antw|antwoord|sv|vs|odp|ref|rif|rv|res|resp|ynt|回复|答复|回覆|返信|fwd?|wg|tr|i|rv|enc|doorst|vb|pd|転送|转发)"
    r"(?:\s*(?:\[[^\[\]]{0,80}\]|\(\d{1,3}\)|\^\d{1,3}))?\s*[:：]\s*",
    re.IGNORECASE,
)
_TAG = re.compile(r"^\s*\[[^\[\]]{0,80}\]\s*")
_TRAILER = re.compile(r"(?:\s*\(fwd\))+\s*$", re.IGNORECASE)
_WRAPPED = re.compile(r"^\[fwd?:(.*)\]$", re.IGNORECASE)
_TITLE = re.compile(r"\([^()]{0,80}\)|[\"']|\b(?:dr|prof|mr|mrs|ms|herr|frau|ing|dipl|mba|phd|msc)\b\.?", re.IGNORECASE)
_TOKEN = re.compile(r"\+([A-Za-z0-9_-]{8,128})@")


@dataclass(frozen=True, slots=True)
class ThreadMatch:
    """The send that an arrival belongs to."""

    sent: SentMessage | None
    how: str  #: message-id, learnt-id, token, address, person, company, or empty
    same_thread: bool  #: answers this very conversation
    proven: bool  #: carries something only a reader of our message knows
    from_recipient: bool  #: written from the address we wrote to
    rivals: tuple[SentMessage, ...] = ()  #: sends to other people that it may answer as well


NO_MATCH = ThreadMatch(None, "", same_thread=False, proven=False, from_recipient=False)


def base_subject(subject: str) -> str:
    """Return a subject without reply and forward prefixes, list tags and trailers, in lower case (RFC 5256, 2.1)."""
    text = " ".join(subject[:LONGEST_SUBJECT].split())
    for _ in range(len(text)):
        before = text
        text = _TRAILER.sub("", text)
        while (cut := _PREFIX.match(text)) or ((cut := _TAG.match(text)) and cut.end() < len(text)):
            text = text[cut.end() :]
        text = _WRAPPED.sub(r"\1", text).strip()
        if text == before:
            break
    return text.lower()


def bare_address(address: str) -> str:
    """Return an address without its plus-tag: `kim+news@x.example` is kim."""
    local, at, domain = address.partition("@")
    return f"{local.partition('+')[0] or local}{at}{domain}"


def company_domains(address: str) -> tuple[str, ...]:
    """Return the domain of an address and those above it: `kim@mail.x.example` may be of x.example."""
    labels = address.rpartition("@")[2].split(".")
    return tuple(".".join(labels[start:]) for start in range(min(3, len(labels) - 1)))


def full_name(display: str) -> tuple[str, str]:
    """Return (first, last) of a From name such as `Lund, Kim (Fjordbyg)`, empty when it is no full name."""
    bare = " ".join(_TITLE.sub(" ", display[:200]).split())
    last, comma, first = (part.strip() for part in bare.partition(","))
    words = [*first.split(), *last.split()] if comma and first else bare.split()
    return (words[0], words[-1]) if len(words) > 1 and "@" not in bare else ("", "")


def address_tokens(addresses: Iterable[str]) -> tuple[str, ...]:
    """Return the per-recipient tokens in plus-addresses such as `unsubscribe+TOKEN@out.example`."""
    return tuple(token for address in addresses for token in _TOKEN.findall(address))


def referred_ids(in_reply_to: Sequence[str], references: Sequence[str]) -> tuple[str, ...]:
    """Return the Message-IDs an arrival refers to, the one most likely answered first."""
    return tuple(dict.fromkeys([*in_reply_to, *reversed(references)]))


def match_reply(
    *,
    ids: Sequence[str],
    from_address: str,
    subject: str,
    by_id: Sequence[SentMessage],
    by_token: Sequence[SentMessage],
    by_address: Sequence[SentMessage],
    by_person: Sequence[SentMessage] = (),
    by_company: Sequence[SentMessage] = (),
) -> ThreadMatch:
    """Choose the send that an arrival answers; candidates come newest first.

    `by_person` are sends to people of the sender's name at other addresses, `by_company` to other people at the
    sender's own company domain (never free mail): such a writer is recognised by the subject, and opens a new thread.
    """
    known = {name: sent for sent in reversed(by_id) for name in (sent.message_id, sent.learnt_id) if name}
    for name in ids:
        if sent := known.get(name):
            how = "message-id" if name == sent.message_id else "learnt-id"
            return _found(sent, how, from_address, same_thread=True, proven=True)
    if by_token:
        return _found(_closest(by_token, subject), "token", from_address, same_thread=True, proven=True)
    if by_address:  # the one last sent to that address, whatever the subject says
        return _found(by_address[0], "address", from_address, same_thread=False, proven=False)
    wanted = base_subject(subject)
    for how, candidates in (("person", by_person), ("company", by_company)):
        same = [sent for sent in candidates if wanted and base_subject(sent.subject) == wanted]
        if same:
            newest = {sent.contact_id: sent for sent in reversed(same) if sent.contact_id != same[0].contact_id}
            found = _found(same[0], how, from_address, same_thread=False, proven=False)
            return replace(found, rivals=tuple(newest.values()))
    return NO_MATCH


def _closest(candidates: Sequence[SentMessage], subject: str) -> SentMessage:
    wanted = base_subject(subject)
    return next((sent for sent in candidates if wanted and base_subject(sent.subject) == wanted), candidates[0])


def _found(sent: SentMessage, how: str, from_address: str, *, same_thread: bool, proven: bool) -> ThreadMatch:
    return ThreadMatch(sent, how, same_thread, proven, from_recipient=from_address.lower() == sent.recipient.lower())
