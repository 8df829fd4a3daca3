"""Whose fault is a refusal, and what follows? Answers as providers give them."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outbound.retry import LONGEST_WAIT, MOST_ATTEMPTS, Action, judge_answer, pause_after

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("code", "enhanced", "text", "action", "slug"),
    [
        (550, "5.1.1", "550 5.1.1 The email account that you tried to reach does not exist", Action.DEAD, "address-unknown"),
        (550, "", "550 no such user here", Action.DEAD, "address-unknown"),
        (550, "5.1.10", "550 5.1.10 RESOLVER.ADR.RecipientNotFound", Action.DEAD, "address-unknown"),
        (550, "5.7.515", "550 5.7.515 Access denied, sending domain does not meet the level", Action.HOLD, "authentication-demanded"),
        (550, "5.7.26", "550-5.7.26 Your email has been blocked because the sender is unauthenticated", Action.HOLD, "authentication-demanded"),
        (550, "5.7.30", "550 5.7.30 Basic authentication is not supported", Action.HOLD, "login-refused"),
        (530, "5.7.57", "530 5.7.57 Client not authenticated to send mail", Action.HOLD, "login-refused"),
        (554, "5.7.60", "550 5.7.60 SMTP; Client does not have permissions to send as this sender", Action.HOLD, "not-allowed-to-send-as"),
        (550, "5.1.8", "550 5.1.8 Access denied, bad outbound sender", Action.HOLD, "sender-blocked"),
        (550, "5.1.90", "550 5.1.90 Your message can't be sent because you've reached your daily limit", Action.REST, "provider-quota"),
        (550, "5.4.5", "550 5.4.5 Daily user sending limit exceeded", Action.REST, "provider-quota"),
        (421, "4.7.28", "421-4.7.28 Gmail has detected an unusual rate of unsolicited mail", Action.REST, "provider-throttles"),
        (421, "", "421 closing", Action.REST, "server-busy"),
        (451, "4.7.1", "451 4.7.1 Greylisting in action, please come back later", Action.WAIT, "greylisted"),
        (451, "4.7.650", "451 4.7.650 The mail server has been temporarily rate limited", Action.REST, "provider-throttles"),
        (452, "4.2.2", "452-4.2.2 The recipient's inbox is out of storage space", Action.WAIT, "mailbox-full"),
        (450, "4.2.1", "450-4.2.1 The user you are trying to contact is receiving mail too quickly", Action.WAIT, "recipient-throttled"),
        (552, "5.3.4", "552 5.3.4 message too big", Action.REFUSE, "too-big"),
        (550, "5.7.1", "550 5.7.1 Message rejected as spam", Action.REFUSE, "policy"),
        (554, "", "554 transaction failed", Action.REFUSE, "refused"),
    ],
)  # fmt: skip
def test_what_providers_answer(code: int, enhanced: str, text: str, action: Action, slug: str) -> None:
    found = judge_answer(code, enhanced, text, 1, NOW, 0.0)
    assert (found.action, found.slug) == (action, slug)


@given(
    code=st.integers(400, 599), enhanced=st.sampled_from(["", "4.7.1", "5.7.999", "4.2.0", "5.1.1", "5.0.0", "4.3.2"]),
    attempts=st.integers(1, 50), jitter=st.floats(0, 1, exclude_max=True),
)  # fmt: skip
def test_every_answer_has_an_end(code: int, enhanced: str, attempts: int, jitter: float) -> None:
    found = judge_answer(code, enhanced, "words", attempts, NOW, jitter)
    if found.action in (Action.DEAD, Action.REFUSE):
        assert found.at is None
    else:
        assert found.at is not None
        assert NOW <= found.at <= NOW + LONGEST_WAIT * 1.25
    assert not (found.action == Action.WAIT and attempts >= MOST_ATTEMPTS)
    if code < 500 and attempts < MOST_ATTEMPTS and not enhanced.startswith("5"):
        assert found.action not in (Action.DEAD, Action.REFUSE)  # "not yet" is never taken for "never"


def test_waits_grow() -> None:
    waits = [judge_answer(450, "", "", attempt, NOW, 0.0).at for attempt in range(1, MOST_ATTEMPTS)]
    assert waits == sorted(waits)  # type: ignore[type-var]
    assert waits[0] == NOW + timedelta(minutes=20)
    assert [pause_after(number).total_seconds() for number in (0, 1, 2, 50)] == [30, 60, 120, 3600]
