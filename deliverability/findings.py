"""What did a check find, what should be done about it, and which record puts it right?"""

from dataclasses import dataclass

from store.vocabulary import Severity

STRING_BYTES = 255  # one string of a TXT record (RFC 1035, 3.3)
#: RFC 7208, 3.4: a name with all its TXT records below the first fits the second, an answer that no firewall drops.
SAFE_BYTES, ANSWER_BYTES = 450, 512
#: Failures that do not pass by themselves.
_LASTING = {
    "cname-loop": "The aliases (CNAME) of this name lead in a circle: break it.",
    "dnssec-bogus": "The DNSSEC signatures do not hold, and receivers see nothing: sign anew, or mend the DS record.",
}
AGAIN = "The DNS gave no answer; this says nothing about the record. Ask again later."


@dataclass(frozen=True, slots=True)
class Finding:
    """Hold one result of a check: `found` quotes what is there, `advice` says what to do, `rule` names who asks for it.

    The slug is stable ("spf-two-records") and the same in log, audit and console. `publish` is a zone-file line with
    the whole corrected record, empty where no record can put it right.
    """

    slug: str
    severity: Severity
    found: str
    advice: str
    rule: str = ""
    publish: str = ""


def temporary(check: str, detail: str, rule: str) -> Finding:
    """Return the finding that says nothing is known now: never to be read as "there is none"."""
    advice = _LASTING.get(detail, AGAIN)
    return Finding(
        f"{check}-temperror", Severity.TEMPORARY, f"temporary failure: {detail or 'no answer'}", advice, rule
    )


def zone_line(name: str, text: str) -> str:
    """Return a TXT record as a zone file writes it, in strings of at most 255 bytes."""
    pieces = [text[start : start + STRING_BYTES] for start in range(0, len(text), STRING_BYTES)] or [""]
    quoted = " ".join('"{}"'.format(piece.replace("\\", "\\\\").replace('"', '\\"')) for piece in pieces)
    return f"{name}. TXT {quoted}"
