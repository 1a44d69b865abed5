"""The headless run on scripted engines: what it prints, where, and the code it ends with."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.api import protocol as p
from engine.api.client import EngineClient
from engine.api.errors import ExitCode
from tui.cli import commands
from tui.headless.headless_run import Plan, run

Command = Callable[..., tuple[str, ...]]
SETTINGS = p.Settings(
    "/lab", "/lab/models/bd_net.h5", "/lab/valid.h5", "/lab/test.h5", "/lab/bd_test.h5", "/lab/bd_valid.h5"
)


@pytest.fixture
def headless(
    fake_command: Command, capfd: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, list[str], list[str]]]:
    """Runs a plan on a scripted engine with options; returns exit code, lines of stdout, lines of stderr."""

    def go(*options: str, settings: p.Settings = SETTINGS, **more: object) -> tuple[int, list[str], list[str]]:
        code = run(Plan(p.Open(settings), **more), lambda: EngineClient(fake_command(*options)))  # type: ignore[arg-type]
        out, err = capfd.readouterr()
        return code, out.splitlines(), err.splitlines()

    return go


Headless = Callable[..., tuple[int, list[str], list[str]]]


def test_a_line_a_step_and_then_the_table(headless: Headless) -> None:
    code, out, _ = headless()
    assert code == ExitCode.DONE
    steps, table = out[: out.index("")], out[out.index("") + 1 :]
    assert [line.split()[1] for line in steps] == [f"{step}/60" for step in range(61)]
    assert steps[0] == (
        "step  0/60  B itself    valid acc  98.65 %   (0.00 pt)  test acc  98.62 %  ASR 100.00 %  "
        "G test acc  98.62 %  G ASR 100.00 %  detected   0.00 %  false alarms   0.00 %"
    )
    assert table[0].split() == ["drop", "clean", "clean", "ASR", "ASR", "detected", "alarms"]
    assert [line.split()[0] for line in table[2:]] == ["B", *["B′", "G"] * 4]
    assert table[3].split() == ["B′", "-2", "pt", "45", "-2.89", "95.76", "95.76", "100.00", "100.00"]
    assert table[4].split() == ["G", "-2", "pt", "45", "95.65", "100.00", "0.00", "3.08"]


def test_narration_goes_to_stderr_without_colour(headless: Headless) -> None:
    _, out, err = headless()
    assert "-2 pt reached at step 45" in err
    assert any(line.startswith("saved ") and line.endswith("model_prune_2.h5") for line in err)
    assert err[-1].endswith(".") and "attack" in err[-1], "what the curve says comes last"
    assert "\x1b" not in "".join(out + err)


def test_without_test_and_poisoned_sets_the_columns_do_not_come(headless: Headless) -> None:
    code, out, _ = headless(settings=p.Settings("/lab", "/lab/models/bd_net.h5", "/lab/valid.h5"))
    assert code == ExitCode.DONE
    assert out[45] == "step 45/60  channel 11  valid acc  95.76 %  (-2.89 pt)"
    assert out[-1].split() == ["G", "-30", "pt", "54", *["–"] * 4]


def test_json_is_one_event_a_line_and_nothing_else(headless: Headless) -> None:
    code, out, _ = headless(json=True)
    assert code == ExitCode.DONE
    events = [p.decode_event(line.encode()) for line in out]
    assert isinstance(events[0], p.Hello)
    assert [event.step for event in events if isinstance(event, p.Stepped)] == list(range(61))
    assert sum(isinstance(event, p.Finished) for event in events) == 1


def test_a_threshold_that_no_step_reaches_is_told_after_the_table(headless: Headless) -> None:
    code, out, err = headless(settings=p.Settings("/lab", "/m.h5", "/v.h5", save_at=("2", "99")))
    assert code == ExitCode.THRESHOLD_MISSED
    assert out[-1].split()[0] == "G"
    assert err[-1] == "Never reached: -99 pt. Everything else is written."


@pytest.mark.parametrize("phase", ["tensorflow", "features valid", "baseline"])
def test_a_death_while_opening_names_the_signal_the_phase_and_the_log(headless: Headless, phase: str) -> None:
    code, _, err = headless("--crash", phase, "--signal", "SIGABRT")
    assert code == ExitCode.ENGINE_DIED
    assert err[-3].startswith("The engine was killed by SIGABRT.") and "crashed" in err[-2]
    assert err[-1] == "  scripted crash"


def test_a_death_in_a_step_says_how_far_it_came_and_how_to_go_on(headless: Headless) -> None:
    code, out, err = headless("--crash", "steps:12")
    assert code == ExitCode.ENGINE_DIED
    assert out[-1].startswith("step 11/60")
    assert "killed by SIGKILL. It had come to step 11 of 60." in err[-3]
    assert "Go on with: lab3-tui --headless --run /lab/runs/" in err[-3] and "memory runs out" in err[-2]


def test_an_engine_that_does_not_come_up(headless: Headless) -> None:
    code, out, err = headless("--no-hello", "--exit", "start")
    assert (code, out) == (ExitCode.ENGINE_NOT_STARTED, [])
    assert err[0] == "The engine left with exit code 70 before it was ready."


@pytest.mark.parametrize("phase", ["model", "files"])
def test_a_refusal_of_the_engine_is_one_line(headless: Headless, phase: str) -> None:
    code, _, err = headless("--fail", phase)
    assert code == ExitCode.USAGE
    assert err[-1] == f"bd_net.h5: the scripted engine fails in {phase}."


def test_a_run_that_another_process_holds_is_left_alone(headless: Headless) -> None:
    code, out, err = headless("--held-by", "process 7636 on host vm since 14:02")
    assert code == ExitCode.USAGE
    assert err[-1] == (
        "This folder is in use by another window (process 7636 on host vm since 14:02). "
        "Close it there, or wait until it has ended."
    )
    assert out == [], "not even B was measured"


def test_an_output_that_is_somebody_elses_is_not_replaced(headless: Headless) -> None:
    code, _, err = headless("--exists", "model_prune_4.h5")
    assert code == ExitCode.USAGE
    assert "model_prune_4.h5 is there already" in err[-1] and "--overwrite" in err[-1]


def test_a_step_beyond_the_last_is_refused_before_anything_is_computed(headless: Headless) -> None:
    code, out, err = headless(settings=p.Settings("/lab", "/m.h5", "/v.h5", save_steps=(45, 99)))
    assert (code, out) == (ExitCode.USAGE, [])
    assert err[-1] == "--save-step 99: there is no such step, expected 1..60."


def test_a_short_order_ends_the_run_there(headless: Headless) -> None:
    code, out, _ = headless(settings=p.Settings("/lab", "/m.h5", "/v.h5", order=(3, 1, 2), save_at=()))
    assert code == ExitCode.DONE
    assert [line.split()[1] for line in out[:4]] == ["0/3", "1/3", "2/3", "3/3"]


def test_other_thresholds_for_a_run_that_goes_on(headless: Headless) -> None:
    code, out, _ = headless(save_at=("20",))
    assert code == ExitCode.DONE
    assert [line.split()[1] for line in out[-2:]] == ["-20", "-20"]


@pytest.mark.parametrize("place", ["/dev/full", "closed"])
def test_a_stdout_that_takes_nothing_ends_the_run(fake_command: Command, tmp_path: Path, place: str) -> None:
    code = "import sys; from tests.unit.test_headless import main; sys.exit(main(sys.argv[1:]))"
    reader, writer = os.pipe()
    os.close(reader)
    out = os.open(place, os.O_WRONLY) if place != "closed" else writer
    done = subprocess.run(
        [sys.executable, "-c", code, *fake_command()], stdout=out, stderr=subprocess.PIPE, text=True,
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    os.close(writer)
    assert done.returncode == ExitCode.NOT_WRITTEN
    assert "Traceback" not in done.stderr


def main(command: list[str]) -> int:
    """A run on this engine, for tests that need it in a process of its own."""
    return run(Plan(p.Open(SETTINGS)), lambda: EngineClient(command))


def test_eval_prints_exactly_the_labs_two_lines(fake_command: Command, capfd: pytest.CaptureFixture[str]) -> None:
    code = commands.evaluate(p.Evaluate("/c.h5", "/p.h5", "/m.h5"), lambda: EngineClient(fake_command()))
    out, err = capfd.readouterr()
    assert code == ExitCode.DONE
    assert out == "Clean Classification accuracy: 98.62042088854248\nAttack Success Rate: 100.0\n"
    assert err == ""


def test_eval_of_g_adds_what_it_detects(fake_command: Command, capfd: pytest.CaptureFixture[str]) -> None:
    command = p.Evaluate("/c.h5", "/p.h5", "/m.h5", "/b.h5")
    assert commands.evaluate(command, lambda: EngineClient(fake_command())) == ExitCode.DONE
    lines = capfd.readouterr().out.splitlines()
    assert lines[2:] == ["Detection rate: 2.338269680436477", "False alarm rate: 0.3117692907248636"]


@pytest.mark.parametrize(("hits", "images"), [(11391, 11547), (1, 3), (0, 7), (7, 7), (29, 49)])
def test_eval_rates_are_those_of_numpys_mean(hits: int, images: int) -> None:
    np = pytest.importorskip("numpy")
    found = commands.evaluation(p.Evaluated(hits, images, hits, images))
    mean = np.mean(np.arange(images) < hits) * 100
    assert found[0] == f"Clean Classification accuracy: {mean}"
