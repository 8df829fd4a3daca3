"""Does a probe count like a letter, find its copy, tell what the world made of it, alert on drift, and answer nobody?"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from deliverability.live_probe import choose_recipient
from deliverability.resolver import DictResolver
from deliverability.sender_proof import prove_sender
from inbox.parse import ParsedMail, parse_mail
from inbox.worker import JudgeWorker
from outbound.dkim_sign import make_signer
from outbound.transport import Envelope, SendResult
from ownership.duties import DutyWorker
from postroom.config import Config, parse_config
from postroom.opened import filing_policy
from postroom.probing import LOST_AFTER, ProbeWorker
from store import claims, domains, mailboxes, messages, notices, probes, schema, sends, threads
from store.database import Store
from store.errors import StoreOnHold
from store.vocabulary import MessageStage, VerdictLevel
from tests.workers.test_judge_worker import Reader

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
MAYA, BEN, MX = "maya@out.example", "ben@two.example", "mx.two.example"
KEY = Ed25519PrivateKey.generate()
PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
RAW_KEY = KEY.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def zone() -> dict[str, dict[str, list[str]]]:
    import base64

    return {"s1._domainkey.out.example": {"TXT": [f"v=DKIM1; k=ed25519; p={base64.b64encode(RAW_KEY).decode()}"]}}


def configured(**more: Any) -> Config:
    def box(address: str, per_day: str = "5/day") -> dict[str, Any]:
        host = {"host": "localhost", "security": "none"}
        return {"address": address, "smtp": {**host, "auth": "none"}, "imap": host,
                "limit": {"per_day": per_day, "gap": "0s"}}  # fmt: skip

    raw: dict[str, Any] = {
        "postroom": {"secret": {"env": "X"}},
        "company": {"name": "Out", "postal_address": "1 Road", "unsubscribe_url": "https://out.example/u",
                    "unsubscribe_mailto": "stop@out.example"},
        "mailbox": [box(MAYA), box(BEN)],
        "team": {"triage": "jon@out.example", "compliance": "jon@out.example", "escalation": "jon@out.example",
                 "person": [{"email": "jon@out.example"}]},
        "deliverability": {"authserv_ids": [MX], **more},
    }  # fmt: skip
    return parse_config(raw)


class Post:
    """Carries a probe into the recipient's mailbox in our store, as a server would have changed it."""

    def __init__(self, store: Store, change: Callable[[bytes], bytes] = bytes, folder: str = "INBOX") -> None:
        self.store, self.change, self.folder, self.carried, self._uid = store, change, folder, list[bytes](), 0
        self.answer, self.arrives_at = SendResult("sent", "data", 250, "", "ok"), NOW + MINUTE

    async def send(self, envelope: Envelope, claim: Callable[[], Awaitable[bool]]) -> SendResult:
        if not await claim():
            return SendResult("withdrawn", "claim")
        if self.answer.outcome == "sent" and self.folder:
            self._uid += 1
            self.carried.append(envelope.raw)
            mail = messages.Arrival(self._uid, self.arrives_at, self.change(envelope.raw))
            await self.store.write(messages.ingest, envelope.recipient, self.folder, 1, [mail], self.arrives_at,
                                   last_uid=self._uid)  # fmt: skip
        return self.answer

    async def close(self) -> None:
        return None


class World:
    """Two mailboxes of ours with a probe worker; maya's domain signs."""

    def __init__(self, store: Store, post: Post, **settings: Any) -> None:
        self.store, self.post, self.config = store, post, configured(**settings)
        signers = {"out.example": make_signer("out.example", "s1", PEM)}
        self.worker = ProbeWorker(store, self.config, b"s" * 32, {MAYA: post}, signers, DictResolver(zone()))

    def probe(self, at: datetime = NOW) -> dict[str, Any]:
        """Send a probe, read its copy, return what is stored of it."""
        self.post.arrives_at = at + MINUTE
        assert asyncio.run(self.worker.send(MAYA, at)) == ""
        asyncio.run(self.worker.look(at + MINUTE))
        return self.store.read_now(probes.history, MAYA)[0]

    def told(self, at: datetime) -> list[str]:
        asyncio.run(DutyWorker(self.store, self.config.team, self.config.ownership, {}).run_pass(at))
        rows = self.store.read_now(notices.waiting, at + timedelta(days=9), 99)
        return [row["event"] for row in rows if row["event"].startswith("domain.")]


@pytest.fixture
def post(store: Store) -> Post:
    def start(connection: Any) -> None:
        schema.claim_instance(connection, "here", NOW)
        domains.save_verdict(connection, "out.example", VerdictLevel.READY, [], {}, NOW)

    store.write_now(start)
    return Post(store)


def said(words: str) -> Callable[[bytes], bytes]:
    return lambda raw: f"Authentication-Results: {MX}; {words}\r\n".encode() + raw


PASSED = said("spf=pass smtp.mailfrom=out.example; dkim=pass header.d=out.example; dmarc=pass header.from=out.example")
COPIES: list[tuple[str, Callable[[bytes], bytes], str, dict[str, str], list[str]]] = [
    ("all well", PASSED, "INBOX", {"spf": "pass", "dkim": "pass", "dmarc": "pass", "said_by": MX, "one_click": "True"}, []),
    ("no word of our server", bytes, "INBOX", {"spf": "not said", "dkim": "pass", "dmarc": "pass", "said_by": "verified here"}, []),
    ("a stranger's word", lambda raw: said("dkim=fail; dmarc=fail")(raw).replace(MX.encode(), b"mx.evil.example"), "INBOX",
     {"dkim": "pass", "said_by": "verified here"}, []),
    ("in Junk", PASSED, "Junk", {"dkim": "pass"}, ["live-junk"]),
    ("signature stripped", lambda raw: raw[raw.index(b"From:"):], "INBOX", {"dkim": "none", "signer": ""}, ["live-dkim-fail"]),
    ("body changed, our server saw it whole", lambda raw: PASSED(raw) + b"footer\r\n", "INBOX", {"dkim": "pass", "one_click": "True"}, []),
    ("body changed on the way", lambda raw: said("spf=fail; dkim=fail; dmarc=fail")(raw) + b"footer\r\n", "INBOX",
     {"spf": "fail", "dmarc": "fail"}, ["live-spf-fail", "live-dkim-fail", "live-dmarc-fail"]),
    ("temporary failures are no fault", said("spf=temperror; dkim=pass header.d=out.example; dmarc=temperror"), "INBOX",
     {"spf": "temperror", "dmarc": "temperror"}, []),
    ("Message-ID rewritten", lambda raw: PASSED(raw).replace(b"Message-ID: <", b"Message-ID: <new."), "INBOX",
     {"signer": "out.example"}, []),
]  # fmt: skip


@pytest.mark.parametrize(("story", "change", "folder", "facts", "faults"), COPIES, ids=[row[0] for row in COPIES])
def test_what_a_copy_tells(
    post: Post, story: str, change: Callable[[bytes], bytes], folder: str, facts: dict[str, str], faults: list[str]
) -> None:
    post.change, post.folder = change, folder
    found = World(post.store, post).probe()
    assert (found["state"], found["faults"], found["folder"], found["seconds"]) == ("delivered", faults, folder, 60)
    assert facts.items() <= found["facts"].items()
    assert bool(found["facts"]["rewritten"]) == (story == "Message-ID rewritten")


def test_one_click_headers_outside_the_signature(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("outbound.dkim_sign.SIGNED", ("from", "to", "subject", "list-unsubscribe"))
    assert World(post.store, post).probe()["faults"] == ["live-one-click-uncovered"]


def test_a_probe_is_never_a_reply_and_never_anybodys_task(post: Post) -> None:
    async def parse(raw: bytes) -> ParsedMail | None:
        return parse_mail(raw)

    world = World(post.store, post)
    world.probe()
    opened = type("Opened", (), {"config": world.config, "secret": b"s" * 32})
    prove = partial(prove_sender, DictResolver(zone()), authserv_ids=(MX,))
    judge = JudgeWorker(post.store, Reader(), filing_policy(opened), parse=parse, prove=prove, sent_folders={})  # type: ignore[arg-type]
    asyncio.run(judge.run_pass(NOW + MINUTE))
    row = post.store.read_now(messages.message, 1)
    assert (row["stage"], row["label"], row["decided_by"]) == (MessageStage.DONE, None, "ours")
    assert post.store.read_now(threads.find) == []
    assert post.store.read_now(sends.all_sends) == []


def test_probes_count_within_the_limits_of_mailbox_and_domain(post: Post) -> None:
    world = World(post.store, post)
    limit = 5
    sent = [asyncio.run(world.worker.send(MAYA, NOW + number * MINUTE)) for number in range(limit + 2)]
    assert sent == [""] * limit + ["daily-limit"] * 2
    at = NOW + 10 * MINUTE
    load = post.store.read_now(mailboxes.loads, [MAYA], at)[MAYA]
    assert (load.sent_last_day, load.last_sent_at) == (limit, NOW + (limit - 1) * MINUTE)
    assert post.store.read_now(mailboxes.cap_counts, at).by_sending_domain == {"out.example": limit}
    assert asyncio.run(world.worker.send(MAYA, NOW + timedelta(hours=25))) == "", "yesterday's are forgotten"

    def letter(limits: claims.ClaimLimits) -> list[str]:
        row = probes.NewProbe(MAYA, BEN, "<x@out.example>")
        return post.store.read_now(lambda connection: list(claims.forbidding_limits(connection, row, limits, at)))

    assert letter(claims.ClaimLimits(mailbox=5)) == ["daily-limit"]
    assert letter(claims.ClaimLimits(mailbox=9, sending_domain=5, recipient_domain=5)) == [
        "sending-domain-cap", "recipient-domain-cap",
    ]  # fmt: skip
    assert letter(claims.ClaimLimits(mailbox=9, gap=timedelta(hours=1))) == ["gap"]


@pytest.mark.parametrize("verdict", [VerdictLevel.BLOCKED, None])
def test_a_domain_that_may_not_send_sends_no_probe(post: Post, verdict: VerdictLevel | None) -> None:
    if verdict is None:
        post.store.write_now(lambda connection: connection.exec_driver_sql("DELETE FROM domain"))
    else:
        post.store.write_now(domains.save_verdict, "out.example", verdict, [], {}, NOW)
    assert asyncio.run(World(post.store, post).worker.send(MAYA, NOW)) == f"domain-{verdict or 'unknown'}"
    assert post.carried == []


def test_a_held_mailbox_or_database_sends_no_probe(post: Post) -> None:
    world = World(post.store, post)
    post.store.write_now(partial(mailboxes.hold, actor="ann", now=NOW), MAYA, "broken")
    assert asyncio.run(world.worker.send(MAYA, NOW)) == "mailbox-held"
    post.store.write_now(schema.put_on_hold, "restored", NOW)
    with pytest.raises(StoreOnHold):
        post.store.write_now(
            probes.claim, probes.NewProbe(MAYA, BEN, "<x@out.example>"), node="node-1", secret=b"s",
            limits=claims.ClaimLimits(mailbox=9), now=NOW,
        )  # fmt: skip


def test_drift_is_told_once_and_the_trend_is_kept(post: Post) -> None:
    world, day = World(post.store, post), timedelta(days=1)
    post.change = PASSED
    world.probe()
    assert world.told(NOW + MINUTE) == []
    post.folder = "Junk"
    world.probe(NOW + day)
    assert world.told(NOW + day + MINUTE) == ["domain.drift"]
    world.probe(NOW + 2 * day)
    assert world.told(NOW + 2 * day + MINUTE) == ["domain.drift"], "known since yesterday: not told again"
    assert post.store.read_now(probes.trend, MAYA) == {"probes": 3, "clean": 1, "seconds": 60.0}
    assert post.store.read_now(probes.selectors) == {"out.example": ("s1",)}


def test_a_lost_probe_and_a_refused_one(post: Post) -> None:
    world = World(post.store, post)
    post.folder = ""
    assert asyncio.run(world.worker.send(MAYA, NOW)) == ""
    assert asyncio.run(world.worker.look(NOW + LOST_AFTER)) == []
    assert len(asyncio.run(world.worker.look(NOW + LOST_AFTER + MINUTE))) == 1
    post.answer = SendResult("refused", "data", 550, "5.7.515", "not authenticated")
    assert asyncio.run(world.worker.send(MAYA, NOW + 2 * LOST_AFTER)) == "550 not authenticated"
    found = [(row["state"], row["faults"], row["answer"]) for row in post.store.read_now(probes.history)]
    assert found == [("refused", ["live-refused"], "550 not authenticated"), ("lost", ["live-lost"], "")]


def test_the_schedule(post: Post) -> None:
    asyncio.run(World(post.store, post).worker.run_pass(NOW))
    assert post.carried == [], "no schedule, no probe"
    world = World(post.store, post, probe_every="1d")
    for hours in (0, 1, 23, 24, 25):
        at = NOW + timedelta(hours=hours)
        post.arrives_at = at
        report = asyncio.run(world.worker.run_pass(at))
        assert report.next_wake is not None and report.next_wake > at
    assert len(post.carried) == 2


def test_a_probe_goes_to_another_domain_first_and_to_everybody_in_turn() -> None:
    boxes, asked = ["a@x.example", "b@x.example", "c@y.example", "d@z.example"], dict[str, datetime]()
    chosen = []
    for number in range(3):
        chosen.append(choose_recipient("a@x.example", boxes, asked))
        asked[chosen[-1] or ""] = NOW + number * MINUTE
    assert chosen == ["c@y.example", "d@z.example", "c@y.example"]
    assert choose_recipient("a@x.example", boxes[:2], {}) == "b@x.example"
    assert choose_recipient("a@x.example", boxes[:1], {}) is None
