"""How does a mailbox fare, judged by what really came back in the last two weeks?

The way back is time and clean mail: bad events leave the window, and a mailbox that was silenced starts again at half
its limit until as many letters as the sample floor have left without trouble.
"""

from dataclasses import dataclass

from outbound.settings import HealthSettings
from store.records import MailboxLoad
from store.vocabulary import HealthBand

LEAST_EVENTS = 3  # as many bad events count even below the sample floor


@dataclass(frozen=True, slots=True)
class Health:
    """A band and the slug of what put the mailbox there."""

    band: HealthBand
    reason: str = ""


def assess_health(load: MailboxLoad, settings: HealthSettings) -> Health:
    """Return the worst band that any rate calls for; small samples prove nothing until three events happened."""
    found = Health(HealthBand.WATCH, "recovering") if _recovering(load, settings) else Health(HealthBand.HEALTHY)
    for events, watch, stop, at_worst, reason in (
        (load.complained, settings.watch_complaint, settings.stop_complaint, HealthBand.BLOCKED, "complaint-rate"),
        (load.bounced, settings.watch_bounce, settings.stop_bounce, HealthBand.BLOCKED, "bounce-rate"),
        (
            load.unsubscribed,
            settings.watch_unsubscribe,
            settings.stop_unsubscribe,
            HealthBand.QUARANTINE,
            "unsubscribe-rate",
        ),
    ):
        if not events or (load.delivered < settings.floor and events < LEAST_EVENTS):
            continue
        share = events / max(load.delivered, settings.floor)
        band = at_worst if share >= stop else HealthBand.WATCH if share >= watch else HealthBand.HEALTHY
        found = max(found, Health(band, reason if band != HealthBand.HEALTHY else ""), key=_severity)
    return found


def _recovering(load: MailboxLoad, settings: HealthSettings) -> bool:
    """Tell whether trouble lies behind the window and too little has left since to be judged afresh."""
    events = load.bounced + load.complained
    return load.delivered < settings.floor and not events and any(trouble for *_, trouble in load.daily_history)


def _severity(health: Health) -> int:
    return list(HealthBand).index(health.band)
