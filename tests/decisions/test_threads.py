"""Which message of ours does an arrival answer, and what follows from it?"""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbox.threads import (
    LONGEST_SUBJECT,
    NO_MATCH,
    ThreadMatch,
    address_tokens,
    bare_address,
    base_subject,
    company_domains,
    full_name,
    match_reply,
    referred_ids,
)
from inbox.triage import DEFAULT_PAUSE, Actions, decide_actions
from store.records import SentMessage
from store.vocabulary import BounceKind, Label, SendState, StopEvent, SuppressionReason, Tag

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


def sent(number: int = 1, **changes: str) -> SentMessage:
    values: dict[str, str] = {"recipient": "chris@acme.example", "subject": "Hello there", "learnt_id": ""} | changes
    return SentMessage(number, number, 1, None, "demo", 0, "", "maya@out.example", message_id=f"<{number}@out.example>",
                       token=f"token{number:04}", text="Hi", state=SendState.SENT, sent_at=NOW, **values)  # fmt: skip


SUBJECTS = [
    ("Re: Hello there", "hello there"), ("RE: AW: Hello there", "hello there"), ("Re[2]: Hello", "hello"),
    ("Fwd: [sales] Re: Hello", "hello"), ("WG: Hello", "hello"), ("TR: RE : Hello", "hello"), ("SV: VS: Odp: Hello", "hello"),
    ("回复：Hello", "hello"), ("Hello (fwd)", "hello"), ("Re: Re: Re: Hello", "hello"), ("Reply to all", "reply to all"),
    ("[list]", "[list]"), ("Regarding: Hello", "regarding: hello"), ("Re [4]: Hello", "hello"), ("Re^2: Hello", "hello"), ("Re: [list] Fwd[abc]: Hello", "hello"),
    ("[Fwd: Re: Hello]", "hello"), ("[Fwd: [Fwd: Hello] ]", "hello"), ("Re: Hello (fwd) (fwd)", "hello"), ("Fwd: [list] [Fwd: Hello (fwd)]", "hello"), ("  Re:\tHello   there ", "hello there"), ("Re:", ""),
]  # fmt: skip


@pytest.mark.parametrize(("subject", "base"), SUBJECTS)
def test_base_subject(subject: str, base: str) -> None:
    assert base_subject(subject) == base


@given(st.text(max_size=200))
def test_base_subject_is_stable(subject: str) -> None:
    base = base_subject(subject)
    assert base_subject(base) == base
    for more in (f"Re: {subject}", f"  AW:  {subject}", f"{subject} (fwd)", f"Fwd: Re: {base}"):
        assert base_subject(more) == base
    if not set(base) & set("[]"):
        assert base_subject(f"[Fwd: {base}]") == base


@pytest.mark.parametrize("piece", ["[a] ", "[fwd:", "(fwd)", "re: ", "re[a]: ", "[fwd:a]"])
def test_long_subjects_are_read_quickly_enough_to_finish(piece: str) -> None:
    assert len(base_subject(piece * (60_000 // len(piece)))) <= LONGEST_SUBJECT


NAMES = [
    ("Kim Lund", ("Kim", "Lund")), ("Lund, Kim", ("Kim", "Lund")), ('"Lund, Kim (Fjordbyg)"', ("Kim", "Lund")), ("Dr. Kim A. Lund", ("Kim", "Lund")), ("Kim", ("", "")), ("kim@x.example", ("", "")), ("", ("", "")),
]  # fmt: skip


@pytest.mark.parametrize(("display", "name"), NAMES)
def test_full_names(display: str, name: tuple[str, str]) -> None:
    assert full_name(display) == name


def test_what_addresses_have_in_common() -> None:
    assert bare_address("kim+news@x.example") == "kim@x.example"
    assert bare_address("+kim@x.example") == "+kim@x.example"
    assert company_domains("kim@mail.x.example") == ("mail.x.example", "x.example")
    assert company_domains("kim") == ()


def find(**changes: object) -> ThreadMatch:
    values: dict[str, object] = {
        "ids": (), "from_address": "chris@acme.example", "subject": "Re: Hello there", "by_id": (), "by_token": (), "by_address": (),
    } | changes  # fmt: skip
    return match_reply(**values)  # type: ignore[arg-type]


def test_the_answered_id_wins_over_older_references() -> None:
    ids = referred_ids(["<2@out.example>"], ["<1@out.example>", "<2@out.example>"])
    match = find(ids=ids, by_id=(sent(2), sent(1)))
    assert (match.sent and match.sent.send_id, match.how, match.proven) == (2, "message-id", True)


def test_an_id_rewritten_by_the_provider_is_recognised() -> None:
    match = find(ids=("<abc@provider.example>",), by_id=(sent(learnt_id="<abc@provider.example>"),))
    assert (match.how, match.same_thread) == ("learnt-id", True)


def test_a_token_proves_what_a_stripped_reply_lost() -> None:
    assert address_tokens(["unsubscribe+tokentoken@out.example", "x@y.example"]) == ("tokentoken",)
    assert find(by_token=(sent(),)).how == "token"


def test_a_known_address_alone_opens_a_new_thread_of_the_last_send_and_proves_nothing() -> None:
    match = find(by_address=(sent(2, subject="Other"), sent(1)))
    assert match.sent is not None
    assert (match.sent.send_id, match.how, match.same_thread, match.proven) == (2, "address", False, False)


def test_a_colleague_is_recognised_by_subject_only() -> None:
    assert find(from_address="dana@acme.example", by_company=(sent(),)).how == "company"
    assert find(from_address="dana@acme.example", subject="Invoice", by_company=(sent(),)) == NO_MATCH


def to(contact: int, **changes: str) -> SentMessage:
    return replace(sent(contact, **changes), contact_id=contact)


def test_somebody_of_the_same_name_is_recognised_by_subject_only() -> None:
    match = find(from_address="chris@private.example", by_person=(to(4),), by_company=(to(5),))
    assert (match.how, match.proven, match.same_thread, match.rivals) == ("person", False, False, ())
    assert match.sent == to(4)
    assert find(subject="Invoice", by_person=(to(4),)) == NO_MATCH


def test_an_answer_that_may_be_several_peoples_names_them_all() -> None:
    match = find(
        from_address="info@acme.example",
        by_company=(to(3), to(4), to(3, subject="Other"), to(5, subject="RE: Hello there")),
    )
    assert match.sent == to(3)
    assert [one.contact_id for one in match.rivals] == [5, 4]


@pytest.mark.parametrize("label", [one for one in Label if one != Label.BOUNCE])
def test_an_ambiguous_answer_holds_and_asks_a_person(label: Label) -> None:
    match = replace(LOOSE, how="company", from_recipient=False, rivals=(to(9),))
    made = decide_actions(label, frozenset(), match, received_at=NOW)
    assert (made.event, made.suppress, made.task) == (StopEvent.HOLD, None, label == Label.INTERESTED)
    assert made.owned == made.review == (label != Label.OUT_OF_OFFICE)


def test_a_subject_alone_joins_nothing() -> None:
    assert find(subject="Re: Hello there") == NO_MATCH


PROVEN = ThreadMatch(sent(), "message-id", same_thread=True, proven=True, from_recipient=True)
LOOSE = ThreadMatch(sent(), "address", same_thread=False, proven=False, from_recipient=True)
TOKEN = replace(PROVEN, how="token")
COLLEAGUE = replace(LOOSE, how="company", from_recipient=False)
ROWS = [
    (Label.INTERESTED, (), PROVEN, {}, StopEvent.INTERESTED, None, True, True),
    (Label.NOT_INTERESTED, (), PROVEN, {}, StopEvent.NOT_INTERESTED, None, True, False),
    (Label.NOT_INTERESTED, (Tag.LEFT_COMPANY,), PROVEN, {}, StopEvent.LEFT_COMPANY, None, True, False),
    (Label.OTHER, (), PROVEN, {}, StopEvent.OTHER, None, True, False),
    (Label.OTHER, (), NO_MATCH, {}, StopEvent.OTHER, None, True, False),
    (Label.UNSUBSCRIBE, (), PROVEN, {}, StopEvent.UNSUBSCRIBE, SuppressionReason.UNSUBSCRIBE, True, False),
    (Label.UNSUBSCRIBE, (Tag.COMPLAINT,), PROVEN, {}, StopEvent.COMPLAINT, SuppressionReason.COMPLAINT, True, False),
    (Label.UNSUBSCRIBE, (Tag.LEGAL_THREAT,), PROVEN, {}, StopEvent.UNSUBSCRIBE, SuppressionReason.LEGAL, True, False),
    (Label.UNSUBSCRIBE, (), LOOSE, {}, StopEvent.HOLD, None, True, False),
    (
        Label.UNSUBSCRIBE,
        (),
        LOOSE,
        {"proven": True},
        StopEvent.UNSUBSCRIBE,
        SuppressionReason.UNSUBSCRIBE,
        True,
        False,
    ),
    (Label.UNSUBSCRIBE, (), PROVEN, {"denied": True}, StopEvent.HOLD, None, True, False),
    (Label.UNSUBSCRIBE, (), TOKEN, {"denied": True}, StopEvent.UNSUBSCRIBE, SuppressionReason.UNSUBSCRIBE, True, False),
    (Label.UNSUBSCRIBE, (), COLLEAGUE, {"proven": True}, StopEvent.HOLD, None, True, False),
    (Label.UNSUBSCRIBE, (), NO_MATCH, {}, StopEvent.HOLD, None, True, False),
    (
        Label.UNSUBSCRIBE,
        (),
        NO_MATCH,
        {"proven": True},
        StopEvent.UNSUBSCRIBE,
        SuppressionReason.UNSUBSCRIBE,
        True,
        False,
    ),
    (Label.OTHER, (), PROVEN, {"held": True}, StopEvent.HOLD, None, True, False),
    (Label.OUT_OF_OFFICE, (), PROVEN, {"held": True}, StopEvent.HOLD, None, False, False),
    (Label.OUT_OF_OFFICE, (), PROVEN, {}, StopEvent.OUT_OF_OFFICE, None, False, False),
    (Label.OUT_OF_OFFICE, (Tag.LEFT_COMPANY,), PROVEN, {}, StopEvent.LEFT_COMPANY, None, False, False),
    (Label.OUT_OF_OFFICE, (Tag.TICKET_ACK,), PROVEN, {}, StopEvent.TICKET_ACK, None, False, False),
    (
        Label.BOUNCE,
        (),
        PROVEN,
        {"bounce": BounceKind.HARD},
        StopEvent.BOUNCE_HARD,
        SuppressionReason.HARD_BOUNCE,
        False,
        False,
    ),
    (Label.BOUNCE, (), PROVEN, {"bounce": BounceKind.SOFT}, StopEvent.BOUNCE_SOFT, None, False, False),
    (Label.BOUNCE, (), PROVEN, {"bounce": BounceKind.FULL}, StopEvent.BOUNCE_SOFT, None, False, False),
    (Label.BOUNCE, (), PROVEN, {"bounce": BounceKind.POLICY}, StopEvent.BOUNCE_SOFT, None, False, False),
    (Label.BOUNCE, (), PROVEN, {"bounce": BounceKind.BLOCKED}, StopEvent.BOUNCE_SOFT, None, False, False),
    (Label.BOUNCE, (), PROVEN, {}, StopEvent.BOUNCE_SOFT, None, False, False),
    (Label.BOUNCE, (), LOOSE, {"bounce": BounceKind.HARD}, None, None, False, False),
]


@pytest.mark.parametrize(("label", "tags", "match", "more", "event", "suppress", "owned", "task"), ROWS)
def test_every_row_of_triage(
    label: Label, tags: tuple[Tag, ...], match: ThreadMatch, more: dict[str, object], event: StopEvent | None,
    suppress: SuppressionReason | None, owned: bool, task: bool
) -> None:  # fmt: skip
    made = decide_actions(label, frozenset(tags), match, received_at=NOW, **more)  # type: ignore[arg-type]
    assert (made.event, made.suppress, made.owned, made.task) == (event, suppress, owned, task)


def test_a_bounce_without_our_id_is_set_aside() -> None:
    made = decide_actions(Label.BOUNCE, frozenset(), LOOSE, bounce=BounceKind.HARD, received_at=NOW)
    assert made.quarantine == "bounce-without-our-id"


def test_a_notice_causes_nothing() -> None:
    assert decide_actions(Label.OTHER, frozenset(), PROVEN, received_at=NOW, notice=True) == Actions()


TAGS = [frozenset(), *(frozenset({tag}) for tag in Tag)]


@pytest.mark.parametrize("label", Label)
@pytest.mark.parametrize("match", [PROVEN, LOOSE, NO_MATCH], ids=["proven", "loose", "none"])
@pytest.mark.parametrize("held", [False, True])
@pytest.mark.parametrize("proven", [False, True])
def test_what_holds_for_every_arrival(label: Label, match: ThreadMatch, held: bool, proven: bool) -> None:
    for tags in TAGS:
        made = decide_actions(label, tags, match, held=held, received_at=NOW, proven=proven)
        assert made.owned == (label not in (Label.BOUNCE, Label.OUT_OF_OFFICE))
        assert (made.suppress is None) == (
            label != Label.UNSUBSCRIBE or not (proven or match.proven)
        ) or label == Label.BOUNCE
        assert made.paused_until is None or made.event == StopEvent.OUT_OF_OFFICE
        assert not made.task or label in (Label.INTERESTED, Label.OTHER)
        assert bool(made.quarantine) == (label == Label.BOUNCE and not match.proven)
        assert not (held and label not in (Label.UNSUBSCRIBE, Label.BOUNCE)) or (made.event, made.review) == (
            StopEvent.HOLD,
            made.owned,
        )


@pytest.mark.parametrize("tag", [Tag.LEGAL_THREAT, Tag.BRAND_ABUSE, Tag.COMPLAINT, Tag.ANGRY])
@pytest.mark.parametrize("label", list(Label))
def test_some_tags_always_alert(tag: Tag, label: Label) -> None:
    assert decide_actions(label, frozenset([tag]), PROVEN, bounce=BounceKind.SOFT, received_at=NOW).alert


@pytest.mark.parametrize(
    ("return_on", "until"),
    [
        (date(2026, 3, 16), datetime(2026, 3, 16, 9, tzinfo=UTC)),
        (None, NOW + DEFAULT_PAUSE),
        (date(2026, 2, 1), NOW + DEFAULT_PAUSE),
        (date(2031, 1, 1), NOW + DEFAULT_PAUSE),
    ],
)
def test_absence_pauses_until_the_return_or_the_default(return_on: date | None, until: datetime) -> None:
    made = decide_actions(Label.OUT_OF_OFFICE, frozenset(), PROVEN, return_on=return_on, received_at=NOW)
    assert made.paused_until == until
    assert made.paused_until > NOW + timedelta(0)
