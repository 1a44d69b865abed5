"""A thread that works ahead ends with the block that began it: two readers are never in one file at once."""

import threading
from collections.abc import Iterator

import pytest

from engine.network.pipeline import prefetch

PATIENCE = 30.0  # seconds


class Slow:
    """Items whose making, after the first, waits until `leave` is set; `inside` tells how many are being made."""

    def __init__(self) -> None:
        self.entered, self.leave = threading.Event(), threading.Event()
        self.inside = 0

    def __iter__(self) -> Iterator[int]:
        yield 0
        while True:
            self.inside += 1
            self.entered.set()
            assert self.leave.wait(PATIENCE)
            self.inside -= 1
            yield 1

    def let_go_soon(self) -> None:
        timer = threading.Timer(0.5, self.leave.set)
        timer.daemon = True
        timer.start()


def makers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "ahead"]


@pytest.mark.parametrize("error", [None, ValueError, GeneratorExit, KeyboardInterrupt])
def test_nobody_reads_any_more_behind_the_block(error: type[BaseException] | None) -> None:
    slow = Slow()
    try:
        with prefetch(slow) as made:
            assert next(made) == 0
            assert slow.entered.wait(PATIENCE)
            slow.let_go_soon()
            if error:
                raise error
    except BaseException as raised:
        assert error and isinstance(raised, error)
    assert slow.inside == 0
    assert not makers()


def test_a_block_that_draws_nothing_ends_too() -> None:
    with prefetch(range(9)):
        pass
    assert not makers()


def test_a_generator_around_it_ends_it_when_closed() -> None:
    slow = Slow()

    def doubled() -> Iterator[int]:
        with prefetch(slow) as made:
            yield from (2 * each for each in made)

    numbers = doubled()
    assert next(numbers) == 0
    assert slow.entered.wait(PATIENCE)
    slow.let_go_soon()
    numbers.close()  # type: ignore[attr-defined]
    assert slow.inside == 0
    assert not makers()
