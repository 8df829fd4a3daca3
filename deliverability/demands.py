"""What do the large mailbox providers and the standards demand of a sender, and where do they say so?"""

from enum import StrEnum

GOOGLE = "Google, Email sender guidelines, support.google.com/a/answer/81126"
YAHOO = "Yahoo, Sender best practices, senders.yahooinc.com/best-practices"
MICROSOFT = "Microsoft, Outlook's requirements for high-volume senders (2025), techcommunity.microsoft.com"
ALL = f"{GOOGLE}; {YAHOO}; {MICROSOFT}"


SOURCES = (GOOGLE, YAHOO, MICROSOFT)


def shortened(rule: str) -> str:
    """Return a demand with its sources by name only: "A valid SPF record (Google, Yahoo, Microsoft)"."""
    title, _, _ = rule.partition(f": {GOOGLE[:6]}") if GOOGLE in rule else rule.partition(f": {YAHOO[:5]}")
    names = ", ".join(source.partition(",")[0] for source in SOURCES if source in rule)
    return f"{title} ({names})" if names else rule


class Demand(StrEnum):
    """One demand as a finding names it: what is asked, then who asks and where."""

    SPF = f"A valid SPF record that lets the relay pass (RFC 7208): {ALL}"
    SPF_LIMITS = f"At most 10 DNS lookups and 2 that find nothing (RFC 7208, 4.6.4): {ALL}"
    DKIM = f"Mail signed with DKIM by a key of at least 1024 bits, better 2048 (RFC 6376, RFC 8301): {ALL}"
    DMARC = f"A DMARC record with at least p=none (RFC 9989): {ALL}"
    ALIGNMENT = f"The From domain aligned with SPF or DKIM (RFC 9989, 4.4): {ALL}"
    REPORTS = "Reports only go where they are expected (RFC 9990, 4)"
    PTR = f"Sending addresses have matching forward and reverse DNS: {ALL}"
    TLS = f"Mail is sent over TLS: {GOOGLE}"
    MX = f"From addresses can receive mail (RFC 5321, 5.1; RFC 7505): {YAHOO}; {MICROSOFT}"
    DNS = "The DNS answers for the domain (RFC 1034)"
    MTA_STS = "Optional: MTA-STS (RFC 8461)"
    TLS_RPT = "Optional: TLS reports (RFC 8460)"
    BIMI = "Optional: a logo beside the mail, needs p=quarantine or p=reject (BIMI)"
    DNSSEC = "Optional: signed zones (RFC 9364)"
    ONE_CLICK = f"One-click unsubscribe, both headers signed (RFC 8058): {GOOGLE}; {YAHOO}"
    BLOCKLIST = f"Addresses and domains of good repute: {ALL}"
