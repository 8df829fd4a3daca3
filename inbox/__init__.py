"""inbox: what came back, each message once, and what follows from it.

The flow:
    `reader` (IDLE wakes, polls find)  fetches what is not stored, read-only, over the hardened `imap_protocol`
    `worker.MailboxWorker`             commits raw bytes and the folder's cursor together, while it holds the lease
    `worker.JudgeWorker`               takes stored messages one by one; `parse_apart` reads them in a child process
    `understand`                       evidence, then our own words taken away, then the model, then a return date
    `filing`                           thread, stops, suppressions, owner and notices in one transaction

Invariants:
    - identity is (mailbox, folder, UIDVALIDITY, UID); Message-IDs and flags are never relied on
    - a new UIDVALIDITY moves known messages to their new key by content and internal date; nothing is announced twice
    - one mail in two mailboxes, or moved between folders, is stored for each place and acts once (`content_key`)
    - what a folder shows late is found by the trailing window, and by the daily comparison with the whole UID list
    - a message that the server cannot hand out, or that kills its reader three times, stops neither folder nor mailbox
    - mail in Sent is ours whoever signs it; a copy of a sequence's own letter never counts as somebody's answer

Why a child process for parsing: sixteen kilobytes of open brackets kept the standard HTML parser busy for seconds, and
one long header took half a gigabyte. Why no trust in IDLE: it dies silently behind NATs; the poll is the promise.
"""
