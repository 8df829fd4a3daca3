"""Is every demand on a sender met, not met or honestly not measurable?"""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from deliverability.findings import Finding
from deliverability.rules import RULES, RuleStatus, SenderFacts, assess_rules
from store.vocabulary import Severity

LETTER = (
    b"DKIM-Signature: v=1; a=rsa-sha256; d=us.example; s=k;\r\n h=from:list-unsubscribe:list-unsubscribe-post; bh=x; b=y\r\n"
    b"From: a@us.example\r\nList-Unsubscribe: <https://u.example/x>,\r\n <mailto:u@us.example>\r\n"
    b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n\r\nhi\r\n"
)
FINE = [Finding(f"{name}-ok", Severity.OK, "as it should be", "") for name in ("spf", "dkim", "dmarc", "mx", "ptr")]
GOOD = SenderFacts(
    {"us.example": FINE}, configured=True, mailboxes=2, letters={"us.example": LETTER}, sent=2_000, stops=3,
    busiest={"us.example": 40}, reported={"us.example": (1_000, 995)},
)  # fmt: skip
OPEN = {"complaints", "complaints-never"}  # Google and Microsoft tell nobody by mail


def status(facts: SenderFacts) -> dict[str, str]:
    return {row.slug: row.status for row in assess_rules(facts)}


def test_a_good_sender_meets_all_that_can_be_measured() -> None:
    found = status(GOOD)
    assert {slug for slug, said in found.items() if said != "met"} == OPEN
    assert all(row.evidence and row.source and row.demand for row in assess_rules(GOOD))


def test_a_delivered_copy_answers_where_the_relay_signs() -> None:
    bare = changed(LETTER, b"DKIM-Signature:", b"X-Old:")
    unseen = replace(GOOD, letters=bare, reported={})
    assert (status(unseen)["alignment"], status(unseen)["one-click-signed"]) == ("not measurable", "not measurable")
    for word, covered, said in (("pass", "True", "met"), ("fail", "False", "not met")):
        seen = status(replace(unseen, copies={"us.example": {"dmarc": word, "one_click": covered}}))
        assert (seen["alignment"], seen["one-click-signed"]) == (said, said)


def test_a_domain_alone_says_nothing_about_letters_and_habits() -> None:
    found = status(SenderFacts({"us.example": FINE}))
    measured = {slug for slug, said in found.items() if said == "met"}
    assert measured == {"spf", "dkim", "dmarc", "dmarc-tags", "ptr", "mx"}
    assert set(found.values()) == {"met", "not measurable"}


def changed(raw: bytes, old: bytes, new: bytes) -> Mapping[str, bytes]:
    assert old in raw
    return {"us.example": raw.replace(old, new)}


def dns(slug: str, severity: Severity) -> SenderFacts:
    name = slug.partition("-")[0]
    kept = [one for one in FINE if not one.slug.startswith(f"{name}-")]
    return replace(GOOD, findings={"us.example": [*kept, Finding(slug, severity, "x", "y")]})


UNMET = [
    (replace(GOOD, exchange=("a@us.example",), passwords=("a@us.example",)), {"modern-login"}),
    (replace(GOOD, after_stop=1), {"honoured", "objection"}),
    (replace(GOOD, complaints=2), {"complaints"}),
    (replace(GOOD, complaints=6), {"complaints", "complaints-never"}),
    (replace(GOOD, no_basis=1), {"basis"}),
    (replace(GOOD, busiest={"a.us.example": 3_000, "b.us.example": 2_000}), {"bulk"}),
    (replace(GOOD, reported={"us.example": (1_000, 900)}), {"alignment"}),
    (replace(GOOD, reported={}, letters=changed(LETTER, b"d=us.example", b"d=relay.example")), {"alignment"}),
    (replace(GOOD, letters=changed(LETTER, b"<https:", b"<http:")), {"one-click"}),
    (replace(GOOD, letters=changed(LETTER, b"=One-Click", b"=one-click")), {"one-click"}),
    (replace(GOOD, letters=changed(LETTER, b":list-unsubscribe-post", b"")), {"one-click-signed"}),
    (dns("spf-missing", Severity.ERROR), {"spf"}),
    (dns("dkim-weak", Severity.ERROR), {"dkim"}),
    (dns("dmarc-missing", Severity.ERROR), {"dmarc"}),
    (dns("ptr-mismatch", Severity.ERROR), {"ptr"}),
    (dns("mx-null", Severity.ERROR), {"mx"}),
    (replace(GOOD, findings={"us.example": [*FINE, Finding("dmarc-old-tag", Severity.INFO, "pct=5", "")]}), {"dmarc-tags"}),
]  # fmt: skip


@pytest.mark.parametrize(("facts", "unmet"), UNMET, ids=[" ".join(sorted(row[1])) for row in UNMET])
def test_what_is_not_met(facts: SenderFacts, unmet: set[str]) -> None:
    assert {slug for slug, said in status(facts).items() if said == RuleStatus.NOT_MET} == unmet


@pytest.mark.parametrize(
    "slug", ["spf-temperror", "dkim-temperror", "dmarc-temperror", "ptr-temperror", "mx-temperror"]
)
def test_a_temporary_failure_is_neither_met_nor_not_met(slug: str) -> None:
    found = status(dns(slug, Severity.TEMPORARY))
    assert found[slug.partition("-")[0]] == RuleStatus.NOT_MEASURABLE


def test_what_a_relay_on_this_machine_does_is_not_known() -> None:
    assert status(replace(GOOD, plaintext=("a@us.example",)))["tls"] == RuleStatus.NOT_MEASURABLE


def test_every_demand_has_a_slug_of_its_own() -> None:
    slugs = [row[0] for row in RULES]
    assert len(set(slugs)) == len(slugs) == 20
