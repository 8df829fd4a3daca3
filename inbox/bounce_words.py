"""With which words do mail systems say that they could not deliver? Patterns in many languages, none backtracks."""

import re

QUOTE_STARTS = re.compile(
    r"(?im)^\s*(?:-{2,}\s*)?(?:below this line is a copy|below is a copy|this is a copy of (?:the|your) message|"
    r"(?:the )?(?:original|returned|unsent|undelivered|failed) message(?: (?:follows|headers?|is|was|below|text))|"
    r"-{3,} ?(?:original|returned|enclosed|forwarded|start of|the header of|begin)|copy of (?:the|your) (?:original )?message|"
    r"message header follows|(?:message )?headers? follow|received: from |return-path: <|"
    r"your (?:original )?message (?:follows|is below|text follows)|unsent message below|original-?nachricht|"
    r"(?:ursprüngliche|originale) nachricht|message d'origine|mensaje original)"
)
FULL = re.compile(
    r"quota|mailbox (?:is )?full|over ?(?:the )?(?:limit|size|storage)|insufficient (?:disk|storage|system)|exceed(?:ed|s)? (?:\w+ )?"
    r"(?:quota|storage|limit)|postfach (?:ist )?voll|boîte pleine|buzón lleno|casella piena|满|容量|not enough (?:space|storage)",
    re.IGNORECASE,
)
BLOCKED = re.compile(
    r"blacklist|blocklist|block list|spamhaus|barracuda|\brbl\b|dnsbl|poor reputation|ip (?:address )?(?:is )?(?:blocked|banned|listed)"
    r"|listed (?:in|on|at) |bad reputation|blocked using",
    re.IGNORECASE,
)
POLICY = re.compile(
    r"\bspam\b|policy|prohibited|virus|content (?:reject|filter)|dmarc|dkim|\bspf\b|authenticat|relay(?:ing)? (?:access )?(?:denied|not)"
    r"|not (?:permitted|allowed|authori[sz]ed)|message too (?:large|big)|exceeds (?:the )?(?:maximum|size)|refused by (?:rule|filter)",
    re.IGNORECASE,
)
HARD = re.compile(
    r"user (?:is )?unknown|unknown (?:user|recipient|address|mailbox|local)|no such (?:user|address|mailbox|recipient|person|account|"
    r"local|domain)|(?:user|mailbox|recipient|address|account)(?:s)?(?: \S{1,80})? (?:was |is |does |has |could |can )?(?:not|n't|been)"
    r" (?:found|exist|known|listed|disabled|valid|be found|available|here)|does(?: not|n't) exist|doesn't have an? |invalid "
    r"(?:recipient|address|mailbox|user)|not a (?:valid|known) (?:user|mailbox|address)|account (?:is )?(?:disabled|inactive|closed|"
    r"suspended|has been (?:disabled|deactivated|closed))|mailbox unavailable|recipient (?:address )?rejected|address rejected|bad "
    r"destination|host (?:\S+ )?(?:unknown|not found)|domain (?:\S+ )?(?:not found|unknown|does)|unrouteable|not our customer|"
    r"no (?:mailbox|user) here|user doesn't|unbekannt|existiert nicht|nicht gefunden|n'existe pas|inconnu|no existe|desconocid|"
    r"non esiste|sconosciut|bestaat niet|onbekend|não existe|nie istnieje|不存在|存在しません|見つかりません|该用户|無効|"
    r"permanent (?:delivery )?(?:error|failure|fatal)|fatal error|no longer (?:valid|active|works|employed|accept)|not (?:deliverable|listed|recognized|recogni[sz]ed)|cannot (?:find|locate)|could not (?:find|locate)|(?:giving|given|gave) up|not local|bounced by|over hop|too many hops|loop",
    re.IGNORECASE,
)
SOFT = re.compile(
    r"temporar|try again|retry|will (?:keep|continue|be) (?:on )?(?:try|retri)|still (?:being )?(?:try|retri)|delay|deferred|greylist|"
    r"timed? ?out|timeout|connection refused|could not connect|not be reached|too (?:many|busy)|vorübergehend|noch nicht zugestellt|"
    r"verzögert|temporaire|différé|temporal|in ritardo|vertraagd",
    re.IGNORECASE,
)
DELAYED = re.compile(
    r"(?:you )?do not need to resend|need not resend|no action is required|will (?:keep|continue) (?:on )?(?:trying|to be retried|to try|retry)"
    r"|still (?:being )?(?:trying|retried|queued)|warning(?: message)? only|this is (?:only )?a warning|delivery (?:is|has been) delayed|"
    r"has not (?:yet )?been delivered|not yet been delivered|delayed 24|delay(?:ed)? (?:mail|notification|\(warning)|noch nicht",
    re.IGNORECASE,
)
FAILURE_SUBJECT = re.compile(
    r"undeliver|unzustellbar|deliver(?:y|ed)?(?: status| notification|\s*\(?failure| failed| problem| has failed| error| incomplete)|"
    r"returned mail|mail (?:delivery )?(?:failed|failure|error|system error|returned)|failure notice|delivery failure|failed delivery|"
    r"delivery report|non[- ]?(?:remis|delivery|deliverable)|nicht zugestellt|zustell(?:ung|fehler)|rücksendung|échec de (?:la )?"
    r"(?:remise|livraison)|non distribu|mensaje no entregado|no se (?:ha )?(?:pudo|podido) entregar|devuelto|mancata consegna|"
    r"messaggio non recapitat|onbestelbaar|niet bezorgd|não (?:foi )?(?:entregue|entrega)|falha na entrega|niedostarczon|退信|系统退信|"
    r"送信エラー|配信(?:不能|エラー)|message (?:not delivered|status - undeliverable|delayed|undeliverable)|can(?:not|'t) (?:be )?deliver|"
    r"warning: (?:could not send|message)|rejected mail|bounced mail|user unknown|nondeliverable|permanent (?:delivery )?fail|"
    r"postmaster notify|mail could not be delivered|recipient (?:unknown|rejected)",
    re.IGNORECASE,
)
DAEMON = re.compile(
    r"(?i)^(?:mailer[-_.]?daemon|mail\.delivery\.system|postmaster|mail[-_.]?daemon|mailerdaemon|mmdf|mail-delivery|maildelivery|mail\.delivery|"
    r"bounces?|double-?bounce|mdaemon|mailadmin|auto-?bounce|microsoftexchange[0-9a-f]*|mail-?system|delivery|postmast)(?:[+_-].*)?@"
)

REPLY_SUBJECT = re.compile(r"\s*(?:re|aw|sv|antw|odp|rif|res|ref)\s*:", re.IGNORECASE)
