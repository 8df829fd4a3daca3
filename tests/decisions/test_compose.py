"""Can a value ever reach a header, and do the bytes say exactly what was meant? Python's own parser is the oracle."""

import base64
from dataclasses import replace
from datetime import UTC, datetime
from email.parser import BytesParser
from email.policy import compat32, default

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from outbound.compose import OutgoingMessage, compose, make_message_id
from outbound.dkim_sign import make_signer
from outbound.letter import LetterFacts, LetterWriter
from outbound.mail_settings import CompanySettings
from outbound.settings import SequenceSettings
from outbound.template import check_template, render, snake_case
from outbound.unsubscribe import ACCEPT, UNSUBSCRIBE, make_token, read_token
from store.errors import TemplateError, UnsafeMessage
from store.records import Account, Contact, ContactHistory, SentMessage
from store.vocabulary import SendState

AT = datetime(2026, 3, 2, 9, tzinfo=UTC)
PLAIN = OutgoingMessage(
    from_name="Maya Stone", from_address="maya@out.example", to_name="Chris Ok", to_address="chris@acme.example", subject="Hello",
    text="Hi Chris,\n\nsee https://acme.example/x?a=1&b=2\n\nMaya", at=AT, message_id="<abc@out.example>",
    references=("<1@out.example>", "<2@out.example>"), unsubscribe_url="https://u.example/u/tok", unsubscribe_mailto="u+tok@out.example",
)  # fmt: skip
HEADERS = ["From", "To", "Subject", "Date", "Message-ID", "In-Reply-To", "References", "List-Unsubscribe", "List-Unsubscribe-Post",
           "X-Postroom-Id", "MIME-Version", "Content-Type"]  # fmt: skip


def test_the_parts_and_headers_say_what_was_meant() -> None:
    message = BytesParser(policy=default).parsebytes(compose(PLAIN).raw)
    assert message.keys() == HEADERS
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert message["List-Unsubscribe"] == "<https://u.example/u/tok>, <mailto:u+tok@out.example?subject=unsubscribe>"
    assert message["In-Reply-To"] == "<2@out.example>"
    plain, html = message.iter_parts()
    assert plain.get_content().replace("\r\n", "\n").strip() == PLAIN.text
    assert '<a href="https://acme.example/x?a=1&amp;b=2">' in html.get_content()


def test_the_same_letter_has_the_same_bytes() -> None:
    assert compose(PLAIN) == compose(PLAIN)
    assert make_message_id(b"k" * 32, 7, 1, "out.example") == make_message_id(b"k" * 32, 7, 1, "out.example")
    assert make_message_id(b"k" * 32, 7, 1, "out.example") != make_message_id(b"k" * 32, 7, 2, "out.example")


@pytest.mark.parametrize(
    "name", ["Zoë Müller", "李小龍", "O'Neil, Jr.", 'The "Boss"', "a" * 120, "Ünï" * 40, "semi;colon"]
)
def test_names_and_subjects_survive(name: str) -> None:
    raw = compose(replace(PLAIN, to_name=name, subject=f"Für {name}")).raw
    message = BytesParser(policy=default).parsebytes(raw)
    # Python's reader of phrases puts a space between adjacent encoded words (RFC 2047, 6.2 says none).
    assert message["To"].addresses[0].display_name.replace(" ", "") == name.replace(" ", "")
    assert message["To"].addresses[0].addr_spec == "chris@acme.example"
    assert message["Subject"] == f"Für {name}"
    assert all(len(line) <= 998 for line in raw.split(b"\r\n"))
    assert b"\n" not in raw.replace(b"\r\n", b"")


HOSTILE = st.text(
    alphabet=st.sampled_from('abc =?<>@:;,"\\\r\n\t\0\u2028\u202eü_utf-8q?Bcc'), max_size=40
) | st.sampled_from(
    ["=?utf-8?q?a=0ABcc=3A_evil@x?=", "x\r\nBcc: evil@x", "x\nBcc: evil@x", "a@b, evil@x", "\r\n\r\nbody"]
)


@given(name=HOSTILE, subject=HOSTILE, sender=HOSTILE)
def test_no_value_becomes_a_header_or_a_recipient(name: str, subject: str, sender: str) -> None:
    try:
        raw = compose(replace(PLAIN, to_name=name, subject=subject, from_name=sender)).raw
    except UnsafeMessage:
        return
    for policy in (compat32, default):
        message = BytesParser(policy=policy).parsebytes(raw)
        assert message.keys() == HEADERS
    assert [one.addr_spec for one in message["To"].addresses] == ["chris@acme.example"]
    assert [one.addr_spec for one in message["From"].addresses] == ["maya@out.example"]


@pytest.mark.parametrize("address", ["a@b, evil@x", "a b@c", "a@b>\r\nBcc: x@y", "<a@b>", "a@b@c", ""])
def test_a_strange_recipient_is_refused(address: str) -> None:
    with pytest.raises(UnsafeMessage):
        compose(replace(PLAIN, to_address=address))


VALUES = {"first_name": "Chris", "company": "Acme {A|B} {{ 7*7 }}", "empty": ""}


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("Hi {{first_name}}", "Hi Chris"), ("Hi {{firstName}}", "Hi Chris"), ("Hi {{ empty | default('there') }}", "Hi there"),
        ("Hi {{ nobody | default('there') }}", "Hi there"), ("{Hi|Hello} {{company}}", "Hi Acme {A|B} {{ 7*7 }}"),
        ("{% if first_name %}yes{% endif %}", "yes"), ("{Hi|Hello {{first_name}}}", "Hi"), ('{"a": 1}', '{"a": 1}'),
        ("{{ 'a|b' }}", "a|b"),
    ],
)  # fmt: skip
def test_rendering(source: str, text: str) -> None:
    assert render(source, VALUES, "chris@acme.example") == text


def test_spintax_is_chosen_by_number() -> None:
    picked = {render("{a|b|c}", {}, "x", lambda _number, of, n=n: n % of) for n in range(3)}  # type: ignore[misc]
    assert picked == {"a", "b", "c"}


@pytest.mark.parametrize(
    "source",
    ["{{ nobody }}", "{{ empty }}", "{{ first_name.__class__ }}", "{% for x in range(10**9) %}{% endfor %}", "{{ ''.__class__.__mro__ }}",
     "{{", "{% include 'x' %}"],
)  # fmt: skip
def test_what_cannot_be_rendered_is_refused_with_the_contact(source: str) -> None:
    with pytest.raises(TemplateError, match=r"chris@acme\.example"):
        render(source, VALUES, "chris@acme.example")


@pytest.mark.parametrize(
    "value", ["=?utf-8?q?a=0ABcc=3A_evil@x?=", "a\r\nBcc: x", "a\0b", "a\u202eb", "x" * 600, "=?utf-8?q?broken"]
)
def test_hostile_values_are_refused(value: str) -> None:
    with pytest.raises(TemplateError):
        render("{{ v }}", {"v": value}, "chris@acme.example")


def test_one_name_for_a_variable() -> None:
    assert {snake_case(name) for name in ("firstName", "First Name", "first_name", "FIRST-NAME", " First  name ")} == {
        "first_name"
    }
    assert list(check_template("{{ first_name }} {{ wat }}", ["first_name"])) == [
        (False, "wat is no known field; a contact without it and without a default gets no letter")
    ]
    ((is_error, sentence),) = check_template("a\n{{ b", [])
    assert is_error
    assert "line 2" in sentence


def test_tokens_are_bound_to_purpose_and_key() -> None:
    old, new = b"o" * 32, b"n" * 32
    token = make_token([old], UNSUBSCRIBE, 4711)
    assert read_token([new, old], UNSUBSCRIBE, token) == 4711
    assert read_token([new], UNSUBSCRIBE, token) is None
    assert read_token([old], ACCEPT, token) is None
    assert len(token) == 32


@given(st.text(max_size=64))
def test_no_guessed_token_is_read(token: str) -> None:
    assert read_token([b"k" * 32], UNSUBSCRIBE, token) is None


def test_signatures_verify() -> None:
    rsa_key, ed_key = rsa.generate_private_key(65537, 2048), ed25519.Ed25519PrivateKey.generate()
    rsa_public = base64.b64encode(
        rsa_key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    ).decode()
    ed_public = base64.b64encode(ed_key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()
    raw = compose(replace(PLAIN, subject="Grüße  an   alle", text="Zeile  eins \n\n\nzwei\t\n\n")).raw
    for key, record in ((rsa_key, f"v=DKIM1; k=rsa; p={rsa_public}"), (ed_key, f"v=DKIM1; k=ed25519; p={ed_public}")):
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        signed = make_signer("out.example", "s1", pem).sign(raw, AT)
        known = {b"s1._domainkey.out.example.": record.encode()}
        assert dkim.verify(signed, dnsfunc=lambda name, timeout=5, known=known: known.get(name))
        assert not dkim.verify(
            signed.replace(b"Zeile", b"Zelle"), dnsfunc=lambda name, timeout=5, known=known: known.get(name)
        )
        added = b"From: other@x.example\r\n" + signed
        assert not dkim.verify(added, dnsfunc=lambda name, timeout=5, known=known: known.get(name))


COMPANY = CompanySettings.model_validate(
    {
        "name": "X",
        "postal_address": "X Ltd, 1 Road",
        "unsubscribe_url": "https://u.example/u",
        "unsubscribe_mailto": "unsub@out.example",
    }
)
SEQUENCE = SequenceSettings.model_validate(
    {"name": "demo", "mailboxes": ["maya@out.example"],
     "step": [{"subject": "About {{company}}", "body": "Hi {{first_name}}"}, {"delay": "1d", "body": "Again, {{first_name}}"}]}
)  # fmt: skip


def facts(step: int, **changes: object) -> LetterFacts:
    contact = Contact(1, "chris@acme.example", "Chris", "Ok", language="de")
    earlier = SentMessage(1, 5, 1, None, "demo", 0, "", "maya@out.example", "chris@acme.example", "About Acme", "<1@out.example>",
                          "<learnt@provider.example>", "t", "Hi", SendState.SENT, AT)  # fmt: skip
    base = LetterFacts(
        5, "demo", step, "maya@out.example", contact, Account(1, "Acme"), ContactHistory(), (earlier,) if step else ()
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def test_a_follow_up_continues_the_thread_with_the_id_the_provider_gave() -> None:
    writer = LetterWriter(b"k" * 32, COMPANY, {"maya@out.example": "Maya"}, {})
    opener = writer.write(facts(0), SEQUENCE, "maya@out.example", AT)
    follow = writer.write(facts(1), SEQUENCE, "maya@out.example", AT)
    assert (opener.subject, follow.subject) == ("About Acme", "Re: About Acme")
    message = BytesParser(policy=default).parsebytes(follow.raw)
    assert message["In-Reply-To"] == "<learnt@provider.example>"
    assert "Stopp" in follow.text
    assert "X Ltd, 1 Road" in follow.text
    assert f"<https://u.example/u/{follow.token}/de>" in message["List-Unsubscribe"]
    assert f"unsub+{follow.token}@out.example" in message["List-Unsubscribe"]
    assert "Auto-Submitted" not in message


@pytest.mark.parametrize("topic", ["Another thing", "Re: your question", "RE: Acme"])
@pytest.mark.parametrize("learnt", ["", "<learnt@provider.example>"])
def test_a_follow_up_belongs_to_the_conversation_it_continues(topic: str, learnt: str) -> None:
    """The third letter began a conversation of its own: nothing after it speaks of the first."""
    first = facts(1).earlier[0]
    subjects = ("About Acme", "Re: About Acme", topic, topic if topic[:2].lower() == "re" else f"Re: {topic}")
    earlier = tuple(
        replace(first, step=step, subject=subject, message_id=f"<{step}@out.example>", learnt_id=learnt)
        for step, subject in enumerate(subjects)
    )
    steps = [{"subject": "About {{company}}", "body": "x"}, {"body": "x"}, {"subject": topic, "body": "x"}]
    sequence = SEQUENCE.model_validate(SEQUENCE.model_dump() | {"step": [*steps, {"body": "x"}, {"body": "x"}]})
    writer = LetterWriter(b"k" * 32, COMPANY, {}, {})
    for step, last, all_of_it in ((2, None, None), (3, 2, (2,)), (4, 3, (2, 3))):
        raw = writer.write(facts(step, earlier=earlier[:step]), sequence, "maya@out.example", AT).raw
        message = BytesParser(policy=default).parsebytes(raw)
        ids = [learnt or f"<{one}@out.example>" for one in all_of_it or ()]
        assert message["In-Reply-To"] == (ids[-1] if last else None)
        assert (message["References"] or "").split() == ids
        assert message["Subject"] == (subjects[3] if step > 2 else topic)


def test_the_longest_subject_can_be_answered() -> None:
    long = replace(facts(1).earlier[0], subject="x" * 250)
    letter = LetterWriter(b"k" * 32, COMPANY, {}, {}).write(facts(1, earlier=(long,)), SEQUENCE, "m@out.example", AT)
    assert letter.subject == f"Re: {'x' * 250}"


def test_a_missing_field_refuses_the_letter() -> None:
    writer = LetterWriter(b"k" * 32, COMPANY, {}, {})
    nameless = Contact(1, "chris@acme.example")
    with pytest.raises(TemplateError, match=r"chris@acme\.example.*first_name"):
        writer.write(facts(0, contact=nameless), SEQUENCE, "maya@out.example", AT)
