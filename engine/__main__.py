"""The engine process: commands in on fd 0, events out on what was fd 1, everything that libraries print to fd 2."""

import os
import queue
import sys
import threading
import traceback
from collections.abc import Iterator
from typing import NoReturn

import msgspec

from engine.api.errors import ExitCode
from engine.api.protocol import PROTOCOL, AnyCommand, Failed, Hello, Pause, Quit, decode_command
from engine.outbox import Outbox
from engine.service import Service


def main() -> NoReturn:
    """Serve one front end until it quits or goes away."""
    events = Outbox(os.dup(1))
    os.dup2(2, 1)  # Keras prints progress to stdout, which carries events only
    events.send(Hello(PROTOCOL, os.getpid()))
    service = Service(events.send)
    commands: queue.SimpleQueue[AnyCommand] = queue.SimpleQueue()
    threading.Thread(target=listen, args=(commands, service), daemon=True).start()
    while not isinstance(command := commands.get(), Quit):
        try:
            service.carry_out(command)
        except Exception:  # the front end has been told; the log keeps where it was
            traceback.print_exc()
    events.close()
    sys.stderr.flush()
    os._exit(ExitCode.DONE)  # everything is on disk; taking the libraries down would cost half a second


def listen(commands: "queue.SimpleQueue[AnyCommand]", service: Service) -> None:
    """Queue commands as they come. The end of the stream means that the front end has gone: leave at once."""
    for line in lines(0):
        try:
            command = decode_command(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            service.emit(Failed(f"That is no command: {error}", ExitCode.ENGINE_ERROR))
            continue
        if isinstance(command, Pause | Quit):
            service.stop.set()
        if not isinstance(command, Pause):
            commands.put(command)
    service.abandon()


def lines(descriptor: int) -> Iterator[bytes]:
    """Lines as they arrive; one that the end of the stream tore is dropped."""
    waiting = b""
    while data := os.read(descriptor, 2**16):
        *whole, waiting = (waiting + data).split(b"\n")
        yield from whole


if __name__ == "__main__":
    main()
