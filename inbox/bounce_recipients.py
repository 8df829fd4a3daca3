"""Whom does a bounce without status fields name? Addresses stand in telling places; others on the page are scenery."""

import re
from collections.abc import Iterator

from inbox.bounce_words import HARD
from inbox.parse import ParsedMail

ADDRESS = re.compile(
    r"(?<![A-Za-z0-9.!#$%&'*+/=?^_`{|}~@-])[A-Za-z0-9.!#$%&'*+/=?^_`{|}~\u00c0-\u02af\u0370-\u04ff-]{1,64}@[A-Za-z0-9\u00c0-\u02af](?:[A-Za-z0-9\u00c0-\u02af.-]{0,250}[A-Za-z0-9\u00c0-\u02af])?"
)
_QUOTED_LOCAL = re.compile(r'"([^"\s@]{1,64})"@([A-Za-z0-9.-]{1,250})')
_X400 = re.compile(r"(?i)(?:smtp|rfc-?822)=\s?([^;\s@]{1,64}(?:\(a\)|@)[a-z0-9.-]{1,250})")
_OPENING = r"[\s>*|•·\-–—.:\[(\"'<«“=#!]{0,30}"
_LINE = re.compile(rf"^{_OPENING}(?:\d{{1,3}}[.)]\s)?(?:<?(?:smtp:|mailto:|rfc822;)\s?)?$", re.IGNORECASE)
_LED_BY = re.compile(
    r"(?:recipients?|addresse?s?|addressed to|original address|address(?:e|es)?|deliver(?:ed|y)?(?: mail| it| message)? (?:to|for)|undeliverable to|failed to deliver to|rcpt to|final-recipient|original-recipient|userid|user|mailbox|account|"
    r"message (?:sent )?to|mail to|e-?mail to|sent to|intended for|not reach(?: the following recipient)?|for|to|did not reach|attempts?|empfänger|adresse|an|nachricht an|destinataires?|à|destinatari(?:o|os|i)?|a|para|indirizzo|ontvangers?|aan|geadresseerde|odbiorc(?:a|y)|do|получател(?:ь|ю|я|и)|адрес(?:у|ат)?|"
    r"收件人|收信人|地址|用户|收件者|宛先|宛て|あて先|受信者|받는 ?사람|수신자|because|reason|reached our local address|local address)[^\w@]{0,6}(?:<?(?:smtp:|mailto:|rfc822;|utf-8;)\s?)?[^\w@]{0,3}$",
    re.IGNORECASE,
)
_NOT_FAILED = re.compile(
    r"\b(?:from|sender|contact|expanded from|generated from|forward(?:ed)? to|help|questions?|please (?:contact|e-?mail|write|send)|mailto|by|absender|von|expéditeur|de la part|remitente|mittente|afzender|remetente|отправител\w|自|发件人|寄件者|差出人|보낸 ?사람|message from|mail from|behalf of|reporting-mta|x-[a-z-]{1,40}|list-[a-z]{1,20}|"
    r"try(?:ing)?(?: to)?|instead|informer|helo|received)\b[^@]{0,60}$|(?:发件人|寄件者|差出人)[^@]{0,20}$",
    re.IGNORECASE,
)
_OF_ORIGINAL = re.compile(
    r"^[\s*>|•-]{0,10}(?:to|from|cc|subject|date|sent|received on|message-id|an|von|betreff|gesendet|à|de|objet|envoyé|para|asunto|enviado|a|da|oggetto|inviato|aan|van|onderwerp|reply-to|sender)\s?:",
    re.IGNORECASE,
)
_BARE_LOCAL = re.compile(r"^[ \t]{1,12}([A-Za-z][\w.+-]{1,40})[ \t]*$", re.MULTILINE)
_SELDOM = frozenset(("postmaster", "mailer-daemon", "abuse", "helpdesk", "support", "hostmaster", "webmaster"))
LONGEST_LINE = 600


def failed_addresses(text: str, mail: ParsedMail) -> tuple[str, ...]:
    """Return the addresses a mail system's own text reports as failed, in order."""
    ours = {mail.from_address, *mail.to, *mail.cc, *mail.delivered_to}
    strong: list[str] = []
    weak: list[str] = []
    blamed: list[str] = []  # of addresses in running text, those whose line says why
    block = ""
    for line in text.split("\n")[:2_000]:
        line = line[:LONGEST_LINE]
        if not line.strip():
            block = ""
        for address, start in _in_line(line):
            before = line[:start]
            if address.partition("@")[0] in _SELDOM or ".." in address:
                continue
            if _NOT_FAILED.search(before):
                continue
            if _LINE.match(before) and not block:
                strong.append(address)
            elif _OF_ORIGINAL.match(line):
                block = "original"
                weak.append(address)
            elif _LED_BY.search(before) or _LINE.match(before):
                strong.append(address)
            else:
                weak.append(address)
                blamed += [address] * bool(HARD.search(line))
    found = [one for one in strong if one not in ours] or [one for one in blamed or weak if one not in ours]
    found = found or [one for one in strong if one != mail.from_address] or _bare_locals(text, mail)
    generated = re.findall(rf"generated from ({ADDRESS.pattern})", text[:4_000])
    found = found or [one.lower() for one in generated if "." in one.rpartition("@")[2]]
    return tuple(dict.fromkeys(found))


def _in_line(line: str) -> Iterator[tuple[str, int]]:
    if "@" not in line and "(a)" not in line.lower():
        return
    if x400 := _X400.search(line):
        yield x400[1].replace("(a)", "@").replace("(A)", "@").lower(), 0
        return
    if quoted := _QUOTED_LOCAL.search(line):
        yield f"{quoted[1]}@{quoted[2]}".lower(), quoted.start()
        return
    for found in ADDRESS.finditer(line):
        address = found[0].strip(".'`").lower()
        yield address.removeprefix("smtp=").removeprefix("rfc822="), found.start()


def _bare_locals(text: str, mail: ParsedMail) -> list[str]:
    """Return names without a domain that stand alone on a line after a colon: they are the reporting server's own."""
    domain = mail.from_address.rpartition("@")[2]
    start = re.search(r"(?:recipients?|address(?:es)?|users?)\b[^\n]{0,200}:[ \t]*\n", text[:3_000], re.IGNORECASE)
    if not start or not domain:
        return []
    found = _BARE_LOCAL.match(text, start.end())
    return [f"{found[1]}@{domain}".lower()] if found else []
