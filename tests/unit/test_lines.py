"""What a line of the protocol can hold, and what becomes of a message that it cannot."""

import os
import threading

import pytest

from engine.api import protocol as p
from engine.api.errors import ExitCode
from engine.server.commands import Service
from engine.server.connections import FrontEnds, lines

TOO_LONG = p.Note("x" * p.LINE_LIMIT)


def test_a_message_that_is_too_long_is_refused() -> None:
    with pytest.raises(p.TooLong, match=r"^Note: 4,194,3\d\d bytes, expected less than 4,194,304\. "):
        p.encode(TOO_LONG)
    room = p.LINE_LIMIT - 1 - len(p.encode(p.Note("")))
    assert len(p.encode(p.Note("x" * room))) < p.LINE_LIMIT
    with pytest.raises(p.TooLong):
        p.encode(p.Note("x" * (room + 1)))


@pytest.mark.parametrize("path", ["/lab/\udcff.h5", "/\ud800"])
def test_a_path_that_is_no_text_is_refused_in_one_line(path: str) -> None:
    settings = p.Settings("/lab", path, "/lab/valid.h5")
    shown = path.encode("utf-8", "backslashreplace").decode()
    with pytest.raises(p.NotText) as refused:
        p.encode(p.Open(settings))
    assert str(refused.value) == f"{shown}: is not valid UTF-8. Rename it."
    assert refused.value.exit_code == ExitCode.USAGE


def test_an_event_that_is_too_long_becomes_a_failure_and_the_engine_goes_on() -> None:
    out, into = os.pipe()
    front = FrontEnds(into)
    service = Service(front.send)
    service.export = lambda command: service.emit(TOO_LONG)  # type: ignore[method-assign,assignment]
    told: list[bytes] = []
    reader = threading.Thread(target=lambda: told.extend(lines(out)))
    reader.start()
    service.carry_out(p.Export())
    service.carry_out(p.Goto(1))
    front.close()
    os.close(into)
    reader.join()
    os.close(out)
    hello, failed, idle, *more = map(p.decode_event, told)
    assert isinstance(hello, p.Hello)
    assert isinstance(failed, p.Failed) and failed.message.startswith("Note: ")
    assert idle == p.Idle(0, "failed")
    assert [type(event) for event in more] == [p.Failed, p.Idle], "no run is open"
