"""outbound: what leaves, when and from where, never twice, never over a limit, never after a stop.

The flow:
    `worker` leases its mailboxes and asks `plan` what may leave now
    `delivery` reads the facts of many letters at once, asks `guardrails`, lets `letter` write the exact bytes; the
        ledger keeps them
    `transport` says MAIL and RCPT (through `dialogue`, in one write), then calls back: the claim (`store.claims`) asks
        every question again and commits
    DATA; `results` writes the answer down, `retry` says whose fault a refusal is
    `sent_folder` settles later what stayed without an answer, and keeps the copies that Sent lacks

Invariants:
    - nothing is dialled before its bytes and its Message-ID are in the ledger; the claim names the hash of those bytes
    - no DATA without a committed claim; silence after the message leads to Sent, then to `uncertain`, never to a resend
    - "not in Sent" counts only at the last of three looks and only where the search finds what is known to be there
    - a refusal of us (login, quota, authentication) holds or rests the mailbox and never costs the contact
    - every limit is counted from the ledger; nothing is remembered between passes but connections
    - a row of a list meets a person by address, then by full name at the same company; in doubt nobody is merged
    - no list lifts a stop, lowers a stage or replaces an owner by itself (`joining`, `account_joining`)

Why the claim stands between RCPT and DATA: before it every refusal is definite and costs nothing, after it the only
doubt is the answer to the message itself. Why batches: letters that ask in the same moment are claimed by one call, one
after another in one transaction, and counted together; an answer is on its way to the disk while the next letter is
dialled, and until it is there the claim stays open. benchmarks/kill_sends.py kills the process at every step of this.
"""
