"""Every file that a run claims exists and holds just the channels at zero that the claim says."""

import csv
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import msgspec
import numpy as np
import pytest

from engine.api import journal
from engine.api import protocol as p
from engine.api.atomic_file import sha256_file
from engine.api.client import EngineClient
from engine.api.deliverables import Ledger
from engine.api.journal import line_of
from tests.support.protocol_client import Line, Transcript, of, play, small_lab
from tui.headless.headless_run import Plan, run

ROOT = Path(__file__).parents[2]
ENGINE = (sys.executable, "-P", str(ROOT / "tests" / "support" / "plain_engine.py"))
OUT_OF_TURN = (p.Goto(4), p.Goto(1), p.PruneNext(3), p.Goto(1))  # back in the first order, with a question on the way
STRANGER = b"a network of somebody else's"


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


@pytest.fixture
def settings(tmp_path: Path) -> p.Settings:
    return msgspec.structs.replace(small_lab(tmp_path / "lab"), save_at=("20", "50"))


def talk(settings: p.Settings, *script: Line, run: str | None = None) -> Transcript:
    return play([p.Open(settings, run), *script], ENGINE)


def the_run(settings: p.Settings) -> Path:
    (folder,) = (Path(settings.root) / "runs").iterdir()
    return folder


def at_zero(path: Path, settings: p.Settings) -> set[int]:
    """The channels whose filters and biases are at zero in a file and not in B."""
    with h5py.File(path) as file, h5py.File(settings.model) as b:
        group = "model_weights/conv_1/conv_1"
        kernels = [np.asarray(each[f"{group}/kernel:0"]) for each in (file, b)]
        bias = np.asarray(file[f"{group}/bias:0"])
    zero = (kernels[0] == 0).all(axis=(0, 1, 2)) & (bias == 0)
    return set(np.flatnonzero(zero & (kernels[1] != 0).any(axis=(0, 1, 2))).tolist())


def claims(run: Path) -> Ledger:
    ledger = Ledger()
    for event in journal.events(run):
        ledger.take(event)
    return ledger


def the_truth(settings: p.Settings) -> dict[str, set[int]]:
    """By name, the channels at zero in every network that the run claims: as it claims them, and as they are."""
    found = {}
    for path, file in claims(the_run(settings)).files.items():
        assert sha256_file(Path(path)) == file.sha256, f"{path} is not what was saved there"
        if file.what == "model":
            assert at_zero(Path(path), settings) == set(file.pruned), path
            found[Path(path).name] = set(file.pruned)
    return found


def model(settings: p.Settings, name: str) -> Path:
    return Path(settings.root) / "models" / name


THE_TWO = {"model_prune_20.h5": {0, 1}, "model_prune_50.h5": {0, 1, 2}}


# --- names that are not free ---


@pytest.mark.parametrize(
    "name", ["model_prune_50.h5", "model_prune_50", "model_prune_25.h5", "model_step_3.h5", "Model_Prune_50.h5"]
)
def test_a_name_of_another_network_is_refused_written_or_not(settings: p.Settings, name: str) -> None:
    for way in ((p.Goto(1),), (p.Goto(4), p.Goto(1))):
        *_, saved = talk(settings, *way, p.SaveHere(name, overwrite=True))
        (failed,) = of(p.Failed, saved)
        assert "is the name of B′ at" in failed.message and "this is step 1" in failed.message
        assert not of(p.Saved, saved)


def test_a_network_saved_under_its_own_threshold_is_that_of_the_threshold(settings: p.Settings) -> None:
    *_, saved = talk(settings, p.Goto(4), p.Goto(3), p.SaveHere("model_prune_50.h5"))
    assert {event.threshold for event in of(p.Saved, saved)} == {"50"}
    assert the_truth(settings) == THE_TWO


def test_a_chosen_step_in_another_order_does_not_take_the_place_of_the_first(settings: p.Settings) -> None:
    settings = msgspec.structs.replace(settings, save_at=(), save_steps=(2,))
    *_, again = talk(settings, p.Goto(2), p.Goto(1), p.PruneNext(3))
    (question,) = of(p.Question, again)
    assert (question.about, question.step) == ("replace", 2) and "model_step_2.h5 holds step 2" in question.text
    assert the_truth(settings) == {"model_step_2.h5": {0, 1}}


def test_a_yes_saves_the_step_that_was_asked_about_wherever_the_playhead_is(settings: p.Settings) -> None:
    settings = msgspec.structs.replace(settings, save_at=(), save_steps=(2,))
    model(settings, "model_step_2.h5").write_bytes(STRANGER)
    (refused,) = talk(settings)
    assert "model_step_2.h5: there already" in of(p.Failed, refused)[0].message
    model(settings, "model_step_2.h5").unlink()

    def intrude(_: Transcript) -> p.AnyCommand:
        model(settings, "model_step_2.h5").write_bytes(STRANGER)
        return p.Goto(4)

    *_, ran, answered = talk(settings, intrude, p.SaveHere("model_step_2.h5", overwrite=True, step=2))
    assert [event.about for event in of(p.Question, ran)] == ["overwrite"]
    assert {event.step for event in of(p.Saved, answered)} == {2}
    assert the_truth(settings) == {"model_step_2.h5": {0, 1}}


# --- files that are gone or changed ---


def deleted(path: Path) -> None:
    path.unlink()


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


@pytest.mark.parametrize("at", ["check", "export", "finish", "resume"])
@pytest.mark.parametrize("name", ["model_prune_20.h5", "g_prune_50.h5", "report.md"])
def test_a_file_that_is_gone_is_made_again(settings: p.Settings, at: str, name: str) -> None:
    def delete(_: Transcript) -> p.AnyCommand:
        folder = model(settings, "") if name.startswith("model") else the_run(settings)
        (folder / name).unlink()
        return {"check": p.CheckFiles(), "export": p.Export(), "finish": p.Finish(), "resume": p.Goto(1)}[at]

    *_, last = talk(settings, p.Goto(4), p.Export(), delete)
    if at == "resume":
        (last,) = talk(settings, run=str(the_run(settings)))
    noticed = [(Path(event.path).name, event.found) for event in of(p.FileChanged, last)]
    assert noticed == [(name, "gone")]
    assert the_truth(settings) == THE_TWO
    assert (the_run(settings) / "report.md").exists()


def test_a_file_of_another_order_is_made_again_as_it_was(settings: p.Settings) -> None:
    def delete(_: Transcript) -> p.AnyCommand:
        model(settings, "model_prune_20.h5").unlink()
        return p.CheckFiles()

    *_, checked = talk(settings, p.Goto(4), p.Goto(1), p.PruneNext(3), delete)
    assert [event.pruned for event in of(p.Saved, checked)] == [(0, 1)]
    assert the_truth(settings) == THE_TWO


@pytest.mark.parametrize("change", [lambda path: path.write_bytes(STRANGER), cut_short])
def test_what_somebody_else_put_there_is_asked_about_once_and_no_longer_claimed(
    settings: p.Settings, change: Callable[[Path], object]
) -> None:
    talk(settings, p.Goto(4), p.Finish())
    path = model(settings, "model_prune_50.h5")
    change(path)
    before = path.read_bytes()
    opened, _ = talk(settings, p.Finish(), run=str(the_run(settings)))
    assert [(event.about, Path(event.path).name) for event in of(p.Question, opened)] == [
        ("overwrite", "model_prune_50.h5")
    ]
    assert path.read_bytes() == before
    assert the_truth(settings).keys() == {"model_prune_20.h5"}
    text = (the_run(settings) / "report.md").read_text()
    assert "model_prune_50.h5" not in text and "| -50 pt | 3 | 0.750 | -60.00 | not saved |  |" in text
    again, answered = talk(settings, p.SaveThreshold("50", overwrite=True), run=str(the_run(settings)))
    assert len(of(p.Question, again)) == 1, "the journal's, and no other"
    assert of(p.Saved, answered) and the_truth(settings) == THE_TWO


def test_a_claim_about_a_file_elsewhere_is_neither_looked_at_nor_written(settings: p.Settings, tmp_path: Path) -> None:
    talk(settings, p.Goto(4))
    run, elsewhere = the_run(settings), tmp_path / "elsewhere.h5"
    forged = [p.Saved("model", str(path), "0" * 64, "written", 2) for path in (elsewhere, Path(settings.model))]
    forged.append(p.Saved("answers", str(run / "answers.bin"), "0" * 64, "written", 2))
    with (run / journal.NAME).open("ab") as file:
        file.writelines(map(line_of, forged))
    before = Path(settings.model).read_bytes()
    (opened,) = talk(settings, run=str(run))
    assert not of(p.Failed, opened) and not of(p.Question, opened)
    assert not elsewhere.exists() and Path(settings.model).read_bytes() == before
    assert the_truth(settings) == THE_TWO


# --- questions ---


def test_no_question_for_the_channels_that_are_saved(settings: p.Settings) -> None:
    *_, turned, _, threshold = talk(settings, *OUT_OF_TURN[:3], OUT_OF_TURN[3], p.SetThresholds(("20", "50")))
    assert {event.threshold for event in of(p.Question, turned)} == {"20", "50"}
    assert all("model_prune_" in event.text and event.path for event in of(p.Question, turned)), "what would be lost"
    assert not of(p.Question, threshold)
    assert the_truth(settings) == THE_TWO


@pytest.mark.parametrize("answer", ["no", "yes", "none"])
def test_what_was_asked_is_not_asked_again_by_whoever_goes_on(settings: p.Settings, answer: str) -> None:
    def reply(told: Transcript) -> p.AnyCommand:
        asked = {event.threshold: event for event in of(p.Question, told[3])}
        return {"no": p.Decline(asked["20"].number), "yes": p.SaveThreshold("20"), "none": p.Goto(2)}[answer]

    talk(settings, *OUT_OF_TURN[:3], reply)
    count = len(of(p.Question, journal.events(the_run(settings))))
    (opened,) = talk(settings, run=str(the_run(settings)))
    assert len(of(p.Question, opened)) == count == 2, "the journal's, and no more"
    expected = {0, 3} if answer == "yes" else {0, 1}
    assert the_truth(settings) == THE_TWO | {"model_prune_20.h5": expected}


# --- journals of before, and headless ---


@pytest.fixture
def of_before(settings: p.Settings) -> Iterator[p.Settings]:
    """A run as the version before left it: a threshold's file replaced by hand, questions without file and number."""
    talk(settings, *OUT_OF_TURN, p.Goto(4), p.Goto(1), p.SaveHere("by_hand.h5"), p.Goto(4), p.Finish())
    run = the_run(settings)
    model(settings, "by_hand.h5").rename(model(settings, "model_prune_50.h5"))
    lines = []
    for event in journal.events(run):
        if isinstance(event, p.Question):
            event = msgspec.structs.replace(event, number=0, path=None)
        if isinstance(event, p.Saved) and event.path.endswith("by_hand.h5"):
            event = msgspec.structs.replace(event, path=str(model(settings, "model_prune_50.h5")))
        lines.append(without_new_fields(line_of(event)))
    (run / journal.NAME).write_bytes(b"".join(lines))
    yield settings


def without_new_fields(line: bytes) -> bytes:
    """A journal's line as it was written before questions had numbers and files channels."""
    import zlib

    event = json.loads(line)["event"]
    new = {"question": "number", "saved": "pruned"}.get(event["event"], "")
    event.pop(new, None)
    raw = json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode()
    return b'{"crc":"%08x","event":%s}\n' % (zlib.crc32(raw), raw)


def test_a_run_of_before_is_gone_on_with_and_its_file_made_again(of_before: p.Settings) -> None:
    assert at_zero(model(of_before, "model_prune_50.h5"), of_before) == {0}
    opened, finished = talk(of_before, p.Finish(), run=str(the_run(of_before)))
    assert [(Path(e.path).name, e.found) for e in of(p.FileChanged, opened)] == [("model_prune_50.h5", "changed")]
    assert the_truth(of_before) == THE_TWO
    assert of(p.Finished, finished) and not of(p.Question, finished)
    rows = list(csv.DictReader((the_run(of_before) / "results.csv").read_text().splitlines()))
    assert [(row["file"], row["pruned"]) for row in rows if row["network"] == "B′"] == [
        ("model_prune_20.h5", "0 1"), ("model_prune_50.h5", "0 1 2")
    ]  # fmt: skip


def headless(settings: p.Settings, capfd: pytest.CaptureFixture[str]) -> tuple[int, list[str], list[str]]:
    folder = the_run(settings)
    code = run(Plan(p.Open(settings, str(folder))), lambda: EngineClient(ENGINE, environment=dict(os.environ)))
    out, err = capfd.readouterr()
    return code, out.splitlines(), err.splitlines()


def columns(out: list[str]) -> list[list[str]]:
    return [line.split() for line in out[out.index("") + 3 :]]


def test_headless_goes_on_with_a_finished_run_of_before(
    of_before: p.Settings, capfd: pytest.CaptureFixture[str]
) -> None:
    code, out, err = headless(of_before, capfd)
    assert code == 0, err
    assert [line.split()[1] for line in out[: out.index("")]] == [f"{step}/4" for step in range(5)]
    assert [len(row) for row in columns(out) if row[0] in ("B", "B′")] == [7, 9, 9], "every rate is there"
    assert not any("Left as it is" in line or "left as it is" in line for line in err)


@pytest.mark.parametrize("answered", [True, False])
def test_headless_leaves_a_file_that_somebody_has_to_decide_about(
    settings: p.Settings, capfd: pytest.CaptureFixture[str], answered: bool
) -> None:
    def decline(number: int) -> Line:
        return lambda told: p.Decline(of(p.Question, told[3])[number].number)

    answers = (decline(0), decline(1)) if answered else ()
    talk(settings, *OUT_OF_TURN[:3], *answers, p.Goto(4), p.Finish())
    for _ in range(2):
        code, out, err = headless(settings, capfd)
        assert code == (0 if answered else 2), err
        waiting = [line for line in err if "left as it is" in line]
        assert len(waiting) == (0 if answered else 1)
        assert [line.split()[1] for line in out[: out.index("")]] == [f"{step}/4" for step in range(5)]
        assert the_truth(settings) == THE_TWO
