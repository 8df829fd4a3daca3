"""Which set phrases does a reply hold, whatever its language? Evidence for the model, never a decision.

A group means the same in every language, so what the model learns about a group from English helps in Portuguese.
"""

import re

_GROUPS: dict[str, tuple[str, ...]] = {
    "stop": (
        r"(?:stop|cease|quit)\b.{0,25}\b(?:e-?mail|mail|writ|contact|send|messag|spam|bother|reach)", r"unsubscrib", r"opt(?:ing)?[ -]?(?:me )?out",
        r"(?:take|remove|delete|drop|strike|scrub|get) (?:me|us|my|our|this address|this e-?mail|him|her)\b.{0,40}(?:off|from|list|database|system|record|crm|mailing)",
        r"(?:do not|don't|dont|never|no longer|please not) (?:\w+ ){0,3}(?:e-?mail|contact|write|message|send|bother|mail) (?:me|us|him|her|here|to|this|again|any)", r"no (?:more|further) (?:e-?mails?|messages?|mails?|contact|reminders|follow)",
        r"lose my (?:number|address|e-?mail)", r"leave (?:me|us) (?:alone|be)", r"nicht (?:mehr|weiter|länger) .{0,30}(?:schreiben|kontaktieren|anschreiben|mailen|senden|belästigen|anrufen)",
        r"(?:schreib|kontaktier|mail|send)\w* (?:sie )?(?:mir|uns|mich)? ?(?:bitte )?(?:nie|nicht|keine)", r"keine (?:weiteren|mails? mehr|e-?mails? mehr|nachrichten|werbung)", r"abmeld|abbestell|austrag",
        r"aus (?:ihrem|eurem|dem|der|ihrer|deinem|allen) (?:\w+ )?(?:verteiler|liste|datenbank|system)", r"(?:daten|adresse|kontakt\w*) .{0,30}(?:lösch|loesch|entfern|sperr)|(?:lösch|loesch|entfern)\w* .{0,40}(?:daten|adresse)", r"sehen sie von .{0,20}(?:ab|nachricht)", r"lasst? (?:mich|uns) in (?:ruhe|frieden)",
        r"désinscri|desinscri|désabonn|desabonn", r"ne (?:plus|m|me|nous|pas) .{0,25}(?:écrire|ecrire|contacter|envoyer|solliciter|recevoir|mailer)", r"(?:retire|supprim|efface|enlev)\w*.{0,40}(?:liste|base|adresse|données|donnees|contact|fichier)", r"cesse[rz]?|arrêtez|arretez", r"(?:fichez|foutez|laissez)[- ]?(?:moi|nous) (?:la paix|tranquille)",
        r"(?:darme|dar(?:nos)?|denme|denos|dame|dadme|deme|d[ée]me) de baja|baja de (?:la|su|esta) lista", r"no (?:me |nos )?(?:\w+ )?(?:escrib|env[ií]|contact|mand|molest|quiero recibir)\w*", r"(?:elimin|borr|quit|suprim)\w*.{0,40}(?:lista|datos|correo|direcci|base)", r"d[ée]je(?:n|nme|me|nos)? (?:me )?(?:de|en paz)",
        r"cancell\w+.{0,30}(?:lista|indirizzo|dati|iscrizione|mailing)|disiscri|rimuov\w+", r"non (?:mi |ci )?(?:scriv|contatt|invi|mand)\w+ più|non (?:voglio|desidero) (?:più )?(?:ricevere|essere)", r"smett\w+|basta (?:con|mail|e-?mail|messaggi)",
        r"uitschrijv|afmeld|verwijder\w*.{0,40}(?:lijst|gegevens|adres|bestand|ons|mij|me)|(?:geen|niet) .{0,25}(?:mails?|berichten|contact|benader|meer)\b.{0,15}(?:meer|sturen|ontvangen)?", r"haal (?:mij|me|ons) van",
        r"(?:remov|retir|exclu|apag|elimin)\w+.{0,40}(?:lista|dados|e-?mail|endereço|base|contato|contacto)", r"(?:não|nao|pare|parem|deixe) .{0,20}(?:envi|escrev|contat|contact|mand|de me|receber)\w*", r"descadastr|cancelar (?:a )?(?:inscri|subscri)",
        r"object to (?:the |your )?processing|right to (?:be forgotten|erasure|object)|(?:art(?:icle|ikel|\.)?|§) ?(?:17|21)\b|gdpr|dsgvo|rgpd|cnil|lopd|aepd|garante|avg\b|uwg|can-?spam|ccpa|casl|pecr|lgpd",
    ),
    "spam": (r"\bspam", r"(?:report|flag|mark|block|meld|signal|denunci|blockier|bloqu|segnal)\w* .{0,30}(?:spam|junk|abuse|domain|sender|absender|you|sie|address|indésirable|adresse)", r"unsolicited|unaufgefordert|non sollicit|no solicitad|indesiderat|ongevraagd|não solicitad", r"junk (?:mail|folder)", r"sperrliste|blacklist|blocklist|lista negra|liste noire"),
    "law": (r"lawyer|attorney|solicitor|legal (?:action|steps|department|counsel)|court|cease and desist|anwalt|anwält|rechtsanw|abmahn|unterlassung|gericht|klage|avocat|mise en demeure|tribunal|plainte|abogado|denuncia|demanda|avvocato|diffida|querela|advocaat|rechter|aangifte|advogado|processo|ico\b|data protection (?:authority|officer|commission)|aufsichtsbehörde|datenschutzb",),
    "decline": (
        r"not (?:really |currently |at all |particularly )?interested|no interest|no (?:thanks|thank you|thx)|not (?:a fit|for us|something we|relevant|a priority|looking|in the market|needed|right for us)|(?:don't|do not|no) (?:have a )?need|we(?:'re| are) (?:all set|good|happy|fine|sorted|covered)|(?:i'?ll|we'?ll) pass\b|pass on this|already (?:have|use|work|got|covered|with)|went with (?:another|someone)|good luck",
        r"kein(?:en)? (?:interesse|bedarf)|nicht interessiert|nein,? danke|nee,? danke|brauchen wir nicht|sind (?:wir )?(?:gut )?versorgt|sind (?:sehr )?zufrieden|haben (?:wir )?(?:bereits|schon)|passt (?:für uns |bei uns )?nicht|kommt (?:für uns )?nicht in ?frage|viel erfolg",
        r"pas (?:du tout )?intéressé|pas interesse|non merci|pas (?:de )?besoin|aucun (?:besoin|intérêt)|déjà (?:un|notre|équip|ce qu)|ne (?:nous |m')?intéresse pas|bonne continuation|nous sommes (?:satisfaits|contents)",
        r"no (?:nos|me|estamos) interes|no gracias|no,? gracias|ya (?:tenemos|contamos|trabajamos)|no (?:lo )?necesitamos|suerte|estamos (?:contentos|satisfechos|servidos)",
        r"non (?:siamo|sono) interessat|no,? grazie|non (?:ci|mi) (?:interessa|serve)|abbiamo già|siamo (?:soddisfatti|a posto|coperti)|in bocca al lupo",
        r"geen (?:interesse|behoefte)|niet geïnteresseerd|niet geinteresseerd|nee,? (?:dank|bedankt)|(?:hebben|werken) (?:we|wij)? ?(?:al|reeds)|succes (?:met|verder)|tevreden",
        r"não (?:temos|tenho|estamos|estou) interess|não,? obrigad|sem interesse|já (?:temos|trabalhamos|usamos)|não precisamos|boa sorte|satisfeitos",
    ),
    "price": (r"pric(?:e|ing)|cost|quote|how much|budget|licen[cs]e fee|discount|preis|kost|angebot|rabatt|was kommt|prix|tarif|devis|combien|remise|precio|cu[aá]nto|presupuesto|coste|prezz|quanto|preventivo|prijs|kosten|offerte|preço|orçamento|custa|[€$£]",),
    "meet": (r"\b(?:call|meet|meeting|demo|chat|zoom|teams|calendar|slot|schedule|coffee|visit|booth|stand)\b|termin|telefon|anruf|gespräch|treffen|vorführ|rendez-?vous|appel|rappel|créneau|visio|llamada|reuni[oó]n|cita|hablar|agenda|chiamata|riunione|appuntamento|sentirci|afspraak|bellen|gesprek|reunião|ligar|ligação|conversar|marcar",),
    "later": (r"next (?:week|month|quarter|year|spring|summer|autumn|fall|winter)|\bq[1-4]\b|later (?:this|in)|after (?:the|our|easter|christmas|summer)|in (?:january|february|march|april|may|june|july|august|september|october|november|december|the (?:autumn|fall|spring|new year))|(?:ping|try|contact|call|write|come back|get back|circle back|reach out)\b.{0,30}\b(?:again|later|in|next|after)|nächste[sn]? (?:jahr|quartal|monat)|im (?:januar|februar|märz|april|mai|juni|juli|august|september|oktober|november|dezember|herbst|frühjahr|sommer)|später|nochmal|wieder melden|melden sie sich|plus tard|l'année prochaine|trimestre|en (?:janvier|février|mars|avril|mai|juin|juillet|août|septembre|octobre|novembre|décembre)|revenez|recontact|más adelante|próximo (?:año|trimestre|mes)|despu[eé]s del? |más tarde|prossimo (?:anno|trimestre|mese)|più avanti|dopo|volgend (?:jaar|kwartaal)|later|próximo (?:ano|trimestre)|mais tarde|depois",),
    "yes": (r"\b(?:yes|yep|yeah|sure|sounds (?:good|interesting|useful|great)|interested in|interesting|happy to|keen|tell me more|more (?:info|details|information)|send (?:me |us |over |it |the |through )|let's|go ahead|please send|love to|curious|works for (?:me|us))\b|\b(?:ja|gern|gerne|klingt (?:gut|interessant|spannend)|interessant|spannend|schicken sie|senden sie|mehr (?:info|details)|passt|einverstanden)\b|\b(?:oui|volontiers|avec plaisir|intéresse|intéressant|envoyez|dites-m'en|d'accord|pourquoi pas)\b|\b(?:sí|claro|me interesa|nos interesa|interesante|env[ií]e(?:n|me)?|m[aá]ndeme|adelante|perfecto|cu[eé]nteme)\b|\b(?:sì|certo|volentieri|interessa|interessante|mandi|inviatemi|va bene)\b|\b(?:graag|interessant|stuur|prima|akkoord|lijkt me)\b|\b(?:sim|claro|interessa|interessante|envie|mande|pode ser|com prazer)\b",),
    "away": (r"out of (?:the )?office|on (?:\w+ )?(?:leave|holiday|vacation)|\baway\b|annual leave|limited access|back (?:on|in|from)|return(?:ing)? (?:on|to)|auto(?:matic)?[- ]?(?:reply|response)|im urlaub|abwesen|nicht im (?:büro|haus)|elternzeit|wieder (?:da|im büro|erreichbar|zurück)|krank|absent|en congés?|de retour|en vacances|fuera de la oficina|de vacaciones|ausente|de baja|vuelvo|fuori (?:ufficio|sede)|in ferie|assente|rientr|afwezig|vakantie|niet aanwezig|férias|fora do escritório|ausência|volto",),
    "left": (r"no longer (?:with|at|works?|employed|part)|(?:has|have|i've) left|left the (?:company|firm)|nicht mehr (?:für|bei|im unternehmen|tätig)|ausgeschieden|verlassen|ne travaille plus|a quitté|n'est plus|ya no trabaja|ha dejado|non lavora più|ha lasciato|niet meer werkzaam|werkt niet meer|uit dienst|já não trabalha|não trabalha mais|deixou a empresa|retired|pensioniert|ruhestand|retraite",),
    "person": (r"(?:speak|talk|write|contact|reach|refer|forward|ask|try|email|e-mail|get in touch)\b.{0,25}\b(?:to|with|out|my colleague|colleague|instead|her|him)\b|right person|wrong person|not me\b|zuständig|wenden sie sich|ansprechpartner|kolleg|weitergeleitet|bonne personne|collègue|adressez|voyez avec|s'occupe|persona (?:adecuada|indicada|correcta)|compañer|hable con|encarga|persona giusta|collega|si occupa|rivolg|juiste persoon|verantwoordelijk|doorgestuurd|pessoa (?:certa|indicada)|colega|responsável por",),
    "ticket": (r"ticket|case number|reference number|your request|has been received|we have received|do not reply|automat(?:ic|ed)|vorgangsnummer|eingegangen|erhalten|antworten sie nicht|accus[ée]|réception|référence|ne pas répondre|solicitud|recibido|no responda|richiesta|ricevuto|non risponda|ontvangen|aanvraag|recebemos|protocolo",),
    "undelivered": (r"(?:not|could not be|cannot be|was not|wasn't) (?:be )?delivered|undeliver|mailbox (?:is )?(?:closed|full|disabled|unavailable|no longer)|no longer monitored|does not exist|address (?:is )?(?:unknown|invalid|not found)|nicht zugestellt|zustellung|unzustellbar|existiert nicht|abgeschaltet|pas (?:été )?(?:remis|distribu)|n'existe (?:pas|plus)|boîte .{0,20}(?:fermée|désactivée)|no (?:ha sido |se ha )?entregad|no existe|non (?:è stat[oa] )?(?:recapitat|consegnat)|non esiste|niet (?:bezorgd|afgeleverd)|bestaat niet|não (?:foi )?entregue|não existe",),
    "who": (r"who (?:is|are) (?:this|you)|do i know you|wer (?:sind sie|ist das|bist du)|kennen wir uns|qui êtes[- ]vous|c'est qui|qui[eé]n (?:es|eres)|chi (?:è|sei)|wie (?:bent u|is dit|ben je)|quem (?:é|fala)|how did you get|where did you (?:get|find)|woher haben sie|d'où tenez|d[oó]nde (?:sac|consig|obtuv)|dove avete (?:preso|trovato)|hoe komt u aan|onde (?:conseg|arranj)",),
    "invoice": (r"invoice|payment|rechnung|zahlung|mahnung|facture|paiement|factura|pago|fattura|pagamento|factuur|betaling|fatura|boleto|purchase order|bestellung|lieferschein",),
    "but": (r"\bbut\b|\baber\b|\bjedoch\b|\bmais\b|\bpero\b|\bma\b|\bperò\b|\bmaar\b|\bmas\b|however|although|unless",),
    "not": (r"\b(?:not|no|never|don't|dont|won't|isn't|nicht|kein\w*|nie|ne|pas|aucun\w*|jamais|nunca|non|niente|mai|niet|geen|nooit|não|nao|nem)\b",),
}  # fmt: skip
# Lower text and patterns that regard case: three times as quick as patterns that disregard it.
_PATTERNS = {name: re.compile("|".join(f"(?:{one})" for one in parts)) for name, parts in _GROUPS.items()}
NAMES = tuple(f"p:{name}" for name in _GROUPS)
PAIRS = (("stop", "price"), ("stop", "yes"), ("decline", "stop"), ("decline", "price"), ("away", "yes"), ("away", "stop"),
         ("decline", "later"), ("person", "not"), ("but", "decline"), ("but", "yes"), ("stop", "not"), ("left", "away"))  # fmt: skip


def phrase_features(normalised: str) -> dict[str, float]:
    """Return which groups occur (1.0), also in the last sentence alone, and which pairs occur together."""
    text = " ".join(normalised.lower().split())
    found = {name: bool(pattern.search(text)) for name, pattern in _PATTERNS.items()}
    features = {f"p:{name}": 1.0 for name, hit in found.items() if hit}
    features.update({f"p:{one}+{two}": 1.0 for one, two in PAIRS if found[one] and found[two]})
    if not any(found.values()):
        features["p:none"] = 1.0
    return features


ALL = (*NAMES, *(f"p:{one}+{two}" for one, two in PAIRS), "p:none")
