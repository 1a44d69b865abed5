"""`python -m tui` is `lab3-tui`."""

from tui.cli.entry import main

main()
