"""What a pause stops: the command under way and those queued before it; what comes later is nobody's business."""

import os
from collections.abc import Callable, Iterator

import pytest

from engine.api import protocol as p
from engine.server.commands import Service
from engine.server.connections import FrontEnds

Work = Callable[[], None]


class Working(Service):
    """A service whose commands do what a test says."""

    def __init__(self) -> None:
        self.heard: list[p.AnyEvent] = []
        super().__init__(self.heard.append)
        self.work: Work = lambda: None

    def handler(self, command: p.AnyCommand) -> Callable[[object], object]:
        def carried_out(_command: object) -> None:
            self.check()
            self.work()
            self.check()

        return carried_out

    def why(self, number: int) -> str:
        self.carry_out(p.Goto(1), number)
        idle = self.heard[-1]
        assert isinstance(idle, p.Idle)
        return idle.why


@pytest.fixture
def service() -> Working:
    return Working()


def test_a_pause_while_nothing_is_under_way_stops_nothing_later(service: Working) -> None:
    service.stop_before(1)
    assert [service.why(2), service.why(3)] == ["done", "done"]


def test_a_pause_stops_what_is_under_way_and_what_was_queued_before_it(service: Working) -> None:
    service.work = lambda: service.stop_before(3)
    assert service.why(1) == "paused"
    service.work = lambda: None
    assert [service.why(2), service.why(4)] == ["paused", "done"]


def test_leaving_stops_everything(service: Working) -> None:
    service.measuring = True
    service.work = lambda: service.stop_before(5, leaving=True)
    assert service.why(1) == "paused"


def test_the_figures_of_a_saved_step_are_not_left_out(service: Working) -> None:
    service.measuring = True
    service.work = lambda: service.stop_before(5)
    assert service.why(1) == "done"


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def test_commands_are_numbered_as_they_are_said(service: Working, pipe: tuple[int, int]) -> None:
    away = os.open(os.devnull, os.O_WRONLY)
    front = FrontEnds(away)
    said = (p.Pause(), p.Goto(1), p.Goto(2), p.Pause(), p.Goto(3), p.Detach())
    os.write(pipe[1], b"".join(p.encode(command) + b"\n" for command in said))
    front._take(pipe[0], service)
    queued = [front.commands.get() for _ in range(3)]
    assert [command for _, command in queued] == [p.Goto(1), p.Goto(2), p.Goto(3)]
    assert [service.why(number) for number, _ in queued] == ["paused", "paused", "done"]
    front.close()
    os.close(away)
