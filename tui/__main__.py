"""`python -m tui` is `lab3-tui`."""

from tui.cli import main

main()
