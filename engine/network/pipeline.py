"""Work that threads do ahead of another, or beside each other."""

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from queue import Empty, Queue
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


@contextmanager
def prefetch(items: Iterable[Item]) -> Iterator[Iterator[Item]]:
    """The same items, each made in a thread while the one before is worked on.

    The thread ends with the block, however that ends: nobody draws from `items` any more then.
    """
    waiting: Queue[tuple[Item] | Exception | None] = Queue(1)
    stop = threading.Event()

    def make() -> None:
        try:
            for item in items:
                waiting.put((item,))
                if stop.is_set():
                    return
            waiting.put(None)
        except Exception as error:  # raised again where the items are taken
            waiting.put(error)

    def taken() -> Iterator[Item]:
        while (found := waiting.get()) is not None:
            if isinstance(found, Exception):
                raise found
            yield found[0]

    maker = threading.Thread(target=make, name="ahead", daemon=True)
    maker.start()
    try:
        yield taken()
    finally:
        stop.set()
        with suppress(Empty):
            waiting.get_nowait()  # the maker may wait for room; from now on it puts one thing at most
        maker.join()


def map_threaded(work: Callable[[Item], Result], items: Iterable[Item], threads: int) -> Generator[Result, None, None]:
    """`work` of every item, in their order, by so many threads at once; items are drawn in the caller's thread.

    The threads end with the generator: close it where it may not be drawn to its end.
    """
    if threads == 1:
        yield from map(work, items)
        return
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future[Result]] = deque()
        for item in items:
            waiting.append(pool.submit(work, item))
            del item  # a buffer that nobody holds any more is used again
            if len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
