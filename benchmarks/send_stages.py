"""Where does the CPU time of a send go? Threads' own clocks around the stages of the real worker."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import outbound.letter
from outbound.delivery import Delivery
from outbound.dkim_sign import Signer
from outbound.results import Results
from outbound.worker import SendWorker
from store import sends
from store.database import Store

PLACES: tuple[tuple[Any, str, str], ...] = (
    (SendWorker, "_plan", "plan"),
    (Delivery, "_read_facts", "read"),
    (outbound.letter, "render", "render"),
    (outbound.letter, "compose", "compose"),
    (Signer, "sign", "sign"),
    (sends, "plan_all", "write down"),
    (Delivery, "_claim_all", "claim"),
    (Results, "sent_all", "record"),
    (Store, "_commit_group", "commit"),
)
IN_COMMIT = ("write down", "claim", "record")


@contextmanager
def stages(spent: dict[str, float]) -> Iterator[None]:
    """Add up CPU seconds by stage while this lasts; `send` is the loop's rest: guardrails, SMTP and waiting."""
    spent.update(dict.fromkeys((stage for _, _, stage in PLACES), 0.0))
    old = [(place, name, getattr(place, name)) for place, name, _ in PLACES]
    for place, name, stage in PLACES:
        setattr(place, name, _timed(getattr(place, name), stage, spent))
    spent["other on the loop"] = 0.0
    begin = time.thread_time()
    try:
        yield
    finally:
        for place, name, function in old:
            setattr(place, name, function)
        spent["send"] = time.thread_time() - begin - spent.pop("other on the loop")
        spent["commit"] -= sum(spent[name] for name in IN_COMMIT)


def _timed(function: Callable[..., Any], stage: str, spent: dict[str, float]) -> Callable[..., Any]:
    def timed(*words: Any, **named: Any) -> Any:
        begin = time.thread_time()
        try:
            return function(*words, **named)
        finally:
            spent[stage] += (took := time.thread_time() - begin)
            if threading.current_thread() is threading.main_thread():
                spent["other on the loop"] += took

    return timed


def show(spent: dict[str, float], letters: int) -> str:
    """Return milliseconds a letter by stage, in the order of a letter's way."""
    order = ("plan", "read", "render", "compose", "sign", "write down", "claim", "send", "record", "commit")
    return ", ".join(f"{stage} {1000 * spent[stage] / letters:.3f}" for stage in order if stage in spent)
