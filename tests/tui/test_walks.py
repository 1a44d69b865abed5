"""The machine that walks as users do, for half a minute, on the scripted engine; at length `tests.faults.walks` does.

What a walk once found stays here as the keys that lead there.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.faults.labs import make_lab
from tests.walking.machine import Walks
from tests.walking.worlds import Scripted, World

pytestmark = pytest.mark.tui
FAR = " ".join("j" * 20)
FOUND = {
    "the images twice": "start:80x24 i escape i",
    "a threshold's name": "start:120x40 r g 5 enter s ctrl+u m o d e l _ p r u n e _ 3 0 . h 5 enter escape m",
    "an order of before": f"start:120x40 r g 3 0 enter {FAR} p m escape r",
    "asked about what is saved": f"start:120x40 r g 3 0 enter {FAR} p r "
    "escape escape escape escape g 3 0 enter t enter",
    "a bad path": "start:80x24 space space o ctrl+u / n o w h e r e f5 escape",
    "a threshold of nothing": "start:80x24 t ctrl+u 0 enter escape r",
    "killed and begun again": "start:80x24 r kill: r g 5 enter i",
    "an order taken and taken back": "start:80x24 r O j j enter escape g 5 enter u u u u u u O k enter 1 r",
    "orders and nothing else": "start:120x40 2 x c v z S plus minus a escape 5 6 1 2 enter u",
    "too small": "start:80x24 i size:1x1 size:200x60 escape m size:40x10 size:80x24",
}


@pytest.fixture(scope="session")
def small_lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_lab(tmp_path_factory.mktemp("walked") / "lab")


@pytest.fixture
def walks(small_lab: Path) -> type[Walks]:
    class ScriptedWalks(Walks):
        def make_world(self, folder: Path) -> World:
            return Scripted(folder, small_lab)

    return ScriptedWalks


@pytest.fixture
def walker(walks: type[Walks]) -> Iterator[Walks]:
    it = walks()
    try:
        yield it
    finally:
        it.teardown()


@pytest.mark.parametrize("keys", FOUND.values(), ids=FOUND)
def test_keys_that_once_led_into_trouble(walker: Walks, keys: str) -> None:
    walker.replay(keys.split())


def test_any_keys_in_any_order(walks: type[Walks]) -> None:
    how = settings(
        max_examples=4,
        stateful_step_count=8,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )
    run_state_machine_as_test(walks, settings=how)
