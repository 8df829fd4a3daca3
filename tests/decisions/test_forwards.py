"""Whose mail did a colleague pass on?"""

from email.message import EmailMessage
from email.policy import SMTP

import pytest

from inbox.forwards import forwarded_mail, is_forward
from inbox.parse import parse_mail

OURS = {"jon@team.example", "hello@out.example"}
BLOCKS = {
    "gmail": "---------- Forwarded message ---------\nFrom: Chris Ng <chris@acme.example>\nDate: Mon, 2 Mar 2026\n"
    "Subject: Re: Hello\nTo: <jon@team.example>\n\nCan we talk this week?\n",
    "apple": "Begin forwarded message:\n\nFrom: Chris Ng <chris@acme.example>\nSubject: Re: Hello\nTo: Jon\n\n"
    "Can we talk this week?\n",
    "german": "-------- Weitergeleitete Nachricht --------\nBetreff: Re: Hello\nVon: Chris Ng <chris@acme.example>\n"
    "An: jon@team.example\n\nCan we talk this week?\n",
    "french": "---------- Message transféré ---------\nDe : Chris Ng <chris@acme.example>\nObjet : Re: Hello\n\n"
    "Can we talk this week?\n",
}


def forward(body: str, attached: EmailMessage | None = None) -> bytes:
    mail = EmailMessage(policy=SMTP)
    mail["From"], mail["To"], mail["Subject"] = "jon@team.example", "hello@out.example", "Fwd: Re: Hello"
    mail["Message-ID"], mail["References"] = "<fw@team.example>", "<letter@out.example>"
    mail.set_content(body)
    if attached is not None:
        mail.add_attachment(attached)
    return mail.as_bytes()


@pytest.mark.parametrize("name", BLOCKS)
@pytest.mark.parametrize("comment", ["", "FYI, yours?\n\n"])
def test_a_bare_forward_is_the_prospects_mail(name: str, comment: str) -> None:
    raw = forward(comment + BLOCKS[name])
    inner = forwarded_mail(parse_mail(raw), raw, OURS)
    assert inner is not None
    assert (inner.from_address, inner.subject, inner.text) == (
        "chris@acme.example",
        "Re: Hello",
        "Can we talk this week?",
    )
    assert "<letter@out.example>" in inner.references


def test_an_attached_original_too() -> None:
    original = EmailMessage(policy=SMTP)
    original["From"], original["Subject"] = "Chris Ng <chris@acme.example>", "Re: Hello"
    original["Message-ID"], original["In-Reply-To"] = "<own@acme.example>", "<letter@out.example>"
    original.set_content("Can we talk this week?")
    raw = forward("See attached.", original)
    inner = forwarded_mail(parse_mail(raw), raw, OURS)
    assert inner is not None
    assert (inner.from_address, inner.in_reply_to, inner.message_id) == (
        "chris@acme.example", ("<letter@out.example>",), "<own@acme.example>")  # fmt: skip


def test_a_forward_with_a_long_text_of_ours_or_of_our_own_mail_is_no_prospects() -> None:
    long = forward("I have thought about this. " * 20 + "\n" + BLOCKS["gmail"])
    own = forward(BLOCKS["gmail"].replace("chris@acme.example", "hello@out.example"))
    assert forwarded_mail(parse_mail(long), long, OURS) is None
    assert forwarded_mail(parse_mail(own), own, OURS) is None
    assert is_forward(parse_mail(long))


def test_an_ordinary_answer_is_no_forward() -> None:
    raw = forward("Gladly.\n\nOn Monday Chris wrote:\n> Can we talk?")
    assert not is_forward(parse_mail(raw))
