"""Engines that go on without a front end: they finish their work, and one can come back to them while they do."""

import asyncio
import contextlib
import os
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.api import engine_socket, journal, locks
from engine.api import protocol as p
from engine.api.client import EngineClient
from engine.api.errors import EngineNotStarted, NotWritten
from engine.server.socket_listener import SocketListener
from tests.support.protocol_client import PATIENCE, of, small_lab, until_idle
from tests.support.short_paths import lay_socket

SLOW = (sys.executable, "-P", str(Path(__file__).parents[1] / "support" / "slow_engine.py"))


@pytest.fixture(autouse=True)
def runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A runtime directory of the test's own, with a short path as such have."""
    with tempfile.TemporaryDirectory() as short:
        monkeypatch.setenv("XDG_RUNTIME_DIR", short)
        yield Path(short, "lab3-tui")


async def until(happened: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not happened():
            await asyncio.sleep(0.02)


async def begun(settings: p.Settings) -> tuple[EngineClient, Path]:
    """A slow engine that is on its way to the last step, and its run folder."""
    client = EngineClient(SLOW, environment={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])})
    await client.start()
    await client.send(p.Open(settings))
    opened = of(p.Opened, await until_idle(client.events()))[0]
    await client.send(p.Goto(4))
    return client, Path(opened.run)


def free(folder: Path) -> bool:
    with contextlib.suppress(locks.InUse), locks.hold(folder):
        return True
    return False


@pytest.mark.keras
async def test_a_front_end_comes_back_hears_everything_and_takes_over(tmp_path: Path, runtime: Path) -> None:
    settings = small_lab(tmp_path / "lab")
    first, run = await begun(settings)
    await first.detach()
    await until(lambda: engine_socket.recorded(run))
    path = engine_socket.recorded(run)
    assert path and stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(runtime.stat().st_mode) == 0o700

    second = EngineClient(("/nowhere",), run=run)
    async with second:
        events = second.events()
        await second.send(p.Open(settings, str(run)))
        heard = await until_idle(events)
        while heard[-1].step != 4:  # type: ignore[union-attr]
            heard += await until_idle(events)
        kinds = [type(event) for event in heard]
        assert [kind for kind in kinds if kind in (p.Hello, p.Began, p.Opened, p.Ranked)] == [
            p.Hello, p.Began, p.Opened, p.Ranked,
        ]  # fmt: skip
        assert {event.step for event in of(p.Stepped, heard)} == {0, 1, 2, 3, 4}
        assert not of(p.Failed, heard)
        await second.send(p.Goto(2))
        while (answer := (await until_idle(events))[-1]).step != 2:  # type: ignore[union-attr]
            pass
        assert isinstance(answer, p.Idle)
    await until(lambda: free(run))
    assert engine_socket.recorded(run) is None, "the door is gone with the engine"


@pytest.mark.keras
async def test_left_alone_it_writes_everything_and_frees_the_run(tmp_path: Path) -> None:
    first, run = await begun(small_lab(tmp_path / "lab"))
    await first.detach()
    await until(lambda: free(run))
    events = journal.read(run)
    assert of(p.Stepped, events)[-1].step == 4
    assert isinstance(events[-1], p.Finished)
    assert (run / "report.md").exists()
    assert not (run / engine_socket.NAME).exists()
    assert journal.unfinished_runs(run.parent) == []


async def test_where_nobody_answers_an_engine_is_started(
    tmp_path: Path, fake_command: Callable[..., tuple[str, ...]]
) -> None:
    door = SocketListener(tmp_path)
    door._socket.close()  # as a killed engine leaves it: the socket's file is there, and nobody behind it
    assert engine_socket.recorded(tmp_path) == door.path
    with pytest.raises(EngineNotStarted, match="--resume"):
        await engine_socket.reach(tmp_path)
    async with EngineClient(fake_command(), run=tmp_path) as client:
        async for event in client.events():
            assert isinstance(event, p.Hello)
            break
    SocketListener(tmp_path).close()
    assert engine_socket.recorded(tmp_path) is None


def test_only_a_socket_of_ones_own_is_reached(tmp_path: Path, runtime: Path) -> None:
    record = tmp_path / engine_socket.NAME
    assert engine_socket.recorded(tmp_path) is None
    elsewhere = tmp_path / "s"
    with lay_socket(elsewhere):
        record.write_text(str(elsewhere))
        assert engine_socket.recorded(tmp_path) is None, "outside the runtime directory"
    engine_socket.runtime_folder().joinpath("file").touch()
    record.write_text(str(runtime / "file"))
    assert engine_socket.recorded(tmp_path) is None, "no socket"
    for content in (b"", b"\xff\x00", b"/" + b"x" * 9999):
        record.write_bytes(content)
        assert engine_socket.recorded(tmp_path) is None


def test_a_runtime_directory_that_others_can_enter_is_refused(runtime: Path, tmp_path: Path) -> None:
    runtime.mkdir(mode=0o755)
    runtime.chmod(0o755)
    with pytest.raises(NotWritten, match="you alone"):
        SocketListener(tmp_path)
    runtime.rmdir()
    runtime.symlink_to(tmp_path)
    with pytest.raises(NotWritten, match="you alone"):
        engine_socket.runtime_folder()


def test_a_long_runtime_directory_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = tmp_path / ("x" * 60) / ("y" * 60)
    deep.mkdir(parents=True)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(deep))
    assert len(os.fsencode(engine_socket.runtime_folder())) <= engine_socket.LONGEST
    door = SocketListener(tmp_path)
    assert engine_socket.recorded(tmp_path) == door.path
    door.close()
