"""postroom: the front of the house. Commands, configuration, and the one place where rooms are put together.

The flow:
    `cli` takes a command; each `commands_*` file holds those of one subject
    `config` reads config.toml into the rooms' own settings, every error at once with its TOML path
    `opened.open_all` gives configuration, store and keys to a command
    `wiring.build_house` makes every worker of the daemon, `supervisor` runs them until SIGTERM, `wiring.pass_all` once
    `endpoint` serves the public pages, in the daemon or in a process of its own
    `import_*` bring lists in, `privacy` and `retaining` let data go, `report` counts
    `demo` plays the same house on loopback with the people of `sandbox`

Invariants:
    - only this room knows all others; what decides lies in theirs and gets its facts as arguments
    - a wrong configuration or usage starts nothing: exit 2 with file, path and what to do; exit 1: the answer is "no",
      0: done
    - whatever a command prints for people it prints for scripts too (`--json`), as contracts name it

Why wiring is code and not a registry: a newcomer reads from top to bottom which worker gets which door.
"""
