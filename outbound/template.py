"""What does a template say to this contact? Sandboxed Jinja2, spintax resolved once, never a blank.

A value can never act: it is not read as Jinja or spintax, encoded words in it are decoded first, and control and
bidirectional characters are refused. A missing or empty variable refuses the letter unless the template gives a
default.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from functools import lru_cache
from typing import Any

from jinja2 import Template, TemplateSyntaxError, Undefined, UndefinedError, meta
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from store.errors import TemplateError

LONGEST_VALUE = 500  # characters; a longer one is a misplaced column
LONGEST_TEXT = 100_000
LONGEST_SUBJECT = 250
_SPIN = re.compile(r"\{([^{}|]{0,300}(?:\|[^{}|]{0,300})+)\}")
_COMMENT = re.compile(r"\{#.*?#\}", re.DOTALL)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_BIDI = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@lru_cache(maxsize=4096)
def snake_case(name: str) -> str:
    """Return a variable's one name: `firstName`, `First Name` and `first_name` are the same."""
    return re.sub(r"[^0-9a-z]+", "_", _CAMEL.sub("_", name.strip()).lower()).strip("_")


class _Missing(Undefined):
    """A field without a value: a condition may ask for it, a text that wants it is refused."""

    __slots__ = ()
    __iter__ = __str__ = __len__ = Undefined._fail_with_undefined_error


class _Environment(ImmutableSandboxedEnvironment):
    """Finds variables by their one name, however a template writes them."""

    def __init__(self) -> None:
        super().__init__(undefined=_Missing, autoescape=False, keep_trailing_newline=False)
        self.globals.clear()


_ENVIRONMENT = _Environment()


@lru_cache(maxsize=4096)
def _compiled(source: str) -> tuple[Template, frozenset[str]]:
    template = _ENVIRONMENT.from_string(source)
    return template, frozenset(meta.find_undeclared_variables(_ENVIRONMENT.parse(source)))


def render(source: str, values: Mapping[str, str], who: str, choose: Callable[[int, int], int] | None = None) -> str:
    """Render a template for one contact; raises TemplateError naming `who` and the field.

    `choose(number, of)` picks an alternative of the number-th spintax group; None takes the first.
    """
    try:
        template, names = _compiled(_protect_spintax(source, choose) if _spins(source) else source)
        text = template.render({name: _lookup(values, name, who) for name in names})
    except UndefinedError as problem:
        field = str(problem).split("'")[1] if "'" in str(problem) else str(problem)
        raise TemplateError(f"{who}: the template wants {field}, which is missing or empty") from problem
    except (TemplateSyntaxError, SecurityError, TypeError, ValueError, OverflowError) as problem:
        raise TemplateError(f"{who}: the template cannot be rendered: {problem}") from problem
    if len(text) > LONGEST_TEXT:
        raise TemplateError(f"{who}: the rendered text has more than {LONGEST_TEXT} characters")
    return text.strip()


def check_subject(subject: str, who: str) -> str:
    """Return a subject as one line; raises TemplateError when it is empty or too long for anybody to read."""
    line = " ".join(subject.split())
    if not line or len(line) > LONGEST_SUBJECT:
        said = "is empty" if not line else f"has more than {LONGEST_SUBJECT} characters"
        raise TemplateError(f"{who}: the rendered subject {said}")
    return line


def _lookup(values: Mapping[str, str], name: str, who: str) -> Any:
    value = values.get(snake_case(name), "")
    if not value.strip():
        return _ENVIRONMENT.undefined(name=name)
    return clean_value(value, f"{who}, {name}")


def clean_value(value: str, where: str) -> str:
    """Return a value that can only be text: encoded words decoded (RFC 2047), no control or bidi characters."""
    if value.isascii() and value.isprintable() and "=?" not in value and len(value) <= LONGEST_VALUE:
        return value.strip()
    for _ in range(3):  # an encoded word may hide another one
        if "=?" not in value:
            break
        try:
            decoded = str(make_header(decode_header(value)))
        except (HeaderParseError, LookupError, UnicodeError, ValueError) as problem:
            raise TemplateError(f"{where}: the value holds a broken encoded word") from problem
        if decoded == value:
            break
        value = decoded
    value = unicodedata.normalize("NFC", value)
    if any(unicodedata.category(one) in ("Cc", "Cs", "Zl", "Zp") or one in _BIDI for one in value):
        raise TemplateError(f"{where}: the value holds control or direction characters")
    if "=?" in value or len(value) > LONGEST_VALUE:
        raise TemplateError(f"{where}: the value holds an encoded word or is longer than {LONGEST_VALUE} characters")
    return value.strip()


@lru_cache(maxsize=4096)
def _spins(source: str) -> bool:
    """Tell whether a template holds spintax or comments, so that its text differs from contact to contact."""
    return _protect_spintax(source, None) != source


def _protect_spintax(source: str, choose: Callable[[int, int], int] | None) -> str:
    """Resolve `{a|b}` groups of the template itself, innermost first; Jinja's own braces stay."""
    source = _COMMENT.sub("", source)
    marked = source.replace("{{", "\ue000").replace("}}", "\ue001").replace("{%", "\ue002").replace("%}", "\ue003")
    pieces = re.split(r"(\ue000[^\ue001]*\ue001|\ue002[^\ue003]*\ue003)", marked)
    holes = {f"\ue010{number}\ue011": piece for number, piece in enumerate(pieces) if piece[:1] in ("\ue000", "\ue002")}
    text = "".join(
        f"\ue010{number}\ue011" if piece[:1] in ("\ue000", "\ue002") else piece for number, piece in enumerate(pieces)
    )
    number = 0

    def resolve(found: re.Match[str]) -> str:
        nonlocal number
        options = found[1].split("|")
        number += 1
        return options[choose(number, len(options)) % len(options) if choose else 0]

    for _ in range(10):
        text, changed = _SPIN.subn(resolve, text)
        if not changed:
            break
    for hole, piece in holes.items():
        text = text.replace(hole, piece)
    for mark, brace in (("\ue000", "{{"), ("\ue001", "}}"), ("\ue002", "{%"), ("\ue003", "%}")):
        text = text.replace(mark, brace)
    return text


def check_template(source: str, known: Iterable[str]) -> Iterator[tuple[bool, str]]:
    """Yield (is an error, sentence): syntax with its line, and variables that only a column of an import can have."""
    try:
        _, names = _compiled(_protect_spintax(source, None))
    except TemplateSyntaxError as problem:
        yield True, f"line {problem.lineno}: {problem.message}"
        return
    have = set(known)
    for name in sorted(names):
        if snake_case(name) not in have:
            yield False, f"{name} is no known field; a contact without it and without a default gets no letter"
