"""The app around the screen of a sweep. The sweep itself runs in a process of its own, which outlives this one."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

from textual.app import SuspendNotSupported
from textual.driver import Driver
from textual.events import Resize

from engine.api.engine_log import tail
from engine.api.errors import LabError
from engine.api.escape import printable, shell_word
from engine.api.safe_open import open_regular
from tui.app.themes import THEMES, default_theme
from tui.model.config import Config, load
from tui.model.sweep_state import SweepState
from tui.model.sweep_watch import SweepWatch
from tui.screens.sweep import SweepScreen
from tui.terminal.lab_driver import LabDriver, leave_on_signals
from tui.terminal.output_diet import OutputDietApp
from tui.terminal.outputs import complain, give_up_lost_outputs

LOG = "sweep.log"  # in the sweep's folder: what its process says
PROGRAM = (sys.executable, "-P", "-m", "tui")
WIDTHS: list[tuple[int, str]] | None = [(0, "-narrow"), (110, "-wide"), (180, "-broad")]


class SweepApp(OutputDietApp):
    """Watches the sweep in `folder`. `begin` starts its process, where none runs."""

    TITLE = "lab3"
    CSS_PATH: ClassVar = ["app.tcss"]
    HORIZONTAL_BREAKPOINTS = WIDTHS
    ENABLE_COMMAND_PALETTE = False

    def __init__(
        self,
        folder: Path,
        begin: Callable[[], "subprocess.Popen[bytes] | None"],
        config: Config | None = None,
        driver_class: type[Driver] | None = None,
    ) -> None:
        super().__init__(driver_class)
        self.folder, self._begin = folder, begin
        self.record = SweepWatch(folder)
        self.process: subprocess.Popen[bytes] | None = None
        for theme in THEMES:
            self.register_theme(theme)
        wanted = (config or Config()).theme
        known = wanted in self.available_themes
        self.set_reactive(SweepApp.theme, wanted if known else default_theme(self.console.color_system))
        self.stylesheet.set_variables(self.get_css_variables())

    def on_mount(self) -> None:
        self.process = self._begin()
        self.push_screen(SweepScreen(self.read, self.open_run, self.stop, self.go_on, self.leave))

    def on_resize(self, event: Resize) -> None:
        """Below the least size there is only a page that says so."""
        from tui.screens.too_small import LEAST, TooSmall

        small = event.size.width < LEAST[0] or event.size.height < LEAST[1]
        if small and not isinstance(self.screen, TooSmall):
            self.push_screen(TooSmall())
        elif not small and isinstance(self.screen, TooSmall):
            self.pop_screen()

    def read(self) -> tuple[SweepState, bool]:
        """The sweep as it stands, and whether its process lives; where it went early, its last words are shown."""
        state = self.record.read()
        if self.process is not None and self.process.poll() is not None:
            code, pid, self.process = self.process.returncode, self.process.pid, None
            ended = state.over is not None and not state.over.why and state.pid == pid
            if not ended and code not in (0, 130) and (words := tail(self.folder / LOG)):
                self.notify(printable(words[-1]), severity="warning", timeout=20, markup=False)
        return state, self.record.alive() or (self.process is not None)

    def open_run(self, run: str) -> None:
        """The workbench on a finished run, in this terminal; its end leads back here."""
        try:
            with self.suspend():
                subprocess.run([*PROGRAM, "--run", run], check=False)
        except SuspendNotSupported:
            self.notify(f"lab3-tui --run {shell_word(run)}", markup=False)
        self.refresh(layout=True)

    def stop(self) -> None:
        """End the sweep in order."""
        state = self.record.state
        if self.record.alive() and state.host == os.uname().nodename:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(state.pid, signal.SIGINT)

    def go_on(self) -> None:
        if self.process is None:
            self.process = self._begin()

    @property
    def fault(self) -> Exception | None:
        """What went wrong in the program itself, and ended it."""
        return self._exception

    def leave(self, code: int = 0) -> None:
        self.exit(code, code)


def start_sweep(folder: Path, where: Sequence[str]) -> "subprocess.Popen[bytes] | None":
    """A process that goes on with the sweep in a folder, in a session of its own; None where that is already done."""
    watch = SweepWatch(folder)
    watch.read()
    if watch.alive():
        return None
    with os.fdopen(open_regular(folder / LOG, os.O_WRONLY | os.O_CREAT), "wb") as log:
        log.truncate()
        return subprocess.Popen(
            [*PROGRAM, "sweep", "--headless", "--resume", "--to", str(folder), *where],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def run(folder: Path, where: Sequence[str]) -> int:
    """The screen from first frame to last. Returns the exit code."""
    app = SweepApp(folder, lambda: start_sweep(folder, where), load(), LabDriver)
    asyncio.run(_serve(app))
    state, alive = app.read()
    named = " ".join(map(shell_word, (str(folder), *where)))
    if alive:
        complain(f"The sweep goes on; look again with: lab3-tui sweep --resume --to {named}")
    elif any(state.of(cell.number).state in ("waiting", "running") for cell in state.cells):
        complain(f"Go on with: lab3-tui sweep --resume --to {named}")
    complain(f"Results: {printable(str(folder / 'sweep.csv'))}")
    app.record.close()
    if fault := app.fault:
        raise LabError(f"The screen failed: {fault}") from fault
    give_up_lost_outputs()
    return app.return_code or 0


async def _serve(app: SweepApp) -> None:
    leave_on_signals(app.leave)
    await app.run_async()
