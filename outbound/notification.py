"""Which bytes tell a colleague about an event? A notification mail, marked as automatic, threaded by conversation."""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from outbound.compose import OutgoingMessage, compose

LONGEST_SUBJECT = 180


def compose_notice(
    secret: bytes, sender: str, recipient: str, key: str, payload: Mapping[str, Any], at: datetime
) -> bytes:
    """Return the mail of one notice; its Message-ID follows from the event and the recipient.

    `payload` holds subject and text, and where there are any html and the thread: the notices of one conversation
    refer to one and the same id, so that mail programs show them together.
    """
    clean = " ".join(str(payload["subject"]).replace("=?", "= ?").split())[:LONGEST_SUBJECT]
    thread = payload.get("thread")
    message = OutgoingMessage(
        from_name="postroom",
        from_address=sender,
        to_name="",
        to_address=recipient,
        subject="".join(one for one in clean if one.isprintable()),
        text=str(payload["text"]).replace("\0", ""),
        at=at,
        message_id=notice_id(secret, sender, recipient, key),
        references=(_identify(secret, sender, f"conversation|{thread}|{recipient}"),) if thread else (),
        automatic=True,
        html=str(payload.get("html", "")).replace("\0", ""),
    )
    return compose(message).raw


def notice_id(secret: bytes, sender: str, recipient: str, key: str) -> str:
    """Return the Message-ID of a notice, which follows from the event and the recipient: the same at every attempt."""
    return _identify(secret, sender, f"notice|{key}|{recipient}")


def _identify(secret: bytes, sender: str, name: str) -> str:
    return f"<{hmac.new(secret, name.encode(), hashlib.sha256).hexdigest()[:40]}@{sender.rpartition('@')[2]}>"
