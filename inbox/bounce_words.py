"""With which words do mail systems say that they could not deliver? Patterns in many languages; each is linear."""

import re

QUOTE_STARTS = re.compile(
    r"(?im)^[ \t]*(?:[-=*|_]{2,}[ \t]*)?(?:below this line is a copy|(?:below|here|attached|this) is (?:a |the )?(?:copy|first \d+)|here is a copy of|"
    r"(?:the )?(?:original|returned|unsent|undelivered|failed|rejected|old) (?:message|mail|e-?mail)(?: (?:follows|headers?|is|was(?! received)|below|text|as received|details|source)|[ \t]*[-=:.]*[ \t]*$)|"
    r"[-=*|]{3,}[ \t]?(?:original|returned|enclosed|forwarded|start of|the header of|begin|message (?:text|header)|unsent|undelivered)|copy of (?:the|your) (?:original )?message|"
    r"message (?:text|header)s? follows?|(?:message )?headers? follow|received: from |return-path: ?<|the first \d+ lines of|"
    r"your (?:original )?message (?:follows|is below|text follows)|start of returned message|original-?nachricht|beginn der (?:original|ursprüng)|"
    r"(?:ursprüngliche|originale) (?:nachricht|e-?mail)|kopie (?:der|ihrer) (?:original)?(?:nachricht|e-?mail)|message d'origine|message original|copie (?:de votre|du) message|mensaje original|"
    r"copia (?:de su|del) mensaje|messaggio originale|copia del messaggio|oorspronkelijk bericht|mensagem original|исходное (?:сообщение|письмо)|копия (?:вашего|исходного)|"
    r"original message headers|-+ ?原(?:始)?邮件|原邮件内容|以下は(?:元の|送信)|元のメッセージ|[-=]* ?附件中的内容是原信件|제목 ?:.{0,200}원본)"
)
FULL = re.compile(
    r"quota|(?:mail ?box|mail ?folder|in ?box|mail ?file|account|postbox|storage) (?:is |has |for \S{1,80} is |of \S{1,80} is )?(?:currently |now |too )?(?:full|over|exceeded)|full (?:mailbox|inbox)|over ?(?:the )?(?:limit|size|storage|quota)|"
    r"insufficient (?:disk|storage|system|space)|out of (?:storage|disk)|exceed(?:ed|s|ing)? (?:\w{1,20} ){0,4}(?:quota|storage|space|mailbox|maildir|(?<!size )limit)|not enough (?:space|storage|disk)|mailbox size limit|mailbox exceeds|"
    r"(?:postfach|mailbox) (?:\S{1,80} ){0,4}(?:voll|überfüllt)\b|speicherplatz|bo[iî]te (?:\S{1,80} ){0,6}(?:pleine|satur[ée]e)|buz[oó]n (?:\S{1,80} ){0,5}lleno|"
    r"casella (?:\S{1,80} ){0,4}piena|(?:mailbox|postbus|postvak) (?:\S{1,80} ){0,5}vol\b|caixa (?:\S{1,80} ){0,5}cheia|skrzynka (?:\S{1,80} ){0,4}(?:pełna|przepełniona)|schránka (?:\S{1,80} ){0,3}pln[áa]|postafiók\w{0,3} (?:\S{1,80} ){0,3}(?:megtelt|tele)|(?:inkorgen|brevlådan|postlådan|postkassen|indbakken|innboksen) (?:\S{1,80} ){0,3}ful[dl]\b|posti?laatikko (?:\S{1,80} ){0,3}täynnä|posta kutusu (?:\S{1,80} ){0,3}dolu|γραμματοκιβώτιο (?:\S{1,80} ){0,3}(?:γεμάτο|πλήρες)|"
    r"ящик (?:получателя )?(?:переполнен|заполнен)|превышен[аы]? квот|(?:邮箱|空间)(?:已|空间)*(?:满|不足)|容量不足|信箱已滿|容量(?:オーバー|超過|を超え)|いっぱい|満杯|용량(?:이)? ?(?:초과|부족)|mailfolder is full",
    re.IGNORECASE,
)
BLOCKED = re.compile(
    r"black-?list|block-?list|block list|denylist|spamhaus|barracudacentral|\brbl\b|dnsbl|spamcop|sorbs|poor (?:\w{1,20} )?reputation|(?:low|bad) (?:\w{1,20} )?reputation|reputation of (?:the|your)|ip (?:address )?(?:\S{1,60} )?(?:is |was |has been )?(?:blocked|banned|listed|blacklisted)"
    r"|(?:client|sender|sending) host \S{1,90} blocked|(?<!not )listed (?:in|on|at|by) |blocked using|banned sending ip|temporarily (?:blocked|rate limited) due to|part of (?:their|your) network is on our block|s3140|s3150|\btss0\d|\bts0[134]\b|unusual rate of unsolicited|"
    r"your (?:ip|server|network|domain) (?:\S{1,80} )?(?:is|was|has been) (?:blocked|rejected|banned)|access denied, banned|auf (?:einer|unserer) (?:sperr|black)liste|liste noire|lista negra|lista nera|zwarte lijst",
    re.IGNORECASE,
)
POLICY = re.compile(
    r"policy|quarant(?:in|ain|än|en)|[cq]uarenten|held for (?:review|approval|moderation)|on hold|spam|junk|unsolicited|bulk (?:e-?mail|mail)|content (?:filter|reject|is not|was)|dmarc|dkim|\bspf\b|virus|malware|phish|not (?:authori[sz]ed|permitted|allowed|accepting (?:mail|messages) from)|unauthenticated|authentication (?:required|failed|is required)|"
    r"relay(?:ing)? (?:access )?(?:denied|not)|unable to relay|access denied|administrative(?:ly)? prohibit|prohibited|message (?:size|too (?:large|big))|too (?:large|big)|(?:message|size|file size) (?:\w{1,20} ){0,3}exceed|exceed(?:s|ed)? (?:\w{1,20} ){0,4}(?:size|length)|attachment|line too long|forbidden|"
    r"restrict(?:ed|ion)|block(?:ed)? ?(?:senders?|list)|only accepts|members? only|moderat|approv|rejected by (?:the )?(?:\w{1,20} )?(?:rule|filter|system|policy|content)|blocked by|richtlinie|nicht berechtigt|nicht erlaubt|zu groß|politique|non autoris|trop (?:volumineux|gros)|pol[ií]tica|no autoriz|demasiado grande|"
    r"non autorizzat|troppo grande|beleid|niet toegestaan|te groot|não autoriz|спам|垃圾邮件|反垃圾|拒收|拒绝|スパム|受信拒否|지정하여 수신|스팸|does not want|refuse[sd]? (?:mail|to accept)|challenge",
    re.IGNORECASE,
)
HARD = re.compile(
    r"unknown (?:\w{1,20} )?(?:user|recipient|address|mailbox|local|account|host|domain)|(?:user|recipient|address|mailbox|host|account|addressee|domain|destination)(?: \S{1,80})? (?:is )?unknown|no such (?:\w{1,20} )?(?:user|address|mailbox|recipient|person|account|domain|name|host)|"
    r"(?:user|mailbox|recipient|address|account|person|e-?mail)(?:\(?s\)?)?(?: \S{1,80})? (?:was |is |does |did |has |could |can )?(?:not|n't|been|no longer|wasn't)(?: been)? (?:found|exist|known|listed|disabled|deactivated|deleted|closed|valid|be found|available|active|here|in use|recogni[sz]ed|registered|a (?:valid|known))|"
    r"(?:does(?: not|n['’]t)|may not) (?:exist|have an?)|doesn['’]t have an? |don['’]t have (?:an? |such )|invalid (?:\w{1,20} ){0,2}(?:recipient|address|mailbox|user|userid|account|e-?mail|domain|host)|not a (?:valid|known|registered) |(?:account|mailbox|user|address)(?: \S{1,80})? (?:is |has been |was )?(?:disabled|inactive|closed|terminated|deleted|"
    r"suspended|deactivated|discontinued|removed|expired)|mailbox (?:is )?(?:unavailable|not available)|recipient (?:address )?(?:\S{1,80} )?rejected|address(?:es)? (?:\S{1,80} )?rejected|bad destination|bad (?:address|recipient|user|mailbox)|host (?:\S{1,90} )?(?:unknown|not found)|"
    r"domain (?:name )?(?:\S{1,90} )?(?:not found|unknown|does not|doesn't|couldn't be found|could not be found|is invalid)|domain[- ](?:not[- ]found|does[- ]not)|unrout(?:e)?able|un-?routable|not our customer|no (?:mailbox|user|account|recipient)s? (?:here|found|by that name|with that)|nobody (?:here )?(?:by|with) (?:that|this) name|user doesn['’]t|"
    r"not listed in|wasn['’]t found|couldn['’]t be found|was not found|not found in|address (?:is |was )?(?:wrong|incorrect|misspelled|mistyped)|wrong (?:address|e-?mail)|no (?:valid|final) (?:recipient|e-?mail delivery)|does not have a final|did not (?:exactly )?match|no matches|unable to (?:locate|find|verify)|cannot (?:find|locate)|could not (?:find|locate|be (?:found|located|resolved))|"
    r"failed permanently|permanent(?:ly)? (?:delivery )?(?:error|fail|fatal|reject)|fatal error|no longer (?:valid|active|works?|employed|accept|in (?:use|service)|exists?|available|monitored)|not (?:deliverable|recogni[sz]ed|local)|bounced by|hop count|over hop|too many hops|mail(?:ing)? loop|loops? back|looping|not been collected|undeliverable to|did not reach the following|"
    r"delivery to the following recipients? failed|(?:returned|failed) because the (?:address|recipient|user)|unreachable (?:address|recipient)|null ?mx|does not accept (?:e-?)?mail|"
    r"unbekannt|existiert nicht|existieren nicht|nicht (?:gefunden|bekannt|im (?:domino-?)?verzeichnis|verzeichnet|vorhanden|existent)|ungültige (?:e-?mail|adresse|empfänger)|kein (?:benutzer|postfach|empfänger)|gibt es nicht|deaktiviert|gesperrt|n['’]existe pas|inexistant|inconnue?\b|introuvable|non répertorié|pas répertorié|adresse (?:\S{1,80} )?(?:est )?(?:invalide|erronée|incorrecte)|désactivé|n['’]a pas (?:été|pu être) trouvé|"
    r"no existe|desconocid|inexistente|no (?:se )?(?:ha |pudo |puede )?(?:sido )?encontr|no válid|inválid|desactivad|non esiste|sconosciut|non (?:è stato |valido|trovat)|impossibile trovare|no se encontr|casella di posta (?:inesistente|disabilitata)|inesistente|disattivat|bestaat niet|onbekend|niet (?:worden )?gevonden|ongeldig|não (?:existe|(?:foi|pode ser|pôde ser) encontrad|(?:foi )?(?:possível )?(?:encontrad|encontrar|localizar|localizad))|desconhecid|nie (?:istnieje|znaleziono|można (?:odnaleźć|znaleźć)|odnaleziono|ma takiego)|nieznan|не существует|не найден|неизвестн|несуществ|заблокирован|"
    r"neexistuje|nebyl[aoy]? nalezen|nepodařilo (?:se )?najít|neznám|nenašl|nem (?:létezik|található)|ismeretlen|(?:finns|hittades|kunde) inte(?! leverer)|inte hittas|kan inte hitta|okänd|(?:findes|finnes|fantes|fant|fandt) ikke|ikke (?:blev |ble )?(?:fundet|funnet|finde)|blev ikke fundet|ble ikke funnet|ukendt|ukjent|ei (?:ole olemassa|löydy|löytynyt)|tuntematon|bulunamadı|bulunmuyor|mevcut değil|geçersiz|(?:δεν (?:υπάρχει|βρέθηκε)|άγνωστ)|nu (?:există|a fost găsit)|不存在|无此用户|找不到|地址(?:错误|有误)|無此|存在しま|見つかりません|宛先不明|無効|アドレスに誤り|該当(?:する)?(?:ユーザ|アドレス)|该用户|没有(?:此|该|这个)用户|查无此人|無法找到|無此使用者|使用者不存在|收件人(?:地址)?(?:无效|不存在)|ユーザ[ーが]?.{0,6}(?:不明|いません)|存在しない|존재하지 않|없는 (?:사용자|메일)|찾을 수 없",
    re.IGNORECASE,
)
SOFT = re.compile(
    r"temporar|try again|retry|will (?:keep|continue|be) (?:on )?(?:try|retri)|still (?:being )?(?:try|retri)|delay|deferred|greylist|graylist|postponed|timed? ?out|timeout|connection (?:was )?(?:refused|reset|dropped|lost|closed)|could(?: not|n['’]t) (?:be )?(?:connect|establish|reach)|not be reached|unable to (?:connect|contact|establish|deliver .{0,60}within)|"
    r"too (?:many|busy)|(?:not|isn['’]t|wasn['’]t) respond|no (?:answer|response) from|unreachable|not reachable|server (?:unavailable|busy)|in the queue too long|(?:giving|given|gave) up|time (?:limit )?expired|expired|maximum[- ]time|rate limit|throttl|network (?:problem|error|is unreachable)|resources|service (?:not available|unavailable)|"
    r"vorübergehend|zeitüberschreitung|nicht erreichbar|noch nicht zugestellt|verzögert|temporair|différé|délai|injoignable|temporal|tiempo de espera|in ritardo|scadut|tijdelijk|vertraagd|temporári|tymczasow|временн|稍后|超时|暂时|一時的|タイムアウト|일시적",
    re.IGNORECASE,
)
DELAYED = re.compile(
    r"do not need to resend|need not resend|do not resend|don['’]t (?:need to )?resend|no action is required|(?:will|still) (?:keep|continue|be|being) (?:on )?(?:trying|to be retried|to try|to retry|retried|to attempt|attempting|queued|made for)|attempts? will continue|we(?:'ll| will) (?:keep|continue) |"
    r"warning(?: message)? only|this is (?:only )?a warning|advisory-only|delivery (?:\S{1,80} )?(?:is|has been) (?:delayed|postponed|temporarily)|has been (?:postponed|delayed)|has not (?:yet been delivered|been delivered (?:yet|after|for|within))|hasn['’]t been delivered yet|not yet been delivered|delayed \d+|delay(?:ed)? (?:mail|notification|\(warning)|\(delay(?:ed)?\)|"
    r"delivery incomplete|will (?:re)?try (?:again |to deliver |sending |delivering )?for (?:another )?\d|zustellung unvollständig|versucht (?:noch |es )?weiter|livraison incomplète|remise incomplète|entrega incompleta|consegna incompleta|bezorging (?:is )?onvolledig|noch nicht (?:zugestellt|ausgeliefert|übermittelt)|wird weiterhin versucht|zustellung verzögert|verzögert(?:e zustellung)?|remise (?:est )?différée|(?:est|sera) retard|nouvelle tentative|pas encore (?:été )?(?:remis|distribu)|se (?:ha )?retras|retrasad[ao]|ritardat[ao]|se seguirá intentando|reintentar|aún no se ha|consegna ritardata|in ritardo|"
    r"non è ancora stat|vertraagd|nog niet (?:afgeleverd|bezorgd)|atrasad|ainda não foi entregue|tentaremos|opóźnion|försenad|forsinket|viivästy|задержан|отложен|ещё не доставлен|延迟|尚未送达|遅延|まだ配信|지연",
    re.IGNORECASE,
)
FAILURE_SUBJECT = re.compile(
    r"undeliver|unzustellbar|deliver(?:y|ed|ing)?(?: of \S{1,90})?(?: status| notification|\s*\(?fail| has failed| problem| error| incomplete| delay| warning| unsuccess| report| reject)|(?:returned|rejected|bounced|blocked|nondeliver\w{1,8}|non-?deliver\w{1,8}|undelivered|failed|delayed) (?:e-?)?mail|"
    r"mail (?:could not be delivered|not delivered|(?:delivery )?(?:failed|failure|fail|error|errors|system error|returned|problem|rejected|subsystem|delayed))|failure notice|failure delivery|processing error|failed delivery|automatically rejected|quarant(?:in|ain|än|en)|[cq]uarenten|awaits? (?:\w{1,20} )?approval|held for (?:review|moderation|approval)|being held|message (?:is |was |has been |placed )?(?:on hold|held|blocked|quarantined)|message you sent blocked|(?:virus|malware|banned (?:file|content)) (?:found|detected|alert|in )|(?:infected|blocked|suspicious|prohibited) (?:message|e-?mail|attachment)|\bNDN\b|\bNDR\b|nameserver error report|could not (?:be )?(?:deliver|send)|"
    r"non[- ]?(?:remis|delivery|deliverable|recapit)|nicht (?:zugestellt|zustellbar|übermittelt|ausgeliefert)|zustell(?:ung(?!sbest)|fehler)|rücksendung|unzustellbarkeit|échec (?:de|d['’])? ?(?:la |l['’])?(?:remise|livraison|envoi|distribution|notification)|non distribu|non délivr|notification d['’]échec|"
    r"mensaje no entregado|no se (?:ha )?(?:pudo|podido|puede) entregar|no entregad|error (?:de|en la) entrega|(?:correo|mensaje) devuelto|entrega fallida|fallo (?:de|en la) entrega|mancat[ao] (?:consegna|recapito)|messaggio non (?:recapitat|consegnat)|impossibile (?:trovare|recapitare|consegnare)|errore (?:di|nella) consegna|"
    r"onbestelbaar|niet (?:bezorgd|afgeleverd|bezorgbaar)|bezorging(?:sfout| mislukt)|não (?:foi )?(?:entreg|entrega)|falha (?:na|de) (?:entrega|envio)|devolvid|não entregue|niedostarcz|nie dostarczono|zwrot (?:wiadomości|poczty)|nedoručiteln|nedoručen|nelze doručit|nedoruč|kézbesíthetetlen|sikertelen kézbesítés|"
    r"(?:kunde|kan|gick) inte (?:att )?leverera|misslyckad|olevererbart|kan ikke leveres|ikke leveret|kunne ikke leveres|ei voi(?:tu|da)? toimittaa|toimitus (?:\S{1,40} )?epäonnistui|nu (?:a putut fi|poate fi) livrat|teslim edilemedi|iletilemedi|недоставлен|не доставлен|ошибка доставки|не удалось доставить|αδυναμία παράδοσης|退信|退件|无法(?:投递|送达|发送)|投递失败|发送失败|無法(?:傳送|投遞)|"
    r"未(?:送达|能送达|传递|投递)|无法传递|無法傳遞|未傳遞|失敗通知|送信エラー|配信(?:不能|エラー|失敗)|宛先不明|送信できません|配信できません|お届けできません|전송 ?실패|반송|전달 ?(?:실패|되지)|배달(?:되지| ?실패|할 수 없)|message (?:not delivered|status - undeliverable|delayed|undeliverable|rejected|could not)|can(?:not|['’]t) (?:be )?deliver|couldn['’]t be delivered|delivery (?:to \S{1,90} )?(?:failed|has been delayed|delayed)|"
    r"warning: (?:could not send|message)|user unknown|permanent (?:delivery )?(?:fail|error)|postmaster notify|recipient (?:unknown|rejected)|did not reach|wasn['’]t delivered|was not delivered|failed mail",
    re.IGNORECASE,
)
TOLD = re.compile(
    r"(?:could|can|was|were|has|have|did|is)(?: not|n['’]t| NOT)(?: been)?(?: be)? (?:deliver|sent|reach|transmitted|processed)|cannot be deliver|unable to (?:be )?deliver|not delivered|undeliver|deliver(?:y|ing)\b.{0,60}\b(?:fail|error|problem|delay|postpone|unsuccess)|failed (?:to deliver|recipient|address)|(?:following|these) (?:recipient|address|user)|"
    r"(?:not|n['’]t) able to deliver|(?:was|been|is|being|were) (?:returned|quarantined|held|blocked|(?:placed|put) (?:on hold|in(?:to)? quarantine))|in quarant[aä]ne|(?:mise?|placé)e? en quarantaine|en cuarentena|in quarantena|em quarentena|returned (?:to (?:the )?sender|because|mail)|did not reach|not reach the following|delivery (?:to|of|attempts?|status|for) |message (?:was|has been) (?:automatically )?(?:rejected|blocked|returned|refused)|mail system|sorry to (?:have to )?inform|session transcript|transcript of session|zugestellt|zustell|nicht (?:ausgeliefert|übermittelt)|"
    r"pas (?:pu être|été) (?:remis|délivr|distribu|transmis|livr)|p(?:u|û) [eê]tre d[eé]livr|impossible de (?:remettre|distribuer|livrer)|n['’]a pas pu|no (?:se )?(?:ha |pudo |puede |ha podido )?(?:ser |sido )?entreg|non (?:è stato|può essere|ha potuto|è possibile) (?:\w{1,20} )?(?:recapit|consegn)|recapitat|recapito non riuscito|n['’]a pu [eê]tre|misslyckades|nie można dostarczyć|falha na entrega|bezorgen .{0,60}mislukt|kon(?:den)? niet worden (?:afgeleverd|bezorgd)|"
    r"niet (?:afgeleverd|bezorgd)|não (?:pôde|foi|pode) (?:ser )?entreg|nie (?:może|mogła|została?) (?:być |zostać )?dostarcz|не (?:может быть|был[ао]?|удалось) доставл|не доставлен|(?:kunde|kan|gick) inte (?:att )?(?:levereras?|skickas)|leverans(?:en)? (?:\S{1,40} ){0,6}misslyckad|(?:levering(?:en)?|leveringen) (?:\S{1,60} ){0,8}mislykk|kunne ikke (?:leveres|sendes)|toimit(?:us|taminen) .{0,80}epäonnist|ei voitu toimittaa|doručení .{0,80}nezdařil|nepodařilo (?:se )?doručit|nelze doručit|doručiť sa nepodarilo|kézbesít\w{1,12} .{0,80}nem (?:sikerült|lehet)|nem (?:sikerült|lehet) kézbesíteni|dostarczeni\w .{0,80}nie powiod|nie udało się (?:dostarczyć|doręczyć)|сбой доставки|teslim(?:at)? .{0,60}(?:başarısız|edilemedi)|nu (?:a putut fi|poate fi) livrat|livrarea .{0,80}eșuat|η παράδοση .{0,80}απέτυχε|falha (?:na|de) entrega|未(?:送达|传递|能送达)|无法(?:将邮件)?传递|無法(?:將郵件)?傳遞|(?:傳遞|投遞).{0,20}失敗|(?:传递|发送|投递).{0,20}失败|配信(?:に失敗|不能)|배달하지 못|배달되지|전달(?:하지 못|되지)|退回|退信|无法(?:发送|投递|送达)|投递|送信できません|配信できません|届けできません|送達|전송(?:되지|에 실패|하지)|반송",
    re.IGNORECASE,
)
DAEMON = re.compile(
    r"(?i)^(?:mailer[-_.]?dae?mon|mail\.delivery\.system|post-?master|mail[-_.]?daemon|mailerdaemon|mmdf|mail-?delivery|mail\.delivery|mail-?server|smtp-?gateway|noreply-?ndr|ndr|"
    r"bounces?|double-?bounce|mdaemon|mail-?admin|auto-?bounce|microsoftexchange[0-9a-f]*|mail-?system|delivery|delivery-?(?:status|failure|notification)s?|postmast|mail-?router|mailrelay|mailsweeper|interscan|listserv|majordomo|listproc|root|uucp|daemon|system|postmaster\\)(?:[+_-].{0,200})?@"
)
MACHINE = re.compile(
    r"(?i)gateway|anti-?virus|antispam|mail-?scan|filter|server|no-?reply|do-?not-?reply|daemon|system|mta\b|\bsmtp|exchange|spi-|secur|quarantine|administrator"
)
REPLY_SUBJECT = re.compile(
    r"\s*(?:re|r|aw|antw|sv|vs|odp|rif|res|ref|ynt|回复|答复|fw|fwd|wg|tr|rv|enc|i|doorst|vb|pd|vl|转发|転送)\s*(?:\[\d{1,3}\])?\s*[:：]",
    re.IGNORECASE,
)
