"""For whom does a wish to stop speak? One person speaks for themselves, unless they clearly speak for the company."""

import re

_COMPANY = re.compile(
    r"\b(?:(?:our|the|this|my) (?:entire |whole )?(?:company|organi[sz]ation|firm|business|domain)\b"
    r"|(?:any|every|all|none|each)(?:one| one|body)?(?: of)?(?: us| (?:our|my) (?:staff|people|colleagues|employees|team))?"
    r" (?:here )?(?:at|in|from|of) (?:our|the|this) (?:company|organi[sz]ation|firm|office|domain)"
    r"|(?:all of us|none of us|nobody here|no one here|anyone (?:here|else here)|any of (?:us|our))"
    r"|our (?:staff|employees|colleagues|people|addresses|mailboxes)\b"
    r"|(?:unsere[mnr]?|die ganze|unser) (?:firma|unternehmen|betrieb|haus|kanzlei|praxis|domain|mitarbeiter\w*|kolleg\w+|belegschaft)"
    r"|niemande?[nm]? (?:bei uns|aus unserem|in unserem|von uns)|(?:alle|sämtliche)n? (?:bei uns|unsere\w* \w+)"
    r"|(?:notre|toute la) (?:société|entreprise|maison|structure|domaine)|nos (?:collaborateurs|salariés|collègues|employés|adresses)"
    r"|(?:personne|aucun\w*) (?:chez nous|de nos)|(?:nuestra|toda la) (?:empresa|compañía|organización)|nuestros (?:empleados|compañeros)"
    r"|(?:la nostra|tutta la) (?:azienda|società|ditta)|(?:ons|het hele) (?:bedrijf|kantoor)|onze (?:medewerkers|collega's|organisatie)"
    r"|(?:nossa|toda a) (?:empresa|organização)|nossos (?:funcionários|colaboradores|colegas))",
    re.IGNORECASE,
)
_STOP = re.compile(
    r"\b(?:remove|delete|unsubscribe|take|stop|block|contact|e-?mail|mail|write|writing|messag\w+|off|list"
    r"|entfern\w*|lösch\w*|streich\w*|kontakt\w*|anschreib\w*|schreib\w*|abmeld\w*|austrag\w*|verteiler|mails?"
    r"|retir\w+|supprim\w+|désinscri\w+|désabonn\w+|contact\w+|écri\w+|envo\w+"
    r"|elimin\w+|borr\w+|baja|escrib\w+|cancell\w+|rimuov\w+|scriv\w+|verwijder\w*|afmeld\w*|remov\w+|descadastr\w+)\b",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"[^.!?\n]+")


def speaks_for_company(text: str) -> bool:
    """Tell whether the words of a wish to stop clearly mean the whole company: both in one sentence."""
    return any(_COMPANY.search(one) and _STOP.search(one) for one in _SENTENCE.findall(text))
