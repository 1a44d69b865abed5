"""Keys that arrive in one piece: each goes where the one before has led."""

from textual.events import Key

from engine.api import protocol as p
from tests.support.pilot import Bench, bench

ENTER = Key("enter", "\r")


def arrive(it: Bench, *keys: Key) -> None:
    """All of these at once, as from a terminal that sends them together."""
    for key in keys:
        it.app.post_message(key)


def letters(text: str) -> list[Key]:
    names = {"?": "question_mark", "/": "slash"}
    return [Key(names.get(letter, letter), letter) for letter in text]


async def test_a_number_goes_into_the_window_that_the_key_before_it_opens() -> None:
    async with bench() as it:
        await it.shows("saves at")
        arrive(it, *letters("g45"), ENTER)
        await it.until(lambda: p.Goto(45) in it.engine.commands)


async def test_what_is_typed_after_the_key_that_searches_is_searched_for() -> None:
    async with bench() as it:
        await it.shows("saves at")
        arrive(it, *letters("?/zzz"))
        await it.shows("Nothing here holds 'zzz'.")


async def test_of_many_keys_that_open_and_close_none_is_lost() -> None:
    async with bench() as it:
        await it.shows("saves at")
        for _ in range(12):
            arrive(it, *letters("??" * 4))
            await it.pilot.pause(0.02)
        arrive(it, *letters("m"))
        await it.shows("nothing pruned")
        arrive(it, *letters("m"))
        await it.shows("saves at")
        assert len(it.app.screen_stack) == 2


async def test_keys_that_leave_wait_for_nothing() -> None:
    async with bench() as it:
        await it.shows("saves at")
        arrive(it, *letters("??" * 20), Key("ctrl+c", None), Key("ctrl+c", None))
        await it.until(lambda: it.app.leaving is not None)
