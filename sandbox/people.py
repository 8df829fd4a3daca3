"""Who answers our mail in the sandbox, how, and when?

Sixty-odd invented people at twenty-five invented companies who write in English, German and French. Each has one
temper; `answer` turns a letter of ours into what that person's world sends back: a reply, an absence note, a bounce
with a real DSN part, a click, a forward, silence.
"""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import SMTP, compat32
from email.utils import format_datetime, make_msgid


@dataclass(frozen=True, slots=True)
class Person:
    """One contact of the sandbox."""

    email: str
    first_name: str
    last_name: str
    company: str
    country: str
    zone: str
    language: str
    role: str
    source: str
    temper: str


@dataclass(frozen=True, slots=True)
class Answer:
    """Something that comes back, after a while."""

    after: timedelta
    kind: str  #: reply, bounce or click
    mail_from: str = ""
    rcpt_to: str = ""
    raw: bytes = b""
    url: str = ""


COMPANIES = (
    ("Harbour Freight Lines", "harbourfreight.example", "GB", "en"), ("Kestrel Dental", "kestreldental.example", "GB", "en"),
    ("Northgate Council", "northgate.example", "GB", "en"), ("Birch & Vale Law", "birchvale.example", "GB", "en"),
    ("Orchard Cider Works", "orchardcider.example", "IE", "en"), ("Prairie Grain Co-op", "prairiegrain.example", "US", "en"),
    ("Copperline Tools", "copperline.example", "US", "en"), ("Redwood Schools", "redwoodschools.example", "US", "en"),
    ("Summit Analytics", "summitanalytics.example", "US", "en"), ("Bluebell Hotels", "bluebellhotels.example", "GB", "en"),
    ("Maschinenbau Kehl", "mb-kehl.example", "DE", "de"), ("Stadtwerke Auental", "sw-auental.example", "DE", "de"),
    ("Praxis am Markt", "praxis-markt.example", "DE", "de"), ("Tischlerei Voss", "tischlerei-voss.example", "DE", "de"),
    ("Weingut Rebenhang", "rebenhang.example", "AT", "de"), ("Alpenblick Hotel", "alpenblick.example", "AT", "de"),
    ("Zurgrund Logistik", "zurgrund.example", "CH", "de"), ("Kanzlei Holm", "kanzlei-holm.example", "DE", "de"),
    ("Druckhaus Lenz", "druckhaus-lenz.example", "DE", "de"), ("Ateliers Morvan", "ateliers-morvan.example", "FR", "fr"),
    ("Mairie de Valclair", "valclair.example", "FR", "fr"), ("Clinique des Tilleuls", "tilleuls.example", "FR", "fr"),
    ("Transports Lavigne", "lavigne.example", "FR", "fr"), ("Cave Saint-Aubert", "saint-aubert.example", "FR", "fr"),
    ("Logiciels Rivage", "rivage.example", "BE", "fr"),
)  # fmt: skip
ZONES = {"GB": "Europe/London", "IE": "Europe/Dublin", "US": "America/New_York", "DE": "Europe/Berlin",
         "AT": "Europe/Vienna", "CH": "Europe/Zurich", "FR": "Europe/Paris", "BE": "Europe/Brussels"}  # fmt: skip
FIRST = {"en": ("Alice", "Ben", "Carla", "Dev", "Erin", "Frank", "Grace", "Hugh"),
         "de": ("Anke", "Bernd", "Clara", "Dieter", "Eva", "Falk", "Greta", "Henning"),
         "fr": ("Amélie", "Benoît", "Céline", "Damien", "Élise", "Fabien", "Gaëlle", "Hugo")}  # fmt: skip
LAST = {"en": ("Ashdown", "Barlow", "Calder", "Dunmore", "Eastlake", "Farrow"),
        "de": ("Ahrens", "Brandt", "Claussen", "Dorn", "Ebert", "Fink"),
        "fr": ("Aubry", "Blanchet", "Carpentier", "Dufour", "Estève", "Ferrand")}  # fmt: skip
ROLES = {"en": "Head of Operations", "de": "Leitung Einkauf", "fr": "Responsable des opérations"}
TEMPERS = ("yes", "price", "no", "stop", "away", "hard-bounce", "silent", "soft-bounce", "click", "referral", "colleague",
           "ticket", "silent", "forwarded", "later", "puzzled", "left", "silent", "no", "yes", "threat", "silent")  # fmt: skip
TEXTS = {
    ("yes", "en"): "Hi {me},\n\nyes, this sounds useful for us. Could we talk on Thursday afternoon?\n\nBest\n{first}",
    ("yes", "de"): "Guten Tag {me},\n\ndas klingt interessant für uns. Passt Ihnen ein Telefonat am Donnerstag?\n\n"
                   "Viele Grüße\n{first} {last}",
    ("yes", "fr"): "Bonjour {me},\n\ncela nous intéresse. Pouvons-nous en parler jeudi après-midi ?\n\n"
                   "Cordialement\n{first} {last}",
    ("price", "en"): "How much is it per user, and is there a yearly discount?\n\n{first}",
    ("price", "de"): "Was kostet das pro Nutzer und gibt es Mengenrabatt?\n\nGruß\n{first} {last}",
    ("price", "fr"): "Quel est le tarif par utilisateur ? Y a-t-il une remise annuelle ?\n\n{first} {last}",
    ("no", "en"): "Thanks, but we are not interested. We are happy with what we have.\n\n{first}",
    ("no", "de"): "Danke, aber wir haben kein Interesse. Wir sind mit unserer Lösung zufrieden.\n\n{first} {last}",
    ("no", "fr"): "Merci, mais nous ne sommes pas intéressés, nous avons déjà ce qu'il faut.\n\n{first} {last}",
    ("stop", "en"): "Not interested, stop emailing me.",
    ("stop", "de"): "Kein Interesse. Bitte schreiben Sie mir nicht mehr und löschen Sie meine Adresse.",
    ("stop", "fr"): "Pas intéressé. Merci de ne plus m'écrire et de retirer mon adresse de votre liste.",
    ("away", "en"): "I am out of the office until {back:%d %B %Y} and will read your message when I am back.",
    ("away", "de"): "Ich bin bis zum {back:%d.%m.%Y} nicht im Büro und lese Ihre Nachricht nach meiner Rückkehr.",
    ("away", "fr"): "Je suis absent du bureau jusqu'au {back:%d/%m/%Y} et lirai votre message à mon retour.",
    ("referral", "en"): "I am not the right person for this, please write to Nora Pell in purchasing: nora.pell@{domain}.",
    ("referral", "de"): "Dafür ist bei uns Frau Nora Pell im Einkauf zuständig, bitte wenden Sie sich an sie: "
                        "nora.pell@{domain}.",
    ("referral", "fr"): "Ce n'est pas moi, voyez avec Nora Pell aux achats : nora.pell@{domain}.",
    ("colleague", "en"): "{first} passed this on to me. We would like a short demo next week, which days suit you?",
    ("colleague", "de"): "{first} hat mir das weitergeleitet. Wir hätten gern nächste Woche eine kurze Vorführung, "
                         "wann passt es?",
    ("colleague", "fr"): "{first} m'a transmis votre message. Nous aimerions une courte démonstration la semaine prochaine.",
    ("ticket", "en"): "Thank you for contacting us. Your request has been received and given the number #48213. Please do "
                      "not reply to this message.",
    ("ticket", "de"): "Vielen Dank für Ihre Nachricht. Ihre Anfrage wurde unter der Vorgangsnummer 48213 erfasst.",
    ("ticket", "fr"): "Nous avons bien reçu votre demande. Elle porte le numéro de ticket 48213.",
    ("forwarded", "en"): "This looks like one for your team, we might want it. Can you send the details?",
    ("forwarded", "de"): "Das könnte etwas für uns sein, können Sie uns bitte Einzelheiten schicken?",
    ("forwarded", "fr"): "Cela peut nous intéresser, pouvez-vous nous envoyer les détails ?",
    ("later", "en"): "Interesting, but not before the new budget. Please come back to me in September.\n\n{first}",
    ("later", "de"): "Interessant, aber erst mit dem neuen Budget. Melden Sie sich bitte im September noch einmal.",
    ("later", "fr"): "Intéressant, mais pas avant le nouveau budget. Recontactez-moi en septembre, s'il vous plaît.",
    ("puzzled", "en"): "Who is this?",
    ("puzzled", "de"): "Wer sind Sie?",
    ("puzzled", "fr"): "Qui êtes-vous ?",
    ("left", "en"): "{first} {last} no longer works for the company. This mailbox is not read.",
    ("left", "de"): "{first} {last} ist nicht mehr für unser Unternehmen tätig. Dieses Postfach wird nicht gelesen.",
    ("left", "fr"): "{first} {last} ne travaille plus dans notre société. Cette boîte n'est plus consultée.",
    ("threat", "en"): "Where did you get my data? I have informed our lawyer. Delete everything and never write again.",
    ("threat", "de"): "Woher haben Sie meine Daten? Ich habe unseren Anwalt eingeschaltet. Löschen Sie alles gemäß DSGVO.",
    ("threat", "fr"): "D'où tenez-vous mes données ? Notre avocat est saisi. Supprimez tout, conformément au RGPD.",
}  # fmt: skip
AUTOMATIC = {
    "away": {"en": "Automatic reply", "de": "Automatische Antwort", "fr": "Réponse automatique"},
    "left": {"en": "Automatic reply", "de": "Automatische Antwort", "fr": "Réponse automatique"},
    "ticket": {"en": "[Ticket 48213] Received", "de": "[Vorgang 48213] Eingang", "fr": "[Ticket 48213] Reçu"},
}
WROTE = {"en": "On {at:%a, %d %b %Y at %H:%M}, {me} <{address}> wrote:",
         "de": "Am {at:%d.%m.%Y} um {at:%H:%M} schrieb {me} <{address}>:",
         "fr": "Le {at:%d/%m/%Y} à {at:%H:%M}, {me} <{address}> a écrit :"}  # fmt: skip


def make_people(seed: int, count: int = 66) -> list[Person]:
    """Return invented contacts; the same seed gives the same people."""
    chance, people = random.Random(seed), []
    used: set[str] = set()
    tempers = [TEMPERS[number % len(TEMPERS)] for number in range(count)]
    for number, temper in enumerate(tempers):
        company, domain, country, language = COMPANIES[number % len(COMPANIES)]
        while True:
            first, last = chance.choice(FIRST[language]), chance.choice(LAST[language])
            email = f"{_plain(first)}.{_plain(last)}@{domain}"
            if email not in used:
                break
        used.add(email)
        source = ("Apollo", "webinar", "conference list")[number % 3]
        people.append(
            Person(email, first, last, company, country, ZONES[country], language, ROLES[language], source, temper)
        )
    return people


def _plain(name: str) -> str:
    return name.lower().translate(str.maketrans("äöüéèêîïôàâçëû", "aoueeeiioaaceu")).replace("ß", "ss")


def answer(person: Person, raw: bytes, step: int, at: datetime, chance: random.Random) -> list[Answer]:
    """Return what comes back for one letter; most people wait for the second one before they react."""
    letter = BytesParser(policy=compat32).parsebytes(raw)
    after = timedelta(minutes=chance.randint(20, 900))
    temper = person.temper
    eager = temper in ("hard-bounce", "soft-bounce", "away", "ticket", "left")
    if temper == "silent" or (not eager and step != random.Random(person.email).randint(0, 1)):
        return []
    if temper in ("away", "ticket") and step > 0:
        return []
    sender = str(letter["From"])
    our_address = sender[sender.rfind("<") + 1 :].rstrip(">")
    if temper == "click":
        url = str(letter["List-Unsubscribe"]).partition("<")[2].partition(">")[0]
        return [Answer(after, "click", url=url)]
    if temper in ("hard-bounce", "soft-bounce"):
        minutes = timedelta(minutes=2)
        return [Answer(minutes, "bounce", "", our_address, _bounce(person, letter, raw, at + minutes))]
    reply_raw, mail_from, rcpt_to = _reply(person, letter, our_address, at + after)
    return [Answer(after, "reply", mail_from, rcpt_to, reply_raw)]


def _reply(person: Person, letter: object, our_address: str, at: datetime) -> tuple[bytes, str, str]:
    headers = dict(letter.items())  # type: ignore[attr-defined]
    name, _, _ = str(headers["From"]).rpartition(" <")
    me = name.strip('" ') or our_address
    language, domain = person.language, person.email.rpartition("@")[2]
    writer, to = person.email, our_address
    message = EmailMessage(policy=SMTP)
    message["Subject"] = f"Re: {headers['Subject']}"
    if person.temper == "colleague":
        writer = f"assistant@{domain}"
    if person.temper in AUTOMATIC:
        del message["Subject"]
        message["Subject"] = f"{AUTOMATIC[person.temper][language]}: {headers['Subject']}"
        message["Auto-Submitted"] = "auto-replied"
    if person.temper == "forwarded":
        to = f"sales@{our_address.rpartition('@')[2]}"
        message.replace_header("Subject", f"Fwd: {headers['Subject']}")
    message["From"] = f"{person.first_name} {person.last_name} <{writer}>"
    message["To"] = to
    message["Date"] = format_datetime(at)
    message["Message-ID"] = make_msgid(domain=domain)
    message["In-Reply-To"] = headers["Message-ID"]
    message["References"] = headers["Message-ID"]
    back = at + timedelta(days=9)
    text = TEXTS[person.temper, language].format(
        me=me.split()[0], first=person.first_name, last=person.last_name, domain=domain, back=back
    )
    if person.temper not in AUTOMATIC:
        quoted = "\n".join(f"> {line}" for line in _plain_part(letter).splitlines())
        text += f"\n\n{WROTE[language].format(at=at - timedelta(hours=3), me=me, address=our_address)}\n{quoted}\n"
    message.set_content(text)
    return bytes(message), writer, to


def _plain_part(letter: object) -> str:
    for part in letter.walk():  # type: ignore[attr-defined]
        if part.get_content_type() == "text/plain":
            return bytes(part.get_payload(decode=True)).decode("utf-8", "replace")
    return ""


def _bounce(person: Person, letter: object, raw: bytes, at: datetime) -> bytes:
    """Return a delivery status notification as RFC 3464 has it."""
    hard = person.temper == "hard-bounce"
    status, code = ("5.1.1", "550 5.1.1 no such user") if hard else ("4.2.2", "452 4.2.2 mailbox full")
    action, domain = ("failed" if hard else "delayed"), person.email.rpartition("@")[2]
    headers = raw.partition(b"\r\n\r\n")[0].decode("ascii", "replace")
    name = f"report-{person.last_name.encode().hex()}"
    text = (
        f"From: Mail Delivery System <mailer-daemon@{domain}>\r\nTo: {letter['From']}\r\n"  # type: ignore[index]
        f"Date: {format_datetime(at)}\r\nMessage-ID: {make_msgid(domain=domain)}\r\n"
        "Subject: Undelivered Mail Returned to Sender\r\nAuto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n"
        f'Content-Type: multipart/report; report-type=delivery-status; boundary="{name}"\r\n\r\n'
        f"--{name}\r\nContent-Type: text/plain\r\n\r\nYour message could not be delivered to {person.email}.\r\n"
        f"--{name}\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.{domain}\r\n\r\n"
        f"Final-Recipient: rfc822; {person.email}\r\nAction: {action}\r\nStatus: {status}\r\n"
        f"Diagnostic-Code: smtp; {code}\r\n\r\n"
        f"--{name}\r\nContent-Type: text/rfc822-headers\r\n\r\n{headers}\r\n\r\n--{name}--\r\n"
    )
    return text.encode("utf-8")
