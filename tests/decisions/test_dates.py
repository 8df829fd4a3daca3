"""When is the absent sender back? Phrases of seven languages, and the traps."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbox.dates import return_date

SENT = date(2026, 4, 20)  # a Monday
PHRASES = [
    ("en", "I am out of the office until 4 May.", date(2026, 5, 4)),
    ("en", "I will be back on May 4th.", date(2026, 5, 4)),
    ("en", "I'm away until 4 May inclusive.", date(2026, 5, 5)),
    ("en", "On leave from 1 May to 14 May.", date(2026, 5, 15)),
    ("en", "Out of office through May 8, 2026", date(2026, 5, 9)),
    ("en", "I will return on Monday.", date(2026, 4, 27)),
    ("en", "I am back next week.", date(2026, 4, 27)),
    ("en", "I'll be back in two weeks.", date(2026, 5, 4)),
    ("en", "I am away until the 28th.", date(2026, 4, 28)),
    ("en", "Away, returning 2026-05-11.", date(2026, 5, 11)),
    ("en", "I am on holiday until 3 January.", date(2027, 1, 3)),
    ("de", "Ich bin bis zum 04.05.2026 nicht im Büro.", date(2026, 5, 4)),
    ("de", "Ich bin ab dem 12.05. wieder erreichbar.", date(2026, 5, 12)),
    ("de", "Ich bin vom 24.04. bis 30.04. im Urlaub.", date(2026, 5, 1)),
    ("de", "Ab Montag bin ich wieder da.", date(2026, 4, 27)),
    ("de", "Bis einschließlich 4. Mai bin ich abwesend.", date(2026, 5, 5)),
    ("de", "Ich bin nächste Woche wieder zurück.", date(2026, 4, 27)),
    ("fr", "Je suis absente du bureau jusqu'au 4 mai.", date(2026, 5, 4)),
    ("fr", "De retour le 11 mai 2026.", date(2026, 5, 11)),
    ("fr", "Je suis en congés jusqu'au 4 mai inclus.", date(2026, 5, 5)),
    ("es", "Estaré fuera de la oficina hasta el 4 de mayo.", date(2026, 5, 4)),
    ("es", "Vuelvo el 11 de mayo de 2026.", date(2026, 5, 11)),
    ("it", "Sono in ferie fino al 4 maggio.", date(2026, 5, 4)),
    ("it", "Rientro il 11 maggio.", date(2026, 5, 11)),
    ("nl", "Ik ben afwezig tot 4 mei.", date(2026, 5, 4)),
    ("nl", "Ik ben op 11 mei weer bereikbaar.", date(2026, 5, 11)),
    ("pt", "Estou de férias até 4 de maio.", date(2026, 5, 4)),
    ("pt", "Volto no dia 11 de maio.", date(2026, 5, 11)),
    ("en", "I am out of the office. Meet us at the webinar on 4 May.", None),
    ("en", "I no longer work here. Until 4 May write to Anna.", None),
    ("en", "I am out. Our office hours are 9 to 5, ext. 12.05", None),
    ("en", "Closed 3 to 7 May. Reopening Monday 11 May.", date(2026, 5, 11)),
    ("en", "Out until 27 May; the invoices are due on 30 May.", date(2026, 5, 27)),
    ("en", "I'm on leave through the end of August.", date(2026, 9, 1)),
    ("en", "Out 4/27 through 5/1, back at it 5/4.", date(2026, 5, 4)),
    ("de", "Vom 2. bis 6. Mai geschlossen, ab dem 11. wieder da.", date(2026, 5, 11)),
    ("de", "Montag in einer Woche wieder da.", date(2026, 5, 4)),
    ("de", "Bin übermorgen wieder im Büro.", date(2026, 4, 22)),
    ("fr", "Fermeture du 24 au 30 avril inclus.", date(2026, 5, 1)),
    ("fr", "Nos bureaux rouvrent le lundi 27 avril.", date(2026, 4, 27)),
    ("fr", "De nouveau joignable dès le 3.", date(2026, 5, 3)),
    ("es", "Estoy de permiso hasta el 19/10/2026. Me reintegro el 20.", date(2026, 10, 20)),
    ("es", "Volvemos el lunes 27 con las pilas cargadas.", date(2026, 4, 27)),
    ("it", "Chiuso dal 24 al 30 aprile, si riapre il primo maggio.", date(2026, 5, 1)),
    ("it", "Lunedì a otto torno tra i vivi.", date(2026, 5, 4)),
    ("nl", "Afwezig t/m 1 mei.", date(2026, 5, 2)),
    ("nl", "Ik ben met verlof van 2 maart tot 6 juli.", date(2026, 7, 6)),
    ("nl", "Maandag over een week weer bereikbaar.", date(2026, 5, 4)),
    ("pt", "Férias de 24 a 30 de abril. Retomo dia 4.", date(2026, 5, 4)),
    ("pt", "Os serviços reabrem na quarta, 29/04.", date(2026, 4, 29)),
    ("de", "Ich bin nicht mehr für das Unternehmen tätig, ab 4.5. übernimmt Frau Abt.", None),
]


@pytest.mark.parametrize(("language", "text", "expected"), PHRASES, ids=[row[1][:40] for row in PHRASES])
def test_phrases(language: str, text: str, expected: date | None) -> None:
    assert return_date(text, SENT, language).on == expected


def test_a_slash_date_may_be_ambiguous() -> None:
    found = return_date("I am away until 05/04/2026", date(2026, 3, 1), "en")
    assert found.ambiguous
    assert not return_date("Je suis absent jusqu'au 05/04/2026", date(2026, 3, 1), "fr").ambiguous


@given(st.text(max_size=400), st.dates(date(2020, 1, 1), date(2030, 1, 1)))
def test_any_text_gives_a_plausible_answer(text: str, sent_on: date) -> None:
    found = return_date(text, sent_on, "en").on
    assert found is None or (found - sent_on).days >= -1


@pytest.mark.parametrize(
    "piece", ["1. ", "on ", "31/12 ", "12.12", "bis ", "\n", "the 3rd ", "lunes 4 y ", "in 2 weeks ", "monday ", "1-"]
)
def test_long_texts_are_read_quickly_enough_to_finish(piece: str) -> None:
    return_date(piece * 4_000, SENT, "en")
