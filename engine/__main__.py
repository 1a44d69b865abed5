"""The engine process: commands in on fd 0, events out on what was fd 1, everything that libraries print to fd 2."""

import os
import sys
import threading
import traceback
from typing import NoReturn

from engine.api.errors import ExitCode
from engine.api.protocol import AnyCommand, Detach, Finish, Quit
from engine.server.commands import Service
from engine.server.connections import FrontEnds


def main() -> NoReturn:
    """Serve one front end until it quits or goes away; once it has detached, until the work is done."""
    front = FrontEnds(os.dup(1))
    os.dup2(2, 1)  # Keras prints progress to stdout, which carries events only
    service = Service(front.send)
    threading.Thread(target=front.listen, args=(service,), daemon=True).start()
    while True:
        number, command = front.commands.get()
        if isinstance(command, Quit):
            break
        if not isinstance(command, Detach):
            carry_out(service, command, number)
        elif not front.present:
            carry_out(service, Finish(), number)
            if not front.present:
                break
    front.close()
    sys.stderr.flush()
    os._exit(ExitCode.DONE)  # everything is on disk; taking the libraries down would cost half a second


def carry_out(service: Service, command: AnyCommand, number: int) -> None:
    try:
        service.carry_out(command, number)
    except Exception:  # the front end has been told; the log keeps where it was
        traceback.print_exc()


if __name__ == "__main__":
    main()
