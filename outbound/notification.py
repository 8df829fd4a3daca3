"""Which bytes tell a colleague about an event? A notification mail, marked as automatic, threaded by its event."""

import hashlib
import hmac
from datetime import datetime

from outbound.compose import OutgoingMessage, compose

LONGEST_SUBJECT = 180


def compose_notice(
    secret: bytes, sender: str, recipient: str, subject: str, text: str, key: str, at: datetime
) -> bytes:
    """Return the mail of one notice; its Message-ID follows from the event and the recipient."""
    digest = hmac.new(secret, f"notice|{key}|{recipient}".encode(), hashlib.sha256).hexdigest()[:40]
    clean = " ".join(subject.replace("=?", "= ?").split())[:LONGEST_SUBJECT]
    printable = "".join(one for one in clean if one.isprintable())
    message = OutgoingMessage(
        from_name="postroom",
        from_address=sender,
        to_name="",
        to_address=recipient,
        subject=printable,
        text=text.replace("\0", ""),
        at=at,
        message_id=f"<{digest}@{sender.rpartition('@')[2]}>",
        automatic=True,
    )
    return compose(message).raw
