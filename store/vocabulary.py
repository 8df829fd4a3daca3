"""Which words may a closed field hold? Every closed set of postroom, one line a member."""

from enum import StrEnum


class Label(StrEnum):
    """What must happen next with an incoming message (exactly one)."""

    INTERESTED = "interested"  #: a human owner should go on with this conversation
    NOT_INTERESTED = "not_interested"  #: a decline with no opening
    OUT_OF_OFFICE = "out_of_office"  #: an absence that nobody acted on
    BOUNCE = "bounce"  #: the message was not delivered
    UNSUBSCRIBE = "unsubscribe"  #: any wish that we stop, remove or delete
    OTHER = "other"  #: a human wrote and none of the above is certain


class Tag(StrEnum):
    """What else is true of an incoming message (any number)."""

    QUESTION = "question"  #: asks something that wants an answer
    MEETING_REQUEST = "meeting_request"  #: proposes or asks for a meeting or call
    PRICING = "pricing"  #: about price, quote, budget
    TIMING = "timing"  #: later, with a date where one is given
    REFERRAL = "referral"  #: names another person to talk to
    WRONG_PERSON = "wrong_person"  #: says they are not the right contact
    LEFT_COMPANY = "left_company"  #: the addressee works there no longer
    TICKET_ACK = "ticket_ack"  #: a help desk confirmed receipt
    LEGAL_THREAT = "legal_threat"  #: lawyers, authorities, courts
    COMPLAINT = "complaint"  #: reported or will report us as spam
    BRAND_ABUSE = "brand_abuse"  #: says our or their name is misused
    SECURITY_REVIEW = "security_review"  #: asks for SOC 2, ISO 27001, a questionnaire
    ANGRY = "angry"  #: hostile tone
    DATE_AMBIGUOUS = "date_ambiguous"  #: a return date could be read in two ways
    FORWARDED = "forwarded"  #: a forward of somebody else's message


class EnrollmentState(StrEnum):
    """Where one contact stands in one sequence."""

    ACTIVE = "active"  #: the next step is due at `due_at`
    PAUSED = "paused"  #: nothing is sent before `paused_until`
    REPLIED = "replied"  #: a human answered; a person goes on
    FINISHED = "finished"  #: all steps sent, no answer
    BOUNCED = "bounced"  #: the address is invalid
    OPTED_OUT = "opted_out"  #: they asked us to stop
    FAILED = "failed"  #: cannot be sent (template, refusal by the server)
    STOPPED = "stopped"  #: ended by a person, a rule or an account-level stop


class SendState(StrEnum):
    """Where one (enrollment, step) stands in the send ledger."""

    PLANNED = "planned"  #: bytes and Message-ID are fixed; nothing was dialled
    CLAIMED = "claimed"  #: committed between RCPT and DATA; the outcome is open
    SENT = "sent"  #: the server answered 250 to the final dot, or the copy was found in Sent
    REFUSED = "refused"  #: a definite no, from a server or from a rule of ours
    DEFERRED = "deferred"  #: a definite not yet; planned again at `not_before`
    UNCERTAIN = "uncertain"  #: nobody knows; never sent again by itself


class StopChoice(StrEnum):
    """What a recipient pressed on our page; everything is the first button and what a one-click POST means."""

    EVERYTHING = "everything"  #: never again
    SEQUENCE = "sequence"  #: this sequence only
    PAUSE = "pause"  #: nothing for 90 days


class SuppressionKind(StrEnum):
    """How wide an entry of the suppression ledger reaches."""

    ADDRESS = "address"  #: one mail address
    DOMAIN = "domain"  #: every address at this domain and its subdomains
    ACCOUNT = "account"  #: every contact of this account


class SuppressionReason(StrEnum):
    """Why somebody is never mailed, strongest first."""

    LEGAL = "legal"  #: a lawyer, authority or objection under law
    COMPLAINT = "complaint"  #: a spam complaint reached us
    UNSUBSCRIBE = "unsubscribe"  #: they asked us to stop
    HARD_BOUNCE = "hard_bounce"  #: the address does not exist
    MANUAL = "manual"  #: a named person decided
    INVALID = "invalid"  #: the address can never receive mail
    CUSTOMER = "customer"  #: is a customer
    COMPETITOR = "competitor"  #: is a competitor


WISHES = frozenset({SuppressionReason.LEGAL, SuppressionReason.COMPLAINT, SuppressionReason.UNSUBSCRIBE})
"""Reasons that are the person's own will."""


class RiskFlag(StrEnum):
    """What makes a contact risky to write to."""

    ROLE_ADDRESS = "role-address"  #: a desk such as info@, not a person
    DISPOSABLE = "disposable"  #: a throw-away mailbox
    FREE_MAIL = "free-mail"  #: a provider that many people share: the company is not proven
    DOMAIN_MISMATCH = "domain-mismatch"  #: the address is not at the company's own domain
    NO_ROLE = "no-role"  #: nobody knows what the person does
    NO_COUNTRY = "no-country"  #: nobody knows which rules hold
    BOUNCED_ELSEWHERE = "bounced-elsewhere"  #: the list itself says that mail came back


class VerdictLevel(StrEnum):
    """May a domain send?"""

    READY = "ready"  #: everything
    DEGRADED = "degraded"  #: follow-ups only, no openers
    BLOCKED = "blocked"  #: nothing
    UNKNOWN = "unknown"  #: never checked, or only temporary DNS failures so far: nothing


class ProbeState(StrEnum):
    """What became of a letter from one of our mailboxes to another."""

    CLAIMED = "claimed"  #: handed over or about to be; its copy has not been seen
    DELIVERED = "delivered"  #: its copy was read
    REFUSED = "refused"  #: the server refused it after the claim
    LOST = "lost"  #: no copy within the hour


class Severity(StrEnum):
    """How bad a finding of a domain check is."""

    OK = "ok"  #: as it should be
    INFO = "info"  #: worth knowing
    WARNING = "warning"  #: degrades the domain
    ERROR = "error"  #: blocks the domain
    TEMPORARY = "temporary"  #: could not be determined now


class ReportKind(StrEnum):
    """What others report about our domains."""

    DMARC = "dmarc"  #: who sent as us in a day, and whether it passed
    FAILURE = "failure"  #: one message that failed
    TLS = "tls"  #: whether mail to us was encrypted


class HealthBand(StrEnum):
    """How a mailbox fares, from real events."""

    HEALTHY = "healthy"  #: full limit
    WATCH = "watch"  #: half the limit, the ramp does not grow
    QUARANTINE = "quarantine"  #: no openers
    BLOCKED = "blocked"  #: nothing leaves


class MailboxState(StrEnum):
    """May postroom use a mailbox?"""

    ACTIVE = "active"  #: in use
    HELD = "held"  #: a permanent error or a person stopped it


class MessageStage(StrEnum):
    """How far an incoming message has come; each stage is idempotent."""

    STORED = "stored"  #: raw bytes are committed
    DONE = "done"  #: judged, applied, assigned
    QUARANTINED = "quarantined"  #: broke processing or proves nothing; a person looks


class BounceKind(StrEnum):
    """What a delivery failure means for the address."""

    HARD = "hard"  #: the address is invalid
    SOFT = "soft"  #: may work later
    FULL = "full"  #: the mailbox is full
    POLICY = "policy"  #: refused for content, authentication or policy
    BLOCKED = "blocked"  #: our reputation or address is refused
    DELAYED = "delayed"  #: the server is still trying


class ThreadState(StrEnum):
    """Does somebody still have to act on a thread?"""

    OPEN = "open"  #: the acting person has a task
    REVIEW = "review"  #: a person must look; no task
    ANSWERED = "answered"  #: our answer was seen in Sent, or marked done
    CLOSED = "closed"  #: nothing to do


class RoleName(StrEnum):
    """What a person of the team does."""

    SDR = "sdr"  #: sales development
    AE = "ae"  #: account executive
    CSM = "csm"  #: customer team
    MANAGER = "manager"  #: leads the team, decides disputes
    COMPLIANCE = "compliance"  #: owns suppression
    OPERATIONS = "operations"  #: runs the daemon


class EventName(StrEnum):
    """What a notification tells."""

    REPLY_RECEIVED = "reply.received"  #: a reply was stored
    REPLY_CLASSIFIED = "reply.classified"  #: a reply has its label
    THREAD_ASSIGNED = "thread.assigned"  #: a thread has its owner
    THREAD_REASSIGNED = "thread.reassigned"  #: a thread's owner changed
    SLA_WARNING = "sla.warning"  #: the deadline is near
    SLA_BREACHED = "sla.breached"  #: the deadline has passed
    SUPPRESSION_ADDED = "suppression.added"  #: somebody will never be mailed again
    MAILBOX_HELD = "mailbox.held"  #: a mailbox stopped
    DOMAIN_BLOCKED = "domain.blocked"  #: a domain may not send
    DOMAIN_DRIFT = "domain.drift"  #: a domain is degraded, or its mail arrives worse than before
    DOMAIN_UNKNOWN_SOURCE = "domain.unknown_source"  #: somebody we do not know sends as us
    SEQUENCE_PAUSED = "sequence.paused"  #: a go/no-go rule paused a sequence
    HANDOVER_OFFERED = "handover.offered"  #: a colleague is asked to take a lead
    HANDOVER_ANSWERED = "handover.answered"  #: accepted, rejected or decided
    HANDOVER_LATE = "handover.late"  #: nobody answered an offer in time
    REPORT_WEEKLY = "report.weekly"  #: the weekly audit of the desks
    AUDIT_CHECKPOINT = "audit.checkpoint"  #: a signed head of the audit log, to be kept elsewhere


class HandoverState(StrEnum):
    """Where an offer between two roles stands."""

    OFFERED = "offered"  #: the old owner owns until it is answered
    ACCEPTED = "accepted"  #: the new owner owns
    REJECTED = "rejected"  #: back with the old owner
    DISPUTED = "disputed"  #: rejected a second time: a neutral senior decides
    DECIDED = "decided"  #: a senior decided a dispute or an open rejection


class RejectionReason(StrEnum):
    """Why a lead is not taken."""

    NO_FIT = "no_fit"  #: not our kind of customer: disqualified
    NO_NEED = "no_need"  #: no need for it: nothing is sent until somebody decides
    WRONG_PERSON = "wrong_person"  #: not the right contact: nothing is sent until somebody decides
    TIMING = "timing"  #: later: recycled with the longer window
    DUPLICATE = "duplicate"  #: known already: linked, one owner for both


class AccountStage(StrEnum):
    """Where an account stands with us."""

    PROSPECT = "prospect"  #: no business yet
    OPPORTUNITY = "opportunity"  #: an open opportunity; its owner controls the messaging
    CUSTOMER = "customer"  #: is a customer
    LOST = "lost"  #: an opportunity was lost; see the date
    COMPETITOR = "competitor"  #: never mailed
    DO_NOT_CONTACT = "do_not_contact"  #: never mailed


class StopEvent(StrEnum):
    """What can happen to an enrollment besides its own steps."""

    INTERESTED = "interested"  #: a human wants to go on
    NOT_INTERESTED = "not_interested"  #: a human declined
    OUT_OF_OFFICE = "out_of_office"  #: absent until a date or for the default pause
    LEFT_COMPANY = "left_company"  #: the addressee works there no longer
    TICKET_ACK = "ticket_ack"  #: a help desk confirmed receipt
    BOUNCE_HARD = "bounce_hard"  #: the address is invalid
    BOUNCE_SOFT = "bounce_soft"  #: may work later
    UNSUBSCRIBE = "unsubscribe"  #: a wish to stop
    HOLD = "hold"  #: a likely wish to stop, or a doubtful sender: a person decides
    COMPLAINT = "complaint"  #: a spam complaint
    OTHER = "other"  #: a human wrote; nothing is certain
    MEETING_BOOKED = "meeting_booked"  #: a meeting is in the calendar
    MANUAL_STOP = "manual_stop"  #: a person stopped it
    MANUAL_PAUSE = "manual_pause"  #: a person paused it
    MANUAL_RESUME = "manual_resume"  #: a person resumed it
    ACCOUNT_STOP = "account_stop"  #: somebody at the account stopped it for everybody
    SUPPRESSED = "suppressed"  #: an entry of the suppression ledger covers the contact
    OWNER_REJECTED = "owner_rejected"  #: the owner rejected the lead
    CONTACT_EDITED = "contact_edited"  #: the address changed; planned mail is void
    HANDED_OVER = "handed_over"  #: the next role accepted the lead
