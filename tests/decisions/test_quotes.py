"""What did the sender write themselves? Every mail program quotes in its own way and language."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbox.html_text import html_to_text
from inbox.quotes import new_text

OURS = "Hi Chris,\n\ndo your planners still copy orders by hand?\n\nBest,\nMaya\n\nNot relevant? Reply STOP and I will not write again."
MARKED = "\n".join(f"> {line}" for line in OURS.split("\n"))
NEW = "Please send me a quote.\n\nChris"

ATTRIBUTIONS = [
    "On Mon, Mar 2, 2026 at 10:15 AM Maya Lind <maya@out.example> wrote:", "On 2 Mar 2026, at 10:15, Maya Lind <maya@out.example> wrote:", "On 02/03/2026 10:15, Maya Lind wrote:",
    "Am 02.03.2026 um 10:15 schrieb Maya Lind <maya@out.example>:", "Am Mo., 2. März 2026 um 10:15 Uhr schrieb Maya Lind <\nmaya@out.example>:", "Maya Lind <maya@out.example> schrieb am Mo., 2. März 2026, 10:15:",
    "Le lun. 2 mars 2026 à 10:15, Maya Lind <maya@out.example> a écrit :", "Le 02/03/2026 à 10:15, Maya Lind a écrit :", "El lun, 2 mar 2026 a las 10:15, Maya Lind (<maya@out.example>) escribió:",
    "Il giorno lun 2 mar 2026 alle ore 10:15 Maya Lind <maya@out.example> ha scritto:", "Op ma 2 mrt 2026 om 10:15 schreef Maya Lind <maya@out.example>:", "Em seg., 2 de mar. de 2026 às 10:15, Maya Lind <maya@out.example> escreveu:",
    "Den mån 2 mars 2026 kl 10:15 skrev Maya Lind <maya@out.example>:", "Den man. 2. mar. 2026 kl. 10.15 skrev Maya Lind <maya@out.example>:", "ma 2. maalisk. 2026 klo 10.15 Maya Lind (maya@out.example) kirjoitti:",
    "pon., 2 mar 2026 o 10:15 Maya Lind <maya@out.example> napisał(a):", "W dniu 2.03.2026 o 10:15, Maya Lind pisze:", "po 2. 3. 2026 v 10:15 odesílatel Maya Lind <maya@out.example> napsal:", "Dňa po 2. 3. 2026 o 10:15 Maya Lind <maya@out.example> napísal(a):",
    "Maya Lind <maya@out.example> ezt írta (időpont: 2026. márc. 2., H, 10:15):", "În lun., 2 mar. 2026 la 10:15, Maya Lind <maya@out.example> a scris:", "пн, 2 мар. 2026 г. в 10:15, Maya Lind <maya@out.example>:", "2 марта 2026 г., 10:15, Maya Lind пишет:",
    "Maya Lind <maya@out.example>, 2 Mar 2026 Pzt, 10:15 tarihinde şunu yazdı:", "Στις Δευ 2 Μαρ 2026 στις 10:15 π.μ., ο χρήστης Maya Lind <maya@out.example> έγραψε:", "Maya Lind <maya@out.example> 于2026年3月2日周一 10:15写道：", "2026年3月2日(月) 10:15 Maya Lind <maya@out.example>:",
    "2026년 3월 2일 (월) 오전 10:15, Maya Lind <maya@out.example>님이 작성:", "On Mon, Mar 2, 2026 at 10:15 AM Maya Lind via Sales Team\n<maya@out.example> wrote:",
]  # fmt: skip


@pytest.mark.parametrize("line", ATTRIBUTIONS)
@pytest.mark.parametrize("marked", [True, False])
def test_attribution_lines(line: str, marked: bool) -> None:
    found = new_text(f"{NEW}\n\n{line}\n\n{MARKED if marked else OURS}")
    assert found.text == NEW
    assert found.quoted
    assert not found.forwarded


HEADERS = [
    "From: Maya Lind <maya@out.example>\nSent: Monday, March 2, 2026 10:15 AM\nTo: Chris\nSubject: Orders", "*From:* Maya Lind <maya@out.example>\n*Sent:* Monday\n*To:* Chris\n*Subject:* Orders", "Von: Maya Lind\nGesendet: Montag, 2. März 2026 10:15\nAn: Chris\nBetreff: Orders",
    "De : Maya Lind <maya@out.example>\nEnvoyé : lundi 2 mars 2026 10:15\nÀ : Chris\nObjet : Orders", "De: Maya Lind\nEnviado el: lunes, 2 de marzo de 2026\nPara: Chris\nAsunto: Orders", "Da: Maya Lind\nInviato: lunedì 2 marzo 2026\nA: Chris\nOggetto: Orders",
    "Van: Maya Lind\nVerzonden: maandag 2 maart 2026\nAan: Chris\nOnderwerp: Orders", "De: Maya Lind\nEnviada em: segunda-feira, 2 de março de 2026\nPara: Chris\nAssunto: Orders", "Från: Maya Lind\nSkickat: den 2 mars 2026\nTill: Chris\nÄmne: Orders", "Fra: Maya Lind\nSendt: 2. mars 2026\nTil: Chris\nEmne: Orders",
    "Lähettäjä: Maya Lind\nLähetetty: 2. maaliskuuta 2026\nVastaanottaja: Chris\nAihe: Orders", "Od: Maya Lind\nWysłano: 2 marca 2026\nDo: Chris\nTemat: Orders", "Od: Maya Lind\nOdesláno: 2. března 2026\nKomu: Chris\nPředmět: Orders", "Feladó: Maya Lind\nKüldve: 2026. március 2.\nCímzett: Chris\nTárgy: Orders",
    "От: Maya Lind\nОтправлено: 2 марта 2026\nКому: Chris\nТема: Orders", "Kimden: Maya Lind\nGönderilme: 2 Mart 2026\nKime: Chris\nKonu: Orders", "发件人: Maya Lind\n发送时间: 2026年3月2日\n收件人: Chris\n主题: Orders", "差出人: Maya Lind\n送信日時: 2026年3月2日\n宛先: Chris\n件名: Orders", "보낸 사람: Maya Lind\n보낸 날짜: 2026년 3월 2일\n받는 사람: Chris\n제목: Orders",
]  # fmt: skip


@pytest.mark.parametrize("block", HEADERS)
@pytest.mark.parametrize("rule", ["", "________________________________\n", "-----Ursprüngliche Nachricht-----\n"])
def test_header_blocks(block: str, rule: str) -> None:
    assert new_text(f"{NEW}\n\n{rule}{block}\n\n{OURS}").text == NEW


def test_what_we_sent_is_subtracted_however_it_was_quoted() -> None:
    wrapped = OURS.replace("orders by hand", "orders\nby hand")
    assert new_text(f"{NEW}\n\n{wrapped}", [OURS]).text.startswith(NEW)
    assert "STOP" not in new_text(f"{NEW}\n\n{wrapped}", [OURS]).text


def test_inline_answers_stay() -> None:
    body = "Hi Maya,\n\nOn Mon, Mar 2, 2026 at 10:15 AM Maya Lind <maya@out.example> wrote:\n> do your planners still copy orders by hand?\n\nYes, they do.\n\n> Not relevant? Reply STOP and I will not write again.\n\nNo need.\n"
    found = new_text(body)
    assert (found.text, found.inline) == ("Hi Maya,\n\nYes, they do.\n\nNo need.", True)


def test_an_answer_below_the_quote_stays() -> None:
    assert (
        new_text(f"Am 02.03.2026 um 10:15 schrieb Maya Lind:\n{MARKED}\n\nBitte keine Mails mehr.").text
        == "Bitte keine Mails mehr."
    )


FORWARDS = ["---------- Forwarded message ---------", "Begin forwarded message:", "-------- Weitergeleitete Nachricht --------", "---------- Message transféré ----------", "---------- Mensaje reenviado ----------", "---------- Messaggio inoltrato ----------", "---------- Doorgestuurd bericht ----------", "---------- Mensagem encaminhada ----------"]  # fmt: skip


@pytest.mark.parametrize("mark", FORWARDS)
def test_forwards(mark: str) -> None:
    found = new_text(
        f"fyi\n\n{mark}\nFrom: Maya Lind <maya@out.example>\nDate: Mon, 2 Mar 2026\nSubject: Orders\n\n{OURS}"
    )
    assert (found.text, found.forwarded) == ("fyi", True)


ENDINGS = [
    f"{NEW}\n\n-- \nChris Field\nAcme", f"{NEW}\n\nSent from my iPhone", f"{NEW}\n\nVon meinem iPhone gesendet", f"{NEW}\n\nEnvoyé de mon iPhone", f"{NEW}\n\nEnviado desde mi iPhone", f"{NEW}\n\nInviato da iPhone", f"{NEW}\n\nVerstuurd vanaf mijn iPhone", f"{NEW}\n\nEnviado do meu iPhone", f"{NEW}\n\nGet Outlook for iOS",
    f"{NEW}\n\nThis e-mail and any attachments are confidential and intended solely for the addressee. Unsubscribe.", f"{NEW}\n\nDiese E-Mail ist vertraulich und nur für den Empfänger bestimmt.", f"{NEW}\n\nCe message est confidentiel et destiné à son destinataire.", f"CAUTION: This email originated from outside of the organization. Do not click links.\n\n{NEW}", f"{NEW}\n\nVirus-free. www.avast.com",
]  # fmt: skip


@pytest.mark.parametrize("body", ENDINGS)
def test_endings(body: str) -> None:
    assert new_text(body).text == NEW


PLAIN = [
    "My colleague wrote to you on Monday: we need a quote.", "From: what you say, it fits.\nCall me.", "To be clear:\n- no\n- yes", "I wrote this in 2024:\nplease stop.", "Data: we store it in Kiel.\nA: nothing else.", "Am Montag um 10:15 wäre gut:\nTeams oder Telefon?",
    "On 3 March at 10:00 I am free, then my boss decides:\ncall him.", "De: rien, merci.\nBonne journée",
]  # fmt: skip


@pytest.mark.parametrize("body", PLAIN)
def test_plain_sentences_are_no_quotes(body: str) -> None:
    assert new_text(body).text == body


def test_html_only() -> None:
    page = ("<html><head><style>p{}</style></head><body><p>Bitte <b>kein</b> Angebot.</p><div style='display:none'>hidden</div><div class='gmail_quote'>"
            "<div class='gmail_attr'>2 xyz Maya &lt;maya@out.example&gt; kirjutas:<br></div><blockquote>Reply STOP<br>now</blockquote></div></body></html>")  # fmt: skip
    assert new_text(html_to_text(page)).text == "Bitte kein Angebot."


@given(st.text(max_size=600))
def test_any_text_is_read(body: str) -> None:
    found = new_text(body, [OURS])
    assert len(found.text) <= len(body) + 2


@given(
    st.lists(st.sampled_from(["> a", "", "On 2026 x wrote:", "From: a", "To: b", "-- ", "text", "_" * 30]), max_size=30)
)
def test_nothing_invented(lines: list[str]) -> None:
    assert set(new_text("\n".join(lines)).text.split("\n")) <= {line.strip() for line in lines} | {""}
