"""What is printed on a terminal, and what in a pipe."""

import os
import re
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from engine.api import protocol as p
from engine.api.inspection import describe
from engine.report.g_file import answers_file
from tests.support.engine_stub import CHANNELS, ORDER, SETTINGS, counts, means, opened
from tests.support.model_files import write_h5
from tests.support.pty import Pseudo
from tui.cli.commands import counted, description, evaluation
from tui.headless.narrator import rates, told_on_terminal
from tui.headless.tables import results_table
from tui.model.options import Options
from tui.model.run_state import AppEvent, RunState, Sent, reduce

ROOT = Path(__file__).parents[2]
EVALUATED = p.Evaluated(12653, 12830, 12829, 12830, detected=1, false_alarms=20)


def run(*events: AppEvent) -> RunState:
    """A run that has come to step 47, after which these things happened."""
    state = reduce(RunState(), Sent(p.Open(SETTINGS)))
    active = (1,) * CHANNELS
    told = [opened(), p.Ranked(ORDER, False, means(), active, active), p.Stepped(0, None, counts(0)), p.Idle(0)]
    told += [p.Stepped(step, ORDER[step - 1], counts(step), 1, 0.01) for step in range(1, 48)]
    for event in (*told, p.Moved(47), *events):
        state = reduce(state, event)
    return state


SAVED = p.Saved("model", "/lab/models/model_prune_2.h5", "0" * 64, "written", 45, "2")


# --- headless ---


def test_a_network_that_is_saved_is_a_line_with_its_rates() -> None:
    before = run()
    after = reduce(before, SAVED)
    assert told_on_terminal(before, after, SAVED) == [
        ("-2 pt at step 45: valid acc 96.60 %, ASR 100.00 %, saved model_prune_2.h5", "green")
    ]
    assert rates(after) == "valid acc 95.30 % (-3.30 pt)  ASR 100.00 %"


def test_steps_and_phases_are_no_lines_on_a_terminal_but_notes_and_warnings_are() -> None:
    before = run()
    for event in (p.Progress("files", 1, 1, 0.1), p.Stepped(48, 1, counts(48), 1, 0.1), p.Crossed("4", 47)):
        assert told_on_terminal(before, reduce(before, event), event) == []
    note = p.Note("pixels 0..1, not 0..255")
    assert told_on_terminal(before, reduce(before, note), note) == [(note.text, "dim")]
    question = p.Question("overwrite", "model_prune_2.h5 is there already. Replace it?")
    assert told_on_terminal(before, reduce(before, question), question)[0][0] == question.text


@pytest.mark.parametrize("width", [72, 80, 100])
def test_the_table_fits_the_terminal(width: int) -> None:
    state = run(SAVED)
    lines = results_table(state, width)
    assert max(map(len, lines)) <= width and len(lines) == len(results_table(state))
    assert any("-2 pt" in line and "96.60" in line for line in lines)
    assert ("valid %  test %" in results_table(state)[1]) and results_table(state) == results_table(state, 200)


def test_a_run_on_a_terminal_is_a_bar_thresholds_and_the_table(tmp_path: Path) -> None:
    program = str(ROOT / "tests/e2e/headless_on_fake.py")
    it = Pseudo([sys.executable, program, str(tmp_path)], (100, 40))
    try:
        it.wait()
        it.read()
        text = it.output.decode()
    finally:
        it.close()
    assert re.search(r"-4 pt at step \d+: valid acc [\d.]+ %, ASR [\d.]+ %, saved model_prune_4.h5", text)
    assert "step 46/60" not in text and "G ASR" not in text, "no line a step"
    assert "drop" in text and "detected" in text


# --- eval ---


def test_eval_has_bare_numbers_in_a_pipe_and_counts_on_a_terminal() -> None:
    assert evaluation(EVALUATED)[0] == f"Clean Classification accuracy: {12653 / 12830 * 100}"
    assert counted(EVALUATED)[0].split() == [
        "clean",
        "classification",
        "accuracy",
        "12,653",
        "of",
        "12,830",
        "98.62",
        "%",
    ]
    assert [line.split()[-2] for line in counted(EVALUATED)] == ["98.62", "99.99", "0.01", "0.16"]
    assert len(counted(p.Evaluated(1, 2, 1, 2))) == 2


# --- inspect ---


def test_inspect_counts_the_filters_that_are_zero(tmp_path: Path) -> None:
    model = write_h5(tmp_path / "bd_net.h5")
    before = describe(model).zero_filters
    with h5py.File(model, "r+") as file:
        names: list[str] = []
        file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
        layer = before[-1].layer
        for name in names:
            if layer in name:
                values = file[name][...]
                values[..., [0, 2]] = 0
                file[name][...] = values
    after = describe(model)
    assert [at.zero for at in before] == [0] * len(before)
    assert {at.layer: at.zero for at in after.zero_filters}[layer] == 2
    assert any(line.split() == ["zero", "filters", "2", "of", "4", "in", layer] for line in description(after))


def answers(path: Path, g: list[int]) -> Path:
    columns = {"label": [0, 1, 2], "B": [0, 1, 1], "B_prime": [0, 2, 1], "G": g}
    path.write_bytes(answers_file({"test": {name: np.array(values) for name, values in columns.items()}}))
    return path


def test_inspect_reads_the_answers_of_g(tmp_path: Path) -> None:
    found = describe(answers(tmp_path / "g_prune_2.h5", [0, 9, 1]))
    assert found.refusal is None and found.kind == "answers"
    (clean,) = found.answers
    assert (clean.images, clean.b, clean.other, clean.g, clean.backdoored) == (3, 2, 1, 1, 1)
    told = "\n".join(description(found))
    assert "hit the label: B 2 (66.67 %), B' 1 (33.33 %), G 1 (33.33 %); G says backdoored: 1 (33.33 %)" in told


@pytest.mark.parametrize("g", [[0, 9, 2], [3, 9, 1]])
def test_answers_that_are_not_made_of_both_networks_are_refused(tmp_path: Path, g: list[int]) -> None:
    found = describe(answers(tmp_path / "g.h5", g))
    assert found.refusal is not None and "is not what B and B_prime agree on" in found.refusal


def test_a_file_with_a_group_of_that_name_and_nothing_in_it_is_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "g.h5", "w") as file:
        file.create_group("clean")
    found = describe(tmp_path / "g.h5")
    assert found.refusal is not None and "has no 'clean/label'" in found.refusal


# --- several bad arguments ---


def program(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tui", *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd=ROOT,
        env=dict(os.environ),
    )  # fmt: skip


def test_several_bad_arguments_are_told_together() -> None:
    done = program("--headless", "--save-at", "200", "--scale", "3", "--device", "tpu", "--model", "nope.h5")
    assert done.returncode == 2
    assert [line.split(":")[0] for line in done.stderr.splitlines()] == [
        "nope.h5", "--save-at", "--scale", "--device",
    ]  # fmt: skip


def test_several_files_that_are_not_there_are_told_together() -> None:
    done = program("eval", "a.h5", "b.h5", "c.h5")
    assert done.returncode == 2 and [line.partition(":")[0] for line in done.stderr.splitlines()] == [
        "a.h5",
        "b.h5",
        "c.h5",
    ]


def test_what_is_alone_is_told_as_before() -> None:
    assert Options(model=Path("nope.h5")).refusals() == []  # whoever opens it says more
    assert len(Options(model=Path("nope.h5"), valid=Path("no.h5")).refusals()) == 2
