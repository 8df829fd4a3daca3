"""How long does one planning pass take over very many due steps?

    python benchmarks/plan.py [--due 100000] [--mailboxes 1000] [--sequences 20] [--rounds 5]

`plan_sends` alone: pure, no store. Recipients in ten zones and four countries, a fifth of the steps follow-ups, every
kind of cap in use. Printed: the median of the rounds, and as a ratio in the same run to one copy and sort of the same
list, which no plan can do without. Exit status 1 when a pass takes a second or more.
"""

import argparse
import random
import statistics
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from outbound.plan import SendPlan, plan_sends
from outbound.settings import LimitSettings, SendingDomainSettings, SequenceSettings
from store.records import CapCounts, DueStep, MailboxLoad
from store.vocabulary import VerdictLevel

NOW = datetime(2026, 3, 2, 10, tzinfo=UTC)  # a Monday
ZONES = ("Europe/Berlin", "Europe/Paris", "Europe/London", "America/New_York", "America/Chicago", "Asia/Tokyo",
         "Asia/Kolkata", "Australia/Sydney", "America/Sao_Paulo", "")  # fmt: skip
COUNTRIES = ("DE", "FR", "US", "")
DOMAINS = 100  # sending domains


def make_due(number: int, boxes: list[str], sequences: int) -> list[DueStep]:
    """Return due steps, a fifth of them follow-ups that keep their mailbox."""
    chance = random.Random(1)
    return [
        DueStep(
            key, key, key // 3, f"s{key % sequences}", int(key % 5 == 0),
            NOW - timedelta(minutes=chance.randrange(999)),
            chance.choice(boxes) if key % 5 == 0 else "", f"d{key // 4}.example", chance.choice(ZONES),
            chance.choice(COUNTRIES),
        )
        for key in range(number)
    ]  # fmt: skip


def main() -> int:
    """Plan the same due steps several times and print the median."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--due", type=int, default=100_000)
    parser.add_argument("--mailboxes", type=int, default=1_000)
    parser.add_argument("--sequences", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    boxes = [f"m{number}@out{number % DOMAINS}.example" for number in range(options.mailboxes)]
    due = make_due(options.due, boxes, options.sequences)
    steps = [{"subject": "Hi", "body": "x"}, {"delay": "3 business days", "body": "y"}]
    sequences = {
        f"s{number}": SequenceSettings.model_validate({"name": f"s{number}", "mailboxes": boxes, "step": steps,
                                                       "per_recipient_domain_per_day": 4})
        for number in range(options.sequences)
    }  # fmt: skip
    loads = {name: MailboxLoad(name, number % 40, None) for number, name in enumerate(boxes)}
    domains = [f"out{number}.example" for number in range(DOMAINS)]
    caps = {name: SendingDomainSettings(domain=name, per_day=300) for name in domains}
    used = CapCounts({f"d{key}.example": key % 5 for key in range(5_000)}, {key: key % 4 for key in range(9_000)})

    def plan(gap: timedelta) -> SendPlan:
        limits = dict.fromkeys(boxes, LimitSettings(gap=gap, jitter=gap))
        return plan_sends(due, loads, used, sequences, limits, dict.fromkeys(domains, VerdictLevel.READY), NOW,
                          lambda key: hash(key) % 1000 / 1000, domain_caps=caps)  # fmt: skip

    worst = 0.0
    for name, gap in (("unpaced", timedelta()), ("one letter a mailbox", timedelta(minutes=3))):
        seconds, floor = [], []
        for _ in range(options.rounds):
            begin = time.process_time()
            made = plan(gap)
            seconds.append(time.process_time() - begin)
            begin = time.process_time()
            sorted(due, key=lambda step: step.due_at)
            floor.append(time.process_time() - begin)
        median, base = statistics.median(seconds), statistics.median(floor)
        worst = max(worst, median)
        print(f"{name}, {len(due)} due, {len(boxes)} mailboxes: {median:.2f} s CPU a pass = {median / base:.1f} sorts, "
              f"{len(made.sends)} planned, {sum(made.waiting.values())} wait")  # fmt: skip
    return 1 if worst >= 1 else 0


if __name__ == "__main__":
    sys.exit(main())
