"""What becomes of a report on our domains? SHELL: counted in filing's transaction; unknown senders are told once.

Whoever passes for a domain even once, is a configured relay, or is known to forward, is no stranger.
"""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from deliverability.dmarc_assess import registrable
from deliverability.report_record import DomainReport
from deliverability.reports import load
from inbox.desk import tell
from inbox.judgement import FilingPolicy, Judgement
from ownership.absence import acting_for, present_desk
from store import domain_reports, messages
from store.vocabulary import EventName

MOST_NAMED = 10  # sources in one notice


def file_report(connection: Connection, found: Judgement, policy: FilingPolicy, now: datetime) -> bool:
    """Count what a report says when it came to a configured mailbox; returns False when it was filed before."""
    read = load(found.report)
    wanted = bool({found.mailbox, *found.to_addresses} & policy.report_mailboxes)
    refused = list(read.refused) if read else []
    kept = [one for one in read.reports if _is_ours(one.domain, policy)] if read else []
    refused += ["domain-of-others"] if read and len(kept) < len(read.reports) else []
    why = f"a report on mail in our name: {len(kept)} read" + (f", refused: {', '.join(refused)}" if refused else "")
    if not messages.judged(
        connection, found.id, now, message_id=found.mail_id, from_address=found.from_address, subject=found.subject,
        body_text="", decided_by="evidence:domain-report", why=why if wanted else f"{why}; not counted here",
    ):  # fmt: skip
        return False
    if not wanted:
        return True
    for reason in refused[:1]:
        domain_reports.save_refusal(connection, reason, found.from_address, found.id, now)
    for report in kept:
        _save(connection, report, found, now)
    if found.announce:
        for domain in sorted({row.domain for report in kept for row in report.rows}):
            _tell_of_strangers(connection, domain, policy, now)
    return True


def _save(connection: Connection, report: DomainReport, found: Judgement, now: datetime) -> None:
    names = ("kind", "reporter", "report_id", "domain", "day", "skipped")
    head: Mapping[str, Any] = {name: getattr(report, name) for name in names}
    domain_reports.save(connection, head, [asdict(row) for row in report.rows], found.id, now)


def _is_ours(domain: str, policy: FilingPolicy) -> bool:
    """Tell whether a report speaks of a domain that we send from, or of its organisation."""
    return any((registrable(one) or one) == (registrable(domain) or domain) for one in policy.domains)


def _tell_of_strangers(connection: Connection, domain: str, policy: FilingPolicy, now: datetime) -> None:
    """Queue one notice a day at most about sources that never passed and nobody was told of."""
    found = domain_reports.never_passing(connection, domain, told=False)
    strangers = [row for row in found if row["source"] not in policy.relays]
    key = f"unknown-source:{domain}:{now:%Y-%m-%d}"
    if not strangers or domain_reports.told_on(connection, key):
        return
    lines = [f"{row['source']}: {row['messages']} messages; {row['detail'] or 'nothing authenticated'}"
             for row in strangers[:MOST_NAMED]]  # fmt: skip
    more = [f"and {len(strangers) - MOST_NAMED} more"] if len(strangers) > MOST_NAMED else []
    text = (
        f"DMARC reports name sources that send as {domain} and never passed:\n\n" + "\n".join([*lines, *more])
        + "\n\nIf one is yours, let it sign with DKIM or add it to SPF; if none is, p=reject stops them.\n"
        "All sources: postroom report --by source\n"
    )  # fmt: skip
    payload = {"subject": f"[DMARC] unknown senders as {domain}: {len(strangers)}", "text": text, "domain": domain}
    keeper = acting_for(policy.team, present_desk(policy.team, "operations", now), now)
    tell(connection, policy, EventName.DOMAIN_UNKNOWN_SOURCE, key, [keeper], payload, now)
    domain_reports.mark_told(connection, domain, [row["source"] for row in strangers])
