"""Which domains take no mail, against a real name server on loopback?"""

import asyncio
from collections.abc import Mapping

from deliverability.resolver import DnsResolver
from postroom.mail_domains import find_undeliverable
from sandbox.dns import Fault, NameServer, Values

ZONE: Mapping[str, Mapping[str, Values]] = {
    "mx.example": {"MX": ["10 mail.mx.example"]},
    "address-only.example": {"A": ["192.0.2.1"]},
    "six-only.example": {"AAAA": ["2001:db8::1"]},
    "null.example": {"MX": ["0 ."]},
    "text-only.example": {"TXT": ["hello"]},
    "broken.example": {"MX": Fault.SERVFAIL, "A": ["192.0.2.1"]},
}


def test_only_what_the_dns_denies_is_refused() -> None:
    async def scenario() -> Mapping[str, str]:
        server = NameServer(ZONE)
        resolver = DnsResolver(await server.start(), 5.0)
        try:
            return await find_undeliverable(resolver, [*ZONE, "absent.example"])
        finally:
            await server.close()

    found = asyncio.run(scenario())
    assert set(found) == {"null.example", "text-only.example", "absent.example"}
    assert all(domain in why for domain, why in found.items())
