"""What is a lead source called? One name for each, so that a rule and an import mean the same."""

import re
from functools import lru_cache
from typing import Annotated

from pydantic import AfterValidator

_SOURCES: dict[str, tuple[str, ...]] = {
    "apollo": ("apollo", "apollo io", "apollo export", "apollo import", "apolloio"),
    "webinar": ("webinar", "webinars", "web seminar"),
    "event": ("event", "conference", "conference list", "messe", "trade show", "event list", "congress", "salon"),
    "referral": ("referral", "referred", "empfehlung", "recommandation", "recomendacion"),
    "inbound": ("inbound", "inbound form", "website", "web form", "contact form", "demo request"),
    "outbound": ("outbound", "outbound list", "cold list", "list"),
    "linkedin": ("linkedin", "linked in", "sales navigator", "linkedin export"),
    "partner": ("partner", "partners", "reseller"),
}
_SOURCE_NAMES = {alias: name for name, aliases in _SOURCES.items() for alias in aliases}


@lru_cache(maxsize=10_000)  # a list says the same few again and again
def normalise_source(written: str) -> str:
    """Return the one name of a lead source: "apollo.io" and "APOLLO export" are `apollo`."""
    key = " ".join(re.sub(r"[\W_]+", " ", written).casefold().split())
    return _SOURCE_NAMES.get(key, key)


LeadSource = Annotated[str, AfterValidator(normalise_source)]
