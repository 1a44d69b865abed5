"""The real engine, but every event of a step takes its time: there is a while in which to go and come back."""

import time

from engine.__main__ import main
from engine.api.protocol import AnyEvent
from engine.server.commands import Service

tell = Service.tell


def slowly(service: Service, event: AnyEvent) -> None:
    tell(service, event)
    time.sleep(0.2)


if __name__ == "__main__":
    Service.tell = slowly  # type: ignore[method-assign]
    main()
