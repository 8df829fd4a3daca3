"""sandbox: a small world to try the house in. Nothing here runs in a daemon.

The flow:
    `people` invents who is written to and how each answers; `world` decides when an answer comes, without any wire
    `internet` puts the world behind real sockets on loopback: SMTP (aiosmtpd), `imap` (pymap), `dns` (dnspython)
    `memory` gives the same world the shape of the house's own doors, for simulations of months in seconds

Harm on demand: `relay` drops, delays and loses answers of SMTP, `faults` those of IMAP, `dns` fails as told;
    `bulk_imap` makes up a mailbox of any size.

Invariants: loopback only; a seed plays the same story again; a twin behaves like the door it stands for, and where a
real server and its twin differ, the twin is wrong.
Why the demo and the tests share one world: what is shown is what is tested.
"""
