"""How do mail programs mark what is quoted? Attribution lines, header names, rules, signatures, disclaimers.

English, German, French, Spanish, Catalan, Italian, Dutch, Portuguese, Swedish, Danish, Norwegian, Icelandic, Finnish,
Estonian, Latvian, Lithuanian, Polish, Czech, Slovak, Slovene, Croatian, Serbian, Bulgarian, Hungarian, Romanian, Russian,
Ukrainian, Turkish, Greek, Chinese, Japanese, Korean, Vietnamese, Indonesian, Thai, Hebrew and Arabic.
"""

import re

WROTE = re.compile(
    r"(?:\b(?:wrote|writes|said|schrieb|schreibt|geschrieben|écrit|ecrit|écrivait|écrivit|escribi[óo]|escribe|ha scritto|scrisse|scrive|schreef|geschreven|escreveu|skrev|skriver|kirjoitti|napisał|napisała|napisał\(a\)|pisze|"
    r"napsal|napsala|napísal|napísala|va escriure|skrifaði|kirjutas|rakstīja|rašė|napisao|napisala|написао|написа|đã viết|menulis|írta|ezt írta|a scris|написал|написала|написал\(а\)|пишет|писал|писав|пише|yazdı|şunları yazdı|έγραψε)(?!\w)|写道|寫道|のメッセージ|さんは書きました|님이 작성|작성함|쓴 글|เขียนว่า|さんのメール|のメール|כתב|כתבה|كتب)",
    re.IGNORECASE,
)
STARTS = re.compile(
    r"^(?:on|am|le|el|il|op|em|no dia|den|dne|dňa|dnia|w dniu|a\(z\)|la|în|pe|στις|в|at|um|lun|mar|mer|jeu|ven|sam|dim|mo|di|mi|do|fr|sa|so|seg|ter|qua|qui|sex|"
    r"mån|tis|ons|tors|fre|lör|sön|man|tir|tor|lør|søn|ma|ti|ke|to|pe|la|su|pon|wt|śr|czw|pt|sob|po|út|st|čt|pá|h|k|sze|cs|p|v|пн|вт|ср|чт|пт|сб|вс|mon|tue|wed|thu|fri|sat|sun|\d{1,4})\b",
    re.IGNORECASE,
)
DATED = re.compile(r"\b(?:19|20)\d\d\b|\b\d{1,2}[:.h]\d\d\b|\b\d{1,2}[./-]\d{1,2}[./-]\d{2,4}\b|\d{1,2}[月월]")
FULL_DATE = re.compile(  # a day of a year, as no sentence says it by chance
    r"(?<!\d)(?:\d{1,2}[./-]\s?\d{1,2}[./-]\s?(?:20)?\d\d|20\d\d[./-]\s?\d{1,2}[./-]\s?\d{1,2})(?!\d)|(?<!\d)\d{1,2}\b.{1,24}\b20\d\d\b.{0,16}\b\d{1,2}[:.h]\d\d\b"
)
CITES = re.compile(
    r"^(?:quoting|zitat von|citation de|citando a?|cita de|citazione di|citaat van|citat från|cytat od)\b",
    re.IGNORECASE,
)
OURSELVES = re.compile(r"\b(?:i|we|my|our|ich|wir|mein\w?|unser\w?|je|nous|yo|io|noi|ik|wij|eu)\b", re.IGNORECASE)
MAIL = re.compile(r"[^\s<>@]{1,64}@[^\s<>@]{1,200}")
_FROM = r"from|von|de|da|van|från|fra|od|lähettäjä|feladó|expéditeur|expediteur|remitente|mittente|afzender|de la|от|від|kimden|gönderen|από|发件人|寄件者|寄件人|差出人|送信者|보낸 ?사람|발신자|מאת|من|từ|dari|จาก|šalje|pošiljatelj|saatja|nuo|no|odesílatel|odosielateľ|frá|nadawca|avsändare|afsender|avsender|pošiljalac|изпраща[чт]"
_OTHERS = (
    r"sent|date|to|cc|subject|gesendet|datum|an|betreff|envoyé|envoye|date|à|a|objet|enviado(?: el)?|enviada(?: em)?|fecha|para|asunto|inviato|data|oggetto|verzonden|aan|onderwerp|assunto|skickat|till|ämne|sendt|dato|til|emne|kopi|"
    r"lähetetty|päivä|vastaanottaja|aihe|wysłano|wysłane|data|do|dw|temat|odesláno|datum|komu|předmět|kopie|odoslané|predmet|küldve|dátum|címzett|tárgy|másolatot kap|trimis|către|subiect|дата|отправлено|кому|тема|копия|надіслано|"
    r"tarih|gönderilme|kime|konu|ημερομηνία|στάλθηκε|προς|θέμα|发送时间|发送日期|日期|时间|收件人|抄送|主题|寄件日期|收件者|主旨|副本|送信日時|日時|日付|宛先|件名|보낸 ?날짜|날짜|받는 ?사람|제목|참조|תאריך|נשלח|אל|נושא|إلى|التاريخ|الموضوع|تم الإرسال|reply-to|đã gửi|ngày|tới|đến|chủ đề|dikirim|tanggal|kepada|subjek|perihal|ส่ง|วันที่|ถึง|เรื่อง|изпратено|относно|до|poslano|prima|predmet|za|zadeva|saadetud|kuupäev|adressaat|saaja|teema|išsiųsta|kam|nosūtīts|tēma|enviat el|per a|assumpte|efni|příjemce|adresát"
)
FROM_LINE = re.compile(rf"^\*{{0,2}}(?:{_FROM})\s?\*{{0,2}}\s?[:：]\s{{0,20}}\*{{0,2}}\s{{0,20}}\S", re.IGNORECASE)
HEADER_LINE = re.compile(rf"^\*{{0,2}}(?:{_FROM}|{_OTHERS})\s?\*{{0,2}}\s?[:：]", re.IGNORECASE)
HEADER_NAME = re.compile(rf"^(?:{_OTHERS})\b", re.IGNORECASE)
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
    rf"^(?:[-_=*—]{{2,}}\s?(?:{_ORIGINAL}|{_FORWARDED}|reply above[^\n]{{0,60}})\b[^\n]{{0,80}}|(?:{_FORWARDED})\s?:.{{0,10}}|(?:{_ORIGINAL})\s?:|[^\n]{{1,80}}---\d{{1,2}}[./]\d{{1,2}}[./]\d{{2,4}} [\d:]{{4,8}}(?: [AP]M)?---[^\n]{{0,300}}|_{{10,}}|-{{30,}}|={{30,}}|\*{{30,}}|"
    r"#{1,3}[-– ]{0,3}(?:please )?(?:type|write|reply|bitte|antworten|répondez|escriba)[^\n]{0,80}(?:above|oberhalb|über|dessus|encima)[^\n]{0,60})\s*$",
    re.IGNORECASE,
)
SIGNATURE = re.compile(r"^(?:--|—|–) ?$", re.MULTILINE)
_DEVICE = r"(?:iphon|ipad|\bios\b|android|samsung|galaxy|huawei|xiaomi|redmi|blackberry|outlook|mobile|mobil|handy|smartphone|gmx|web\.de|t-online|yahoo|\bmail\b|e-?mail app|proton|telefon|téléphone|móvil|celular|cellulare|telemóvel|telefoon|device|gerät|phone|unterwegs|почт)"
MOBILE = re.compile(
    r"^[ \t*_\[(]{0,4}(?:(?:sent|get|gesendet|versendet|diese nachricht wurde|von (?:meinem|unterwegs)|holen sie sich|laden sie|envoyé|envoye|télécharger|obtenez|enviado|enviada|enviat|obt[ée]n|obter|baixe|inviato|scarica|ottieni|verzonden|verstuurd|download|skickat|skaffa|hämta|sendt|hent|få |wysłane|wysłano|pobierz|odesláno|odoslané|poslano|poslato|lähetetty|hanki|saadetud|trimis|küldve|"
    r"отправлено|надіслано|изпратено|στάλθηκε|从我的|從我的|发自我的|傳送自|寄件自|发自|نشلح|أُ?رسلت|تم الإرسال|נשלח|dikirim|đã gửi|ส่งจาก|나의|내)[^\n]{0,70}?"
    + _DEVICE
    + r"[^\n]{0,50}|[^\n]{0,20}(?:iphone|ipad|android|samsung)[^\n]{0,20}(?:から送信|で送信|에서 보냄|발송|gönderildi|发送|傳送|寄出|ส่ง)"
    r"|von meinem [^\n]{2,30} gesendet|(?:get )?outlook \w{2,6} (?:ios|android|iphone|mac)\b[^\n]{0,20}|sent (?:from|via|with|using) [^\n.!?]{2,30})(?:<https?://[^\s<>]{1,200}>)?[ \t]*$",
    re.IGNORECASE | re.MULTILINE,
)
BANNER = re.compile(
    r"^[ \t*\[(!⚠️]{0,8}(?:(?:caution|warning|attention|atenci[óo]n|atenção|attenzione|achtung|vorsicht|let op|external|extern|externe|esterno|externo|\[?ext(?:ernal)?\]?|this (?:e-?mail|message) (?:originated|came|was sent) from outside|this (?:e-?mail|message) is from an external|diese (?:e-?mail|nachricht) (?:kommt|stammt|wurde) (?:von )?(?:außerhalb|extern))"
    r"[^\n]{0,40}(?:e-?mail|sender|message|nachricht|absender|origin|outside|organi[sz]a|außerhalb|extern|expéditeur|remitente|mittente|afzender|from|correo|courri|mensaje|messaggio|mensagem|bericht)[^\n]{0,400}"
    r"|(?:some people who received this message |you )?don['’]t often (?:get|receive) e-?mail[^\n]{0,400}|sie erhalten nicht (?:oft|häufig) [^\n]{0,400}|vous (?:n['’]obtenez|ne recevez) pas souvent [^\n]{0,400}|no suele recibir [^\n]{0,400}|non (?:si )?ricev\w{1,4} spesso [^\n]{0,400}|u ontvangt niet vaak [^\n]{0,400}|você não costuma receber [^\n]{0,400}"
    r"|\*{0,4}\[?ext(?:ern(?:al|e[rs]?|o)?)?(?: (?:e-?mail|sender|mail|message))?\]?\*{0,4})[ \t]*$",
    re.IGNORECASE | re.MULTILINE,
)
_MESSAGE = r"(?:e-?mail|mail|message|communication|transmission|nachricht|courriel|courrier|mensaje|correo|comunicación|mensagem|messaggio|comunicazione|e-?mailbericht|bericht|meddelande|e-?post|meddelelse|melding|viesti|sähköposti|wiadomoś|zpráv|správ|üzenet|e-posta|ileti|mesaj|сообщени|письм|повідомленн|邮件|郵件|メール|메일|הודע|رسال|μήνυμα)"
_THIS = r"(?:this|the|diese[rs]?|ce|cet|le présent|du présent|este|esta|questo|questa|la presente|il presente|dit|deze|denna|detta|denne|dette|tämä|ta|tej|niniejsza|tato|táto|ez az|ezen|acest|bu|это|данное|это письмо|цей|це|本|此|この|本メール|이|본)"
_CONFIDENTIAL = r"(?:confidential|privileged|vertraulich|rechtlich geschützt|nur für (?:den|die)|ausschließlich für|confidentiel|confidencial|confidenzial|riservat|privilegiad|vertrouwelijk|uitsluitend bestemd|voor u (?:is )?bestemd|konfidentiell|fortrolig|konfidensiell|avsett för|luottamuksell|poufn|důvěrn|dôvern|bizalmas|confidenți|gizli|конфиденциальн|конфіденційн|保密|機密|机密|기밀|סודי|سري|εμπιστευτικ|intended (?:solely|only|exclusively|for)|sole use|exclusive use|exclusivement|exclusivamente|esclusivamente|geadresseerde)"
DISCLAIMER = re.compile(
    rf"^[^\n]{{0,40}}?\b{_THIS}[ ]?{_MESSAGE}[^\n]{{0,160}}?{_CONFIDENTIAL}|"
    r"^[ \t*_]{0,6}(?:(?:confidential|important|wichtig|vertraulich)\w{0,6}\s?:[^\n]{0,60}(?:e-?mail|message|nachricht)|antivirus|(?:l['’]absence de virus|el software de antivirus|o software antivirus|questa e-?mail è stata controllata)|(?:en cumplimiento|de acuerdo con|conforme a)[^\n]{0,60}(?:lopd|rgpd|protección de datos)|if you (?:no longer|do not|don['’]t) (?:wish|want) to receive (?:our|these|this|further|future|any|e-?mails from us)|"
    r"to unsubscribe,? (?:from (?:this|our|these) [^\n]{0,30})?(?:please )?(?:click|visit|reply|use|follow)|wenn sie (?:keine|diese|unsere)[^\n]{0,60}(?:erhalten|empfangen) (?:möchten|wollen)|si vous ne souhaitez plus recevoir (?:nos|ces|de)|si no desea (?:seguir )?recib|se non desider[ai] più ricevere|se não (?:deseja|quiser) (?:mais )?receber|als u (?:geen|onze)[^\n]{0,60}wilt ontvangen|(?:this|the (?:information|content)s?(?: contained)? (?:in|of) this) (?:e-?mail|message|communication|transmission)\b[^\n]{0,160}(?:confidential|intended|privileged|virus|legally|addressee)|(?:confidentiality|legal) (?:notice|disclaimer)|disclaimer\s*:|(?:e-?mail )?disclaimer\s*$|important notice\s*:|if you (?:are not the intended|have received this (?:e-?mail|message|communication) in error)|"
    r"(?:diese|die in dieser|der inhalt dieser) (?:e-?mail|nachricht)\b[^\n]{0,160}(?:vertraulich|bestimmt|virenfrei|geprüft)|der inhalt dieser e-?mail|(?:hinweis|vertraulichkeitshinweis)\s*:? ?diese|wenn sie nicht der richtige adressat|sollten sie (?:nicht der|diese e-?mail irrtümlich)|(?:ce|cet|le présent|les informations contenues dans ce) (?:message|courriel|mail|e-?mail)\b[^\n]{0,160}(?:confidentiel|destiné|virus|usage exclusif)|"
    r"(?:este|esta|la información contenida en este) (?:mensaje|correo|e-?mail|comunicación)\b[^\n]{0,160}(?:confidencial|dirigid|destinatario)|aviso (?:legal|de confidencialidad)|(?:questo messaggio|questa e-?mail|la presente (?:e-?mail|comunicazione)|le informazioni (?:contenute|trasmesse))[^\n]{0,160}(?:riservat|confidenzial|destinatar)|avviso di riservatezza|ai sensi del (?:d\.?\s?lgs|regolamento|gdpr)|"
    r"(?:dit (?:bericht|e-?mailbericht)|deze e-?mail|de informatie (?:in|verzonden))[^\n]{0,160}(?:vertrouwelijk|bestemd|geadresseerde)|(?:esta mensagem|este e-?mail|as informações contidas)[^\n]{0,160}(?:confidencia|destin)|aviso de confidencialidade|denna e-?post[^\n]{0,120}konfidentiell|denne (?:e-?mail|e-?post)[^\n]{0,120}(?:fortrolig|konfidensiell)|"
    r"(?:please )?(?:consider|think of|think about) the environment|(?:bitte )?(?:denken|prüfen) sie (?:an die umwelt|bitte, ob)|pensez à l['’]environnement|n['’]imprimez|antes de imprimir|prima di stampare|denk aan het milieu|virus-?free\.? ?(?:www|\[)|virenfrei\.? ?(?:www|\[)|sans virus\.? ?www|this e-?mail has been (?:checked|scanned)|diese e-?mail wurde von (?:avast|avg)|"
    r"you received this message because you are subscribed to the google groups?)",
    re.IGNORECASE | re.MULTILINE,
)
