"""Does a signed link in the handover mail accept or reject a lead, once, and can nobody else use or forge it?"""

import asyncio
import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from outbound.transport import Claim, Envelope, SendResult
from ownership import passing_desk
from ownership.delivery import NoticeWorker
from ownership.passing_desk import Wish
from postroom import commands_ownership
from postroom.cli import app
from postroom.config import parse_config
from postroom.notice_mail import notifier_of
from store import handovers, notices, threads
from store.columns import House
from store.errors import ConfigError
from store.vocabulary import HandoverState, RejectionReason, ThreadState
from tests.desks.desk import BOX, DESKS, PEOPLE, A, Desk, G, J, M
from tests.doors.public_site import Site, serve, write_config

assert commands_ownership  # it registers its commands
CHRIS, LINKS = "chris@acme.example", "https://go.out.example/h"
LINK = re.compile(rf"{re.escape(LINKS)}/\d+/[\w-]+")


class Taker:
    """A server that takes every mail."""

    def __init__(self) -> None:
        self.mails: list[Envelope] = []

    async def send(self, envelope: Envelope, claim: Claim) -> SendResult:
        assert await claim()
        self.mails.append(envelope)
        return SendResult("sent", "data", 250)

    async def close(self) -> None:
        """Nothing is open."""


@dataclass
class Story:
    """A desk, its public endpoint, and the mail it sent."""

    desk: Desk
    site: Site

    def mails(self) -> dict[str, str]:
        """Deliver what waits; returns the newest link by recipient."""
        taker = Taker()

        async def find(*_: object) -> bool | None:
            return None

        now = self.desk.now + timedelta(days=1)
        asyncio.run(NoticeWorker(self.desk.store, notifier_of(self.site.opened, {BOX: taker}, find)).run_pass(now))
        found = {}
        for one in taker.mails:
            mail = message_from_bytes(one.raw, policy=default)
            plain, marked = (mail.get_body((kind,)) for kind in ("plain", "html"))
            links = [set(LINK.findall(part.get_content())) for part in (plain, marked) if part is not None]
            assert links[0] == links[-1]
            if links[0]:
                (found[one.recipient],) = links[0]
        return found

    def url(self, link: str) -> str:
        return link.replace("https://go.out.example", f"http://127.0.0.1:{self.site.port}")

    def get(self, link: str) -> httpx.Response:
        return httpx.get(self.url(link))

    def post(self, link: str, **form: Any) -> httpx.Response:
        return httpx.post(self.url(link), data=form)

    def everything(self) -> dict[str, list[str]]:
        tables = House.metadata.sorted_tables
        return self.desk.store.read_now(
            lambda c: {one.name: sorted(map(repr, c.execute(select(one)))) for one in tables}
        )


def people() -> str:
    text = "\n".join(f'{name} = "{keeper}"' for name, keeper in DESKS.items())
    for email, values in PEOPLE.items():
        known = {name: values[name] for name in ("name", "role", "backup") if name in values}
        text += f'\n[[team.person]]\nemail = "{email}"\n' + "\n".join(
            f'{name} = "{one}"' for name, one in known.items()
        )
    return text


@contextmanager
def story_of(folder: Path) -> Iterator[Story]:
    path = write_config(folder, f"sqlite:///{folder}/desk.db")
    text = path.read_text(encoding="utf-8")
    head, _, tail = text.partition("[team]")
    path.write_text(
        f'{head}[ownership.handover]\nlinks = "{LINKS}"\n[team]\n{people()}\n[store]{tail.partition("[store]")[2]}'
    )
    desk = Desk(folder)
    account = desk.account(name="Acme <b>", domain="acme.example", owner=M)
    desk.contact(CHRIS, first_name="Chris", source="event", account_id=account)
    with serve(path) as site:
        yield Story(desk, site)


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    with story_of(tmp_path) as made:
        made.desk.reply(CHRIS, text="yes, call me", to=made.desk.letter(CHRIS))
        yield made


def test_opening_the_link_changes_nothing_and_shows_the_lead(story: Story) -> None:
    link = story.mails()[M]
    before = story.everything()
    for method in ("GET", "HEAD", "GET", "OPTIONS", "PUT", "DELETE"):
        answer = httpx.request(method, story.url(link))
        assert answer.status_code in (200, 405)
    assert story.everything() == before
    shown = story.get(link)
    assert "Chris, Acme &lt;b&gt;, Re: Hello" in shown.text
    assert "owns the Acme &lt;b&gt; account" in shown.text
    assert "Duplicate of" not in shown.text  # there is no other thread
    assert shown.headers["cache-control"] == "no-store"


def test_accepting_twice_is_accepting_once(story: Story) -> None:
    link = story.mails()[M]
    assert "Maya Stone accepted this lead." in story.post(link, answer="accept").text
    before = story.everything()
    assert "Maya Stone accepted this lead." in story.post(link, answer="accept").text
    assert "Maya Stone accepted this lead." in story.get(link).text
    assert "Maya Stone accepted this lead." in story.post(link, answer="reject", reason="timing").text
    assert story.everything() == before
    assert [one["actor"] for one in story.desk.entries("thread.accepted")] == [M]


def test_pressed_many_times_at_once_it_is_answered_once(story: Story) -> None:
    link = story.mails()[M]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: story.post(link, answer="reject", reason="wrong_person"), range(16)))
    assert {one.status_code for one in answers} == {200}
    assert [one.state for one in story.desk.store.read_now(handovers.find)] == [HandoverState.REJECTED]
    assert len(story.desk.told("handover.answered")) == 2  # the owner, and the manager who decides


@pytest.mark.parametrize(
    ("reason", "said", "state", "arbiter"),
    [("no_fit", "disqualified", ThreadState.CLOSED, False), ("timing", "recycled", ThreadState.CLOSED, False),
     ("no_need", "until somebody decides", ThreadState.OPEN, True), ("wrong_person", "until somebody decides", ThreadState.OPEN, True)],
)  # fmt: skip
def test_each_coded_reason_does_what_the_command_does(
    story: Story, reason: str, said: str, state: ThreadState, arbiter: bool
) -> None:
    link = story.mails()[M]
    assert said in story.post(link, answer="reject", reason=reason, note="they\r\nsaid <so>").text
    (made,) = story.desk.store.read_now(handovers.find)
    assert (made.state, made.reason, made.note, made.answered_by) == (
        HandoverState.REJECTED,
        reason,
        "they said <so>",
        M,
    )
    assert story.desk.thread().state == state
    assert (G in dict(story.desk.told("handover.answered"))) is arbiter
    assert story.desk.states(CHRIS) <= {"replied", "stopped"}


def test_a_duplicate_is_linked_with_the_chosen_thread(story: Story) -> None:
    link = story.mails()[M]
    story.desk.contact("dana@acme.example", account_id=1)
    story.desk.reply("dana@acme.example", "interested", to=story.desk.letter("dana@acme.example"))

    def unit(connection: Any) -> None:
        threads.assign(connection, 2, owner=A, acting=A, rule="manager's decision", reason="x", tried=[], facts={},
                       actor=G, now=story.desk.now)  # fmt: skip

    story.desk.store.write_now(unit)
    assert f'<option value="2">2: Re: Hello, {A}</option>' in story.get(link).text
    missing = story.post(link, answer="reject", reason="duplicate")
    assert (missing.status_code, "Choose the thread that it duplicates." in missing.text) == (400, True)
    assert story.post(link, answer="reject", reason="duplicate", of="2").status_code == 200
    assert (story.desk.owner(1), story.desk.thread(1).linked_id) == (A, 2)


@pytest.mark.parametrize(
    "form", [{}, {"answer": "maybe"}, {"answer": "reject"}, {"answer": "reject", "reason": "dull"},
             {"answer": "reject", "reason": "duplicate", "of": "1" * 30}, {"answer": "reject", "reason": "duplicate", "of": "-1"}],
)  # fmt: skip
def test_an_answer_that_cannot_be_understood_changes_nothing_and_says_what_to_do(
    story: Story, form: dict[str, str]
) -> None:
    link = story.mails()[M]
    before = story.everything()
    answer = story.post(link, **form)
    assert answer.status_code == 400
    assert "<form" in answer.text
    assert story.everything() == before


def test_a_forged_or_foreign_link_shows_nothing_and_does_nothing(story: Story) -> None:
    story.desk.contact("dana@acme.example", account_id=1)
    link = story.mails()[M]
    base, number, token = link.rsplit("/", 2)
    tampered = f"{token[:-1]}{'A' if token[-1] != 'A' else 'B'}"
    before = story.everything()
    for bad in (f"{base}/{number}/{tampered}", f"{base}/{int(number) + 1}/{token}", f"{base}/0/{token}",
                f"{base}/{10**30}/{token}", f"{base}/{number}/", f"{base}/x/{token}"):  # fmt: skip
        for answer in (story.get(bad), story.post(bad, answer="accept")):
            assert answer.status_code == 404
            assert "Chris" not in answer.text
    assert story.everything() == before


def test_a_link_of_another_notice_with_the_same_number_is_worth_nothing_after_a_restore(tmp_path: Path) -> None:
    links: list[str] = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        with story_of(tmp_path / name) as made:
            made.desk.now += timedelta(seconds=len(links))
            made.desk.reply(CHRIS, text="yes", to=made.desk.letter(CHRIS))
            links.append(made.mails()[M])
            if len(links) == 2:
                assert made.get(links[1]).status_code == 200
                assert made.get(links[0]).status_code == 404


def test_once_the_lead_is_with_somebody_else_the_old_link_says_so(story: Story) -> None:
    link = story.mails()[M]
    story.desk.store.write_now(
        threads.assign, 1, owner=A, acting=A, rule="manager's decision", reason="Because.", tried=[], facts={}, actor=G,
        now=story.desk.now,
    )  # fmt: skip
    before = story.everything()
    assert "This lead is with Ann Keller now." in story.post(link, answer="accept").text
    assert story.everything() == before


def test_an_offer_is_accepted_by_its_taker_and_the_givers_link_rests_meanwhile(story: Story) -> None:
    given = story.mails()[M]
    wish = Wish(A, "budget is there", "call", date(2026, 3, 5))
    story.desk.store.write_now(passing_desk.offer, 1, wish, story.desk.passing(), actor=M, now=story.desk.now)
    taken = story.mails()
    assert set(taken) == {A}
    assert "offered to Ann Keller" in story.post(given, answer="accept").text
    assert "Maya Stone offers this lead to Ann Keller." in story.get(taken[A]).text
    assert story.desk.owner() == M
    story.post(taken[A], answer="accept")
    assert story.desk.owner() == A
    assert (
        "Ann Keller accepted this lead. Ann Keller owns it."
        in story.post(taken[A], answer="reject", reason="timing").text
    )
    assert story.desk.owner() == A
    assert "This lead is with Ann Keller now." in story.get(given).text


def test_a_rejected_offer_goes_back_and_a_second_no_goes_to_a_neutral_senior(story: Story) -> None:
    wish = Wish(A, "budget is there", "call", date(2026, 3, 5))
    for reason, said in (("timing", "recycled"), ("no_fit", "a neutral senior decides")):
        story.desk.store.write_now(passing_desk.offer, 1, wish, story.desk.passing(), actor=M, now=story.desk.now)
        link = story.mails()[A]
        assert said in story.post(link, answer="reject", reason=reason).text
        assert said in story.post(link, answer="reject", reason=reason).text
        assert story.desk.owner() == M
    states = [one.state for one in story.desk.store.read_now(handovers.find)]
    assert states == [HandoverState.REJECTED, HandoverState.DISPUTED]


def test_a_new_reply_asks_anew(story: Story) -> None:
    first = story.mails()[M]
    story.post(first, answer="reject", reason="timing")
    story.desk.now = datetime.now(UTC) + timedelta(days=1)
    story.desk.reply(CHRIS, text="now is the time", to="<demo-0-1@out.example>", at=story.desk.now)
    again = story.mails()[M]
    assert again != first
    assert "<form" in story.get(again).text


def test_no_link_stands_in_the_outbox_or_goes_to_people_who_only_are_told(story: Story) -> None:
    story.desk.reply(CHRIS, "other", "I will sue you", to="<demo-0-1@out.example>", tags=())
    rows = story.desk.store.read_now(notices.waiting, story.desk.now)
    assert "/h/" not in str(rows)
    assert set(story.mails()) == {M}


@pytest.mark.parametrize(
    "address", ["http://go.out.example/h", "go.out.example", "https://x.example/h?a=b", "https://u:p@x.example/h"]
)
def test_an_unsafe_address_of_links_is_refused_at_load(address: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config({"ownership": {"handover": {"links": address}}})
    assert any(one.startswith("ownership.handover.links: ") for one in caught.value.problems)


def test_the_command_is_idempotent_too(story: Story) -> None:
    def unit(connection: Any) -> str:
        return passing_desk.reject(
            connection, 1, RejectionReason.TIMING, story.desk.passing(), actor=M, now=story.desk.now
        )

    assert story.desk.store.write_now(unit) == story.desk.store.write_now(unit)
    assert len(story.desk.store.read_now(handovers.find)) == 1
    assert J not in dict(story.desk.told("handover.answered"))


def test_the_terminal_shows_the_same_handover(story: Story) -> None:
    config = ["--config", str(story.site.opened.folder / "config.toml")]
    plain = CliRunner().invoke(app, ["handover", "show", "1", *config])
    assert plain.exit_code == 0
    for part in ("This goes to Maya Stone", "yes, call me", "Source:", "Label:", "We sent:", "step 1 of demo"):
        assert part in plain.stdout
    said = json.loads(CliRunner().invoke(app, ["handover", "show", "1", "--json", *config]).stdout)
    assert (said["owner"], said["label"], said["reply"]) == (M, "interested", "yes, call me")
    assert not {"html", "answer_as"} & set(said)
