"""Work that one thread does ahead of another."""

import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from queue import Empty, Queue
from typing import TypeVar

Item = TypeVar("Item")


def ahead(items: Iterable[Item]) -> Iterator[Item]:
    """The same items, each made in a thread while the one before is worked on."""
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

    threading.Thread(target=make, daemon=True).start()
    try:
        while (found := waiting.get()) is not None:
            if isinstance(found, Exception):
                raise found
            yield found[0]
    finally:
        stop.set()
        with suppress(Empty):
            waiting.get_nowait()  # the maker may wait for room
