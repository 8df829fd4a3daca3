"""What happens on a bad day: mail that nobody can read, servers that are down, a field that is missing?"""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from postroom.commands_ask import status_row
from sandbox.memory import RelayFault
from store import audit, contacts, enrollments, messages
from store.errors import ConnectionLost
from store.vocabulary import EnrollmentState
from tests.simulation.sixty_days import DOMAIN, Simulation

BOX = f"m0@{DOMAIN}"
BOMB = b"".join(b"Content-Type: message/rfc822\r\n\r\n" for _ in range(3000)) + b"the end\r\n"
LETTER = b"From: nina@elsewhere.test\r\nTo: m0@out.test\r\nSubject: a question\r\n\r\nCan you call me?\r\n"


@pytest.fixture
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Simulation]:
    """A small world in the middle of everybody's Monday morning; a test may set the subject of the letters."""
    subject = getattr(request, "param", "A question, {{ first_name }}")
    simulation = Simulation(tmp_path, seed=3, contacts=4, subject=subject)
    simulation.clock.advance(timedelta(hours=4))
    yield simulation
    simulation.close()


def status(world: Simulation) -> dict[str, Any]:
    now = world.clock.now()
    row = world.played.opened.store.read_now(lambda c: status_row(c, world.played.opened.config, now))
    return {one["mailbox"]: one for one in row["mailboxes"]}


def pass_now(world: Simulation, later: timedelta = timedelta()) -> None:
    world.clock.advance(later)
    asyncio.run(world.run_pass())


def test_a_mail_that_breaks_parsing_is_kept_aside_and_the_next_one_is_read(world: Simulation) -> None:
    pass_now(world)
    for raw in (BOMB, LETTER):
        world.boxes[BOX].deliver("INBOX", raw, world.clock.now())
    pass_now(world, timedelta(minutes=5))
    store = world.played.opened.store
    assert store.read_now(messages.counts_by_stage) == {"quarantined": 1, "done": 1}


def test_an_imap_server_that_is_down_is_named_and_nothing_is_lost(world: Simulation) -> None:
    pass_now(world)
    world.boxes[BOX].deliver("INBOX", LETTER, world.clock.now())
    world.boxes[BOX].faults.append(ConnectionLost("imap.out.test: no answer"))
    pass_now(world, timedelta(minutes=5))
    assert "imap.out.test: no answer" in status(world)[BOX]["reason"]
    pass_now(world, timedelta(hours=1))
    assert status(world)[BOX]["reason"] == ""
    assert world.played.opened.store.read_now(messages.counts_by_stage) == {"done": 1}


def test_a_relay_that_is_down_is_named_and_every_letter_leaves_once(world: Simulation) -> None:
    world.fill()
    for transport in world.transports.values():
        transport.faults.append(RelayFault.CUT_BEFORE_DATA)
    pass_now(world)
    assert world.played.letters() == []
    assert any("hung up" in row["reason"] for row in status(world).values())
    for _ in range(8):
        pass_now(world, timedelta(minutes=30))
    assert sorted(recipient for _, _, recipient, _ in world.played.letters()) == sorted(
        person.email for person in world.played.people
    )
    assert not any(row["reason"] for row in status(world).values())


@pytest.mark.parametrize("world", ["{{ nickname }}, a question"], indirect=True)
def test_a_missing_field_refuses_the_letter_and_names_contact_and_field(world: Simulation) -> None:
    world.fill()
    pass_now(world)
    store = world.played.opened.store
    assert world.played.letters() == []
    everybody = store.read_now(contacts.all_contacts)
    for one in store.read_now(lambda c: enrollments.enrollments_of(c, [person.id for person in everybody])):
        assert one.state == EnrollmentState.FAILED
        assert "nickname" in one.end_reason
    refused = store.read_now(lambda c: [row for row in audit.entries(c) if row["action"] == "send.refused"])
    assert {row["subject"] for row in refused} == {f"contact:{person.id}" for person in everybody}
