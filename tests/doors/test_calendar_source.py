"""Are calendars fetched from files and real servers within limits, and can none of them stop the daemon?"""

import asyncio
import gzip
import os
from collections.abc import Awaitable, Callable
from datetime import date
from pathlib import Path

import pytest
import uvicorn
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from ownership import calendar_source
from ownership.absence import CalendarReading
from ownership.calendar_source import CalendarDoor, check_files
from ownership.settings import PersonSettings
from store.errors import PermanentError, TemporaryError
from tests.desks.desk import J, M, make_team

FIRST, LAST = date(2026, 3, 1), date(2026, 4, 1)
EVENT = "BEGIN:VEVENT\r\nUID:1\r\nDTSTART;VALUE=DATE:20260309\r\n{}END:VEVENT\r\n"
CALENDAR = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\n" + EVENT.format("") + "END:VCALENDAR\r\n"
AWAY = ((date(2026, 3, 9), date(2026, 3, 9)),)


def person(**values: object) -> PersonSettings:
    return PersonSettings.model_validate({"email": "maya@team.example"} | values)


def read(folder: Path, **values: object) -> CalendarReading:
    return asyncio.run(CalendarDoor(folder).read(person(**values), FIRST, LAST))


def from_server(
    tmp_path: Path, answer: Callable[[Request], Awaitable[Response]], path: str = "/maya.ics"
) -> CalendarReading:
    async def run() -> CalendarReading:
        app = Starlette(routes=[Route("/{name:path}", answer)])
        server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", ws="none"))
        task = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        try:
            one = person(calendar=f"http://127.0.0.1:{port}{path}")
            return await CalendarDoor(tmp_path).read(one, FIRST, LAST)
        finally:
            server.should_exit = True
            await task

    return asyncio.run(run())


def test_a_file_beside_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "maya.ics").write_text(CALENDAR, encoding="utf-8")
    assert read(tmp_path, calendar="maya.ics").spans == AWAY
    assert read(Path("/"), calendar=str(tmp_path / "maya.ics")).spans == AWAY


def test_a_real_server(tmp_path: Path) -> None:
    async def answer(request: Request) -> Response:
        assert request.headers["accept-encoding"] == "identity"
        return Response(CALENDAR, media_type="text/calendar")

    assert from_server(tmp_path, answer).spans == AWAY


def test_a_private_address_is_read_from_its_secret(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("https://10.0.0.1/private-token/basic.ics", encoding="utf-8")
    with pytest.raises(PermanentError, match=r"10\.0\.0\.1 is not a public address") as caught:
        read(tmp_path, calendar_secret={"file": str(tmp_path / "secret")})
    assert "private-token" not in str(caught.value)


@pytest.mark.parametrize("host", ["10.0.0.1", "169.254.169.254", "[::ffff:127.0.0.1]", "127.0.0.2", "0.0.0.0"])
def test_a_calendar_cannot_reach_into_our_own_network(tmp_path: Path, host: str) -> None:
    with pytest.raises(PermanentError, match="not a public address"):
        read(tmp_path, calendar=f"https://{host}/x.ics")


@pytest.mark.parametrize(
    "place", ["http://calendars.example/x.ics", "https://me:secret@calendars.example/x", "ftp://x.example/x", "https:///x"]
)  # fmt: skip
def test_an_unsafe_address_is_refused_at_load(place: str) -> None:
    with pytest.raises(ValidationError):
        person(calendar=place)


def test_webcal_is_https() -> None:
    assert person(calendar="webcal://calendars.example/x.ics").calendar == "https://calendars.example/x.ics"


@pytest.mark.parametrize(("status", "kind"), [(404, TemporaryError), (500, TemporaryError), (302, PermanentError)])
def test_other_answers_are_errors_and_redirects_are_not_followed(
    tmp_path: Path, status: int, kind: type[Exception]
) -> None:
    async def answer(request: Request) -> Response:
        assert request.path_params["name"] == "maya.ics"
        return RedirectResponse("/other", status) if status == 302 else Response(status_code=status)

    with pytest.raises(kind, match=f"the calendar at 127.0.0.1: it answered {status}"):
        from_server(tmp_path, answer)


def test_a_compressed_answer_is_refused_before_it_is_opened(tmp_path: Path) -> None:
    async def answer(_: Request) -> Response:
        return Response(gzip.compress(b" " * 50_000_000), headers={"Content-Encoding": "gzip"})

    with pytest.raises(PermanentError, match="compressed"):
        from_server(tmp_path, answer)


def test_too_large_is_refused_from_a_server_and_from_a_file(tmp_path: Path) -> None:
    async def answer(_: Request) -> Response:
        return Response(b"x" * 2_500_000)

    with pytest.raises(PermanentError, match="larger than"):
        from_server(tmp_path, answer)
    (tmp_path / "big.ics").write_bytes(b"x" * 2_500_000)
    with pytest.raises(PermanentError, match=r"big\.ics: larger than"):
        read(tmp_path, calendar="big.ics")


def test_a_missing_file_a_pipe_and_a_broken_file_name_the_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.ics")
    (tmp_path / "broken.ics").write_text("<html>", encoding="utf-8")
    for name in ("none.ics", "pipe.ics", "broken.ics"):
        with pytest.raises(PermanentError, match=name):
            read(tmp_path, calendar=name)


def test_a_rule_that_never_ends_ends_its_own_process_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rule = "RRULE:FREQ=YEARLY;BYHOUR={0};BYMINUTE={1};BYSECOND={1};COUNT=99999999\r\n"
    often = rule.format(",".join(map(str, range(24))), ",".join(map(str, range(60))))
    text = CALENDAR.replace("DTSTART;VALUE=DATE:20260309", "DTSTART:19700101T000000Z").replace(
        "END:VEVENT", often + "END:VEVENT"
    )
    (tmp_path / "slow.ics").write_text(text, encoding="utf-8")
    monkeypatch.setattr(calendar_source, "CPU_MAX", 1)
    monkeypatch.setattr(calendar_source, "PATIENCE", 2.0)
    with pytest.raises(PermanentError, match=r"slow\.ics: reading it t"):
        read(tmp_path, calendar="slow.ics")


def test_config_check_names_person_and_file(tmp_path: Path) -> None:
    (tmp_path / "good.ics").write_text(CALENDAR, encoding="utf-8")
    (tmp_path / "odd.ics").write_text(CALENDAR.replace("20260309", "yesterday"), encoding="utf-8")
    team = make_team({M: {"calendar": "gone.ics"}, J: {"calendar": "odd.ics"}})
    missing, odd = check_files(team, tmp_path, FIRST)
    assert missing == "team.person[0].calendar (maya@team.example): gone.ics: no such file"
    assert odd.startswith("team.person[1].calendar (jon@team.example): odd.ics: an event without a name: ")
    assert list(check_files(make_team({M: {"calendar": "good.ics"}}), tmp_path, FIRST)) == []
