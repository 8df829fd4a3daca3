"""Which letters leave now? Limits, order, fairness, and when to ask again."""

import random
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outbound.experiment import choose_variant
from outbound.health import assess_health
from outbound.plan import SendPlan, plan_sends
from outbound.preview import preview_sends
from outbound.settings import HealthSettings, LimitSettings, SendingDomainSettings, SequenceSettings, StepSettings
from outbound.warmup import daily_limit
from store.records import CapCounts, DueStep, MailboxLoad
from store.vocabulary import HealthBand, VerdictLevel

NOW = datetime(2026, 3, 2, 10, tzinfo=UTC)  # a Monday
BOX = "maya@out.example"
READY = {"out.example": VerdictLevel.READY}


def sequence(name: str = "demo", **changes: Any) -> SequenceSettings:
    steps = [{"subject": "Hi", "body": "x"}, {"delay": "3 business days", "body": "y"}]
    base = {"name": name, "mailboxes": [BOX, "jon@out.example"], "step": steps, "per_account_per_day": 100}
    return SequenceSettings.model_validate(base | changes)


def step(number: int, **changes: Any) -> DueStep:
    base = DueStep(number, number, number, "demo", 0, NOW - timedelta(hours=1), "", f"acme{number}.example", "UTC", "")
    return replace(base, **changes)


def load(mailbox: str = BOX, **changes: Any) -> MailboxLoad:
    return MailboxLoad(mailbox, **{"sent_last_day": 0, "last_sent_at": None} | changes)


def plan(due: list[DueStep], loads: list[MailboxLoad] | None = None, **changes: Any) -> SendPlan:
    boxes = {one.mailbox: one for one in (loads or [load()])}
    sequences = {one.name: one for one in changes.pop("sequences", [sequence()])}
    limit = changes.pop("limit", LimitSettings(gap=timedelta(), jitter=timedelta()))
    options: dict[str, Any] = {"caps": CapCounts(), "verdicts": READY, "now": NOW, "jitter": lambda _key: 0.0} | changes
    return plan_sends(due, boxes, options.pop("caps"), sequences, dict.fromkeys(boxes, limit), options.pop("verdicts"),
                      options.pop("now"), options.pop("jitter"), **options)  # fmt: skip


def test_the_daily_limit_holds() -> None:
    made = plan([step(n) for n in range(60)], [load(sent_last_day=35)])
    assert len(made.sends) == 5
    assert made.waiting == {"gap": 55}


def test_follow_ups_come_before_openers_and_keep_their_mailbox() -> None:
    due = [step(n) for n in range(50)] + [step(99, step=1, mailbox=BOX)]
    made = plan(due, [load(sent_last_day=39), load("jon@out.example", sent_last_day=40)])
    assert [(send.enrollment_id, send.mailbox) for send in made.sends] == [(99, BOX)]


def test_the_gap_lets_one_leave_and_says_when_the_next_may() -> None:
    limit = LimitSettings(gap=timedelta(minutes=3), jitter=timedelta(minutes=2))
    made = plan([step(1), step(2)], limit=limit, jitter=lambda _key: 0.5)
    assert len(made.sends) == 1
    assert made.next_wake == NOW + timedelta(minutes=4)
    later = plan(
        [step(2)],
        [load(last_sent_at=NOW, sent_last_day=1)],
        limit=limit,
        now=NOW + timedelta(minutes=3),
        jitter=lambda _key: 0.5,
    )
    assert later.sends == ()
    assert later.waiting == {"gap": 1}


@pytest.mark.parametrize(
    ("changes", "slug"),
    [
        ({"loads": [load(held=True)]}, "mailbox-held"),
        ({"verdicts": {"out.example": VerdictLevel.BLOCKED}}, "domain-blocked"),
        ({"verdicts": {}}, "domain-unknown"),
        ({"verdicts": {"out.example": VerdictLevel.DEGRADED}}, "no-openers"),
        ({"loads": [load(not_before=NOW + timedelta(hours=1))]}, "back-off"),
        ({"loads": [load(sent_last_day=40)]}, "daily-limit"),
        ({"loads": [load(delivered=100, bounced=6)]}, "health-blocked"),
        ({"now": NOW.replace(hour=20)}, "window"),
        ({"sequences": [sequence(per_account_per_day=0)]}, "account-cap"),
        ({"sequences": [sequence(per_recipient_domain_per_day=0)]}, "recipient-domain-cap"),
        (
            {"domain_caps": {"out.example": SendingDomainSettings(domain="out.example", per_day=0)}},
            "sending-domain-cap",
        ),
    ],
)
def test_what_waits_says_why(changes: dict[str, Any], slug: str) -> None:
    made = plan([step(1)], **changes)
    assert made.sends == ()
    assert any(slug in reason for reason in made.waiting), made.waiting


def test_a_degraded_domain_still_sends_follow_ups() -> None:
    made = plan([step(1, step=1, mailbox=BOX), step(2)], verdicts={"out.example": VerdictLevel.DEGRADED})
    assert [send.enrollment_id for send in made.sends] == [1]


def test_openers_take_turns_among_sequences() -> None:
    due = [step(n, sequence="old") for n in range(100)] + [step(n, sequence="new") for n in range(200, 210)]
    made = plan(due, [load(sent_last_day=30)], sequences=[sequence("old"), sequence("new")])
    assert Counter(send.sequence for send in made.sends) == {"old": 5, "new": 5}


def test_openers_go_where_the_most_room_is_left() -> None:
    made = plan([step(n) for n in range(40)], [load(sent_last_day=10), load("jon@out.example")])
    assert Counter(send.mailbox for send in made.sends) == {BOX: 15, "jon@out.example": 25}


def test_every_sequence_gets_its_turn_from_mailboxes_that_send_one_letter_a_pass() -> None:
    """A long queue must not keep a short one waiting, pass after pass, whatever was sent last."""
    names = ("a", "b", "c")
    due = [step(n + 1000 * k, sequence=name) for k, name in enumerate(names) for n in range((300, 40, 40)[k])]
    limit = LimitSettings(gap=timedelta(minutes=1), jitter=timedelta())
    told: Counter[str] = Counter()
    chance = random.Random(3)
    for number in range(90):
        last = NOW - timedelta(minutes=2, seconds=number)
        made = plan(due, [load(last_sent_at=last)], sequences=[sequence(name) for name in names], limit=limit,
                    jitter=lambda _key: chance.random())  # fmt: skip
        told.update(send.sequence for send in made.sends)
        gone = {send.enrollment_id for send in made.sends}
        due = [one for one in due if one.enrollment_id not in gone]
    assert sum(told.values()) == 90
    assert min(told[name] for name in names) >= 18, told


def test_the_way_back_of_a_silenced_mailbox() -> None:
    """Blocked while the trouble is in the window, then half its limit until the floor is reached, then well."""
    bad_day = ((NOW.date() - timedelta(days=20), 40, True),)
    settings, limit = HealthSettings(), LimitSettings(gap=timedelta(), jitter=timedelta())
    due = [step(n) for n in range(60)]
    inside = load(delivered=40, bounced=4, daily_history=bad_day)
    behind = load(delivered=0, daily_history=bad_day)
    nearly = load(delivered=settings.floor - 1, daily_history=bad_day)
    clean = load(delivered=settings.floor, daily_history=bad_day)
    bands = [assess_health(one, settings).band for one in (inside, behind, nearly, clean)]
    assert bands == [HealthBand.BLOCKED, HealthBand.WATCH, HealthBand.WATCH, HealthBand.HEALTHY]
    assert [len(plan(due, [one], limit=limit).sends) for one in (inside, behind, nearly, clean)] == [0, 20, 20, 40]


def test_a_quarantined_mailbox_answers_its_threads_but_opens_none() -> None:
    unwell = load(delivered=100, unsubscribed=7)
    made = plan([step(1), step(2, step=1, mailbox=BOX)], [unwell])
    assert [send.enrollment_id for send in made.sends] == [2]
    assert made.waiting == {"no-openers": 1}


def test_a_half_used_ramp_day_counts_and_a_barely_used_one_does_not() -> None:
    limits = LimitSettings.model_validate({"per_day": "40/day", "ramp": {"start": 6, "add": 2}})
    yesterday = NOW.date() - timedelta(days=1)
    for number, allowed in ((2, 6), (3, 8), (6, 8)):
        assert daily_limit(load(daily_history=((yesterday, number, False),)), limits, NOW.date()) == allowed
    quiet = ((yesterday - timedelta(days=1), 6, False), (yesterday, 1, False))
    assert daily_limit(load(daily_history=quiet), limits, NOW.date()) == 8, "an idle day takes nothing away"


def test_the_wake_is_when_the_window_opens() -> None:
    made = plan([step(1)], now=NOW.replace(hour=20))
    assert made.next_wake == NOW.replace(day=3, hour=9)


@given(
    due=st.lists(st.builds(step, st.integers(0, 10**6), account_id=st.integers(0, 5), recipient_domain=st.sampled_from(["a.example", "b.example"])), max_size=60, unique_by=lambda one: one.enrollment_id),
    sent=st.integers(0, 45),
    cap=st.integers(0, 10),
    account=st.integers(0, 4),
)  # fmt: skip
def test_no_cap_is_ever_exceeded(due: list[DueStep], sent: int, cap: int, account: int) -> None:
    made = plan(due, [load(sent_last_day=sent), load("jon@out.example", sent_last_day=3)],
                sequences=[sequence(per_account_per_day=account, per_recipient_domain_per_day=cap)])  # fmt: skip
    by_id = {one.enrollment_id: one for one in due}
    assert Counter(send.mailbox for send in made.sends)[BOX] <= max(0, 40 - sent)
    assert max(Counter(by_id[send.enrollment_id].recipient_domain for send in made.sends).values(), default=0) <= cap
    assert max(Counter(by_id[send.enrollment_id].account_id for send in made.sends).values(), default=0) <= account
    assert len(made.sends) + sum(made.waiting.values()) == len(due)


def test_the_ramp_grows_on_clean_days_only() -> None:
    limits = LimitSettings.model_validate({"per_day": "40/day", "ramp": {"start": 5, "add": 2}})
    days = [(date(2026, 2, 20 + n), 5, n == 1) for n in range(4)]
    assert daily_limit(load(), limits, NOW.date()) == 5
    assert daily_limit(load(daily_history=tuple(days)), limits, NOW.date()) == 11
    today = (*days, (NOW.date(), 5, False))
    assert daily_limit(load(daily_history=today), limits, NOW.date()) == 11


HEALTH = [
    ({"delivered": 100}, HealthBand.HEALTHY),
    ({"delivered": 100, "bounced": 2}, HealthBand.WATCH),
    ({"delivered": 100, "bounced": 5}, HealthBand.BLOCKED),
    ({"delivered": 10, "bounced": 2}, HealthBand.HEALTHY),
    ({"delivered": 10, "bounced": 3}, HealthBand.BLOCKED),
    ({"delivered": 1000, "complained": 1}, HealthBand.WATCH),
    ({"delivered": 1000, "complained": 2}, HealthBand.BLOCKED),
    ({"delivered": 100, "unsubscribed": 7}, HealthBand.QUARANTINE),
]


@pytest.mark.parametrize(("events", "band"), HEALTH)
def test_health_bands(events: dict[str, Any], band: HealthBand) -> None:
    assert assess_health(load(**events), HealthSettings()).band == band


def test_the_preview_plays_all_steps_under_the_limits() -> None:
    due = [step(n) for n in range(30)]
    limits = {BOX: LimitSettings.model_validate({"per_day": "10/day", "gap": "3m", "jitter": "2m"})}
    found, left = preview_sends(due, {BOX: load()}, {"demo": sequence(mailboxes=[BOX])}, limits, NOW, lambda _key: 0.3)
    assert left == []
    assert Counter(send.step for send in found) == {0: 30, 1: 30}
    assert found == sorted(found, key=lambda send: send.at)
    for send in found:
        assert sum(send.at - timedelta(hours=24) < other.at <= send.at for other in found) <= 10
        assert 9 <= send.at.hour < 17
        assert send.at.weekday() < 5


def wordings(*names: str) -> StepSettings:
    return StepSettings.model_validate({"body": "x", "variant": [{"name": name, "body": name} for name in names]})


def test_a_contact_keeps_its_wording_when_others_come_go_or_change_places() -> None:
    def chosen(step: StepSettings) -> list[str]:
        return [choose_variant(b"k" * 32, contact, "demo", 0, step) for contact in range(900)]

    before = chosen(wordings("b", "c"))
    assert before == chosen(wordings("b", "c")) == chosen(wordings("c", "b"))
    assert min(Counter(before).values()) > 240, "about a third each"
    more = chosen(wordings("b", "c", "d"))
    assert {new for old, new in zip(before, more, strict=True) if new != old} == {"d"}
    less = chosen(wordings("b"))
    assert {old for old, new in zip(before, less, strict=True) if new != old} == {"c"}


def test_two_wordings_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="two variants are called b"):
        wordings("b", "b")
