"""Which country and which language does a list mean? Codes and names, in the languages that lists are written in."""

import gettext
import unicodedata
from functools import cache, lru_cache

import pycountry

_LANGUAGES = ("de", "fr", "es", "it", "nl", "pt", "pl", "sv", "da", "fi", "cs", "nb")
_OTHER_NAMES = {
    "GB": "uk england scotland wales great_britain britain northern_ireland grossbritannien",
    "US": "united_states_of_america america u_s u_s_a",
    "NL": "holland the_netherlands",
    "CZ": "czech_republic",
    "RU": "russia",
    "TR": "turkey",
    "KR": "south_korea",
    "AE": "uae",
    "CI": "ivory_coast",
    "MK": "macedonia",
    "SZ": "swaziland",
}


@lru_cache(maxsize=10_000)  # a list says the same few again and again
def country_code(written: str) -> str:
    """Return the ISO 3166-1 alpha-2 code of a country, empty when nobody can tell."""
    return _countries().get(_key(written), "")


@lru_cache(maxsize=10_000)
def language_code(written: str) -> str:
    """Return the ISO 639-1 code of a language (`de-AT` is `de`), empty when nobody can tell."""
    key = written.strip().lower()
    if found := pycountry.languages.get(alpha_2=key[:2] if len(key) == 2 or key[2:3] in "-_" else ""):
        return str(found.alpha_2)
    try:
        found = pycountry.languages.lookup(key) if key else None
    except LookupError:
        return ""
    return str(getattr(found, "alpha_2", ""))


@cache
def _countries() -> dict[str, str]:
    codes: dict[str, set[str]] = {}
    tongues = [gettext.translation("iso3166-1", pycountry.LOCALES_DIR, [code], fallback=True) for code in _LANGUAGES]
    for country in pycountry.countries:
        own = [getattr(country, kind, "") for kind in ("name", "common_name", "official_name")]
        names = [*own, *(tongue.gettext(name) for tongue in tongues for name in own if name)]
        for name in (country.alpha_2, country.alpha_3, *names, *(name.partition(",")[0] for name in names)):
            codes.setdefault(_key(name), set()).add(country.alpha_2)
    found = {name: next(iter(known)) for name, known in codes.items() if name and len(known) == 1}
    return found | {name: code for code, names in _OTHER_NAMES.items() for name in names.split()}


def _key(written: str) -> str:
    plain = unicodedata.normalize("NFKD", written.casefold())
    words = "".join(letter if letter.isalnum() else " " for letter in plain if not unicodedata.combining(letter))
    return "_".join(words.split())
