"""inbox: what came back, what it means, and what follows from it.

The flow:
    `reader` fetches read-only, `worker.MailboxWorker` commits raw bytes and cursor in one transaction
    `parse_apart` parses each message in a child process with limits, `parse` under caps
    `understand` asks for evidence (`automatic`, `bounces`), takes away what is quoted (`quotes`), then asks the model
    `threads` finds the letter answered, `triage` says what must happen
    `filing` applies all of it in one transaction, `desk` gives the thread its owner

Invariants: the raw message is committed before anything is judged; a stage run again changes nothing; \\Seen is never
read or set; mail in Sent is ours and never a reply; a stop acts for good, and a colleague's mail ends a clock, only
when the sender is proven (`deliverability.sender_proof`); what breaks parsing is quarantined, holds everything to its
sender, and the mailbox goes on; an answer that may be several people's holds them all and goes to a person.
Why a child process: hostile mail may cost memory and time without bound, and a death there is survivable.
Measured (benchmarks/read_faults.py 1000000): through 560 faults and 67 kills every one of 1,000,000 messages is there
once; benchmarks/understand.py, hostile_text.py, largest_message.py and idle.py say what reading costs.
"""
