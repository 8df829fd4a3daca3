"""Which contacts does a CSV hold, and how does a row join what we know?

Only `email` is required. Headers of the common tools are recognised, further columns become fields. A broken row is
reported with its line and reason and stops nobody else.
"""

import codecs
import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from io import StringIO

from email_validator import EmailNotValidError, validate_email
from publicsuffixlist import PublicSuffixList

from outbound.template import snake_case
from store.errors import PermanentError
from store.lead_sources import normalise_source
from store.records import Contact

_SUFFIXES = PublicSuffixList()
FREE_MAIL = frozenset(
    "gmail.com googlemail.com yahoo.com yahoo.co.uk yahoo.de yahoo.fr ymail.com hotmail.com hotmail.de hotmail.fr "
    "outlook.com outlook.de live.com msn.com icloud.com me.com mac.com aol.com gmx.de gmx.net gmx.at gmx.ch web.de "
    "t-online.de freenet.de mail.de posteo.de mailbox.org proton.me protonmail.com orange.fr wanadoo.fr free.fr sfr.fr "
    "laposte.net libero.it virgilio.it tiscali.it alice.it terra.com.br uol.com.br bol.com.br qq.com 163.com 126.com "
    "sina.com yandex.ru mail.ru wp.pl onet.pl o2.pl interia.pl seznam.cz bluewin.ch ziggo.nl kpnmail.nl telenet.be "
    "skynet.be comcast.net verizon.net att.net btinternet.com sky.com".split()
)
ROLE_NAMES = frozenset(
    "info sales support contact office admin hello team mail post service help billing accounts marketing hr jobs kontakt "
    "buero vertrieb verkauf einkauf rechnung empfang zentrale accueil commercial compta direction contacto ventas "
    "administracion noreply no-reply webmaster postmaster abuse".split()
)
_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "email": ("email", "e_mail", "email_address", "e_mail_address", "mail", "work_email", "e_mail_adresse", "courriel", "correo"),
    "first_name": ("first_name", "firstname", "given_name", "vorname", "prenom", "prénom", "nombre", "nome"),
    "last_name": ("last_name", "lastname", "surname", "family_name", "nachname", "nom", "apellido", "cognome"),
    "company": ("company", "company_name", "organization", "organisation", "account", "account_name", "firma", "unternehmen",
                "societe", "société", "entreprise", "empresa", "azienda"),
    "role": ("role", "title", "job_title", "position", "jobtitle", "funktion", "fonction", "cargo"),
    "country": ("country", "country_code", "land", "pays", "pais", "país", "paese"),
    "state": ("state", "region", "province", "bundesland"),
    "city": ("city", "town", "ort", "stadt", "ville", "ciudad"),
    "zone": ("zone", "timezone", "time_zone", "zeitzone"),
    "language": ("language", "lang", "locale", "sprache", "langue", "idioma"),
    "source": ("source", "lead_source", "leadsource", "quelle"),
    "legal_basis": ("legal_basis", "basis", "consent", "rechtsgrundlage"),
    "owner": ("owner", "contact_owner", "owner_email"),
    "crm_id": ("crm_id", "contact_id", "record_id", "salesforce_id", "hubspot_id"),
    "do_not_contact": ("do_not_contact", "dnc", "do_not_email", "opted_out", "opt_out", "unsubscribed", "werbesperre"),
    "account_owner": ("account_owner", "company_owner"),
}  # fmt: skip
NO_WORDS = frozenset({"no", "false", "0", "n", "nein", "non", "-"})
_NAMES = {alias: name for name, aliases in _COLUMNS.items() for alias in aliases}


@dataclass(frozen=True, slots=True)
class ContactRow:
    """One readable row; `values` are contact fields, `extra` the other columns."""

    line: int
    email: str
    values: Mapping[str, str]
    extra: Mapping[str, str] = field(default_factory=dict)
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RowError:
    """One row that cannot be imported."""

    line: int
    email: str
    reason: str


def decode_csv(raw: bytes) -> str:
    """Return the text of a CSV file: UTF-8 with or without mark, UTF-16 with mark, else Windows-1252."""
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return raw.decode("utf-16")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("cp1252", "replace")


def read_rows(text: str) -> Iterator[ContactRow | RowError]:
    """Yield one result a data row; raises PermanentError when there is no e-mail column at all."""
    lines = StringIO(text.replace("\0", ""), newline="")
    header_line = text.partition("\n")[0]
    delimiter = max(",;\t|", key=header_line.count)
    reader = csv.reader(lines, delimiter=delimiter)
    header = next(reader, [])
    names = [_NAMES.get(snake_case(title)) or snake_case(title) for title in header]
    if "email" not in names:
        raise PermanentError(f"no e-mail column among: {', '.join(header) or '(empty file)'}; name one `email`")
    while True:
        start = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as problem:
            yield RowError(start, "", f"not readable as CSV: {problem}")
            continue
        if any(cell.strip() for cell in cells):
            yield _read_row(start, names, cells)


def _read_row(line: int, names: list[str], cells: list[str]) -> ContactRow | RowError:
    row: dict[str, str] = {}
    for name, cell in zip(names, cells, strict=False):
        if cell.strip() and not row.get(name):
            row[name] = cell.strip()
    if len(cells) > len(names):
        return RowError(
            line, row.get("email", ""), f"{len(cells)} cells under {len(names)} columns: a quote is missing"
        )
    written = row.pop("email", "")
    if not written:
        return RowError(line, "", "no e-mail address")
    try:
        email = normalise_address(written)
    except ValueError as problem:
        return RowError(line, written, str(problem))
    values = {name: row.pop(name) for name in list(row) if name in _COLUMNS}
    if "source" in values:
        values["source"] = normalise_source(values["source"])
    if "do_not_contact" in values and values.pop("do_not_contact").lower() not in NO_WORDS:
        values["do_not_contact"] = "yes"
    for name in ("country", "language"):
        if name in values and len(values[name]) <= 5:
            values[name] = values[name][:2].upper() if name == "country" else values[name][:2].lower()
    return ContactRow(line, email, values, row, risk_flags(email, values))


def normalise_address(written: str) -> str:
    """Return an address in lower case, its domain as ASCII; raises ValueError with the reason."""
    try:
        found = validate_email(written.strip(), check_deliverability=False, test_environment=True)
    except EmailNotValidError as problem:
        raise ValueError(str(problem)) from problem
    domain = found.ascii_domain or found.domain
    return f"{found.local_part.lower()}@{domain.lower()}"


def company_domain(email: str) -> str:
    """Return the registrable domain of a company address, empty for free mail."""
    domain = email.rpartition("@")[2]
    found = _SUFFIXES.privatesuffix(domain) or domain
    return "" if domain in FREE_MAIL or found in FREE_MAIL else found


def risk_flags(email: str, values: Mapping[str, str]) -> tuple[str, ...]:
    """Return what makes a contact risky to write to."""
    local, _, domain = email.partition("@")
    flags = []
    if local in ROLE_NAMES:
        flags.append("role-address")
    if domain in FREE_MAIL:
        flags.append("free-mail")
    if not values.get("role"):
        flags.append("no-role")
    if not values.get("country"):
        flags.append("no-country")
    return tuple(flags)


def merge_contact(old: Contact, new: Mapping[str, str], extra: Mapping[str, str]) -> dict[str, object]:
    """Return the columns that change: the newest non-empty value wins, the owner is never changed silently."""
    changes: dict[str, object] = {
        name: value
        for name, value in new.items()
        if name not in ("owner", "company", "account_owner", "do_not_contact") and value and getattr(old, name) != value
    }
    if new.get("owner") and not old.owner:
        changes["owner"] = new["owner"].lower()
    if new.get("do_not_contact") and not old.do_not_contact:
        changes["do_not_contact"] = True  # a list may say stop, never go
    fields = dict(old.fields) | {name: value for name, value in extra.items() if value}
    if new.get("company"):
        fields["company"] = new["company"]
    if fields != dict(old.fields):
        changes["fields"] = fields
    return changes
