"""Commands about domains: check, spf. Useful alone, without configuration or database."""

import asyncio
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Annotated, Any

import typer

from postroom import check_output, output, sender_rules
from postroom.cli import ConfigOption, JsonOption, app
from postroom.config import find_config, load_config
from postroom.opened import open_all
from store.errors import ConfigError

TIMEOUT_SECONDS = 4.0  # of one DNS lookup
NOT_KNOWN = 3  # exit status: neither yes nor no, ask again
ResolverOption = Annotated[str, typer.Option(help="HOST:PORT of a name server; default: the system's")]


@app.command()
def check(
    domains: Annotated[
        list[str] | None, typer.Argument(metavar="DOMAIN...", help="default: the configured ones")
    ] = None,
    resolver: ResolverOption = "",
    relay: Annotated[list[str] | None, typer.Option(help="IP address that sends, may be given again")] = None,
    selector: Annotated[list[str] | None, typer.Option(help="DKIM selector, may be given again")] = None,
    blocklist: Annotated[list[str] | None, typer.Option(help="zone of a DNS blocklist, may be given again")] = None,
    tls: Annotated[
        bool, typer.Option("--tls", help="call the MX and MTA-STS hosts too: TLS, certificate, policy")
    ] = False,
    rules: Annotated[
        bool, typer.Option("--rules", help="the demands of providers and law instead, each met or not; exit 1 when not")
    ] = False,
    live: Annotated[
        bool, typer.Option("--live", help="mail from each mailbox to another of ours, and how it arrived, instead")
    ] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say whether domains may send: SPF, DKIM, DMARC and the rest.

    Exit status 1 when one is blocked, else 3 when of one nothing is known because the DNS did not answer.
    Without a DOMAIN, or with --config, the configuration names domains, relays, selectors and name server, and the
    database the selector of the last delivered copy and the last verdict, shown with its age when nothing is known.
    """
    if live:
        from postroom.live_check import run_live

        raise typer.Exit(run_live(find_config(config), as_json=as_json))
    from deliverability.host_tls import HostCalls
    from deliverability.mail_hosts import MailHost, RealHosts
    from deliverability.resolver import DnsResolver
    from deliverability.verdict import check_domains, describe
    from postroom.domain_facts import Stored, read_stored, signing_selectors, submission_hosts

    names = [_domain(name) for name in domains or []]
    known: dict[str, Any] = {"relays": [_relay(one) for one in relay or ()], "blocklists": tuple(blocklist or ())}
    selectors = dict.fromkeys(names, tuple(selector or ()))
    server, submission, stored = _address(resolver), dict[str, tuple[MailHost, ...]](), Stored()
    if config is not None or not names:
        path = find_config(config)
        loaded = load_config(path)
        own, stored = loaded.deliverability, read_stored(loaded, path.resolve().parent)
        names = names or list(loaded.sending_domains())
        known["relays"] = known["relays"] or own.relays
        signing = signing_selectors(loaded)
        selectors = {name: tuple(selector or own.selectors_of(name, signing, stored.selectors)) for name in names}
        known["blocklists"] = known["blocklists"] or own.blocklists
        known["domain_blocklists"] = own.domain_blocklists
        server, submission, tls = server or own.nameserver, submission_hosts(loaded), tls or own.tls

    async def ask() -> list[dict[str, Any]]:
        asked = DnsResolver(server, TIMEOUT_SECONDS)
        calls = HostCalls(RealHosts(asked), datetime.now(UTC), submission) if tls else None
        found = await check_domains(asked, names, selectors=selectors, calls=calls, **known)
        return [describe(one) for one in found]

    rows = asyncio.run(ask())
    for row in rows:
        if row["verdict"] == "unknown":
            row |= stored.last_verdict(row["domain"], datetime.now(UTC))
    if rules:
        opened = open_all(find_config(config)) if config is not None or not domains else None
        raise typer.Exit(sender_rules.show(rows, opened, as_json=as_json))
    if as_json:
        output.print_rows(rows, as_json=True, columns=())
    else:
        for row in rows:
            output.console.print(check_output.render(row))
        output.console.print(check_output.render_sources(rows))
    verdicts = {row["verdict"] for row in rows}
    if verdicts & {"blocked", "unknown"}:
        raise typer.Exit(1 if "blocked" in verdicts else NOT_KNOWN)


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
        return await check_host(DnsResolver(server, TIMEOUT_SECONDS), address, sender, name)

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


def _relay(text: str) -> str:
    try:
        return str(ip_address(text.strip().strip("[]")))
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
