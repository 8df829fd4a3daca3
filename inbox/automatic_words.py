"""By which words do automatic mails give themselves away? Subject prefixes and set phrases in many languages."""

import re

ABSENCE_SUBJECT = re.compile(
    r"^\s*(?:(?:re|aw|sv|rif|res)\s*:\s*)?(?:\[?(?:auto(?:matic|matische|matisk|matisch)?[ -]?(?:reply|response|repl(?:y)?|antwort(?:en)?|svar|antwoord)"
    r"|automatische (?:antwort|abwesenheitsnotiz|reaktion)|abwesenheits(?:notiz|nachricht|assistent|info)|abwesend|abwesenheit\b"
    r"|out[ -]of[ -](?:the[ -])?office|ooo\b|on (?:vacation|holiday|leave|annual leave|parental leave|maternity leave)|away from (?:the )?office"
    r"|vacation (?:reply|response|notice)|i am (?:away|out of|on leave|currently out)|urlaub(?:snotiz|smeldung)?\b|nicht im (?:büro|buero|hause?)\b"
    r"|réponse automatique|reponse automatique|absence du bureau|absent(?:e)? du bureau|message d'absence|notification d'absence"
    r"|respuesta automática|respuesta automatica|fuera de (?:la )?oficina|ausente de la oficina|ausencia"
    r"|risposta automatica|fuori (?:sede|ufficio)|assente|assenza dall'ufficio"
    r"|resposta automática|resposta automatica|ausência (?:temporária|do escritório)|fora do escritório"
    r"|automatisch antwoord|afwezig(?:heid)?|niet aanwezig|afwezigheidsbericht"
    r"|automatisk svar|frånvaro|fravær|fraværende|poissa|automaattinen vastaus|autosvar"
    r"|odpowiedź automatyczna|automatyczna odpowiedź|nieobecność|automatická odpověď|automatická odpoveď|nepřítomnost|mimo kancelář"
    r"|automatikus válasz|házon kívül|răspuns automat|автоматический ответ|автоответ|otomatik yanıt|ofis dışında|αυτόματη απάντηση"
    r"|自動応答|自动回复|自動回覆|不在(?:通知|届)|자동 회신|부재중)\b\]?)",
    re.IGNORECASE,
)
TICKET_SUBJECT = re.compile(
    r"\[?(?:ticket|case|request|vorgang|anfrage|incident|demande|dossier|solicitud|caso|richiesta|ref|issue)(?:[- ]?(?:id|nr|no|number|nummer|num))?"
    r"\s*[:#.]*\s*#?\s*[A-Z]{0,6}-?\d{3,12}\]?|\[#\d{3,12}\]|we(?:'ve| have)? received your (?:request|message|e?-?mail|enquiry|inquiry)"
    r"|(?:your )?(?:request|enquiry|inquiry|message) (?:has been|was) received|eingangsbestätigung|wir haben ihre (?:anfrage|nachricht|e-?mail) erhalten"
    r"|accusé de réception|acuse de recibo|hemos recibido su|conferma di ricezione|abbiamo ricevuto|ontvangstbevestiging|confirmação de recebimento",
    re.IGNORECASE,
)
TICKET_TEXT = re.compile(
    r"(?:ticket|case|request|reference|vorgangs?|anfrage|incident|dossier|demande|solicitud|caso|richiesta|aanvraag|pedido)[- ]?(?:id|nr\.?|no\.?|number|nummer|n°|num(?:ero|éro)?)?"
    r"\s*[:#]?\s*(?:is |lautet |ist |est |es |unter der )?[#(]?\s*[A-Z]{0,6}-?\d{3,12}|(?:do|please do) not reply to this|we (?:have|'ve) received your|"
    r"wir haben ihre (?:anfrage|nachricht|e-?mail) erhalten|ihre anfrage wurde|nous avons bien reçu votre|hemos recibido su|abbiamo ricevuto la (?:sua|tua)|"
    r"wij hebben uw|recebemos (?:a sua|o seu)|get back to you (?:with)?in|thank you for contacting|vielen dank für ihre (?:anfrage|kontaktaufnahme)",
    re.IGNORECASE,
)
LEFT_TEXT = re.compile(
    r"(?:is|am) no longer (?:with|at|employed|working|part of|in)|no longer (?:works?|employed)(?: (?:for|at|here|with))?|(?:has|have|i've|i have) left (?:the )?"
    r"(?:company|organi[sz]ation|firm|team|business)|left our (?:company|organi[sz]ation|firm)|nicht mehr (?:für |bei |in |im )?(?:\w+ ){0,4}(?:tätig|beschäftigt|angestellt|im unternehmen)|"
    r"(?:das )?unternehmen verlassen|ausgeschieden|ne travaille plus|n'est plus (?:dans|en poste|employé|chez)|a quitté (?:l'entreprise|la société|notre|ses fonctions)|"
    r"ya no (?:trabaja|forma parte|está en)|ha dejado (?:la empresa|de trabajar)|non lavora più|ha lasciato (?:l'azienda|la società)|non fa più parte|"
    r"werkt niet (?:meer|langer)|niet meer werkzaam|uit dienst|já não trabalha|não trabalha mais|não faz mais parte|deixou a empresa|no longer monitored because",
    re.IGNORECASE,
)
ABSENCE_TEXT = re.compile(
    r"out of (?:the )?office|on (?:annual |parental |maternity |paternity |sick )?leave|on (?:vacation|holidays?)|away from (?:my desk|the office)|limited access to (?:my )?e-?mail|"
    r"(?:nicht im|außer) (?:büro|haus)|im urlaub|abwesend|nicht erreichbar|in elternzeit|absent(?:e)? (?:du|jusqu|le|de)|en congés?|en vacances|fuera de la oficina|de vacaciones|"
    r"fuori (?:ufficio|sede)|in ferie|afwezig|op vakantie|fora do escritório|de férias|auto(?:matic|mated) (?:reply|response)|automatische antwort",
    re.IGNORECASE,
)
