"""A front end that comes back while an event is being sent hears of it once, in its place."""

import os
import threading
from pathlib import Path

import pytest

from engine.api import protocol as p
from engine.server.commands import Service
from engine.server.connections import FrontEnds, lines

BEGAN = p.Began(p.Settings("/lab", "/lab/m.h5", "/lab/v.h5"), {}, {}, "2024-05-01T14:02:00")
ASKED = p.Question("threshold", "-2 pt is crossed again. Save B' again?", "2", 1, number=1)
EVENTS: list[p.AnyEvent] = [BEGAN, p.Thresholds(("2",)), ASKED, p.Thresholds(("3",)), p.Thresholds(("4",))]
SOON = 1.0  # seconds; a front end that need not wait is welcomed in far less


@pytest.mark.parametrize("at", range(1, len(EVENTS)))
def test_every_event_comes_once_and_in_order(tmp_path: Path, at: int) -> None:
    """It comes between the moment that event `at` is recorded and the moment that it is sent."""
    away = os.open(os.devnull, os.O_WRONLY)
    out, into = os.pipe()
    front = FrontEnds(away)
    front._leave_alone()
    service = Service(front.send)
    coming = threading.Thread(target=front._welcome, args=(into, service))

    def send(event: p.AnyEvent) -> None:
        if event == EVENTS[at]:
            coming.start()
            coming.join(SOON)
        front.send(event)

    service.recorder.send = send
    service.recorder.begin(tmp_path)
    for event in EVENTS:
        service.emit(event)
    coming.join()
    front.close()
    os.close(into)
    hello, *told = (p.decode_event(line) for line in lines(out))
    service.recorder.stop()
    os.close(out)
    assert isinstance(hello, p.Hello)
    assert told == EVENTS
