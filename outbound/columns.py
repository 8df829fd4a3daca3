"""Which column of a list means what? The headers that the common tools write, and a mapping for all others."""

import unicodedata
from collections.abc import Mapping, Sequence
from enum import StrEnum

from outbound.template import snake_case
from store.errors import PermanentError

IGNORED = ""


class ListKind(StrEnum):
    """What a list is of."""

    CONTACTS = "contacts"  #: people
    ACCOUNTS = "accounts"  #: companies, and opportunities with them
    SUPPRESSION = "suppression"  #: who is never mailed


_MAIL = "email email_address e_mail mail work_email email_work business_email primary_email e_mail_address e_mail_adresse mailadresse courriel adresse_e_mail adresse_email correo correo_electronico indirizzo_email emails e_mail_1_value adres_e_mail e_mailadres"
_PEOPLE = {
    "email": _MAIL,
    "first_name": "first_name firstname given_name vorname prenom nombre nome voornaam imie fname",
    "last_name": "last_name lastname surname family_name nachname nom apellido apellidos cognome achternaam nazwisko lname",
    "name": "name full_name fullname contact_name display_name nom_complet nombre_completo vollstandiger_name",
    "company": "company company_name organization organisation organization_name account account_name current_company employer associated_company company_name_for_emails firma firmenname unternehmen societe entreprise empresa azienda bedrijf",
    "website": "website company_website company_domain company_domain_name account_domain domain company_url web_site webseite organization_website account_website site_web sito_web",
    "role": "role title job_title jobtitle position headline funktion fonction poste cargo ruolo functie organization_title",
    "country": "country country_code country_region mailing_country address_country person_country business_country_region land pays pais paese company_country account_country",
    "state": "state region province bundesland state_region mailing_state mailing_state_province address_state company_state",
    "city": "city town ort stadt ville ciudad citta mailing_city address_city company_city",
    "zone": "zone timezone time_zone zeitzone fuseau_horaire",
    "language": "language lang locale preferred_language sprache langue idioma lingua",
    "source": "source lead_source leadsource original_source original_traffic_source contact_source person_source quelle",
    "legal_basis": "legal_basis basis consent legal_basis_for_processing_contact_s_data rechtsgrundlage base_legale",
    "owner": "owner owner_email contact_owner prospect_owner lead_owner record_owner assigned_to besitzer inhaber",
    "crm_id": "crm_id record_id contact_id contact_record_id salesforce_id hubspot_id apollo_contact_id prospect_id lead_id person_id id",
    "do_not_contact": "do_not_contact dnc do_not_email do_not_mail opted_out opt_out email_opt_out has_opted_out_of_email unsubscribed unsubscribed_from_all_email is_unsubscribed optedout werbesperre desinscrit",
    "bounced": "bounced email_bounced hard_bounced is_bounced email_hard_bounce_reason",
    "account_owner": "account_owner company_owner organization_owner",
    "account_crm_id": "account_crm_id account_id company_id associated_company_id primary_associated_company_id organization_id apollo_account_id",
    "updated_at": "updated_at last_modified last_modified_date modified_date update_time last_updated geandert_am",
}
_COMPANIES = {
    "name": "name company company_name account_name account organization organization_name organisation associated_company firma firmenname unternehmen societe entreprise empresa azienda kunde client customer customer_name",
    "domain": "domain website company_domain company_domain_name account_domain url web_site webseite company_website site_web homepage",
    "email": f"{_MAIL} contact_email",
    "crm_id": "crm_id account_id company_id record_id organization_id apollo_account_id account_crm_id associated_company_id id",
    "parent": "parent parent_company parent_account parent_id parent_account_id parent_record_id parent_account_name konzern muttergesellschaft",
    "owner": "owner owner_email account_owner company_owner organization_owner besitzer",
    "segment": "segment tier market",
    "country": "country country_code country_region billing_country land pays pais paese address_country",
    "lists": "lists list account_lists tags labels label",
    "stage": "stage account_stage lifecycle_stage status type account_type",
    "updated_at": "updated_at last_modified last_modified_date modified_date update_time last_updated",
    "active_at": "active_at last_activity last_activity_date last_contacted last_activity_at",
    "deal_owner": "deal_owner opportunity_owner deal_owner_email",
    "deal_stage": "deal_stage deal_status opportunity_stage stage_name sales_stage",
    "closed_on": "closed_on close_date closed_at lost_time lost_on won_time close_time deal_closed_date abschlussdatum",
}
_SUPPRESSED = {
    "value": f"value {_MAIL} domain address email_or_domain entry",
    "kind": "kind type",
    "reason": "reason status suppression_reason grund unsubscribe_reason bounce_type",
    "source": "source quelle",
    "evidence": "evidence note notes comment details bemerkung",
    "created_at": "created_at date unsub_time unsubscribed_at unsubscribe_date opt_out_date bounced_at date_added created time datum optout_time",
    "expires_at": "expires_at until expires valid_until",
    "hash": "hash",
}
_ALIASES = {ListKind.CONTACTS: _PEOPLE, ListKind.ACCOUNTS: _COMPANIES, ListKind.SUPPRESSION: _SUPPRESSED}
_PREFIXES = {
    ListKind.CONTACTS: ("person_", "prospect_", "contact_", "lead_"),
    ListKind.ACCOUNTS: ("organization_", "company_", "account_", "deal_", "opportunity_"),
    ListKind.SUPPRESSION: (),
}
_KNOWN = {
    kind: {
        alias: (name, rank) for name, words in table.items() for rank, alias in reversed([*enumerate(words.split())])
    }
    for kind, table in _ALIASES.items()
}
NEEDED = {
    ListKind.CONTACTS: ("email",),
    ListKind.ACCOUNTS: ("name", "domain", "email", "crm_id"),
    ListKind.SUPPRESSION: ("value", "hash"),
}


class Columns:
    """The columns of one list: own fields by their name, everything else under its header in snake case."""

    def __init__(self, kind: ListKind, header: Sequence[str], mapping: Mapping[str, str] | None = None) -> None:
        """Read a header; `mapping` says what headers mean, "" that a column is ignored.

        Raises PermanentError for a mapped header that is not there.
        """
        self.header = tuple(header)
        wanted = {folded(title): field for title, field in (mapping or {}).items()}
        if absent := [title for title in mapping or {} if folded(title) not in map(folded, header)]:
            raise PermanentError(f"the mapping names a column {absent[0]!r}, the list has: {', '.join(header)}")
        self._own: dict[str, list[int]] = {}
        self._extra: list[tuple[str, int]] = []
        ranked: dict[str, list[tuple[int, int]]] = {}
        for index, title in enumerate(header):
            name, rank = self._meaning(kind, title, wanted)
            if name in _ALIASES[kind]:
                ranked.setdefault(name, []).append((rank, index))
            elif name != IGNORED:
                self._extra.append((name, index))
        self._own = {name: [index for _, index in sorted(found)] for name, found in ranked.items()}

    @staticmethod
    def _meaning(kind: ListKind, title: str, wanted: Mapping[str, str]) -> tuple[str, int]:
        key = folded(title)
        if key in wanted:
            name = snake_case(wanted[key])
            return (name, -1) if name not in _KNOWN[kind] else (_KNOWN[kind][name][0], -1)
        shorter = [key.removeprefix(prefix) for prefix in _PREFIXES[kind] if key.startswith(prefix)]
        for rest, penalty in ((key, 0), *((one, 100) for one in shorter)):
            if rest in _KNOWN[kind]:
                name, rank = _KNOWN[kind][rest]
                return name, rank + penalty
        return snake_case(title), 0

    def has(self, *names: str) -> bool:
        """Tell whether one of these fields has a column."""
        return any(name in self._own for name in names)

    def read(self, cells: Sequence[str]) -> tuple[dict[str, str], dict[str, str]]:
        """Return the filled fields of a record: own ones, and others; of several columns the first filled one counts."""
        own: dict[str, str] = {}
        width = len(cells)
        for name, indexes in self._own.items():
            for index in indexes:
                if index < width and (cell := _clean(cells[index])):
                    own[name] = cell
                    break
        extra: dict[str, str] = {}
        for name, index in self._extra:
            if index < width and (cell := _clean(cells[index])):
                extra.setdefault(name, cell)
        return own, extra


_DROPPED = dict.fromkeys(map(ord, "\u200b\u200c\u200d\u2060\ufeff\u00ad"))


def _clean(cell: str) -> str:
    return cell.translate(_DROPPED).strip() if not cell.isascii() else cell.strip()


def folded(title: str) -> str:
    """Return the one spelling of a header: without accents, in snake case."""
    plain = unicodedata.normalize("NFKD", _clean(title).replace("ß", "ss"))
    return snake_case("".join(letter for letter in plain if not unicodedata.combining(letter)))
