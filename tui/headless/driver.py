"""One engine driven from a script: commands one after the other, signals, and the exit code it all comes to."""

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

from engine.api import protocol as p
from engine.api.client import EngineClient
from engine.api.errors import EngineDied, EngineNotStarted, ExitCode, LabError
from engine.api.escape import shell_word
from tui.headless.narrator import Narrator
from tui.model.engine_death import cause, last_words
from tui.model.run_state import EngineDeath, RunState, Sent, reduce
from tui.terminal.outputs import OutputLost, complain, give_up_lost_outputs

ENDS = {signal.SIGTERM: ExitCode.TERMINATED, signal.SIGHUP: ExitCode.HUNG_UP}
LOG_LINES = 8  # of a dead engine's log
PATIENCE = 2.0  # seconds for the engine to leave


class CommandFailed(LabError):
    """The engine said that a command failed."""

    def __init__(self, failed: p.Failed) -> None:
        super().__init__(failed.message)
        self.exit_code = ExitCode(failed.exit_code)


class Interrupted(LabError):
    """The user stopped the work, by key or by signal."""

    exit_code = ExitCode.INTERRUPTED


class Driver:
    """`heard` is called with every event, when `state` knows of it."""

    def __init__(self, client: EngineClient, narrator: Narrator, heard: Callable[[p.AnyEvent], None]) -> None:
        self.client = client
        self.narrator = narrator
        self.heard = heard
        self.state = RunState()
        self.interrupts = 0
        self.keep = False
        self.ended_by: ExitCode | None = None
        self._events: AsyncIterator[p.AnyEvent] = client.events()

    async def perform(self, command: p.AnyCommand, sent: bool = False) -> None:
        """Send a command, where it is not `sent` already, and take events until the engine has done it.

        After Finish that is when everything is written: an engine that was at work already may be free before.
        Raises CommandFailed, Interrupted, EngineDied.
        """
        if self.interrupts:
            raise Interrupted(STOPPED)
        self.state = reduce(self.state, Sent(command))
        if not sent:
            await self.client.send(command)
        async for event in self._events:
            self._take(event)
            if isinstance(event, p.Failed):
                raise CommandFailed(event)
            if isinstance(event, p.Idle) and event.why == "paused":
                raise Interrupted(STOPPED)
            if isinstance(event, p.Idle) and (self.state.finished or not isinstance(command, p.Finish)):
                return
        raise EngineDied("The engine left in the middle of the work.")

    def _take(self, event: p.AnyEvent) -> None:
        before, self.state = self.state, reduce(self.state, event)
        self.narrator.on_event(before, self.state, event)
        self.heard(event)

    # --- signals ---

    def listen(self, work: asyncio.Task[None]) -> None:
        """Ctrl-C cancels the step, and a second one leaves; TERM and HUP leave. What nohup ignores stays ignored."""
        loop = asyncio.get_running_loop()
        handlers = {signal.SIGINT: partial(self.interrupt, work)}
        handlers |= {number: partial(self.end, work, code) for number, code in ENDS.items()}
        for number, handler in handlers.items():
            if signal.getsignal(number) is not signal.SIG_IGN:
                loop.add_signal_handler(number, handler)

    def interrupt(self, work: asyncio.Task[None]) -> None:
        self.interrupts += 1
        if self.interrupts > 1:
            return self.end(work, ExitCode.INTERRUPTED)
        self.narrator.stderr("Stopping after this batch; press Ctrl-C again to leave at once.")
        self._pause = asyncio.ensure_future(self.client.send(p.Pause()))

    def end(self, work: asyncio.Task[None], code: ExitCode) -> None:
        self.ended_by = self.ended_by or code
        work.cancel()


STOPPED = "Stopped."
LEFT_RUNNING = "The engine finishes the run by itself."


def drive(driver: Driver, work: Callable[[], Awaitable[None]]) -> int:
    """Start the engine, do `work` with it, and see it off. Returns the exit code; failures are said in one line."""
    with asyncio.Runner() as runner:
        try:
            runner.get_loop()
        except OSError as error:  # no descriptors left for the loop itself
            reason = (error.strerror or str(error)).lower()
            raise EngineNotStarted(f"The engine could not be started: {reason}.") from error
        code = runner.run(_drive(driver, work))
    give_up_lost_outputs()
    return int(code)


async def _drive(driver: Driver, work: Callable[[], Awaitable[None]]) -> int:
    task = asyncio.ensure_future(_work(driver, work))
    driver.listen(task)
    try:
        await task
        code = ExitCode.DONE
    except asyncio.CancelledError:
        if driver.ended_by is None:
            raise
        code = driver.ended_by
        _explain(driver, Interrupted(LEFT_RUNNING if _left_running(driver) else STOPPED))
    except LabError as error:
        code = error.exit_code
        _explain(driver, error)
    finally:
        driver.narrator.close()
        await _see_off(driver)
    return code


async def _work(driver: Driver, work: Callable[[], Awaitable[None]]) -> None:
    await driver.client.start()
    await work()


async def _see_off(driver: Driver) -> None:
    """End the engine, or with --keep let it go on after a hang-up."""
    if _left_running(driver):
        await driver.client.detach()
    else:
        await driver.client.close(PATIENCE)


def _left_running(driver: Driver) -> bool:
    return driver.keep and driver.ended_by is ExitCode.HUNG_UP and driver.client.ending is None


def _explain(driver: Driver, error: LabError) -> None:
    """The failure in one line; after a death what the engine did, and the last lines of its log."""
    driver.narrator.close()
    unfinished = isinstance(error, EngineDied | Interrupted | OutputLost) and not _left_running(driver)
    complain(str(error) + where(driver.state) if unfinished else str(error))
    if isinstance(error, EngineDied | EngineNotStarted) and driver.client.ending:
        ending = driver.client.ending
        if why := cause(EngineDeath(str(error), ending.log_tail, ending.signal or "")):
            complain(why)
        lines = LOG_LINES if isinstance(error, EngineDied) else 1  # where none came up its last words say why
        for line in last_words(ending.log_tail)[-lines:]:
            complain(f"  {line}")


def where(state: RunState) -> str:
    """What was under way, and how to go on."""
    if not state.ready:
        phase = next((name for name, at in reversed(list(state.phases.items())) if at.done < at.total), "")
        return f" It was at: {phase}." if phase else ""
    text = f" It had come to step {max(state.steps)} of {state.channels}."
    return text + f" Go on with: lab3-tui --headless --run {shell_word(state.opened.run)}" if state.opened else text
