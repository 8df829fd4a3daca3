"""Which SPF record was meant by a wrong one?"""

import contextlib
import re
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from ipaddress import ip_network

from deliverability.spf_record import parse_record

#: Typographic quotes, dashes and blanks that editors put in place of ASCII, and the ones that cannot be seen.
TYPOGRAPHY = str.maketrans(
    {**dict.fromkeys("“”„‟«»″", '"'), **dict.fromkeys("‘’‚‛′`", "'"), **dict.fromkeys("–—−‐‑‒", "-"),
     **dict.fromkeys("\u00a0\u2002\u2003\u2009\u202f\u3000\t\r\n", " "), **dict.fromkeys("\u200b\u200c\u200d\ufeff"),
     "；": ";", "：": ":", "＝": "=", "，": ","}
)  # fmt: skip
_VERSION = re.compile(r"^\W*v?\W{0,2}spf\s?[12]?(?:\.0)?(?:/[\w,]+)?", re.IGNORECASE)
_MECHANISMS = ("include", "a", "mx", "ptr", "ip4", "ip6", "exists", "all")
_GLUED = re.compile(r"(?<=[^\s+\-~?:])(?=(?:include:|ip4:|ip6:|exists:|redirect=|[~?\-]all$))", re.IGNORECASE)
_APART = re.compile(r"(?<!\S)([+\-~?]?(?:include|exists|ip[46]))\s+(?=[^\s:=]+\.[^\s:=]+(?:\s|$))", re.IGNORECASE)
_HALF = re.compile(r"(?:^|\s)([+\-~?])\s+(?=\w)|([:=])\s+(?=\S)|(?<=\w)\s+([:=])")


def typed(text: str) -> str:
    """Return a record in plain ASCII type: UTF-8 read as such, typographic signs replaced, outer quotes gone."""
    with contextlib.suppress(UnicodeError):
        text = text.encode("latin-1").decode("utf-8")  # the DNS door hands bytes on as latin-1
    return text.translate(TYPOGRAPHY).strip("\"' ;")


def repair_spf(text: str) -> str:
    """Return a valid record with what can be understood of a broken one; terms nobody understands are left out."""
    plain = typed(text).replace('" "', "").replace('"', "")
    body = _HALF.sub(lambda half: f" {half[1]}" if half[1] else half[2] or half[3], _VERSION.sub(" ", plain, count=1))
    body = _APART.sub(r"\1:", body)
    terms = [term for word in re.split(r"[;,\s]+", body) for term in _GLUED.split(word) if term]
    return join_terms([fixed for term in terms for fixed in _repair_term(term)])


def merge_spf(records: Sequence[str]) -> str:
    """Return one record that says what several say."""
    return join_terms([term for record in records for term in repair_spf(record).split()[1:]])


def join_terms(terms: Sequence[str]) -> str:
    """Return a record of these terms: each once, `all` or else `redirect` last and only there."""
    kept = list(dict.fromkeys(terms))
    ends = [term for term in kept if term.lower().lstrip("+-~?") == "all"]
    moved = [term for term in kept if term.lower().startswith("redirect=")]
    others = [term for term in kept if term not in ends and term not in moved]
    safe = [end for end in ends if end[0] in "~-"]
    last = safe[:1] or (moved[:1] if not ends else []) or ["~all"]
    return " ".join(["v=spf1", *others, *last])


def _repair_term(term: str) -> Iterator[str]:
    if not term.isascii():
        return
    qualifier = term[0] if term[0] in "+-~?" else ""
    name, sign, value = re.match(r"([^:=/]*)([:=]?)(.*)", term[len(qualifier) :], re.DOTALL).groups()  # type: ignore[union-attr]
    lower = name.lower()
    if lower in ("redirect", "exp"):
        yield from _valid(f"{lower}={value}")
        return
    if sign == "=" and lower not in _MECHANISMS:
        return
    close = [lower] if lower in _MECHANISMS else get_close_matches(lower, _MECHANISMS, n=1, cutoff=0.6)
    kind = {"ip": "ip4", "ipv4": "ip4", "ipv6": "ip6"}.get(lower) or next(iter(close), "")
    literal = _network(value or term)
    if literal is not None and (kind in ("a", "mx", "ip4", "ip6", "include") or not sign):
        yield f"{qualifier}ip{literal[0]}:{literal[1]}"
    elif kind:
        target = re.sub(r"^https?:/+", "", value).rstrip("/") if kind == "include" else value
        yield from _valid(f"{qualifier}{kind}{':' if sign else ''}{target}")


def _valid(term: str) -> list[str]:
    return [] if parse_record(f"v=spf1 {term}").problems else [term]


def _network(text: str) -> tuple[int, str] | None:
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        return None
    return network.version, text
