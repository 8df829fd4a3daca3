"""How many replies a second get their owner, with 200 rules and 2,000 accounts?

    python benchmarks/assign.py [--replies 3000]

The same 200 conditions are also written for rule-engine (PyPI), the usual library for rules as text, and asked by it in
the same run over the same facts: first match wins, no reasons recorded. Printed: medians of five rounds and the ratio.
Without rule-engine (`pip install rule-engine==5.1.0`, no dependency of postroom) only our figure is printed.
"""

import argparse
import importlib
import random
import statistics
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from ownership.assign import assign_owner
from ownership.facts import RoutingFacts
from ownership.settings import OwnershipSettings, TeamSettings
from store.records import Account, Contact, Reply, Thread
from store.vocabulary import Label, ThreadState

NOW = datetime(2026, 3, 2, 10, tzinfo=UTC)
PEOPLE = [f"p{number:02d}@team.example" for number in range(20)]
COUNTRIES = [f"{first}{second}" for first in "ABCDEFGHIJ" for second in "KLMNO"]
ROUNDS = 5


def make_rules() -> tuple[OwnershipSettings, list[str]]:
    """Return 200 rules for us and the same as texts for rule-engine."""
    rules: list[dict[str, Any]] = []
    texts = []
    for number in range(199):
        owner = PEOPLE[number % 20]
        if number % 4 == 0:
            rules.append({"name": f"r{number}", "to": owner, "when": {"account_list": [f"list {number}"]}})
            texts.append(f'"list {number}" in lists')
        elif number % 4 == 1:
            country = COUNTRIES[number % 50]
            rules.append({"name": f"r{number}", "to": owner, "when": {"country": [country], "segment": ["enterprise"]}})
            texts.append(f'country == "{country}" and segment == "enterprise"')
        elif number % 4 == 2:
            rules.append({"name": f"r{number}", "to": owner, "when": {"words": [f"topic {number}"]}})
            texts.append(f'text =~~ "\\\\btopic {number}\\\\b"')
        else:
            rules.append({"name": f"r{number}", "to": owner, "when": {"account_domain": [f"company{number}.example"]}})
            texts.append(f'domain == "company{number}.example"')
    rules.append({"name": "rest", "to": PEOPLE[0]})
    return OwnershipSettings.model_validate({"rule": rules}), [*texts, "true"]


def make_facts(number: int) -> list[RoutingFacts]:
    """Return replies from contacts of 2,000 accounts; most match late or only the last rule."""
    chance = random.Random(1)
    accounts = [
        Account(key, f"Company {key}", f"company{key}.example", segment=chance.choice(["smb", "enterprise", ""]),
                country=chance.choice(COUNTRIES), lists=(f"list {chance.randrange(2000)}",))
        for key in range(2000)
    ]  # fmt: skip
    found = []
    for key in range(number):
        account = chance.choice(accounts)
        contact = Contact(key, f"c{key}@{account.domain}", country=chance.choice(COUNTRIES))
        text = f"Yes, about topic {chance.randrange(4000)}: can we talk this week? " + "More of it. " * 20
        reply = Reply(key, contact.email, (), "Re: Hello", text, Label.INTERESTED, frozenset(), 0.9, "model", NOW)
        thread = Thread(key, key, account.id, "demo", "", "", ThreadState.CLOSED)
        found.append(RoutingFacts(thread, reply, contact, account))
    return found


def rate(work: Callable[[], Sequence[object]]) -> float:
    """Return the median of results a second."""
    rates = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        done = len(work())
        rates.append(done / (time.perf_counter() - start))
    return statistics.median(rates)


def main() -> None:
    """Print our rate and the peer's."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--replies", type=int, default=2000)
    facts = make_facts(parser.parse_args().replies)
    rules, texts = make_rules()
    team = TeamSettings.model_validate(
        {
            "person": [{"email": email} for email in PEOPLE],
            "triage": PEOPLE[0],
            "compliance": PEOPLE[1],
            "escalation": PEOPLE[2],
        }
    )
    ours = [assign_owner(one, rules, team, NOW).rule for one in facts]
    own = rate(lambda: [assign_owner(one, rules, team, NOW) for one in facts])
    print(f"assign_owner, every rule tried and recorded: {own:8.0f} replies/s")
    try:
        engine = importlib.import_module("rule_engine")
    except ImportError:
        print("rule-engine is not installed: no ratio")
        return
    compiled = [engine.Rule(text) for text in texts]
    plain = [
        {"lists": list(one.account.lists) if one.account else [], "country": one.contact.country if one.contact else "",
         "segment": one.account.segment if one.account else "", "domain": one.account.domain if one.account else "",
         "text": one.reply.text.lower()}
        for one in facts
    ]  # fmt: skip

    def first_match(row: dict[str, Any]) -> int:
        return next(number for number, rule in enumerate(compiled) if rule.matches(row))

    theirs = [rules.rule[first_match(row)].name for row in plain]
    print(f"the same owner as rule-engine: {sum(a == b for a, b in zip(ours, theirs, strict=True))} of {len(ours)}")
    peer = rate(lambda: [first_match(row) for row in plain])
    print(f"rule-engine, first match only:               {peer:8.0f} replies/s   we are {own / peer:.1f} x")


if __name__ == "__main__":
    main()
