"""Does the send ledger keep its promises: never twice, never over a limit, never after a stop?"""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from store import claims, contacts, domains, enrollments, mailboxes, messages, open_sends, schema, sends, suppression
from store.database import Store
from store.errors import StoreOnHold
from store.send_states import ALLOWED
from store.vocabulary import EnrollmentState, SendState, SuppressionKind, SuppressionReason, VerdictLevel
from tests.conftest import empty

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
SECRET = b"test secret"
MAILBOX = "maya@out.example"
DAY = timedelta(days=1)
LIMITS = claims.ClaimLimits(mailbox=40)


def prepare(store: Store) -> int:
    """One contact in one running sequence, everything in order; returns the enrollment."""

    def unit(connection: Any) -> int:
        schema.claim_instance(connection, "here", NOW)
        account = contacts.save_account(connection, {"name": "Acme", "domain": "acme.example"})
        contact = contacts.save_contact(connection, {"email": "chris@acme.example", "account_id": account}, NOW)
        enrollments.activate_sequence(connection, "demo", actor="maya", now=NOW)
        domains.save_verdict(connection, "out.example", VerdictLevel.READY, [], {}, NOW)
        mailboxes.acquire_lease(connection, MAILBOX, "node-1", NOW, timedelta(hours=1))
        return enrollments.enroll(connection, contact, "demo", NOW, now=NOW)

    return store.write_now(unit)


def composed(enrollment: int, step: int = 0, **changes: Any) -> sends.NewSend:
    new = sends.NewSend(
        enrollment_id=enrollment, contact_id=1, account_id=1, sequence="demo", step=step, variant="a", mailbox=MAILBOX,
        recipient="chris@acme.example", message_id=f"<{enrollment}.{step}@out.example>", subject="Hello", text="Hi",
        raw=b"raw", sha256="00", token=f"t{enrollment}", not_before=NOW, not_after=NOW + timedelta(hours=8),
    )  # fmt: skip
    return replace(new, **changes)


def claim(store: Store, send: int, **changes: Any) -> str:
    options: dict[str, Any] = {"epoch": 1, "secret": SECRET, "limits": LIMITS, "now": NOW} | changes
    return store.write_now(claims.claim, send, **options)


def test_a_claim_succeeds_once(store: Store) -> None:
    send = store.write_now(sends.plan, composed(prepare(store)), NOW)
    assert send is not None
    assert claim(store, send) == ""
    assert claim(store, send) == "send-claimed"
    assert store.read_now(enrollments.due_steps, NOW) == []
    assert store.write_now(sends.plan, composed(1), NOW) is None


def test_a_sent_step_leads_to_the_next_and_the_last_one_finishes(store: Store) -> None:
    enrollment = prepare(store)
    for step, next_due in ((0, NOW + timedelta(days=3)), (1, None)):
        send = store.write_now(sends.plan, composed(enrollment, step), NOW)
        assert send is not None
        assert claim(store, send, limits=LIMITS) == ""
        store.write_now(sends.record_sent, send, NOW, next_due_at=next_due, answer="250 ok")
    found = store.read_now(enrollments.enrollment, enrollment)
    assert found is not None
    assert (found.state, found.step, found.due_at) == (EnrollmentState.FINISHED, 2, None)
    assert [sent.step for sent in store.read_now(sends.find_sent, recipient=["chris@acme.example"])] == [1, 0]


@pytest.mark.parametrize(
    ("spoil", "slug"),
    [
        (lambda c: enrollments.pause_sequence(c, "demo", "pilot", actor="maya", now=NOW), "sequence-paused"),
        (lambda c: mailboxes.hold(c, MAILBOX, "login", actor="postroom", now=NOW), "mailbox-held"),
        (lambda c: domains.save_verdict(c, "out.example", VerdictLevel.BLOCKED, [], {}, NOW), "domain-blocked"),
        (lambda c: domains.save_verdict(c, "out.example", VerdictLevel.DEGRADED, [], {}, NOW), "domain-degraded"),
        (lambda c: mailboxes.acquire_lease(c, MAILBOX, "node-2", NOW + timedelta(hours=2), DAY), "lease-lost"),
        (
            lambda c: enrollments.set_state(
                c, enrollments.enrollment(c, 1), EnrollmentState.REPLIED, reason="r", actor="a", now=NOW  # type: ignore[arg-type]
            ),
            "send-refused",
        ),
        (
            lambda c: enrollments.set_state(
                c, enrollments.enrollment(c, 1), EnrollmentState.PAUSED, reason="r", actor="a", now=NOW  # type: ignore[arg-type]
            ),
            "enrollment-paused",
        ),
    ],
)  # fmt: skip
def test_the_claim_asks_every_question_again(store: Store, spoil: Any, slug: str) -> None:
    send = store.write_now(sends.plan, composed(prepare(store)), NOW)
    assert send is not None
    store.write_now(spoil)
    assert claim(store, send) == slug


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (SuppressionKind.ADDRESS, "Chris@Acme.example"),
        (SuppressionKind.DOMAIN, "acme.example"),
        (SuppressionKind.ACCOUNT, "1"),
    ],
)
def test_nothing_is_claimed_after_a_suppression(store: Store, kind: SuppressionKind, value: str) -> None:
    send = store.write_now(sends.plan, composed(prepare(store)), NOW)
    assert send is not None
    reason = SuppressionReason.UNSUBSCRIBE
    store.write_now(
        suppression.add, SECRET, kind, value, reason, source="reply", evidence="", actor="postroom", now=NOW
    )
    assert claim(store, send) == "suppressed-unsubscribe"


def test_limits_are_counted_from_the_ledger(store: Store) -> None:
    enrollment = prepare(store)
    send = store.write_now(sends.plan, composed(enrollment), NOW)
    assert send is not None
    assert claim(store, send, limits=claims.ClaimLimits(mailbox=0)) == "daily-limit"
    assert claim(store, send) == ""
    store.write_now(sends.record_sent, send, NOW, next_due_at=NOW)
    later = NOW + timedelta(hours=1)
    second = store.write_now(sends.plan, composed(enrollment, 1), later)
    assert second is not None
    assert claim(store, second, now=later - timedelta(minutes=1), limits=claims.ClaimLimits(1)) == "daily-limit"
    assert claim(store, second, now=NOW, limits=claims.ClaimLimits(9, recipient_domain=1)) == "recipient-domain-cap"
    assert claim(store, second, now=NOW, limits=claims.ClaimLimits(9, sending_domain=1)) == "sending-domain-cap"
    assert claim(store, second, now=NOW, limits=claims.ClaimLimits(9, account=1)) == "account-cap"
    assert claim(store, second, now=NOW, limits=claims.ClaimLimits(9, gap=timedelta(minutes=3))) == "gap"
    load = store.read_now(mailboxes.loads, [MAILBOX], NOW)[MAILBOX]
    assert (load.sent_last_day, load.last_sent_at, load.delivered) == (1, NOW, 1)
    assert load.daily_history == ((NOW.date(), 1, False),)
    assert store.read_now(mailboxes.cap_counts, NOW).by_recipient_domain == {"acme.example": 1}
    day_after = store.read_now(mailboxes.loads, [MAILBOX], NOW + timedelta(hours=24))[MAILBOX]
    assert day_after.sent_last_day == 0


def test_a_restored_database_claims_nothing(store: Store) -> None:
    send = store.write_now(sends.plan, composed(prepare(store)), NOW)
    assert send is not None
    store.write_now(schema.claim_instance, "elsewhere", NOW)
    with pytest.raises(StoreOnHold):
        claim(store, send)


def test_an_unanswered_claim_is_never_planned_again_by_itself(store: Store) -> None:
    enrollment = prepare(store)
    send = store.write_now(sends.plan, composed(enrollment), NOW)
    assert send is not None
    assert claim(store, send) == ""
    late = NOW + timedelta(minutes=15)
    assert [row.id for row in store.read_now(open_sends.open_claims, late, timedelta(minutes=10))] == [send]
    store.write_now(open_sends.record_uncertain, send, late)
    assert store.read_now(enrollments.due_steps, late + timedelta(days=30)) == []
    assert store.write_now(sends.plan, composed(enrollment), late) is None
    with pytest.raises(AssertionError, match="already settled"):
        store.write_now(open_sends.record_not_sent, send, late)


def test_a_send_proved_missing_is_planned_again(store: Store) -> None:
    enrollment = prepare(store)
    send = store.write_now(sends.plan, composed(enrollment), NOW)
    assert send is not None
    assert claim(store, send) == ""
    store.write_now(open_sends.record_not_sent, send, NOW + timedelta(minutes=15))
    assert [due.enrollment_id for due in store.read_now(enrollments.due_steps, NOW + timedelta(hours=1))] == [
        enrollment
    ]


def test_final_states_are_final() -> None:
    assert ALLOWED[SendState.SENT] == ALLOWED[SendState.REFUSED] == frozenset()
    assert SendState.PLANNED not in ALLOWED[SendState.UNCERTAIN]


def test_a_pause_with_a_date_wakes_by_itself(store: Store) -> None:
    enrollment = store.read_now(enrollments.enrollment, prepare(store))
    assert enrollment is not None
    back = NOW + timedelta(days=14)
    store.write_now(
        enrollments.set_state,
        enrollment,
        EnrollmentState.PAUSED,
        reason="absent",
        actor="p",
        now=NOW,
        paused_until=back,
    )
    assert store.write_now(enrollments.wake_paused, NOW + timedelta(days=13)) == 0
    assert store.write_now(enrollments.wake_paused, back) == 1
    woken = store.read_now(enrollments.enrollment, enrollment.id)
    assert woken is not None
    assert (woken.state, woken.paused_until) == (EnrollmentState.ACTIVE, None)


def test_a_new_generation_of_a_folder_brings_nothing_twice(store: Store) -> None:
    mail = [messages.Arrival(uid, NOW, f"mail {uid}".encode()) for uid in (1, 2, 3)]
    assert len(store.write_now(messages.ingest, MAILBOX, "INBOX", 7, mail, NOW, last_uid=3)) == 3
    assert store.write_now(messages.ingest, MAILBOX, "INBOX", 7, mail, NOW, last_uid=3) == []
    again = [messages.Arrival(uid + 10, NOW, f"mail {uid}".encode()) for uid in (2, 3, 4)]
    assert len(store.write_now(messages.ingest, MAILBOX, "INBOX", 8, again, NOW, last_uid=14)) == 1
    assert store.write_now(messages.ingest, MAILBOX, "INBOX", 8, again, NOW, last_uid=14) == []
    assert store.read_now(messages.cursor, MAILBOX, "INBOX").last_uid == 14


def test_two_nodes_together_open_a_pilot_with_no_more_than_it_allows(store: Store) -> None:
    def unit(connection: Any) -> list[int]:
        found = []
        for number, box in enumerate([MAILBOX, "jon@out.example"] * 10):
            mailboxes.acquire_lease(connection, box, box, NOW, timedelta(hours=1))
            email = f"p{number}@acme{number}.example"
            contact = contacts.save_contact(connection, {"email": email}, NOW)
            key = enrollments.enroll(connection, contact, "demo", NOW, now=NOW)
            new = composed(key, contact_id=contact, account_id=None, recipient=email, mailbox=box)
            found.append(sends.plan(connection, new, NOW) or 0)
        return found

    prepare(store)
    planned = store.write_now(unit)
    other = Store(store.url)
    limits = claims.ClaimLimits(mailbox=40, pilot=7)

    async def story() -> list[str]:
        asked: dict[str, Any] = {"epoch": 1, "secret": SECRET, "limits": limits, "now": NOW}
        nodes = [(store, other)[number % 2] for number in range(len(planned))]
        return await asyncio.gather(
            *(node.write(claims.claim, send, **asked) for node, send in zip(nodes, planned, strict=True))
        )

    try:
        told = asyncio.run(story())
    finally:
        other.close()
    assert sorted(told) == [""] * 7 + ["pilot"] * 13


def test_a_lease_expires_by_the_clock_of_the_database(postgres_url: str) -> None:
    store = Store(postgres_url, database_clock=True)
    empty(store)
    real = datetime.now(UTC)
    hour = timedelta(hours=1)
    assert store.write_now(mailboxes.acquire_lease, MAILBOX, "node-1", real - 9 * hour, hour) == 1
    fast = real + 9 * hour  # the clock of node-2 is nine hours fast
    assert store.write_now(mailboxes.acquire_lease, MAILBOX, "node-2", fast, hour) is None
    assert not store.read_now(mailboxes.may_take, MAILBOX, "node-2", fast)
    store.write_now(mailboxes.release_leases, "node-1", fast)
    assert store.write_now(mailboxes.acquire_lease, MAILBOX, "node-2", real - 9 * hour, timedelta()) == 2
    assert store.write_now(mailboxes.acquire_lease, MAILBOX, "node-1", real - 9 * hour, hour) == 3
    store.close()


def test_a_claim_asks_the_clock_of_the_database_for_its_lease(postgres_url: str) -> None:
    store = Store(postgres_url, database_clock=True)
    empty(store)
    send = store.write_now(sends.plan, composed(prepare(store)), NOW)  # NOW is long ago for the database
    assert send is not None
    far = datetime.now(UTC) + timedelta(days=9)
    store.write_now(sends.plan, composed(1, not_after=far + DAY), NOW)
    assert claim(store, send, now=far) == "", "the node's clock is wrong, the lease is good"
    store.close()
    store = Store(postgres_url, database_clock=True)
    empty(store)
    send = store.write_now(sends.plan, composed(prepare(store)), NOW)
    store.write_now(mailboxes.acquire_lease, MAILBOX, "node-1", NOW, timedelta())
    assert send is not None
    assert claim(store, send) == "lease-lost"
    store.close()
