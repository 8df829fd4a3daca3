"""Where does a person's calendar come from? DOOR: a file, or a URL under the guard that webhooks have.

The text is read in a process that may die: a rule that repeats every second could otherwise stop everything.
"""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from ownership.absence import CalendarReading, calendar_window
from ownership.notify import TIMEOUT_SECONDS, open_client, pinned
from ownership.settings import PersonSettings, TeamSettings, check_calendar
from store.errors import PermanentError, TemporaryError

LONGEST_CALENDAR = 2_000_000  # bytes
MEMORY_MAX = 512 * 1024 * 1024  # octets of address space
CPU_MAX, PATIENCE = 15, 60.0  # seconds
_ROOT = str(Path(__file__).parents[1])


def calendar_of(person: PersonSettings) -> str:
    """Return the path or address of a person's calendar; a private address is read from its secret now."""
    if person.calendar_secret is None:
        return person.calendar
    try:
        return check_calendar(person.calendar_secret.read())
    except ValueError as problem:
        raise PermanentError(f"calendar_secret: {problem}") from problem


class CalendarDoor:
    """Fetches and reads calendars; relative paths start at `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def read(self, person: PersonSettings, first: date, last: date) -> CalendarReading:
        """Return a person's days away; the error names the file or the host, never the rest of a private address."""
        place = calendar_of(person)
        if "://" in place:
            name = f"the calendar at {urlsplit(place).hostname}"
            text = await fetch_calendar(place, name)
        else:
            name = place
            text = await asyncio.to_thread(read_file, self._folder, place)
        return await asyncio.to_thread(read_apart, text, person, first, last, name)


def check_files(team: TeamSettings, folder: Path, today: date) -> Iterator[str]:
    """Yield a warning with its TOML path for every calendar file that cannot be read; asks no server."""
    for number, person in enumerate(team.person):
        place = person.calendar
        if not place or "://" in place:
            continue
        try:
            text = read_file(folder, place)
            skipped = read_apart(text, person, *calendar_window(today), place).skipped
        except PermanentError as problem:
            skipped = (str(problem),)
        yield from (f"team.person[{number}].calendar ({person.email}): {said}" for said in skipped)


def read_file(folder: Path, name: str) -> str:
    """Return the text of a calendar file."""
    path = folder / Path(name).expanduser()
    try:
        if not path.is_file():
            raise PermanentError(f"{name}: no such file")
        with path.open("rb") as file:
            body = file.read(LONGEST_CALENDAR + 1)
    except OSError as problem:
        raise PermanentError(f"{name}: {problem.strerror}") from problem
    if len(body) > LONGEST_CALENDAR:
        raise PermanentError(f"{name}: larger than {LONGEST_CALENDAR} bytes")
    return body.decode("utf-8", "replace")


async def fetch_calendar(url: str, name: str) -> str:
    """Return the text at an address; nothing compressed is taken, no redirect is followed."""
    try:
        async with asyncio.timeout(2 * TIMEOUT_SECONDS), open_client() as client:
            address, headers, extensions = await pinned(url)
            headers |= {"Accept": "text/calendar", "Accept-Encoding": "identity"}
            async with client.stream("GET", address, headers=headers, extensions=extensions) as answer:
                _check_answer(answer, name)
                body = b""
                async for piece in answer.aiter_raw():
                    body += piece
                    if len(body) > LONGEST_CALENDAR:
                        raise PermanentError(f"{name}: larger than {LONGEST_CALENDAR} bytes")
    except (httpx.HTTPError, TimeoutError) as problem:
        raise TemporaryError(f"{name}: {type(problem).__name__}") from problem
    return body.decode("utf-8", "replace")


def _check_answer(answer: httpx.Response, name: str) -> None:
    status = answer.status_code
    if 300 <= status < 400:
        raise PermanentError(f"{name}: it answered {status}; redirects are not followed, give the final address")
    if status != 200:
        raise TemporaryError(f"{name}: it answered {status}")
    if answer.headers.get("content-encoding", "identity") != "identity":
        raise PermanentError(f"{name}: it answered with a compressed body, which was not asked for")


def read_apart(text: str, person: PersonSettings, first: date, last: date, name: str) -> CalendarReading:
    """Read a calendar in a child process with limits of memory and time."""
    head = person.model_dump_json(by_alias=True, include={"email", "aliases", "zone", "hours", "days"})
    given = json.dumps([head, first.isoformat(), last.isoformat(), text])
    bare = {"PYTHONPATH": _ROOT, "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "ownership.calendar_source"]
    try:
        done = subprocess.run(  # noqa: S603 - our own module
            command, input=given.encode("ascii"), capture_output=True, timeout=PATIENCE, env=bare, cwd="/", check=False
        )
    except subprocess.TimeoutExpired as problem:
        raise PermanentError(f"{name}: reading it takes too long") from problem
    if done.returncode:
        raise PermanentError(f"{name}: reading it took too much time or memory")
    found = json.loads(done.stdout)
    if "refused" in found:
        raise PermanentError(f"{name}: {found['refused']}")
    spans = [(date.fromisoformat(one), date.fromisoformat(other)) for one, other in found["spans"]]
    return CalendarReading(tuple(spans), tuple(f"{name}: {one}" for one in found["skipped"]))


def main() -> None:
    """Be the child: one calendar on standard input, its days away on standard output."""
    import resource

    from ownership.calendars import read_calendar  # its libraries are slow to load, and only the child needs them

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_MAX, MEMORY_MAX))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_MAX, CPU_MAX + 1))
    for limit in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE):
        resource.setrlimit(limit, (0, 0))
    head, first, last, text = json.load(sys.stdin)
    person = PersonSettings.model_validate_json(head)
    try:
        reading = read_calendar(text, person, date.fromisoformat(first), date.fromisoformat(last))
    except PermanentError as problem:
        found: dict[str, object] = {"refused": str(problem)}
    else:
        spans = [(one.isoformat(), other.isoformat()) for one, other in reading.spans]
        found = {"spans": spans, "skipped": reading.skipped[:5]}
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
