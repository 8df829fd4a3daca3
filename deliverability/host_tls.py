"""Do the mail hosts of a domain speak TLS as they should: those that take replies, and those that take our mail?

Being unable to reach a host says nothing about it: many networks close port 25. What is wrong with an MX host degrades
a domain only where its own MTA-STS policy makes senders refuse it; a submission host without good TLS blocks, for
postroom never hands a password or a letter to one.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import chain

from deliverability.demands import Demand
from deliverability.findings import Finding
from deliverability.mail_hosts import CallFault, MailHost, MailHosts, TlsAnswer
from deliverability.mta_sts import StsPolicy, assess_policy
from deliverability.resolver import Resolver
from store.vocabulary import Severity

MOST_HOSTS = 5  # MX hosts that are called
SOON = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class HostCalls:
    """What calling hosts needs: a door, the instant, and the hosts that we submit mail to."""

    hosts: MailHosts
    now: datetime
    submission: Mapping[str, Sequence[MailHost]] = field(default_factory=dict)  #: by sending domain


async def assess_hosts(resolver: Resolver, domain: str, calls: HostCalls) -> list[Finding]:
    """Call the MX and submission hosts and fetch the MTA-STS policy; returns what is wrong and what is well."""
    mx, record = await asyncio.gather(resolver.lookup(domain, "MX"), resolver.lookup(f"_mta-sts.{domain}", "TXT"))
    exchanges = [host for _, host in mx.exchanges if host != "."] if mx.records else []
    called = [MailHost(host) for host in dict.fromkeys(exchanges)][:MOST_HOSTS]
    asking = asyncio.gather(*(calls.hosts.tls(host) for host in (*called, *calls.submission.get(domain, ()))))
    findings: list[Finding] = []
    policy: StsPolicy | None = None
    if any(text.startswith("v=STSv1") for text in record.records):
        findings, policy = assess_policy(domain, await calls.hosts.policy(domain), exchanges)
    answers = await asking
    enforced = policy is not None and policy.mode == "enforce"
    for answer in chain(*answers[: len(called)]):
        findings += assess_mx_host(answer, calls.now, enforced=enforced)
    for answer in chain(*answers[len(called) :]):
        findings += assess_submission_host(answer, calls.now)
    return findings


def assess_mx_host(answer: TlsAnswer, now: datetime, *, enforced: bool) -> list[Finding]:
    """Return findings about a host that takes replies."""
    severity = Severity.WARNING if enforced else Severity.INFO
    so = " The domain's own MTA-STS policy makes senders refuse it." if enforced else ""
    match answer.fault:
        case CallFault.UNREACHABLE | CallFault.NOT_SMTP:
            advice = "This says nothing about the host: many networks close port 25. Ask from another one."
            return [Finding("mx-tls-unchecked", Severity.INFO, _said(answer), advice, Demand.TLS)]
        case CallFault.NO_STARTTLS:
            advice = f"Replies to this host cross the net in plain text: offer STARTTLS.{so}"
            return [Finding("mx-tls-missing", severity, _said(answer), advice, Demand.TLS)]
        case CallFault.HANDSHAKE | CallFault.REFUSED:
            advice = f"TLS fails: mend certificate and configuration.{so}"
            return [Finding("mx-tls-broken", severity, _said(answer), advice, Demand.TLS)]
    if answer.distrust:
        advice = f"Install a certificate for {answer.host} from a public authority.{so}"
        return [Finding("mx-certificate", severity, _distrusted(answer), advice, Demand.TLS)]
    return _sound("mx", answer, now)


def assess_submission_host(answer: TlsAnswer, now: datetime) -> list[Finding]:
    """Return findings about a host that takes our mail."""
    if answer.fault in (CallFault.UNREACHABLE, CallFault.NOT_SMTP):
        advice = "The submission host could not be called; sending will show whether it is there."
        return [Finding("submission-tls-unchecked", Severity.INFO, _said(answer), advice, Demand.TLS)]
    if answer.fault is not None:
        advice = "postroom sends over TLS only: offer it there, or name another host or port."
        return [Finding("submission-tls-missing", Severity.ERROR, _said(answer), advice, Demand.TLS)]
    if answer.distrust:
        advice = f"Install a certificate for {answer.host}, or name its authority (smtp.ca_file): nothing can be sent."
        return [Finding("submission-certificate", Severity.ERROR, _distrusted(answer), advice, Demand.TLS)]
    return _sound("submission", answer, now)


def _sound(kind: str, answer: TlsAnswer, now: datetime) -> list[Finding]:
    """Return what is worth saying about a host whose TLS works."""
    ends = f", certificate until {answer.expires_at:%Y-%m-%d}" if answer.expires_at else ""
    found = f"{_where(answer)}: {answer.version}{ends}"
    if answer.expires_at is not None and answer.expires_at - now < SOON:
        advice = "Renew the certificate now."
        return [Finding(f"{kind}-certificate-ends", Severity.INFO, found, advice, Demand.TLS)]
    if answer.old:
        advice = "The host still speaks TLS 1.0 or 1.1: switch them off (RFC 8996)."
        return [Finding(f"{kind}-tls-old", Severity.INFO, found, advice, Demand.TLS)]
    return [Finding(f"{kind}-tls-ok", Severity.OK, found, "", Demand.TLS)]


def _said(answer: TlsAnswer) -> str:
    return f"{_where(answer)}: {answer.detail}"


def _where(answer: TlsAnswer) -> str:
    return f"{answer.host} at {answer.address}" if answer.address else answer.host


def _distrusted(answer: TlsAnswer) -> str:
    ends = f", ends {answer.expires_at:%Y-%m-%d}" if answer.expires_at else ""
    return f"{_where(answer)}: {answer.distrust} (names {', '.join(answer.names) or 'nobody'}{ends})"
