"""`python -m tui` is `lab3-tui`."""

from tui.entry import main

main()
