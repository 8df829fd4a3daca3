"""Are people told at the right time, about the right things, once: quiet hours, digest, alerts, the weekly audit?"""

import asyncio
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest

from ownership.delivery import NoticeWorker
from ownership.duties import read_desks
from ownership.quiet import deliver_at, next_digest
from ownership.rule_check import check_rules
from ownership.settings import NotifySettings, OwnershipSettings
from ownership.weekly import weekly_audit
from store import domains, enrollments, mailboxes, notices
from store.errors import TemporaryError
from store.vocabulary import VerdictLevel
from tests.desks.desk import LEFT, NOW, A, Desk, G, J, K, M, O, T, make_team
from tests.desks.postman import Postman

CHRIS = "chris@acme.example"
NIGHT = NotifySettings(quiet=(time(20), time(7)))


@pytest.mark.parametrize(
    ("local", "expected"),
    [("2026-03-02T19:59", "2026-03-02T19:59"), ("2026-03-02T20:00", "2026-03-03T07:00"), ("2026-03-02T23:30", "2026-03-03T07:00"),
     ("2026-03-02T03:00", "2026-03-02T07:00"), ("2026-03-02T07:00", "2026-03-02T07:00"), ("2026-03-28T22:00", "2026-03-29T06:00")],
)  # fmt: skip
def test_quiet_hours_in_the_persons_zone_also_over_a_clock_change(local: str, expected: str) -> None:
    team = make_team({M: {"zone": "Europe/Berlin"}})
    winter = timedelta(hours=1)
    at = datetime.fromisoformat(local).replace(tzinfo=UTC) - winter
    assert deliver_at(M, NIGHT, team, at) == datetime.fromisoformat(expected).replace(tzinfo=UTC) - winter


def test_the_next_digest_is_today_or_tomorrow() -> None:
    team = make_team()
    times = (time(14), time(9))
    assert next_digest(T, times, team, NOW) == NOW.replace(hour=14)
    assert next_digest(T, times, team, NOW.replace(hour=20)) == NOW.replace(hour=9) + timedelta(days=1)


def test_the_triage_queue_comes_as_one_digest_once_but_interested_at_once(tmp_path: Path) -> None:
    desk = Desk(tmp_path, rules={"notify": {"digest": ["14:00"]}}, sequences={"demo": {}})
    for number in range(3):
        desk.reply(f"x{number}@x{number}.example", "other")
    desk.reply("hot@hot.example", "interested")
    postman = Postman()
    asyncio.run(NoticeWorker(desk.store, postman).run_pass(NOW))
    assert [who for who, _, _ in postman.delivered] == [T]
    failing = Postman([TemporaryError("down")])
    for minutes in (0, 5, 10):
        at = NOW.replace(hour=14) + timedelta(minutes=minutes)
        asyncio.run(NoticeWorker(desk.store, failing).run_pass(at))
    ((who, key, text),) = failing.delivered
    assert (who, key.startswith("digest:"), text.count("This goes to Tom Berg")) == (T, True, 3)


def test_operations_hear_of_held_mailboxes_blocked_domains_and_paused_sequences_once(tmp_path: Path) -> None:
    hook = {"url": "http://127.0.0.1:9/x", "kind": "slack", "events": ["mailbox.held"]}
    desk = Desk(tmp_path, rules={"webhook": [hook]})

    def unit(connection: Any) -> None:
        mailboxes.hold(connection, "hello@out.example", "bad password", actor="postroom", now=NOW)
        domains.save_verdict(connection, "out.example", VerdictLevel.READY, [], {}, NOW)
        domains.save_verdict(connection, "out.example", VerdictLevel.BLOCKED, [], {}, NOW)
        enrollments.pause_sequence(connection, "demo", "no-go", actor="postroom", now=NOW)

    desk.store.write_now(unit)
    for _ in range(3):
        asyncio.run(desk.duties())
    told = [(row["event"], row["recipient"]) for row in desk.store.read_now(notices.waiting, NOW)]
    assert told == [("mailbox.held", O), ("mailbox.held", hook["url"]), ("domain.blocked", O), ("sequence.paused", O)]


def test_every_reply_raises_its_events_for_webhooks_once_without_mail_markup(tmp_path: Path) -> None:
    hook = {"url": "http://127.0.0.1:9/x", "kind": "slack"}
    desk = Desk(tmp_path, rules={"webhook": [hook]})
    desk.reply(CHRIS, to=desk.letter(CHRIS))
    rows = [row for row in desk.store.read_now(notices.waiting, NOW) if row["recipient"] == hook["url"]]
    assert [row["event"] for row in rows] == ["reply.received", "reply.classified", "thread.assigned"]
    assert all("html" not in row["payload"] and "answer_as" not in row["payload"] for row in rows)
    assert rows[-1]["payload"]["reason"].startswith("This goes to Jon Field")


def test_the_weekly_audit_finds_debts_and_is_mailed_once_a_week(tmp_path: Path) -> None:
    desk = Desk(
        tmp_path, people={J: LEFT}, rules={"rule": [{"name": "x", "to": J}, {"name": "y", "to": "account.owner"}]}
    )
    desk.reply(CHRIS, to=desk.letter(CHRIS))
    desk.now = NOW + timedelta(days=2)
    figures = weekly_audit(desk.store.read_now(read_desks, desk.now), desk.policy.ownership, desk.policy.team,
                           {"demo": (J, A)}, desk.now)  # fmt: skip
    values = {(one.figure, one.by, one.group): one.value for one in figures}
    assert values["unassigned", "all", ""] == 0
    assert values["older_than_sla", "owner", M] == 1
    assert values["hours_to_owner", "sequence", "demo"] == 0
    assert ("former_member", "place", "ownership.rule[0] (x)") in values
    assert ("former_member", "place", "sequence demo, owner") in values
    for day in range(16):
        desk.now = NOW + timedelta(days=day)
        asyncio.run(desk.duties())
    weekly = [who for who, subject in desk.told("report.weekly")]
    assert weekly == [G, G]


def test_rules_and_territories_are_checked_with_their_paths() -> None:
    rules = [
        {"name": "dach", "to": M, "when": {"country": ["DE", "AT"]}},
        {"name": "austria", "to": J, "when": {"country": ["AT"], "language": ["de"]}},
        {"name": "field", "to": "account.owner", "when": {"country": ["FR"]}},
        {"name": "france", "to": J, "when": {"country": ["FR"]}},
        {"name": "dach", "to": "pod:none"},
    ]
    team = make_team({J: {"countries": ["US", "AT"], "segments": ["smb"]}, K: {"backup": A}, A: LEFT | {"backup": G}})
    found = list(check_rules(OwnershipSettings.model_validate({"rule": rules}), team, [], NOW))
    errors = [said for is_error, said in found if is_error]
    warnings = [said for is_error, said in found if not is_error]
    assert any("rule[4] (dach).name" in one for one in errors)
    assert any("rule[4] (dach).to" in one and "no pod" in one for one in errors)
    assert any("rule[1] (austria): can never match, ownership.rule[0]" in one for one in warnings)
    assert not any("rule[3]" in one for one in warnings)
    assert any("territories overlap" in one and "AT for smb" in one for one in warnings)
    assert any("no rule without conditions" in one for one in warnings)
    assert any("ann@team.example has left" in one for one in warnings)
    assert any(one.startswith("team.person[") and ".backup" in one for one in warnings)
