"""What long work calls on its way: whether to stop, and how far it is."""

from collections.abc import Callable

Check = Callable[[], None]  # raises where the work is to stop
Done = Callable[[int, int], None]  # so much of so much is done


def never_stop() -> None:
    """The check of work that nobody stops."""


def untold(_done: int, _total: int) -> None:
    """The progress that nobody follows."""
