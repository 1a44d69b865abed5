"""Fine-tuning: zeros that stay zeros, epochs that stopping does not change, accuracy of held-out images only."""

import shutil
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

pytestmark = pytest.mark.keras
keras = pytest.importorskip("keras")

from engine.api import protocol as p  # noqa: E402
from engine.api import tunings  # noqa: E402
from engine.api.errors import NotWritten, Refused  # noqa: E402
from engine.repair.objective import objective  # noqa: E402
from engine.repair.pruned_arrays import zeroed_weights  # noqa: E402
from engine.repair.split import split  # noqa: E402
from engine.repair.trainer import Trainer, make_optimizer  # noqa: E402
from engine.repair.tuning import Tuner, refuse_recipe  # noqa: E402
from engine.run import tuning_files  # noqa: E402
from engine.run.run import Run  # noqa: E402
from engine.run.tuning_files import kept_epoch  # noqa: E402
from engine.sandbox.model_file import read_model  # noqa: E402
from engine.sandbox.pruned_file import filled_bytes  # noqa: E402
from tests.engine.test_parity import opened  # noqa: E402
from tests.support.networks import CASES, trained_looking, write_lab  # noqa: E402

STEP = 3


def pruned_run(folder: Path, case: str, **more: Any) -> Run:
    """A run on one of the small networks, pruned to STEP."""
    make, layer, _ = CASES[case]
    if not (folder / "models").exists():
        write_lab(folder, trained_looking(make, seed=7), seed=7)
    run = opened(folder, layer=layer, **more)
    list(run.session.goto(p.Goto(STEP), lambda: run.evaluator, lambda: None))
    return run


def tuner(run: Run, **recipe: Any) -> Tuner:
    complete = tunings.complete(p.Recipe(**{"epochs": 2, "batch": 16, **recipe}))
    return Tuner(run, run.session.order[:STEP], complete, None, lambda done, total: None, lambda: None)


def began(work: Tuner, seed: int = 0, number: int = 1) -> p.TuningBegan:
    sizes = len(work.trained), len(work.held_out)
    return p.TuningBegan(number, STEP, work.pruned, None, work.recipe, seed, *sizes)


def tuned(work: Tuner, seed: int = 0, number: int = 1) -> list[p.Tuned]:
    return list(work.epochs(tunings.Tuning(began(work, seed, number))))


def weights(run: Run, epoch: int, number: int = 1) -> list[np.ndarray]:
    found = kept_epoch(run, number, epoch)
    assert found is not None
    return found[0]


@pytest.mark.parametrize("scope", ["behind", "all"])
@pytest.mark.parametrize("case", [case for case in CASES if case != "all convolutions"])
def test_pruned_numbers_stay_zero_and_the_saved_file_answers_as_was_told(case: str, scope: str, tmp_path: Path) -> None:
    run = pruned_run(tmp_path, case)
    work = tuner(run, scope=scope)
    events = tuned(work)
    assert [event.epoch for event in events] == [1, 2]
    spec, pruned = run.inputs.model.spec, list(work.pruned)
    names = [weight.layer for weight in spec.weights]
    for epoch in (1, 2):
        held = weights(run, epoch)
        for layer, place in zeroed_weights(spec, run.inputs.layer):
            array = held[names.index(layer) + place]
            assert not array[..., pruned].view("uint32").any()  # zero to the bit
    moved = [not np.array_equal(after, before) for after, before in zip(weights(run, 2), work.start, strict=True)]
    assert any(moved)
    below = [name for name, changed in zip(names, moved, strict=True) if changed]
    assert scope == "all" or run.inputs.layer not in below
    data = filled_bytes(run.inputs.model, weights(run, 2))
    path = tmp_path / f"tuned{run.inputs.suffix}"
    path.write_bytes(data)
    found = kept_epoch(run, 1, 2)
    assert found is not None
    for name in ("test", "poisoned"):
        told, whole = found[1][run.inputs.rows[name]], keras_answers(path, run, name)
        assert np.count_nonzero(told != whole) <= 1  # a tie, at most, between two ways to add up
    assert events[-1].counts.test == int(np.count_nonzero(keras_answers(path, run, "test") == labels(run, "test")))


def keras_answers(path: Path, run: Run, name: Any) -> np.ndarray:
    """What Keras itself says with the file."""
    images = np.concatenate(list(run.inputs.sets[name].batches(500))).transpose(0, 2, 3, 1)
    found: np.ndarray = keras.models.load_model(path, compile=False).predict(images, verbose=0).argmax(1)
    return found


def labels(run: Run, name: Any) -> np.ndarray:
    return run.inputs.sets[name].labels


def test_gamma_and_beta_behind_the_pruned_layer_are_zero_and_no_others(tmp_path: Path) -> None:
    run = pruned_run(tmp_path, "normalised on both sides")
    found = zeroed_weights(run.inputs.model.spec, "last")
    assert [name for name, _ in found] == ["last", "last", "behind", "behind"]
    sums = pruned_run(tmp_path / "sum", "normalised after a sum")
    assert {name for name, _ in zeroed_weights(sums.inputs.model.spec, "last")} == {"last"}


def test_same_seed_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    run = pruned_run(tmp_path, "residual")
    work = tuner(run, scope="all")  # with dropout, which draws too
    for number, seed in ((1, 5), (2, 5), (3, 6)):
        tuned(work, seed, number)
    first, again, other = ((run.folder / "tuning" / f"{number}_2.epoch").read_bytes() for number in (1, 2, 3))
    assert first == again != other


@pytest.mark.parametrize(("optimizer", "scope"), [("adam", "behind"), ("sgd", "behind"), ("adam", "all")])
def test_a_tuning_that_was_stopped_goes_on_to_the_same_bytes(optimizer: str, scope: str, tmp_path: Path) -> None:
    run, recipe = pruned_run(tmp_path, "residual"), {"epochs": 4, "optimizer": optimizer, "scope": scope}
    whole = tuner(run, **recipe)
    events = tuned(whole)
    halves = tuner(run, **recipe)
    steps = halves.epochs(tunings.Tuning(began(halves, number=2)))
    told = [next(steps), next(steps)]
    steps.close()
    again = tuner(run, **recipe)
    zero = p.Tuned(2, 0, again.as_pruned())
    rest = list(again.epochs(tunings.Tuning(began(again, number=2), (zero, *told))))
    assert [event.epoch for event in rest] == [3, 4]
    assert [event.counts for event in (*told, *rest)] == [event.counts for event in events]
    for epoch in range(1, 5):
        one, two = (run.folder / "tuning" / f"{number}_{epoch}.epoch" for number in (1, 2))
        assert one.read_bytes() == two.read_bytes()
    assert sorted(path.name for path in (run.folder / "tuning").glob("*.state")) == ["1_4.state", "2_4.state"]


def test_a_full_disk_leaves_the_epoch_before_and_the_rest_comes_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = pruned_run(tmp_path, "sequential")
    work = tuner(run, epochs=3)
    whole = tuned(work, number=1)
    write, written = tuning_files.write_atomically, []

    def full(path: Path, data: bytes, what: str = "") -> None:
        written.append(path)
        if len(written) == 4:  # the state of epoch 2
            raise NotWritten("Could not save epoch 2: no space left.", "Free space.")
        write(path, data, what)

    monkeypatch.setattr(tuning_files, "write_atomically", full)
    steps = work.epochs(tunings.Tuning(began(work, number=2)))
    first = next(steps)
    with pytest.raises(NotWritten, match="no space left"):
        next(steps)
    monkeypatch.undo()
    rest = list(work.epochs(tunings.Tuning(began(work, number=2), (p.Tuned(2, 0, work.as_pruned()), first))))
    assert [event.counts for event in (first, *rest)] == [event.counts for event in whole]
    assert all(np.array_equal(a, b) for a, b in zip(weights(run, 3, 1), weights(run, 3, 2), strict=True))


def test_epochs_that_are_gone_or_damaged_are_computed_again_and_not_told_again(tmp_path: Path) -> None:
    run = pruned_run(tmp_path, "sequential")
    work = tuner(run, epochs=3)
    told = tuned(work)
    last = run.folder / "tuning" / "1_3.epoch"
    kept = last.read_bytes()
    last.write_bytes(kept[:-1] + bytes([kept[-1] ^ 1]))
    assert kept_epoch(run, 1, 3) is None
    (run.folder / "tuning" / "1_3.state").unlink()
    events = (p.Tuned(1, 0, work.as_pruned()), *told[:2])
    assert [event.epoch for event in work.epochs(tunings.Tuning(began(work), events))] == [3]
    assert last.read_bytes() == kept


def test_nothing_depends_on_test_and_poisoned_images(tmp_path: Path) -> None:
    run = pruned_run(tmp_path, "branching")
    tuned(tuner(run))
    alone = pruned_run(tmp_path, "branching", test=None, poisoned=None, poisoned_valid=None)
    assert alone.session.order == run.session.order
    events = tuned(tuner(alone))
    assert events[-1].counts.test is None and events[-1].counts.poisoned is None
    assert all(np.array_equal(a, b) for a, b in zip(weights(run, 2), weights(alone, 2), strict=True))


def test_held_out_images_are_a_share_of_each_class_always_the_same_and_never_trained_on(tmp_path: Path) -> None:
    labels = np.repeat(np.arange(5), 9)[np.random.default_rng(0).permutation(45)]
    trained, held_out = split(labels, Fraction(2, 9))
    assert np.bincount(labels[held_out]).tolist() == [2] * 5 and np.bincount(labels[trained]).tolist() == [7] * 5
    assert not np.intersect1d(trained, held_out).size and len(trained) + len(held_out) == 45
    assert np.array_equal(split(labels, Fraction(2, 9))[1], held_out)
    with pytest.raises(Refused, match="one a class"):
        split(np.arange(5), Fraction(2, 9))


def test_steps_are_those_of_keras_itself() -> None:
    """The trainer's loop in a graph, against train_on_batch, on the same batches."""
    keras.utils.set_random_seed(3)
    model = trained_looking(CASES["sequential"][0], seed=3)
    twin = keras.models.clone_model(model)
    twin.set_weights(model.get_weights())
    rng = np.random.default_rng(0)
    (start,), (end,) = model.inputs, model.outputs
    images = rng.random((3, 8, *start.shape[1:])).astype("float32")
    truth = rng.integers(0, end.shape[-1], (3, 8))
    scores = keras.Model([start], keras.ops.log(end))  # whose softmax is the output
    trainer = Trainer(scores, objective("softmax"), make_optimizer("adam", 1e-3, 3), {})
    losses = trainer.block([images], truth, np.ones((3, 8)))
    twin.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy", jit_compile=False)
    theirs = [float(twin.train_on_batch(images[step], truth[step])) for step in range(3)]
    assert losses[0] == pytest.approx(theirs[0], rel=1e-4)
    for ours, other in zip(model.get_weights(), twin.get_weights(), strict=True):
        assert np.allclose(ours, other, atol=2e-4)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"epochs": 0}, "--epochs: 0 is outside 1..1000"),
        ({"batch": 5000}, "--batch: 5000 is outside"),
        ({"rate": 0.0}, "--rate: 0 is no learning rate"),
        ({"holdout": "3/2"}, "--holdout: '3/2' is no share"),
        ({"holdout": "x"}, "--holdout: 'x' is no share"),
    ],
)
def test_a_recipe_that_cannot_be_followed_is_refused(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(Refused, match=said):
        refuse_recipe(replace(p.Recipe(), **changed), (0,))
    with pytest.raises(Refused, match="--seeds"):
        refuse_recipe(p.Recipe(), (1, 1))


def test_weights_that_leave_all_bounds_are_refused_and_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = tuner(pruned_run(tmp_path, "sequential"))
    weights = [*work.start[:-1], np.full_like(work.start[-1], np.inf)]
    monkeypatch.setattr(type(work.network), "weights", lambda network: weights)
    with pytest.raises(Refused, match=r"left all bounds in epoch 1\. Lower --rate"):
        tuned(work)
    assert kept_epoch(work.run, 1, 1) is None


def test_the_file_of_a_tuned_network_differs_in_its_floats_alone(tmp_path: Path) -> None:
    run = pruned_run(tmp_path, "sequential")
    tuned(tuner(run, scope="all"))
    before = run.inputs.model.path.read_bytes()
    after = filled_bytes(run.inputs.model, weights(run, 2))
    assert len(after) == len(before)
    differs = np.flatnonzero(np.frombuffer(before, "u1") != np.frombuffer(after, "u1"))
    spans = [(at.offset or 0, (at.offset or 0) + 4 * int(np.prod(at.shape))) for at in run.inputs.model.spec.weights]
    assert all(any(low <= place < high for low, high in spans) for place in differs.tolist())
    path = tmp_path / "again.h5"
    path.write_bytes(after)
    held = [array for arrays in read_model(path).arrays.values() for array in arrays]
    assert all(np.array_equal(a, b) for a, b in zip(held, weights(run, 2), strict=True))
    shutil.rmtree(run.folder)
