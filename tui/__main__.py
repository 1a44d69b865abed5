"""`python -m tui` is `lab3-tui`."""

from tui.cli.main import main

main()
