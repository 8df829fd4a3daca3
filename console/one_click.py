"""How does one click end all mail? The public endpoint of RFC 8058: POST acts, GET never does.

It runs on its own: it needs the store and the token keys, not the daemon. An unknown token gets the same page as a
known one, so that nothing can be learnt by guessing.
"""

import html
from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Connection
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from outbound.stop import LIVE, apply_event
from store import contacts, enrollments, notices, suppression
from store.database import Store
from store.vocabulary import EventName, StopEvent, SuppressionKind, SuppressionReason

ReadToken = Callable[[str], int | None]  #: token -> enrollment id, None for a foreign one
TEXTS = {
    "en": ("Stop these messages?", "Stop all messages", "Done. You will not receive messages from us again."),
    "de": (
        "Diese Nachrichten beenden?",
        "Alle Nachrichten beenden",
        "Erledigt. Sie erhalten keine Nachrichten mehr von uns.",
    ),
    "fr": (
        "Arrêter ces messages ?",
        "Arrêter tous les messages",
        "C'est fait. Vous ne recevrez plus de messages de notre part.",
    ),
    "es": ("¿Dejar de recibir estos mensajes?", "Dejar de recibir todo", "Hecho. No recibirá más mensajes nuestros."),
    "it": (
        "Interrompere questi messaggi?",
        "Interrompere tutti i messaggi",
        "Fatto. Non riceverà più nostri messaggi.",
    ),
    "nl": ("Deze berichten stoppen?", "Alle berichten stoppen", "Gedaan. U ontvangt geen berichten meer van ons."),
    "pt": (
        "Deixar de receber estas mensagens?",
        "Deixar de receber tudo",
        "Feito. Não receberá mais mensagens nossas.",
    ),
}
PAGE = """<!doctype html><html lang="{language}"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width"><meta name="robots" content="noindex"></head>
<body style="font:18px sans-serif;max-width:32em;margin:15vh auto;padding:0 1em"><h1>{title}</h1>{body}</body></html>"""
HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'",
    "X-Frame-Options": "DENY",
}


def make_app(
    store: Store, secret: bytes, read_token: ReadToken, now: Callable[[], datetime], compliance: str, prefix: str = "/u"
) -> Starlette:
    """Return the ASGI app that serves `prefix`/TOKEN; `compliance` is told of every new suppression."""

    async def show(request: Request) -> Response:
        title, button, _ = TEXTS[_language(request)]
        body = (
            f'<form method="post"><button style="font:inherit;padding:.6em 1em">{html.escape(button)}</button></form>'
        )
        return _page(request, title, body)

    async def stop(request: Request) -> Response:
        enrollment_id = read_token(request.path_params["token"])
        if enrollment_id is not None:
            client = request.client.host if request.client else "unknown"
            at = now()
            evidence = f"one-click POST from {client} at {at.isoformat(timespec='seconds')}"
            await store.write(suppress_enrolled, enrollment_id, secret, evidence, compliance, at)
        _, _, done = TEXTS[_language(request)]
        return _page(request, done, "")

    return Starlette(
        routes=[
            Route(f"{prefix}/{{token}}", show, methods=["GET"]),
            Route(f"{prefix}/{{token}}", stop, methods=["POST"]),
        ]
    )


def suppress_enrolled(
    connection: Connection, enrollment_id: int, secret: bytes, evidence: str, compliance: str, now: datetime
) -> bool:
    """Suppress the person of an enrollment and end every sequence to them; returns whether that was new."""
    enrollment = enrollments.enrollment(connection, enrollment_id)
    contact = contacts.contact(connection, enrollment.contact_id) if enrollment else None
    if contact is None:
        return False
    added = suppression.add(
        connection,
        secret,
        SuppressionKind.ADDRESS,
        contact.email,
        SuppressionReason.UNSUBSCRIBE,
        source="one-click",
        evidence=evidence,
        actor="recipient",
        now=now,
    )
    for old in enrollments.enrollments_of(connection, [contact.id]):
        moved = apply_event(old.state, StopEvent.UNSUBSCRIBE, paused_until=None)
        if moved.state != old.state and (old.state in LIVE or old.id == enrollment_id):
            reason = StopEvent.UNSUBSCRIBE
            enrollments.set_state(connection, old, moved.state, reason=reason, actor="recipient", now=now)
    if added:
        payload = {"subject": f"Suppressed: {contact.email}", "text": f"{contact.email} unsubscribed by one click.\n"}
        key = f"suppression:{contact.email}"
        notices.enqueue(connection, EventName.SUPPRESSION_ADDED, key, "mail", compliance, payload, now)
    return added


def _language(request: Request) -> str:
    for part in request.headers.get("accept-language", "").lower().split(","):
        if (code := part.strip()[:2]) in TEXTS:
            return code
    return "en"


def _page(request: Request, title: str, body: str) -> Response:
    text = PAGE.format(language=_language(request), title=html.escape(title), body=body)
    return HTMLResponse(text, headers=HEADERS)
