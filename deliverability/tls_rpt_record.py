"""Can a TLS reporting record be used by those who would send reports? (RFC 8460, section 3)

A sender of reports ignores a record that breaks the grammar, and nobody notices: reports just never come.
"""

import re
from collections.abc import Iterator

VERSION = "v=TLSRPTv1"  # case counts
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}")
_VALUE = re.compile(r"[!-:<>-~]+")  # printable, neither "=" nor ";" nor space
_LOCAL = r"[^\s@,;!/<>\"]+"
_HOST = r"(?:[a-z0-9_](?:[a-z0-9_-]*[a-z0-9])?\.)+[a-z0-9-]*[a-z]+[a-z0-9-]*"
_URIS = (
    re.compile(rf"mailto:{_LOCAL}@{_HOST}(?:\?[^\s,;!]*)?", re.IGNORECASE),
    re.compile(rf"https://{_HOST}(?::\d{{1,5}})?(?:/[^\s,;!]*)?", re.IGNORECASE),
)
_ADDRESS = re.compile(rf"{_LOCAL}@{_HOST}", re.IGNORECASE)


def find_faults(text: str) -> list[str]:
    """Return what is wrong with a record, in words; never raises."""
    version, *fields = (part.strip(" \t") for part in text.split(";"))
    faults = [] if version == VERSION else [f"the record must begin with {VERSION}; (case counts)"]
    if fields and fields[-1] == "":
        fields.pop()  # one final semicolon may stand
    destinations = [field[4:] for field in fields if field.startswith("rua=")]
    if len(destinations) != 1:
        faults.append("rua= must stand exactly once, in small letters" if not destinations else "rua= stands twice")
    for one in (one.strip(" \t") for listed in destinations for one in listed.split(",")):
        if not any(uri.fullmatch(one) for uri in _URIS):
            faults.append(
                f'"{one}" is no mailto: or https: address; "," "!" and ";" in one must be written as %2C %21 %3B'
            )
    return faults + [fault for field in fields if not field.startswith("rua=") for fault in _extension(field)]


def _extension(field: str) -> Iterator[str]:
    name, equals, value = field.partition("=")
    if not (equals and _NAME.fullmatch(name) and _VALUE.fullmatch(value)):
        yield f'"{field}" is no name=value'


def correct(text: str) -> str:
    """Return the record as it was meant, empty where no destination can be read out of it."""
    meant = []
    for word in re.split(r"[\s,;]+|rua\s*[=:]", text, flags=re.IGNORECASE):
        if any(uri.fullmatch(word) for uri in _URIS):
            meant.append(word)
        elif found := _ADDRESS.search(word.rpartition(":")[2].lstrip("/")):
            meant.append(f"mailto:{found[0]}")
    return f"{VERSION}; rua={','.join(dict.fromkeys(meant))}" if meant else ""
