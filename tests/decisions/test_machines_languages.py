"""What machines say in many languages: failures, delays, mail set aside, filters that want proof, help desks."""

import json
from pathlib import Path
from typing import Any

import pytest

from inbox.automatic import find_evidence
from inbox.parse import parse_mail
from inbox.report_parts import text_groups
from store.vocabulary import BounceKind, Label, Tag

WHO = "kim.lund@fjordbyg.example"
SHARED = Path(__file__).parents[3] / "shared" / "data" / "bounces"
HARD, SOFT, FULL, POLICY, DELAYED = (BounceKind.HARD, BounceKind.SOFT, BounceKind.FULL, BounceKind.POLICY,
                                     BounceKind.DELAYED)  # fmt: skip


def mail(sender: str, subject: str, body: str, more: str = "Return-Path: <>\r\n") -> bytes:
    return (f"From: {sender}\r\nTo: maya@out.example\r\nSubject: {subject}\r\n{more}MIME-Version: 1.0\r\n"
            f"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{body}").encode()  # fmt: skip


FAILED = [  # as one well-known server says "the address was not found", and what mailbox providers say themselves
    ("Não entregue: Orders", "Falha na entrega para estes destinatários ou grupos:\n\n{}\nNão foi possível localizar o endereço de email que você inseriu.", HARD),
    ("未送达: Orders", "无法将邮件传递给下列收件人或组:\n\n{}\n找不到您输入的电子邮件地址。", HARD), ("郵件無法傳遞", "您的郵件無法傳遞給 {}\n收件人信箱已滿", FULL),
    ("配信不能: Orders", "次の受信者またはグループへの配信に失敗しました:\n\n{}\n入力した電子メール アドレスが見つかりませんでした。", HARD),
    ("배달되지 않음: Orders", "다음 받는 사람 또는 그룹에게 배달하지 못했습니다.\n\n{}\n입력한 전자 메일 주소를 찾을 수 없습니다.", HARD),
    ("Niedostarczalne: Orders", "Dostarczenie do następujących adresatów nie powiodło się:\n\n{}\nNie można odnaleźć wprowadzonego adresu e-mail.", HARD),
    ("Не доставлено: Orders", "Сбой доставки следующим получателям или группам:\n\n{}\nУказанный адрес электронной почты не найден.", HARD),
    ("Kunde inte leverera: Orders", "Det gick inte att leverera till följande mottagare:\n\n{}\nE-postadressen kunde inte hittas.", HARD),
    ("Kan ikke leveres: Orders", "Levering mislykkedes til disse modtagere:\n\n{}\nDen angivne e-mailadresse blev ikke fundet.", HARD),
    ("Kan ikke leveres: Orders", "Levering til følgende mottakere mislyktes:\n\n{}\nFant ikke e-postadressen du skrev inn.", HARD),
    ("Ei voi toimittaa: Orders", "Toimitus näille vastaanottajille epäonnistui:\n\n{}\nSähköpostiosoitetta ei löytynyt.", HARD),
    ("Nedoručitelné: Orders", "Doručení se nezdařilo těmto příjemcům:\n\n{}\nZadaná e-mailová adresa nebyla nalezena.", HARD),
    ("Kézbesíthetetlen: Orders", "A kézbesítés az alábbi címzetteknek nem sikerült:\n\n{}\nA megadott e-mail-cím nem található.", HARD),
    ("Teslim edilemedi: Orders", "Bu alıcılara teslim başarısız oldu:\n\n{}\nGirdiğiniz e-posta adresi bulunamadı.", HARD),
    ("邮件发送失败", "您发送的邮件被退信\n\n收件人：{}\n退信原因：收件人所属邮箱空间已满", FULL), ("Mancata consegna", "Il messaggio non è stato consegnato a:\n\n{}\n\nMotivo: casella di posta piena", FULL),
    ("Falha na entrega", "Sua mensagem não pôde ser entregue para:\n\n<{}>\n\nErro: caixa postal do destinatário cheia", FULL), ("Zwrot wiadomości", "Nie udało się dostarczyć wiadomości do:\n\n<{}>\n\nPowód: nie ma takiego użytkownika", HARD),
    ("失敗通知", "申し訳ありませんが、次のアドレスに配信できませんでした。\n\n<{}>:\n宛先不明", HARD), ("Delivery Status Notification (Failure)", "The group you tried to contact may not exist.\n\n{}", HARD),
    ("Entrega retrasada: Orders", "La entrega a estos destinatarios se ha retrasado:\n\n{}", DELAYED), ("Recapito ritardato", "Il recapito ai seguenti destinatari è in ritardo:\n\n{}", DELAYED),
    ("Bezorging vertraagd: Orders", "De bezorging aan deze geadresseerden is vertraagd:\n\n{}", DELAYED), ("Entrega atrasada", "A entrega para estes destinatários está atrasada:\n\n{}", DELAYED),
    ("Zustellung verzögert", "Diese Nachricht wurde noch nicht zugestellt:\n\n{}", DELAYED), ("配信遅延", "次の受信者への配信が遅延しています。\n\n{}", DELAYED), ("邮件延迟", "向以下收件人的邮件传递已延迟:\n\n{}", DELAYED),
    ("Доставка задержана", "Доставка следующим получателям задержана:\n\n{}", DELAYED), ("Leverans försenad", "Leveransen till följande mottagare är försenad:\n\n{}", DELAYED),
    ("Delivery Status Notification (Delay)", "** Zustellung unvollständig **\n\nBei der Zustellung an {} ist ein Problem aufgetreten. Gmail versucht weitere 46 Stunden, die Nachricht zu senden.", DELAYED),
    ("Delayed Mail (still being retried)", "<{}>: host mx said: 450 4.2.0 Recipient address rejected: Greylisted (in reply to RCPT TO command)", DELAYED),
    ("Message quarantined", "Your message to {} has been quarantined because it may contain spam.", POLICY), ("[Postmaster] Message On Hold", "A message that you sent to {} was placed on hold by a content policy.", POLICY),
    ("Ihre Nachricht wurde in Quarantäne verschoben", "Ihre E-Mail an {} wurde vom Spamfilter in Quarantäne verschoben und nicht zugestellt.", POLICY),
    ("Undelivered Mail Returned to Sender", "<{}>: mail for fjordbyg.example loops back to myself", HARD),
]  # fmt: skip


@pytest.mark.parametrize("sender", ["postmaster@fjordbyg.example", "MAILER-DAEMON@mx.example"])
@pytest.mark.parametrize(("subject", "body", "kind"), FAILED, ids=[f"{row[0]}-{row[2]}" for row in FAILED])
def test_failures_in_many_languages(sender: str, subject: str, body: str, kind: BounceKind) -> None:
    found = find_evidence(parse_mail(mail(sender, subject, body.format(WHO))))
    assert found.label == Label.BOUNCE
    assert found.bounce is not None
    assert ([one.address for one in found.bounce.recipients], found.bounce.kind) == ([WHO], kind)


FILTERED = [
    ("antivirus@fjordbyg.example", "Virus found in message", f"Your message to {WHO} was not delivered: the attachment 'x.zip' is not allowed."),
    ("Barracuda <noreply@fjordbyg.example>", "Message was quarantined", f"Your email to {WHO} was quarantined by our email gateway."),
    ("no-reply@security.fjordbyg.example", "Your message is being held for review", f"The message you sent to <{WHO}> is being held for review."),
]  # fmt: skip


@pytest.mark.parametrize(("sender", "subject", "body"), FILTERED)
def test_what_a_filter_keeps_was_not_delivered(sender: str, subject: str, body: str) -> None:
    found = find_evidence(parse_mail(mail(sender, subject, body, "")))
    assert found.bounce is not None
    assert (found.label, found.bounce.kind, found.bounce.recipients[0].address) == (Label.BOUNCE, POLICY, WHO)


CHALLENGES = [
    "I'm protecting myself from junk mail. Please click the link below to complete the verification process.", "Your message is being held because the address <maya@out.example> has not been verified. To release your message, send an empty message.",
    "Please add yourself to my Guest List so your messages will be delivered. Click here.", "I now allow incoming messages only from senders I have approved. Please fill out the short request form (see link below).",
    "Pour que votre message me parvienne, merci de cliquer sur le lien ci-dessous.", "Para que sua mensagem seja encaminhada, clique no link e confirme que você não é um robô.",
    "Ihre Nachricht wurde zurückgehalten. Bitte bestätigen Sie Ihre Absenderadresse durch Klick auf den Link.", "To make sure you are not a bot, please verify that you are a real person by clicking here.",
]  # fmt: skip


@pytest.mark.parametrize("body", CHALLENGES)
def test_filters_that_want_proof(body: str) -> None:
    found = find_evidence(parse_mail(mail(WHO, "Re: Orders", body, "")))
    assert (found.label, found.name, found.tags) == (Label.OUT_OF_OFFICE, "challenge", frozenset({Tag.TICKET_ACK}))


TICKETS = [
    ("support", "[Support] Re: Orders", "Your request (48213) has been received and is being reviewed by our support staff."), ("support", "Ticket Received - Orders", "A ticket has been created with Ticket ID - 4821."),
    ("service", "[Ticket#2026030210000123] Orders", "Ihre Ticketnummer lautet 2026030210000123."), ("support", "Votre demande", "Nous avons bien reçu votre demande (dossier n° 4821)."), ("soporte", "Ticket 48213 creado", "Hemos recibido su solicitud. Su número de caso es 48213."),
    ("suporte", "Chamado #48213 aberto", "Recebemos a sua mensagem. O número do seu chamado é 48213."), ("klantenservice", "Wij hebben uw bericht ontvangen", "Wij hebben uw aanvraag met nummer 48213 in goede orde ontvangen."), ("assistenza", "Richiesta ricevuta", "Abbiamo ricevuto la Sua richiesta. Il numero del ticket è 48213."),
]  # fmt: skip


@pytest.mark.parametrize(("box", "subject", "body"), TICKETS)
def test_help_desks(box: str, subject: str, body: str) -> None:
    found = find_evidence(parse_mail(mail(f"{box}@fjordbyg.example", subject, body, "")))
    assert (found.label, found.name, found.tags) == (Label.OUT_OF_OFFICE, "ticket", frozenset({Tag.TICKET_ACK}))


LISTS = [
    ("mailman-bounces@lists.example", "The results of your email commands", "X-Mailman-Version: 2.1\r\n"), ("Majordomo@lists.example", "Majordomo results: Orders", ""), ("news-request@lists.example", "confirm 0a1b2c3d4e5f60718293a4b5c6d7e8f901234567", ""),
    ("news-confirm+x@lists.example", "Confirmation required to join the News mailing list", "List-Id: <news.lists.example>\r\n"), ("listserv@lists.example", "Command confirmation request (1234)", ""), ("news-request@lists.example", 'Welcome to the "News" mailing list', ""),
]  # fmt: skip


@pytest.mark.parametrize(("sender", "subject", "more"), LISTS)
def test_managers_of_mailing_lists(sender: str, subject: str, more: str) -> None:
    found = find_evidence(parse_mail(mail(sender, subject, "Unsubscribe: reply with that word.", more)))
    assert (found.label, found.name, found.tags) == (Label.OUT_OF_OFFICE, "list", frozenset({Tag.TICKET_ACK}))


PEOPLE = [
    "Your mail was in my spam folder and quarantined by our filter. I released it. What does it cost?", "We have a ticket number 48213 for this in our system, please call Ole about it.",
    "Please confirm that you are the right person to deliver the message to our board.", "Ihre Nachricht konnte ich erst heute lesen, da sie nicht zugestellt wurde. Bitte senden Sie ein Angebot an ole@fjordbyg.example.",
    "Hello, our delivery is delayed by a week. Write to ole@fjordbyg.example.",
]  # fmt: skip


@pytest.mark.parametrize("body", PEOPLE)
def test_people_who_speak_of_machines(body: str) -> None:
    assert find_evidence(parse_mail(mail(f"Kim Lund <{WHO}>", "Re: Orders", body, ""))).label is None


def test_a_list_of_what_our_own_filter_keeps_is_no_bounce() -> None:
    body = "Review these messages\n\n1 message is being held for you to review."
    found = find_evidence(parse_mail(mail("quarantine@filter.example", "You have messages in quarantine", body)))
    assert found.label is None


def test_a_shortened_address_is_nobodys() -> None:
    groups = (
        "Reporting-MTA: dns; x\n\nFinal-Recipient: rfc822; kim...@fjordbyg.example\nAction: failed\nStatus: 5.1.1\n"
    )
    raw = (f'From: MAILER-DAEMON@mx.example\nSubject: Undelivered\nContent-Type: multipart/report; boundary="b"\n\n--b\nContent-Type: message/delivery-status\n\n{groups}\n--b--\n').encode()  # fmt: skip
    found = find_evidence(parse_mail(raw))
    assert (found.label, found.bounce and found.bounce.recipients) == (Label.BOUNCE, ())


def test_an_address_outside_ascii_is_read_whole() -> None:
    assert next(iter(text_groups("Final-Recipient: utf-8; kim.lünd@x.example")))[0][1] == "utf-8; kim.lünd@x.example"
    groups = (
        "Reporting-MTA: dns; x\n\nFinal-Recipient: utf-8; kim.lünd@fjordbyg.example\nAction: failed\nStatus: 5.1.1\n"
    )
    raw = (f'From: MAILER-DAEMON@mx.example\nSubject: Undelivered\nContent-Type: multipart/report; boundary="b"\n\n--b\nContent-Type: message/global-delivery-status\n\n{groups}\n--b--\n').encode()  # fmt: skip
    found = find_evidence(parse_mail(raw))
    assert found.bounce is not None
    assert [one.address for one in found.bounce.recipients] == ["kim.lünd@fjordbyg.example"]


def read_reference() -> list[dict[str, Any]]:
    if not SHARED.is_dir():
        return []
    rows: list[dict[str, Any]] = json.loads((SHARED / "flufl_expected.json").read_text(encoding="utf-8"))
    return rows


@pytest.mark.skipif(not SHARED.is_dir(), reason="the reference bounces are not beside the project")
def test_the_reference_bounces() -> None:
    """State how many are right: whom it names (two are read better than expected), and whether it is over."""
    named = final = 0
    rows = read_reference()
    for row in rows:
        found = find_evidence(parse_mail((SHARED / "flufl" / row["file"]).read_bytes())).bounce
        got = {one.address for one in found.recipients} if found else set()
        named += got == {one.lower() for one in row["recipients"]}
        final += not row["recipients"] or (found is not None and (found.kind == DELAYED) == row["temporary"])
    print(f"recipients {named}, temporary or permanent {final} of {len(rows)}")
    assert (len(rows), final) == (116, 116)
    assert named >= 113
