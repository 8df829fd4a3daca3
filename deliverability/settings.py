"""How often are sending domains checked, against which server, and what is known about them beforehand?"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from ipaddress import ip_address

from pydantic import Field, field_validator

from store.settings import Duration, MailAddress, Settings


class DeliverabilitySettings(Settings):
    """Domain checks and their schedule."""

    every: Duration = Field(timedelta(hours=6), description="how often each sending domain is checked")
    retry: Duration = Field(timedelta(minutes=10), description="how soon after a temporary DNS failure")
    resolver: str = Field("", description="HOST:PORT of a name server; empty: the system's")
    relays: tuple[str, ...] = Field((), description="IP addresses that send for the domains, each must pass")
    selectors: tuple[str, ...] = Field(
        (),
        description="DKIM selectors in use; empty: those of [[dkim]], of the last delivered copy, common names",
    )
    authserv_ids: tuple[str, ...] = Field(
        (), description="names under which our own servers write Authentication-Results; no other is believed"
    )
    report_mailboxes: tuple[MailAddress, ...] = Field(
        (), description="mailboxes, or aliases of them, where DMARC and TLS reports arrive; empty: none are counted"
    )
    probe_every: Duration | None = Field(
        None,
        description="how often each mailbox mails another of ours to see how it arrives; none: by `check --live`",
    )
    tls: bool = Field(True, description="call MX, submission and MTA-STS hosts at each check; port 25 may be closed")
    blocklists: tuple[str, ...] = Field(
        (), description="DNS blocklists of addresses, asked about the relays; empty: off"
    )
    domain_blocklists: tuple[str, ...] = Field((), description="DNS blocklists of domains; empty: off")

    @field_validator("resolver")
    @classmethod
    def _host_and_port(cls, value: str) -> str:
        if value and not (value.rpartition(":")[0] and value.rpartition(":")[2].isdigit()):
            raise ValueError(f'"{value}" is not HOST:PORT, for example 127.0.0.1:53')
        return value

    @field_validator("relays")
    @classmethod
    def _addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for relay in value:
            ip_address(relay)
        return value

    def selectors_of(
        self, domain: str, signing: Mapping[str, Sequence[str]], delivered: Mapping[str, Sequence[str]]
    ) -> Sequence[str]:
        """Return a domain's selectors: configured, else signing here, else of a delivered copy."""
        return self.selectors or signing.get(domain, ()) or delivered.get(domain, ())

    @property
    def nameserver(self) -> tuple[str, int] | None:
        """The name server as (host, port), or None for the system's."""
        host, _, port = self.resolver.rpartition(":")
        return (host.strip("[]"), int(port)) if host else None
