"""How mail programs of many languages quote: attribution lines, header blocks, mobile lines, warnings, disclaimers."""

import re

import pytest

from inbox.html_text import html_to_text
from inbox.quotes import new_text

OURS = "Hi Kim,\n\nmany dispatch teams still copy orders by hand. Would a short call next week make sense?\n\nMaya Lind\nOut Ltd\n\nNot relevant? Reply STOP and I will not write again."
MARKED = "\n".join(f"> {line}" for line in OURS.split("\n"))
M = "Maya Lind <maya@out.example>"
NEW = "Thanks, please send a quote.\n\nKim"

ATTRIBUTIONS = [
    f"On 2 Mar 2026, 10:15 +0100, {M}, wrote:", "On Mon, Mar 02, 2026 at 10:15 AM, Maya Lind < maya@out.example > wrote:", f"On March 2, 2026, {M} wrote:", f"---- On Mon, 02 Mar 2026 10:15:00 +0100 {M} wrote ----",
    f"On Monday, March 2nd, 2026 at 10:15, {M} wrote:", "2. März 2026, 10:15 von maya@out.example:", "Mar 2, 2026, 10:15 by maya@out.example:", "2 mars 2026, 10:15 de maya@out.example:",
    "On Mon, 2026-03-02 at 10:15 +0100, Maya Lind wrote:", "On Monday, 2 March 2026 10:15:00 CET Maya Lind wrote:", "Am Montag, 2. März 2026, 10:15:00 CET schrieb Maya Lind:", f"Am 2. März 2026 10:15:22 MEZ schrieb {M}:",
    "Am 02.03.26, 10:15 schrieb \"Maya Lind\" <maya@out.example>:", f"Am Montag, 2. März 2026 um 10:15:00 MEZ hat {M} Folgendes geschrieben:", f"Le lundi 2 mars 2026 à 10:15:00 UTC+1, {M} a écrit :", f"En lunes, 2 de marzo de 2026, 10:15:00 CET, {M} escribió:",
    f"Il lunedì 2 marzo 2026 alle ore 10:15:00 CET, {M} ha scritto:", f"On Monday, March 2, 2026, 10:15:00 AM GMT+1, {M} wrote:", f"{M} wrote on 02.03.2026 10:15:", "Maya Lind wrote on 3/2/2026 10:15 AM:",
    f"{M} schrieb am 02.03.2026 10:15:22:", "maya@out.example schrieb am 02.03.2026 10:15:", f"Vào Th 2, 2 thg 3, 2026 vào lúc 10:15 {M} đã viết:", f"Pada Sen, 2 Mar 2026 pukul 10.15 {M} menulis:",
    f"ในวันที่ จ. 2 มี.ค. 2026 เวลา 10:15 {M} เขียนว่า:", f"في الاثنين، 2 مارس 2026 في 10:15 ص تمت كتابة ما يلي بواسطة {M}:", f"בתאריך יום ב׳, 2 במרץ 2026 ב-10:15 מאת {M}:", f"На пн, 2.03.2026 г. в 10:15 {M} написа:",
    f"pon, 2. ožu 2026. u 10:15 {M} napisao je:", f"V V pon., 2. mar. 2026 ob 10:15 je oseba {M} napisala:", f"2026-03-02, pr, 10:15 {M} rašė:", "pirmd., 2026. g. 2. marts, plkst. 10:15 — lietotājs Maya Lind (<maya@out.example>) rakstīja:",
    f"Kuupäev E, 2. märts 2026 kell 10:15 kirjutas {M}:", f"El dl., 2 de març 2026, 10:15, {M} va escriure:", f"пон, 2. мар 2026. у 10:15 {M} је написао/ла:", f"Þann mán., 2. mar. 2026 kl. 10:15 skrifaði {M}:",
    f"понедельник, 2 марта 2026 г., 10:15 +03:00 от {M}:", f"Понедельник, 2 марта 2026, 10:15 +03:00 от {M}:", "02.03.2026, 10:15, \"Maya Lind\" <maya@out.example>:", f"2 марта 2026, в 10:15, {M} написал(а):",
    f"пн, 2 бер. 2026 р. о 10:15 {M} пише:", f"{M} 於 2026年3月2日 週一 上午10:15寫道：", f"在 2026年3月2日，10:15，{M} 写道：", "On 2026-03-02 10:15:00, \"Maya Lind\" <maya@out.example> wrote:",
    "在 2026-03-02 10:15:00，\"Maya Lind\" <maya@out.example> 写道：", f"2026/03/02 10:15、{M}のメール:", f"2026年3月2日(月) 10:15、{M}さんのメール:", "On 2026/03/02 10:15, Maya Lind wrote:",
    "2026. 3. 2. 오전 10:15, Maya Lind 쓴 글:", f"2026년 3월 2일 오전 10:15, {M} 작성:", f"Op maandag 2 maart 2026 10:15:00 heeft {M} het volgende geschreven:", f"Op 2 mrt. 2026, om 10:15 heeft {M} het volgende geschreven:",
    f"Em 2 de mar. de 2026, à(s) 10:15, {M} escreveu:", "A 02/03/2026 10:15, Maya Lind escreveu:", f"El 2 mar 2026, a las 10:15, {M} escribió:", "El 02/03/2026 a las 10:15, Maya Lind escribió:",
    "Il 02/03/2026 10:15, Maya Lind ha scritto:", f"Il giorno 2 mar 2026, alle ore 10:15, {M} ha scritto:", f"2 mars 2026 kl. 10:15 skrev {M}:", "Den 2026-03-02 kl. 10:15, skrev Maya Lind:",
    f"man. 2. mar. 2026 kl. 10:15 skrev {M}:", "Den 02.03.2026 10:15, skrev Maya Lind:", f"{M} kirjoitti 2.3.2026 kello 10.15:", "Maya Lind kirjoitti 2.3.2026 klo 10.15:",
    f"Wiadomość napisana przez {M} w dniu 2 mar 2026, o godz. 10:15:", "Dne 2.3.2026 v 10:15 Maya Lind napsal(a):", f"2. 3. 2026 v 10:15, {M}:", "Dňa 2. 3. 2026 o 10:15 Maya Lind napísal(a):",
    "2026. 03. 02. 10:15 keltezéssel, Maya Lind írta:", f"{M} ezt írta (2026. március 2., hétfő):", f"Pe 2 mar. 2026, la 10:15, {M} a scris:", f"2 Mar 2026 10:15 tarihinde {M} şunları yazdı:",
    f"{M}, 2 Mar 2026 Pzt, 10:15 tarihinde şunu yazdı:", "Στις 2/3/2026 10:15, ο/η Maya Lind έγραψε:", "On Mon, 2 Mar 2026, 10:15 Maya Lind,\n<maya@out.example> wrote:", "On Mon, Mar 2, 2026 at 10:15 AM Maya Lind <\nmaya@out.example> wrote:",
    "Monday, March 2, 2026, 10:15:00, you wrote:", f"Quoting {M}:", f"Zitat von {M}:", f"{M} napisał(a):",
    f"On 02/03/26 10:15 am, {M} wrote:", "On Mon, Mar 2, 2026, at 10:15 AM, Maya Lind wrote:", "Maya Lind via HubSpot <maya@out.example> wrote:",
]  # fmt: skip


@pytest.mark.parametrize("line", ATTRIBUTIONS)
def test_attribution_lines(line: str) -> None:
    for quote in (MARKED, OURS):
        assert new_text(f"{NEW}\n\n{line}\n\n{quote}").text == NEW
    inline = f"{line}\n> many dispatch teams still copy orders by hand.\n\nWe do not.\n\n> Would a short call next week make sense?\n\nNo.\n"
    assert new_text(inline).text == "We do not.\n\nNo."
    assert new_text(f"{line}\n{MARKED}\n\n{NEW}").text == NEW


HEADERS = [
    "------ Original Message ------\nFrom \"Maya Lind\" <maya@out.example>\nTo \"Kim Lund\" <kim@f.example>\nDate 02.03.2026 10:15:00\nSubject Orders", "------ Originalnachricht ------\nVon \"Maya Lind\" <maya@out.example>\nAn \"Kim Lund\" <kim@f.example>\nDatum 02.03.2026 10:15:00\nBetreff Orders",
    "----- Original Message -----\nFrom: \"Maya Lind\" <maya@out.example>\nTo: \"Kim Lund\" <kim@f.example>\nSent: Monday, March 2, 2026 10:15:00 AM\nSubject: Orders", "-----Original Message-----\nFrom: Maya Lind [mailto:maya@out.example]\nSent: Monday\nTo: Kim\nSubject: Orders",
    "________________________________\nFrom: Maya Lind <maya@out.example>\nSent: Monday, March 2, 2026 10:15\nTo: Kim\nSubject: Orders", "Gesendet: Montag, 02. März 2026 um 10:15 Uhr\nVon: \"Maya Lind\" <maya@out.example>\nAn: kim@f.example\nBetreff: Orders",
    "From:        \"Maya Lind\" <maya@out.example>\nTo:        <kim@f.example>\nDate:        02.03.2026 10:15\nSubject:        Orders", "Von:	Maya Lind <maya@out.example>\nAn:	Kim Lund <kim@f.example>\nDatum:	02.03.2026 10:15\nBetreff:	Orders",
    "Maya Lind---02.03.2026 10:15:22---Hi Kim, many dispatch teams\n\nVon: Maya Lind <maya@out.example>\nAn: Kim\nDatum: 02.03.2026 10:15\nBetreff: Orders", "发件人： Maya Lind\n发送时间： 2026-03-02 10:15\n收件人： kim\n主题： Orders",
    "------------------ 原始邮件 ------------------\n发件人: \"Maya Lind\" <maya@out.example>;\n发送时间: 2026年3月2日(星期一) 上午10:15\n收件人: \"kim\"<kim@f.example>;\n主题: Orders", "寄件者: Maya Lind\n寄件日期: 2026年3月2日\n收件者: kim\n主旨: Orders",
    "差出人: Maya Lind <maya@out.example>\n送信日時: 2026年3月2日 10:15\n宛先: kim\n件名: Orders", "-----원본 메시지-----\n보낸사람: Maya Lind\n보낸날짜: 2026-03-02\n받는사람: kim\n제목: Orders",
    "-----Original Message-----\nFrom: \"Maya Lind\"<maya@out.example>\nTo: <kim@f.example>;\nCc:\nSent: 2026-03-02 (월) 10:15:00 (GMT+09:00)\nSubject: Orders", "Από: Maya Lind\nΣτάλθηκε: Δευτέρα, 2 Μαρτίου 2026\nΠρος: Kim\nΘέμα: Orders",
    "מאת: Maya Lind\nנשלח: יום שני 02 מרץ 2026\nאל: Kim\nנושא: Orders", "من: Maya Lind\nتم الإرسال: الاثنين، 2 مارس 2026\nإلى: Kim\nالموضوع: Orders",
    "De la: Maya Lind\nTrimis: luni, 2 martie 2026\nCătre: Kim\nSubiect: Orders", "Від: Maya Lind\nНадіслано: понеділок, 2 березня 2026 р.\nКому: Kim\nТема: Orders",
    "Từ: Maya Lind\nĐã gửi: Thứ Hai, 2 tháng 3, 2026\nTới: Kim\nChủ đề: Orders", "Dari: Maya Lind\nDikirim: Senin, 02 Maret 2026\nKepada: Kim\nSubjek: Orders",
    "จาก: Maya Lind\nส่ง: วันจันทร์ที่ 2 มีนาคม 2026\nถึง: Kim\nเรื่อง: Orders", "От: Maya Lind\nИзпратено: понеделник, 2 март 2026\nДо: Kim\nОтносно: Orders",
    "Šalje: Maya Lind\nPoslano: ponedjeljak, 2. ožujka 2026.\nPrima: Kim\nPredmet: Orders", "Od: Maya Lind\nPoslano: ponedeljek, 2. marec 2026\nZa: Kim\nZadeva: Orders",
    "Saatja: Maya Lind\nSaadetud: esmaspäev, 2. märts 2026\nAdressaat: Kim\nTeema: Orders", "Nuo: Maya Lind\nIšsiųsta: pirmadienis\nKam: Kim\nTema: Orders",
    "No: Maya Lind\nNosūtīts: pirmdiena\nKam: Kim\nTēma: Orders", "De: Maya Lind\nEnviat el: dilluns, 2 de març de 2026\nPer a: Kim\nAssumpte: Orders",
    "Odesílatel: Maya Lind\nOdesláno: pondělí\nKomu: Kim\nPředmět: Orders", "Lähettäjä: Maya Lind\nLähetetty: maanantai\nVastaanottaja: Kim\nAihe: Orders",
    "Frá: Maya Lind\nSent: mánudagur\nTil: Kim\nEfni: Orders", "*Von:* Maya Lind <maya@out.example>\n*Gesendet:* Montag, 2. März 2026 10:15\n*An:* Kim\n*Betreff:* Orders",
    "From: Maya Lind <maya@out.example>\nDate: Monday, 2 March 2026 at 10:15\nTo: Kim\nSubject: Orders", "De : Maya Lind [mailto:maya@out.example]\nEnvoyé : lundi 2 mars 2026 10:15\nÀ : Kim\nObjet : Orders",
    "From: Maya Lind\nReply-To: maya@out.example\nDate: Monday\nTo: Kim", "> From: maya@out.example\n> To: kim@f.example\n> Subject: Orders\n> Date: Mon, 2 Mar 2026 10:15:00 +0000",
    "Da: maya@out.example\nA: kim@f.example\nCc:\nData: Mon, 2 Mar 2026\nOggetto: Orders",
]  # fmt: skip


@pytest.mark.parametrize("block", HEADERS)
def test_header_blocks(block: str) -> None:
    assert new_text(f"{NEW}\n\n{block}\n\n{OURS}\n").text == NEW
    assert new_text(f"{NEW}\n{block}\n{OURS}\n").text == NEW


MOBILE = [
    "Sent from my iPhone", "Sent from my Samsung Galaxy smartphone.", "Sent from Yahoo Mail on Android", "Sent from Outlook for iOS<https://aka.ms/o0ukef>", "Get Outlook for Android<https://aka.ms/AAb9ysg>",
    "Sent from Mail for Windows", "Gesendet mit der mobilen Mail App", "Diese Nachricht wurde von meinem Android-Gerät mit K-9 Mail gesendet.", "Von meinem Samsung Galaxy Smartphone gesendet.", "Gesendet von Outlook für iOS",
    "Holen Sie sich Outlook für iOS", "Envoyé de mon iPhone", "Envoyé depuis mon téléphone Orange", "Télécharger Outlook pour iOS", "Enviado desde mi iPhone",
    "Obtener Outlook para iOS", "Enviado desde Yahoo Mail para iPhone", "Inviato da iPhone", "Scarica Outlook per iOS", "Inviato dal mio smartphone",
    "Verzonden vanaf mijn iPhone", "Outlook voor Android downloaden", "Enviado do meu iPhone", "Obter o Outlook para iOS", "Skickat från min iPhone",
    "Skaffa Outlook för iOS", "Sendt fra min iPhone", "Hent Outlook til iOS", "Lähetetty iPhonesta", "Hanki Outlook for iOS",
    "Wysłane z iPhone'a", "Wysłano z iPhone'a", "Odesláno z iPhonu", "Odoslané z iPhonu", "Küldve az iPhone-omról",
    "Trimis de pe iPhone-ul meu", "Отправлено с iPhone", "Отправлено из мобильной Почты Mail.ru", "Надіслано з iPhone", "iPhone'umdan gönderildi",
    "Στάλθηκε από το iPhone μου", "从我的iPhone发送", "发自我的 iPhone", "從我的 iPhone 傳送", "iPhoneから送信",
    "나의 iPhone에서 보냄", "نشلح من iPhone", "נשלח מה-iPhone שלי", "أُرسلت من الـ iPhone", "Sent with Proton Mail secure email.",
    "Sent via Superhuman iOS", "Sent from Front", "Sent from my BlackBerry 10 smartphone.", "Sent from my Huawei phone", "Sent from Nine",
    "Sent from my T-Mobile 5G Device", "Enviado desde mi Samsung Mobile de Telcel", "Sent from Gmail Mobile", "Dikirim dari iPhone saya", "Đã gửi từ iPhone của tôi",
    "ส่งจาก iPhone ของฉัน",
]  # fmt: skip


@pytest.mark.parametrize("line", MOBILE)
def test_mobile_signatures(line: str) -> None:
    assert new_text(f"{NEW}\n\n{line}").text == NEW
    assert new_text(f"{NEW}\n\n{line}\n\n{ATTRIBUTIONS[4]}\n{MARKED}").text == NEW


DISCLAIMERS = [
    "This message (including any attachments) contains confidential information intended for a specific individual.", "The information contained in this communication is confidential and may be legally privileged.",
    "IMPORTANT: The contents of this email and any attachments are confidential.", "CONFIDENTIALITY NOTICE: This e-mail is for the sole use of the intended recipient.",
    "Please consider the environment before printing this email", "Diese E-Mail enthält vertrauliche und/oder rechtlich geschützte Informationen.",
    "Wichtiger Hinweis: Diese E-Mail kann vertrauliche Informationen enthalten.", "Ce message et ses pièces jointes peuvent contenir des informations confidentielles ou privilégiées.",
    "Ce courriel est confidentiel et à l'usage exclusif du destinataire.", "Este mensaje y sus archivos adjuntos van dirigidos exclusivamente a su destinatario.",
    "AVISO LEGAL: Este mensaje puede contener información confidencial.", "En cumplimiento de la LOPD le informamos que sus datos son tratados.",
    "Le informazioni contenute in questo messaggio sono riservate.", "Questo messaggio e i suoi allegati sono indirizzati esclusivamente alle persone indicate.",
    "Ai sensi del D.Lgs. 196/2003 si precisa che", "De informatie in dit e-mailbericht is uitsluitend bestemd voor de geadresseerde.",
    "Dit bericht kan informatie bevatten die niet voor u is bestemd.", "Esta mensagem pode conter informação confidencial.",
    "Esta mensagem, incluindo seus anexos, pode conter informações privilegiadas.", "Denna e-post kan innehålla konfidentiell information.",
    "Detta meddelande är endast avsett för mottagaren och kan innehålla konfidentiell information.", "Denne e-post kan inneholde konfidensiell informasjon.",
    "Denne e-mail er fortrolig.", "Tämä viesti on luottamuksellinen ja tarkoitettu vain vastaanottajalle.",
    "Ta wiadomość może zawierać informacje poufne.", "Treść tej wiadomości może zawierać informacje poufne.",
    "Tato zpráva je důvěrná a určená pouze adresátovi.", "Это сообщение является конфиденциальным и предназначено только адресату.",
    "Данное сообщение содержит конфиденциальную информацию.", "Bu e-posta ve ekleri gizli bilgiler içerebilir.",
    "本邮件及其附件含有保密信息，仅限于发送给上面地址中列出的个人。", "このメールには機密情報が含まれている場合があります。",
    "이 메일은 기밀 정보를 포함할 수 있습니다.", "Virus-free.www.avast.com",
    "Diese E-Mail wurde von Avast-Antivirussoftware auf Viren geprüft.", "L'absence de virus dans ce courrier électronique a été vérifiée par le logiciel antivirus Avast.",
    "El software de antivirus Avast ha analizado este correo electrónico en busca de virus.", "This email has been scanned by the Symantec Email Security.cloud service.",
    "If you no longer wish to receive emails from us, unsubscribe here.",
]  # fmt: skip


@pytest.mark.parametrize("line", DISCLAIMERS)
def test_disclaimers(line: str) -> None:
    assert new_text(f"{NEW}\n\n{line} Unsubscribe if it is not wanted.").text == NEW


WARNINGS = [
    "CAUTION: This email originated from outside of the organization. Do not click links or open attachments unless you recognize the sender.", "[EXTERNAL EMAIL]",
    "EXTERNAL SENDER: be careful", "***EXTERNAL***",
    "Achtung: Diese E-Mail kommt von einem externen Absender!", "ACHTUNG! Diese E-Mail kam von außerhalb.",
    "Some people who received this message don't often get email from maya@out.example. Learn why this is important<https://aka.ms/x>", "You don't often get email from maya@out.example. Learn why this is important",
    "Sie erhalten nicht häufig E-Mails von maya@out.example. Erfahren Sie, warum dies wichtig ist", "Vous ne recevez pas souvent de courriers de la part de maya@out.example. Découvrez pourquoi cela peut être important",
    "ATTENTION: cet e-mail provient de l'extérieur.", "ATENCIÓN: Este correo se originó fuera de la organización.",
    "No suele recibir correo electrónico de maya@out.example.", "Non si riceve spesso posta elettronica da maya@out.example. Scopri perché è importante",
    "U ontvangt niet vaak e-mail van maya@out.example. Meer informatie", "Você não costuma receber emails de maya@out.example.",
    "WARNING: The sender of this email could not be validated and may not match the person in the \"From\" field.", "This Message Is From an External Sender\nThis message came from outside your organization.",
]  # fmt: skip


@pytest.mark.parametrize("line", WARNINGS)
def test_warnings_of_the_receiving_gateway(line: str) -> None:
    assert new_text(f"{line}\n\n{NEW}").text == NEW


PLAIN = [
    "On Monday 2 March at 10:15 Maya wrote that you offer a call:\nis that right?", "I wrote on 02.03.2026 10:15:\nplease stop.", "We wrote to you on 02.03.2026 at 10:15:\nno answer yet.",
    "Please note:\nFrom: 2 March we are closed.\nTo: nobody", "Subject: pricing\nWhat does it cost?", "Von: unserem Lager brauchen wir nichts.\nAn: alle",
    "No: thanks.\nTo: be fair, it looks good.", "Za: nas to nie je.\nDo: videnia", "Kam: ne\nNuo: dabar",
    "Cena: 10\nOd: zaraz", "Ab 2.3.2026 10:00 bin ich da, Kim schrieb auch schon:\nbitte warten.", "Name: Kim Lund\nPhone: 123\nCompany: Fjordbyg\nPlease call.",
    "1. yes\n2. no\n3. on 02/03/2026 10:15 we wrote:", "Sent from what you write, I think yes.\nKim", "Our iPhone app works with it.\nKim",
    "Does it run on iPhone?", "We only use Android phones", "I sent you a mail from my phone yesterday.\nPlease read it.",
    "Outlook for 2026: good.\nSend the offer.", "Date: 4 May\nTime: 10:00\nRoom: 5", "To: the point\nSubject: to approval",
    "Envoyez le devis à 10:15.", "Ich schrieb am Mo.: nein.\nEs bleibt dabei:\nkein Interesse.", "Confidential: our budget is 5 k.\nSend it.",
    "Disclaimer first, I am no expert.\nBut yes.", "This e-mail is what I waited for. Call me.", "Attention: we moved.\nNew address below.",
    "Extern sind wir nicht.\nAber danke.", "-- this is a dash\nok", "Best,\n\nKim\n\nP.S. call me",
    "Let me forward this to Ole. Forwarded message follows tomorrow.", "I said:\nno.", "Hi Maya,\n\nthe message looks confidential to me. Please remove me from your list.",
    "Hello,\n\nto unsubscribe I clicked your link, it fails.\n\nRemove me.",
]  # fmt: skip


@pytest.mark.parametrize("body", PLAIN)
def test_what_people_write_stays(body: str) -> None:
    assert new_text(body).text == body


PAGES = {
    "gmail": "<div dir=\"ltr\">Thanks, please send a quote.<br><br>Kim</div><br><div class=\"gmail_quote\"><div dir=\"ltr\" class=\"gmail_attr\">On Mon, Mar 2, 2026 at 10:15 AM Maya Lind &lt;<a href=\"mailto:maya@out.example\">maya@out.example</a>&gt; wrote:<br></div><blockquote class=\"gmail_quote\" style=\"margin:0\">Hi Kim<br>Reply STOP</blockquote></div>",
    "outlook": "<div class=\"WordSection1\"><p class=\"MsoNormal\">Thanks, please send a quote.<o:p></o:p></p><p class=\"MsoNormal\"><o:p>&nbsp;</o:p></p><p class=\"MsoNormal\">Kim<o:p></o:p></p><div style=\"border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0cm 0cm 0cm\"><p class=\"MsoNormal\"><b>Von:</b> Maya Lind &lt;maya@out.example&gt; <br><b>Gesendet:</b> Montag, 2. März 2026 10:15<br><b>An:</b> Kim<br><b>Betreff:</b> Orders</p></div><p>Hi Kim Reply STOP</p></div>",
    "owa": "<div>Thanks, please send a quote.</div><div><br></div><div>Kim</div><div id=\"appendonsend\"></div><hr style=\"display:inline-block;width:98%\"><div id=\"divRplyFwdMsg\"><b>From:</b> Maya<br><b>Sent:</b> Monday</div><div>Reply STOP</div>",
    "apple": "<html><body>Thanks, please send a quote.<div><br></div><div>Kim<br><div><br><blockquote type=\"cite\"><div>Am 02.03.2026 um 10:15 schrieb Maya Lind &lt;maya@out.example&gt;:</div><br><div>Reply STOP</div></blockquote></div></div></body></html>",
    "yahoo": "<div class=\"ydp1\"><div>Thanks, please send a quote.</div><div><br></div><div>Kim</div></div><div id=\"yahoo_quoted_123\" class=\"yahoo_quoted\"><div>On Monday, Maya wrote:</div><div>Reply STOP</div></div>",
    "thunderbird": "<p>Thanks, please send a quote.</p><p>Kim</p><div class=\"moz-cite-prefix\">Am 02.03.26 um 10:15 schrieb Maya Lind:<br></div><blockquote type=\"cite\" cite=\"mid:x\">Reply STOP</blockquote>",
    "proton": "<div style=\"font-family: Arial\">Thanks, please send a quote.</div><div><br></div><div>Kim</div><div class=\"protonmail_quote\">On Monday, Maya &lt;maya@out.example&gt; wrote:<br><blockquote class=\"protonmail_quote\">Reply STOP</blockquote></div>",
    "ios": "<html><body>Thanks, please send a quote.<br><br>Kim<br><br><div dir=\"ltr\">Von meinem iPhone gesendet</div><div dir=\"ltr\"><br><blockquote type=\"cite\">Am 02.03.2026 um 10:15 schrieb Maya &lt;maya@out.example&gt;:<br><br></blockquote></div><blockquote type=\"cite\"><div dir=\"ltr\">Reply STOP</div></blockquote></body></html>",
    "gmx": "<div>Thanks, please send a quote.</div><div>&nbsp;</div><div>Kim</div><div name=\"quote\" style=\"margin:10px 5px;border-left:2px solid #C3D9E5;\"><div style=\"margin:0\"><b>Gesendet:</b>&nbsp;Montag, 02. M&auml;rz 2026 um 10:15 Uhr<br/><b>Von:</b>&nbsp;\"Maya Lind\" &lt;maya@out.example&gt;<br/><b>An:</b>&nbsp;kim@f.example<br/><b>Betreff:</b>&nbsp;Orders</div><div>Reply STOP</div></div>",
    "zoho": "<div>Thanks, please send a quote.<br></div><div><br></div><div>Kim</div><div class=\"zmail_extra\"><div id=\"1\">---- On Mon, 02 Mar 2026 <b>Maya</b> wrote ----</div><blockquote>Reply STOP</blockquote></div>",
    "qq": "<div>Thanks, please send a quote.</div><div><br></div><div>Kim</div><div style=\"font-size:12px;\">------------------&nbsp;原始邮件&nbsp;------------------</div><div><b>发件人:</b> \"Maya\"&lt;maya@out.example&gt;</div><div>Reply STOP</div>",
    "163": "<div>Thanks, please send a quote.</div><div><br></div><div>Kim</div><pre><br>At 2026-03-02 10:15:00, \"Maya Lind\" &lt;maya@out.example&gt; wrote:\n</pre><blockquote id=\"isReplyContent\">Reply STOP</blockquote>",
    "yandex": "<div>Thanks, please send a quote.</div><div> </div><div>Kim</div><div> </div><div>02.03.2026, 10:15, \"Maya Lind\" &lt;maya@out.example&gt;:</div><blockquote><p>Reply STOP</p></blockquote>",
    "mailru": "<HTML><BODY>Thanks, please send a quote.<br><br>Kim<br><br><br><br><blockquote style=\"border-left:1px solid #0857A6;\">Понедельник, 2 марта 2026, 10:15 +03:00 от Maya &lt;maya@out.example&gt;:<br>Reply STOP</blockquote></BODY></HTML>",
    "samsung": "<html><body>Thanks, please send a quote.<div><br></div><div>Kim</div><div id=\"composer_signature\"><div style=\"font-size:85%\">Von meinem Galaxy gesendet</div></div><div><br></div><div style=\"font-size:100%\"><!-- originalMessage --><div>-------- Ursprüngliche Nachricht --------</div><div>Von: Maya &lt;maya@out.example&gt; </div><div>Datum: 02.03.26 10:15 (GMT+01:00) </div><div>Betreff: Orders </div></div>Reply STOP</body></html>",
    "notes": "<font>Thanks, please send a quote.<br><br>Kim</font><br><br><br><font>From: &nbsp; &nbsp; &nbsp; &nbsp;</font><font>&quot;Maya Lind&quot; &lt;maya@out.example&gt;</font><br><font>To: &nbsp; &nbsp; &nbsp; &nbsp;</font><font>&lt;kim@f.example&gt;</font><br><font>Date: &nbsp; &nbsp; &nbsp;</font><font>02.03.2026 10:15</font><br><font>Subject: &nbsp; &nbsp;</font><font>Orders</font><br><hr noshade><br>Reply STOP",
    "notes-table": "<font>Thanks, please send a quote.<br><br>Kim</font><br><table width=100%><tr><td><font><b>Maya Lind &lt;maya@out.example&gt;</b></font><p><font>02.03.2026 10:15</font><td><table><tr><td>To<td>Kim<tr><td>Subject<td>Orders</table></table><br>Reply STOP",
    "tutanota": "<div>Thanks, please send a quote.<br></div><div><br></div><div>Kim<br></div><div>2. März 2026, 10:15 von maya@out.example:<br></div><blockquote class=\"tutanota_quote\">Reply STOP</blockquote>",
    "hey": "<div class=\"trix-content\"><div>Thanks, please send a quote.<br><br>Kim</div></div><br><div>On March 2, 2026, Maya Lind &lt;maya@out.example&gt; wrote:</div><blockquote>Reply STOP</blockquote>",
}  # fmt: skip


@pytest.mark.parametrize("program", PAGES)
def test_pages_of_mail_programs(program: str) -> None:
    assert re.sub(r"\n+", "\n", new_text(html_to_text(PAGES[program])).text) == NEW.replace("\n\n", "\n")
