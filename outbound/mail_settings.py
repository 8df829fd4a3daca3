"""How does a mailbox submit mail, who are we in it, and who may be written to at all?"""

import ipaddress
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from store.settings import Duration, MailAddress, SecretRef, Settings, read_duration
from store.vocabulary import RiskFlag

UNSUBSCRIBE_NAME_MAX = 23  # octets: with "+" and a token of 40 the local part keeps to 64 (RFC 5321, 4.5.3.1.1)
BASIS_COUNTRIES = ("AT", "CA", "CH", "CY", "CZ", "DE", "DK", "ES", "GR", "IT", "LT", "PL")

Country = Annotated[str, StringConstraints(to_upper=True, pattern=r"(?i)^[a-z]{2}$")]
MonthDay = Annotated[str, StringConstraints(pattern=r"^(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$")]


def is_loopback(host: str) -> bool:
    """Tell whether a host name or literal can only be this machine."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _web_address(value: str) -> str:
    parts = urlsplit(value)
    safe = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))
    if (
        not safe
        or not parts.hostname
        or parts.query
        or parts.fragment
        or not value.isascii()
        or set(value) & set(" <>,")
    ):
        raise ValueError(f'"{value}" is no https address; write for example "https://mail.example.com"')
    return value.rstrip("/")


WebAddress = Annotated[str, AfterValidator(_web_address)]


class SmtpSettings(Settings):
    """How to hand over mail of one mailbox (RFC 6409)."""

    host: str = Field(min_length=1, description="submission server, a name or an IP address")
    port: int = Field(465, ge=1, le=65535, description="465 for implicit TLS, 587 for STARTTLS")
    security: Literal["tls", "starttls", "none"] = Field(
        "tls", description="implicit TLS, required STARTTLS, or none (only to this machine)"
    )
    auth: Literal["password", "xoauth2", "none"] = Field("password", description="how to log in")
    ca_file: Path | None = Field(None, description="certificates to trust instead of the system's")
    helo: str = Field("", description="name given in EHLO; empty: the domain of the mailbox")
    source_address: str = Field("", description="local IP address to connect from; empty: any")
    timeout: Duration = Field(read_duration("60s"), description="longest wait for one answer")
    data_timeout: Duration = Field(
        read_duration("10m"), description="longest wait after the message; grows with its size (RFC 5321, 4.5.3.2.6)"
    )
    idle_limit: Duration = Field(read_duration("60s"), description="a connection idle for longer is not used again")
    messages_per_connection: int = Field(100, ge=1, description="messages before a new connection is made")
    max_size: int = Field(
        10_000_000, ge=1_000, description="largest message in bytes; a smaller limit of the server wins"
    )

    @model_validator(mode="after")
    def _never_plaintext(self) -> Self:
        if self.security == "none" and not is_loopback(self.host):
            raise ValueError(
                f'security = "none" is only for this machine, not for {self.host}; use "tls" or "starttls"'
            )
        return self


class CompanySettings(Settings):
    """Who writes, as the law wants it said, and where people unsubscribe."""

    name: str = Field(min_length=1, description="name of the company, in the footer")
    postal_address: str = Field(min_length=1, description="postal address, in the footer")
    unsubscribe_url: WebAddress = Field(
        description="public https address of the one-click endpoint; tokens are appended"
    )
    unsubscribe_mailto: MailAddress | Literal[""] = Field(
        "", description="mailbox that takes mailed unsubscribe wishes at name+TOKEN@; empty: none is offered"
    )

    @model_validator(mode="after")
    def _room_for_token(self) -> Self:
        name = self.unsubscribe_mailto.rpartition("@")[0]
        if len(name) > UNSUBSCRIBE_NAME_MAX or "+" in name or not name.isascii():
            raise ValueError(
                f'unsubscribe_mailto: "{name}" must be plain, without "+", of at most {UNSUBSCRIBE_NAME_MAX} characters'
            )
        return self


class DkimSettings(Settings):
    """A signing key, where the relay does not sign (RFC 6376, RFC 8463)."""

    domain: str = Field(pattern=r"^[A-Za-z0-9.-]+$", description="signing domain, d=")
    selector: str = Field(pattern=r"^[A-Za-z0-9._-]+$", description="selector, s=")
    key: SecretRef = Field(description="private key in PEM, RSA of at least 1024 bits or Ed25519, by reference")


class OAuthSettings(Settings):
    """How to get access tokens for XOAUTH2 (RFC 6749, section 6)."""

    token_url: WebAddress = Field(description="token endpoint of the provider")
    client_id: str = Field(min_length=1, description="the application's id")
    client_secret: SecretRef | None = Field(None, description="the application's secret; absent for public clients")
    refresh_token: SecretRef = Field(description="first refresh token; a newer one is kept in the database")
    scope: str = Field("", description="scopes, space-separated, where the provider wants them")


class RegionSettings(Settings):
    """What one country asks before a stranger may be written to."""

    country: Country = Field(description="ISO 3166-1 alpha-2")
    needs_basis: bool = Field(True, description="nothing is sent without a legal basis on the contact")
    accepted: tuple[str, ...] = Field(
        (), description='bases that count, for example ["consent"]; empty: any stated one'
    )
    quiet: tuple[MonthDay, ...] = Field((), description='days of every year without mail, as "12-24"')


class GuardrailSettings(Settings):
    """Who may be written to. The defaults are cautious and no legal advice."""

    recontact_days: int = Field(90, ge=0, description="days without mail after not_interested")
    timing_days: int = Field(
        180, ge=0, description="days without mail after a decline for timing, if no date was named"
    )
    silence_days: int = Field(30, ge=0, description="days between the end of an unanswered sequence and another one")
    loss_days: int = Field(180, ge=0, description="days without mail after a lost opportunity")
    region: tuple[RegionSettings, ...] = Field((), description="countries; one listed here replaces its default")
    unknown_country: Literal["allow", "need-basis"] = Field(
        "allow", description="what to do where neither the contact, the account nor the address tells the country"
    )
    required_fields: tuple[str, ...] = Field(
        (), description='contact fields that must be filled, for example ["source"]'
    )

    refused_risks: frozenset[RiskFlag] = Field(
        frozenset({RiskFlag.DISPOSABLE, RiskFlag.BOUNCED_ELSEWHERE}),
        description='risks that refuse a contact; others are only shown, for example "role-address"',
    )

    def find_region(self, country: str) -> RegionSettings:
        """Return the rule of a country, the default one where none is configured."""
        default = RegionSettings(country=country or "ZZ", needs_basis=country in BASIS_COUNTRIES)
        return next((rule for rule in self.region if rule.country == country), default)
