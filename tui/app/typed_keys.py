"""Keys that arrive together, as they do over a slow line, each go where the one before has led.

Textual gives a key to the widget that has the focus when the key arrives. Of `g45` that came in one piece, `4` and `5`
were given to the screen on which `g` had only begun to open its window, and were lost; so were keys given to a screen
that was just going away. Here a key waits until the one before is dealt with, and what that opened can take keys.
"""

import asyncio
from collections import deque

from textual.app import App
from textual.events import Key
from textual.message_pump import MessagePump

PATIENCE = 1.0  # seconds after which a key goes on although the one before is still being dealt with
AT_ONCE = ("ctrl+c",)  # what always leaves waits for nothing


class KeysInTurn:
    """Which key is being dealt with, and which came meanwhile."""

    def __init__(self, app: App[int]) -> None:
        self._app = app
        self._waiting: deque[Key] = deque()
        self._now: Key | None = None
        self._task: asyncio.Task[None] | None = None

    def may_go(self, key: Key) -> bool:
        """Whether this key's turn has come. If not, it is posted to the app again when it has."""
        if key is self._now or key.key in AT_ONCE:
            return True
        if self._task is None:
            self._now = key
            self._task = asyncio.create_task(self._follow())
            return True
        self._waiting.append(key)
        return False

    async def _follow(self) -> None:
        """Wait for the key that goes now, then send those that came meanwhile, one by one."""
        try:
            await self._dealt_with()
            while self._waiting and self._app.is_running:
                self._now = self._waiting.popleft()
                self._app.post_message(self._now)
                await self._dealt_with()
        finally:
            self._now = self._task = None

    async def _dealt_with(self) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                await self._has_led_somewhere()
        except TimeoutError:
            return

    async def _has_led_somewhere(self) -> None:
        """Follow the key from the app to the widget and up again, then whatever it opened or put in front."""
        app = self._app
        before = app.screen
        target = app.focused or before
        await _reached(app)
        for pump in target.ancestors_with_self:
            await _reached(pump)
        if app.screen is not before:
            await _drawn(app.screen)
        await _reached(app.screen)
        await _reached(app)  # which moves the focus


async def _reached(pump: MessagePump) -> None:
    """Return once `pump` has dealt with all that it was sent until now."""
    done = asyncio.Event()
    if pump.is_running and pump.call_later(done.set):
        await done.wait()


async def _drawn(pump: MessagePump) -> None:
    done = asyncio.Event()
    if pump.call_after_refresh(done.set):
        await done.wait()
