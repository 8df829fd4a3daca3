"""What do we write to this contact at this step? Variant, text, thread, footer, tokens, bytes, signature."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from outbound.compose import OutgoingMessage, compose, make_message_id
from outbound.dkim_sign import Signer
from outbound.experiment import choose_variant, stable_choice
from outbound.mail_settings import CompanySettings
from outbound.settings import SequenceSettings
from outbound.template import check_subject, clean_value, render
from outbound.unsubscribe import UNSUBSCRIBE, make_token
from store.errors import TemplateError
from store.records import Account, Contact, ContactHistory, SentMessage

FOOTERS = {
    "en": "Not for you? Reply \"stop\" or unsubscribe: {url}",
    "de": "Kein Interesse? Antworten Sie mit \"Stopp\" oder melden Sie sich ab: {url}",
    "fr": "Pas pour vous ? Répondez « stop » ou désinscrivez-vous : {url}",
    "es": "¿No le interesa? Responda «basta» o dese de baja: {url}",
    "it": "Non fa per lei? Risponda «stop» o si cancelli: {url}",
    "nl": "Niets voor u? Antwoord \"stop\" of meld u af: {url}",
    "pt": "Não lhe interessa? Responda «parar» ou cancele: {url}",
}  # fmt: skip


REPLY = "Re: "
LONGEST_NAME = 80  # characters of a display name


@dataclass(frozen=True, slots=True)
class LetterFacts:
    """Everything about one due step that a letter and the guardrails read."""

    enrollment_id: int
    sequence: str
    step: int
    mailbox: str
    contact: Contact
    account: Account | None
    history: ContactHistory
    earlier: tuple[SentMessage, ...]  #: confirmed sends of this enrollment, oldest first

    @property
    def provider(self) -> str:
        """The recipient's mail domain, for the provider's own limits."""
        return self.contact.email.rpartition("@")[2]


@dataclass(frozen=True, slots=True)
class Letter:
    """A finished letter."""

    message_id: str
    subject: str
    text: str
    raw: bytes
    sha256: str
    token: str
    variant: str


@dataclass(frozen=True, slots=True)
class LetterWriter:
    """Writes letters; the same facts and instant give the same bytes."""

    secret: bytes
    company: CompanySettings
    names: Mapping[str, str]  #: mailbox -> display name
    signers: Mapping[str, Signer]  #: sending domain -> DKIM signer, where the relay does not sign
    keys: tuple[bytes, ...] = ()  #: of tokens, newest first; empty: the secret

    def write(self, facts: LetterFacts, sequence: SequenceSettings, mailbox: str, at: datetime) -> Letter:
        """Write one step; raises TemplateError (contact and field) or UnsafeMessage."""
        step, contact = sequence.step[facts.step], facts.contact
        variant = choose_variant(self.secret, contact.id, sequence.name, facts.step, step)
        chosen = next((one for one in step.variant if one.name == variant), None)
        subject_source = (chosen.subject if chosen else "") or step.subject
        body_source = (chosen.body if chosen else "") or step.body
        values, who = contact_values(contact, facts.account), f"contact {contact.email}"

        def choose(number: int, of: int) -> int:
            return stable_choice(self.secret, f"spin|{facts.enrollment_id}|{facts.step}|{number}") % of

        thread = () if subject_source else _thread_so_far(facts, who)
        subject = (
            check_subject(render(subject_source, values, who, choose), who)
            if subject_source
            else _reply_subject(thread)
        )
        domain = mailbox.rpartition("@")[2]
        message_id = make_message_id(self.secret, facts.enrollment_id, facts.step, domain)
        token = make_token(self.keys or (self.secret,), UNSUBSCRIBE, facts.enrollment_id)
        language = f"/{contact.language}" if contact.language in FOOTERS else ""
        url = f"{self.company.unsubscribe_url}/{token}{language}"
        text = f"{render(body_source, values, who, choose)}\n\n-- \n{self._footer(contact.language, url)}\n"
        composed = compose(
            OutgoingMessage(
                from_name=self.names.get(mailbox, ""),
                from_address=mailbox,
                to_name=clean_value(f"{contact.first_name} {contact.last_name}", f"{who}, name")[:LONGEST_NAME],
                to_address=contact.email,
                subject=subject,
                text=text,
                at=at,
                message_id=message_id,
                references=tuple(one.learnt_id or one.message_id for one in thread),
                unsubscribe_url=url,
                unsubscribe_mailto=_with_token(self.company.unsubscribe_mailto, token),
            )
        )
        signer = self.signers.get(domain)
        raw = signer.sign(composed.raw, at) if signer else composed.raw
        return Letter(message_id, subject, text, raw, composed.sha256, token, variant)

    def _footer(self, language: str, url: str) -> str:
        line = FOOTERS.get(language, FOOTERS["en"]).format(url=url)
        return f"{line}\n{self.company.postal_address}"


def contact_values(contact: Contact, account: Account | None) -> dict[str, str]:
    """Return the template variables of a contact, by their one name."""
    company = (account.name if account else "") or contact.fields.get("company", "")
    own = {
        "email": contact.email,
        "first_name": contact.first_name,
        "last_name": contact.last_name,
        "full_name": f"{contact.first_name} {contact.last_name}".strip(),
        "company": company,
        "company_name": company,
        "domain": contact.email.rpartition("@")[2],
        "country": contact.country,
        "city": contact.city,
        "state": contact.state,
        "role": contact.role,
        "title": contact.role,
        "source": contact.source,
    }
    return {**contact.fields, **{name: value for name, value in own.items() if value or name not in contact.fields}}


FIELDS = frozenset(contact_values(Contact(0, "nobody@example.com"), None))
"""The variables that every contact has; an import adds its further columns."""


def _thread_so_far(facts: LetterFacts, who: str) -> tuple[SentMessage, ...]:
    """Return the confirmed letters of the conversation that goes on, oldest first.

    A letter continues the one before it exactly when its subject says so; any other subject began a new conversation,
    also one that the sender began with "Re:".
    """
    if not facts.earlier:
        raise TemplateError(f"{who}: step {facts.step + 1} continues a thread, but no letter before it is confirmed")
    thread: list[SentMessage] = []
    for letter in facts.earlier:
        if thread and letter.subject != _reply_subject(thread):
            thread = []
        thread.append(letter)
    return tuple(thread)


def _reply_subject(thread: Sequence[SentMessage]) -> str:
    first = thread[0].subject
    return first if first.lower().startswith("re:") else f"{REPLY}{first}"


def _with_token(address: str, token: str) -> str:
    local, _, domain = address.partition("@")
    return f"{local}+{token}@{domain}" if address else ""
