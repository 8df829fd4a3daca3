"""Commands about domains: check, spf. Useful alone, without configuration or database."""

import asyncio
from ipaddress import ip_address
from typing import Annotated, Any

import typer

from postroom import check_output, output
from postroom.cli import ConfigOption, JsonOption, app
from postroom.config import find_config, load_config
from store.errors import ConfigError

TIMEOUT_SECONDS = 4.0  # of one DNS lookup
ResolverOption = Annotated[str, typer.Option(help="HOST:PORT of a name server; default: the system's")]


@app.command()
def check(
    domains: Annotated[
        list[str] | None, typer.Argument(metavar="DOMAIN...", help="default: the configured ones")
    ] = None,
    resolver: ResolverOption = "",
    relay: Annotated[str, typer.Option(help="IP address that sends for the domain")] = "",
    selector: Annotated[list[str] | None, typer.Option(help="DKIM selector, may be given again")] = None,
    blocklist: Annotated[list[str] | None, typer.Option(help="zone of a DNS blocklist, may be given again")] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say whether domains may send: SPF, DKIM, DMARC and the rest; exit 1 when one is blocked.

    Without a DOMAIN, or with --config, the configuration names domains, relay, selectors and name server.
    """
    from deliverability.resolver import DnsResolver
    from deliverability.verdict import check_domains, describe

    names = [_domain(name) for name in domains or []]
    known: dict[str, Any] = {"relay": _relay(relay), "selectors": tuple(selector or ())}
    known["blocklists"] = tuple(blocklist or ())
    server = _address(resolver)
    if config is not None or not names:
        loaded = load_config(find_config(config))
        own = loaded.deliverability
        names = names or list(loaded.sending_domains())
        known["relay"] = known["relay"] or next(iter(own.relays), None)
        known["selectors"] = known["selectors"] or own.selectors
        server = server or own.nameserver

    async def ask() -> list[dict[str, Any]]:
        found = await check_domains(DnsResolver(server, TIMEOUT_SECONDS), names, **known)
        return [describe(one) for one in found]

    rows = asyncio.run(ask())
    if as_json:
        output.print_rows(rows, as_json=True, columns=())
    else:
        for row in rows:
            output.console.print(check_output.render(row))
        output.console.print(check_output.render_sources(rows))
    if any(row["verdict"] == "blocked" for row in rows):
        raise typer.Exit(1)


@app.command()
def spf(
    ip: str,
    sender: str,
    helo: Annotated[str, typer.Option(help="HELO name")] = "",
    resolver: ResolverOption = "",
    as_json: JsonOption = False,
) -> None:
    """Evaluate SPF (RFC 7208) for a sender and an IP address; exit 1 on fail."""
    from deliverability.resolver import DnsResolver
    from deliverability.spf import check_host

    address, server = _relay(ip), _address(resolver)

    async def ask() -> Any:
        name = helo or sender.rpartition("@")[2]
        return await check_host(DnsResolver(server, TIMEOUT_SECONDS), address or "", sender, name)

    found = asyncio.run(ask())
    trace = [{"domain": step.domain, "term": step.term, "outcome": step.outcome} for step in found.trace]
    row = {"result": found.result, "explanation": found.explanation, "reason": found.reason,
           "lookups": found.lookups, "void_lookups": found.void_lookups, "trace": trace}  # fmt: skip
    if as_json:
        output.print_rows([row], as_json=True, columns=())
    else:
        output.console.print(check_output.render_spf(row))
    if found.result == "fail":
        raise typer.Exit(1)


def _domain(text: str) -> str:
    """Take a domain out of what people paste: a mail address, a web address, a final dot."""
    host = text.strip().rpartition("://")[2].partition("/")[0].rpartition("@")[2]
    return host.removesuffix(".").lower()


def _relay(text: str) -> str | None:
    try:
        return str(ip_address(text.strip().strip("[]"))) if text else None
    except ValueError as problem:
        raise ConfigError([f'"{text}" is no IP address, for example 192.0.2.25']) from problem


def _address(resolver: str) -> tuple[str, int] | None:
    if not resolver:
        return None
    host, _, port = resolver.rpartition(":")
    host = {"localhost": "127.0.0.1"}.get(host, host.strip("[]"))
    try:
        return str(ip_address(host)), int(port)
    except ValueError as problem:
        raise ConfigError([f'"{resolver}" is not HOST:PORT with an IP address, for example 127.0.0.1:53']) from problem
