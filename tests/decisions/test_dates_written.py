"""Return dates as people write them in seven languages: any day, ranges over the year's end, numbered weeks, part time."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbox.dates import return_date
from inbox.part_time import WEEK, next_working_day, working_week

MONTHS = {
    "en": "January February March April May June July August September October November December",
    "de": "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
    "fr": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    "es": "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
    "it": "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
    "nl": "januari februari maart april mei juni juli augustus september oktober november december",
    "pt": "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro",
}
DAY = {"de": "{}. {}", "es": "{} de {}", "pt": "{} de {}"}
UNTIL = {"en": "I am out of the office until {}.", "de": "Ich bin bis zum {} nicht im Büro.", "fr": "Je suis absent jusqu'au {}.", "es": "Estoy fuera de la oficina hasta el {}.", "it": "Sono fuori ufficio fino al {}.", "nl": "Ik ben afwezig tot {}.", "pt": "Estou ausente até {}."}  # fmt: skip
BACK = {"en": "I will be back on {}.", "de": "Ab dem {} bin ich wieder da.", "fr": "Je serai de retour le {}.", "es": "Vuelvo el {}.", "it": "Rientro il {}.", "nl": "Op {} ben ik weer bereikbaar.", "pt": "Regresso a {}."}  # fmt: skip
RANGE = {"en": "I am on leave from {} to {}.", "de": "Ich bin vom {} bis {} im Urlaub.", "fr": "Fermeture du {} au {}.", "es": "Cerrado del {} al {}.", "it": "Chiusura dal {} al {}.", "nl": "Gesloten van {} t/m {}.", "pt": "Férias de {} a {}."}  # fmt: skip
DAYS = st.dates(date(2024, 1, 1), date(2032, 12, 31))
AHEAD = st.integers(2, 300)


def written(on: date, language: str, *, year: bool) -> str:
    said = DAY.get(language, "{} {}").format(on.day, MONTHS[language].split()[on.month - 1])
    return f"{said} {'de ' if language in ('es', 'pt') else ''}{on.year}" if year else said


@pytest.mark.parametrize("language", MONTHS)
@given(sent_on=DAYS, ahead=AHEAD, year=st.booleans())
def test_any_day_ahead_is_found(language: str, sent_on: date, ahead: int, year: bool) -> None:
    on = sent_on + timedelta(days=ahead)
    said = written(on, language, year=year)
    assert return_date(UNTIL[language].format(said), sent_on, language).on == on
    assert return_date(BACK[language].format(said), sent_on, language).on == on


@pytest.mark.parametrize("language", MONTHS)
@given(sent_on=DAYS, ahead=st.integers(1, 120), length=st.integers(1, 60), year=st.booleans())
def test_a_range_ends_the_day_after_its_end(language: str, sent_on: date, ahead: int, length: int, year: bool) -> None:
    first = sent_on + timedelta(days=ahead)
    last = first + timedelta(days=length)
    text = RANGE[language].format(written(first, language, year=year), written(last, language, year=year))
    assert return_date(text, sent_on, language).on == last + timedelta(days=1)


@pytest.mark.parametrize("language", MONTHS)
@given(year=st.integers(2024, 2032), sent=st.integers(1, 30), first=st.integers(20, 31), last=st.integers(1, 20))
def test_ranges_over_the_end_of_the_year(language: str, year: int, sent: int, first: int, last: int) -> None:
    text = RANGE[language].format(written(date(year, 12, first), language, year=False),
                                  written(date(year + 1, 1, last), language, year=False))  # fmt: skip
    for sent_on in (date(year, 11, sent), date(year, 12, min(first, 28))):
        assert return_date(text, sent_on, language).on == date(year + 1, 1, last) + timedelta(days=1)


WEEKS = {"en": ("until week {}", "back in week {}", "away weeks {}-{}"), "de": ("bis KW {} im Urlaub", "ab KW {} wieder da", "KW {} bis KW {} im Urlaub"), "fr": ("absent jusqu'à la semaine {}", "de retour en semaine {}", "absent semaines {} à {}"), "es": ("ausente hasta la semana {}", "vuelvo la semana {}", "ausente semanas {} a {}"), "it": ("in ferie fino alla settimana {}", "rientro nella settimana {}", "in ferie settimane {} - {}"), "nl": ("afwezig tot week {}", "in week {} weer bereikbaar", "afwezig week {} t/m {}"), "pt": ("de férias até à semana {}", "regresso na semana {}", "ausente semanas {} a {}")}  # fmt: skip


@pytest.mark.parametrize("language", WEEKS)
@given(sent_on=DAYS, week=st.integers(1, 52))
def test_numbered_weeks(language: str, sent_on: date, week: int) -> None:
    until, back, both = WEEKS[language]
    for text in (until, back):
        on = return_date(text.format(week), sent_on, language).on
        if on is None:
            assert sent_on.isocalendar().week == week  # it is this week: they are back, or will be soon
            continue
        assert (on.isocalendar().week, on.weekday()) == (week, 0)
        assert timedelta(0) < on - sent_on <= timedelta(days=371)
    if week < 52 and week > sent_on.isocalendar().week:
        after = return_date(both.format(week, week + 1), sent_on, language).on
        assert after == date.fromisocalendar(sent_on.isocalendar().year, week + 1, 1) + timedelta(days=7)


@pytest.mark.parametrize(
    ("language", "text", "on"),
    [
        ("de", "Bin in der KW 19 im Urlaub.", date(2026, 5, 11)),
        ("de", "Ich bin bis einschließlich KW 34 abwesend.", date(2026, 8, 24)),
        ("de", "Ich bin erst in der 34. KW wieder im Büro.", date(2026, 8, 17)),
        ("de", "Betriebsferien: KW 32/33", date(2026, 8, 17)),
        ("nl", "Ik ben afwezig t/m week 33.", date(2026, 8, 17)),
        ("en", "In week 17 we ship your order.", None),
        ("en", "I am out for 3 weeks.", date(2026, 5, 11)),
    ],
)
def test_weeks_in_sentences(language: str, text: str, on: date | None) -> None:
    assert return_date(text, date(2026, 4, 20), language).on == on


SCHEDULES = [
    ("I work Monday to Wednesday only.", "012"), ("I work part-time (Mon-Wed).", "012"), ("My working days are Tuesday, Wednesday and Thursday.", "123"), ("Please note I don't work on Fridays.", "0123"), ("I am not in the office on Thursdays and Fridays.", "012"),
    ("Ich arbeite in Teilzeit und bin montags bis mittwochs erreichbar.", "012"), ("Freitags bin ich nicht im Büro.", "0123"), ("Meine Arbeitstage sind Dienstag und Donnerstag.", "13"), ("Ich arbeite Mo-Do.", "0123"), ("Ich arbeite montags nicht.", "1234"),
    ("Je travaille du lundi au mercredi.", "012"), ("Je ne travaille pas le vendredi.", "0123"), ("Je suis à temps partiel, absent le mercredi.", "0134"), ("Trabajo de lunes a miércoles.", "012"), ("No trabajo los viernes.", "0123"),
    ("Lavoro dal lunedì al mercoledì.", "012"), ("Non lavoro il venerdì.", "0123"), ("Ik werk op maandag, dinsdag en donderdag.", "013"), ("Op vrijdag werk ik niet.", "0123"), ("Ik werk van maandag t/m woensdag.", "012"), ("Trabalho de segunda a quarta.", "012"), ("Não trabalho à sexta-feira.", "0123"),
    ("Our support works Monday to Friday, 9 to 5.", ""), ("Unsere Bürozeiten: Montag bis Freitag 9-17 Uhr.", ""), ("Nos horaires : du lundi au vendredi.", ""), ("I work in sales.", ""), ("I am back at work on Monday.", ""), ("Ich arbeite ab Montag wieder.", ""), ("I work Monday to Friday.", ""),
]  # fmt: skip


@pytest.mark.parametrize(("text", "days"), SCHEDULES)
def test_weekly_schedules(text: str, days: str) -> None:
    found = working_week(text).days
    assert found == (frozenset(map(int, days)) if days else None)
    for day in range(14):
        sent_on = date(2026, 4, 20) + timedelta(days=day)
        on = return_date(text, sent_on).on
        if found:
            assert on is not None
            assert on.weekday() in found
            assert sent_on < on <= sent_on + timedelta(days=7)


def test_a_date_beats_the_weekly_schedule() -> None:
    assert return_date("I am out until 4 May. I work Monday to Wednesday.", date(2026, 4, 20)).on == date(2026, 5, 4)
    assert return_date("Meine Arbeitstage sind Mo-Mi. Bis 11.05. im Urlaub.", date(2026, 4, 20), "de").on == date(2026, 5, 11)  # fmt: skip


@given(DAYS, st.frozensets(st.sampled_from(sorted(WEEK)), min_size=1))
def test_the_next_working_day_is_the_first(after: date, days: frozenset[int]) -> None:
    on = next_working_day(after, days)
    assert on.weekday() in days
    assert not any((after + timedelta(days=ahead)).weekday() in days for ahead in range(1, (on - after).days))


@given(st.text(max_size=300))
def test_any_text_keeps_its_length(text: str) -> None:
    assert len(working_week(text).rest) == len(text)
