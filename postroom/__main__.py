"""Lets `python -m postroom` be the program."""

from postroom.cli import main

main()
