"""The screen that repairs: a tuning begins, pauses, goes on and stops; its epochs are walked through and saved."""

import pytest

from engine.api import protocol as p
from tests.support.engine_stub import ScriptedEngine
from tests.support.pilot import Bench, measured

pytestmark = pytest.mark.tui
SIZES = [(60, 16), (80, 24), (120, 40), (200, 60)]


async def tuned(it: Bench, step: int = 3) -> None:
    """Prune a few channels, open the screen and tune to the end."""
    for _ in range(step):
        await it.press("space")
    await it.until(lambda: it.state.step == step and not it.state.busy)
    await it.press("F")
    await it.press("space")
    await it.until(lambda: len(it.state.tunings) == 3 and not it.state.busy)


@pytest.mark.parametrize("size", SIZES, ids=str)
async def test_it_says_what_it_is_about_and_what_it_does_not_promise(size: tuple[int, int]) -> None:
    async with measured(size=size) as it:
        await it.press("4")
        await it.shows("Fine-pruning goes on")
        await it.shows("go to a later step first")
        await it.press("space")
        assert not it.commands(p.Tune)
        await it.press("escape", "space", "F")
        await it.shows("space tunes B′ of step 1")
        if size[1] >= 24:
            await it.shows("No guarantee")


@pytest.mark.parametrize("size", SIZES, ids=str)
async def test_space_tunes_with_every_seed_and_each_number_names_its_set(size: tuple[int, int]) -> None:
    async with measured(size=size) as it:
        await tuned(it)
        (command,) = it.commands(p.Tune)
        assert command == p.Tune(3)
        await it.shows("B″ epoch 20")
        for text in ("hold-out", "test", "ASR", *(("░ 3 seeds", "clean test") if size[0] >= 80 else ())):
            await it.shows(text)


async def test_the_log_tells_the_epochs_after_one_is_back_on_the_workbench() -> None:
    async with measured(size=(200, 60)) as it:
        await tuned(it)
        await it.press("escape")
        await it.shows("epoch 20/20")


async def test_epochs_are_walked_through_and_home_is_the_network_as_pruned() -> None:
    async with measured(size=(120, 40)) as it:
        await tuned(it)
        await it.press("left", "left")
        await it.shows("B″ epoch 18")
        await it.press("home")
        await it.shows("B′ as pruned")
        await it.press("s")
        await it.until(lambda: "no B″ to save" in " ".join(str(at.message) for at in it.app._notifications))
        await it.press("right", "s")
        await it.shows("tuned with seed 2, epoch 1")
        await it.press("enter")
        await it.until(lambda: it.commands(p.SaveTuned))
        assert it.commands(p.SaveTuned) == [p.SaveTuned(3, 1, "model_tuned_step_3.h5")]
        await it.shows("model_tuned_step_3.h5")
        await it.press("up", "end")
        await it.shows("B″ epoch 20")
        await it.press("escape", "m")
        await it.shows("tuned @3")


async def test_a_tuning_is_paused_goes_on_and_is_stopped() -> None:
    async with measured(lambda: ScriptedEngine(slow=True), size=(120, 40)) as it:
        await it.press("space")
        it.engine.let()
        await it.until(lambda: it.state.step == 1 and not it.state.busy)
        await it.press("F", "space")
        it.engine.let(4)
        await it.until(lambda: it.state.tunings and it.state.tunings[1].last == 4)
        await it.press("space")
        await it.until(lambda: not it.state.busy)
        assert it.commands(p.Pause)
        await it.shows("paused, space goes on")
        await it.press("space")
        await it.until(lambda: len(it.commands(p.Tune)) == 2)
        it.engine.let(2)
        await it.until(lambda: it.state.tunings[1].last >= 6)
        await it.press("x")
        await it.until(lambda: it.state.tunings[1].stopped and not it.state.busy)
        await it.shows("stopped")
        await it.press("x")
        assert len(it.commands(p.StopTuning)) == 1


async def test_the_recipe_is_asked_for_checked_and_taken() -> None:
    async with measured(size=(120, 40)) as it:
        await it.press("space", "F", "c")
        await it.shows("the recipe")
        await it.press("ctrl+u")
        await it.write("all")
        await it.press("tab", "ctrl+u")
        await it.write("5")
        await it.press("tab", "ctrl+u")
        await it.write("7")
        await it.press("enter")
        await it.shows("the whole network, 5 epochs, seeds 7")
        await it.press("space")
        await it.until(lambda: it.commands(p.Tune))
        (command,) = it.commands(p.Tune)
        assert command == p.Tune(1, recipe=p.Recipe(scope="all", epochs=5), seeds=(7,))
        await it.press("c", "ctrl+u")
        await it.write("some")
        await it.press("enter")
        await it.shows("is unknown, expected behind or all")
        await it.press("escape")


async def test_images_show_what_a_tuned_network_answers() -> None:
    async with measured(size=(120, 40)) as it:
        await tuned(it)
        await it.press("escape", "i")
        await it.shows(", step 3")
        await it.press("n")
        await it.until(lambda: it.state.images and it.state.images.tuning == 1)
        await it.shows("B″ of step 3, seed 0")
        await it.press("n", "n", "n")
        await it.until(lambda: it.state.images and it.state.images.tuning is None)


async def test_a_run_of_another_window_is_only_looked_at() -> None:
    async with measured(lambda: ScriptedEngine(held_by="process 7")) as it:
        await it.press("F", "space", "x")
        assert not it.commands(p.Tune, p.StopTuning)
