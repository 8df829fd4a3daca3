"""By which words do automatic mails give themselves away? Subject prefixes and set phrases in many languages."""

import re

_PREFIX = r"^\s*(?:(?:re|aw|antw|sv|rif|res|odp)\s*:\s*)?[\[(*~-]{0,3}\s?"
ABSENCE_SUBJECT = re.compile(  # what mail programs put in front, in the language of the mailbox
    _PREFIX
    + r"(?:auto(?:matic|mated|matische|matisches|matisk|matisch)?[ -]?(?:reply|response|repl(?:y)?|antwort(?:en)?|svar|antwoord|e-?mail reply|message)\b|autoreply|auto:|autosvar|automaattinen vastaus"
    r"|automatische (?:antwort|abwesenheit\w{0,12}|reaktion|rückmeldung|e-?mail)|abwesenheits(?:notiz|nachricht|assistent|info\w{0,9}|meldung|mitteilung|benachrichtigung)|abwesenheit\s?[:-]"
    r"|out[ -]of[ -](?:the[ -])?office\b|o\.?o\.?o\.?\b|(?:currently )?away from (?:the |my )?(?:office|desk|mail)|vacation (?:reply|response|notice|message|autoreply)|i(?: am|['’]m) (?:away|out of|on \w{0,10} ?leave|currently out|on vacation|on holiday)"
    r"|r[ée]ponse auto(?:matique)?|(?:message|notification|avis|r[ée]ponse) d['’]absence|absence (?:du|de) bureau|absente? du bureau|en dehors du bureau"
    r"|respuesta autom[áa]tica|contestaci[óo]n autom[áa]tica|fuera de (?:la )?oficina|ausente de la oficina|mensaje de ausencia|risposta automatica|risponditore automatico|fuori (?:sede|ufficio)\b|assenza dall['’]ufficio|messaggio di assenza"
    r"|resposta autom[áa]tica|aus[êe]ncia (?:tempor[áa]ria|do escrit[óo]rio)|fora do escrit[óo]rio|mensagem autom[áa]tica|(?:automatisch|automatisches) (?:antwoord|bericht)|afwezigheids?(?:bericht|melding|assistent)|niet op kantoor"
    r"|automatiskt svar|automatisk svar|frånvaro(?:meddelande)?|fraværs(?:melding|besked|assistent)|fravær\b|poissaolo\w{0,12}|poissa toimistosta|odpowied[źz] automatyczna|automatyczna odpowied[źz]|nieobecno[śs][ćc]"
    r"|automatick[áa] odpov[ěe][ďd]|nep[řr][íi]tomnost|mimo kancel[áa][řr]|automatikus v[áa]lasz|h[áa]zon k[íi]v[üu]l|r[ăa]spuns automat|автоматический ответ|автоответ|нет на месте|автоматична відповідь|otomatik (?:yan[ıi]t|cevap)|ofis d[ıi][şs][ıi]nda"
    r"|αυτόματη απάντηση|εκτός γραφείου|自動(?:応答|返信)|自动(?:回复|答复)|自動(?:回覆|回复)|不在(?:通知|届|のお知らせ)|外出中|자동 ?(?:회신|응답|답장)|부재 ?중)",
    re.IGNORECASE,
)
ABSENCE_HINT = re.compile(  # a subject of a person's choice: counts when the text speaks of absence too
    _PREFIX
    + r"(?:abwesend|abwesenheit|urlaub\w{0,12}|bin im urlaub|im urlaub|nicht im (?:büro|buero|hause?)|betriebsferien|elternzeit|mutterschutz|on (?:vacation|holidays?|leave|annual leave|parental leave|maternity leave|paternity leave)|away\b|holiday|annual leave|vacation|absence|absente?\b|en cong[ée]s?|cong[ée]s?\b"
    r"|en vacances|fermeture|ausente|ausencia|de vacaciones|vacaciones|assente|assenza|in ferie|ferie\b|chiusura|aus[êe]ncia|de f[ée]rias|f[ée]rias|afwezig(?:heid)?|niet aanwezig|op vakantie|vakantie|semester|ferie|urlop|dovolen[áa]|szabads[áa]g|в отпуске|отпуск|отсутств|izinde|no longer (?:with|at|working)|(?:has )?left the company"
    r"|closed|office closed|geschlossen|gesloten|cerrado|fechado|chiuso|ferm[ée]\b|thank you for your (?:e-?mail|message)|vielen dank für ihre (?:e-?mail|nachricht)|merci (?:de|pour) votre (?:message|mail|e-?mail))",
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
    r"(?:ticket|case|request|reference|vorgangs?|anfrage|incident|dossier|demande|solicitud|caso|richiesta|aanvraag|pedido|chamado|protocolo|zgłoszenia|заявки)[- ]?(?:id|nr\.?|no\.?|number|nummer|n°|num(?:ero|éro)?)?"
    r"\s*[:#-]?\s*(?:id - |is |lautet |ist |est |es |è |é |unter der |met nummer |with (?:the )?(?:id|number) )?[#(]{0,2}\s*(?:n° ?)?[A-Z]{0,6}-?\d{3,18}|(?:do|please do) not reply to this|we (?:have|'ve) received your|"
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
    r"out of (?:the )?office|on (?:\w{1,12} )?leave\b|on (?:vacation|holidays?)|(?:currently |am |be |is |are )away\b|away (?:from|until|on|for)|not (?:be )?in the office|office (?:is|will be) closed|(?:limited|no|intermittent|restricted) access to (?:my )?e-?mails?|will (?:be back|return)|"
    r"auto(?:matic|mated|matically|matische|matisch|matica|mática)?[ -]?(?:reply|response|generated|antwort|antwoord|risposta|respuesta|resposta)|automatische antwort|r[ée]ponse automatique|"
    r"(?:nicht|außer|ausser) (?:im|mehr im|am|in meinem|in unserem) ?(?:büro|buero|haus|hause|dienst|platz)|im (?:urlaub|mutterschutz|krankenstand)|urlaub|abwesend|abwesenheit|nicht erreichbar|elternzeit|wieder (?:erreichbar|im büro|da\b|für sie da|zurück)|zurück am|betriebsferien|"
    r"absente? (?:du|jusqu|le|de|ce|pour|actuellement)|suis absent|en (?:congés?|vacances|déplacement|arrêt)|congés?\b|de retour|fermé|injoignable|fuera de (?:la )?oficina|de vacaciones|vacaciones|ausente|de baja|estaré de vuelta|regres(?:o|aré)|"
    r"fuori (?:ufficio|sede)|in ferie|assente|sarò di ritorno|rientr(?:o|erò)|chiuso|afwezig|vakantie|niet (?:aanwezig|op kantoor|bereikbaar)|verlof|weer (?:aanwezig|bereikbaar|op kantoor)|fora do escritório|de férias|férias|ausente|de licença|regresso|"
    r"inte på kontoret|semester|föräldraled|frånvarande|ikke på kontoret|ferie|fraværende|lomalla|poissa|nieobecn|na urlopie|urlop|dovolen|nepřítom|szabadság|távol|concediu|в отпуске|отсутству|izinde|yıllık izin|άδεια|不在|休暇|休假|외출|휴가|부재",
    re.IGNORECASE,
)
OPT_OUT_ALONE = re.compile(
    r"^\s*(?:please\s+)?(?:unsubscribe(?: me)?|stop|remove(?: me)?|opt[ -]?out|abmelden|austragen|abbestellen|désinscription|désabonnement|désabonner|baja|cancelar suscripci[oó]n|cancella(?:mi|zione)?|disiscrizione|disiscrivimi|afmelden|uitschrijven|remover|descadastrar|"
    r"cancelar inscri[çc][ãa]o|avregistrera|afmeld|odhlásit|wypisz|отписаться|退订|配信停止)\s*[.!]*\s*$",
    re.IGNORECASE,
)
OPT_OUT_BOX = re.compile(
    r"^(?:list-?)?(?:unsubscribe|unsub|abmelden|abmeldung|opt-?out|leave|désinscription|desinscription|baja|uitschrijven|afmelden)(?:[+=_.-].{0,200})?$|^.{1,100}[-+.](?:unsubscribe|unsub|optout|opt-out)(?:[+=_.-].{0,200})?$"
)
OPT_OUT_TEXT = re.compile(  # in an automatic reply's own words; a newsletter's "click here to unsubscribe" is not meant
    r"(?:remove|delete|take|drop|strike) (?:me|us|him|her|them|this (?:e-?mail |mail )?address|my (?:e-?mail|address|name)|our (?:e-?mail|address)|[\w.+-]{1,64}@[\w.-]{1,100})\b.{0,40}\b(?:from|off)\b.{0,40}\b(?:lists?|mailings?|database|records|system|distribution)|"
    r"(?:please |kindly )(?:stop|cease|refrain from) (?:\w{1,12} )?(?:send|e-?mail|mail|writ|contact)|(?:please |kindly )?(?:do not|don['’]t) (?:send|e-?mail|contact|write)(?: to)? (?:me|us|this address|here|any)\b.{0,40}(?:again|any ?more|further|marketing|sales|advert|solicit|unsolicited)|(?:please |kindly )unsubscribe (?:me|us|this|him|her|my|our)|"
    r"(?:no|not wish to receive) (?:more |further |any )?(?:sales|marketing|advertising|promotional|unsolicited) (?:e-?mails?|mails?|messages?)|(?:aus|von) (?:ihrem|ihrer|eurem|dem|allen) (?:\w{1,20} )?(?:verteiler|liste|mailingliste|datenbank)\w{0,2}\b.{0,30}(?:nehmen|streichen|entfernen|löschen|austragen)|"
    r"(?:nehmen|streichen|entfernen|löschen) sie .{0,60}(?:verteiler|liste|mailingliste|datenbank|adresse)|keine (?:weiteren |mehr )?(?:werbe-?|werbung|newsletter|e-?mails? mehr)|(?:retirer|supprimer|enlever|désinscrire|désabonner).{0,50}(?:liste|base|fichier|adresse)|ne plus (?:m['’]|nous |me )?(?:envoyer|écrire|contacter|solliciter|adresser)|"
    r"(?:elimin|borr|quit|den?me? de baja|dar de baja)\w{0,6}.{0,50}(?:lista|base|correo|dirección)|no (?:nos |me )?(?:env[ií]en?|escriban?|contacten?) más|(?:rimuov|cancell|toglie)\w{0,6}.{0,50}(?:lista|indirizzo|elenco|database|mailing)|non (?:mi |ci )?(?:inviat|scrivet|contattat)\w{1,4} più|"
    r"(?:verwijder|haal|schrap)\w{0,3}.{0,50}(?:lijst|bestand|adres|mailing)|geen (?:e-?mails?|mails?|reclame|nieuwsbrieven) meer|(?:remov|retir|exclu|apag)\w{1,5}.{0,50}(?:lista|base|cadastro|endereço|mailing)|não (?:me |nos )?(?:envi|escrev|contat|contact)\w{1,4} mais",
    re.IGNORECASE,
)
CHALLENGE_TEXT = re.compile(  # a filter between us and a person
    r"(?:being |is |was |will be )?held until (?:you|the sender)|(?:being |is |was )held because the (?:address|sender)|(?:confirm|verify|prove)(?:ing)? (?:that )?you(?: a|['’])re (?:a |an )?(?:real |actual )?(?:human|person|not a (?:ro)?bot)|(?:not|aren['’]t) a (?:ro)?bot|protect(?:ing|ed)? (?:myself |my \w{1,12} |himself )?(?:from|against) (?:junk|spam|unsolicited)|"
    r"(?:to|and) (?:have|get|deliver|release|complete) (?:your|the delivery of your) (?:e-?mail|message|mail)\b|spamarrest|boxbe|whitelist request|add (?:yourself|you|your address) to (?:my|the|our) (?:guest|allowed|approved|white|safe) ?list|list of approved senders|only from (?:people|senders) (?:that )?(?:i|we) (?:have )?(?:approved|know)|complete the verification|"
    r"bestätigen sie .{0,40}(?:absender|dass sie (?:ein mensch|kein roboter)|ihre e-?mail-?adresse)|damit ihre (?:e-?mail|nachricht) (?:\w{1,12} )?zugestellt|confirmez (?:votre adresse pour|que vous n['’]êtes pas un robot)|mailinblack|pour que votre (?:message|mail|e-?mail|courriel) (?:me |nous |lui )?(?:parvienne|soit (?:remis|distribué|délivré))|vous authentifier|"
    r"para que (?:su|tu|sua|seu|a sua|o seu) (?:mensaje|correo|mensagem|e-?mail) (?:sea|pueda ser|seja|possa ser) (?:entreg|recib|encaminhad)|(?:que )?(?:no es un|você não é um|não é um) rob[oóô]|perché il (?:suo|tuo) messaggio (?:sia|venga) (?:consegnat|recapitat)|(?:di non essere|che non sei) un robot|om uw bericht (?:te laten )?(?:bezorgen|afleveren)|подтвердите,? что вы не робот",
    re.IGNORECASE,
)
CHALLENGE_STEP = re.compile(  # what it wants us to do
    r"https?://|\bclick|\blink\b|\breply\b|\brequest form|\bcliqu|\blien\b|\bklick|\benlace|\bclic\b|\bresponda|\bclique|\bantworten|\bempty message|\bcaptcha|confirm|нажмите|ссылк",
    re.IGNORECASE,
)
LIST_BOX = re.compile(
    r"(?:majordomo|listserv|listproc|mailman|sympa|ezmlm|listmaster)\b|.{1,64}-(?:request|owner|confirm|join|leave|subscribe|help)(?:[+=-].{0,120})?@"
)
LIST_SUBJECT = re.compile(
    r"results? of your (?:e-?mail )?commands?|(?:majordomo|listserv|mailman) (?:results|command|file)|command (?:results|confirmation)|confirm(?:ation)?\b.{0,40}\b(?:subscri|membership|join)|(?:subscri\w{1,8}|membership) (?:results|confirmation|request)|welcome to (?:the )?.{0,60}(?:mailing )?list|"
    r"^confirm [0-9a-f]{16,}|(?:bestätigung|bestätigen)\b.{0,40}\b(?:abonn|anmeldung|mitglied)|willkommen (?:bei|auf) der .{0,60}liste|confirme[rz]?\b.{0,40}abonn|confirm\w{0,8} (?:su|tu|la) suscrip",
    re.IGNORECASE,
)
HELP_DESK = re.compile(
    r"(?:no-?reply|do-?not-?reply|support|help-?desk|service|servicedesk|service-?desk|tickets?|kundenservice|kundendienst|info|jira|otrs|soporte|atencion|ayuda|suporte|atendimento|assistenza|supporto|klantenservice|sav|serviceclient|customer|desk)\b"
)
TICKET_MADE = re.compile(
    r"(?:request|ticket|case|enquiry|inquiry|incident|issue)\b[^.!?]{0,50}(?:has been|was) (?:successfully )?(?:received|created|opened|logged|registered|raised|assigned)|(?:acknowledge|confirm)(?:ing)? that we (?:have )?(?:got|received) your|"
    r"(?:ticket|vorgang|anfrage)s?-?\s?(?:nummer|nr\.?|id)\b[^.!?]{0,30}\d{3}|(?:ihre anfrage|ihr anliegen|ihr ticket) (?:wurde|ist) (?:unter|erfasst|eingegangen|erstellt|angelegt)|nous avons (?:bien )?reçu votre (?:demande|message)|votre demande (?:a (?:bien )?été|est) (?:reçue|enregistrée|prise)|numéro de (?:ticket|dossier|demande)|"
    r"hemos recibido (?:su|tu) (?:solicitud|consulta|mensaje)|número de (?:caso|ticket|solicitud|chamado|protocolo)|número do (?:seu )?(?:chamado|ticket|protocolo|pedido)|recebemos (?:a )?(?:sua|tua) (?:mensagem|solicitação)|abbiamo ricevuto la (?:sua|tua) richiesta|numero (?:del|di) (?:ticket|richiesta|pratica)|"
    r"(?:uw|je) (?:aanvraag|bericht|verzoek) [^.!?]{0,60}(?:ontvangen|geregistreerd|aangemaakt)|(?:ticket|ärende|sag|sak)s?(?:nummer|nr)\b[^.!?]{0,30}\d{3}|numer (?:zgłoszenia|sprawy)|номер (?:заявки|обращения)|(?:工单|お問い合わせ|受付)(?:编号|番号)",
    re.IGNORECASE,
)
