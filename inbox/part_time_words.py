"""With which words do people tell on which weekdays they work?"""

import re

SHORT = {  # these words mean something else too: they count in a chain only
    "mo": 0, "ma": 0, "lun": 0, "seg": 0, "di": 1, "mar": 1, "ter": 1, "mi": 2, "wo": 2, "mer": 2, "mié": 2, "mie": 2, "qua": 2,
    "do": 3, "jeu": 3, "jue": 3, "gio": 3, "qui": 3, "fr": 4, "vr": 4, "ven": 4, "vie": 4, "sex": 4,
}  # fmt: skip
FIRST = re.compile(
    r"\b(?:i|i['’]m|my|ich|bin|meine?|arbeite|je|j['’]\w+|mes|yo|trabajo|estoy|lavoro|sono|miei|ik|mijn|eu|trabalho|estou|part[- ]?time|teilzeit|temps partiel)\b",
    re.IGNORECASE,
)
WORK = re.compile(
    r"\bwork|part[- ]?time|arbeit|teilzeit|travail|temps partiel|trabaj|lavor|\bwerk|trabalh|\bin (?:the |my )?office|im büro|im haus|am platz|erreichbar|available|reachable|au bureau|joignable|en la oficina|in ufficio|op kantoor|aanwezig|bereikbaar|no escritório|disponib|absen|abwesend|\baway\b|afwezig|ausent|assent|\boff\b",
    re.IGNORECASE,
)
NOT = re.compile(
    r"\bnot\b|n['’]t\b|\bnicht\b|\bkein|\bpas\b|\bno\b|\bnon\b|\bniet\b|\bnão\b|absen|abwesend|\baway\b|\bout of\b|afwezig|ausent|assent|\boff\b|\bfrei\b|\blibre\b|\bvrij\b",
    re.IGNORECASE,
)
POSITIVE = re.compile(
    r"\bi (?:only |usually |normally |generally )?work\b|\barbeite\b(?!.{0,60}\bnicht\b)|je travaille(?! pas)|(?<!no )\btrabajo\b|(?<!non )\blavoro\b|\bik werk\b(?!.{0,60}\bniet\b)|(?<!não )\btrabalho\b|working days|arbeitstage|werkdagen",
    re.IGNORECASE,
)
ONCE = re.compile(
    r"\b(?:again|back|return\w*|wieder|zurück|de nuevo|otra vez|vuelvo|di nuovo|rientr\w+|torn\w+|weer|terug|novamente|volto|regress\w+|de retour|this|diese[nr]?|next|nächste[nr]?|kommende[nr]?|prochain|próxim\w|prossim\w|volgende)\b|\d{1,2}[./]|\b\d{1,2}(?:st|nd|rd|th)\b",
    re.IGNORECASE,
)
