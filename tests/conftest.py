"""What many tests need: lab folders with real inputs, and engines that are scripted or real."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("lab3", deadline=None)  # a slow disk is no failure
settings.load_profile("lab3")
FAKE_ENGINE = Path(__file__).parent / "support" / "fake_engine.py"


@pytest.fixture(scope="session", autouse=True)
def usual_terminal() -> Iterator[None]:
    """A terminal and folders of settings that are the usual ones, wherever the tests run; some tests set others."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("NO_COLOR", "FORCE_COLOR", "COLORTERM", "COLUMNS", "LINES", "TEXTUAL", "LAB3_TRACEBACK"):
            patch.delenv(name, raising=False)
        patch.setenv("TERM", "xterm-256color")
        for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
            patch.delenv(name, raising=False)
        yield


@pytest.fixture(scope="session", autouse=True)
def own_state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The list of runs begun here is one of the tests' own, in the processes that they start too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="session")
def lab3_kit() -> Path:
    """The folder of real inputs: the lab's networks, real faces, `make_lab.py` and the plain loop."""
    kit = os.environ.get("LAB3_KIT", "")
    if not kit:
        pytest.skip("LAB3_KIT names no kit of real networks and faces")
    return Path(kit).resolve()


@pytest.fixture(scope="session")
def real_lab(lab3_kit: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Makes a lab folder with real inputs: `real_lab("--valid", "1200")`. Each is made once; do not write there."""
    made: dict[tuple[str, ...], Path] = {}

    def make(*arguments: str) -> Path:
        if arguments not in made:
            made[arguments] = tmp_path_factory.mktemp("lab")
            command = [sys.executable, str(lab3_kit / "make_lab.py"), str(made[arguments]), *arguments]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return made[arguments]

    return make


@pytest.fixture
def own_lab(real_lab: Callable[..., Path], tmp_path: Path) -> Callable[..., Path]:
    """As `real_lab`, for a test that writes: a folder of its own, whose inputs share their bytes with others."""

    def make(*arguments: str) -> Path:
        source, target = real_lab(*arguments), tmp_path / "own_lab"
        for file in (path for path in source.rglob("*.h5") if path.is_file()):
            place = target / file.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            os.link(file, place)
        return target

    return make


@pytest.fixture(scope="session")
def fake_command() -> Callable[..., tuple[str, ...]]:
    """The command that starts the scripted engine with these options."""
    return lambda *options: (sys.executable, "-P", str(FAKE_ENGINE), *options)
