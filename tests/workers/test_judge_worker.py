"""Does each mail act once, do our own letters stay ours, and does a harmful message stop nobody else?"""

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from classifier.model import NO_HINTS, Classification, Hints
from deliverability.resolver import DictResolver, Zone
from deliverability.sender_proof import prove_sender
from inbox.filing import Filed
from inbox.judgement import FilingPolicy, Judgement
from inbox.parse import ParsedMail, parse_mail
from inbox.worker import DEATHS, JudgeWorker
from ownership.settings import OwnershipSettings, TeamSettings
from store import claims, contacts, domains, enrollments, mailboxes, messages, notices, schema, sends, threads
from store.database import Store
from store.errors import TemporaryError
from store.vocabulary import EnrollmentState, Label, MessageStage, ThreadState, VerdictLevel

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
BOX, OTHER, CHRIS, JON = "maya@out.example", "ben@out.example", "chris@acme.example", "jon@team.example"
LETTER = "<abc.0@out.example>"
HOUR = timedelta(hours=1)
TEAM = TeamSettings.model_validate({"person": [{"email": JON}], "triage": JON, "compliance": JON, "escalation": JON})


YES = Classification(Label.INTERESTED, 0.9, frozenset(), False, False, "yes", "en", {Label.INTERESTED: 0.9})
MX = "mx.out.example"  # the name under which our own server writes Authentication-Results


class Reader:
    """A classifier that finds everybody interested who does not say stop."""

    def classify(self, text: str, hints: Hints = NO_HINTS) -> Classification:
        return replace(YES, label=Label.UNSUBSCRIBE) if "stop" in text else YES


async def parse(raw: bytes) -> ParsedMail | None:
    if b"kills the reader" in raw:
        return None
    if b"breaks the reader" in raw:
        raise ZeroDivisionError
    return parse_mail(raw)


class Office:
    """Arrivals go in, filings come out."""

    def __init__(self, store: Store, zone: Zone) -> None:
        self.store, self.filed, self._uid = store, list[tuple[Judgement, Filed]](), 0
        policy = FilingPolicy(b"secret", TEAM, OwnershipSettings(), {}, frozenset({BOX, OTHER}), frozenset())
        self.judge = JudgeWorker(
            store, Reader(), policy, lambda found, filed: self.filed.append((found, filed)),
            parse=parse, prove=partial(prove_sender, DictResolver(zone), authserv_ids=(MX,)), sent_folders={BOX: "Sent", OTHER: None},
        )  # fmt: skip
        store.write_now(self._letter)

    def _letter(self, connection: Any) -> None:
        schema.claim_instance(connection, "here", NOW)
        contact = contacts.save_contact(connection, {"email": CHRIS}, NOW)
        enrollments.activate_sequence(connection, "demo", actor="maya", now=NOW)
        domains.save_verdict(connection, "out.example", VerdictLevel.READY, [], {}, NOW)
        mailboxes.acquire_lease(connection, BOX, "node-1", NOW, HOUR)
        enrollment = enrollments.enroll(connection, contact, "demo", NOW, now=NOW)
        new = sends.NewSend(
            enrollment_id=enrollment, contact_id=contact, account_id=None, sequence="demo", step=0, variant="a",
            mailbox=BOX, recipient=CHRIS, message_id=LETTER, subject="Hello", text="Hi", raw=b"raw", sha256="00",
            token="t1", not_before=NOW, not_after=NOW + HOUR,
        )  # fmt: skip
        send = sends.plan(connection, new, NOW)
        assert send is not None
        assert claims.claim(connection, send, epoch=1, secret=b"s", limits=claims.ClaimLimits(mailbox=9), now=NOW) == ""
        sends.record_sent(connection, send, NOW, next_due_at=NOW + HOUR)

    def arrive(self, raw: bytes, *, box: str = BOX, folder: str = "INBOX", at: datetime = NOW + HOUR) -> int:
        self._uid += 1
        mail = [messages.Arrival(self._uid, at, raw)]
        (key,) = self.store.write_now(messages.ingest, box, folder, 7, mail, NOW, last_uid=self._uid)
        return key

    def work(self, passes: int = 1) -> None:
        for _ in range(passes):
            asyncio.run(self.judge.run_pass(NOW + HOUR))

    def row(self, key: int) -> dict[str, Any]:
        return self.store.read_now(messages.message, key)

    def threads(self) -> list[Any]:
        return self.store.read_now(lambda connection: threads.find(connection))


@pytest.fixture
def office(store: Store) -> Office:
    return Office(store, {})


def written(
    text: str, sender: str = CHRIS, mail_id: str = "<1@acme.example>", extra: Iterable[str] = (), to: str = BOX
) -> bytes:
    lines = [*extra, f"From: {sender}", f"To: {to}", f"Message-ID: {mail_id}", "Subject: Re: Hello",
             f"In-Reply-To: {LETTER}", "Date: Mon, 02 Mar 2026 10:00:00 +0000"]  # fmt: skip
    return ("\r\n".join(lines) + f"\r\n\r\n{text}\r\n").encode()


def test_one_mail_in_two_mailboxes_and_moved_to_a_folder_acts_once(office: Office) -> None:
    raw = written("Yes, please call me.")
    office.arrive(b"Delivered-To: maya@out.example\r\nReceived: by a; Mon\r\n" + raw)
    office.arrive(b"Delivered-To: ben@out.example\r\nReceived: by b; Tue\r\n" + raw, box=OTHER)
    office.arrive(b"Delivered-To: maya@out.example\r\nReceived: by a; Mon\r\n" + raw, folder="Customers")
    office.work(2)
    assert [filed.assignment is not None for _, filed in office.filed] == [True, False, False]
    assert len(office.threads()) == 1
    assert sum(office.store.read_now(notices.counts).values()) == 1


def test_a_reused_message_id_does_not_hide_another_mail(office: Office) -> None:
    office.arrive(written("Yes, please call me."))
    office.arrive(written("And bring the prices."))
    office.work()
    assert [found.text for found, filed in office.filed if filed.actions] == [
        "Yes, please call me.", "And bring the prices.",
    ]  # fmt: skip


def test_our_own_answer_in_sent_ends_the_clock_whatever_its_sender(office: Office) -> None:
    office.arrive(written("Yes, please call me."))
    office.work()
    (thread,) = office.threads()
    assert thread.state == ThreadState.OPEN
    alias = written("I will call you.", "sales@elsewhere.example", "<2@out.example>", to=CHRIS)
    key = office.arrive(alias.replace(LETTER.encode(), b"<1@acme.example>"), folder="Sent", at=NOW + 2 * HOUR)
    office.work()
    (thread,) = office.threads()
    assert thread.state == ThreadState.ANSWERED
    assert (office.row(key)["label"], office.row(key)["thread_id"]) == (None, thread.id)


def test_a_machines_letter_in_sent_is_no_answer_and_teaches_its_id(office: Office) -> None:
    office.arrive(written("Yes, please call me."))
    office.work()
    copy = written("Hi", BOX, "<rewritten@provider.example>", ["X-Postroom-Id: abc.0"], to=CHRIS)
    office.arrive(copy, folder="Sent", at=NOW + 2 * HOUR)
    office.work()
    assert office.threads()[0].state == ThreadState.OPEN
    office.arrive(
        written("Hello again", mail_id="<3@acme.example>").replace(LETTER.encode(), b"<rewritten@provider.example>")
    )
    office.work()
    assert office.filed[-1][1].match.how == "learnt-id"


@pytest.mark.parametrize(("sender", "box"), [(BOX, BOX), (f"Maya Stone <{BOX}>", OTHER), (BOX.upper(), BOX)])
def test_our_own_follow_up_in_an_inbox_is_no_reply(office: Office, sender: str, box: str) -> None:
    """A copy that the provider leaves in the mailbox, or a blind copy to a colleague's."""
    copy = written(
        "Did my note reach you? Yes or no is fine.", sender, "<2@out.example>", ["X-Postroom-Id: def.1"], CHRIS
    )
    office.arrive(copy, box=box)
    office.work()
    assert office.threads() == []
    assert sum(office.store.read_now(notices.counts).values()) == 0
    (enrollment,) = office.store.read_now(enrollments.enrollments_of, [1])
    assert enrollment.state == EnrollmentState.ACTIVE


def test_what_kills_the_reader_is_quarantined_after_three_deaths_and_stops_nobody(office: Office) -> None:
    poison = office.arrive(written("this kills the reader"))
    office.arrive(written("Yes, please call me.", mail_id="<2@acme.example>"))
    office.work()
    assert len(office.filed) == 1
    office.work(DEATHS - 1)
    assert office.row(poison)["stage"] == MessageStage.STORED
    office.work()
    assert (office.row(poison)["stage"], office.row(poison)["reason"]) == (
        MessageStage.QUARANTINED, "broke-processing-three-times",
    )  # fmt: skip


def states(office: Office) -> list[str]:
    return [str(one.state) for one in office.store.read_now(enrollments.enrollments_of, [1])]


def questions(office: Office) -> list[str]:
    rows = office.store.read_now(notices.waiting, NOW + timedelta(days=9), 99)
    return [row["payload"]["subject"] for row in rows if row["payload"].get("subject", "").startswith("[held]")]


BOMB = written("stop").replace(b"\r\n\r\n", b"\r\n" + b"X-A: b\r\n" * 40_000 + b"\r\n")


@pytest.mark.parametrize(
    "raw",
    [
        written("this kills the reader"),
        BOMB,
        written("this kills the reader", sender="someone@else.example"),
    ],
    ids=["kills", "bomb", "answers-from-elsewhere"],
)
def test_what_cannot_be_read_may_ask_us_to_stop(office: Office, raw: bytes) -> None:
    key = office.arrive(raw)
    office.work(DEATHS + 1)
    assert office.row(key)["stage"] == MessageStage.QUARANTINED
    assert (states(office), len(questions(office))) == (["paused"], 1)


@pytest.mark.parametrize("sender", ["stranger@else.example", "", BOX])
def test_what_cannot_be_read_and_answers_nobody_holds_nothing(office: Office, sender: str) -> None:
    office.arrive(written("this kills the reader", sender=sender).replace(LETTER.encode(), b"<x@else.example>"))
    office.work(DEATHS + 1)
    assert (states(office), questions(office)) == (["active"], [])


def test_a_fault_of_ours_is_given_three_tries(office: Office) -> None:
    poison = office.arrive(written("this breaks the reader"))
    for _ in range(DEATHS):
        with pytest.raises(ZeroDivisionError):
            office.work()
    office.work()
    assert office.row(poison)["stage"] == MessageStage.QUARANTINED


def test_a_database_that_does_not_answer_is_not_the_messages_fault(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = office.arrive(written("Yes, please call me."))
    with monkeypatch.context() as patch:
        patch.setattr("inbox.worker.find_match", _busy)
        for _ in range(DEATHS + 2):
            with pytest.raises(TemporaryError):
                office.work()
    office.work()
    assert (office.row(key)["stage"], len(office.filed)) == (MessageStage.DONE, 1)


def _busy(*_args: Any) -> None:
    raise TemporaryError("the database did not answer")


@pytest.mark.parametrize("state", ["claimed", "uncertain"])
def test_a_reply_that_names_an_open_letter_proves_that_it_left(office: Office, state: str) -> None:
    open_again = f"UPDATE send SET state = '{state}', sent_at = NULL"
    office.store.write_now(lambda connection: connection.exec_driver_sql(open_again))
    office.arrive(written("Yes, please call me."))
    office.work()
    assert [row["state"] for row in office.store.read_now(sends.all_sends)] == ["sent"]
