"""`python -m tui` is `lab3-tui`."""

from tui.cli.main import main

if __name__ == "__main__":  # the workers of a sweep import this module by another name
    main()
