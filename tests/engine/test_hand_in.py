"""What is handed in: one zip, the same bytes each time, and only networks that hold and give what the results say."""

import hashlib
import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

pytestmark = pytest.mark.keras
pytest.importorskip("keras")

from engine.analysis.network_check import Claim, compared, refuse_other_weights  # noqa: E402
from engine.api import protocol as p  # noqa: E402
from engine.api.errors import ExitCode, Refused  # noqa: E402
from engine.sandbox.model_file import read_model  # noqa: E402
from engine.sandbox.pruned_file import filled_bytes, pruned_bytes  # noqa: E402
from tests.engine.test_parity import settings as settings_of  # noqa: E402
from tests.support.networks import CASES, trained_looking, write_lab  # noqa: E402
from tests.support.protocol_client import Transcript, of, play  # noqa: E402

SCRIPT = (
    "empty",
    "open",
    "go",
    "save",
    "tune",
    "first",
    "again",
    "elsewhere",
    "taken",
    "changed",
    "mended",
    "whole",
    "answers",
)
LAYER = "conv_3"


def run_of(told: Transcript) -> Path:
    return Path(of(p.Opened, [event for events in told for event in events])[-1].run)


def spoil(
    path: Callable[[Path], Path], command: Callable[[Path], p.AnyCommand]
) -> Callable[[Transcript], p.AnyCommand]:
    """Write into a file of the run, then say this."""

    def line(told: Transcript) -> p.AnyCommand:
        file = path(run_of(told))
        data = bytearray(file.read_bytes())
        data[-1] ^= 1
        file.write_bytes(data)
        return command(run_of(told))

    return line


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[p.AnyEvent]]:
    """By the name of each command in SCRIPT, the events that answered it."""
    root = tmp_path_factory.mktemp("lab")
    write_lab(root, trained_looking(CASES["sequential"][0], seed=7), seed=7)
    settings = replace(settings_of(root), save_at=())

    def take_away_and_look(told: Transcript) -> p.AnyCommand:
        (root / "models/model_step_3.h5").unlink()
        return p.CheckFiles()

    hand_in = lambda told: p.HandIn(str(run_of(told)))  # noqa: E731
    to = str(root / "mine.zip")
    script = [
        p.HandIn(str(root / "runs/none")),
        *(p.Open(settings), p.Goto(3), p.SaveHere(), p.Tune(3, recipe=p.Recipe(epochs=1), seeds=(0,), save=True)),
        *(hand_in, hand_in, lambda told: p.HandIn(str(run_of(told)), to), lambda told: p.HandIn(str(run_of(told)), to)),
        spoil(lambda run: root / "models/model_step_3.h5", lambda run: p.HandIn(str(run), to, overwrite=True)),
        take_away_and_look,
        hand_in,
        spoil(lambda run: run / "g_step_3.h5", lambda run: p.HandIn(str(run), to, overwrite=True)),
    ]
    return dict(zip(SCRIPT, play(script), strict=True))


Talk = dict[str, list[p.AnyEvent]]


def zipped(event: p.HandedIn) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(Path(event.path).read_bytes())) as packed:
        return {name.partition("/")[2]: packed.read(name) for name in packed.namelist()}


def test_it_holds_report_curve_networks_answers_and_what_was_checked(talk: Talk) -> None:
    (done,) = of(p.HandedIn, talk["first"])
    files = zipped(done)
    assert set(done.files) == set(files) and hashlib.sha256(Path(done.path).read_bytes()).hexdigest() == done.sha256
    assert {
        *("report.md", "report.pdf", "curve.pdf", "curve.csv", "curve.png", "results.csv", "results.json", "check.txt"),
        *("models/model_step_3.h5", "models/model_tuned_step_3.h5", "g_step_3.h5", "g_tuned_step_3.h5", "tuning.csv"),
    } <= set(files)
    assert files["report.pdf"].startswith(b"%PDF") and files["curve.pdf"].startswith(b"%PDF")
    models = Path(of(p.Opened, talk["open"])[-1].run).parent.parent / "models"
    assert files["models/model_step_3.h5"] == (models / "model_step_3.h5").read_bytes(), "it was made again since"
    for line in files["SHA256SUMS"].decode().splitlines():
        digest, name = line.split("  ")
        assert hashlib.sha256(files[name]).hexdigest() == digest


def test_every_network_was_checked_and_gives_the_hits_that_were_counted(talk: Talk) -> None:
    (done,) = of(p.HandedIn, talk["first"])
    assert [(at.network, at.pruned) for at in done.checks] == [("B", 0), ("B′", 3), ("B″", 3)]
    b_prime = dict((name, hits) for name, hits, _ in done.checks[1].figures)
    counts = next(at.counts for at in of(p.Stepped, talk["go"]) if at.step == 3)
    assert b_prime["valid"] == counts.valid and b_prime["poisoned"] == counts.poisoned
    assert (b_prime["detected"], b_prime["false_alarms"]) == (counts.detected, counts.false_alarms)
    page = zipped(done)["check.txt"].decode()
    assert "model_step_3.h5: 3 channels at zero, as claimed" in page


def test_the_same_run_gives_the_same_bytes(talk: Talk) -> None:
    (first,), (again,) = of(p.HandedIn, talk["first"]), of(p.HandedIn, talk["again"])
    assert first.sha256 == again.sha256
    assert not of(p.Saved, talk["again"]), "nothing has come to the run, so nothing was written again"


def test_a_file_that_is_there_is_not_written_over(talk: Talk) -> None:
    assert of(p.HandedIn, talk["elsewhere"])[0].path.endswith("mine.zip")
    (failed,) = of(p.Failed, talk["taken"])
    assert failed.message.startswith("mine.zip: is there already") and failed.exit_code == ExitCode.USAGE


def test_what_is_not_as_it_was_saved_is_not_handed_in(talk: Talk) -> None:
    assert "model_step_3.h5: is not what this run recorded" in of(p.Failed, talk["changed"])[0].message
    assert of(p.HandedIn, talk["whole"])[0].files == of(p.HandedIn, talk["first"])[0].files, "it was made again"
    assert "g_step_3.h5: is not what this run recorded" in of(p.Failed, talk["answers"])[0].message
    assert of(p.Failed, talk["empty"]), "what is no run"


# --- the check of one network ---


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("lab")
    write_lab(root, trained_looking(CASES["sequential"][0], seed=7), seed=7)
    return root


def written(root: Path, name: str, pruned: tuple[int, ...], other: bool = False) -> Path:
    """B′ with these channels at zero; `other`: and a number of its last layer changed."""
    model = read_model(root / "models/bd_net.h5")
    path = root / name
    path.write_bytes(pruned_bytes(model, layer_of(root), pruned))
    if other:
        again = read_model(path)
        held = {layer: iter(arrays) for layer, arrays in again.arrays.items()}
        wanted = [np.array(next(held[weight.layer])) for weight in again.spec.weights]
        wanted[-1].flat[0] += 1
        path.write_bytes(filled_bytes(again, wanted))
    return path


def layer_of(root: Path) -> str:
    from engine.architecture.graph import default_layer

    return default_layer(read_model(root / "models/bd_net.h5").spec)


@pytest.mark.parametrize(
    ("zeroed", "claimed", "other", "told"),
    [
        ((0, 2), (0, 2), False, ""),
        ((0, 2, 3), (0, 2), False, "also 3"),
        ((0,), (0, 2), False, "not 2"),
        ((0, 2), (0, 2), True, "differs from B beyond pruned channels"),
    ],
)
def test_a_network_holds_just_the_channels_at_zero_that_are_claimed(
    lab: Path, zeroed: tuple[int, ...], claimed: tuple[int, ...], other: bool, told: str
) -> None:
    path = written(lab, f"{len(zeroed)}-{len(claimed)}-{other}.h5", zeroed, other)
    b, own = read_model(lab / "models/bd_net.h5"), read_model(path)
    claim = Claim("B′", path, claimed, {})
    if not told:
        return refuse_other_weights(claim, b, own, layer_of(lab))
    with pytest.raises(Refused, match=told):
        refuse_other_weights(claim, b, own, layer_of(lab))


def test_a_tuned_network_may_differ_but_in_its_channels_at_zero(lab: Path) -> None:
    path = written(lab, "tuned.h5", (0, 2), other=True)
    b, own = read_model(lab / "models/bd_net.h5"), read_model(path)
    refuse_other_weights(Claim("B″", path, (0, 2), {}), b, own, layer_of(lab))


def test_another_number_than_the_results_say_is_refused() -> None:
    claim = Claim("B′", Path("model_prune_2.h5"), (0,), {"valid": 9, "test": 8})
    assert compared(claim, {"valid": (9, 10)}).figures == (("valid", 9, 10),)
    with pytest.raises(Refused, match=r"model_prune_2.h5: test is 7 of 10 images, the results say 8"):
        compared(claim, {"valid": (9, 10), "test": (7, 10)})
