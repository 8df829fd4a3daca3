"""store: what we know. The rooms meet only here, and the only SQL of the house is here.

The flow:
    a worker asks `Store.read(query, ...)`          reader threads, a consistent snapshot
    a decision (another room) turns facts into a plan
    the worker calls `Store.write(unit, ...)`       one writer thread, group commit, durable when it returns

Invariants:
    - a unit is a plain function of a connection; everything that belongs together is one unit
    - send ledger: one row per (enrollment, step); only a definite "no" leads back towards `planned` (`send_states`)
    - suppression and claim take the same locks: no DATA begins after a suppression has committed
    - the suppression ledger has one row a value: strongest reason, latest end; only a named person takes one away
    - an owner changes only through `threads.assign`, which writes the audit entry and the rules tried
    - the audit log only grows; personal data is in it as commitments only
    - an erased person is in no table, no free page and no log; the keyed hash on the ledger stays (`erasure`)
    - an arrival's raw bytes and the folder's cursor move in one transaction

Why synchronous: on this class of machine one durable transaction a send through an async ORM gives 90-300 a second;
units of Core statements grouped by one writer thread give thousands (benchmarks/).
"""
