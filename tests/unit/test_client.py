"""The client against engines that crash, hang, babble and flood: it notices, says what happened, leaves nothing."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.api import protocol as p
from engine.api.client import EngineClient
from engine.api.errors import EngineDied, EngineNotStarted

Command = Callable[..., tuple[str, ...]]
SETTINGS = p.Settings("/lab", "/lab/models/bd_net.h5", "/lab/valid.h5", "/lab/test.h5", "/lab/bd_test.h5")
OPEN = p.Open(SETTINGS)
PATIENCE = 60.0  # seconds until an engine that should have answered has not


async def told(client: EngineClient, *commands: p.AnyCommand, stop: type = p.Idle) -> list[p.AnyEvent]:
    """What the engine tells up to and with the first event of kind `stop`."""
    for command in commands:
        await client.send(command)
    found: list[p.AnyEvent] = []
    async with asyncio.timeout(PATIENCE):
        async for event in client.events():
            found.append(event)
            if isinstance(event, stop):
                break
    return found


def gone(pid: int) -> bool:
    """Neither running nor a zombie."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


async def test_an_engine_that_is_told_to_leaves_and_is_no_zombie(fake_command: Command) -> None:
    async with EngineClient(fake_command()) as client:
        events = await told(client, OPEN)
        pid = client.pid
    assert isinstance(events[-1], p.Idle)
    assert pid and gone(pid)
    assert client.ending and client.ending.exit_code == 0


@pytest.mark.parametrize("phase", [phase for phase in p.PHASES if phase not in ("demo", "step", "files", "hand in")])
async def test_a_crash_in_any_phase_is_noticed_and_named(fake_command: Command, phase: str) -> None:
    client = EngineClient(fake_command("--crash", phase, "--signal", "SIGSEGV"))
    async with client:
        pid = client.pid
        with pytest.raises(EngineDied, match="killed by SIGSEGV"):
            looks = (p.Compare(("mean",)), p.Explain(), p.Tune(2, seeds=(0,)))
            await told(client, OPEN, p.Goto(3), *looks, p.Finish(), stop=p.Finished)
    assert client.ending and client.ending.signal == "SIGSEGV"
    assert client.ending.log_tail[-1] == "scripted crash"
    assert pid and gone(pid)


async def test_an_exit_code_is_told(fake_command: Command) -> None:
    async with EngineClient(fake_command("--exit", "model")) as client:
        with pytest.raises(EngineDied, match="exit code 70"):
            await told(client, OPEN)
    assert client.ending and (client.ending.exit_code, client.ending.signal) == (70, None)


async def test_death_before_the_greeting_is_no_start(fake_command: Command) -> None:
    async with EngineClient(fake_command("--no-hello", "--exit", "start")) as client:
        with pytest.raises(EngineNotStarted, match="exit code 70 before it was ready"):
            await told(client)


async def test_another_protocol_is_refused(fake_command: Command) -> None:
    async with EngineClient(fake_command("--protocol", "99")) as client:
        with pytest.raises(EngineNotStarted, match="protocol 99"):
            await told(client)


async def test_a_command_that_is_not_there_is_no_start() -> None:
    with pytest.raises(EngineNotStarted, match="could not be started"):
        await EngineClient(("/nowhere/python",)).start()


async def test_a_hanging_engine_is_killed_on_close(fake_command: Command) -> None:
    client = EngineClient(fake_command("--hang", "start"))
    await client.start()
    pid = client.pid
    await told(client, stop=p.Hello)
    await client.close(patience=0.1)
    assert client.ending and client.ending.signal == "SIGKILL"
    assert pid and gone(pid)


async def test_closing_while_events_are_awaited_ends_them(fake_command: Command) -> None:
    client = EngineClient(fake_command())
    await client.start()
    idle = asyncio.Event()

    async def listen() -> list[p.AnyEvent]:
        found = []
        async for event in client.events():
            found.append(event)
            if isinstance(event, p.Idle):
                idle.set()
        return found

    listening = asyncio.ensure_future(listen())
    await client.send(OPEN)
    await idle.wait()
    await client.close()
    assert isinstance((await listening)[-1], p.Idle)
    assert client.ending and client.ending.exit_code == 0


async def test_lines_that_are_no_events_become_notes(fake_command: Command) -> None:
    async with EngineClient(fake_command("--garbage", "model")) as client:
        events = await told(client, OPEN)
    notes = [event.text for event in events if isinstance(event, p.Note)]
    assert len(notes) == 3
    assert all("not an event" in note for note in notes)
    assert any(isinstance(event, p.Stepped) for event in events)


async def test_a_long_line_arrives_whole(fake_command: Command) -> None:
    async with EngineClient(fake_command("--long-line", "model")) as client:
        events = await told(client, OPEN)
    assert [len(event.text) for event in events if isinstance(event, p.Note)] == [2**20]


async def test_a_line_without_end_stops_the_engine(fake_command: Command) -> None:
    async with EngineClient(fake_command("--endless-line", "model")) as client:
        pid = client.pid
        with pytest.raises(EngineDied, match="more than 4 MiB"):
            await told(client, OPEN)
        assert pid and gone(pid)


async def test_a_flood_on_stderr_blocks_nobody_and_its_tail_is_kept(fake_command: Command) -> None:
    async with EngineClient(fake_command("--flood", "1000000", "--crash", "baseline")) as client:
        with pytest.raises(EngineDied):
            await told(client, OPEN)
    assert client.ending
    assert "stderr is noisy" in client.ending.log_tail[0]
    assert client.ending.log_tail[-1] == "scripted crash"


async def test_the_log_moves_into_the_run_folder(fake_command: Command, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "engine.log").write_text("an earlier engine\n")
    async with EngineClient(fake_command("--flood", "1", "--crash", "ranking")) as client:
        with pytest.raises(EngineDied):
            await told(client, p.Open(SETTINGS, str(run)))
    log = (run / "engine.log").read_text().splitlines()
    assert log[0] == "an earlier engine"
    assert log[1].startswith("stderr is noisy"), "what came before the run folder was known"
    assert log[-1] == "scripted crash"
    assert client.ending and client.ending.log_tail == tuple(line.rstrip() for line in log)


async def test_stderr_can_be_sent_to_a_file(fake_command: Command, tmp_path: Path) -> None:
    async with EngineClient(fake_command("--flood", "1"), log=tmp_path / "log") as client:
        await told(client, stop=p.Hello)
    assert "noisy" in (tmp_path / "log").read_text()


FRONT_END = """
import asyncio, os, signal, sys
from engine.api import protocol as p
from engine.api.client import EngineClient

async def main():
    client = EngineClient(sys.argv[1:])
    await client.start()
    async for event in client.events():
        print(client.pid, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


async def test_a_front_end_that_is_killed_takes_the_engine_along(fake_command: Command) -> None:
    command = (sys.executable, "-P", "-c", FRONT_END, *fake_command())
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    assert process.returncode == -signal.SIGKILL
    await until(lambda: orphan_gone(int(out)))


async def test_a_detached_engine_finishes_what_it_was_told(fake_command: Command, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    client = EngineClient(fake_command("--step-seconds", "0.01"))
    await client.start()
    await told(client, p.Open(SETTINGS, str(run)))
    await client.send(p.Goto(60))
    pid = client.pid
    await client.detach()
    await until(lambda: (run / "finished").exists())
    await until(lambda: orphan_gone(pid or 0))


async def until(happened: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not happened():
            await asyncio.sleep(0.01)


def orphan_gone(pid: int) -> bool:
    """As `gone`, where somebody else has to collect the process and may take his time."""
    if gone(pid):
        return True
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout
    return state.startswith("Z") or not state.strip()
