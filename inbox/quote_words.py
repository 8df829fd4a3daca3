"""How do mail programs mark what is quoted? Attribution lines, header names, rules, signatures, disclaimers.

English, German, French, Spanish, Italian, Dutch, Portuguese, Swedish, Danish, Norwegian, Finnish, Polish, Czech, Slovak,
Hungarian, Romanian, Russian, Ukrainian, Turkish, Greek, Chinese, Japanese, Korean, Hebrew and Arabic.
"""

import re

WROTE = re.compile(
    r"(?:\b(?:wrote|writes|said|schrieb|schreibt|geschrieben|écrit|ecrit|écrivait|écrivit|escribi[óo]|escribe|ha scritto|scrisse|scrive|schreef|geschreven|escreveu|skrev|skriver|kirjoitti|napisał|napisała|napisał\(a\)|pisze|"
    r"napsal|napsala|napsal\(a\)|napísal|napísala|írta|ezt írta|a scris|написал|написала|написал\(а\)|пишет|писал|писав|пише|yazdı|şunları yazdı|έγραψε)(?!\w)|写道|寫道|のメッセージ|さんは書きました|님이 작성|작성함|כתב|כתבה|كتب)",
    re.IGNORECASE,
)
STARTS = re.compile(
    r"^(?:on|am|le|el|il|op|em|no dia|den|dne|dňa|dnia|w dniu|a\(z\)|la|în|pe|στις|в|at|um|lun|mar|mer|jeu|ven|sam|dim|mo|di|mi|do|fr|sa|so|seg|ter|qua|qui|sex|"
    r"mån|tis|ons|tors|fre|lör|sön|man|tir|tor|lør|søn|ma|ti|ke|to|pe|la|su|pon|wt|śr|czw|pt|sob|po|út|st|čt|pá|h|k|sze|cs|p|v|пн|вт|ср|чт|пт|сб|вс|mon|tue|wed|thu|fri|sat|sun|\d{1,4})\b",
    re.IGNORECASE,
)
DATED = re.compile(r"\b(?:19|20)\d\d\b|\b\d{1,2}[:.h]\d\d\b|\b\d{1,2}[./-]\d{1,2}[./-]\d{2,4}\b|\d{1,2}[月월]")
MAIL = re.compile(r"[^\s<>@]{1,64}@[^\s<>@]{1,200}")
_FROM = r"from|von|de|da|van|från|fra|od|lähettäjä|feladó|expéditeur|expediteur|remitente|mittente|afzender|de la|от|від|kimden|gönderen|από|发件人|寄件者|寄件人|差出人|送信者|보낸 ?사람|발신자|מאת|من"
_OTHERS = (
    r"sent|date|to|cc|subject|gesendet|datum|an|betreff|envoyé|envoye|date|à|a|objet|enviado(?: el)?|enviada(?: em)?|fecha|para|asunto|inviato|data|oggetto|verzonden|aan|onderwerp|assunto|skickat|till|ämne|sendt|dato|til|emne|kopi|"
    r"lähetetty|päivä|vastaanottaja|aihe|wysłano|wysłane|data|do|dw|temat|odesláno|datum|komu|předmět|kopie|odoslané|predmet|küldve|dátum|címzett|tárgy|másolatot kap|trimis|către|subiect|дата|отправлено|кому|тема|копия|надіслано|"
    r"tarih|gönderilme|kime|konu|ημερομηνία|στάλθηκε|προς|θέμα|发送时间|发送日期|日期|时间|收件人|抄送|主题|寄件日期|收件者|主旨|副本|送信日時|日時|日付|宛先|件名|보낸 ?날짜|날짜|받는 ?사람|제목|참조|תאריך|נשלח|אל|נושא|إلى|التاريخ|الموضوع|reply-to"
)
FROM_LINE = re.compile(rf"^\*{{0,2}}(?:{_FROM})\s?\*{{0,2}}\s?[:：]\s?\*{{0,2}}\s?\S", re.IGNORECASE)
HEADER_LINE = re.compile(rf"^\*{{0,2}}(?:{_FROM}|{_OTHERS})\s?\*{{0,2}}\s?[:：]", re.IGNORECASE)
_FORWARDED = (
    r"forwarded (?:message|by)|begin forwarded message|weitergeleitete (?:nachricht|e-?mail|mail)|anfang der weitergeleiteten (?:nachricht|e-?mail)|message transféré|début du (?:message transféré|message réexpédié)|message réexpédié|"
    r"mensaje reenviado|inicio del mensaje reenviado|messaggio inoltrato|inizio messaggio inoltrato|doorgestuurd bericht|begin doorgestuurd bericht|mensagem (?:encaminhada|reencaminhada)|início da mensagem (?:encaminhada|reencaminhada)|"
    r"vidarebefordrat (?:meddelande|brev)|vidarebefordrat mejl|videresendt (?:meddelelse|melding|besked)|videresendt e-?post|välitetty viesti|edelleenlähetetty viesti|wiadomość przekazana|przekazana wiadomość|przeposlaná zpráva|přeposlaná zpráva|továbbított üzenet|"
    r"mesaj redirecționat|пересылаемое сообщение|пересланное сообщение|переадресованное|iletilen (?:mesaj|ileti)|προωθημένο μήνυμα|转发的?邮件|轉寄的郵件|転送(?:された)?メッセージ|전달된 메(?:일|시지)|הודעה שהועברה"
)
FORWARD = re.compile(rf"^[ \t]*[-_=*]{{0,20}}[ \t]*(?:{_FORWARDED})\b", re.IGNORECASE | re.MULTILINE)
_ORIGINAL = (
    r"original (?:message|appointment|e-?mail|mail)|ursprüngliche (?:nachricht|e-?mail|mail)|originalnachricht|original-?nachricht|message d['’]origine|message original|message initial|courriel original|mensaje original|messaggio originale|messaggio di origine|"
    r"oorspronkelijk bericht|oorspronkelijke? (?:e-?mail|bericht)|mensagem original|originalmeddelande|ursprungligt meddelande|oprindelig (?:meddelelse|besked)|opprinnelig melding|alkuperäinen viesti|wiadomość oryginalna|oryginalna wiadomość|původní zpráva|pôvodná správa|"
    r"eredeti üzenet|mesaj original|исходное сообщение|оригинальное сообщение|orijinal (?:mesaj|ileti)|αρχικό μήνυμα|原始邮件|原始郵件|原邮件|元のメッセージ|원본 ?메(?:일|시지)|original besked|הודעה מקורית|الرسالة الأصلية"
)
RULE = re.compile(
    rf"^(?:[-_=*—]{{2,}}\s?(?:{_ORIGINAL}|{_FORWARDED}|reply above[^\n]{{0,60}})\b[^\n]{{0,80}}|(?:{_FORWARDED})\s?:.{{0,10}}|(?:{_ORIGINAL})\s?:|_{{10,}}|-{{30,}}|={{30,}}|\*{{30,}}|"
    r"#{1,3}[-– ]{0,3}(?:please )?(?:type|write|reply|bitte|antworten|répondez|escriba)[^\n]{0,80}(?:above|oberhalb|über|dessus|encima)[^\n]{0,60})\s*$",
    re.IGNORECASE,
)
SIGNATURE = re.compile(r"^(?:--|—|–) ?$", re.MULTILINE)
MOBILE = re.compile(
    r"^[ \t*_\[(]{0,4}(?:(?:sent|get|gesendet|versendet|diese nachricht wurde|von (?:meinem|unterwegs)|envoyé|envoye|télécharger|enviado|enviada|obt[ée]n|obter|inviato|scarica|ottieni|verzonden|verstuurd|download|skickat|hämta|sendt|hent|wysłane|wysłano|pobierz|odesláno|lähetetty|trimis|küldve|отправлено|iphone'umdan|στάλθηκε|发自我的|傳送自|寄件自|iphone|나의)"
    r"[^\n]{0,70}?(?:iphone|ipad|ios|android|samsung|galaxy|huawei|xiaomi|blackberry|outlook|mobile|mobil|handy|smartphone|gmx|web\.de|t-online|yahoo|\bmail\b|e-?mail app|proton|telefon|téléphone|móvil|celular|cellulare|telemóvel|device|gerät|phone|unterwegs|から送信|발송)[^\n]{0,50}"
    r"|von meinem [^\n]{2,30} gesendet|get outlook for [^\n]{2,20})[ \t]*$",
    re.IGNORECASE | re.MULTILINE,
)
BANNER = re.compile(
    r"^[ \t*\[(!⚠️]{0,8}(?:caution|warning|attention|achtung|vorsicht|external|extern|externe|esterno|externo|\[?ext(?:ernal)?\]?|this (?:e-?mail|message) (?:originated|came|was sent) from outside|diese (?:e-?mail|nachricht) (?:kommt|stammt|wurde) (?:von )?(?:außerhalb|extern)|you don['’]t often (?:get|receive) e-?mail|sie erhalten nicht (?:oft|häufig)|vous n['’]obtenez pas souvent|"
    r"no suele recibir|non si ricevono spesso|u ontvangt niet vaak)[^\n]{0,40}(?:e-?mail|sender|message|nachricht|absender|origin|outside|organi[sz]ation|außerhalb|extern|expéditeur|remitente|mittente|afzender|from)[^\n]{0,400}$",
    re.IGNORECASE | re.MULTILINE,
)
DISCLAIMER = re.compile(
    r"^[ \t*_]{0,6}(?:(?:this|the (?:information|content)s?(?: contained)? (?:in|of) this) (?:e-?mail|message|communication|transmission)\b[^\n]{0,160}(?:confidential|intended|privileged|virus|legally|addressee)|(?:confidentiality|legal) (?:notice|disclaimer)|disclaimer\s*:|(?:e-?mail )?disclaimer\s*$|important notice\s*:|if you (?:are not the intended|have received this (?:e-?mail|message|communication) in error)|"
    r"(?:diese|die in dieser|der inhalt dieser) (?:e-?mail|nachricht)\b[^\n]{0,160}(?:vertraulich|bestimmt|virenfrei|geprüft)|der inhalt dieser e-?mail|(?:hinweis|vertraulichkeitshinweis)\s*:? ?diese|wenn sie nicht der richtige adressat|sollten sie (?:nicht der|diese e-?mail irrtümlich)|(?:ce|cet|le présent|les informations contenues dans ce) (?:message|courriel|mail|e-?mail)\b[^\n]{0,160}(?:confidentiel|destiné|virus|usage exclusif)|"
    r"(?:este|esta|la información contenida en este) (?:mensaje|correo|e-?mail|comunicación)\b[^\n]{0,160}(?:confidencial|dirigid|destinatario)|aviso (?:legal|de confidencialidad)|(?:questo messaggio|questa e-?mail|la presente (?:e-?mail|comunicazione)|le informazioni (?:contenute|trasmesse))[^\n]{0,160}(?:riservat|confidenzial|destinatar)|avviso di riservatezza|ai sensi del (?:d\.?\s?lgs|regolamento|gdpr)|"
    r"(?:dit (?:bericht|e-?mailbericht)|deze e-?mail|de informatie (?:in|verzonden))[^\n]{0,160}(?:vertrouwelijk|bestemd|geadresseerde)|(?:esta mensagem|este e-?mail|as informações contidas)[^\n]{0,160}(?:confidencia|destin)|aviso de confidencialidade|denna e-?post[^\n]{0,120}konfidentiell|denne (?:e-?mail|e-?post)[^\n]{0,120}(?:fortrolig|konfidensiell)|"
    r"(?:please )?(?:consider|think of|think about) the environment|(?:bitte )?(?:denken|prüfen) sie (?:an die umwelt|bitte, ob)|pensez à l['’]environnement|n['’]imprimez|antes de imprimir|prima di stampare|denk aan het milieu|virus-?free\.? ?(?:www|\[)|virenfrei\.? ?(?:www|\[)|sans virus\.? ?www|this e-?mail has been (?:checked|scanned)|diese e-?mail wurde von (?:avast|avg)|"
    r"you received this message because you are subscribed to the google groups?)",
    re.IGNORECASE | re.MULTILINE,
)
