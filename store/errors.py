"""What can go wrong, and does trying again help?

Doors translate library errors into this tree and keep code, enhanced status and text. Expected outcomes (a 4xx
answer, NXDOMAIN, an abstaining model) are values, not exceptions.
"""


class PostroomError(Exception):
    """Base of every error that postroom raises on purpose; its message says what, which, and what to do."""


class TemporaryError(PostroomError):
    """Trying again later may help: the supervisor backs off."""


class PermanentError(PostroomError):
    """Trying again cannot help: the supervisor holds what it concerns, audits and alerts."""


class ConfigError(PermanentError):
    """The configuration is wrong; `problems` holds every finding with its TOML path."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class ConnectionLost(TemporaryError):
    """A server could not be reached, went away, or did not answer in time."""


class AuthenticationFailed(PermanentError):
    """A server refused our credentials: hold the mailbox until a person renews them."""


class TlsFailed(PermanentError):
    """The required TLS could not be had or the certificate did not verify; never fall back to plaintext."""


class TemplateError(PermanentError):
    """A template cannot be rendered for a contact; names the contact and the field."""


class UnsafeMessage(PermanentError):
    """A composed message differs from what was meant (header injected, recipient added): it is not sent."""


class LeaseLost(TemporaryError):
    """Another node owns this mailbox now: stop touching it."""


class StoreOnHold(PermanentError):
    """The database was restored, cloned or put on hold: nothing is sent until a person releases it."""


class ParseRefused(PermanentError):
    """A message or report exceeds a cap or cannot be read; the reason slug is the message."""
