"""Whose is it? Every human reply has exactly one owner, and one sentence says why.

The flow: `facts.py` holds what a decision reads -> `assign.py` decides (stop wishes and threats, overriding rules, the
owner the thread has, `rules.py` top to bottom with `targets.py`, triage) -> `outbox.py` records decision, facts and the
rule book and queues notices -> `delivery.py` delivers each once -> `worker.py` climbs the ladder of `escalate.py` ->
`duties.py` follows absences and leavers and writes the weekly audit. `passing.py` and `passing_desk.py` hand a lead on.
`calendar_source.py` fetches a calendar, `calendars.py` says which days are away, `calendar_worker.py` keeps it.

Invariants: deciding is pure and total, the same facts give the same answer (`replay.py` proves it for `explain`). A
thread's owner changes only by a person, a leaver, an accepted or rejected handover, a legal threat, or a rule that says
it overrides; each change is an audit entry. Absence changes who acts, never who owns. A round-robin's turn is used up
only by a real first assignment. Each rung of the ladder and each notice comes once.

Why so: a reply that two colleagues could own is answered by nobody, and a rule that nobody can explain is not trusted.
"""
