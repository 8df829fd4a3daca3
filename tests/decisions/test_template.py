"""Can a contact's data ever act? What templates say, what they refuse, and what reaches a header."""

import email
import email.policy
from dataclasses import replace
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outbound.letter import LetterFacts, LetterWriter
from outbound.mail_settings import CompanySettings
from outbound.settings import SequenceSettings
from outbound.template import render
from store.errors import PermanentError, TemplateError
from store.records import Account, Contact, ContactHistory, SentMessage
from store.vocabulary import SendState

NOW = datetime(2026, 3, 2, 10, tzinfo=UTC)
VALUES = {"first_name": "Zoë", "company": "Acme", "city": ""}

RENDERED = [
    ("{{first_name}}", "Zoë"),
    ("{{ firstName }}, {{ FIRST_NAME }}", "Zoë, Zoë"),
    ("Hi {{ nickname | default('there') }}", "Hi there"),
    ("Hi {{ city | default('there') }}", "Hi there"),
    ("{% if city %}In {{ city }}{% else %}Anywhere{% endif %}", "Anywhere"),
    ("{% if nickname %}x{% endif %}y", "y"),
    ("{% if country == 'DE' %}Guten Tag{% else %}Hello{% endif %}", "Hello"),
    ("{{ company | upper }}", "ACME"),
    ("{Hi|Hello} {{ first_name }}", "Hi Zoë"),
    ("{Hi {{ first_name }}|Hello}", "Hi Zoë"),
    ("{a {deep|flat} one|b}", "a deep one"),
    ("{# a note | for us #}x", "x"),
    ("{not spintax}", "{not spintax}"),
]


@pytest.mark.parametrize(("source", "text"), RENDERED, ids=[row[0] for row in RENDERED])
def test_what_templates_say(source: str, text: str) -> None:
    assert render(source, VALUES, "contact c@x.example") == text


@pytest.mark.parametrize(
    ("source", "field"),
    [
        ("Hi {{ nickname }}", "nickname"),
        ("Hi {{ city }}", "city"),
        ("{{ contact.first_name }}", "contact"),
        ("{% for x in crew %}{{ x }}{% endfor %}", "crew"),
    ],
)
def test_a_missing_value_refuses_and_names_contact_and_field(source: str, field: str) -> None:
    with pytest.raises(TemplateError, match=rf"contact c@x.example: the template wants {field}"):
        render(source, VALUES, "contact c@x.example")


ESCAPES = [
    "{{ first_name.__class__.__mro__ }}",
    "{{ ''.__class__.__base__.__subclasses__() }}",
    "{{ self._TemplateReference__context }}",
    "{{ cycler.__init__.__globals__ }}",
    "{{ range(10) }}",
    "{% include 'x' %}",
    "{% import 'os' as os %}",
]


@pytest.mark.parametrize("source", ESCAPES)
def test_the_sandbox_holds(source: str) -> None:
    with pytest.raises(TemplateError):
        render(source, VALUES, "c")


@given(st.text(alphabet="{}%#|a ", max_size=12))
def test_a_value_is_text_whatever_it_looks_like(value: str) -> None:
    if value.strip():
        assert render("<{{ first_name }}>", {"first_name": value}, "c") == f"<{value.strip()}>"


def write(
    step: int = 0, earlier: tuple[SentMessage, ...] = (), sequence: SequenceSettings | None = None, **contact: Any
) -> tuple[str, bytes]:
    company = CompanySettings(name="Out", postal_address="Out Ltd, 1 Road", unsubscribe_url="https://u.out.example/u")
    writer = LetterWriter(b"k" * 32, company, {"maya@out.example": "Maya"}, {})
    person = Contact(1, **{"email": "chris@acme.example", "first_name": "Chris", "last_name": "Doe"} | contact)
    facts = LetterFacts(7, "demo", step, "maya@out.example", person, Account(1, "Acme"), ContactHistory(), earlier)
    letter = writer.write(facts, sequence or DEMO, "maya@out.example", NOW)
    return letter.subject, letter.raw


def demo(*steps: dict[str, Any]) -> SequenceSettings:
    return SequenceSettings.model_validate({"name": "demo", "mailboxes": ["maya@out.example"], "step": steps})


DEMO = demo({"subject": "For {{ first_name }} at {{ city | default('home') }}", "body": "Hi {{ first_name }}"})
HEADERS = [
    "From",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
    "X-Postroom-Id",
    "MIME-Version",
    "Content-Type",
]
ATTACKS = [
    "=?utf-8?q?a=0ABcc=3A_evil@x?=",
    "=?utf-8?b?YQpCY2M6IGV2aWxAeA==?=",
    "=?utf-8?q?=3D=3Futf-8=3Fq=3Fa=3D0ABcc=3D3A_evil=40x=3F=3D?=",
    "=?utf-8?q?a=0D=0ABcc:_e@x?= b",
    "=?us-ascii?q?a?=\r\n =?us-ascii?q?b?=",
    "Chris\r\nBcc: evil@x",
    "Chris\nBcc: evil@x",
    "Chris\rBcc: evil@x",
    "Chris\x0bBcc: evil@x",
    "Chris\x00",
    "Chris\u2028Bcc: evil@x",
    "Chris\u0085Bcc: evil@x",
    "\u202egro.live@sirhC",
    "Chris <evil@x>",
    "Chris, evil@x",
    '"; evil@x; "',
    "Chris (evil@x)",
    "x" * 499,
    "ö" * 499,
    "x" * 501,
    "{{ 7 * 7 }}",
    "=?utf-8?q?broken",
]


def exactly_what_was_meant(raw: bytes) -> EmailMessage:
    for policy in (email.policy.default, email.policy.compat32):
        parsed = email.message_from_bytes(raw, policy=policy)
        assert parsed.keys() == HEADERS
        assert b"evil" not in str(parsed["To"]).encode() or "chris@acme.example" in str(parsed["To"])
    modern = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(modern, EmailMessage)
    assert [one.addr_spec for one in modern["To"].addresses] == ["chris@acme.example"]
    assert not modern.defects
    again = email.message_from_bytes(modern.as_bytes(), policy=email.policy.default)
    assert again.keys() == HEADERS
    return modern


@pytest.mark.parametrize("field", ["first_name", "last_name", "city"])
@pytest.mark.parametrize("value", ATTACKS, ids=[repr(one)[:40] for one in ATTACKS])
def test_no_value_adds_a_header_or_a_recipient(field: str, value: str) -> None:
    try:
        attack: dict[str, Any] = {field: value}
        _, raw = write(**attack)
    except PermanentError as problem:
        assert "chris@acme.example" in str(problem)
        return
    exactly_what_was_meant(raw)


@settings(max_examples=400)
@given(st.text(max_size=60), st.text(alphabet='=?utf-8qb_\r\n\t 0A3D:@<>"(),;\u202e\u0430', max_size=60))
def test_no_text_at_all_adds_a_header_or_a_recipient(first: str, last: str) -> None:
    try:
        subject, raw = write(first_name=first, last_name=last)
    except PermanentError:
        return
    assert " ".join(str(exactly_what_was_meant(raw)["Subject"]).split()) == subject


@pytest.mark.parametrize(
    "address", ["chris@acme.example\r\nBcc: e@x", "a b@acme.example", "a@b@acme.example", "<evil@x>,chris@acme.example"]
)
def test_an_address_is_one_plain_address(address: str) -> None:
    with pytest.raises(PermanentError):
        write(email=address)


def test_the_subject_is_one_line_of_bearable_length() -> None:
    subject, _ = write(sequence=demo({"subject": "\n  For\n {{ first_name }}\n", "body": "x"}))
    assert subject == "For Chris"
    for source in ("{{ first_name }}" * 60, "{% if city %}x{% endif %}"):
        with pytest.raises(TemplateError, match="the rendered subject"):
            write(sequence=demo({"subject": source, "body": "x"}))


def sent(step: int, subject: str) -> SentMessage:
    return SentMessage(
        step,
        7,
        1,
        1,
        "demo",
        step,
        "",
        "maya@out.example",
        "chris@acme.example",
        subject,
        f"<{step}@out.example>",
        "",
        "",
        "",
        SendState.SENT,
        NOW,
    )


def test_a_step_without_a_subject_continues_the_thread_of_the_step_before() -> None:
    sequence = demo({"subject": "One", "body": "x"}, {"body": "y"}, {"subject": "Two", "body": "z"}, {"body": "w"})
    earlier = (sent(0, "One"), sent(1, "Re: One"), sent(2, "Two"))
    subject, raw = write(3, earlier, sequence)
    parsed = email.message_from_bytes(raw)
    assert (subject, parsed["In-Reply-To"], parsed["References"]) == ("Re: Two", "<2@out.example>", "<2@out.example>")
    subject, raw = write(1, earlier[:1], sequence)
    assert (subject, email.message_from_bytes(raw)["References"]) == ("Re: One", "<0@out.example>")


def test_a_follow_up_without_a_confirmed_letter_before_it_is_refused() -> None:
    with pytest.raises(TemplateError, match="no letter before it is confirmed"):
        write(1, (), demo({"subject": "One", "body": "x"}, {"body": "y"}))


def test_spintax_is_resolved_once_and_differs_between_contacts() -> None:
    sequence = demo({"subject": "{A|B|C|D} {1|2|3|4}", "body": "x"})
    company = CompanySettings(name="Out", postal_address="Out Ltd, 1 Road", unsubscribe_url="https://u.out.example/u")
    writer = LetterWriter(b"k" * 32, company, {}, {})
    facts = LetterFacts(0, "demo", 0, "maya@out.example", Contact(1, "chris@acme.example"), None, ContactHistory(), ())
    seen = [
        writer.write(replace(facts, enrollment_id=n), sequence, "maya@out.example", NOW).subject for n in range(200)
    ]
    assert len(set(seen)) == 16
    assert seen == [
        writer.write(replace(facts, enrollment_id=n), sequence, "maya@out.example", NOW).subject for n in range(200)
    ]
