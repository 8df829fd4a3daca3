"""What does a DMARC record say? (RFC 9989, 4.7) And which one was meant by a wrong one?"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Literal

from deliverability.spf_repair import typed

POLICIES = ("none", "quarantine", "reject")
KNOWN_TAGS = ("v", "p", "sp", "np", "psd", "t", "adkim", "aspf", "fo", "rua", "ruf")
VALUES = {name: re.compile(valid) for name, valid in (("adkim", "[rs]"), ("aspf", "[rs]"), ("t", "[yn]"),
          ("psd", "[ynu]"), ("fo", "[01ds](?:\\s*:\\s*[01ds])*"))}  # fmt: skip
OLD_TAGS = ("pct", "rf", "ri")  # of RFC 7489; receivers ignore them now
_VERSION = re.compile(r"v\s*=\s*DMARC1\s*(?:;|$)")  # nothing stands before it (4.7)
_MEANT = re.compile(r"\s*v?\W{0,3}dmarc\s?(?:\d|\b)", re.IGNORECASE)
_MEANT_HERE = re.compile(r"dmarc|^\W*p\s*[=:]\s*(?:none|quarantine|reject)", re.IGNORECASE)  # at a _dmarc name
_BEFORE_TAG = re.compile(r"[;,\s]+(?=(?:[a-z]{1,5})\s*[=:](?!//))", re.IGNORECASE)
_MAILTO = re.compile(r"mailto:[^@\s,!;]+@[^@\s,!;]+\.[^@\s,!;.]+(?:![0-9]+[kmgt]?)?", re.IGNORECASE)
_ADDRESS = re.compile(r"[^@\s,!;:/]+@[^@\s,!;:/]+\.[^@\s,!;:/.]+")


@dataclass(frozen=True, slots=True)
class DmarcRecord:
    """A policy record and where it stands."""

    domain: str
    text: str
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def wrong_policies(self) -> tuple[str, ...]:
        """The policy tags whose value is none of none, quarantine, reject."""
        return tuple(tag for tag in ("p", "sp", "np") if tag in self.tags and self.tags[tag].lower() not in POLICIES)

    @property
    def ignored_values(self) -> tuple[str, ...]:
        """The tags whose value says nothing, so that receivers take the default."""
        return tuple(
            tag for tag, valid in VALUES.items() if tag in self.tags and not valid.fullmatch(self.tags[tag].lower())
        )

    @property
    def applies(self) -> bool:
        """Tell whether receivers process it: with a wrong policy and no reports they ignore it (4.10.1)."""
        return not self.wrong_policies or bool(report_addresses(self.tags.get("rua", "")))

    def policy(self, *, of: Literal["domain", "subdomain", "non-existent"] = "domain") -> str:
        """Return the policy for the record's domain, a subdomain, or a name that does not exist."""
        if self.wrong_policies or not self.applies:
            return "none"
        own = self.tags.get("p", "none")
        chosen = {"domain": own, "subdomain": self.tags.get("sp", own)}
        chosen["non-existent"] = self.tags.get("np", chosen["subdomain"])
        return chosen[of].lower()

    def strict(self, mechanism: Literal["dkim", "spf"]) -> bool:
        """Tell whether alignment is strict (`adkim`, `aspf`)."""
        return self.tags.get(f"a{mechanism}", "r").lower() == "s"

    @property
    def testing(self) -> bool:
        """Tell whether the owner asks that the policy be not yet applied (`t=y`)."""
        return self.tags.get("t", "n").lower() == "y"

    @property
    def psd(self) -> str:
        """Return y (a public suffix), n (an organisation) or u (not said)."""
        said = self.tags.get("psd", "u").lower()
        return said if said in ("y", "n") else "u"


def parse_tags(text: str) -> dict[str, str] | None:
    """Return the tags of a DMARC record, names in lower case; None when it does not begin with v=DMARC1."""
    if not _VERSION.match(text):
        return None
    tags: dict[str, str] = {}
    for part in text.split(";"):
        name, separator, value = part.partition("=")
        if separator:  # what cannot be read is ignored (4.7)
            tags.setdefault(name.strip().lower(), value.strip())
    return tags


def looks_like_dmarc(text: str, *, here: bool = False) -> bool:
    """Tell whether a TXT record that is no DMARC record was meant to be one; `here`: it stands where one belongs."""
    meant = _MEANT_HERE.search(typed(text)) if here else _MEANT.match(typed(text))
    return parse_tags(text) is None and bool(meant)


def report_addresses(value: str) -> tuple[str, ...]:
    """Return the mail addresses of a `rua` or `ruf` list that are valid mailto URIs."""
    parts = (part.strip() for part in value.split(","))
    return tuple(part[7:].partition("!")[0].lower() for part in parts if _MAILTO.fullmatch(part))


def render(tags: Mapping[str, str]) -> str:
    """Return the record of these tags, the version first and the policy after it."""
    order = ["v", "p", *(name for name in tags if name not in ("v", "p"))]
    return "; ".join(f"{name}={tags[name]}" for name in order if name in tags)


def repair_dmarc(text: str) -> str:
    """Return a valid record with what can be understood of a broken one, without tags that are no longer used."""
    body = _MEANT.sub("", typed(text).replace('"', ""), count=1)
    tags = {"v": "DMARC1", "p": "none"}
    for part in _BEFORE_TAG.split(f";{body}"):
        found = re.match(r"\W*([a-z]{1,5})\s*[=:]\s*(.*?)[;,\s]*$", part, re.IGNORECASE | re.DOTALL)
        if found and found[1].lower() in KNOWN_TAGS[1:]:
            name = found[1].lower()
            value = _repaired_value(name, found[2])
            if value:
                tags[name] = value
    return render(tags)


def _repaired_value(name: str, value: str) -> str:
    if name in ("p", "sp", "np"):
        return next(iter(get_close_matches(value.lower(), POLICIES, n=1, cutoff=0.5)), "")
    if name in ("rua", "ruf"):
        return ",".join(f"mailto:{address}" for address in _ADDRESS.findall(re.sub(r"mailto\W*", " ", value)))
    fixed = re.sub(r"\s", "", value.lower())
    return fixed if name in VALUES and VALUES[name].fullmatch(fixed) else ""
