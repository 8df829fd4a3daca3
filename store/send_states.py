"""Which way may a send go? The one transition table of the send ledger.

    planned  -> claimed    between RCPT and DATA
    planned  -> refused    a rule or a server said no before DATA
    planned  -> deferred   a server said not yet before DATA
    planned  -> sent       found in Sent after a restore, or a yes that came after all
    deferred -> planned    composed again for its new day
    claimed  -> sent       250 to the final dot, or found in Sent
    claimed  -> refused    5xx to DATA
    claimed  -> deferred   4xx to DATA
    claimed  -> planned    proved not sent: missing from a Sent folder whose search works
    claimed  -> uncertain  nobody can tell
    uncertain -> sent      a reply, a bounce, the Sent folder or a person names it later
    uncertain -> refused   a person settles it

`sent` and `refused` are final. Theory: only a definite "no" may lead back towards `planned`; silence never does.
"""

from store.vocabulary import SendState as S

ALLOWED: dict[S, frozenset[S]] = {
    S.PLANNED: frozenset({S.PLANNED, S.CLAIMED, S.REFUSED, S.DEFERRED, S.SENT}),
    S.DEFERRED: frozenset({S.PLANNED, S.REFUSED}),
    S.CLAIMED: frozenset({S.SENT, S.REFUSED, S.DEFERRED, S.PLANNED, S.UNCERTAIN}),
    S.UNCERTAIN: frozenset({S.SENT, S.REFUSED}),
    S.SENT: frozenset(),
    S.REFUSED: frozenset(),
}
COUNTED = (S.CLAIMED, S.SENT, S.UNCERTAIN)  # may have reached the recipient: counts against every limit


def sources_of(target: S) -> tuple[S, ...]:
    """Return the states from which a send may become `target`."""
    return tuple(state for state, targets in ALLOWED.items() if target in targets)
