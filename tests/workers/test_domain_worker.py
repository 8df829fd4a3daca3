"""Does a domain's verdict stay true: all relays, known selectors, the last verdict with its age when the DNS is silent?"""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from deliverability.resolver import DictResolver, DnsStatus, Zone
from deliverability.settings import DeliverabilitySettings
from deliverability.worker import DomainWorker
from store import audit, domains
from store.database import Store
from tests.decisions.test_dkim_keys import GOOD

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
ONE, TWO = "192.0.2.25", "192.0.2.26"
ZONE: Zone = {
    "a.example": {"TXT": [f"v=spf1 ip4:{ONE} ip4:{TWO} -all"], "MX": ["10 mail.a.example"], "A": ["192.0.2.80"]},
    "mail.a.example": {"A": [ONE, TWO]},
    "25.2.0.192.in-addr.arpa": {"PTR": ["mail.a.example"]},
    "26.2.0.192.in-addr.arpa": {"PTR": ["mail.a.example"]},
    "ours._domainkey.a.example": {"TXT": [f"v=DKIM1; k=rsa; p={GOOD}"]},
    "_dmarc.a.example": {"TXT": ["v=DMARC1; p=reject; rua=mailto:dmarc@a.example"]},
}
SILENT: Zone = {name: {"*": DnsStatus.TEMPERROR} for name in ZONE}


class Watch:
    """Checks a.example pass after pass, in a DNS that changes."""

    def __init__(self, store: Store, **settings: Any) -> None:
        self.store, self.settings = store, DeliverabilitySettings.model_validate(settings | {"tls": False})

    def check(self, zone: Zone, at: datetime = NOW) -> tuple[dict[str, Any], set[str]]:
        signing = {"a.example": ("ours",)}
        worker = DomainWorker(self.store, DictResolver(zone), ["a.example"], self.settings, signing=signing)
        report = asyncio.run(worker.run_pass(at))
        assert report.next_wake is not None and report.next_wake > at
        (row,) = self.store.read_now(domains.details)
        return row, {one["slug"] for one in row["findings"] if one["severity"] not in ("ok", "info")}


def test_every_relay_must_pass_and_have_its_name(store: Store) -> None:
    watch = Watch(store, relays=[ONE, TWO])
    assert watch.check(ZONE)[0]["verdict"] == "ready"
    shut_out = {**ZONE, "a.example": {**ZONE["a.example"], "TXT": [f"v=spf1 ip4:{ONE} -all"]}}
    row, slugs = watch.check(shut_out, NOW + 7 * HOUR)
    assert (row["verdict"], slugs) == ("blocked", {"spf-relay-not-allowed"})
    (finding,) = [one for one in row["findings"] if one["slug"] == "spf-relay-not-allowed"]
    assert TWO in finding["found"] and ONE in finding["publish"] and TWO in finding["publish"]
    nameless = {name: kinds for name, kinds in ZONE.items() if not name.startswith("26.")}
    assert watch.check(nameless, NOW + 14 * HOUR)[1] == {"ptr-missing"}


def test_both_relays_stand_in_the_record_to_publish(store: Store) -> None:
    bare = {**ZONE, "a.example": {**ZONE["a.example"], "TXT": []}}
    row, _ = Watch(store, relays=[ONE, TWO]).check(bare)
    (finding,) = [one for one in row["findings"] if one["slug"] == "spf-missing"]
    assert ONE in finding["publish"] and TWO in finding["publish"]


def test_the_selectors_that_sign_here_are_asked_for_and_no_other(store: Store) -> None:
    gone = {name: kinds for name, kinds in ZONE.items() if not name.startswith("ours.")}
    row, slugs = Watch(store).check(gone)
    assert (row["verdict"], slugs) == ("blocked", {"dkim-missing"})


def test_blocklists_are_asked_about_every_relay(store: Store) -> None:
    listed = {**ZONE, "26.2.0.192.bl.example": {"A": ["127.0.0.2"]}, "a.example.dbl.example": {"A": ["127.0.1.2"]}}
    watch = Watch(store, relays=[ONE, TWO], blocklists=["bl.example"], domain_blocklists=["dbl.example"])
    row, slugs = watch.check(listed)
    assert (row["verdict"], slugs) == ("degraded", {"blocklist-listed"})
    assert len([one for one in row["findings"] if one["slug"] == "blocklist-listed"]) == 2


def test_a_silent_dns_keeps_the_last_verdict_with_its_age_and_is_asked_again_soon(store: Store) -> None:
    watch = Watch(store)
    watch.check(ZONE)
    for hours in (7, 8, 30):
        row, slugs = watch.check(SILENT, NOW + hours * HOUR)
        assert (row["verdict"], slugs) == ("ready", set()), "findings belong to the verdict that is in force"
        assert (row["decided_at"], row["checked_at"]) == (NOW, NOW + hours * HOUR)
    row, _ = watch.check({**ZONE, "a.example": {**ZONE["a.example"], "TXT": []}}, NOW + 31 * HOUR)
    assert (row["verdict"], row["decided_at"]) == ("blocked", NOW + 31 * HOUR)
    changes = [one for one in store.read_now(lambda c: list(audit.entries(c))) if one["action"] == "domain.verdict"]
    assert len(changes) == 2


def test_a_domain_of_which_nothing_was_ever_known_may_not_send(store: Store) -> None:
    row, _ = Watch(store).check(SILENT)
    assert (row["verdict"], row["decided_at"]) == ("unknown", None)
