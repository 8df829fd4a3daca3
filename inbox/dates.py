"""When is the absent sender back? A small grammar over seven languages, anchored on the message's Date header.

A date counts only where the words around it speak of the absence: dates of events, office hours, extensions and ticket
stamps do not. Dotted dates are day-first; a year-less date in the past is next year's.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

LONGEST = 4_000
FARTHEST = timedelta(days=500)
_MONTHS = {
    1: "january jan januar jänner jän janvier janv enero ene gennaio gen januari janeiro",
    2: "february feb februar feber février févr fevrier febrero febbraio febbr februari fevereiro fev",
    3: "march mar märz maerz mrz mars marzo maart mrt março marco",
    4: "april apr avril avr abril abr aprile",
    5: "may mai mayo maggio mag mei maio",
    6: "june jun juni juin junio giugno giu junho",
    7: "july jul juli juillet juil julio luglio lug julho",
    8: "august aug août aout agosto ago augustus",
    9: "september sep sept septembre septiembre settembre set setembro",
    10: "october oct oktober okt octobre octubre ottobre ott outubro out",
    11: "november nov novembre noviembre novembro",
    12: "december dec dezember dez décembre déc decembre diciembre dic dicembre dezembro",
}
_MONTH = {name: number for number, names in _MONTHS.items() for name in names.split()}
_DAYS = {
    0: "monday mon montag lundi lunes lunedì lunedi maandag segunda-feira segunda",
    1: "tuesday tue dienstag mardi martes martedì martedi dinsdag terça-feira terça",
    2: "wednesday wed mittwoch mercredi miércoles miercoles mercoledì mercoledi woensdag quarta-feira quarta",
    3: "thursday thu donnerstag jeudi jueves giovedì giovedi donderdag quinta-feira quinta",
    4: "friday fri freitag vendredi viernes venerdì venerdi vrijdag sexta-feira sexta",
    5: "saturday sat samstag sonnabend samedi sábado sabado sabato zaterdag",
    6: "sunday sun sonntag dimanche domingo domenica zondag",
}
_DAY = {name: number for number, names in _DAYS.items() for name in names.split()}
_NUMBERS = {name: number for number, names in {
    1: "a an one einer einem eine ein une un una uno een één uma um", 2: "two zwei deux dos due twee duas dois",
    3: "three drei trois tres tre drie três", 4: "four vier quatre cuatro quattro", 6: "six sechs seis sei zes"}.items()
    for name in names.split()}  # fmt: skip
_M = "|".join(sorted(map(re.escape, _MONTH), key=len, reverse=True))
_D = "|".join(sorted(map(re.escape, _DAY), key=len, reverse=True))
_ORD = r"(?:st|nd|rd|th|er|º|ª|°)?"
_DATE = re.compile(
    rf"(?P<iso>\b(?P<iy>20\d\d)-(?P<im>\d\d)-(?P<id>\d\d)\b)"
    rf"|(?P<dot>(?<![\d.])(?P<dd>\d{{1,2}})\.\s?(?P<dm>\d{{1,2}})\.(?:\s?(?P<dy>20\d\d|\d\d)(?!\d))?)"
    rf"|(?P<slash>(?<![\d/])(?P<sa>\d{{1,2}})[/-](?P<sb>\d{{1,2}})(?:[/-](?P<sy>20\d\d|\d\d))?(?![\d/]))"
    rf"|(?P<word>(?<!\d)(?P<wd>\d{{1,2}}){_ORD}\.?\s+(?:of\s+|de\s+|d'|di\s+)?(?P<wm>{_M})\b\.?(?:,?\s+(?:de\s+|del\s+)?(?P<wy>20\d\d))?)"
    rf"|(?P<us>\b(?P<um>{_M})\b\.?\s+(?:the\s+)?(?P<ud>\d{{1,2}}){_ORD}(?!\d)(?:,?\s+(?P<uy>20\d\d))?)"
    rf"|(?P<bare>\bthe\s+(?P<bd>\d{{1,2}})(?:st|nd|rd|th)\b)",
    re.IGNORECASE,
)
_BACK = (
    r"back|return(?:ing)?|available again|in the office again|resume|wieder|zurück|zurueck|erreichbar (?:bin ich )?(?:wieder )?ab|retour|"
    r"de retour|reviens|rentre|reprends?|joignable|vuelvo|vuelta|regreso|regresar|reincorpor|disponible|rientr|torno|ritorn|sarò (?:di nuovo|in ufficio)|"
    r"terug|weer (?:aanwezig|bereikbaar|beschikbaar)|volto|voltar|regress|retorn|de volta|novamente"
)
_UNTIL = (
    r"until|till|til|through|thru|bis|jusqu|hasta|fino|sino|tot|até|ate|up to|to and including|t/m|bis zum|up until"
)
_CONTEXT = re.compile(rf"(?P<back>\b(?:{_BACK}))|(?P<until>\b(?:{_UNTIL}))", re.IGNORECASE)
_INCLUSIVE = re.compile(
    r"through|thru|inclusi|einschlie|einschl\.|inkl|inclus|compris|incluido|incluso|compreso|tot en met|t/m|to and including|inclusive",
    re.IGNORECASE,
)
_NOT_ABSENCE = re.compile(
    r"(?:event|webinar|conference|fair|messe|summit|trade show|salon|feria|fiera|beurs|feira|seminar|workshop|price|preis|prix|precio|offer|angebot|"
    r"ticket|case|ref|version|hours|sprechzeiten|öffnungszeiten|opening|horaires|horario|orari|tel|phone|ext|telefon|durchwahl|fax|founded|since|seit|"
    r"received on|deadline|invoice|rechnung|facture)\W+(?:\w+\W+){0,5}$",
    re.IGNORECASE,
)
_RELATIVE = re.compile(
    rf"(?P<inw>\b(?:in|dans|en|tra|fra|over|dentro de|em|binnen)\s+(?P<n>\d{{1,2}}|{'|'.join(_NUMBERS)})\s+(?P<unit>days?|tage[n]?|jours?|días?|dias?|giorni|dagen|weeks?|wochen?|semaines?|semanas?|settiman[ae]|weken|week))"
    r"|(?P<nextw>\b(?:next week|nächste[rn]? woche|kommende[rn]? woche|la semaine prochaine|la próxima semana|la proxima semana|la prossima settimana|volgende week|na próxima semana|próxima semana))"
    r"|(?P<tomorrow>\b(?:tomorrow|morgen|demain|mañana|domani|amanhã)\b)"
    rf"|(?P<wday>\b(?:on |am |ab |le |el |il |op |na |this |next |kommenden |nächsten |coming |volgende |prochain |próximo |a partir de |since )?(?P<day>{_D})\b)",
    re.IGNORECASE,
)
_GONE = re.compile(
    r"no longer (?:with|at|employed|work|part)|has left the|have left the|nicht mehr (?:für|bei|im unternehmen|beschäftigt|tätig)|ausgeschieden|ne travaille plus|a quitté|"
    r"ya no trabaja|non lavora più|niet meer werkzaam|werkt niet (?:meer|langer)|não trabalha mais|já não trabalha",
    re.IGNORECASE,
)
_ABSENT = re.compile(
    r"away|out of|absen|abwesend|nicht (?:im|erreichbar|da)|urlaub|vacation|holiday|leave|congé|vacaciones|ferie|fuori|afwezig|vakantie|férias|ausente|fora|vacances|off(?:ice)? from|closed|geschlossen",
    re.IGNORECASE,
)
_US_ORDER = ("en",)


@dataclass(frozen=True, slots=True)
class ReturnDate:
    """The day somebody is back."""

    on: date | None
    ambiguous: bool = False  #: a slash date that reads in two ways
    open_ended: bool = False  #: will not come back


@dataclass(frozen=True, slots=True)
class _Seen:
    start: int
    end: int
    on: date
    ambiguous: bool


def return_date(text: str, sent_on: date, language: str | None = None) -> ReturnDate:
    """Return the day the sender is back: "until 4 May" is 4 May, "until 4 May inclusive" and a range's end the day after."""
    body = text[:LONGEST]
    if _GONE.search(body):
        return ReturnDate(None, open_ended=True)
    dates = list(_dates(body, sent_on, language))
    best: tuple[int, _Seen, date] | None = None
    for index, seen in enumerate(dates):
        found = _judge(body, dates, index)
        if found is not None and (best is None or found[0] > best[0]):
            best = (found[0], seen, found[1])
    if best is not None and sent_on - timedelta(days=1) <= best[2] <= sent_on + FARTHEST:
        return ReturnDate(best[2], best[1].ambiguous)
    return ReturnDate(_relative(body, sent_on))


def _judge(body: str, dates: list[_Seen], index: int) -> tuple[int, date] | None:
    """Return (how sure, day back) for a date, None when its words do not speak of an absence."""
    seen = dates[index]
    before = body[max(0, seen.start - 70) : seen.start]
    sentence = re.split(r"[.!?]\s|\n\n", before)[-1]
    after = re.split(r"[.!?]\s|\n", body[seen.end : seen.end + 45])[0]
    if _NOT_ABSENCE.search(sentence):
        return None
    marks = list(_CONTEXT.finditer(sentence))
    inclusive = bool(_INCLUSIVE.search(sentence[-30:]) or _INCLUSIVE.search(after[:30]))
    previous = dates[index - 1] if index and seen.start - dates[index - 1].end <= 25 else None
    joins = previous and re.search(
        r"(?:\bto\b|\band\b|-|–|bis|au|al|tot|until|till|through|hasta|até|ate|\ba\b|\be\b|und|et|y|en)",
        body[previous.end : seen.start],
        re.I,
    )
    if previous and joins and not (marks and marks[-1]["back"]):
        return 2, seen.on + timedelta(days=1)  # a range: back the day after its end
    if (
        index + 1 < len(dates)
        and dates[index + 1].start - seen.end <= 25
        and not re.search(r"[.!?\n]", body[seen.end : dates[index + 1].start])
    ):
        return None  # the beginning of a range
    if marks:
        if marks[-1]["back"]:
            return 4, seen.on
        return 3, seen.on + timedelta(days=inclusive)
    if re.search(rf"\b(?:{_BACK})", after, re.IGNORECASE):
        return 3, seen.on
    if re.search(
        r"\b(?:ab|from|as of|à partir du|a partir del?|dal|vanaf|desde)\b[^,;]{0,25}$", sentence, re.I
    ) and not _ABSENT.search(sentence):
        return 1, seen.on
    return None


def _dates(body: str, sent_on: date, language: str | None) -> Iterator[_Seen]:
    for found in _DATE.finditer(body):
        got = found.groupdict()
        ambiguous = False
        if got["iso"]:
            day, month, year = got["id"], int(got["im"]), got["iy"]
        elif got["dot"]:
            day, month, year = got["dd"], int(got["dm"]), got["dy"]
        elif got["slash"]:
            first, second = int(got["sa"]), int(got["sb"])
            us = language in _US_ORDER and first <= 12
            ambiguous = first <= 12 and second <= 12 and first != second and language in (*_US_ORDER, None)
            day, month = (str(second), first) if us and second > 12 else (str(first), second)
            year = got["sy"]
        elif got["word"]:
            day, month, year = got["wd"], _MONTH[got["wm"].lower()], got["wy"]
        elif got["us"]:
            day, month, year = got["ud"], _MONTH[got["um"].lower()], got["uy"]
        else:
            number = int(got["bd"])
            month = sent_on.month if number >= sent_on.day else sent_on.month % 12 + 1
            day, year = got["bd"], None
        on = _make(int(day), month, year, sent_on)
        if on is not None:
            yield _Seen(found.start(), found.end(), on, ambiguous)


def _make(day: int, month: int, year: str | None, sent_on: date) -> date | None:
    try:
        if year:
            number = int(year)
            return date(number if number > 99 else 2000 + number, month, day)
        here = date(sent_on.year, month, day)
        return here if here >= sent_on - timedelta(days=1) else date(sent_on.year + 1, month, day)
    except ValueError:
        return None


def _relative(body: str, sent_on: date) -> date | None:
    for found in _RELATIVE.finditer(body):
        sentence = re.split(r"[.!?]\s|\n", body[max(0, found.start() - 70) : found.start()])[-1]
        after = re.split(r"[.!?]\s|\n", body[found.end() : found.end() + 40])[0]
        if not (_CONTEXT.search(sentence) or re.search(rf"\b(?:{_BACK})", after, re.IGNORECASE)):
            continue
        if found["inw"]:
            number = int(found["n"]) if found["n"].isdigit() else _NUMBERS[found["n"].lower()]
            week = re.match(r"w|semain|seman|settim", found["unit"], re.IGNORECASE)
            return sent_on + timedelta(days=number * (7 if week else 1))
        if found["nextw"]:
            return sent_on + timedelta(days=7 - sent_on.weekday())
        if found["tomorrow"]:
            return sent_on + timedelta(days=1)
        ahead = (_DAY[found["day"].lower()] - sent_on.weekday()) % 7
        return sent_on + timedelta(days=ahead or 7)
    return None
