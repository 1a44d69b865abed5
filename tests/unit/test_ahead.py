"""Work ahead of another thread, and side by side."""

import threading
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from engine.network.pipeline import map_threaded, prefetch


def counting(to: int, fails: bool = False) -> Iterator[int]:
    yield from range(to)
    if fails:
        raise OSError("gone")


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("items", [0, 1, 2, 7])
def test_results_come_in_the_order_of_the_items(threads: int, items: int) -> None:
    def work(item: int) -> int:
        time.sleep(0.002 * (item % 3))  # the later ones are done before the earlier ones
        return 10 * item

    assert list(map_threaded(work, range(items), threads)) == [10 * item for item in range(items)]


def test_as_many_threads_work_at_once_as_were_asked_for() -> None:
    both = threading.Barrier(2, timeout=30)
    assert list(map_threaded(lambda item: both.wait() >= 0, range(4), 2)) == [True] * 4


def test_items_are_drawn_by_the_caller_and_not_far_ahead() -> None:
    drawn: list[str] = []

    def items() -> Iterator[int]:
        for item in range(9):
            drawn.append(threading.current_thread().name)
            yield item

    results = map_threaded(lambda item: item, items(), 2)
    assert next(results) == 0
    assert drawn == [threading.current_thread().name] * 3


def test_what_goes_wrong_in_the_work_goes_wrong_for_the_caller() -> None:
    def work(item: int) -> int:
        if item == 3:
            raise ValueError("three")
        return item

    with pytest.raises(ValueError, match="three"):
        list(map_threaded(work, range(9), 2))


@pytest.mark.parametrize("make", [prefetch, lambda items: closing(map_threaded(lambda item: item, items, 2))])
def test_what_goes_wrong_among_the_items_goes_wrong_for_the_caller(make) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(OSError, match="gone"), make(counting(3, fails=True)) as made:
        list(made)


def test_ahead_gives_the_same_items() -> None:
    with prefetch(counting(5)) as made:
        assert list(made) == [0, 1, 2, 3, 4]
