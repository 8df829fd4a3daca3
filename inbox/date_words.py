"""Which words carry dates and absences in English, German, French, Spanish, Italian, Dutch and Portuguese?"""

import re

MONTHS = {
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
DAYS = {
    0: "monday mon montag montags lundi lunes lunedì lunedi maandag segunda-feira segunda maandagochtend maandagnamiddag",
    1: "tuesday tues tue dienstag mardi martes martedì martedi dinsdag terça-feira terça",
    2: "wednesday weds wed mittwoch mercredi miércoles miercoles mercoledì mercoledi woensdag quarta-feira quarta",
    3: "thursday thurs thur thu donnerstag jeudi jueves giovedì giovedi donderdag quinta-feira quinta",
    4: "friday fri freitag vendredi viernes venerdì venerdi vrijdag sexta-feira sexta",
    5: "saturday sat samstag sonnabend samedi sábado sabado sabato zaterdag",
    6: "sunday sun sonntag dimanche domingo domenica zondag",
}
NUMBERS = {
    1: "a an one einer einem eine ein une un una uno een één uma um", 2: "two zwei deux dos due twee duas dois", 3: "three drei trois tres tre drie três",
    4: "four vier quatre cuatro quattro quatro", 5: "five fünf cinq cinco cinque vijf", 6: "six sechs seis sei zes", 8: "eight acht huit ocho otto oito", 10: "ten zehn dix diez dieci tien dez",
}  # fmt: skip
MONTH = {name: number for number, names in MONTHS.items() for name in names.split()}
DAY = {name: number for number, names in DAYS.items() for name in names.split()}
NUMBER = {name: number for number, names in NUMBERS.items() for name in names.split()}
_M = "|".join(sorted(map(re.escape, MONTH), key=len, reverse=True))
_D = "|".join(sorted(map(re.escape, DAY), key=len, reverse=True))
_ORD = r"(?:st|nd|rd|th|er|º|ª|°|ste|de|e)?"
_TO = r"(?:to|and|through|thru|until|till|bis|und|au|et|al|e|y|a|tot(?: en met)?|t/m|en|até|ate|–|-|—)"
DATE = re.compile(
    r"(?P<iso>\b(?P<iy>20\d\d)-(?P<im>\d\d)-(?P<id>\d\d)\b)"
    r"|(?P<dot>(?<![\d.,])(?P<dd>\d{1,2})\.\s?(?P<dm>\d{1,2})\b(?:\.(?:\s?(?P<dy>20\d\d|\d\d)(?![\d:]))?|(?=\s(?:a las|às|alle|um|kl))))"
    rf"|(?P<slash>(?<![\d/.,])(?P<sa>\d{{1,2}})[/-](?P<sb>\d{{1,2}})(?:[/-](?P<sy>20\d\d|\d\d))?(?!\.?\s?(?:{_M})\b|[\d/-]|\s?(?:h|uhr|%|m²)\b|de\b|[a-z]))"
    rf"|(?P<word>(?<![\d:,])(?P<wd>\d{{1,2}}|primo|1º){_ORD}\.?\s+(?:of\s+|de\s+|d'|di\s+)?(?P<wm>{_M})\b\.?(?:,?\s+(?:de\s+|del\s+)?(?P<wy>20\d\d))?)"
    rf"|(?P<us>\b(?P<um>{_M})\b\.?\s?(?:the\s+)?(?P<ud>\d{{1,2}}){_ORD}(?![\d:])(?:,?\s+(?P<uy>20\d\d))?)"
    rf"|(?P<ends>\b(?:end|ende|fin|fine|eind|einde|fim|final(?:es)?)\s+(?:of |de |di |van |do |des |du )?(?P<em>{_M})\b(?:\s+(?:de\s+)?(?P<ey>20\d\d))?)"
    rf"|(?P<named>\b(?P<nday>{_D})\b,?\s+(?:the |dem |den |le |el |il |dia |de |der |dal )?(?P<nd>\d{{1,2}})(?:\.(?!\d)|(?:st|nd|rd|th|e|ste|de)\b|\b)(?![/.]\d|\.?\s?(?:of\s|de\s|d'|di\s)?\s?(?:{_M})\b)(?!\s?(?:[:.]\d|uhr|h\b|am\b|pm\b|bis \d|%|-\d|[-–]\s?\d{{1,2}}\s?(?:h|uhr))))"
    rf"|(?P<bare>\b(?:the|am|dem|den|der|bis|vor|ab|vom|from|until|till|on|le|du|au|dès le|el|al|del|il|dal|dia|dias|de|op|vanaf|tot|t/m|a|und|y|e|et|and|en)\s+(?:dem |den |zum |de |le |el |il |dia |the )?(?P<bd>\d{{1,2}})(?P<bo>\.(?=\s|,|$)|(?:st|nd|rd|th|er|º|e|ste)\b|\b)(?![:.,/-]\d|\.?\s?(?:of\s|de\s|d'|di\s|\.)?\s?(?:{_M})\b|\s?(?:[/%€$°]|uhr|h\b|am\b|pm\b|days|tage|jours|d[ií]as|giorni|dagen|weeks|wochen|semain|seman|settiman|weken|hours|stunden|heures|horas|ore|uur|min|mois|months|monate|mesi|años|years|jahre|ans|anni|jaar|people|mal|x\b|eur|von|of (?!january|february|march|april|may|june|july|august|september|october|november|december))))"
    rf"|(?P<my>\b(?P<mm>{_M})\s+(?:de\s+|del\s+)?(?P<mmy>20\d\d)\b)",
    re.IGNORECASE,
)
RANGE_START = re.compile(
    rf"(?<![\d/.,:])(?P<day>\d{{1,2}})(?:st|nd|rd|th|er|º|°|\.)?\s?{_TO}\s?(?:the |le |el |il |al |zum |dem |\w{{4,13}}\s)?$",
    re.IGNORECASE,
)
JOIN = re.compile(
    rf"^[\s,.]{{0,3}}{_TO}\s?(?:and including |(?:zum|le|el|il|dia|the|au|dem)\s)?(?:(?:{_D})\b,?\s?(?:the |dem |den |le |el |il |dia )?)?$|^\s?(?:{_TO})\s?$",
    re.IGNORECASE,
)
BACK = (
    r"back|returns?|returning|available again|in the office again|resumes?|re-?opens?|reopening|again|at my desk|staffed|expected|see (?:you|your|this)|coming|home on|(?:read|answer|reply|respond|get to|frühestens|pick up)\w* (?:\w+ ){0,3}(?:on|from|after)|operational|will be (?:in|at)|check mails?|"
    r"wieder|zurück|zurueck|rückkehr|erreichbar (?:bin ich )?ab|starten|bearbeitet|lese|(?:antwort|antworte|beantwort\w+|rechnet)(?= (?:\w+ ){0,3}(?:ab|am|erst|frühestens|mit))|danach|vor dem|vor|arbeiten? wieder|melde|"
    r"retour|traiterai|reviens|revient|revenons|rentre|rentrons|repren\w+|reprise|joignable|rouvr\w+|réouverture|reouverture|retrouve|réponses?|répondrai|relirai|de nouveau|traités?|rendus|"
    r"vuelv\w+|volv\w+|vuelta|regres\w+|reincorpor\w*|reintegr\w*|disponible|reanud\w+|reabr\w+|retom\w+|contest\w+|los veo|estoy (?:otra vez|de nuevo|ya|en)|ya estoy|otra vez|de nuevo|operativo de nuevo|"
    r"rientr\w+|torn\w+|ritorn\w+|sar[òo] (?:di nuovo|in ufficio)|riapr\w+|riapertura|ripres\w+|riprend\w+|rispond\w+|evader\w+|operativ[ao]|di nuovo|ci siamo|"
    r"terug|weer|herneem\w*|hervat\w*|heropen\w*|lees ik|kijk ik|antwoord ik|ik antwoord|zie ik|ik check|"
    r"volto|volta|voltar\w*|voltamos|regress\w+|retorn\w+|novamente|reabr\w+|respondo|responder\w+|retomo|tô aí|estarei de"
)
UNTIL = r"until|till|til|through|thru|bis|jusqu|jusque|hasta|fino|sino|tot|até|ate|up to|to and including|t/m|bis zum|up until"
CONTEXT = re.compile(rf"(?P<back>\b(?:{BACK})\b)|(?P<until>\b(?:{UNTIL}))", re.IGNORECASE)
BACK_AFTER = re.compile(rf"\b(?:{BACK})\b", re.IGNORECASE)
FROM = re.compile(
    r"\b(?:ab|as of|from|as from|à partir du|à compter du|à partir de|dès(?: le)?|a partir del?|a partir de|dal|vanaf|desde|a contar de|non prima del?|not before|starting)\b[^,;0-9]{0,25}$",
    re.IGNORECASE,
)
INCLUSIVE = re.compile(
    r"through|thru|inclusi|inclusief|einschlie|einschl\b|inkl|inclus|compris|incluid|incluso|incluse|compreso|included|tot en met|t/m|to and including|inclusive",
    re.IGNORECASE,
)
NOT_ABSENCE = re.compile(
    r"(?:event|webinar|conference|fair|messe|summit|trade show|salon|feria|fiera|beurs|feira|seminar|workshop|prices?|preis|prix|precios?|prezz|preço|offer|offerte|angebot|ticket|case|ref\b|version|hours|sprechzeiten|öffnungszeiten|opening|horaires|horario|orari|tel\b|phone|ext\b|int\b|interno|"
    r"telefon|durchwahl|fax|founded|since|seit|depuis|desde hace|received|registration|inscri\w+|deadline|invoice|rechnung|facture|orders?|bestell\w+|commande\w*|pedidos?|encomendas|ordini|vigent\w+|válid\w+|valid|gültig|gelten|listino|anmeld\w+|aanmeld\w+|open (?:day|avond|dag)|begins|meetings?|"
    r"stand|hall|halle|lote|charla|message of|mail of|relance du|email of|schreiben vom|nachricht vom|mail vom|section|artt?\b|§|articolo|room|raum|nonante|term|dated)\W+(?:\w+\W+){0,6}$",
    re.IGNORECASE,
)
TODAY_AND = re.compile(r"(?:heute|today|aujourd['’]hui|hoy|oggi|vandaag|hoje)\s(?:und|and|et|y|e|en)\s$", re.IGNORECASE)
RELATIVE = re.compile(
    rf"(?P<inw>\b(?:in|dans|en|tra|fra|over|dentro de|em|daqui a|binnen|for|für|pendant|por|per)\s+(?P<n>\d{{1,2}}|{'|'.join(NUMBER)})\s+(?P<unit>days?|tage[n]?|jours?|días?|dias?|giorni|dagen|weeks?|wochen?|semaines?|semanas?|settiman[ae]|weken|week)\b)"
    rf"|(?P<weekday>\b(?:next week |nächste woche |volgende week )(?:on |am |op )?(?P<nwd>{_D})\b)"
    rf"|(?P<eight>\b(?P<ed>{_D})\s+(?:week\b|in einer woche|in 8 tagen|in acht tagen|en huit|a otto|over een week|da outra semana|da semana que vem|de la otra semana|que viene no, el otro)|\b(?:dienstag|montag) in einer woche)"
    rf"|(?P<following>\b(?P<fd>{_D})\s+(?:suivante?|siguiente|seguente|seguinte|danach|daarna))"
    r"|(?P<nextw>\b(?:next week|nächste[rn]? woche|kommende[rn]? woche|la semaine prochaine|la próxima semana|la proxima semana|la semana que viene|la prossima settimana|settimana prossima|volgende week|na próxima semana|próxima semana|semana que vem))"
    r"|(?P<overmorrow>\b(?:übermorgen|day after tomorrow|après-demain|pasado mañana|dopodomani|overmorgen|depois de amanhã)\b)"
    r"|(?P<tomorrow>(?<!guten )(?<!schönen )\b(?:tomorrow|morgen|demain|mañana|domani|amanhã)\b)"
    rf"|(?P<wday>\b(?P<day>{_D})\b)",
    re.IGNORECASE,
)
_WEEK = r"(?:kw|kalenderwochen?|calendar weeks?|weeks?|wk|weken|semaines?|semanas?|settiman[ae])"
WEEK = re.compile(
    rf"\b{_WEEK}\s?(?:n[°o]\.?\s?)?(?P<week>\d{{1,2}})\b(?!\s?[.:]\d)(?:\s?(?:-|–|/|to|and|bis|und|au|à|à la|et|a la|a|y|al|alla|e|tot(?: en met)?|t/m|en|até(?: à)?|à)\s?(?:zur |la |the )?(?:{_WEEK}\s?)?(?P<last>\d{{1,2}})\b)?"
    rf"|\b(?P<ordinal>\d{{1,2}})\.\s?(?:kw|kalenderwoche)\b",
    re.IGNORECASE,
)
GONE = re.compile(
    r"no longer (?:with|at|employed|work|part of)|(?:has|have|i['’]ve) left the|(?:has|have) separated from|moved over to|resigned|letzter arbeitstag|deixou de exercer|retired (?:from|on|in|as)|nicht mehr (?:für|bei|im unternehmen|beschäftigt|tätig|im haus)|ausgeschieden|(?:im|in den) ruhestand|ne travaille plus|a quitté|ne fai[ts] plus partie|"
    r"ya no (?:trabaja|forma parte)|ha dejado (?:la empresa|de trabajar)|non lavora più|non fa più parte|collocat[oa] a riposo|(?:ha concluso|terminato) il (?:suo|mio) incarico|ha lasciato|niet meer werkzaam|werkt niet (?:meer|langer)|uit dienst|não trabalha mais|já não trabalha|não faz (?:mais|já) parte|deixou a empresa",
    re.IGNORECASE,
)
ABSENT = re.compile(
    r"away|out of|\bout\b|absen|abwesend|nicht (?:im|erreichbar|da)|urlaub|vacation|holiday|leave|congé|vacaciones|ferie|fuori|afwezig|vakantie|férias|ausente|fora|vacances|off(?:ice)? from|closed?|shut|geschlossen|gesloten|ferm[ée]|cerrad|chius|fechad|encerr|feiertag",
    re.IGNORECASE,
)
