"""What does the text of an SPF record say? Grammar of RFC 7208 sections 4.5, 4.6.1, 5, 6 and 12."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network

from deliverability.spf_macro import is_domain_spec, is_macro_string

_MODIFIER = re.compile(r"([a-z][a-z0-9\-_.]*)=(.*)", re.IGNORECASE | re.ASCII | re.DOTALL)
_DIRECTIVE = re.compile(r"([-+~?]?)([a-z0-9]+)(.*)", re.IGNORECASE | re.ASCII | re.DOTALL)
_PREFIX_LENGTH = re.compile(r"0|[1-9][0-9]{0,2}")
_DOTTED_QUAD = re.compile(r"(?:(?:0|[1-9][0-9]{0,2})\.){3}(?:0|[1-9][0-9]{0,2})")


@dataclass(frozen=True, slots=True)
class Mechanism:
    """Hold one directive: `domain` is its unexpanded domain-spec ("" is the current domain)."""

    text: str
    qualifier: str  # one of + - ~ ?
    kind: str  # all include a mx ptr ip4 ip6 exists
    domain: str = ""
    prefix4: int = 32
    prefix6: int = 128
    network: IPv4Network | IPv6Network | None = None


@dataclass(frozen=True, slots=True)
class SpfProblem:
    """Name a term that breaks the grammar, and how."""

    term: str
    reason: str


@dataclass(frozen=True, slots=True)
class SpfRecord:
    """Hold a parsed record; with any problem the whole record is a permerror (section 4.6)."""

    text: str
    mechanisms: tuple[Mechanism, ...] = ()
    redirect: str | None = None
    explanation: str | None = None
    problems: tuple[SpfProblem, ...] = ()


def select_records(texts: Iterable[str]) -> list[str]:
    """Return the TXT records that are SPF records: "v=spf1" alone or before a space (section 4.5)."""
    return [text for text in texts if text[:6].lower() == "v=spf1" and text[6:7] in ("", " ")]


def parse_record(text: str) -> SpfRecord:
    """Return the terms of a record that `select_records` chose; never raises, whatever the text."""
    mechanisms: list[Mechanism] = []
    modifiers: dict[str, str] = {}
    problems: list[SpfProblem] = []
    for term in text[6:].split(" "):
        modifier = _MODIFIER.fullmatch(term)
        try:
            if modifier:
                _add_modifier(modifiers, modifier[1].lower(), modifier[2])
            elif term:
                mechanisms.append(_parse_mechanism(term))
        except _BadTerm as bad:
            problems.append(SpfProblem(term, str(bad)))
    return SpfRecord(text, tuple(mechanisms), modifiers.get("redirect"), modifiers.get("exp"), tuple(problems))


class _BadTerm(Exception):
    """Carry the reason from a term's parser to `parse_record`."""


def _add_modifier(modifiers: dict[str, str], name: str, value: str) -> None:
    if name not in ("redirect", "exp"):
        if not is_macro_string(value):
            raise _BadTerm("the value is not a macro string")
        return
    if name in modifiers:
        raise _BadTerm(f"{name}= may stand only once")
    if not is_domain_spec(value):
        raise _BadTerm("the domain is not valid")
    modifiers[name] = value


def _parse_mechanism(term: str) -> Mechanism:
    directive = _DIRECTIVE.fullmatch(term)
    if directive is None:
        raise _BadTerm("is neither a mechanism nor a modifier")
    qualifier, kind, rest = directive[1] or "+", directive[2].lower(), directive[3]
    match kind:
        case "all":
            if rest:
                raise _BadTerm("all takes no argument")
            return Mechanism(term, qualifier, kind)
        case "ip4" | "ip6":
            return Mechanism(term, qualifier, kind, network=_parse_network(kind, rest))
        case "include" | "exists":
            return Mechanism(term, qualifier, kind, _parse_domain(rest))
        case "ptr":
            return Mechanism(term, qualifier, kind, _parse_domain(rest) if rest else "")
        case "a" | "mx":
            rest, prefix4, prefix6 = _split_prefixes(rest)
            return Mechanism(term, qualifier, kind, _parse_domain(rest) if rest else "", prefix4, prefix6)
    raise _BadTerm("is not a known mechanism")


def _parse_domain(rest: str) -> str:
    if not rest.startswith(":") or not is_domain_spec(rest[1:]):
        raise _BadTerm("the domain is missing or not valid")
    return rest[1:]


def _split_prefixes(rest: str) -> tuple[str, int, int]:
    """Cut a dual-cidr-length ("/24", "//64", "/24//64") off the end; a slash elsewhere belongs to the domain."""
    prefix4, prefix6 = 32, 128
    head, slash, tail = rest.rpartition("//")
    if slash and tail.isdigit():
        rest, prefix6 = head, _parse_prefix(tail, 128)
    head, slash, tail = rest.rpartition("/")
    if slash and (tail.isdigit() or not head):
        rest, prefix4 = head, _parse_prefix(tail, 32)
    return rest, prefix4, prefix6


def _parse_prefix(text: str, longest: int) -> int:
    if not _PREFIX_LENGTH.fullmatch(text) or int(text) > longest:
        raise _BadTerm(f"the prefix length is not 0 to {longest} without leading zeros")
    return int(text)


def _parse_network(kind: str, rest: str) -> IPv4Network | IPv6Network:
    address, slash, length = rest.removeprefix(":").partition("/")
    longest = 32 if kind == "ip4" else 128
    prefix = _parse_prefix(length, longest) if slash else longest
    well_formed = _DOTTED_QUAD.fullmatch(address) if kind == "ip4" else ":" in address and "%" not in address
    if not rest.startswith(":") or not well_formed:
        raise _BadTerm(f"is not {kind}:address or {kind}:address/length")
    try:
        return ip_network((address, prefix), strict=False)
    except ValueError:
        raise _BadTerm("the address is not valid") from None
