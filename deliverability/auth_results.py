"""What does our own mail server say about who sent a message? Authentication-Results (RFC 8601).

Anybody can write this header into a message. Only the topmost one that bears a configured authserv-id counts: our
server puts its own on top, and RFC 8601 section 5 makes it remove what others wrote in its name.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

_LONGEST = 20_000  # characters of a header that are read
_COMMENT = re.compile(r"\((?:[^()\\]|\\.)*\)")
_RESULT = re.compile(r"([a-z][a-z0-9-]*)(?:/\d+)?\s*=\s*([a-z]+)", re.IGNORECASE)
_PROPERTY = re.compile(r"([a-z]+)\.([a-z0-9_-]+)\s*=\s*(?:\"([^\"]*)\"|([^\s;]+))", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class AuthMethod:
    """One method's outcome, such as dkim=pass with header.d=example.com."""

    method: str
    result: str
    properties: tuple[tuple[str, str], ...] = ()

    def domain(self, *names: str) -> str:
        """Return the domain of the first of these properties that is there ("header.d", "smtp.mailfrom")."""
        found = dict(self.properties)
        value = next((found[name] for name in names if name in found), "")
        return value.rpartition("@")[2].strip("<>. ").lower()


@dataclass(frozen=True, slots=True)
class AuthResults:
    """One header: who wrote it, and what it says."""

    authserv_id: str
    methods: tuple[AuthMethod, ...]

    def of(self, method: str) -> tuple[AuthMethod, ...]:
        """Return the outcomes of one method."""
        return tuple(one for one in self.methods if one.method == method)


def parse_auth_results(value: str) -> AuthResults:
    """Read a header value; without an authserv-id its name is empty. Never raises."""
    text = value[:_LONGEST]
    for _ in range(5):  # comments nest
        text = _COMMENT.sub(" ", text)
    first, *parts = text.split(";")
    words = first.split()
    named = bool(words) and "=" not in first
    methods = []
    for part in parts if named else [first, *parts]:
        found = _RESULT.match(part.strip())
        if found:
            properties = tuple(
                (f"{kind}.{name}".lower(), quoted or plain) for kind, name, quoted, plain in _PROPERTY.findall(part)
            )
            methods.append(AuthMethod(found[1].lower(), found[2].lower(), properties))
    return AuthResults(words[0].lower() if named else "", tuple(methods))


def trusted_results(values: Sequence[str], authserv_ids: Collection[str]) -> AuthResults | None:
    """Return the topmost header that one of our own servers wrote; None: there is none, believe no other."""
    known = {name.lower() for name in authserv_ids}
    for value in values:
        found = parse_auth_results(value)
        if found.authserv_id and found.authserv_id in known:
            return found
    return None
