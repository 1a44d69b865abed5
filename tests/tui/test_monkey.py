"""Keys at random: whatever is pressed, the workbench stays, and what it shows is a state of the run."""

import random

import pytest
from piloted import Bench, measured
from scripted import CHANNELS, ScriptedEngine

from tui.actions import ACTIONS

pytestmark = pytest.mark.tui
LEAVING = {"q", "ctrl+c"}
KEYS = [*sorted({key for action in ACTIONS for key in action.keys} - LEAVING), *"19wnyx", "backspace"]
SIZES = [(80, 24), (120, 40), (200, 60), (60, 16), (40, 10)]


@pytest.mark.parametrize("seed", range(6))
async def test_keys_at_random(
    seed: int, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("here"))  # screenshots go here
    dice = random.Random(seed)
    async with measured(lambda: ScriptedEngine(slow=seed % 2 == 1), size=SIZES[seed % 3]) as it:
        for _ in range(150):
            await one(it, dice)
            state = it.app.latest
            assert 0 <= state.step <= CHANNELS and state.step <= state.known
        assert it.app.return_code is None and it.text().strip()


async def one(it: Bench, dice: random.Random) -> None:
    """A key, mostly; sometimes a step, a resize, or the engine's death."""
    chance = dice.random()
    if chance < 0.04:
        await it.pilot.resize_terminal(*dice.choice(SIZES))
    elif chance < 0.05:
        it.engine.die()
    elif chance < 0.2:
        it.engine.let(3)
    await it.press(dice.choice(KEYS))
