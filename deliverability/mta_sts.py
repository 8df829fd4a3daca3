"""Does a domain's MTA-STS policy hold, and do its MX hosts keep it? (RFC 8461)

A policy in force that the hosts do not keep loses mail: senders who follow it, Google and Microsoft among them, do
not deliver replies. That is why it degrades a domain, though nobody demands a policy.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from deliverability.demands import Demand
from deliverability.findings import Finding
from deliverability.mail_hosts import CallFault, PolicyAnswer
from store.vocabulary import Severity

MODES = ("enforce", "testing", "none")
LONGEST_AGE_SECONDS = 31_557_600  # RFC 8461, 3.2
SHORT_AGE_SECONDS = 86_400  # a policy that is forgotten within a day protects little


@dataclass(frozen=True, slots=True)
class StsPolicy:
    """Hold a policy; `faults` say in words what is wrong with its text."""

    mode: str
    mx: tuple[str, ...]
    max_age: int
    faults: tuple[str, ...] = ()

    def covers(self, host: str) -> bool:
        """Tell whether a host matches; a wildcard stands for exactly one label (4.1)."""
        name = host.lower().rstrip(".")
        return any(
            pattern == name or (pattern.startswith("*.") and name.partition(".")[2] == pattern[2:])
            for pattern in self.mx
        )


def parse_policy(text: str) -> StsPolicy:
    """Read a policy; never raises. Of a key that may stand once the first counts."""
    fields: dict[str, list[str]] = {}
    for line in text.splitlines():
        name, separator, value = line.partition(":")
        if separator:
            fields.setdefault(name.strip(), []).append(value.strip())
    first = {name: values[0] for name, values in fields.items()}
    mode, age = first.get("mode", ""), first.get("max_age", "")
    mx = tuple(pattern.lower().rstrip(".") for pattern in fields.get("mx", ()))
    faults = []
    if first.get("version") != "STSv1":
        faults.append("version: must be STSv1")
    if mode not in MODES:
        faults.append(f"mode: must be one of {', '.join(MODES)}")
    if not (age.isascii() and age.isdigit() and int(age[:12]) <= LONGEST_AGE_SECONDS):
        faults.append(f"max_age: must be seconds, at most {LONGEST_AGE_SECONDS}")
    if not mx and mode != "none":
        faults.append("mx: must name the MX hosts")
    return StsPolicy(mode, mx, int(age[:12]) if age.isascii() and age.isdigit() else 0, tuple(faults))


def assess_policy(
    domain: str, answer: PolicyAnswer, exchanges: Sequence[str]
) -> tuple[list[Finding], StsPolicy | None]:
    """Return the findings about a fetched policy, and the policy where senders can use it."""
    where = f"https://mta-sts.{domain}/.well-known/mta-sts.txt"
    if answer.fault is CallFault.UNREACHABLE:
        advice = f"{where} could not be reached from here: make sure that the world can."
        return [Finding("mta-sts-policy-unchecked", Severity.INFO, answer.detail, advice, Demand.MTA_STS)], None
    if answer.fault is not None:
        advice = f"Senders fetch {where} with a checked certificate and without redirects: as it is, none uses it."
        return [Finding("mta-sts-policy-broken", Severity.INFO, answer.detail, advice, Demand.MTA_STS)], None
    policy = parse_policy(answer.text)
    if policy.faults:
        found = "; ".join(policy.faults)
        advice = f"Senders ignore the policy at {where}. Serve: {_proposal(policy, exchanges)}"
        return [Finding("mta-sts-policy-broken", Severity.INFO, found, advice, Demand.MTA_STS)], None
    left_out = [host for host in exchanges if not policy.covers(host)]
    if left_out and policy.mode != "none":
        severity = Severity.WARNING if policy.mode == "enforce" else Severity.INFO
        advice = f'Add to {where}: "{chr(10).join(f"mx: {host}" for host in left_out)}"'.replace("\n", '" and "')
        found = f"mode {policy.mode} leaves out {', '.join(left_out)}"
        return [Finding("mta-sts-mx-left-out", severity, found, advice, Demand.MTA_STS)], policy
    if policy.mode == "enforce" and policy.max_age < SHORT_AGE_SECONDS:
        advice = "Raise max_age to some weeks once the policy has proved itself (RFC 8461, 3.2)."
        return [Finding("mta-sts-short", Severity.INFO, f"max_age {policy.max_age}", advice, Demand.MTA_STS)], policy
    found = f"mode {policy.mode}, {policy.max_age} seconds, mx {', '.join(policy.mx)}"
    return [Finding("mta-sts-policy-ok", Severity.OK, found, "", Demand.MTA_STS)], policy


def _proposal(policy: StsPolicy, exchanges: Sequence[str]) -> str:
    """Write the policy again, as it was meant where that can be seen."""
    mode = policy.mode if policy.mode in MODES else "testing"
    age = policy.max_age if 0 < policy.max_age <= LONGEST_AGE_SECONDS else 604_800
    hosts = policy.mx or tuple(exchanges)
    lines = ["version: STSv1", f"mode: {mode}", *(f"mx: {host}" for host in hosts), f"max_age: {age}"]
    return " | ".join(lines)
