"""Does a report in a polled mailbox become figures, an alert for a stranger, and never a reply?"""

import asyncio
import tomllib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from classifier.model import NO_HINTS, Classification, Hints
from deliverability.resolver import DictResolver
from deliverability.sender_proof import prove_sender
from inbox.judgement import FilingPolicy
from inbox.parse import ParsedMail, parse_mail
from inbox.worker import JudgeWorker
from ownership.settings import OwnershipSettings, TeamSettings
from postroom import domain_figures
from postroom.config import cross_check, parse_config
from postroom.starter import CONFIG
from store import domain_reports, messages, notices, retention, threads
from store.database import Store
from store.vocabulary import Label, MessageStage
from tests.decisions.test_reports import xml

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
BOX, JON = "dmarc@us.example", "jon@us.example"
TEAM = TeamSettings.model_validate({"person": [{"email": JON}], "triage": JON, "compliance": JON, "escalation": JON})
POLICY = FilingPolicy(
    b"secret", TEAM, OwnershipSettings(), {}, frozenset({BOX, "maya@us.example"}), frozenset(),
    report_mailboxes=frozenset({BOX}), domains=frozenset({"us.example"}), relays=frozenset({"192.0.2.25"}),
)  # fmt: skip


class Nobody:
    def classify(self, text: str, hints: Hints = NO_HINTS) -> Classification:
        return Classification(Label.INTERESTED, 0.9, frozenset(), False, False, "yes", "en", {Label.INTERESTED: 0.9})


async def parse(raw: bytes) -> ParsedMail | None:
    return parse_mail(raw)


class Office:
    def __init__(self, store: Store) -> None:
        self.store, self.uid = store, 0
        self.judge = JudgeWorker(
            store, Nobody(), POLICY, parse=parse, prove=partial(prove_sender, DictResolver({})), sent_folders={}
        )

    def arrive(self, body: bytes, *, box: str = BOX, sender: str = "noreply@r.example", at: datetime = NOW) -> int:
        self.uid += 1
        head = f"From: {sender}\r\nTo: {box}\r\nMessage-ID: <{self.uid}@r.example>\r\nSubject: Report domain: us.example\r\n"
        raw = f"{head} Submitter: r.example Report-ID: 1\r\nContent-Type: text/xml\r\n\r\n".encode() + body
        mail = [messages.Arrival(self.uid, at, raw)]
        (key,) = self.store.write_now(messages.ingest, box, "INBOX", 7, mail, at, last_uid=self.uid)
        asyncio.run(self.judge.run_pass(at))
        assert self.store.read_now(messages.message, key)["stage"] == MessageStage.DONE
        return key

    def notices(self) -> list[str]:
        return [row["payload"]["text"] for row in self.store.read_now(notices.waiting, NOW + timedelta(days=9))]


@pytest.fixture
def office(store: Store) -> Office:
    return Office(store)


def test_a_report_is_counted_once_tells_of_strangers_and_is_no_reply(office: Office) -> None:
    body = xml(("192.0.2.1", 7, "pass"), ("192.0.2.25", 2, "fail"), ("203.0.113.9", 5, "fail"))
    key = office.arrive(body)
    office.arrive(body)  # the same report again
    row = office.store.read_now(messages.message, key)
    assert row["label"] is None and row["thread_id"] is None and row["decided_by"] == "evidence:domain-report"
    assert office.store.read_now(lambda connection: threads.find(connection)) == []
    (text,) = office.notices()
    assert "203.0.113.9: 5 messages; spf=pass x.example" in text
    assert "192.0.2.1" not in text and "192.0.2.25" not in text
    figures = office.store.read_now(domain_figures.rows, "domain", NOW - timedelta(days=4000))
    assert {one["figure"]: one["value"] for one in figures} == {
        "reported": 14, "reported_pass": 0.5, "reported_stopped": 0, "never_passing": 2,
    }  # fmt: skip


def test_a_stranger_is_told_of_once_and_others_on_another_day(office: Office) -> None:
    office.arrive(xml(("203.0.113.9", 5, "fail")))
    office.arrive(
        xml(("203.0.113.9", 5, "fail"), ("203.0.113.10", 1, "fail")).replace(b"<report_id>1", b"<report_id>2")
    )
    assert len(office.notices()) == 1
    later = xml(("203.0.113.9", 5, "fail")).replace(b"<report_id>1", b"<report_id>3")
    office.arrive(later, at=NOW + timedelta(days=1))
    _, second = office.notices()
    assert "203.0.113.10" in second and "203.0.113.9:" not in second


def test_a_refused_report_says_why_and_one_of_others_is_not_counted(office: Office) -> None:
    office.arrive(b"<feedback>")
    office.arrive(xml(("203.0.113.9", 5, "fail")).replace(b"us.example", b"them.example"))
    refused = office.store.read_now(domain_reports.refusals, NOW - timedelta(days=1))
    assert [row["refused"] for row in refused] == ["xml-broken", "domain-of-others"]
    assert office.store.read_now(domain_reports.by_source, NOW.date() - timedelta(days=9000)) == []
    assert office.notices() == []
    figures = office.store.read_now(domain_figures.rows, "domain", NOW - timedelta(days=1))
    assert [(one["group"], one["value"]) for one in figures] == [
        ("noreply@r.example", "xml-broken"), ("noreply@r.example", "domain-of-others"),
    ]  # fmt: skip


def test_where_reports_are_not_expected_they_count_nothing_and_are_still_no_reply(office: Office) -> None:
    key = office.arrive(xml(("203.0.113.9", 5, "fail")), box="maya@us.example")
    assert office.store.read_now(messages.message, key)["label"] is None
    assert office.store.read_now(domain_reports.by_source, NOW.date() - timedelta(days=9000)) == []
    assert office.notices() == [] and replace(POLICY).report_mailboxes == {BOX}


def test_old_sources_go_and_their_report_does_not_count_again(office: Office) -> None:
    body = xml(("203.0.113.9", 5, "fail"))
    office.arrive(body)
    rule = next(one for one in retention.RULES if one.name == "report_sources")
    assert office.store.read_now(retention.look, rule, NOW) == (0, None)
    clean = retention.Clean(b"secret", "test", NOW)
    cut = NOW + timedelta(days=1)
    found = office.store.read_now(retention.find_due, rule, cut, clean)
    assert office.store.write_now(retention.carry_out, rule, cut, found, clean) == 1
    office.arrive(body)
    assert office.store.read_now(domain_reports.by_source, NOW.date() - timedelta(days=9000)) == []


def test_our_own_filter_reports_to_us(office: Office) -> None:
    office.arrive(xml(("192.0.2.1", 7, "pass")), sender=BOX)
    assert len(office.store.read_now(domain_reports.by_source, NOW.date() - timedelta(days=9000))) == 1


@pytest.mark.parametrize(("address", "wrong"), [("maya@outreach.example.com", False), ("dmarc@example.com", True)])
def test_a_report_mailbox_must_be_one_of_ours(address: str, wrong: bool) -> None:
    config = parse_config({**tomllib.loads(CONFIG), "deliverability": {"report_mailboxes": [address]}})
    told = [sentence for _, sentence in cross_check(config, NOW) if "report_mailboxes" in sentence]
    assert told == (
        [f"deliverability.report_mailboxes[0]: {address} is no configured mailbox or alias"] if wrong else []
    )
