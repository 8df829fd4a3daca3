"""What does a macro in an SPF record become? Grammar and expansion of RFC 7208 section 7."""

import re
from collections.abc import Mapping
from urllib.parse import quote

_TOKEN = re.compile(r"%\{([a-z])([0-9]*)(r?)([.\-+,/_=]*)\}|%([%_\-])|([!-$&-~]+)", re.IGNORECASE | re.ASCII)
_TOP_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9\-]*[a-z0-9])?", re.IGNORECASE | re.ASCII)
_DOMAIN_LETTERS = frozenset("slodiphv")
_EXPLANATION_LETTERS = _DOMAIN_LETTERS | frozenset("crt")
_ESCAPES = {"%": "%", "_": " ", "-": "%20"}
_MAX_NAME_CHARACTERS = 253
_MAX_DIGITS = 9  # more digits than labels can ever be; a longer number keeps every label


def is_macro_string(text: str, letters: frozenset[str] = _DOMAIN_LETTERS) -> bool:
    """Tell whether text is a macro-string: visible ASCII, every % the start of a known macro."""
    return _tokens(text, letters) is not None


def is_explanation(text: str) -> bool:
    """Tell whether text is an explain-string: a macro-string that may have spaces, and the letters c, r and t."""
    return all(is_macro_string(part, _EXPLANATION_LETTERS) for part in text.split(" "))


def is_domain_spec(text: str) -> bool:
    """Tell whether text is a domain-spec: a macro-string that ends in a macro or in a dot and a top label."""
    tokens = _tokens(text, _DOMAIN_LETTERS)
    if not tokens:
        return False
    literal = tokens[-1][6]
    if literal is None:
        return True
    _, dot, top = literal.removesuffix(".").rpartition(".")
    return bool(dot) and _TOP_LABEL.fullmatch(top) is not None and not top.isdigit()


def uses_letter(text: str, letter: str) -> bool:
    """Tell whether a macro-string needs the value of a macro letter."""
    return any(token[1] is not None and token[1].lower() == letter for token in _TOKEN.finditer(text))


def expand(text: str, values: Mapping[str, str]) -> str:
    """Return a macro-string with its macros replaced by `values`, by lower-case letter."""
    return _TOKEN.sub(lambda token: _replace(token, values), text)


def expand_domain(spec: str, values: Mapping[str, str]) -> str:
    """Return the name a domain-spec stands for, without final dot, cut from the left to 253 characters (7.3)."""
    name = expand(spec, values).removesuffix(".")
    while len(name) > _MAX_NAME_CHARACTERS and "." in name:
        name = name.partition(".")[2]
    return name


def _tokens(text: str, letters: frozenset[str]) -> list[re.Match[str]] | None:
    found: list[re.Match[str]] = []
    position = 0
    while position < len(text):
        token = _TOKEN.match(text, position)
        if token is None or not _is_known(token, letters):
            return None
        found.append(token)
        position = token.end()
    return found


def _is_known(token: re.Match[str], letters: frozenset[str]) -> bool:
    letter, digits = token[1], token[2]
    return letter is None or (letter.lower() in letters and (not digits or digits.strip("0") != ""))


def _replace(token: re.Match[str], values: Mapping[str, str]) -> str:
    letter, digits, reverse, delimiters, escape, literal = token.groups()
    if literal is not None:
        return str(literal)
    if escape is not None:
        return _ESCAPES[escape]
    value = values[letter.lower()]
    if digits or reverse or delimiters:
        parts = re.split(f"[{re.escape(delimiters or '.')}]", value)
        if reverse:
            parts.reverse()
        if digits and len(digits) <= _MAX_DIGITS:
            parts = parts[-int(digits) :]
        value = ".".join(parts)
    return quote(value, safe="") if letter.isupper() else value
