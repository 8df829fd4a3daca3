"""How does one click end all mail? RFC 8058: POST acts within the request, GET and HEAD never do.

GET reads nothing but its own address: the link names the language, so that the page is the same, byte for byte, for a
token of ours and for a guessed one. A POST that cannot be understood stops everything, which is the safe direction.
"""

import asyncio
import html
import ipaddress
from collections.abc import Awaitable, Callable
from datetime import datetime

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from console.public import language_of, on_the_beat, page
from console.wishes import Wish
from store.vocabulary import StopChoice

ReadToken = Callable[[str], int | None]  #: token -> enrollment id, None for a foreign one
TakeWish = Callable[[Wish], Awaitable[None]]  #: durable when it returns

#: per language: question, three buttons, three answers; the order is that of StopChoice
TEXTS = {
    "en": (
        "Stop these messages?",
        ("Stop all messages", "Stop this series only", "No messages for 90 days"),
        (
            "Done. You will not receive messages from us again.",
            "Done. This series has ended.",
            "Done. You will not receive messages from us for 90 days.",
        ),
    ),
    "de": (
        "Diese Nachrichten beenden?",
        ("Alle Nachrichten beenden", "Nur diese Reihe beenden", "90 Tage keine Nachrichten"),
        (
            "Erledigt. Sie erhalten keine Nachrichten mehr von uns.",
            "Erledigt. Diese Reihe ist beendet.",
            "Erledigt. Sie erhalten 90 Tage lang keine Nachrichten von uns.",
        ),
    ),
    "fr": (
        "Arrêter ces messages ?",
        ("Arrêter tous les messages", "Arrêter seulement cette série", "Aucun message pendant 90 jours"),
        (
            "C'est fait. Vous ne recevrez plus de messages de notre part.",
            "C'est fait. Cette série est terminée.",
            "C'est fait. Vous ne recevrez aucun message de notre part pendant 90 jours.",
        ),
    ),
    "es": (
        "¿Dejar de recibir estos mensajes?",
        ("Dejar de recibir todo", "Dejar solo esta serie", "Ningún mensaje durante 90 días"),
        (
            "Hecho. No recibirá más mensajes nuestros.",
            "Hecho. Esta serie ha terminado.",
            "Hecho. No recibirá mensajes nuestros durante 90 días.",
        ),
    ),
    "it": (
        "Interrompere questi messaggi?",
        ("Interrompere tutti i messaggi", "Interrompere solo questa serie", "Nessun messaggio per 90 giorni"),
        (
            "Fatto. Non riceverà più nostri messaggi.",
            "Fatto. Questa serie è terminata.",
            "Fatto. Non riceverà nostri messaggi per 90 giorni.",
        ),
    ),
    "nl": (
        "Deze berichten stoppen?",
        ("Alle berichten stoppen", "Alleen deze reeks stoppen", "90 dagen geen berichten"),
        (
            "Gedaan. U ontvangt geen berichten meer van ons.",
            "Gedaan. Deze reeks is beëindigd.",
            "Gedaan. U ontvangt 90 dagen geen berichten van ons.",
        ),
    ),
    "pt": (
        "Deixar de receber estas mensagens?",
        ("Deixar de receber tudo", "Deixar apenas esta série", "Nenhuma mensagem durante 90 dias"),
        (
            "Feito. Não receberá mais mensagens nossas.",
            "Feito. Esta série terminou.",
            "Feito. Não receberá mensagens nossas durante 90 dias.",
        ),
    ),
}
BUTTON = '<p><button name="choice" value="{value}" style="font:inherit;padding:.6em 1em">{text}</button></p>'


def routes(read_token: ReadToken, take: TakeWish, now: Callable[[], datetime], prefix: str) -> list[BaseRoute]:
    """Return the routes of `prefix`/TOKEN and `prefix`/TOKEN/LANGUAGE."""

    async def show(request: Request) -> Response:
        language = language_of(request)
        question, buttons, _ = TEXTS[language]
        shown = zip(StopChoice, buttons, strict=True)
        form = "".join(BUTTON.format(value=value, text=html.escape(text)) for value, text in shown)
        return page(language, question, f'<form method="post">{form}</form>')

    async def act(request: Request) -> Response:
        began = asyncio.get_running_loop().time()
        try:
            choice = await _choice(request)
        except ClientDisconnect:
            return Response(status_code=400)  # nobody reads it
        enrollment_id = read_token(request.path_params["token"])
        if enrollment_id is not None:
            try:
                await take(Wish(enrollment_id, choice, now(), _client(request)))
            except OSError:  # neither store nor spool: the mail program tries again
                return Response(status_code=503, headers={"Retry-After": "60"})
        await on_the_beat(began)
        language = language_of(request)
        return page(language, TEXTS[language][2][list(StopChoice).index(choice)])

    paths = (f"{prefix}/{{token}}", f"{prefix}/{{token}}/{{language}}")
    return [
        route for path in paths for route in (Route(path, show, methods=["GET"]), Route(path, act, methods=["POST"]))
    ]


async def _choice(request: Request) -> StopChoice:
    """Return what was pressed; a one-click POST (form or multipart) and everything unknown means everything."""
    try:
        async with request.form(max_files=1, max_fields=20) as form:
            return StopChoice(str(form.get("choice", StopChoice.EVERYTHING)))
    except ValueError:
        return StopChoice.EVERYTHING
    except HTTPException as problem:
        if problem.status_code != 400:  # 400: a broken form
            raise
        return StopChoice.EVERYTHING


def _client(request: Request) -> str:
    try:
        return str(ipaddress.ip_address(request.client.host if request.client else ""))
    except ValueError:
        return "unknown"
