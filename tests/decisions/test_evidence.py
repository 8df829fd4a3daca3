"""What does a message prove before the model is asked? The order of the label guideline, first match wins."""

import pytest

from classifier.model import Classification
from inbox.automatic import find_evidence
from inbox.parse import parse_mail
from inbox.understand import Meaning, understand
from store.vocabulary import Label, Tag

WHO = "kim.lund@fjordbyg.example"
AWAY = "I am out of the office until 4 May. In urgent cases write to my colleague."


def mail(
    subject: str = "Re: A question",
    body: str = "Hello",
    *,
    sender: str = WHO,
    more: str = "",
    to: str = "maya@out.example",
) -> bytes:
    return (f"From: Kim Lund <{sender}>\r\nTo: {to}\r\nSubject: {subject}\r\nDate: Mon, 20 Apr 2026 09:00:00 +0000\r\n{more}MIME-Version: 1.0\r\n"
            f"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{body}\r\n").encode()  # fmt: skip


def parts(
    kind: str, *bodies: tuple[str, str], subject: str = "report", sender: str = "fbl@provider.example", more: str = ""
) -> bytes:
    inner = "".join(f"--b\r\nContent-Type: {name}\r\n\r\n{text}\r\n" for name, text in bodies)
    return f'From: {sender}\r\nTo: maya@out.example\r\nSubject: {subject}\r\n{more}MIME-Version: 1.0\r\nContent-Type: {kind}; boundary="b"\r\n\r\n{inner}--b--\r\n'.encode()


def said(label: Label = Label.OTHER, *, hold: bool = False) -> Classification:
    return Classification(label, 0.9, frozenset(), False, hold, "the words", "en", {label: 0.9})


def meaning(raw: bytes, label: Label = Label.OTHER, *, hold: bool = False) -> Meaning:
    return understand(parse_mail(raw), lambda text, hints: said(label, hold=hold), received_at=None)


ARF = (
    "message/feedback-report",
    "Feedback-Type: {}\r\nUser-Agent: x/1\r\nVersion: 1\r\nOriginal-Mail-From: maya@out.example",
)
ORIGINAL = (
    "message/rfc822",
    "From: maya@out.example\r\nMessage-ID: <abc@out.example>\r\nSubject: hi\r\nX-HmXmrOriginalRecipient: x@hotmail.example\r\n\r\nReply STOP",
)


@pytest.mark.parametrize("kind", ["abuse", "fraud", "other", "virus", ""])
def test_complaint_reports(kind: str) -> None:
    raw = parts(
        "multipart/report; report-type=feedback-report",
        ("text/plain", "An email abuse report"),
        (ARF[0], ARF[1].format(kind)),
        ORIGINAL,
    )
    found = meaning(raw, Label.INTERESTED)
    assert (found.label, found.decided_by, found.tags, found.hold) == (
        Label.UNSUBSCRIBE,
        "evidence:arf",
        frozenset({Tag.COMPLAINT}),
        True,
    )


@pytest.mark.parametrize("kind", ["not-spam", "auth-failure"])
def test_feedback_that_is_no_complaint(kind: str) -> None:
    found = meaning(parts("multipart/report; report-type=feedback-report", (ARF[0], ARF[1].format(kind)), ORIGINAL))
    assert (found.label, found.notice) == (Label.OTHER, True)


LEGACY = [("staff@hotmail.com", "complaint about message from 192.0.2.1"), ("scomp@aol.net", "Email Feedback Report for IP 192.0.2.1"), ("1234@reports.spamcop.net", "[SpamCop (192.0.2.1) id:1234] Offer"), ("fbl@provider.example", "Abuse report")]  # fmt: skip


@pytest.mark.parametrize(("sender", "subject"), LEGACY)
def test_legacy_complaints(sender: str, subject: str) -> None:
    found = meaning(parts("multipart/mixed", ("text/plain", "complaint"), ORIGINAL, sender=sender, subject=subject))
    assert (found.label, found.tags) == (Label.UNSUBSCRIBE, frozenset({Tag.COMPLAINT}))


ONE_CLICK = [
    mail("unsubscribe", "", to="unsubscribe+tokentokentoken@out.example"), mail("x", "y", to="abmelden@out.example"), mail("Unsubscribe", ""), mail("STOP", "stop"),
    mail(more="X-Apple-Unsubscribe: true\r\nAuto-Submitted: auto-generated\r\n"), mail("unsubscribe", "", to="maya+unsub-9@out.example"),
]  # fmt: skip


@pytest.mark.parametrize("raw", ONE_CLICK)
def test_one_click(raw: bytes) -> None:
    found = meaning(raw, Label.INTERESTED)
    assert (found.label, found.hold) == (Label.UNSUBSCRIBE, True)


AUTOMATIC = [
    "Auto-Submitted: auto-replied\r\n", "Auto-Submitted: auto-generated\r\n", "Auto-Submitted: auto-replied; owner-email=x@y.example\r\n", "Auto-Submitted: AUTO-REPLIED (vacation)\r\n", "Auto-Submitted: auto-notified\r\n",
    "X-Autoreply: yes\r\n", "X-Autorespond: away\r\n", "X-Apple-Action: VACATION\r\n", "Precedence: auto_reply\r\n",
]  # fmt: skip


@pytest.mark.parametrize("more", AUTOMATIC)
def test_automatic_replies_by_header(more: str) -> None:
    found = meaning(mail("Re: A question", AWAY, more=more), Label.INTERESTED)
    assert found.label == Label.OUT_OF_OFFICE
    assert str(found.return_on) == "2026-05-04"


@pytest.mark.parametrize(
    "more",
    ["Auto-Submitted: no\r\n", "X-Auto-Response-Suppress: All\r\n", "Precedence: bulk\r\n", "X-Autoreply: no\r\n"],
)
def test_headers_that_prove_nothing(more: str) -> None:
    assert find_evidence(parse_mail(mail(body="Yes, send it.", more=more))).label is None


SUBJECTS = [
    "Automatic reply: A question", "Automatische Antwort: A question", "Réponse automatique : A question", "Respuesta automática: A question", "Risposta automatica: A question", "Automatisch antwoord: A question", "Resposta automática: A question",
    "Autosvar: A question", "Automatiskt svar: A question", "Automaattinen vastaus: A question", "Odpowiedź automatyczna: A question", "Automatická odpověď: A question", "Automatikus válasz: A question", "Răspuns automat: A question", "Автоматический ответ: A question",
    "Otomatik Yanıt: A question", "Αυτόματη απάντηση: A question", "自動応答: A question", "自动回复: A question", "자동 회신: A question", "Out of Office: A question", "Abwesenheitsnotiz: A question", "[Auto-Reply] A question", "Absence du bureau", "Fuera de la oficina: A question", "OOO: back in May",
]  # fmt: skip


@pytest.mark.parametrize("subject", SUBJECTS)
@pytest.mark.parametrize("sender", [WHO, "postmaster@fjordbyg.example"])
def test_automatic_replies_by_subject(subject: str, sender: str) -> None:
    more = "Return-Path: <>\r\n" if sender != WHO else ""
    assert find_evidence(parse_mail(mail(subject, AWAY, sender=sender, more=more))).label == Label.OUT_OF_OFFICE


@pytest.mark.parametrize(
    "subject",
    [
        "Re: A question",
        "Urlaubsplanung 2026",
        "Vacation rentals in May",
        "Automation of replies",
        "Absence management software?",
        "Re: Automatic reply: hello",
    ],
)
def test_subjects_of_people(subject: str) -> None:
    assert find_evidence(parse_mail(mail(subject, "Please call me about this."))).label is None


STOPS = [
    "I have left the company. Please remove this address from your mailing list.", "Bitte nehmen Sie diese Adresse aus Ihrem Verteiler.", "Merci de supprimer cette adresse de votre liste.", "Por favor, elimine este correo de su lista.",
    "Vi prego di cancellare questo indirizzo dalla lista.", "Gelieve dit adres te verwijderen. Verwijder mij van uw lijst.", "Por favor remova este endereço da sua lista.", "This mailbox takes no more marketing emails. Please stop sending me mail.",
]  # fmt: skip


@pytest.mark.parametrize("body", STOPS)
def test_a_wish_to_stop_inside_an_automatic_reply(body: str) -> None:
    found = meaning(
        mail("Automatic reply: A question", body, more="Auto-Submitted: auto-replied\r\n"), Label.OUT_OF_OFFICE
    )
    assert (found.label, found.hold) == (Label.UNSUBSCRIBE, True)


NO_STOPS = [AWAY, "Our newsletter: click here to unsubscribe. I am away until 4 May.", "Bitte senden Sie Rechnungen nicht an diese Adresse, sondern an die Buchhaltung.", "Please remove the pallets from the list before Friday."]  # fmt: skip


@pytest.mark.parametrize("body", NO_STOPS)
def test_automatic_replies_without_a_wish_to_stop(body: str) -> None:
    assert (
        meaning(mail("Automatic reply: x", body, more="Auto-Submitted: auto-replied\r\n"), Label.OUT_OF_OFFICE).label
        == Label.OUT_OF_OFFICE
    )


def test_what_the_model_fears_in_an_automatic_reply_holds() -> None:
    found = meaning(mail("Automatic reply: x", AWAY), Label.OUT_OF_OFFICE, hold=True)
    assert (found.label, found.hold) == (Label.OUT_OF_OFFICE, True)


def test_tickets_and_leavers() -> None:
    ticket = meaning(
        mail(
            "[#48213] We have received your request",
            "Your request number 48213 is with our team. Please do not reply to this mail.",
            more="Auto-Submitted: auto-generated\r\n",
        )
    )
    assert (ticket.label, ticket.tags, ticket.return_on) == (Label.OUT_OF_OFFICE, frozenset({Tag.TICKET_ACK}), None)
    left = meaning(
        mail(
            "Automatic reply: x",
            "Kim Lund is no longer with Fjordbyg as of 1 May. Write to Ole.",
            more="Auto-Submitted: auto-replied\r\n",
        )
    )
    assert (left.label, left.tags, left.return_on) == (Label.OUT_OF_OFFICE, frozenset({Tag.LEFT_COMPANY}), None)


RECEIPT = (
    "message/disposition-notification",
    "Final-Recipient: rfc822; kim.lund@fjordbyg.example\r\nOriginal-Message-ID: <abc@out.example>\r\nDisposition: {}",
)


@pytest.mark.parametrize(
    "disposition",
    [
        "manual-action/MDN-sent-manually; displayed",
        "automatic-action/MDN-sent-automatically; displayed",
        "manual-action/MDN-sent-manually; deleted",
    ],
)
@pytest.mark.parametrize("more", ["", "Auto-Submitted: auto-replied\r\n"])
def test_read_receipts_call_for_nothing(disposition: str, more: str) -> None:
    raw = parts("multipart/report; report-type=disposition-notification", ("text/plain", "Your message was displayed."), (RECEIPT[0], RECEIPT[1].format(disposition)), sender=WHO, subject="Read: A question", more=more)  # fmt: skip
    found = meaning(raw)
    assert (found.label, found.decided_by, found.notice) == (Label.OTHER, "evidence:read-receipt", True)


def test_a_refusal_in_the_shape_of_a_receipt_is_a_bounce() -> None:
    raw = parts("multipart/report; report-type=disposition-notification", ("text/plain", f"Your message to <{WHO}> was automatically rejected:\r\nmailbox is full"),
                (RECEIPT[0], RECEIPT[1].format("automatic-action/MDN-sent-automatically; deleted")), sender="Mail Delivery Subsystem <it@fjordbyg.example>", subject="Automatically rejected mail", more="Auto-Submitted: auto-replied (rejected)\r\n")  # fmt: skip
    found = meaning(raw)
    assert (found.label, found.bounce and found.bounce.kind) == (Label.BOUNCE, "full")


@pytest.mark.parametrize(
    ("status", "label"), [("ACCEPTED", Label.INTERESTED), ("TENTATIVE", Label.INTERESTED), ("DECLINED", Label.OTHER)]
)
def test_answers_to_invitations(status: str, label: Label) -> None:
    calendar = f"BEGIN:VCALENDAR\r\nMETHOD:REPLY\r\nBEGIN:VEVENT\r\nATTENDEE;PARTSTAT={status}:mailto:{WHO}\r\nEND:VEVENT\r\nEND:VCALENDAR"
    found = meaning(
        parts(
            "multipart/mixed", ("text/calendar; method=REPLY", calendar), sender=WHO, subject=f"{status.title()}: Demo"
        )
    )
    assert (found.label, found.decided_by) == (label, "evidence:calendar")
    stop = meaning(
        parts("multipart/mixed", ("text/plain", "Stop this."), ("text/calendar", calendar), sender=WHO),
        Label.UNSUBSCRIBE,
    )
    assert (stop.label, stop.decided_by) == (Label.UNSUBSCRIBE, "model")


def test_people_are_the_models_business() -> None:
    found = meaning(
        mail(body="Sure, call me.\n\nOn Mon, 20 Apr 2026 at 08:00, Maya <maya@out.example> wrote:\n> Reply STOP"),
        Label.INTERESTED,
    )
    assert (found.label, found.decided_by, found.text) == (Label.INTERESTED, "model", "Sure, call me.")
    absent = meaning(mail(body=AWAY), Label.OUT_OF_OFFICE)
    assert (absent.decided_by, str(absent.return_on)) == ("model", "2026-05-04")


def test_an_encrypted_message_goes_to_a_person() -> None:
    raw = parts(
        "multipart/encrypted",
        ("application/pgp-encrypted", "Version: 1"),
        ("application/octet-stream", "xyz"),
        sender=WHO,
    )
    assert (meaning(raw).label, meaning(raw).decided_by) == (Label.OTHER, "evidence:encrypted")


def test_nothing_but_the_word_of_our_footer_is_a_wish_to_stop() -> None:
    for body in ("STOP", "stop.", "Unsubscribe", "Abmelden!", "Désinscription", "Baja"):
        found = meaning(mail(body=body))
        assert (found.label, found.hold) == (Label.UNSUBSCRIBE, True)
    assert meaning(mail(body="Stop by our booth")).label == Label.OTHER


def test_a_newsletter_answers_nothing() -> None:
    found = meaning(
        mail("Spring news", "To unsubscribe click here.", more="List-Unsubscribe: <https://x.example>\r\n"),
        Label.UNSUBSCRIBE,
    )
    assert (found.label, found.decided_by, found.hold) == (Label.OTHER, "evidence:bulk", False)
    assert (
        meaning(
            mail("Re: A question", "Take me off.", more="List-Unsubscribe: <https://x.example>\r\n"), Label.UNSUBSCRIBE
        ).label
        == Label.UNSUBSCRIBE
    )


def test_a_filter_that_wants_proof_is_a_machine() -> None:
    found = meaning(
        mail(
            "Please confirm your message",
            "Your message is being held until you confirm that you are a person. Click here.",
        )
    )
    assert (found.label, found.decided_by, found.tags) == (
        Label.OUT_OF_OFFICE,
        "evidence:challenge",
        frozenset({Tag.TICKET_ACK}),
    )
