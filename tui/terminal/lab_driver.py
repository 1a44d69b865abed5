"""A terminal that misbehaves: bytes that are no text, output that blocks, hang-ups and signals.

Textual's Linux driver dies of one invalid byte of input, its output queue blocks the whole program while the terminal
does not read, and a stop from outside makes it take the terminal's raw mode for the one to restore. All is mended here
from outside; where Textual has another driver, nothing is changed.
"""

import asyncio
import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterable
from functools import partial
from queue import Empty, Full
from types import FrameType
from typing import IO, Any

from textual._ansi_sequences import ANSI_SEQUENCES_KEYS
from textual._xterm_parser import XTermParser
from textual.drivers import linux_driver
from textual.drivers._writer_thread import WriterThread
from textual.drivers.linux_driver import LinuxDriver
from textual.events import Key

from engine.api.errors import ExitCode

ESCAPE = "\x1b"
LONGER = {sequence[1] for sequence in ANSI_SEQUENCES_KEYS if sequence[0] == ESCAPE and len(sequence) > 2}
STARTS = LONGER | set("[OP]^_X")  # what may stand between escape and the rest of a sequence
SIGNALS = {
    signal.SIGTERM: ExitCode.TERMINATED,
    signal.SIGHUP: ExitCode.HUNG_UP,
    signal.SIGINT: ExitCode.INTERRUPTED,  # from outside, or before the terminal is raw: later Ctrl-C is a key
}
PATIENCE = 3.0  # seconds for leaving properly before leaving anyway


class PatientWriter(WriterThread):
    """Drops frames while the terminal does not take them, and asks for a whole new one when it does again."""

    repaint: Callable[[], object] | None = None

    def __init__(self, file: IO[str]) -> None:
        super().__init__(file)
        self._dropped = False

    def write(self, text: str) -> None:
        try:
            self._queue.put_nowait(text)
        except Full:
            self._dropped = True

    def run(self) -> None:
        try:
            while (text := self._queue.get()) is not None:
                self._file.write(text)
                if self._queue.qsize() == 0:
                    self._file.flush()
                    self._catch_up()
            self._file.flush()
        except (OSError, ValueError):
            pass  # the terminal is gone; the signal that says so ends the program

    def stop(self) -> None:
        """End the thread after what is queued; without what is queued where the terminal takes nothing."""
        self._put_last(None)
        self.join(PATIENCE / 2)

    def _put_last(self, text: str | None) -> None:
        while True:
            try:
                return self._queue.put_nowait(text)
            except Full:
                try:
                    self._queue.get_nowait()
                except Empty:
                    continue

    def _catch_up(self) -> None:
        if self._dropped:
            self._dropped = False
            if PatientWriter.repaint:
                PatientWriter.repaint()


class EscapeParser(XTermParser):
    """Takes escape and a key soon after it for these two keys.

    Textual waits a tenth of a second for the rest of a sequence, then reports alt and the key, which means nothing
    here: over SSH, where keys travel together, both would be lost. What begins a sequence is still waited for, and what
    a keyboard's own keys send is still that key.
    """

    def _sequence_to_key_events(self, sequence: str, alt: bool = False) -> Iterable[Key]:
        after = sequence if alt else sequence[1:] if sequence[:1] == ESCAPE else ""
        whole = alt or not (after in STARTS or isinstance(ANSI_SEQUENCES_KEYS.get(sequence), tuple))
        if len(after) == 1 and whole:
            return [Key("escape", ESCAPE), *super()._sequence_to_key_events(after)]
        return super()._sequence_to_key_events(sequence, alt)


class LabDriver(LinuxDriver):
    """Textual's driver, with input that may hold any byte and output that never blocks."""

    def start_application_mode(self) -> None:
        loop = asyncio.get_running_loop()
        PatientWriter.repaint = partial(loop.call_soon_threadsafe, self._repaint)
        vars(linux_driver).update(
            WriterThread=PatientWriter, getincrementaldecoder=forgiving_decoder, XTermParser=EscapeParser
        )
        super().start_application_mode()  # type: ignore[no-untyped-call]

    def _get_terminal_size(self) -> tuple[int, int]:
        """The terminal's own word, not that of COLUMNS and LINES, which do not change when a window does."""
        with contextlib.suppress(OSError):
            width, height = os.get_terminal_size(self.fileno)
            if width and height:
                return width, height
        return super()._get_terminal_size()

    @property
    def _entered(self) -> bool:
        """Whether the terminal is in our mode: its keys are read."""
        return self._key_thread is not None and self._key_thread.is_alive()

    def resume_application_mode(self) -> None:
        """Enter our mode again. Nothing left it before a SIGSTOP, and to enter it twice would read each key twice."""
        if self._entered:
            self.suspend_application_mode()
        super().resume_application_mode()
        self._app.call_later(self._repaint)

    def _sigcont_application(self, *_: object) -> None:
        """Go on, but not behind the back of a shell that has the terminal."""
        with contextlib.suppress(OSError):
            if self._entered and os.tcgetpgrp(self.fileno) != os.getpgrp():
                return os.kill(os.getpid(), signal.SIGSTOP)
        super()._sigcont_application()

    def _sigtstp_application(self, *_: object) -> None:
        """Stop the whole job, a program that started us included, so that the shell wakes up.

        The kernel stops no job that has no shell: then we go on at once.
        """
        self.suspend_application_mode()
        self._must_signal_resume = True
        ours = signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.killpg(0, signal.SIGTSTP)
        signal.signal(signal.SIGTSTP, ours)
        if not self._entered:
            self.resume_application_mode()

    def _repaint(self) -> None:
        self._app.refresh(layout=True)


def forgiving_decoder(encoding: str) -> Callable[[], Any]:
    """codecs.getincrementaldecoder, for decoders that replace what they cannot read."""
    import codecs

    return partial(codecs.getincrementaldecoder(encoding), errors="replace")


def leave_on_signals(leave: Callable[[int], None]) -> None:
    """On TERM and HUP call `leave` with the exit code, in the event loop; end the process if that takes too long."""
    loop = asyncio.get_running_loop()

    def caught(number: int, _frame: FrameType | None) -> None:
        code = SIGNALS[signal.Signals(number)]
        last_resort = threading.Timer(PATIENCE, os._exit, (int(code),))
        last_resort.daemon = True
        last_resort.start()
        loop.call_soon_threadsafe(leave, int(code))

    for number in SIGNALS:
        signal.signal(number, caught)
