"""Who may be written to? Every reason against, and the day it ends."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outbound.guardrails import Allowance, may_write
from outbound.mail_settings import GuardrailSettings
from store.records import Account, Contact, ContactHistory, Enrollment, Suppression
from store.vocabulary import AccountStage, EnrollmentState, Label, SuppressionKind, SuppressionReason

TODAY = date(2026, 3, 2)
POLICY = GuardrailSettings.model_validate(
    {"region": [{"country": "FR", "needs_basis": True, "accepted": ["consent"], "quiet": ["03-02"]},
                {"country": "GB", "needs_basis": False, "quiet": ["03-02"]}], "required_fields": ["role", "why"]}
)  # fmt: skip
READY: dict[str, Any] = {"role": "Head", "fields": {"why": "hires SDRs"}, "country": "US"}


def ask(
    contact: dict[str, Any] | None = None, account: dict[str, Any] | None = None, today: date = TODAY,
    recycle: dict[str, timedelta] | None = None, policy: GuardrailSettings = POLICY, **history: Any,
) -> Allowance:  # fmt: skip
    person = Contact(1, **{"email": "chris@acme.example"} | READY | (contact or {}))
    company = Account(1, "Acme", **account) if account else None
    return may_write(person, company, ContactHistory(**history), policy, "demo", today, recycle=recycle)


def before(state: EnrollmentState, days_ago: int, sequence: str = "demo", reason: str = "") -> tuple[Enrollment, ...]:
    at = datetime(2026, 3, 2, tzinfo=UTC) - timedelta(days=days_ago)
    return (Enrollment(1, 1, sequence, state, 1, None, ended_at=at, end_reason=reason),)


STOPPED = Suppression(
    SuppressionKind.DOMAIN, "acme.example", SuppressionReason.COMPETITOR, "", "", datetime(2026, 1, 1, tzinfo=UTC)
)
FINISHED, ENDED = EnrollmentState.FINISHED, EnrollmentState.STOPPED
NO: dict[str, Any] = {"last_reply_label": Label.NOT_INTERESTED}
CASES: list[tuple[str, dict[str, Any], set[str]]] = [
    ("nothing speaks against it", {}, set()),
    ("suppressed", {"suppressed": STOPPED}, {"suppressed-competitor"}),
    ("do not contact", {"contact": {"do_not_contact": True}}, {"do-not-contact"}),
    ("a customer", {"account": {"stage": AccountStage.CUSTOMER}}, {"customer"}),
    ("a competitor", {"account": {"stage": AccountStage.COMPETITOR}}, {"competitor"}),
    ("an account that is not to be contacted", {"account": {"stage": AccountStage.DO_NOT_CONTACT}}, {"do-not-contact"}),
    ("an open opportunity", {"account": {"stage": AccountStage.OPPORTUNITY}}, {"open-opportunity"}),
    ("a recent loss", {"account": {"stage": AccountStage.LOST, "lost_on": TODAY - timedelta(days=179)}}, {"recent-loss"}),
    ("an old loss", {"account": {"stage": AccountStage.LOST, "lost_on": TODAY - timedelta(days=180)}}, set()),
    ("declined 89 days ago", {**NO, "last_reply_on": TODAY - timedelta(days=89)}, {"re-contact-window"}),
    ("declined 90 days ago", {**NO, "last_reply_on": TODAY - timedelta(days=90)}, set()),
    ("declined for timing", {**NO, "last_reply_timing": True, "last_reply_on": TODAY - timedelta(days=179)}, {"re-contact-window"}),
    ("declined until a day", {**NO, "last_reply_on": TODAY - timedelta(days=400), "recycle_on": TODAY + timedelta(days=1)}, {"re-contact-window"}),
    ("declined until today", {**NO, "last_reply_on": TODAY - timedelta(days=400), "recycle_on": TODAY}, set()),
    ("interested", {"last_reply_label": Label.INTERESTED, "last_reply_on": TODAY - timedelta(days=999)}, {"in-conversation"}),
    ("met without a reply", {"ended": before(EnrollmentState.REPLIED, 300, reason="meeting_booked")}, {"in-conversation"}),
    ("active elsewhere", {"active_sequences": ("other",)}, {"active-elsewhere"}),
    ("active here", {"active_sequences": ("demo",)}, set()),
    ("no answer 29 days ago", {"ended": before(FINISHED, 29, "other")}, {"recently-contacted"}),
    ("no answer 30 days ago", {"ended": before(FINISHED, 30, "other")}, set()),
    ("no answer here, ever", {"ended": before(FINISHED, 3000)}, {"sequence-done"}),
    ("recycled after 60 days", {"ended": before(FINISHED, 60), "recycle": {"demo": timedelta(days=60)}}, set()),
    ("not yet recycled", {"ended": before(FINISHED, 59), "recycle": {"demo": timedelta(days=60)}}, {"recently-contacted"}),
    ("stopped by a person", {"ended": before(ENDED, 89, reason="manual_stop")}, {"stopped"}),
    ("stopped long ago", {"ended": before(ENDED, 90, reason="manual_stop")}, set()),
    ("left the company", {"ended": before(ENDED, 3000, reason="left_company")}, {"left-company"}),
    ("a letter failed: mended and tried again", {"ended": before(EnrollmentState.FAILED, 0)}, set()),
    ("no basis", {"contact": {"country": "DE"}}, {"no-legal-basis"}),
    ("no basis, by the account's country", {"contact": {"country": ""}, "account": {"country": "DE"}}, {"no-legal-basis"}),
    ("no basis, by the address", {"contact": {"country": "", "email": "a@acme.de"}}, {"no-legal-basis"}),
    ("a basis", {"contact": {"country": "DE", "legal_basis": "consent"}}, set()),
    ("another basis than accepted", {"contact": {"country": "FR", "legal_basis": "interest"}, "today": date(2026, 3, 3)}, {"legal-basis-not-accepted"}),
    ("a quiet day", {"contact": {"country": "GB"}}, {"quiet-day"}),
    ("a field is missing", {"contact": {"role": " ", "fields": {"why": "x"}}}, {"field-missing"}),
    ("everything at once", {"contact": {"do_not_contact": True, "country": "DE"}, "suppressed": STOPPED}, {"suppressed-competitor", "do-not-contact", "no-legal-basis"}),
]  # fmt: skip


@pytest.mark.parametrize(("story", "facts", "slugs"), CASES, ids=[row[0] for row in CASES])
def test_every_reason(story: str, facts: dict[str, Any], slugs: set[str]) -> None:
    found = ask(**facts)
    assert {reason.slug for reason in found.reasons} == slugs
    assert found.allowed == (not slugs)
    assert all(reason.sentence.endswith(".") for reason in found.reasons)


def test_a_quiet_day_waits_and_every_other_reason_refuses() -> None:
    assert not ask({"country": "GB"}).refused
    assert ask({"country": "GB", "do_not_contact": True}).refused
    for _, facts, slugs in CASES:
        assert ask(**facts).refused == bool(slugs - {"quiet-day"})


@given(st.integers(0, 400), st.integers(0, 400), st.booleans())
def test_the_window_ends_on_the_day_it_says(ago: int, days: int, timing: bool) -> None:
    policy = GuardrailSettings(recontact_days=days, timing_days=days)
    found = ask(policy=policy, last_reply_timing=timing, last_reply_on=TODAY - timedelta(days=ago), **NO)
    assert found.allowed == (ago >= days)


def test_whoever_left_one_sequence_never_enters_it_again() -> None:
    left = before(EnrollmentState.OPTED_OUT, 400, reason="unsubscribe")
    assert [one.slug for one in ask(ended=left).reasons] == ["opted-out"]
    assert ask(ended=before(EnrollmentState.OPTED_OUT, 400, "other", "unsubscribe")).allowed
