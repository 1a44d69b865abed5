"""Work that newer work may replace: done a moment after it is asked for, then at most once every interval."""

import asyncio
from collections.abc import Callable

MOMENT = 0.004  # seconds; a step and the move to it come as two events, and must not be shown one by one


class Throttle:
    """Calls `work` a moment after the first request, and once more after `interval()` seconds for all in between."""

    def __init__(self, work: Callable[[], None], interval: Callable[[], float]) -> None:
        self._work = work
        self._interval = interval
        self._timer: asyncio.TimerHandle | None = None
        self._again = False

    def __call__(self) -> None:
        if self._timer is not None:
            self._again = True
            return
        self._timer = asyncio.get_running_loop().call_later(MOMENT, self._now)

    def _now(self) -> None:
        self._again = False
        self._timer = asyncio.get_running_loop().call_later(self._interval(), self._over)
        self._work()

    def _over(self) -> None:
        self._timer = None
        if self._again:
            self._again = False
            self()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._again = None, False
