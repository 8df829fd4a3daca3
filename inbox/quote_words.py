"""How do mail programs mark what is quoted? Attribution lines, header blocks, rules, signatures, disclaimers."""

import re

_WROTE = (
    r"wrote|writes|said|schrieb|geschrieben|hat geschrieben|a écrit|écrivait|escribió|escribio|ha scritto|scrisse|schreef|geschreven|escreveu|"
    r"skrev|kirjoitti|napisał(?:a|\(a\))?|napsal(?:a)?|napísal|írta|a scris|написал(?:а|\(а\))?|пишет|yazdı|έγραψε|写道|寫道|のメッセージ|님이 작성"
)
_STARTS = r"on|am|le|el|il|op|em|no dia|den|dne|dnia|w dniu|a\(z\)|la|στις|в|at|um|vào|pada"
ATTRIBUTION = re.compile(
    rf"^[ \t>]*(?:(?:{_STARTS})\b[^\n]{{3,220}}(?:\n[^\n]{{0,160}}){{0,2}}?\b(?:{_WROTE})[^\n]{{0,80}}[:：]?|"
    rf"[^\n]{{0,160}}<[^<>\n@]{{1,80}}@[^<>\n]{{1,120}}>[^\n]{{0,80}}(?:{_WROTE})\s*[:：]|"
    rf"\d{{4}}[-/.年]\s?\d{{1,2}}[-/.月]\s?\d{{1,2}}[^\n]{{0,160}}(?:{_WROTE})?\s*[:：]|"
    rf"[^\n]{{2,80}}\b(?:{_WROTE})(?: (?:am|on|le|el|il|op|em) [^\n]{{4,80}})?\s*[:：])\s*$",
    re.IGNORECASE | re.MULTILINE,
)
_FROM = r"from|von|de|da|van|från|fra|od|lähettäjä|feladó|expéditeur|remitente|mittente|afzender|de la|от|kimden|από|发件人|寄件者|差出人|보낸 사람"
_SENT = r"sent|date|gesendet|datum|envoyé|enviado(?: el)?|inviato|data|verzonden|skickat|sendt|wysłano|odesláno|lähetetty|küldve|trimis|дата|отправлено|tarih|发送时间|日期|送信日時|보낸 날짜"
HEADER_BLOCK = re.compile(
    rf"^[ \t>*]*(?:{_FROM})\s?[*]?\s*[:：][^\n]{{1,300}}\n(?:[^\n]{{0,300}}\n){{0,3}}?[ \t>*]*(?:{_SENT}|subject|betreff|objet|asunto|oggetto|onderwerp|assunto|to|an|à|para|a|aan)\s?[*]?\s*[:：][^\n]{{1,300}}",
    re.IGNORECASE | re.MULTILINE,
)
RULE = re.compile(
    r"^[ \t>]*(?:-{2,}\s*(?:original (?:message|appointment)|ursprüngliche nachricht|originalnachricht|original-nachricht|message d'origine|message original|"
    r"mensaje original|messaggio originale|oorspronkelijk bericht|mensagem original|originalmeddelande|oprindelig meddelelse|opprinnelig melding|"
    r"wiadomość oryginalna|původní zpráva|alkuperäinen viesti|исходное сообщение|原始邮件|元のメッセージ|reply above|weitergeleitete nachricht|forwarded message|"
    r"message transféré|mensaje reenviado|messaggio inoltrato|doorgestuurd bericht|mensagem encaminhada)\s*-{0,}|_{20,}|-{30,}|={30,}"
    r"|begin forwarded message:|anfang der weitergeleiteten (?:nachricht|e-mail):|début du message transféré\s?:|inicio del mensaje reenviado:|"
    r"inizio messaggio inoltrato:|begin doorgestuurd bericht:|##- ?please type your reply above this line ?-##)[ \t]*$",
    re.IGNORECASE | re.MULTILINE,
)
FORWARD = re.compile(
    r"^[ \t>]*-{0,20}\s*(?:forwarded message|begin forwarded message|weitergeleitete nachricht|anfang der weitergeleiteten|message transféré|début du message transféré|"
    r"mensaje reenviado|messaggio inoltrato|doorgestuurd bericht|mensagem encaminhada)",
    re.IGNORECASE | re.MULTILINE,
)
SIGNATURE = re.compile(r"^-- ?$", re.MULTILINE)
MOBILE = re.compile(
    r"^[ \t]*(?:(?:sent|get|gesendet|von meinem|envoyé|enviado|inviato|verzonden|verstuurd|skickat|sendt|wysłane|odesláno|lähetetty|отправлено) (?:from|with|by|von|mit|via|de(?:puis|sde)?|mon|do|dal|da|met|vanaf|från|fra|z|iz|с)"
    r"?[^\n]{0,60}(?:iphone|ipad|android|samsung|galaxy|huawei|xiaomi|blackberry|outlook|mobile|mobil|handy|smartphone|gmx|web\.de|yahoo|mail|proton|telefon|téléphone|móvil|cellulare|telemóvel|device)[^\n]{0,40}"
    r"|von meinem [^\n]{2,30} gesendet)[ \t]*$",
    re.IGNORECASE | re.MULTILINE,
)
DISCLAIMER = re.compile(
    r"^[ \t*]*(?:(?:this|the information (?:contained )?in this) (?:e-?mail|message|communication)[^\n]{0,120}(?:confidential|intended|privileged)|confidentiality notice|disclaimer\s*:|diese (?:e-?mail|nachricht)"
    r"[^\n]{0,120}(?:vertraulich|bestimmt)|der inhalt dieser e-?mail|ce (?:message|courriel|mail)[^\n]{0,120}(?:confidentiel|destiné)|este (?:mensaje|correo|e-?mail)[^\n]{0,120}(?:confidencial|dirigido)|"
    r"(?:questo messaggio|la presente|le informazioni)[^\n]{0,120}(?:riservat|confidenzial)|(?:dit bericht|deze e-?mail|de informatie)[^\n]{0,120}(?:vertrouwelijk|bestemd)|esta mensagem[^\n]{0,120}(?:confidencia|destin)"
    r"|please consider the environment|bitte denken sie an die umwelt|pensez à l'environnement|antes de imprimir|caution: this (?:e-?mail|message) (?:came|originated)|external (?:e-?mail|sender)\b)",
    re.IGNORECASE | re.MULTILINE,
)
