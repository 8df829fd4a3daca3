"""Bounces of many mail systems, and what only looks like one. All texts were written for this test."""

import base64

import pytest

from inbox.automatic import find_evidence
from inbox.parse import parse_mail
from store.vocabulary import BounceKind, Label

WHO = "kim.lund@fjordbyg.example"
OURS = "maya@out.example"


def mail(sender: str, subject: str, body: str, *, more: str = "", html: bool = False) -> bytes:
    kind = "html" if html else "plain"
    return (f"From: {sender}\r\nTo: {OURS}\r\nSubject: {subject}\r\nDate: Mon, 2 Mar 2026 09:00:00 +0000\r\n{more}"
            f"MIME-Version: 1.0\r\nContent-Type: text/{kind}; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{body}").encode()  # fmt: skip


def report(
    action: str, status: str, diagnostic: str = "", *, recipient: str = WHO, text: str = "See below.", more: str = ""
) -> bytes:
    said = f"Diagnostic-Code: {diagnostic}\r\n" if diagnostic else ""
    return (f"From: MAILER-DAEMON@mx.fjordbyg.example\r\nTo: {OURS}\r\nSubject: Delivery report\r\n{more}MIME-Version: 1.0\r\n"
            'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\n'
            f"{text}\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.fjordbyg.example\r\n\r\n"
            f"Final-Recipient: rfc822; {recipient}\r\nAction: {action}\r\nStatus: {status}\r\n{said}\r\n--b\r\n"
            "Content-Type: text/rfc822-headers\r\n\r\nMessage-ID: <abc@out.example>\r\nTo: someone@else.example\r\nSubject: out of office\r\n\r\n--b--\r\n").encode()  # fmt: skip


HARD, SOFT, FULL, POLICY, BLOCKED, DELAYED = (BounceKind.HARD, BounceKind.SOFT, BounceKind.FULL, BounceKind.POLICY,
                                             BounceKind.BLOCKED, BounceKind.DELAYED)  # fmt: skip
STATUS = [
    ("failed", "5.1.1", "smtp; 550 5.1.1 User unknown", HARD), ("failed", "5.2.2", "smtp; 552 mailbox over quota", FULL),
    ("failed", "5.7.1", "smtp; 550 5.7.1 Message rejected as spam by Content Filtering", POLICY), ("failed", "5.7.1", "smtp; 550 5.7.1 user unknown", HARD),
    ("failed", "5.7.1", "smtp; 554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org", BLOCKED),
    ("failed", "5.7.26", "smtp; 550-5.7.26 This mail has been blocked because the sender is unauthenticated (SPF, DKIM)", POLICY),
    ("failed", "5.4.4", "X-Postfix; Host or domain name not found. Name service error for name=fjordbyg.example", HARD),
    ("failed", "4.4.7", "smtp; 400 4.4.7 message delayed", SOFT), ("failed", "5.4.1", "smtp; 550 5.4.1 Recipient address rejected: Access denied", HARD),
    ("failed", "5.0.0", "smtp; 550 No such user here", HARD), ("failed", "5.0.0", "smtp; 552 Message size exceeds fixed maximum message size", POLICY),
    ("failed", "5.3.4", "smtp; 552 5.3.4 Message too big for system", POLICY), ("failed", "5.1.10", "smtp; 550 5.1.10 RESOLVER.ADR.RecipientNotFound", HARD),
    ("failed", "5.2.1", "smtp; 550 5.2.1 The email account that you tried to reach is disabled", HARD), ("failed", "5.7.124", "smtp; 550 5.7.124 sender not in allowed-senders list", POLICY),
    ("failed (bad destination)", "5.1.1 (no such user)", "", HARD), ("delayed", "4.4.1", "smtp; connect timed out", DELAYED), ("Delayed", "4.2.2", "smtp; 452 over quota", DELAYED),
]  # fmt: skip


@pytest.mark.parametrize(("action", "status", "diagnostic", "kind"), STATUS)
def test_delivery_status(action: str, status: str, diagnostic: str, kind: BounceKind) -> None:
    found = find_evidence(parse_mail(report(action, status, diagnostic)))
    assert found.label == Label.BOUNCE
    assert found.bounce is not None
    assert (found.bounce.kind, [one.address for one in found.bounce.recipients]) == (kind, [WHO])
    assert found.bounce.original_message_id == "<abc@out.example>"
    assert found.bounce.recipients[0].code[0] == status[0]


@pytest.mark.parametrize("action", ["delivered", "relayed", "expanded", "Delivered (to mailbox)"])
def test_a_report_of_success_is_a_notice(action: str) -> None:
    found = find_evidence(parse_mail(report(action, "2.0.0")))
    assert (found.label, found.name, found.notice) == (Label.OTHER, "dsn-delivered", True)


def test_a_report_that_is_packed_in_base64_is_read() -> None:
    raw = report("failed", "5.1.1")
    start = raw.index(b"Reporting-MTA")
    end = raw.index(b"--b\r\nContent-Type: text/rfc822")
    packed = base64.encodebytes(raw[start:end])
    head = raw[:start].replace(
        b"message/delivery-status\r\n", b"message/delivery-status\r\nContent-Transfer-Encoding: base64\r\n"
    )
    found = find_evidence(parse_mail(head + packed + b"\r\n" + raw[end:]))
    assert found.bounce is not None
    assert [one.address for one in found.bounce.recipients] == [WHO]


D = "MAILER-DAEMON@mx.example"
TEXTS = [
    ("qmail", D, "failure notice", f"Hi. This is the qmail-send program at mx.example.\nI'm afraid I wasn't able to deliver your message to the following addresses.\nThis is a permanent error; I've given up. Sorry it didn't work out.\n\n<{WHO}>:\nSorry, no mailbox here by that name. (#5.1.1)\n\n--- Below this line is a copy of the message.\n\nReturn-Path: <maya@out.example>\nTo: wrong@else.example", HARD, "5.1.1"),
    ("exim", "Mail Delivery System <Mailer-Daemon@mx.example>", "Mail delivery failed: returning message to sender", f"This message was created automatically by mail delivery software.\n\nA message that you sent could not be delivered to one or more of its\nrecipients. This is a permanent error. The following address(es) failed:\n\n  {WHO}\n    host mx1.fjordbyg.example [192.0.2.7]\n    SMTP error from remote mail server after RCPT TO:<{WHO}>:\n    550 5.1.1 <{WHO}>: Recipient address rejected: User unknown in virtual mailbox table\n", HARD, "5.1.1"),
    ("exim warning", "Mailer-Daemon@mx.example", "Warning: message 1abc-0002-Xy delayed 24 hours", f"This message was created automatically by mail delivery software.\nA message that you sent has not yet been delivered to one or more of its\nrecipients after more than 24 hours on the queue on mx.example.\n\nThe address to which the message has not yet been delivered is:\n\n  {WHO}\n\nNo action is required on your part. Delivery attempts will continue for\nsome time, and this warning may be repeated at intervals.", DELAYED, ""),
    ("postfix", D, "Undelivered Mail Returned to Sender", f"This is the mail system at host mx.example.\n\nI'm sorry to have to inform you that your message could not\nbe delivered to one or more recipients. It's attached below.\n\nFor further assistance, please send mail to postmaster.\n\n                   The mail system\n\n<{WHO}>: host mx.fjordbyg.example[192.0.2.7] said: 552 5.2.2 Mailbox full (in reply to RCPT TO command)", FULL, "5.2.2"),
    ("sendmail", "Mail Delivery Subsystem <MAILER-DAEMON@mx.example>", "Returned mail: see transcript for details", f"The original message was received at Mon, 2 Mar 2026 09:00:00 GMT\nfrom relay.out.example [192.0.2.9]\n\n   ----- The following addresses had permanent fatal errors -----\n<{WHO}>\n    (reason: 550 5.1.1 <{WHO}>... User unknown)\n\n   ----- Transcript of session follows -----\n... while talking to mx.fjordbyg.example.:\n>>> DATA\n<<< 550 5.1.1 <{WHO}>... User unknown", HARD, "5.1.1"),
    ("exchange 2000", "postmaster@mx.example", "Delivery Status Notification (Failure)", f"This is an automatically generated Delivery Status Notification.\n\nDelivery to the following recipients failed.\n\n       {WHO}\n", HARD, ""),
    ("exchange 5.5", "System Administrator <postmaster@mx.example>", "Undeliverable: A question about your stock", f"Your message\n\n  To:      other@else.example\n  Subject: A question about your stock\n  Sent:    Mon, 2 Mar 2026 08:00:00 -0000\n\ndid not reach the following recipient(s):\n\n{WHO} on Mon, 2 Mar 2026 09:00:00 -0000\n    The recipient name is not recognized\n\tMSEXCH:IMS:Fjordbyg:HQ:MAIL01 0 (000C05A6) Unknown Recipient", HARD, ""),
    ("exchange online html", "Microsoft Outlook <MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e@mx.example>", "Unzustellbar: Frage", f"<p>Ihre Nachricht an <a href='mailto:{WHO}'>{WHO}</a> konnte nicht zugestellt werden.</p><p>kim.lund wurde bei fjordbyg.example nicht gefunden.</p><p>550 5.1.10 RESOLVER.ADR.RecipientNotFound</p>", HARD, "5.1.10"),
    ("notes", "postmaster@mx.example", "DELIVERY FAILURE: User kim.lund (kim.lund@fjordbyg.example) not listed in Domino Directory", f"Your message\n\n  Subject: A question\n\nwas not delivered to:\n\n  {WHO}\n\nbecause:\n\n  User kim.lund ({WHO}) not listed in Domino Directory", HARD, ""),
    ("gmail", "Mail Delivery Subsystem <mailer-daemon@googlemail.com>", "Delivery Status Notification (Failure)", f"** Address not found **\n\nYour message wasn't delivered to {WHO} because the address couldn't be found, or is unable to receive mail.\n\nThe response from the remote server was:\n550 5.1.1 The email account that you tried to reach does not exist.", HARD, "5.1.1"),
    ("gmail delay", "mailer-daemon@googlemail.com", "Delivery Status Notification (Delay)", f"** Delivery incomplete **\n\nThere was a temporary problem delivering your message to {WHO}. Gmail will retry for 46 more hours. You'll be notified if the delivery fails permanently.", DELAYED, ""),
    ("yahoo", "MAILER-DAEMON@yahoo.example", "Failure Notice", f"Sorry, we were unable to deliver your message to the following address.\n\n<{WHO}>:\n554: delivery error: dd This user doesn't have a yahoo.example account ({WHO}) [0] - mta1.example\n\n--- Below this line is a copy of the message.", HARD, "554"),
    ("gmx", "GMX Mailer Daemon <mailer-daemon@gmx.example>", "Mail delivery failed: returning message to sender", f"This message was created automatically by mail delivery software.\n\nA message that you sent could not be delivered to one or more of\nits recipients. This is a permanent error. The following address\nfailed:\n\n\"{WHO}\":\nSMTP error from remote server for RCPT TO command, host: mx.fjordbyg.example (192.0.2.7) reason: 550 Requested action not taken: mailbox unavailable", HARD, "550"),
    ("german", "postmaster@mx.example", "Nachricht nicht zustellbar", f"Ihre Nachricht konnte folgendem Empfänger nicht zugestellt werden:\n\n   {WHO}\n\nGrund: Das Postfach ist voll.", FULL, ""),
    ("french", "postmaster@mx.example", "Échec de la remise de votre message", f"Votre message n'a pas pu être remis au destinataire suivant :\n\n{WHO}\n\nMotif : cette adresse n'existe pas.", HARD, ""),
    ("italian", "postmaster@mx.example", "Mancata consegna", f"Il messaggio non è stato recapitato al seguente destinatario:\n{WHO}\nMotivo: casella piena", FULL, ""),
    ("spanish", "postmaster@mx.example", "Mensaje no entregado", f"Su mensaje no se pudo entregar al destinatario {WHO}: el usuario no existe.", HARD, ""),
    ("dutch", "postmaster@mx.example", "Bericht niet bezorgd", f"Uw bericht kon niet worden bezorgd aan:\n\n{WHO}\n\nHet adres bestaat niet.", HARD, ""),
    ("portuguese", "postmaster@mx.example", "Falha na entrega da mensagem", f"A sua mensagem não foi entregue ao destinatário {WHO}.\nMotivo: utilizador desconhecido.", HARD, ""),
    ("russian", "mailer-daemon@mx.example", "Недоставленное сообщение", f"Ваше сообщение не может быть доставлено.\n\n{WHO}: пользователь не существует", HARD, ""),
    ("chinese", "Postmaster@qq.example", "系统退信", f"很抱歉您发送的邮件被退回。\n收件人：{WHO}\n退信原因：该用户不存在", HARD, ""),
    ("japanese", "MAILER-DAEMON@docomo.example", "Mail System Error - Returned Mail", f"次のあて先へのメッセージはエラーのため送信できませんでした。\n\n<{WHO}>:\n宛先不明\n550 Unknown user {WHO}", HARD, "550"),
    ("korean", "mailer-daemon@naver.example", "메일 전송 실패 알림", f"메일이 전송되지 않았습니다.\n받는 사람: {WHO}\n사유: 존재하지 않는 메일 주소", HARD, ""),
    ("courier", "postmaster@mx.example", "NOTICE: mail delivery status.", f"UNDELIVERABLE MAIL\n\nYour message to the following recipients cannot be delivered:\n\n<{WHO}>:\n     mx.fjordbyg.example [192.0.2.7]:\n>>> RCPT TO:<{WHO}>\n<<< 550 User <{WHO}> unknown", HARD, "550"),
    ("mdaemon", "MDaemon@mx.example", "Permanent Delivery Failure", f"The attached message had PERMANENT fatal delivery errors!\n\nAfter one or more unsuccessful delivery attempts the attached message has\nbeen removed from the mail queue on this server.\n\nFAILED ADDRESS: {WHO}\n\n--- Session Transcript ---\n 550 5.1.1 Recipient unknown <{WHO}>", HARD, "5.1.1"),
    ("imail", "postmaster@mx.example", "Undeliverable Mail", f"User mailbox exceeds allowed size: {WHO}\n\n\nOriginal message follows.\n\nTo: someone@else.example", FULL, ""),
    ("communigate", "MAILER-DAEMON@mx.example", "Undeliverable mail: A question", f"Failed to deliver to '{WHO}'\nLOCAL module(account kim.lund) reports:\n account is full (quota exceeded)", FULL, ""),
    ("groupwise", "Mailer-Daemon@mx.example", "Message status - undeliverable", f"The message that you sent was undeliverable to the following:\n\t{WHO} (user not found)\n\nPossibly truncated original message follows:\n\nTo: someone@else.example", HARD, ""),
    ("mailenable", "POSTMASTER@mx.example", "Message delivery failure", f"MailEnable: Message could not be delivered to some recipients.\nThe following recipient(s) could not be reached:\n\n\tRecipient: [SMTP:{WHO}]\n\tReason: Remote SMTP Server Returned: 550 5.7.1 Message blocked by content filter", POLICY, "5.7.1"),
    ("ses", "MAILER-DAEMON@amazonses.example", "Delivery Status Notification (Failure)", f"An error occurred while trying to deliver the mail to the following recipients:\n{WHO}", SOFT, ""),
    ("barracuda", "postmaster@mx.example", "**Message you sent blocked by our bulk email filter**", f"Your message to: {WHO}\nwas blocked by our Spam Firewall. The email you sent with the following subject has NOT BEEN DELIVERED:\n\nSubject: A question", POLICY, ""),
    ("relay", D, "Undelivered Mail Returned to Sender", f"<{WHO}>: host mx.fjordbyg.example said: 554 5.7.1 <{WHO}>: Relay access denied (in reply to RCPT TO command)\nmessage could not be delivered", POLICY, "5.7.1"),
    ("reputation", D, "failure notice", f"<{WHO}>:\n192.0.2.7 does not like recipient.\nRemote host said: 550 5.7.1 Unfortunately, messages from [192.0.2.1] weren't sent. Please contact your provider since part of their network is on our block list (S3140).\nGiving up on 192.0.2.7. Message not delivered.", BLOCKED, "5.7.1"),
    ("no words", D, "Returned mail", f"Delivery problem.\n\n{WHO}\n", SOFT, ""),
    ("null path", "it@fjordbyg.example", "Delivery failed", f"The message could not be delivered to:\n{WHO}\n550 no such user", HARD, "550"),
    ("t-online", "Mail Delivery System <MAILER-DAEMON@mailout.t-online.example>", "Delivery Status Notification(Failure)", f"This Message was undeliverable due to the following reason:\n\nDie Mailbox des Empfaengers ist voll.\n\n{WHO}\n\nHost antwortete: 552 5.2.2 <{WHO}>: Mailbox full", FULL, "5.2.2"),
    ("orange", "MAILER-DAEMON@smtp.orange.example", "Undelivered Mail Returned to Sender", f"Bonjour,\nVotre message n'a pu être distribué.\n<{WHO}>: host smtp-in said: 550 5.1.1 Adresse d au moins un destinataire invalide. OFR_416", HARD, "5.1.1"),
    ("163", "Postmaster@163.example", "系统退信/Systems bounce", f"抱歉，您的邮件被退回来了\n收件人：{WHO}\n退信原因：\n收件人的邮箱已满\nSMTP error, RCPT TO: 552 mailbox full", FULL, "552"),
    ("outlook italian", "postmaster@x.example", "Non recapitabile: Orders", f"Recapito non riuscito per i seguenti destinatari o gruppi:\n\n{WHO}\nImpossibile trovare l'indirizzo di posta elettronica immesso.", HARD, ""),
    ("outlook swedish", "postmaster@x.example", "Kan inte levereras: Orders", f"Leverans till följande mottagare misslyckades:\n\n{WHO}\nE-postadressen hittades inte.", HARD, ""),
    ("outlook polish", "postmaster@x.example", "Niedostarczalne: Orders", f"Nie można dostarczyć wiadomości do następujących adresatów:\n\n{WHO}\nNie znaleziono adresu.", HARD, ""),
    ("notes german", "postmaster@x.example", "ZUSTELLFEHLER: Benutzer nicht im Domino-Verzeichnis", f"Ihre Nachricht\n\n  Betreff: Orders\n\nkonnte nicht zugestellt werden an:\n\n  {WHO}\n\nGrund:\n\n  Benutzer ist nicht im Domino-Verzeichnis verzeichnet", HARD, ""),
    ("sendmail warning", D, "Warning: could not send message for past 4 hours", f"    **      THIS IS A WARNING MESSAGE ONLY      **\n    **  YOU DO NOT NEED TO RESEND YOUR MESSAGE  **\n\nThe original message was received at Mon\n\n   ----- The following addresses had transient non-fatal errors -----\n<{WHO}>\n\nWill keep trying until message is 5 days old", DELAYED, ""),
    ("mimecast", "postmaster@mimecast.example", "[Postmaster] Email Delivery Failure", f"This is a delivery failure notification message indicating that\nan email you addressed to email address :\n-- {WHO}\n\ncould not be delivered.\n-- 5.4.1 Recipient address rejected: Access denied", HARD, "5.4.1"),
    ("x400", "postmaster@mx.example", "Undeliverable: hello", f"did not reach the following recipient(s):\n\nc=DK;a= ;p=FJORD;o=HQ;dda:SMTP={WHO}; on Mon, 2 Mar 2026\n    The recipient name is not recognized", HARD, ""),
]  # fmt: skip


@pytest.mark.parametrize(("name", "sender", "subject", "body", "kind", "code"), TEXTS, ids=[row[0] for row in TEXTS])
def test_texts_of_mail_systems(name: str, sender: str, subject: str, body: str, kind: BounceKind, code: str) -> None:
    more = "Return-Path: <>\r\n" if name == "null path" else ""
    found = find_evidence(parse_mail(mail(sender, subject, body, more=more, html=body.startswith("<p>"))))
    assert found.label == Label.BOUNCE
    assert found.bounce is not None
    assert [one.address for one in found.bounce.recipients] == [WHO]
    assert (found.bounce.kind, found.bounce.recipients[0].code) == (kind, code)


def test_failed_recipients_in_a_header() -> None:
    raw = mail("Mail Delivery System <Mailer-Daemon@mx.example>", "Mail delivery failed", "A message that you sent could not be delivered.",
               more=f"X-Failed-Recipients: {WHO},\r\n b@fjordbyg.example\r\nAuto-Submitted: auto-replied\r\n")  # fmt: skip
    found = find_evidence(parse_mail(raw))
    assert found.bounce is not None
    assert [one.address for one in found.bounce.recipients] == [WHO, "b@fjordbyg.example"]


HUMAN = [
    (WHO, "Re: A question", "I tried to answer, but this came back:\n\n> Delivery to the following recipients failed permanently:\n> maya@out.example\n> 550 5.1.1 user unknown\n\nIs the address right?", ""),
    (WHO, "Delivery failed", "Hi Maya, our delivery on Monday failed, the pallet was not delivered. Call me.", ""),
    (WHO, "Undeliverable mail?", f"Hi, my message to {OURS} was not delivered. Can you check your mailbox?", ""),
    (WHO, "Fwd: Undeliverable: hello", "See below, what is this?\n\n---------- Forwarded message ---------\nFrom: MAILER-DAEMON@mx.example\nSubject: Undeliverable\n\nuser unknown 550 5.1.1", ""),
    ("postmaster@fjordbyg.example", "Re: A question", "Hello, I am the postmaster here. We would like an offer for 40 seats. Best, Kim", "In-Reply-To: <abc@out.example>\r\n"),
    ("news@fjordbyg.example", "Delivery times in spring", "Dear customers, our delivery times change. Unknown user? Register now.", "List-Unsubscribe: <mailto:x@y.example>\r\n"),
]  # fmt: skip


@pytest.mark.parametrize(("sender", "subject", "body", "more"), HUMAN, ids=[row[1] for row in HUMAN])
def test_people_who_speak_of_failures_are_people(sender: str, subject: str, body: str, more: str) -> None:
    assert find_evidence(parse_mail(mail(sender, subject, body, more=more))).label in (None, Label.OTHER)
